//! The pictures of one source: every distinct rung once, the scaling tree between them, and how each is encoded.

use super::joined::Joined;
use super::rungs::Made;
use super::source::{Pictures, Source};
use super::threads::{self, Load};
use super::{Node, encoder, graph, picture, tree};
use crate::model::device::Memory;
use crate::model::facts::VideoFacts;
use crate::model::joined::VideoPart;
use crate::model::plan::{Grid, SourcePictures, VideoPlan};
use crate::model::time::Timeline;
use crate::model::{Ratio, VideoCodec, VideoRendition};

/// Highest frame rate that SVT-AV1 opens with; pictures keep their timestamps, it only steers rate control.
const AV1_FRAME_RATE_MAX: Ratio = Ratio::new(240, 1);

/// The ladder of a source, of rungs in an order in which larger ones come first; their ids are those in the plan.
/// `spans` of them run side by side.
pub(super) fn plan(
    source: &Source<'_>,
    pictures: &Pictures<'_>,
    made: &[Made],
    grid: Grid,
    spans: u32,
    node: Node,
) -> VideoPlan {
    let (stream, video, clock) = (pictures.stream, pictures.video, pictures.clock);
    VideoPlan {
        stream: stream.index,
        time_base: stream.time_base,
        origin: source.range.origin.in_ticks(stream.time_base),
        in_point: source.range.in_point(),
        end: source.range.end_in(Ratio::new(1, i64::from(clock.timescale))),
        timescale: clock.timescale,
        frame_ticks: clock.frame_ticks,
        frame_rate: clock.frame_rate,
        cadence: pictures.cadence.filter(|_| source.joined.is_none()),
        fields: pictures.fields,
        prepare: if source.joined.is_some() { String::new() } else { graph::prepare(video, pictures.fields) },
        color: pictures.decoded.clone(),
        parts: source.joined.map(|joined| parts(joined, pictures)).unwrap_or_default(),
        decode_threads: threads::decoder(node, spans, video.width, video.height),
        accelerator: None,
        memory: Memory::System,
        // Parts of a joined source are of many kinds: the CPU decodes them and brings them to one look.
        source: source.joined.is_none().then(|| SourcePictures {
            codec: stream.codec.clone(),
            video: VideoFacts { key_frames: Vec::new(), ..video.clone() },
        }),
        renditions: renditions(pictures, made, grid, spans, node),
    }
}

/// The parts of a joined source, on the timeline of its pictures.
fn parts(joined: &Joined, pictures: &Pictures<'_>) -> Vec<VideoPart> {
    let Some(cadence) = pictures.cadence else { return joined.video.clone() };
    let line = Timeline {
        time_base: Ratio::new(1, i64::from(cadence.timescale)),
        origin: 0,
        timescale: pictures.clock.timescale,
        frame_ticks: pictures.clock.frame_ticks,
    };
    let moved = |ticks: i64| line.snap(line.ticks(ticks));
    joined
        .video
        .iter()
        .map(|part| VideoPart { start: moved(part.start), end: part.end.map(moved), ..part.clone() })
        .collect()
}

fn renditions(pictures: &Pictures<'_>, made: &[Made], grid: Grid, spans: u32, node: Node) -> Vec<VideoRendition> {
    let loads: Vec<Load> = made.iter().map(load).collect();
    let shares = threads::encoders(node, spans, &loads);
    let one = |(i, m): (usize, &Made)| {
        let (width, height) = (m.rung.width, m.rung.height);
        let parent = parent(made, i, pictures.video);
        let graph = match parent {
            _ if m.copy => String::new(),
            Some(p) => graph::from_rung((made[p].rung.width, made[p].rung.height), width, height),
            None => graph::from_source(pictures.video, &pictures.decoded, &m.look, width, height),
        };
        let settings = encoder::Settings {
            codec: m.codec,
            width,
            speed: m.speed,
            rate: m.rate,
            gop: encoder::gop(grid.segment_ms, pictures.clock.frame_rate),
            threads: shares[i],
            color: &m.look.color,
            hdr: m.look.hdr.as_ref(),
            encoder_options: &m.encoder_options,
        };
        VideoRendition {
            id: m.id.clone(),
            codec: m.codec,
            packagings: m.packagings.clone(),
            copy: m.copy,
            width,
            height,
            pixel_format: m.look.pixel_format.to_owned(),
            parent,
            graph,
            memory: Memory::System,
            on_device: false,
            rate: m.rate,
            speed: m.speed,
            encoder: m.codec.traits().encoder.to_owned(),
            options: if m.copy { Vec::new() } else { encoder::options(&settings) },
            frame_rate: frame_rate(m.codec, pictures.clock.frame_rate),
            color: m.look.color.clone(),
            hdr: m.look.hdr.clone(),
            picture: m.look.picture,
            encoder_options: m.encoder_options.clone(),
            marks: m.marks.clone(),
            mark_graphs: None,
            captions: m.captions && !m.copy,
            declared_peak: m.declared_peak,
        }
    };
    made.iter().enumerate().map(one).collect()
}

/// Which earlier rung a rung's pictures are made from. A copy has no pictures to give or to take.
fn parent(made: &[Made], child: usize, video: &VideoFacts) -> Option<usize> {
    let size = |i: usize| (made[i].rung.width, made[i].rung.height);
    let options = |i: usize| (&made[i].look.picture, size(i));
    let joins = |i: usize| picture::joins(options(i), options(child));
    let alike =
        |i: usize| !made[i].copy && !made[child].copy && made[i].look.same_frames(&made[child].look) && joins(i);
    let tone_mapped = video.hdr.is_some() && made[child].look.hdr.is_none();
    let shown = tree::shown(&picture::framed(video, &made[child].look.picture).video);
    tree::parent(child, size, alike, shown, tone_mapped)
}

/// Cost of a frame relative to H.264's, from encodes of one source at the middle speed; a copy costs next to nothing.
fn load(made: &Made) -> Load {
    let factor = match made.codec {
        _ if made.copy => 0,
        VideoCodec::H264 => 1,
        VideoCodec::Hevc | VideoCodec::Vp9 => 3,
        VideoCodec::Av1 => 2,
    };
    Load { weight: u64::from(made.rung.width) * u64::from(made.rung.height) * factor, height: made.rung.height }
}

fn frame_rate(codec: VideoCodec, rate: Ratio) -> Ratio {
    let over = rate.num > rate.den.saturating_mul(AV1_FRAME_RATE_MAX.num);
    if codec == VideoCodec::Av1 && over { AV1_FRAME_RATE_MAX } else { rate }
}
