//! Probe mode: what a source is, from its header, its first decoded frames and its last packets, within seconds.

use super::shape;
use crate::av::input::{Interrupt, StreamInfo};
use crate::av::{ByteSource, Decoder, Frame, Input, Packet, Polled, names};
use crate::model::Problem;
use crate::model::facts::{AudioFacts, Hdr, HdrKind, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use crate::model::limits;
use crate::model::time::{Ratio, rescale};
use crate::pipeline::{Control, faults};
use std::time::{Duration, Instant};

/// Video packets whose times are looked at for the frame rate.
const TIMES_MAX: usize = 300;
/// Frames that are decoded of each video: enough to see fields and a late key frame's metadata.
const FRAMES_WANTED: u32 = 4;
/// Most bytes of packets that are read for the first frames.
const BYTES_MAX: u64 = 24 << 20;
/// A source counts as truncated when more than this part of what it promises is missing …
const MISSING_PART: i64 = 20;
/// … and at least this much.
const MISSING_MIN_US: i64 = 1_000_000;
/// Bytes of packets that are read behind the last seek to find the end.
const TAIL_BYTES_MAX: u64 = 64 << 20;
const MICROS: Ratio = Ratio::new(1, 1_000_000);

/// Everything that is known of the source.
pub(super) fn probe(source: Box<dyn ByteSource>, size: u64, control: &Control) -> Result<MediaFacts, Problem> {
    if size == 0 {
        return Err(Problem::input("source.empty", "the source is empty (0 bytes); check the upload"));
    }
    let deadline = Instant::now() + Duration::from_secs(limits::PROBE_SECONDS_MAX);
    let interrupt = Interrupt { stop: control.stop_flag(), deadline: Some(deadline) };
    let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
    input.find_stream_info().map_err(|error| faults::source(error, input.source_failure()))?;
    let mut streams = open_streams(&input)?;
    read_first_frames(&mut input, &mut streams, deadline);
    if let Some(failure) = input.source_failure() {
        return Err(Problem::sink(
            "source.unreadable",
            format!("the source could not be read ({failure}); check where it is stored"),
        ));
    }
    let (duration_us, estimated) = input.duration_us();
    let mut facts = MediaFacts {
        container: input.format_name(),
        size_bytes: size,
        duration_us,
        media_end_us: None,
        start_us: input.start_us(),
        bit_rate: input.bit_rate(),
        truncated: false,
        seekable: false,
        streams: streams.iter().map(Stream::facts).collect(),
    };
    facts.seekable = seekable(&input, &facts);
    find_end(&mut input, &streams, &mut facts, estimated);
    check(&streams, &facts)?;
    Ok(facts)
}

/// One stream while it is looked at.
struct Stream {
    index: u32,
    info: StreamInfo,
    kind: StreamKind,
    decoder: Option<Decoder>,
    first: Option<Frame>,
    first_pts: Option<i64>,
    times: Vec<i64>,
    frames: u32,
    packets: u32,
    encrypted_packets: u32,
    scan: Option<Scan>,
}

fn open_streams(input: &Input) -> Result<Vec<Stream>, Problem> {
    (0..input.stream_count())
        .map(|index| {
            let info = input.stream_info(index).map_err(faults::internal)?;
            let kind = match info.kind.as_str() {
                "video" => StreamKind::Video,
                "audio" => StreamKind::Audio,
                "subtitle" => StreamKind::Subtitle,
                "data" => StreamKind::Data,
                "attachment" => StreamKind::Attachment,
                _ => StreamKind::Unknown,
            };
            let wanted = matches!(kind, StreamKind::Video | StreamKind::Audio);
            let decoder = if wanted { Decoder::open(&info.params, info.time_base, 1).ok() } else { None };
            Ok(Stream {
                index,
                info,
                kind,
                decoder,
                first: None,
                first_pts: None,
                times: Vec::new(),
                frames: 0,
                packets: 0,
                encrypted_packets: 0,
                scan: None,
            })
        })
        .collect()
}

/// Reads on until every stream has shown what it is, or the bounds are reached.
fn read_first_frames(input: &mut Input, streams: &mut [Stream], deadline: Instant) {
    let Ok(mut packet) = Packet::new() else { return };
    let mut bytes = 0;
    while bytes < BYTES_MAX && Instant::now() < deadline {
        match input.read(&mut packet) {
            Ok(true) => {}
            // Damage this early is judged by what came out of the rest.
            Ok(false) | Err(_) => break,
        }
        bytes += packet.data().len() as u64;
        if let Some(stream) = streams.get_mut(packet.stream() as usize) {
            stream.take(&packet);
        }
        if streams.iter().all(Stream::is_satisfied) {
            return;
        }
    }
    for stream in streams {
        stream.decode(None);
    }
}

impl Stream {
    fn take(&mut self, packet: &Packet) {
        self.packets += 1;
        self.encrypted_packets += u32::from(packet.is_encrypted());
        if self.kind == StreamKind::Video
            && self.times.len() < TIMES_MAX
            && let Some(time) = packet.pts().or(packet.dts())
            && !packet.is_discarded()
        {
            self.times.push(time);
        }
        if !self.has_frames() {
            self.decode(Some(packet));
        }
    }

    const fn has_frames(&self) -> bool {
        self.frames >= FRAMES_WANTED || (matches!(self.kind, StreamKind::Audio) && self.frames > 0)
    }

    const fn is_cover(&self) -> bool {
        const ATTACHED_PICTURE: i32 = 0x400;
        self.info.disposition & ATTACHED_PICTURE != 0
    }

    fn is_satisfied(&self) -> bool {
        let still = self.decoder.is_none() || (self.is_cover() && self.frames > 0);
        still || (self.has_frames() && (self.kind != StreamKind::Video || self.times.len() >= TIMES_MAX))
    }

    fn decode(&mut self, packet: Option<&Packet>) {
        let Some(decoder) = &mut self.decoder else { return };
        // A packet that does not decode is counted by its absence among the frames.
        let _ = decoder.send(packet);
        loop {
            let Ok(mut frame) = Frame::new() else { return };
            match decoder.receive(&mut frame) {
                Ok(Polled::Ready) => {}
                _ => return,
            }
            self.frames += 1;
            if let Some(top_first) = frame.interlaced() {
                self.scan.get_or_insert(if top_first { Scan::TopFirst } else { Scan::BottomFirst });
            }
            if self.first.is_none() {
                self.first_pts = frame.best_effort_pts();
                self.first = Some(frame);
            }
        }
    }

    fn facts(&self) -> StreamFacts {
        const DEFAULT: i32 = 0x1;
        const FORCED: i32 = 0x40;
        const VISUAL_IMPAIRED: i32 = 0x100;
        let has = |bit: i32| self.info.disposition & bit != 0;
        StreamFacts {
            index: self.index,
            kind: self.kind,
            codec: self.info.params.codec_name(),
            profile: self.info.params.profile_name(),
            time_base: self.info.time_base,
            start: self.info.start,
            duration: self.info.duration,
            bit_rate: self.info.bit_rate,
            language: self.info.language.clone(),
            title: self.info.title.clone(),
            default: has(DEFAULT),
            forced: has(FORCED),
            descriptive: has(VISUAL_IMPAIRED),
            attached_picture: self.is_cover(),
            encrypted: self.info.encrypted || self.encrypted_packets > 0,
            decodable: self.first.is_some(),
            video: if self.kind == StreamKind::Video { self.video() } else { None },
            audio: if self.kind == StreamKind::Audio { self.audio() } else { None },
        }
    }

    fn video(&self) -> Option<VideoFacts> {
        let frame = self.first.as_ref()?;
        let format = frame.picture_format();
        let info = &self.info;
        let aspect = if info.sample_aspect.is_known() { info.sample_aspect } else { format.sample_aspect };
        let sample_aspect = if aspect.is_known() { aspect.reduced() } else { Ratio::new(1, 1) };
        let (rotation, mirrored) = info.display_matrix.or(frame.display_matrix()).map_or((0, false), shape::rotation);
        let (display_width, display_height) = shape::display_size(format.width, format.height, sample_aspect, rotation);
        let rate = shape::frame_rate(&self.times, info.time_base, info.base_rate, info.frame_rate);
        let color = frame.color();
        let kind = match color.transfer.as_deref() {
            Some("smpte2084") => Some(HdrKind::Pq),
            Some("arib-std-b67") => Some(HdrKind::Hlg),
            _ => None,
        };
        let light = frame.content_light().or(info.content_light);
        let hdr = kind.map(|kind| Hdr {
            kind,
            mastering: frame.mastering_display().or(info.mastering),
            max_cll: light.map(|(max, _)| max),
            max_fall: light.map(|(_, average)| average),
        });
        Some(VideoFacts {
            width: format.width,
            height: format.height,
            sample_aspect,
            rotation,
            mirrored,
            display_width,
            display_height,
            frame_rate: rate.rate,
            variable_rate: rate.variable,
            scan: self.scan.unwrap_or(Scan::Progressive),
            pixel_format: names::pixel_format_name(format.format),
            bit_depth: names::bit_depth(format.format),
            rgb: names::is_rgb(format.format),
            color,
            hdr,
            first_pts: self.first_pts,
            key_frames: Vec::new(),
        })
    }

    fn audio(&self) -> Option<AudioFacts> {
        let format = self.first.as_ref()?.sample_format();
        Some(AudioFacts {
            sample_rate: format.rate,
            channels: format.channels,
            layout: format.layout,
            first_pts: self.first_pts,
        })
    }
}

/// Only containers with exact times for every packet and an index give the same times after a seek.
fn seekable(input: &Input, facts: &MediaFacts) -> bool {
    let exact = facts.container.starts_with("mov,") || facts.container.starts_with("matroska");
    let Some((stream, video)) = facts.main_video() else { return false };
    exact && !input.may_jump() && video.first_pts.is_some() && !input.index(stream.index).is_empty()
}

/// Finds where the media really ends, and whether that is well before where the container says it does.
fn find_end(input: &mut Input, streams: &[Stream], facts: &mut MediaFacts, estimated: bool) {
    let wanted: Vec<u32> = streams.iter().filter(|s| s.first.is_some() && !s.is_cover()).map(|s| s.index).collect();
    if wanted.is_empty() {
        return;
    }
    if let Some(missing) =
        streams.iter().filter(|s| wanted.contains(&s.index)).find_map(|s| index_beyond(input, s, facts))
    {
        facts.truncated = missing;
        return;
    }
    // A duration that is only guessed from the size promises nothing.
    let (Some(duration), false, false) = (facts.duration_us, estimated, input.may_jump()) else { return };
    let start = facts.start_us.unwrap_or(0);
    let Some(lead) = streams.iter().find(|s| wanted.contains(&s.index)) else { return };
    let target = rescale(start + duration - duration / MISSING_PART, MICROS, lead.info.time_base);
    if input.seek_before(lead.index, target).is_err() {
        return;
    }
    let Some(end) = last_end(input, streams, &wanted) else { return };
    facts.media_end_us = Some(end);
    facts.truncated = is_missing(start + duration - end, duration);
}

const fn is_missing(missing_us: i64, duration_us: i64) -> bool {
    missing_us > MISSING_MIN_US && missing_us > duration_us / MISSING_PART
}

/// Whether the sample table of a container points at media behind the end of the file, and enough of it.
fn index_beyond(input: &Input, stream: &Stream, facts: &MediaFacts) -> Option<bool> {
    if !facts.container.starts_with("mov,") {
        return None;
    }
    let index = input.index(stream.index);
    let size = i64::try_from(facts.size_bytes).unwrap_or(i64::MAX);
    let first = index.first()?;
    let last = index.last()?;
    let lost = index.iter().find(|entry| entry.position.saturating_add(entry.size) > size)?;
    let micros = |time: i64| rescale(time, stream.info.time_base, MICROS);
    Some(is_missing(micros(last.time - lost.time), micros(last.time - first.time)))
}

/// Reads to the end of the file and gives the latest end of a wanted packet, microseconds; `None` if that takes too much.
fn last_end(input: &mut Input, streams: &[Stream], wanted: &[u32]) -> Option<i64> {
    let mut packet = Packet::new().ok()?;
    let mut bytes = 0;
    let mut end = None;
    loop {
        match input.read(&mut packet) {
            Ok(true) => {}
            Ok(false) => return end,
            Err(error) if error.is_interrupted() => return None,
            Err(_) => return end,
        }
        bytes += packet.data().len() as u64;
        if bytes > TAIL_BYTES_MAX {
            return None;
        }
        let Some(stream) = streams.get(packet.stream() as usize) else { continue };
        let Some(time) = packet.pts().or(packet.dts()).filter(|_| wanted.contains(&stream.index)) else { continue };
        let packet_end = rescale(time.saturating_add(packet.duration()), stream.info.time_base, MICROS);
        end = end.max(Some(packet_end));
    }
}

/// Refuses what nothing can be made of, with the reason that helps most.
fn check(streams: &[Stream], facts: &MediaFacts) -> Result<(), Problem> {
    let media: Vec<&Stream> =
        streams.iter().filter(|s| matches!(s.kind, StreamKind::Video | StreamKind::Audio) && !s.is_cover()).collect();
    if media.is_empty() {
        return Err(Problem::input("source.no_streams", "the source holds neither pictures nor sound; check the file"));
    }
    let decodable = |kind| media.iter().any(|s| s.kind == kind && s.first.is_some());
    // Video that is there but cannot be shown is a failure even when the sound is fine: nobody asked for sound alone.
    let lost: Vec<&&Stream> = media.iter().filter(|s| s.first.is_none() && s.packets > 0).collect();
    let lost_video = !decodable(StreamKind::Video) && lost.iter().any(|s| s.kind == StreamKind::Video);
    if !lost_video && (decodable(StreamKind::Video) || decodable(StreamKind::Audio)) {
        return if facts.truncated { Err(truncated(facts)) } else { Ok(()) };
    }
    let encrypted = |s: &Stream| s.info.encrypted || s.encrypted_packets > 0 || tagged_encrypted(&s.info);
    if media.iter().any(|s| encrypted(s)) {
        return Err(Problem::input("source.encrypted", "the source is encrypted; send it decrypted"));
    }
    let codecs = |streams: &[&&Stream]| -> String {
        streams.iter().map(|s| s.info.params.codec_name()).collect::<Vec<_>>().join(", ")
    };
    let unsupported: Vec<&&Stream> = lost.iter().filter(|s| !s.info.params.has_decoder()).copied().collect();
    if !unsupported.is_empty() {
        let codecs = codecs(&unsupported);
        return Err(Problem::input(
            "source.unsupported",
            format!("no decoder here takes {codecs}; convert the source first"),
        ));
    }
    if facts.truncated {
        return Err(truncated(facts));
    }
    Err(crate::pipeline::decode::undecodable())
}

/// `encv`, `enca` and `drmi` sample entries (ISO/IEC 14496-12 §8.12) that FFmpeg could not look behind.
fn tagged_encrypted(info: &StreamInfo) -> bool {
    [*b"encv", *b"enca", *b"drmi", *b"drms"].contains(&info.params.tag())
}

fn truncated(facts: &MediaFacts) -> Problem {
    let promised =
        facts.duration_us.map_or_else(String::new, |us| format!(" of the {} s that it promises", us / 1_000_000));
    Problem::input("source.truncated", format!("the source ends early: part{promised} is missing; upload it again"))
}
