//! What cannot be done is refused here, all of it at once, before anything is planned; and codecs meet packagings.

use super::notes::Notes;
use super::rate::crf_max;
use super::timeline::spans_problem;
use crate::model::facts::{MediaFacts, StreamFacts, StreamKind};
use crate::model::limits::{RENDITIONS_MAX, SEGMENT_MS_MAX, SEGMENT_MS_MIN};
use crate::model::request::{
    ManifestOptions, RateMode, Request, SoundOptions, SpriteOptions, StillsOptions, TextOptions, WATERMARKS_MAX,
    Watermark, encoders, segment_problem,
};
use crate::model::{AudioCodec, Packaging, Problem, VideoCodec};

/// Largest side of a source, pixels: what 8K cameras and stitched panoramas reach; one frame is then half a gigabyte.
pub(super) const SOURCE_SIDE_MAX: u32 = 16_384;
/// Packagings when none are asked.
const PACKAGINGS_DEFAULT: [Packaging; 2] = [Packaging::Cmaf, Packaging::Ts];

/// What will be made of each kind, defaults filled in, nothing twice.
pub(super) struct Outputs {
    /// Video codecs; empty for a source without pictures.
    pub video: Vec<VideoCodec>,
    /// Audio codecs; empty for a source without sound.
    pub audio: Vec<AudioCodec>,
    /// Packagings.
    pub packagings: Vec<Packaging>,
}

impl Outputs {
    /// Those of the packagings that a codec has too.
    pub(super) fn fitting(&self, codec: &[Packaging]) -> Vec<Packaging> {
        self.packagings.iter().copied().filter(|packaging| codec.contains(packaging)).collect()
    }
}

/// Numbers of the request that are out of range.
pub(super) fn request(request: &Request) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !(SEGMENT_MS_MIN..=SEGMENT_MS_MAX).contains(&request.segment_ms) {
        problems.push(segment_problem(&format!("{}ms", request.segment_ms)).at("segment_duration"));
    }
    problems.extend(spans_problem(request.spans).map(|problem| problem.at("spans")));
    let codecs = or_default(&request.codecs, &[VideoCodec::H264]);
    if request.renditions.len() * codecs.len() > RENDITIONS_MAX {
        let message = format!(
            "{} renditions in {} codecs are more than {RENDITIONS_MAX}: ask for fewer",
            request.renditions.len(),
            codecs.len()
        );
        problems.push(Problem::input("request.rendition", message).at("renditions"));
    }
    if let Some(crf) = request.rate_mode.crf() {
        for codec in codecs.into_iter().filter(|codec| crf == 0 || crf > crf_max(*codec)) {
            let message =
                format!("{} has no constant rate factor {crf}: ask for 1 to {}", codec.traits().name, crf_max(codec));
            problems.push(Problem::input("request.crf", message).at("rate_control.crf"));
        }
    }
    problems.extend(two_passes(request));
    problems.extend(request.manifests.check());
    problems.extend(request.picture.check());
    problems.extend(request.sound.check());
    problems.extend(encoders::check(&request.encoder_options));
    problems.extend(watermarks(request));
    problems.extend(request.stills.iter().flat_map(StillsOptions::check));
    problems.extend(request.sprites.iter().flat_map(SpriteOptions::check));
    problems.extend(request.text.check());
    problems.extend(request.file_metadata.check(request.progressive));
    problems.extend(alone(request));
    problems
}

/// SVT-AV1 takes forced key frames in constant quality alone, where a second pass has nothing to spend, and FFmpeg (5.1 to
/// 7.1) has no way to give it what a first one found.
fn two_passes(request: &Request) -> Option<Problem> {
    let refused = request.rate_mode == RateMode::TwoPass && request.codecs.contains(&VideoCodec::Av1);
    let message = "av1 is not made in two passes here: leave it out of this output, or ask for vbv or capped_crf";
    refused.then(|| Problem::input("request.rate_control", message).at("rate_control.mode"))
}

/// What is wrong with watermarks.
fn watermarks(request: &Request) -> Vec<Problem> {
    let count = request.watermarks.len();
    if count > WATERMARKS_MAX {
        let message = format!("{count} watermarks are too many: give at most {WATERMARKS_MAX}");
        return vec![Problem::input("request.watermark", message).at("watermarks")];
    }
    let one = |(index, mark): (usize, &Watermark)| {
        mark.check().into_iter().map(move |problem| problem.at(format_args!("watermarks[{index}]")))
    };
    request.watermarks.iter().enumerate().flat_map(one).collect()
}

/// What an output cannot have that is single pictures alone.
fn alone(request: &Request) -> Vec<Problem> {
    if !request.is_pictures_alone() {
        return Vec::new();
    }
    let asked = [
        ("renditions", !request.renditions.is_empty()),
        ("video_codecs", !request.codecs.is_empty()),
        ("audio_codecs", !request.audio_codecs.is_empty()),
        ("packagings", !request.packagings.is_empty()),
        ("copy", request.copy),
        ("progressive_mp4", request.progressive),
        ("omit_video", request.omit_video),
        ("manifests", request.manifests != ManifestOptions::default()),
        ("text", request.text != TextOptions::default()),
        ("sound", request.sound != SoundOptions::default()),
        ("encoder_options", !request.encoder_options.is_empty()),
        ("watermarks", !request.watermarks.is_empty()),
        ("file_metadata", !request.file_metadata.is_usual()),
    ];
    let wrong = asked.into_iter().filter(|(_, is_asked)| *is_asked);
    wrong
        .map(|(field, _)| {
            let message =
                format!("the output is single pictures alone, so `{field}` has no meaning: leave one of them out");
            Problem::input("request.stills_alone", message).at(field)
        })
        .collect()
}

