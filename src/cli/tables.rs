//! Facts, plans and reports as text for people.

use crate::model::facts::{AudioFacts, StreamFacts, VideoFacts};
use crate::model::labels::Tag;
use crate::model::stills::PictureSummary;
use crate::model::text::TextRendition;
use crate::model::{AudioRendition, MediaFacts, Plan, RateControl, Ratio, VideoRendition};
use crate::report::text::{bit_rate, bytes, clock, factor, seconds, table};
use crate::report::{JobReport, TrackReport};
use std::path::Path;

/// Longest text of a tag that is shown to people, characters: two lines of a terminal. All of it is in the JSON.
const SHOWN_CHARS_MAX: usize = 160;

/// What `reelmill probe` prints.
pub(super) fn facts(facts: &MediaFacts) -> String {
    let duration = facts.duration_us.map_or("unknown".to_owned(), |us| clock(us.max(0) as u64 / 1000));
    let rate = facts.bit_rate.map_or(String::new(), |rate| format!(", {}", bit_rate(rate)));
    let mut text = format!("{}, {duration}, {}{rate}\n", plain(&facts.container), bytes(facts.size_bytes));
    if facts.truncated {
        text.push_str("The file ends before the media that it promises.\n");
    }
    text += &table(&facts.streams.iter().map(stream).collect::<Vec<_>>());
    text + &tags(facts.tags.iter().map(|(tag, said)| (tag.name(), said.as_str())))
}

/// What a source says of itself, a line for each, in the order in which files are written.
pub(super) fn tags<'a>(said: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut said: Vec<_> = said.collect();
    said.sort_by_key(|(name, _)| (Tag::ALL.iter().position(|tag| tag.name() == *name).unwrap_or(usize::MAX), *name));
    let shown = |text: &str| match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", plain(&text[..end])),
        None => plain(text),
    };
    table(&said.iter().map(|(name, text)| vec![plain(name), shown(text)]).collect::<Vec<_>>())
}

fn stream(stream: &StreamFacts) -> Vec<String> {
    let kind = format!("{:?}", stream.kind).to_lowercase();
    let what = match (&stream.video, &stream.audio) {
        (Some(video), _) => picture(video),
        (None, Some(audio)) => sound(audio),
        (None, None) => String::new(),
    };
    let mut remarks = Vec::new();
    remarks.extend(stream.language.clone());
    remarks.extend(stream.title.clone());
    let flags = [
        (stream.default, "default"),
        (stream.forced, "forced"),
        (stream.descriptive, "descriptive"),
        (stream.role.is_some(), stream.role.map_or("", |role| role.name())),
        (stream.attached_picture, "cover"),
        (stream.encrypted, "encrypted"),
        (!stream.decodable && (stream.video.is_some() || stream.audio.is_some()), "cannot be decoded"),
    ];
    remarks.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned()));
    let codec = match &stream.profile {
        Some(profile) => format!("{} ({profile})", stream.codec),
        None => stream.codec.clone(),
    };
    [stream.index.to_string(), kind, codec, what, remarks.join(", ")].map(|cell| plain(&cell)).into()
}

fn picture(video: &VideoFacts) -> String {
    let mut parts = vec![format!("{}x{}", video.display_width, video.display_height), per_second(video.frame_rate)];
    if video.variable_rate {
        parts.push("variable".to_owned());
    }
    if (video.width, video.height) != (video.display_width, video.display_height) {
        parts.push(format!("coded {}x{}", video.width, video.height));
    }
    if video.rotation != 0 {
        parts.push(format!("turned {}°", video.rotation));
    }
    parts.push(video.pixel_format.clone());
    parts.extend(video.hdr.as_ref().map(|hdr| format!("HDR {:?}", hdr.kind)));
    parts.join(", ")
}

fn sound(audio: &AudioFacts) -> String {
    format!("{} Hz, {}", audio.sample_rate, audio.layout)
}

