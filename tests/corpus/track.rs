//! One track, joined into one file and decoded whole: errors, frames, times, key frames, shape, colour.

use crate::Check;
use crate::output::{Package, Track};
use crate::source::Source;
use crate::table::Expected;
use crate::tools::{list, micros_of, probe, tail, text, tool};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A track as one file, with what ffprobe says of it. Times in microseconds on the track's own clock.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Packaging and id, for messages.
    pub(crate) label: String,
    /// The joined file.
    pub(crate) path: PathBuf,
    /// ffprobe's description of the stream.
    pub(crate) stream: Value,
    /// Packets in file order.
    packets: Vec<Packet>,
    /// Where each segment starts in the file.
    starts: Vec<u64>,
    /// Duration of each segment, from the playlist.
    durations: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    time: i64,
    position: Option<u64>,
    key: bool,
    discard: bool,
}

/// MPEG-2 TS counts in 1/90000 s and manifests in microseconds.
const ROUNDING: i64 = 1_500;
/// Longest priming or packing of audio frames in front of a segment's start: 2048 samples at 32 kHz.
const PRIMING: i64 = 64_000;
/// How far a picture may be moved to even out a jittering clock: less than anybody sees, half a frame at 25 a second.
const TIME_SLACK: i64 = 20_000;

impl Joined {
    /// Joins a track of a packaging and reads its packets.
    pub(crate) fn new(package: &Package, track: &Track, scratch: &Path) -> Check<Self> {
        let extension = if package.name == "cmaf" { "mp4" } else { "ts" };
        let path = scratch.join(format!("{}-{}.{extension}", package.name, track.id));
        let label = format!("{}/{}", package.name, track.id);
        let starts = track.join(&path)?;
        let entries = "packet=pts_time,pos,flags:stream=codec_type,codec_name,width,height,sample_aspect_ratio,pix_fmt,\
                       color_range,color_transfer,channels,sample_rate,field_order:stream_side_data=rotation";
        let answer = probe(scratch, text(&path)?, &["-f", demuxer(&path), "-show_entries", entries])?;
        let [stream] = list(&answer, "streams") else {
            return Err(format!("{label}: {} streams, one expected", list(&answer, "streams").len()));
        };
        let packet = |p: &Value| {
            let flags = p["flags"].as_str().unwrap_or("");
            let position = p["pos"].as_str().and_then(|pos| pos.parse().ok());
            Some(Packet {
                time: micros_of(&p["pts_time"])?,
                position,
                key: flags.contains('K'),
                discard: flags.contains('D'),
            })
        };
        let all = list(&answer, "packets");
        let packets: Vec<Packet> = all.iter().filter_map(packet).collect();
        if packets.is_empty() || packets.len() != all.len() {
            return Err(format!("{label}: {} of {} packets have a timestamp", packets.len(), all.len()));
        }
        let durations = track.segments.iter().map(|segment| segment.1).collect();
        Ok(Self { label, path, stream: stream.clone(), packets, starts, durations })
    }

    /// Time of the first picture or sound.
    pub(crate) fn first(&self) -> i64 {
        self.packets.iter().map(|packet| packet.time).min().unwrap_or(0)
    }