/// What about the source makes every job impossible. A picture track that cannot be decoded is an error even when
/// there is sound: a video that silently becomes a radio play is not what anybody asked for.
pub(super) fn source(facts: &MediaFacts) -> Option<Problem> {
    let sized = |s: &&StreamFacts| s.video.as_ref().is_some_and(|v| v.width > 0 && v.height > 0);
    let pictures = || facts.streams.iter().filter(|s| s.kind == StreamKind::Video && !s.attached_picture).filter(sized);
    let media = || facts.streams.iter().filter(|s| matches!(s.kind, StreamKind::Video | StreamKind::Audio));
    let encrypted = || Some(Problem::input("source.encrypted", "the source is encrypted; give its decrypted original"));
    if let Some((stream, video)) = facts.main_video() {
        // A decoder may make pictures of anything.
        if stream.encrypted {
            return encrypted();
        }
        let side = video.width.max(video.height).max(video.display_width).max(video.display_height);
        if side > SOURCE_SIDE_MAX {
            let message = format!(
                "pictures of {}x{} are too large: the limit is {SOURCE_SIDE_MAX} a side",
                video.width, video.height
            );
            return Some(Problem::input("source.too_large", message));
        }
        return None;
    }
    if facts.audio_streams().next().is_some() && pictures().next().is_none() {
        return None;
    }
    if media().any(|s| s.encrypted) {
        return encrypted();
    }
    let stream = pictures().next().or_else(|| media().find(|s| !s.attached_picture));
    Some(match stream {
        Some(stream) => {
            let message =
                format!("nothing here decodes its {} track; convert it to a common codec first", stream.codec);
            Problem::input("source.unsupported", message)
        }
        None => Problem::input(
            "source.no_streams",
            "the source holds neither pictures nor sound; check that it is the right file",
        ),
    })
}

/// Codecs and packagings by the tables: every codec needs a packaging that carries it, every packaging a video codec
/// that it carries (or an audio codec, when there are no pictures). TS that was not asked for is left out when nothing
/// asked for fits it; TS without a fitting audio codec gets AAC.
pub(super) fn outputs(
    request: &Request,
    has_video: bool,
    has_audio: bool,
    notes: &mut Notes,
) -> Result<Outputs, Vec<Problem>> {
    let video = if has_video { or_default(&request.codecs, &[VideoCodec::H264]) } else { Vec::new() };
    let mut audio = if has_audio { or_default(&request.audio_codecs, &[AudioCodec::Aac]) } else { Vec::new() };
    let mut packagings = or_default(&request.packagings, &PACKAGINGS_DEFAULT);
    let carries_video = |p: Packaging| !has_video || video.iter().any(|c| c.traits().packagings.contains(&p));
    if request.packagings.is_empty() {
        for left_out in packagings.iter().filter(|p| !carries_video(**p)) {
            notes.add(
                "packaging.left_out",
                format!("{} is not made: it carries none of the codecs asked for", left_out.name()),
            );
        }
        packagings.retain(|p| carries_video(*p));
    }
    let mut problems: Vec<Problem> = packagings
        .iter()
        .filter(|p| !carries_video(**p))
        .map(|p| {
            Problem::input(
                "request.codec_packaging",
                format!("{} carries none of the codecs asked for: add h264, or leave it out", p.name()),
            )
            .at("packagings")
        })
        .collect();
    if request.progressive && !packagings.contains(&Packaging::Cmaf) {
        let message = "MP4 files are made of CMAF segments, so they need cmaf: add it to the packagings";
        problems.push(Problem::input("request.progressive", message).at("progressive_mp4"));
    }
    for codec in &video {
        let problem = one_codec(codec.traits().name, codec.traits().packagings, &packagings, notes);
        problems.extend(problem.map(|problem| problem.at("video_codecs")));
    }
    for codec in &audio {
        let problem = one_codec(codec.traits().name, codec.traits().packagings, &packagings, notes);
        problems.extend(problem.map(|problem| problem.at("audio_codecs")));
    }
    let silent = |p: &&Packaging| !audio.iter().any(|c| c.traits().packagings.contains(p));
    if has_audio
        && problems.is_empty()
        && let Some(p) = packagings.iter().find(silent)
    {
        let message = format!("{} cannot carry the audio codec asked for, so AAC is made for it too", p.name());
        notes.add("audio.aac_added", message);
        audio.push(AudioCodec::Aac);
    }
    if problems.is_empty() { Ok(Outputs { video, audio, packagings }) } else { Err(problems) }
}

/// A codec that fits none of the packagings is refused; one that fits only some is told.
fn one_codec(name: &str, fits: &[Packaging], asked: &[Packaging], notes: &mut Notes) -> Option<Problem> {
    let names = |list: &[Packaging]| list.iter().map(|p| p.name()).collect::<Vec<_>>().join(" and ");
    let (carried, not): (Vec<Packaging>, Vec<Packaging>) = asked.iter().partition(|p| fits.contains(p));
    if carried.is_empty() {
        let message = format!("{name} does not fit in {}: add {}, or ask for another codec", names(asked), names(fits));
        return Some(Problem::input("request.codec_packaging", message));
    }
    if !not.is_empty() {
        notes.add("codec.packaging", format!("{name} is in {} only: {} cannot carry it", names(&carried), names(&not)));
    }
    None
}

fn or_default<T: Copy + PartialEq>(asked: &[T], usual: &[T]) -> Vec<T> {
    let mut list = Vec::new();
    for item in if asked.is_empty() { usual } else { asked } {
        if !list.contains(item) {
            list.push(*item);
        }
    }
    list
}
