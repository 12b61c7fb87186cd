//! Probe mode: what a source is, from its header, its first decoded frames and its last packets, within seconds.

use super::{asf, shape, tags};
use crate::av::input::{Interrupt, StreamInfo};
use crate::av::{ByteSource, Decoder, Frame, Input, Packet, Polled, names};
use crate::model::Problem;
use crate::model::facts::{AudioFacts, Hdr, HdrKind, MediaFacts, Scan, SoundRole, StreamFacts, StreamKind, VideoFacts};
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
pub fn probe(mut source: Box<dyn ByteSource>, size: u64, control: &Control) -> Result<MediaFacts, Problem> {
    if size == 0 {
        return Err(Problem::input("source.empty", "the source is empty (0 bytes); check the upload"));
    }
    let deadline = Instant::now() + Duration::from_secs(limits::PROBE_SECONDS_MAX);
    let mut head = vec![0; asf::HEAD_BYTES];
    // A source that cannot be read says so again, and better, when it is opened.
    let head_length = source.read_at(0, &mut head).unwrap_or(0);
    let interrupt = Interrupt { stop: control.stop_flag(), deadline: Some(deadline) };
    let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
    input.find_stream_info().map_err(|error| faults::source(error, input.source_failure()))?;
    let mut streams = open_streams(&input)?;
    read_first_frames(&mut input, &mut streams, deadline);
    readable(&input)?;
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
        chapters: input.chapters(),
        tags: tags::of(&input, &streams),
        captions: None,
    };
    facts.seekable = seekable(&input, &facts);
    list_key_frames(&input, &streams, &mut facts);
    find_end(&mut input, &streams, &mut facts, estimated);
    // An end that could not be read is no sign of truncation.
    readable(&input)?;
    if facts.container.starts_with("asf") {
        let promised = asf::promised_size(&head[..head_length]);
        facts.truncated |= promised.is_some_and(|promised| promised - promised / MISSING_PART as u64 > size);
    }
    check(&streams, &facts)?;
    Ok(facts)
}

fn readable(input: &Input) -> Result<(), Problem> {
    input.source_failure().map_or(Ok(()), |failure| Err(faults::unreadable(&failure)))
}