    /// Times of all pictures, ascending.
    fn times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.packets.iter().filter(|p| !p.discard).map(|packet| packet.time).collect();
        times.sort_unstable();
        times
    }

    fn fail<T>(&self, message: impl std::fmt::Display) -> Check<T> {
        Err(format!("{}: {message}", self.label))
    }

    /// Decodes everything; any error line fails. Returns the number of frames that came out, where it is video.
    pub(crate) fn decode(&self, scratch: &Path) -> Check<usize> {
        let video = self.stream["codec_type"] == "video";
        // A fine time base: with the default of one frame the null muxer complains about variable rates.
        let frames = ["-fps_mode", "passthrough", "-enc_time_base", "1/90000"];
        let rest = ["-f", "null", "-", "-progress", "pipe:1", "-nostats"];
        // Without `-copyts` the tool takes pictures that are unevenly apart in a transport stream for jumps of the clock.
        let input =
            ["-nostdin", "-v", "error", "-xerror", "-copyts", "-f", demuxer(&self.path), "-i", text(&self.path)?];
        let ran = tool("ffmpeg", scratch, &[&input[..], if video { &frames[..] } else { &[] }, &rest[..]].concat())?;
        if !ran.status.success() || !ran.stderr.trim().is_empty() {
            return self.fail(format!("the decode is not clean: {}", tail(&ran.stderr)));
        }
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let counted = said.lines().rev().find_map(|line| line.strip_prefix("frame=")).map(str::trim);
        Ok(counted.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Each segment starts where the playlist says, and in video with a key frame that comes first in time.
    pub(crate) fn check_segments(&self) -> Check {
        let video = self.stream["codec_type"] == "video";
        // The priming of an audio encoder may lie before the zero that the playlist counts from.
        let slack = if video { ROUNDING } else { PRIMING };
        let mut due = self.first();
        for (index, start) in self.starts.iter().enumerate() {
            let end = self.starts.get(index + 1).copied().unwrap_or(u64::MAX);
            let inside = |p: &&Packet| p.position.is_some_and(|position| (*start..end).contains(&position));
            let Some(first) = self.packets.iter().find(inside) else {
                return self.fail(format!("segment {index} holds no packet"));
            };
            if video && !first.key {
                return self.fail(format!("segment {index} does not start with a key frame"));
            }
            let earliest = self.packets.iter().filter(inside).map(|p| p.time).min().unwrap_or(first.time);
            if video && earliest != first.time {
                return self.fail(format!(
                    "segment {index}: a picture at {earliest} us precedes its key frame at {} us",
                    first.time
                ));
            }
            if (earliest - due).abs() > slack {
                return self.fail(format!("segment {index} starts at {earliest} us, by the playlist at {due} us"));
            }
            due += self.durations[index];
        }
        Ok(())
    }

    /// Every picture stands where the source has one: times are the source's, moved to zero.
    pub(crate) fn check_times(&self, source: &Source) -> Check {
        let due = source.due();
        if due.is_empty() {
            return self.fail("a video track, but the source is sound alone");
        }
        let zero = if self.label.starts_with("ts/") { self.first() } else { 0 };
        let times: Vec<i64> = self.times().iter().map(|time| time - zero).collect();
        let paired = times.len() == due.len();
        for (index, time) in times.iter().enumerate() {
            // With as many pictures as the source they are told by their order, otherwise by the nearest.
            let after = due.partition_point(|d| d < time).min(due.len() - 1);
            let near = [after.saturating_sub(1), after].map(|i| due[i]).into_iter().min_by_key(|d| (d - time).abs());
            let wanted = if paired { due[index] } else { near.unwrap_or(0) };
            if (time - wanted).abs() > TIME_SLACK {
                return self
                    .fail(format!("picture {index} stands at {time} us where the source has one at {wanted} us"));
            }
        }
        match times.first() {
            Some(first) if first.abs() > TIME_SLACK => self.fail(format!("the first picture stands at {first} us")),
            _ => Ok(()),
        }
    }

    /// The pictures have square pixels, the source's shape, and are no larger than it.
    pub(crate) fn check_shape(&self, expected: &Expected) -> Check<(u32, u32)> {
        let side = |key: &str| self.stream[key].as_u64().unwrap_or(0) as u32;
        let (width, height) = (side("width"), side("height"));
        let Some((full_width, full_height)) = expected.size else {
            return self.fail("a video track, but the source is sound alone");
        };
        let aspect = self.stream["sample_aspect_ratio"].as_str().unwrap_or("1:1");
        if !["1:1", "0:1", "N/A"].contains(&aspect) {
            return self.fail(format!("pixels are {aspect}, square ones were due"));
        }
        if list(&self.stream, "side_data_list").iter().any(|data| data["rotation"].as_i64().unwrap_or(0) != 0) {
            return self.fail("a player would turn the pictures once more");
        }
        if width == 0
            || height == 0
            || width % 2 + height % 2 != 0
            || width > full_width + 1
            || height > full_height + 1
        {
            return self.fail(format!("{width}x{height} from {full_width}x{full_height}"));
        }
        // Each side may be off by the rounding to even: the shape by one pixel in either, and 2 % besides.
        let (have, want) = (u64::from(width) * u64::from(full_height), u64::from(height) * u64::from(full_width));
        let slack = want / 50 + u64::from(full_width) + u64::from(full_height);
        if have.abs_diff(want) > slack {
            return self.fail(format!("{width}x{height} has not the shape of {full_width}x{full_height}"));
        }
        Ok((width, height))
    }

    /// 10 bit and the transfer are kept where the codec can, and H.264 is SDR in 8 bit.
    pub(crate) fn check_colour(&self, expected: &Expected) -> Check {
        let field = |key: &str| self.stream[key].as_str().unwrap_or("");
        let (codec, format, transfer) = (field("codec_name"), field("pix_fmt"), field("color_transfer"));
        let keeps = codec != "h264";
        let fine = match expected.hdr {
            Some(kept) if keeps => format == "yuv420p10le" && transfer == kept,
            _ if codec == "h264" => format.starts_with("yuv") && !format.contains("10") && !is_hdr(transfer),
            _ => !is_hdr(transfer),
        };
        if !fine {
            return self
                .fail(format!("{codec} in {format} with transfer {transfer:?}; expected HDR: {:?}", expected.hdr));
        }
        match field("field_order") {
            "" | "progressive" | "unknown" => Ok(()),
            order => self.fail(format!("fields are {order}, progressive pictures were due")),
        }
    }

    /// As many frames as the source has.
    pub(crate) fn check_frames(&self, decoded: usize, expected: &Expected, source: &Source, whole: bool) -> Check {
        let reference = source.pictures.as_ref().map_or(0, |pictures| pictures.times.len());
        let (least, most) = expected.frames;
        if whole && !(least..=most).contains(&reference) {
            return self.fail(format!("the table says {least} to {most} pictures, ffprobe decodes {reference}"));
        }
        let (least, most) = if whole { (least, most) } else { (reference, reference) };
        match (least..=most).contains(&decoded) {
            true => Ok(()),
            false => self.fail(format!("{decoded} pictures, expected {least} to {most}")),
        }
    }
}

/// FFmpeg's demuxer for a joined file, by its extension: a transport stream of a few packets is too short to be recognised.
pub(crate) fn demuxer(path: &Path) -> &'static str {
    match path.extension().is_some_and(|extension| extension == "ts") {
        true => "mpegts",
        false => "mov",
    }
}

fn is_hdr(transfer: &str) -> bool {
    transfer == "smpte2084" || transfer == "arib-std-b67"
}
