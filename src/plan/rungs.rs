//! The rungs that one output has: every codec's ladder with its rates, before anything is shared or placed.

use super::captions;
use super::checks::Outputs;
use super::color::{self, Look};
use super::ladder::{self, Asked, Rung, Shape};
use super::marks::{self, Image};
use super::notes::Notes;
use super::picture;
use super::rate::{self, SourceRate};
use super::source::{Pictures, Source};
use super::timing;
use crate::model::mark::Mark;
use crate::model::request::{EncoderOption, RateMode, RenditionSpec, Request};
use crate::model::{Packaging, Problem, RateControl, Speed, VideoCodec};
use std::collections::BTreeMap;

/// Rungs of a ladder that nobody specified stay when the next larger one has this many percent of their rate or more.
const RATE_STEP_PERCENT: u64 = 110;

/// One rung in one codec.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Its id in the output.
    pub id: String,
    /// Its name and size, and its source.
    pub rung: Rung,
    /// What it is encoded as.
    pub codec: VideoCodec,
    /// What its frames look like.
    pub look: Look,
    /// How bits are spent.
    pub rate: RateControl,
    /// The rate that it has in the ladder, bits a second.
    pub bitrate: u64,
    /// The rate that growing manifests declare, bits a second.
    pub declared_peak: u64,
    /// Speed class.
    pub speed: Speed,
    /// What it is wrapped in.
    pub packagings: Vec<Packaging>,
    /// It is the source itself.
    pub copy: bool,
    /// Options of encoders of its codec, in order.
    pub encoder_options: Vec<EncoderOption>,
    /// What is drawn over its pictures.
    pub marks: Vec<Mark>,
    /// The source's closed captions stay in its pictures.
    pub captions: bool,
}

/// From which sources an output's pictures are made: those of `main`, except for the rungs that name another one.
pub(super) struct From<'a> {
    /// The source of every rung that names none; `None` when it has no pictures or no rung is left for it.
    pub main: Option<(usize, &'a Pictures<'a>)>,
    /// Sources by the place of the rung in the request.
    pub others: BTreeMap<usize, (usize, &'a Pictures<'a>)>,
    /// All sources.
    pub sources: &'a [Option<Source<'a>>],
    /// The images of watermarks.
    pub images: Vec<Option<Image>>,
    /// Subtitles that are drawn into all pictures, below watermarks.
    pub burned: Option<Mark>,
    /// The closed captions of the output's own source stay in its pictures.
    pub captions: bool,
}

/// Every codec gets the whole ladder, as far as it can make its sizes: what it cannot is left out of a ladder that
/// nobody specified, and refused where it was asked for.
pub(super) fn rungs(
    from: &From<'_>,
    request: &Request,
    outputs: &Outputs,
    notes: &mut Notes,
) -> Result<Vec<Made>, Vec<Problem>> {
    let wrong: Vec<Problem> = from.wrong(request);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    for (_, pictures) in from.all().filter_map(|source| from.pictures(source)) {
        picture::tell_of_bars(pictures.video, &request.picture, notes);
    }
    let asked = !request.renditions.is_empty();
    let ladder = if asked {
        let specs: Vec<Asked> =
            request.renditions.iter().enumerate().filter_map(|(i, s)| from.asked(i, *s, request)).collect();
        ladder::asked(&specs, request.allow_upscale, notes)
    } else {
        from.default(request)
    };
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for codec in &outputs.video {
        let before = made.len();
        let mut refused = Vec::new();
        for rung in &ladder {
            match unfit(rung, *codec) {
                Some(problem) => refused.push(match rung.place {
                    Some(place) => problem.at(format_args!("renditions[{place}]")),
                    None => problem,
                }),
                None => made.extend(from.one(rung, *codec, request, outputs)),
            }
        }
        if asked || made.len() == before {
            problems.append(&mut refused);
        }
        for problem in refused {
            notes.add("rendition.left_out", format!("a rung is left out: {}", problem.message));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if matches!(request.rate_mode, RateMode::Vbv) && outputs.video.contains(&VideoCodec::Av1) && !made.is_empty() {
        notes.add(
            "rate.av1_quality",
            "av1 has no average rate with aligned key frames; its rates are upper bounds for constant quality",
        );
    }
    tell_of_unused(request, outputs, notes);
    let mut made = without_equals(made, notes);
    name(&mut made);
    Ok(made)
}

impl<'a> From<'a> {
    /// The sources that pictures are made of.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        self.main.iter().chain(self.others.values()).map(|(source, _)| *source)
    }

    fn pictures(&self, source: usize) -> Option<(&'a Source<'a>, &'a Pictures<'a>)> {
        let source = self.sources.get(source)?.as_ref()?;
        source.pictures.as_ref().map(|pictures| (source, pictures))
    }

    /// What cannot be done to pictures of the sources, each once.
    fn wrong(&self, request: &Request) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (source, pictures) in self.all().filter_map(|source| self.pictures(source)) {
            let problem = picture::unfit(source, pictures.video, &request.picture);
            let problem = problem.or_else(|| timing::problem(source, &request.picture));
            problems.extend(problem.filter(|problem| !problems.contains(problem)));
        }
        problems
    }

    fn asked(&self, place: usize, spec: RenditionSpec, request: &Request) -> Option<Asked> {
        let (source, pictures) = *self.others.get(&place).or(self.main.as_ref())?;
        Some(Asked { place, source, shape: shape(pictures, request), spec })
    }

    /// The ladder of a request that names no rungs.
    fn default(&self, request: &Request) -> Vec<Rung> {
        let Some((source, pictures)) = self.main else { return Vec::new() };
        let ladder = ladder::default(shape(pictures, request)).into_iter().map(|rung| Rung { source, ..rung });
        let worth = self.worth(source);
        spaced(ladder, |rung| rate::h264_rate(rung.width, rung.height, pictures.clock.frame_rate, worth))
    }

    fn worth(&self, source: usize) -> Option<SourceRate> {
        let (source, pictures) = self.pictures(source)?;
        SourceRate::of(source.facts, pictures.stream, pictures.video)
    }

    fn one(&self, rung: &Rung, codec: VideoCodec, request: &Request, outputs: &Outputs) -> Option<Made> {
        let (source, pictures) = self.pictures(rung.source)?;
        let h264 = rate::h264_rate(rung.width, rung.height, pictures.clock.frame_rate, self.worth(rung.source));
        let bitrate = rung.bitrate.unwrap_or_else(|| rate::for_codec(h264, codec));
        let rate = rate::control(request.rate_mode, codec, bitrate);
        let watermarks = marks::of_rung(
            &request.watermarks,
            &self.images,
            (rung.width, rung.height),
            pictures.clock.frame_rate,
            source.range.in_us,
        );
        Some(Made {
            id: String::new(),
            rung: rung.clone(),
            codec,
            look: color::asked(codec, pictures.video, &pictures.decoded, &request.picture),
            rate,
            bitrate,
            declared_peak: rate::declared_peak(rate, codec, bitrate),
            speed: request.speed,
            packagings: outputs.fitting(codec.traits().packagings),
            copy: false,
            encoder_options: options_of(codec, request),
            marks: self.burned.iter().cloned().chain(watermarks).collect(),
            captions: self.captions
                && captions::has_room(codec)
                && self.main.is_some_and(|(main, _)| main == rung.source),
        })
    }
}