/// Frames a second with at most three decimals.
pub(super) fn per_second(rate: Ratio) -> String {
    let millis = rate.millis();
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    format!("{} fps", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What `reelmill plan` prints.
pub(super) fn plan(plan: &Plan) -> String {
    let duration = plan.duration_us.map_or("unknown".to_owned(), |us| clock(us.max(0) as u64 / 1000));
    let packagings: Vec<_> = plan.packagings.iter().map(|packaging| packaging.name()).collect();
    let mut text = format!(
        "{duration} in segments of {} ms, {}, {}\n",
        plan.grid.segment_ms,
        packagings.join(" and "),
        counted(plan.spans.len() as u64, "span"),
    );
    let rungs = plan.video.iter().flat_map(|video| video.renditions.iter().map(rung));
    let sound = plan.audio.iter().map(audio);
    text += &table(&rungs.chain(sound).chain(plan.text.iter().map(words)).collect::<Vec<_>>());
    for note in &plan.notes {
        text += &format!("note: {} [{}]\n", plain(&note.message), note.code);
    }
    text
}

fn rung(rung: &VideoRendition) -> Vec<String> {
    let rate = match rung.rate {
        RateControl::Vbv { bitrate, max_rate, .. } => format!("{}, at most {}", bit_rate(bitrate), bit_rate(max_rate)),
        RateControl::TwoPass { bitrate, max_rate, .. } => {
            format!("{} in two passes, at most {}", bit_rate(bitrate), bit_rate(max_rate))
        }
        RateControl::CappedCrf { crf, max_rate, .. } => format!("CRF {crf}, at most {}", bit_rate(max_rate)),
        RateControl::Crf { crf } => format!("CRF {crf}"),
    };
    let size = format!("{}x{}", rung.width, rung.height);
    vec![rung.id.clone(), size, per_second(rung.frame_rate), rung.encoder.clone(), rate]
}

fn audio(audio: &AudioRendition) -> Vec<String> {
    let encoder = if audio.copy { "copy".to_owned() } else { audio.encoder.clone() };
    let rate = format!("{} Hz", audio.sample_rate);
    vec![audio.id.clone(), plain(&audio.layout), rate, encoder, bit_rate(audio.bit_rate)]
}

fn words(text: &TextRendition) -> Vec<String> {
    let language = text.language.clone().unwrap_or_default();
    vec![text.id.clone(), plain(&language), String::new(), text.format.name().to_owned(), String::new()]
}

/// What `reelmill transcode` prints at the end.
pub(super) fn report(report: &JobReport, out: &Path) -> String {
    let mut text = table(&report.tracks.iter().map(track).collect::<Vec<_>>());
    text += &table(&report.pictures.iter().map(single).collect::<Vec<_>>());
    let media_us = report.tracks.iter().map(|track| track.duration_us).max().unwrap_or(0).max(0) as u64;
    let speed = factor(media_us / (report.elapsed_ms.max(1) * 10));
    text += &match report.tracks.is_empty() {
        true => format!("{} in {}", counted(report.pictures.len() as u64, "picture"), seconds(report.elapsed_ms)),
        false => format!("{} of media in {} ({speed})", clock(media_us / 1000), seconds(report.elapsed_ms)),
    };
    if report.decode_errors > 0 {
        text += &format!("; {} packets could not be decoded", report.decode_errors);
    }
    if let Some(usage) = &report.usage {
        text += &format!("\n{}", super::usage::line(usage));
    }
    let manifests = report.manifests.iter().map(|manifest| out.join(manifest).display().to_string());
    let manifests = manifests.collect::<Vec<_>>().join("  ");
    if !manifests.is_empty() {
        text += &format!("\nplay: {manifests}");
    }
    if !report.progressive.is_empty() {
        let files = report.progressive.iter().map(|file| out.join(&file.path).display().to_string());
        text += &format!("\nmp4: {}", files.collect::<Vec<_>>().join("  "));
    }
    text + "\n"
}

fn track(track: &TrackReport) -> Vec<String> {
    let size = track.size.map_or(String::new(), |(width, height)| format!("{width}x{height}"));
    let files = track.files.iter().map(|files| {
        let (mean, peak) = (bit_rate(files.mean_bit_rate), bit_rate(files.peak_bit_rate));
        format!("{} {} ({mean}, peak {peak})", files.packaging.name(), bytes(files.bytes))
    });
    let segments = counted(track.segments as u64, "segment");
    vec![track.track.clone(), size, track.codecs.clone(), segments, files.collect::<Vec<_>>().join("  ")]
}

/// A still or a sheet.
fn single(picture: &PictureSummary) -> Vec<String> {
    let ms = u64::try_from(picture.time_us / 1000).unwrap_or(0);
    let time = format!("{}.{:03}", clock(ms), ms % 1000);
    let what = picture.tiles.map_or_else(String::new, |tiles| counted(tiles.into(), "tile"));
    vec![picture.path.clone(), time, format!("{}x{}", picture.width, picture.height), bytes(picture.bytes), what]
}

/// `1 segment`, `2 segments`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Text from a source, without what could steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_short_as_they_can_be() {
        assert_eq!(per_second(Ratio::new(25, 1)), "25 fps");
        assert_eq!(per_second(Ratio::new(30_000, 1001)), "29.97 fps");
        assert_eq!(per_second(Ratio::new(0, 0)), "0 fps");
    }

    #[test]
    fn facts_are_one_line_for_each_stream() {
        let json = r#"{"container":"matroska,webm","size_bytes":2048,"duration_us":61000000,"media_end_us":null,
            "start_us":0,"bit_rate":500000,"truncated":true,"seekable":true,"streams":[
            {"index":0,"kind":"video","codec":"h264","profile":"High","time_base":{"num":1,"den":1000},"start":0,
             "duration":null,"bit_rate":null,"language":null,"title":"a\u001b[2J","default":true,"forced":false,
             "descriptive":false,"attached_picture":false,"encrypted":false,"decodable":true,"audio":null,"video":
             {"width":720,"height":576,"sample_aspect":{"num":16,"den":15},"rotation":90,"mirrored":false,
              "display_width":576,"display_height":768,"frame_rate":{"num":25,"den":1},"variable_rate":false,
              "scan":"progressive","pixel_format":"yuv420p","bit_depth":8,"rgb":false,
              "color":{"range":null,"primaries":null,"transfer":null,"matrix":null},"hdr":null,"first_pts":0}},
            {"index":1,"kind":"audio","codec":"aac","profile":null,"time_base":{"num":1,"den":48000},"start":0,
             "duration":null,"bit_rate":null,"language":"deu","title":null,"default":false,"forced":false,
             "descriptive":false,"attached_picture":false,"encrypted":false,"decodable":false,"video":null,
             "audio":{"sample_rate":48000,"channels":6,"layout":"5.1","first_pts":null}}]}"#;
        let text = facts(&serde_json::from_str(json).unwrap());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "matroska,webm, 1:01, 2.0 KiB, 500 kbit/s");
        assert!(lines[1].contains("ends before"));
        let picture = "576x768, 25 fps, coded 720x576, turned 90°, yuv420p";
        assert_eq!(lines[2], format!("0  video  h264 (High)  {picture}  a [2J, default"));
        assert!(lines[3].starts_with("1  audio  aac          48000 Hz, 5.1"));
        assert!(lines[3].ends_with("deu, cannot be decoded"));
        assert_eq!(lines.len(), 4);
        let long = "é".repeat(300);
        let said = [("title", "Die Straße\u{1b}[2J"), ("date", "1927"), ("artist", &long), ("later", "x")];
        let shown = [
            ("title", "Die Straße [2J"),
            ("artist", &(long[..320].to_owned() + "…")),
            ("date", "1927"),
            ("later", "x"),
        ]
        .map(|(name, text)| format!("{name:<6}  {text}\n"));
        assert_eq!(tags(said.into_iter()), shown.concat(), "what a newer daemon tells comes last");
    }
}
