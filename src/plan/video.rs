//! The video ladder: rungs in every codec, the scaling tree between them, and how each is encoded.

use super::checks::Outputs;
use super::color::{self, Look};
use super::ladder::{self, Rung, Shape};
use super::notes::Notes;
use super::rate::{self, SourceRate};
use super::threads::{self, Load};
use super::timeline::{self, Clock, Origin};
use super::{Node, copy, encoder, graph};
use crate::model::facts::{ColorTags, MediaFacts, StreamFacts, VideoFacts};
use crate::model::plan::{Grid, VideoPlan};
use crate::model::request::{RateMode, Request};
use crate::model::{Problem, RateControl, Ratio, VideoCodec, VideoRendition};

/// A rung is scaled from a larger one only when that is this many tenths of its size or more: two resamplings at
/// nearly the same size blur visibly, and the second saves little.
const PARENT_RATIO_TENTHS: u64 = 13;
/// Rungs of a ladder that nobody specified stay when the next larger one has this many percent of their rate or more.
const RATE_STEP_PERCENT: u64 = 110;
/// Highest frame rate that SVT-AV1 opens with; pictures keep their timestamps, it only steers rate control.
const AV1_FRAME_RATE_MAX: Ratio = Ratio::new(240, 1);

/// What the ladder is made from.
pub(super) struct Source<'a> {
    /// The whole source.
    pub facts: &'a MediaFacts,
    /// Its stream.
    pub stream: &'a StreamFacts,
    /// Its pictures.
    pub video: &'a VideoFacts,
    /// Where zero is.
    pub origin: Origin,
    /// Spans that run side by side.
    pub spans: u32,
}

/// One rung in one codec, before it has a parent and options.
struct Made {
    rung: Rung,
    codec: VideoCodec,
    look: Look,
    bitrate: u64,
    copy: bool,
}

impl Made {
    fn rate(&self, request: &Request) -> RateControl {
        rate::control(request.rate_mode, self.codec, self.bitrate)
    }

    fn declared_peak(&self, request: &Request) -> u64 {
        rate::declared_peak(self.rate(request), self.codec, self.bitrate)
    }
}

/// The ladder of a source.
pub(super) fn plan(
    source: &Source<'_>,
    request: &Request,
    outputs: &Outputs,
    node: Node,
    notes: &mut Notes,
) -> Result<VideoPlan, Vec<Problem>> {
    let video = source.video;
    let clock = timeline::clock(video);
    let decoded = color::decoded(video);
    let mut made = rungs(source, request, &outputs.video, clock, &decoded, notes)?;
    if matches!(request.rate_mode, RateMode::Vbv) && outputs.video.contains(&VideoCodec::Av1) {
        notes.add(
            "rate.av1_quality",
            "av1 has no average rate with aligned key frames; its rates are upper bounds for constant quality",
        );
    }
    if request.copy {
        mark_copy(&mut made, source, request, clock, notes);
    }
    let renditions = renditions(&made, source, request, outputs, node, clock, &decoded);
    Ok(VideoPlan {
        stream: source.stream.index,
        time_base: source.stream.time_base,
        origin: source.origin.in_ticks(source.stream.time_base),
        in_point: false,
        end: None,
        timescale: clock.timescale,
        frame_ticks: clock.frame_ticks,
        frame_rate: clock.frame_rate,
        prepare: graph::prepare(video),
        color: decoded,
        decode_threads: threads::decoder(node, source.spans, video.width, video.height),
        renditions,
    })
}

