//! The source as FFmpeg's own tools see it: the truth that outputs are held against. Times in microseconds.

use crate::Check;
use crate::table::{Expected, Row};
use crate::tools::{list, make, micros_of, probe, text};
use std::path::{Path, PathBuf};

/// A measured source.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The video that is meant.
    pub(crate) pictures: Option<Pictures>,
    /// Its audio streams, in container order; empty where the table expects none of them to come out.
    pub(crate) sounds: Vec<Sound>,
    /// The source's time that becomes zero.
    pub(crate) origin: i64,
}

/// The pictures of a sequential decode.
#[derive(Debug)]
pub(crate) struct Pictures {
    /// Stream index.
    pub(crate) stream: u32,
    /// Presentation times, ascending.
    pub(crate) times: Vec<i64>,
    /// How long the last picture is said to last.
    pub(crate) last: i64,
    /// Whether any of them is interlaced.
    pub(crate) interlaced: bool,
}

/// The extent of one audio stream.
#[derive(Debug)]
pub(crate) struct Sound {
    /// Stream index.
    pub(crate) stream: u32,
    /// Start of the first packet.
    pub(crate) start: i64,
    /// End of the last packet.
    pub(crate) end: i64,
}

/// Sound that leads by this much is kept: the first picture is stretched back over it.
const LEAD_KEPT: i64 = 1_000_000;

impl Source {
    /// Measures a file.
    pub(crate) fn measure(path: &Path, expected: &Expected, scratch: &Path) -> Check<Self> {
        let name = text(path)?;
        let streams =
            probe(scratch, name, &["-show_entries", "stream=index,codec_type:stream_disposition=attached_pic"])?;
        let of_kind = |kind: &str| {
            let wanted = |s: &&serde_json::Value| s["codec_type"] == kind && s["disposition"]["attached_pic"] != 1;
            let index = |s: &serde_json::Value| s["index"].as_u64().map(|i| i as u32);
            list(&streams, "streams").iter().filter(wanted).filter_map(index).collect::<Vec<_>>()
        };
        let pictures = match expected.size {
            None => None,
            Some(_) => {
                let stream = expected.stream.or(of_kind("video").first().copied());
                let stream = stream.ok_or("ffprobe finds no video, the table expects some")?;
                Some(Pictures::measure(name, stream, scratch)?)
            }
        };
        let mut sounds = Vec::new();
        let audio = of_kind("audio");
        if expected.audio != 0 && expected.audio != audio.len() {
            return Err(format!("the table expects {} audio tracks, the file has {}", expected.audio, audio.len()));
        }
        for stream in audio.into_iter().take(expected.audio) {
            sounds.push(Sound::measure(name, stream, scratch)?);
        }
        let first_sound = sounds.iter().map(|sound| sound.start).min();
        let origin = match (pictures.as_ref().map(Pictures::first), first_sound) {
            (Some(picture), Some(sound)) if picture - sound >= LEAD_KEPT => sound,
            (Some(picture), _) => picture,
            (None, Some(sound)) => sound,
            (None, None) => return Err("nothing to measure".to_owned()),
        };
        Ok(Self { path: path.to_owned(), pictures, sounds, origin })
    }

    /// When the last track ends, on the output's timeline.
    pub(crate) fn length(&self) -> i64 {
        let pictures = self.pictures.as_ref().map_or(0, |p| p.end() - self.origin);
        self.sounds.iter().map(|sound| sound.end - self.origin).fold(pictures, i64::max)
    }

    /// When each picture is due on the output's timeline. The first stands at zero even when sound led it by far.
    pub(crate) fn due(&self) -> Vec<i64> {
        let Some(pictures) = &self.pictures else { return Vec::new() };
        let mut due: Vec<i64> = pictures.times.iter().map(|time| time - self.origin).collect();
        if let Some(first) = due.first_mut() {
            *first = 0;
        }
        due
    }
}

