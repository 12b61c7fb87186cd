//! From the options of `reelmill submit` and `plan` to the job that they mean. What is not written is left out, so that
//! a profile or the daemon fills it in.

use crate::api::{
    encoder_options, file_metadata, manifests, micros, picture, sound, sprites, stills, text, v1, watermark,
};
use crate::cli::options::{Listed, Listing, PlanOptions};
use crate::model::request::{
    Channels, FileMetadata, ManifestOptions, RateMode, SizeSpec, SoundOptions, TextOptions, Watermark,
};
use crate::model::spec::Fallback;
use crate::model::{AudioCodec, Locator, Packaging, Problem, Speed, VideoCodec};
use std::collections::BTreeMap;

/// The output that the options mean, without a destination.
///
/// # Errors
/// `request.*`, as `reelmill transcode` has them.
pub(super) fn output(options: &PlanOptions) -> Result<v1::OutputSpec, Problem> {
    let request = options.request()?;
    let codec = |codec: &VideoCodec| match codec {
        VideoCodec::H264 => v1::VideoCodec::H264 as i32,
        VideoCodec::Hevc => v1::VideoCodec::Hevc as i32,
        VideoCodec::Av1 => v1::VideoCodec::Av1 as i32,
        VideoCodec::Vp9 => v1::VideoCodec::Vp9 as i32,
    };
    let audio_codec = |codec: &AudioCodec| match codec {
        AudioCodec::Aac => v1::AudioCodec::Aac as i32,
        AudioCodec::Opus => v1::AudioCodec::Opus as i32,
        AudioCodec::Mp3 => v1::AudioCodec::Mp3 as i32,
        AudioCodec::Ac3 => v1::AudioCodec::Ac3 as i32,
        AudioCodec::Eac3 => v1::AudioCodec::Eac3 as i32,
    };
    let packaging = |packaging: &Packaging| match packaging {
        Packaging::Cmaf => v1::Packaging::Cmaf as i32,
        Packaging::Ts => v1::Packaging::Ts as i32,
    };
    let speed = match request.speed {
        Speed::Fast => v1::Speed::Fast,
        Speed::Balanced => v1::Speed::Balanced,
        Speed::Quality => v1::Speed::Quality,
    };
    let channels = match request.channels {
        Channels::ByCodec => v1::ChannelPolicy::ByCodec,
        Channels::Stereo => v1::ChannelPolicy::Stereo,
        Channels::Keep => v1::ChannelPolicy::Keep,
    };
    Ok(v1::OutputSpec {
        renditions: request.renditions.iter().map(rendition).collect(),
        video_codecs: request.codecs.iter().map(codec).collect(),
        audio_codecs: request.audio_codecs.iter().map(audio_codec).collect(),
        packagings: request.packagings.iter().map(packaging).collect(),
        speed: options.speed.as_ref().map_or(0, |_| speed as i32),
        rate_control: (options.rate_control.is_some() || options.crf.is_some())
            .then(|| rate_control(request.rate_mode)),
        segment_duration: options.segment.as_ref().map(|_| duration(request.segment_ms)),
        spans: options.spans.as_ref().map_or(0, |_| request.spans),
        copy: request.copy.then_some(true),
        channels: options.channels.as_ref().map_or(0, |_| channels as i32),
        progressive_mp4: request.progressive.then_some(true),
        manifests: (request.manifests != ManifestOptions::default()).then(|| manifests(&request.manifests)),
        picture: (!request.picture.is_plain()).then(|| picture(&request.picture)),
        sound: (request.sound != SoundOptions::default()).then(|| sound(&request.sound)),
        encoder_options: encoder_options(&request.encoder_options),
        watermarks: request.watermarks.iter().map(drawn).collect::<Result<_, _>>()?,
        stills: request.stills.as_ref().map(stills),
        sprites: request.sprites.as_ref().map(sprites),
        text: (request.text != TextOptions::default()).then(|| text(&request.text, subtitles_id)),
        file_metadata: (!request.file_metadata.is_usual()).then(|| labelled(&request.file_metadata)).transpose()?,
        ..v1::OutputSpec::default()
    })
}