/// One stream while it is looked at.
pub(super) struct Stream {
    pub(super) index: u32,
    info: StreamInfo,
    pub(super) kind: StreamKind,
    program: Option<u32>,
    decoder: Option<Decoder>,
    first: Option<Frame>,
    first_pts: Option<i64>,
    times: Vec<i64>,
    /// Times of decoded frames, as many as were decoded.
    pictures: Vec<i64>,
    /// Latest end of a packet, microseconds.
    end_us: Option<i64>,
    frames: u32,
    packets: u32,
    encrypted_packets: u32,
    /// By how much the first key frame is shown later than it is decoded, ticks.
    delay: Option<i64>,
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
                program: input.program(index),
                decoder,
                first: None,
                first_pts: None,
                times: Vec::new(),
                pictures: Vec::new(),
                end_us: None,
                frames: 0,
                packets: 0,
                encrypted_packets: 0,
                delay: None,
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
        self.end_us = self.end_us.max(end_us(packet, self.info.time_base));
        self.encrypted_packets += u32::from(packet.is_encrypted());
        if self.kind == StreamKind::Video
            && self.times.len() < TIMES_MAX
            && let Some(time) = packet.pts().or(packet.dts())
            && !packet.is_discarded()
        {
            self.times.push(time);
        }
        if packet.is_key()
            && !packet.is_discarded()
            && let (None, Some(pts), Some(dts)) = (self.delay, packet.pts(), packet.dts())
        {
            self.delay = Some(pts.saturating_sub(dts));
        }
        if !self.has_frames() {
            self.decode(Some(packet));
        }
    }

    fn is_media(&self) -> bool {
        matches!(self.kind, StreamKind::Video | StreamKind::Audio) && !self.is_cover()
    }

    /// Duration by the count of frames that the container tells, for those whose other durations are guesses.
    fn counted_us(&self) -> Option<i64> {
        let rate = self.info.frame_rate;
        let counts = self.kind == StreamKind::Video && self.info.frames > 0 && rate.is_known();
        counts.then(|| rescale(self.info.frames, rate.inverse(), MICROS))
    }

    const fn has_frames(&self) -> bool {
        self.frames >= FRAMES_WANTED || (matches!(self.kind, StreamKind::Audio) && self.frames > 0)
    }

    /// The codec's name, or the container's tag for one that FFmpeg has no name for.
    fn codec_label(&self) -> String {
        let name = self.info.params.codec_name();
        if name != "none" && name != "unknown_codec" {
            return name;
        }
        String::from_utf8_lossy(&self.info.params.tag()).trim_matches('\0').to_owned()
    }

    fn encrypted(&self) -> bool {
        self.info.encrypted || self.encrypted_packets > 0 || tagged_encrypted(&self.info)
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
            self.pictures.extend(frame.best_effort_pts());
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
        const DUB: i32 = 0x2;
        const COMMENT: i32 = 0x8;
        const HEARING_IMPAIRED: i32 = 0x80;
        let has = |bit: i32| self.info.disposition & bit != 0;
        StreamFacts {
            index: self.index,
            kind: self.kind,
            program: self.program,
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
            role: match self.kind {
                StreamKind::Audio if has(COMMENT) => Some(SoundRole::Commentary),
                StreamKind::Audio if has(HEARING_IMPAIRED) => Some(SoundRole::EnhancedSpeech),
                StreamKind::Audio if has(DUB) => Some(SoundRole::Dub),
                _ => None,
            },
            hearing_impaired: self.kind == StreamKind::Subtitle && has(HEARING_IMPAIRED),
            attached_picture: self.is_cover(),
            encrypted: self.encrypted(),
            decodable: self.first.is_some(),
            video: if self.kind == StreamKind::Video { self.video() } else { None },
            audio: if self.kind == StreamKind::Audio { self.audio() } else { None },
        }
    }

    fn video(&self) -> Option<VideoFacts> {
        let frame = self.first.as_ref()?;
        let mut format = frame.picture_format();
        let info = &self.info;
        if u64::from(info.size.0) * u64::from(info.size.1) > u64::from(format.width) * u64::from(format.height) {
            // Streams that adapt their size may start small; the header tells how large they get.
            (format.width, format.height) = info.size;
        }
        let aspect = if info.sample_aspect.is_known() { info.sample_aspect } else { format.sample_aspect };
        let sample_aspect = if aspect.is_known() { aspect.reduced() } else { Ratio::new(1, 1) };
        let (rotation, mirrored) = info.display_matrix.or(frame.display_matrix()).map_or((0, false), shape::rotation);
        let (display_width, display_height) = shape::display_size(format.width, format.height, sample_aspect, rotation);
        let mut rate = shape::frame_rate(&self.times, info.time_base, info.base_rate, info.frame_rate);
        if self.scan.is_some() {
            rate = shape::whole_pictures(rate, &self.pictures, info.time_base);
        }
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
            area: None,
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

fn seekable(input: &Input, facts: &MediaFacts) -> bool {
    let Some((stream, video)) = facts.main_video() else { return false };
    video.first_pts.is_some() && input.seeks_exactly(stream.index)
}

/// Fills in where key frames stand, from containers whose index has every picture with its exact decoding time. At a
/// constant rate a key frame that no other picture is shown before is shown later than it is decoded by always the same.
fn list_key_frames(input: &Input, streams: &[Stream], facts: &mut MediaFacts) {
    if !facts.container.starts_with("mov,") {
        return;
    }
    for (stream, facts) in streams.iter().zip(&mut facts.streams).filter(|(stream, _)| !stream.is_cover()) {
        if let (Some(video), Some(delay)) = (&mut facts.video, stream.delay) {
            video.key_frames = shape::key_frames(&input.index(stream.index), delay);
        }
    }
}

/// Finds where the media really ends, and whether that is well before where the container says it does.
fn find_end(input: &mut Input, streams: &[Stream], facts: &mut MediaFacts, estimated: bool) {
    let media: Vec<&Stream> = streams.iter().filter(|s| s.is_media()).collect();
    if facts.container.starts_with("mov,") {
        // A sample table is a promise to the byte; durations in the header are often wrong.
        facts.truncated = media.iter().any(|stream| index_beyond(input, stream, facts.size_bytes));
        return;
    }
    // A duration that is only guessed from the size promises nothing.
    let declared = if estimated { None } else { facts.duration_us };
    let Some(duration) = declared.max(media.iter().filter_map(|s| s.counted_us()).max()) else { return };
    if input.may_jump() {
        return;
    }
    let start = facts.start_us.unwrap_or(0);
    let lead = media.iter().find(|s| s.kind == StreamKind::Video).or(media.first());
    let Some(lead) = lead else { return };
    let target = rescale(start + duration - duration / MISSING_PART, MICROS, lead.info.time_base);
    // Where the container cannot seek, reading on from here leads to the end as well.
    let _ = input.seek_before(lead.index, target);
    let Some(tail) = last_end(input, streams) else { return };
    let Some(end) = media.iter().filter_map(|s| s.end_us).chain(tail).max() else { return };
    facts.media_end_us = Some(end);
    facts.truncated = is_missing(start + duration - end, duration);
}

const fn is_missing(missing_us: i64, duration_us: i64) -> bool {
    missing_us > MISSING_MIN_US && missing_us > duration_us / MISSING_PART
}

/// Whether a sample table points at media behind the end of the file, and at enough of it.
fn index_beyond(input: &Input, stream: &Stream, size: u64) -> bool {
    let index = input.index(stream.index);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let lost = index.iter().find(|entry| entry.position.saturating_add(entry.size) > size);
    let (Some(first), Some(last), Some(lost)) = (index.first(), index.last(), lost) else { return false };
    let micros = |time: i64| rescale(time, stream.info.time_base, MICROS);
    is_missing(micros(last.time - lost.time), micros(last.time - first.time))
}

/// Reads to the end of the file and gives the latest end of a packet on the way, microseconds, if one came; nothing at all
/// when that would take too much. Subtitles count: they may be what makes a file as long as it says.
fn last_end(input: &mut Input, streams: &[Stream]) -> Option<Option<i64>> {
    let mut packet = Packet::new().ok()?;
    let mut bytes = 0;
    let mut end = None;
    loop {
        match input.read(&mut packet) {
            Ok(true) => {}
            Err(error) if error.is_interrupted() => return None,
            Ok(false) | Err(_) => return Some(end),
        }
        bytes += packet.data().len() as u64;
        if bytes > TAIL_BYTES_MAX {
            return None;
        }
        if let Some(stream) = streams.get(packet.stream() as usize) {
            end = end.max(end_us(&packet, stream.info.time_base));
        }
    }
}

/// Where a packet ends, microseconds.
fn end_us(packet: &Packet, time_base: Ratio) -> Option<i64> {
    let time = packet.pts().or(packet.dts())?;
    Some(rescale(time.saturating_add(packet.duration()), time_base, MICROS))
}

/// Refuses what nothing can be made of, with the reason that helps most.
fn check(streams: &[Stream], facts: &MediaFacts) -> Result<(), Problem> {
    let media: Vec<&Stream> =
        streams.iter().filter(|s| matches!(s.kind, StreamKind::Video | StreamKind::Audio) && !s.is_cover()).collect();
    // A file of text is the source of nothing but text, which the planner sees to.
    let has_text = streams.iter().any(|s| s.kind == StreamKind::Subtitle);
    if media.is_empty() && has_text {
        return Ok(());
    }
    if media.is_empty() {
        return Err(Problem::input("source.no_streams", "the source holds neither pictures nor sound; check the file"));
    }
    let decodable = |kind| media.iter().any(|s| s.kind == kind && s.first.is_some());
    // Video that is there but cannot be shown is a failure even when the sound is fine: nobody asked for sound alone.
    let lost: Vec<&&Stream> = media.iter().filter(|s| s.first.is_none() && s.packets > 0).collect();
    let lost_video = !decodable(StreamKind::Video) && lost.iter().any(|s| s.kind == StreamKind::Video);
    if facts.truncated && !media.iter().any(|s| s.encrypted()) {
        return Err(truncated(facts));
    }
    if !lost_video && (decodable(StreamKind::Video) || decodable(StreamKind::Audio)) {
        return Ok(());
    }
    if media.iter().any(|s| s.encrypted()) {
        return Err(Problem::input("source.encrypted", "the source is encrypted; send it decrypted"));
    }
    let codecs =
        |streams: &[&&Stream]| -> String { streams.iter().map(|s| s.codec_label()).collect::<Vec<_>>().join(", ") };
    let unsupported: Vec<&&Stream> = lost.iter().filter(|s| !s.info.params.has_decoder()).copied().collect();
    if !unsupported.is_empty() {
        let codecs = codecs(&unsupported);
        return Err(Problem::input(
            "source.unsupported",
            format!("no decoder here takes {codecs}; convert the source first"),
        ));
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