impl Pictures {
    fn measure(name: &str, stream: u32, scratch: &Path) -> Check<Self> {
        let entries =
            "frame=best_effort_timestamp_time,pkt_duration_time,duration_time,interlaced_frame:stream=r_frame_rate";
        let answer = probe(scratch, name, &["-select_streams", &stream.to_string(), "-show_entries", entries])?;
        let frames = list(&answer, "frames");
        let stamped: Vec<i64> = frames.iter().filter_map(|f| micros_of(&f["best_effort_timestamp_time"])).collect();
        let nominal = nominal_frame(list(&answer, "streams").first().and_then(|s| s["r_frame_rate"].as_str()));
        let mean = match stamped.as_slice() {
            [first, .., last] => ((last - first) / (stamped.len() as i64 - 1)).max(1),
            _ => nominal,
        };
        let mut times = Vec::with_capacity(frames.len());
        for frame in frames {
            let follows = times.last().map_or(0, |last| last + mean);
            times.push(micros_of(&frame["best_effort_timestamp_time"]).unwrap_or(follows));
        }
        times.sort_unstable();
        let last = frames.last().and_then(|f| micros_of(&f["duration_time"]).or(micros_of(&f["pkt_duration_time"])));
        let interlaced = frames.iter().any(|f| f["interlaced_frame"] == 1);
        match times.is_empty() {
            true => Err("ffprobe decodes no picture, the table expects some".to_owned()),
            false => Ok(Self { stream, times, last: last.unwrap_or(nominal.min(mean)), interlaced }),
        }
    }

    fn first(&self) -> i64 {
        self.times.first().copied().unwrap_or(0)
    }

    /// End of the last picture.
    pub(crate) fn end(&self) -> i64 {
        self.times.last().copied().unwrap_or(0) + self.last
    }
}

/// The duration of one frame at a rate like `30000/1001`.
fn nominal_frame(rate: Option<&str>) -> i64 {
    let parts = rate.and_then(|rate| rate.split_once('/'));
    let numbers = parts.and_then(|(num, den)| Some((num.parse::<i64>().ok()?, den.parse::<i64>().ok()?)));
    match numbers {
        Some((num, den)) if num > 0 && den > 0 => den * 1_000_000 / num,
        _ => 40_000,
    }
}

impl Sound {
    fn measure(name: &str, stream: u32, scratch: &Path) -> Check<Self> {
        let entries = "packet=pts_time,duration_time,flags";
        let answer = probe(scratch, name, &["-select_streams", &stream.to_string(), "-show_entries", entries])?;
        let packets = list(&answer, "packets");
        // What an edit list discards (encoder priming) is not heard.
        let heard = |p: &&serde_json::Value| !p["flags"].as_str().is_some_and(|flags| flags.contains('D'));
        let start = packets.iter().filter(heard).filter_map(|p| micros_of(&p["pts_time"])).min();
        let end = packets
            .iter()
            .filter_map(|p| Some(micros_of(&p["pts_time"])? + micros_of(&p["duration_time"]).unwrap_or(0)));
        match (start, end.max()) {
            (Some(start), Some(end)) => Ok(Self { stream, start, end }),
            _ => Err(format!("no audio packet of stream {stream} has a timestamp")),
        }
    }
}

/// The file to transcode: the first seconds of a long one, in the same container; whole with `REELMILL_CORPUS_FULL=1`.
pub(crate) fn shorten(directory: &Path, row: &Row, scratch: &Path) -> Check<Option<PathBuf>> {
    let full = std::env::var("REELMILL_CORPUS_FULL").is_ok_and(|value| value == "1");
    let Some(seconds) = row.cut.filter(|_| !full) else { return Ok(None) };
    let whole = directory.join(&row.file);
    let container = probe(scratch, text(&whole)?, &["-show_entries", "format=format_name"])?;
    let muxer = match container["format"]["format_name"].as_str().unwrap_or("") {
        "matroska,webm" => "matroska",
        "mpeg" => "vob",
        "mov,mp4,m4a,3gp,3g2,mj2" if row.file.ends_with(".3gp") => "3gp",
        "mov,mp4,m4a,3gp,3g2,mj2" if row.file.ends_with(".mov") => "mov",
        "mov,mp4,m4a,3gp,3g2,mj2" => "mp4",
        other => other,
    };
    let short = scratch.join(format!("cut-{}", row.trial_name()));
    let (input, limit) = (format!("file:{}", text(&whole)?), seconds.to_string());
    let mapped = ["-map", "0:V", "-map", "0:a?", "-c", "copy", "-t", &limit, "-f", muxer];
    make(scratch, &[&["-i", &input], &mapped[..], &[text(&short)?]].concat())?;
    Ok(Some(short))
}