/// A watermark, its image as the daemon finds it.
fn drawn(mark: &Watermark) -> Result<v1::WatermarkSpec, Problem> {
    let mut told = watermark(mark);
    if let Some(image) = &mark.image {
        told.image_uri = located(&image.to_string()).map_err(|problem| problem.at("--watermark"))?;
    }
    Ok(told)
}

/// What files say of themselves, their cover as the daemon finds it.
fn labelled(asked: &FileMetadata) -> Result<v1::FileMetadata, Problem> {
    let mut told = file_metadata(asked);
    if let Some(cover) = &asked.cover {
        told.cover_uri = located(&cover.to_string()).map_err(|problem| problem.at("--cover"))?;
    }
    Ok(told)
}

/// The id of the source that is a file of subtitles, by its place among those.
fn subtitles_id(place: u32) -> String {
    format!("subtitles-{}", u64::from(place) + 1)
}

fn rendition(rung: &crate::model::request::RenditionSpec) -> v1::RenditionSpec {
    let size = match rung.size {
        SizeSpec::Short(side) => format!("{side}p"),
        SizeSpec::Box { width, height } => format!("{width}x{height}"),
    };
    v1::RenditionSpec { size, bit_rate: rung.bitrate.unwrap_or(0), source_id: String::new() }
}

fn rate_control(mode: RateMode) -> v1::RateControl {
    use v1::rate_control::Mode;
    let name = match mode {
        RateMode::Vbv => Mode::Vbv,
        RateMode::TwoPass => Mode::TwoPass,
        RateMode::CappedCrf { .. } => Mode::CappedCrf,
        RateMode::Crf { .. } => Mode::Crf,
    };
    v1::RateControl { mode: name as i32, crf: mode.crf().map_or(0, u32::from) }
}

fn duration(ms: u32) -> prost_types::Duration {
    prost_types::Duration { seconds: i64::from(ms / 1000), nanos: (ms % 1000 * 1_000_000) as i32 }
}

/// A source or destination as the daemon needs it: local paths from the root, since it was started somewhere else.
///
/// # Errors
/// `request.locator`, `request.bucket`.
pub(super) fn located(text: &str) -> Result<String, Problem> {
    match text.parse::<Locator>()? {
        Locator::File(path) => {
            let whole = std::path::absolute(&path);
            let whole = whole.map_err(|error| {
                Problem::input("request.locator", format!("`{text}` cannot be made a whole path: {error}"))
            })?;
            // It came from text.
            Ok(whole.to_string_lossy().into_owned())
        }
        other => Ok(other.to_string()),
    }
}

/// The sources of a list. A single one needs no name.
///
/// # Errors
/// As [`located`], about the file.
pub(super) fn sources(listing: &Listing) -> Result<Vec<v1::SourceSpec>, Problem> {
    let mut sources: Vec<v1::SourceSpec> = Vec::new();
    for (place, listed) in listing.sources.iter().enumerate() {
        let mut source = v1::SourceSpec { id: id_of(place), ..v1::SourceSpec::default() };
        match listed {
            Listed::File(path, from, to) => {
                let text = path.to_str().ok_or_else(|| {
                    let message = format!("{} is no UTF-8, as the API wants it: name it otherwise", path.display());
                    Problem::input("request.locator", message)
                })?;
                source.uri = located(text)?;
                (source.start, source.end) = (from.map(micros), to.map(micros));
            }
            Listed::Joined(parts, like) => {
                source.concat_source_ids = parts.iter().copied().map(id_of).collect();
                source.concat_like_source_id = id_of(*like);
            }
        }
        sources.push(source);
    }
    if let [only] = &mut sources[..] {
        only.id = String::new();
    }
    Ok(sources)
}

/// An output that is made of the sources of a list.
pub(super) fn sourced(mut output: v1::OutputSpec, listing: &Listing) -> v1::OutputSpec {
    if listing.main > 0 {
        output.source_id = id_of(listing.main);
    }
    output.audio_source_ids = listing.audio.iter().copied().map(id_of).collect();
    for (place, source) in &listing.renditions {
        if let Some(rung) = output.renditions.get_mut(*place) {
            rung.source_id = id_of(*source);
        }
    }
    output
}

fn id_of(place: usize) -> String {
    format!("source-{}", place + 1)
}