/// Options of encoders of a codec, in one order, so that outputs that ask for the same share it.
fn options_of(codec: VideoCodec, request: &Request) -> Vec<EncoderOption> {
    let mut options: Vec<EncoderOption> =
        request.encoder_options.iter().filter(|option| option.codec() == Some(codec)).cloned().collect();
    options.sort();
    options
}

/// Options of encoders of codecs that are not made.
fn tell_of_unused(request: &Request, outputs: &Outputs, notes: &mut Notes) {
    let used = |option: &&EncoderOption| !option.codec().is_some_and(|codec| outputs.video.contains(&codec));
    let unused: Vec<String> = request.encoder_options.iter().filter(used).map(ToString::to_string).collect();
    if !unused.is_empty() {
        let message = format!("{} set nothing: no codec of theirs is made", unused.join(", "));
        notes.add("encoder_option.unused", message);
    }
}

/// The picture as it is shown, cropped and padded as asked, never empty.
fn shape(pictures: &Pictures<'_>, request: &Request) -> Shape {
    let video = picture::framed(pictures.video, &request.picture).video;
    Shape { width: video.display_width.max(1), height: video.display_height.max(1) }
}

/// Drops rungs whose rate is almost that of the next larger one: a player that switches between them gains nothing.
fn spaced(ladder: impl Iterator<Item = Rung>, rate: impl Fn(&Rung) -> u64) -> Vec<Rung> {
    let mut kept: Vec<Rung> = Vec::new();
    for rung in ladder {
        if kept.last().is_none_or(|larger| rate(larger) * 100 >= rate(&rung) * RATE_STEP_PERCENT) {
            kept.push(rung);
        }
    }
    kept
}

/// Of rungs that would be encoded alike (one with a rate that is the usual one anyway, or two rates where quality
/// alone counts) the first stays.
fn without_equals(made: Vec<Made>, notes: &mut Notes) -> Vec<Made> {
    let mut kept: Vec<Made> = Vec::new();
    for one in made {
        let alike = |other: &&Made| {
            let size = |m: &Made| (m.rung.source, m.rung.width, m.rung.height);
            other.codec == one.codec && size(other) == size(&one) && other.rate == one.rate
        };
        if kept.iter().any(|other| alike(&other)) {
            let message = format!("two renditions would be {}x{}; only one is made", one.rung.width, one.rung.height);
            notes.add("rendition.duplicate", message);
        } else {
            kept.push(one);
        }
    }
    kept
}

/// The rung's name, with the codec behind it where there are several.
fn name(made: &mut [Made]) {
    let several = made.iter().any(|m| m.codec != made[0].codec);
    for m in made {
        m.id = if several { format!("{}-{}", m.rung.name, m.codec.traits().name) } else { m.rung.name.clone() };
    }
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