/// Every codec gets the whole ladder, as far as it can make its sizes: what it cannot is left out of a ladder that
/// nobody specified, and refused where it was asked for.
fn rungs(
    source: &Source<'_>,
    request: &Request,
    codecs: &[VideoCodec],
    clock: Clock,
    decoded: &ColorTags,
    notes: &mut Notes,
) -> Result<Vec<Made>, Vec<Problem>> {
    let shape = Shape { width: source.video.display_width.max(1), height: source.video.display_height.max(1) };
    let worth = SourceRate::of(source.facts, source.stream, source.video);
    let rate = |rung: &Rung| rate::h264_rate(rung.width, rung.height, clock.frame_rate, worth);
    let asked = !request.renditions.is_empty();
    let ladder = if asked {
        ladder::asked(shape, &request.renditions, request.allow_upscale, notes)
    } else {
        spaced(ladder::default(shape), rate)
    };
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for codec in codecs {
        let before = made.len();
        let mut refused = Vec::new();
        for rung in &ladder {
            match unfit(rung, *codec) {
                Some(problem) => refused.push(problem),
                None => {
                    let bitrate = rung.bitrate.unwrap_or_else(|| rate::for_codec(rate(rung), *codec));
                    let look = color::look(*codec, source.video, decoded);
                    made.push(Made { rung: rung.clone(), codec: *codec, look, bitrate, copy: false });
                }
            }
        }
        if asked || made.len() == before {
            problems.append(&mut refused);
        }
        for problem in refused {
            notes.add("rendition.left_out", format!("a rung is left out: {}", problem.message));
        }
    }
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// Finds the rung that the source already is, or tells why there is none. At most one rung is a copy: two would be the
/// same pictures twice.
fn mark_copy(made: &mut [Made], source: &Source<'_>, request: &Request, clock: Clock, notes: &mut Notes) {
    let candidate = |m: &Made| copy::Candidate {
        codec: m.codec,
        size: (m.rung.width, m.rung.height),
        peak: m.declared_peak(request),
    };
    let candidates: Vec<copy::Candidate> = made.iter().map(candidate).collect();
    match copy::choose(source, clock, Grid { segment_ms: request.segment_ms }, &candidates) {
        Ok(chosen) => made[chosen].copy = true,
        Err(why) => {
            notes.add("copy.not_possible", format!("the source's pictures are encoded anew, not copied: {why}"));
        }
    }
}

/// Drops rungs whose rate is almost that of the next larger one: a player that switches between them gains nothing.
fn spaced(ladder: Vec<Rung>, rate: impl Fn(&Rung) -> u64) -> Vec<Rung> {
    let mut kept: Vec<Rung> = Vec::new();
    for rung in ladder {
        if kept.last().is_none_or(|larger| rate(larger) * 100 >= rate(&rung) * RATE_STEP_PERCENT) {
            kept.push(rung);
        }
    }
    kept
}

/// Why a codec cannot make a rung.
fn unfit(rung: &Rung, codec: VideoCodec) -> Option<Problem> {
    let traits = codec.traits();
    let (name, size) = (traits.name, format!("{}x{}", rung.width, rung.height));
    if rung.width.min(rung.height) < traits.min_side {
        let message = format!(
            "{name} cannot make {size}: both sides must be at least {}; use another codec or a larger size",
            traits.min_side
        );
        return Some(Problem::input("rendition.too_small", message));
    }
    if rung.width.max(rung.height) > traits.max_side {
        let message = format!(
            "{name} cannot make {size}: both sides must be at most {}; ask for a smaller size",
            traits.max_side
        );
        return Some(Problem::input("rendition.too_large", message));
    }
    None
}

fn renditions(
    made: &[Made],
    source: &Source<'_>,
    request: &Request,
    outputs: &Outputs,
    node: Node,
    clock: Clock,
    decoded: &ColorTags,
) -> Vec<VideoRendition> {
    let several = made.iter().any(|m| m.codec != made[0].codec);
    let loads: Vec<Load> = made.iter().map(load).collect();
    let shares = threads::encoders(node, source.spans, &loads);
    let one = |(i, m): (usize, &Made)| {
        let (width, height) = (m.rung.width, m.rung.height);
        let parent = parent(made, i, source.video);
        let graph = match parent {
            _ if m.copy => String::new(),
            Some(p) => graph::from_rung((made[p].rung.width, made[p].rung.height), width, height),
            None => graph::from_source(source.video, decoded, &m.look, width, height),
        };
        let rate = m.rate(request);
        let frame_rate = frame_rate(m.codec, clock.frame_rate);
        let settings = encoder::Settings {
            codec: m.codec,
            width,
            speed: request.speed,
            rate,
            gop: encoder::gop(request.segment_ms, clock.frame_rate),
            threads: shares[i],
            color: &m.look.color,
            hdr: m.look.hdr.as_ref(),
        };
        let name = &m.rung.name;
        VideoRendition {
            id: if several { format!("{name}-{}", m.codec.traits().name) } else { name.clone() },
            codec: m.codec,
            packagings: outputs.fitting(m.codec.traits().packagings),
            copy: m.copy,
            width,
            height,
            pixel_format: m.look.pixel_format.to_owned(),
            parent,
            graph,
            rate,
            speed: request.speed,
            encoder: m.codec.traits().encoder.to_owned(),
            options: if m.copy { Vec::new() } else { encoder::options(&settings) },
            frame_rate,
            color: m.look.color.clone(),
            hdr: m.look.hdr.clone(),
            declared_peak: m.declared_peak(request),
        }
    };
    made.iter().enumerate().map(one).collect()
}

/// Which earlier rung a rung's pictures are made from. One of the same size and look is taken as it is. Otherwise the
/// nearest larger one of the same look that is at least 1.3 times as large, but not one that is itself enlarged;
/// otherwise the source. A copy has no pictures to give or to take. Tone mapping costs far more than it blurs, so it is
/// done once: without a rung 1.3 times as large, a tone-mapped one starts from the largest there is.
fn parent(made: &[Made], child: usize, video: &VideoFacts) -> Option<usize> {
    let rung = &made[child].rung;
    let alike = |i: &usize| {
        let copied = made[*i].copy || made[child].copy;
        !copied && made[*i].look.same_frames(&made[child].look)
    };
    let size = |i: &usize| (u64::from(made[*i].rung.width), u64::from(made[*i].rung.height));
    let (width, height) = (u64::from(rung.width), u64::from(rung.height));
    if let Some(same) = (0..child).filter(alike).find(|i| size(i) == (width, height)) {
        return Some(same);
    }
    let larger = |i: &usize, tenths: u64| size(i).0 * 10 >= width * tenths && size(i).1 * 10 >= height * tenths;
    let enlarged = |i: &usize| {
        made[*i].rung.width > video.display_width.max(2) || made[*i].rung.height > video.display_height.max(2)
    };
    let candidates = || (0..child).filter(alike).filter(|i| !enlarged(i));
    let area = |i: &usize| size(i).0 * size(i).1;
    let nearest = candidates().filter(|i| larger(i, PARENT_RATIO_TENTHS)).min_by_key(area);
    let tone_mapped = video.hdr.is_some() && made[child].look.hdr.is_none();
    nearest.or_else(|| candidates().filter(|i| tone_mapped && larger(i, 10)).max_by_key(area))
}

/// Cost of a frame relative to H.264's, from encodes of one source at the middle speed; a copy costs next to nothing.
fn load(made: &Made) -> Load {
    let factor = match made.codec {
        _ if made.copy => 0,
        VideoCodec::H264 => 1,
        VideoCodec::Hevc => 3,
        VideoCodec::Av1 => 2,
    };
    Load { weight: u64::from(made.rung.width) * u64::from(made.rung.height) * factor, height: made.rung.height }
}

fn frame_rate(codec: VideoCodec, rate: Ratio) -> Ratio {
    let over = rate.num > rate.den.saturating_mul(AV1_FRAME_RATE_MAX.num);
    if codec == VideoCodec::Av1 && over { AV1_FRAME_RATE_MAX } else { rate }
}