/// Adds the files of subtitles to sources, which have ids from then on.
///
/// # Errors
/// As [`located`], about `--subtitles`.
pub(super) fn add_subtitles(sources: &mut Vec<v1::SourceSpec>, options: &PlanOptions) -> Result<(), Problem> {
    for (place, file) in options.text.files().iter().enumerate() {
        let uri = located(&file.to_string_lossy()).map_err(|problem| problem.at("--subtitles"))?;
        let id = subtitles_id(u32::try_from(place).unwrap_or(u32::MAX));
        sources.push(v1::SourceSpec { id, uri, ..v1::SourceSpec::default() });
    }
    Ok(())
}

/// When a job should be done (RFC 3339).
///
/// # Errors
/// `request.time`.
pub(super) fn deadline(text: &str) -> Result<prost_types::Timestamp, Problem> {
    text.parse().map_err(|_| {
        let message =
            format!("--deadline `{}` is no time; write one such as 2026-12-01T06:00:00Z", text.escape_debug());
        Problem::input("request.time", message)
    })
}

/// Who makes again what fails on its device, as the API says it.
///
/// # Errors
/// `request.fallback`.
pub(super) fn fallback(options: &PlanOptions) -> Result<i32, Problem> {
    Ok(match options.fallback()? {
        None => v1::Fallback::Unspecified,
        Some(Fallback::Any) => v1::Fallback::Any,
        Some(Fallback::Cpu) => v1::Fallback::Cpu,
        Some(Fallback::Never) => v1::Fallback::Never,
    } as i32)
}

/// Labels, each `key=value`.
///
/// # Errors
/// `client.job`.
pub(super) fn labels(texts: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let mut labels = BTreeMap::new();
    for text in texts {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = pair.ok_or_else(|| {
            Problem::input("client.job", format!("--label `{}` must be key=value", text.escape_debug()))
        })?;
        if labels.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Problem::input("client.job", format!("--label gives `{key}` twice; leave one out")));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: PlanOptions,
    }

    fn of(line: &str) -> v1::OutputSpec {
        let words = std::iter::once("reelmill").chain(line.split_whitespace());
        output(&Line::try_parse_from(words).unwrap().options).unwrap()
    }

    #[test]
    fn what_is_not_written_is_left_to_the_profile() {
        assert_eq!(of(""), v1::OutputSpec::default());
    }

    #[test]
    fn what_is_written_is_passed_on() {
        let output =
            of("--renditions 1080p,640x360@700k --packaging ts --codec hevc --audio-codec opus --channels keep \
                         --speed quality --rate-control crf --crf 21 --segment 2.5s --spans 3 --copy --mp4");
        let rungs: Vec<_> = output.renditions.iter().map(|rung| (rung.size.as_str(), rung.bit_rate)).collect();
        assert_eq!(rungs, [("1080p", 0), ("640x360", 700_000)]);
        assert_eq!((output.video_codecs[0], output.audio_codecs[0], output.packagings[0]), (2, 2, 2));
        assert_eq!((output.speed(), output.channels()), (v1::Speed::Quality, v1::ChannelPolicy::Keep));
        assert_eq!(output.rate_control.unwrap(), v1::RateControl { mode: 3, crf: 21 });
        assert_eq!(output.segment_duration.unwrap().to_string(), "2.500s");
        assert_eq!((output.spans, output.copy, output.progressive_mp4), (3, Some(true), Some(true)));
        assert_eq!(of("--crf 20").rate_control.unwrap().mode(), v1::rate_control::Mode::CappedCrf);
    }

    #[test]
    fn paths_are_made_whole_and_addresses_stay() {
        let here = std::env::current_dir().unwrap().join("in.mp4");
        assert_eq!(located("in.mp4").unwrap(), here.to_str().unwrap());
        for text in ["/a/b", "s3://bucket/a b", "https://h/p?q"] {
            assert_eq!(located(text).unwrap(), text);
        }
        assert_eq!(located("ftp://h/p").unwrap_err().code, "request.locator");
    }

    #[test]
    fn labels_are_pairs() {
        let labels_of = |texts: &[&str]| labels(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            labels_of(&["a=b=c", "d="]).unwrap(),
            BTreeMap::from([("a".into(), "b=c".into()), ("d".into(), String::new())])
        );
        for bad in [&["a"][..], &["=b"], &["a=1", "a=2"]] {
            assert_eq!(labels_of(bad).unwrap_err().code, "client.job");
        }
    }
}
