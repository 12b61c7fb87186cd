//! Opening a container and reading packets from it.

use super::error::{AvError, check};
use super::io::{ByteSource, InputIo};
use super::packet::Packet;
use super::params::{self, Params};
use super::{dict, names, timestamp, to_ratio};
use crate::model::Ratio;
use crate::model::facts::{Chapter, MasteringDisplay};
use crate::model::limits;
use crate::model::time::rescale;
use ffmpeg_sys_next as ff;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Stops a running call: when somebody asks, or when its time is over.
#[derive(Default)]
pub struct Interrupt {
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
    /// When to stop at the latest.
    pub deadline: Option<Instant>,
}

/// An open container.
pub struct Input {
    context: *mut ff::AVFormatContext,
    // After the context: FFmpeg may still read while it closes.
    io: InputIo,
    interrupt: Box<Interrupt>,
}

// SAFETY: all three are owned by this value alone; the byte source is `Send`.
unsafe impl Send for Input {}

/// What the container says of one stream.
pub struct StreamInfo {
    /// What it is.
    pub params: Params,
    /// `video`, `audio`, `subtitle`, `data`, `attachment`, or empty.
    pub kind: String,
    /// Seconds a tick.
    pub time_base: Ratio,
    /// First timestamp, ticks.
    pub start: Option<i64>,
    /// Duration, ticks.
    pub duration: Option<i64>,
    /// Mean frame rate.
    pub frame_rate: Ratio,
    /// Smallest frame rate that represents all timestamps.
    pub base_rate: Ratio,
    /// Width of a pixel over its height, container before codec.
    pub sample_aspect: Ratio,
    /// Declared rate, bits a second.
    pub bit_rate: Option<u64>,
    /// FFmpeg's `AV_DISPOSITION_*` bits.
    pub disposition: i32,
    /// Language tag.
    pub language: Option<String>,
    /// Title tag.
    pub title: Option<String>,
    /// `rotate` tag or display matrix.
    pub display_matrix: Option<[i32; 9]>,
    /// SMPTE ST 2086 metadata of the container.
    pub mastering: Option<MasteringDisplay>,
    /// CTA-861.3 light levels of the container.
    pub content_light: Option<(u32, u32)>,
    /// The container carries encryption set-up for it.
    pub encrypted: bool,
    /// Pixels, or zero.
    pub size: (u32, u32),
    /// Frames that the container says there are, or zero.
    pub frames: i64,
}

impl Input {
    /// Opens a container by its content. Nothing but `source` can be read: every other open is refused.
    pub fn open(source: Box<dyn ByteSource>, interrupt: Interrupt) -> Result<Self, AvError> {
        let io = InputIo::new(source)?;
        // SAFETY: no preconditions; null is checked.
        let context = unsafe { ff::avformat_alloc_context() };
        if context.is_null() {
            return Err(AvError::no_memory("allocate the input"));
        }
        let mut interrupt = Box::new(interrupt);
        let opaque: *mut Interrupt = &mut *interrupt;
        let mut input = Self { context, io, interrupt };
        // SAFETY: the context is ours; the interrupt is boxed, so its address holds while the context lives.
        unsafe {
            let raw = &mut *context;
            raw.pb = input.io.as_ptr();
            raw.io_open = Some(refuse_to_open);
            raw.interrupt_callback = ff::AVIOInterruptCB { callback: Some(interrupted), opaque: opaque.cast() };
            raw.max_streams = limits::STREAMS_MAX as c_int;
            raw.probesize = limits::PROBE_BYTES_MAX;
            raw.max_analyze_duration = 10_000_000;
            raw.flags |= ff::AVFMT_FLAG_CUSTOM_IO as c_int;
        }
        let mut opening = input.context;
        // SAFETY: on failure FFmpeg frees the context and nulls `opening`; ours is nulled to match below.
        let code = unsafe { ff::avformat_open_input(&mut opening, c"".as_ptr(), ptr::null(), ptr::null_mut()) };
        input.context = opening;
        check("open the source", code)?;
        Ok(input)
    }

    /// Reads ahead until the streams are known.
    pub fn find_stream_info(&mut self) -> Result<(), AvError> {
        // SAFETY: the context is open.
        check("read the source's streams", unsafe { ff::avformat_find_stream_info(self.context, ptr::null_mut()) })?;
        Ok(())
    }

    /// The first failed read of the source itself, if there was one.
    pub fn source_failure(&self) -> Option<String> {
        self.io.failure()
    }

    /// Whoever sets this stops the running call.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupt.stop)
    }

    const fn raw(&self) -> &ff::AVFormatContext {
        // SAFETY: open, so not null.
        unsafe { &*self.context }
    }

    /// FFmpeg's name of the demuxer.
    pub fn format_name(&self) -> String {
        // SAFETY: an open input has a format with a static name.
        unsafe { self.raw().iformat.as_ref().map_or_else(String::new, |format| names::text(format.name)) }
    }

    /// Whether timestamps of this format may jump (`AVFMT_TS_DISCONT`).
    pub fn may_jump(&self) -> bool {
        const TS_DISCONT: c_int = 0x0200;
        // SAFETY: an open input has a format.
        unsafe { self.raw().iformat.as_ref().is_some_and(|format| format.flags & TS_DISCONT != 0) }
    }

    /// Whether a seek in this stream leads to the same timestamps as reading up to there: only containers that give every
    /// packet an exact time, and have an index.
    pub fn seeks_exactly(&self, stream: u32) -> bool {
        let format = self.format_name();
        let exact = format.starts_with("mov,") || format.starts_with("matroska");
        exact && !self.may_jump() && !self.index(stream).is_empty()
    }

    /// Declared duration, microseconds; and whether it is only estimated from the size.
    pub fn duration_us(&self) -> (Option<i64>, bool) {
        let raw = self.raw();
        let estimated = raw.duration_estimation_method == ff::AVDurationEstimationMethod::AVFMT_DURATION_FROM_BITRATE;
        (timestamp(raw.duration).filter(|d| *d > 0), estimated)
    }

    /// First timestamp, microseconds.
    pub const fn start_us(&self) -> Option<i64> {
        timestamp(self.raw().start_time)
    }

    /// Overall rate, bits a second.
    pub fn bit_rate(&self) -> Option<u64> {
        u64::try_from(self.raw().bit_rate).ok().filter(|rate| *rate > 0)
    }

    /// Streams that are known so far.
    pub const fn stream_count(&self) -> u32 {
        self.raw().nb_streams
    }

    fn stream(&self, index: u32) -> Option<&ff::AVStream> {
        // SAFETY: the array has `nb_streams` live entries; the index is checked.
        (index < self.raw().nb_streams).then(|| unsafe { &**self.raw().streams.add(index as usize) })
    }

    /// What the container says of one stream.
    pub fn stream_info(&self, index: u32) -> Result<StreamInfo, AvError> {
        let stream = self.stream(index).ok_or_else(|| AvError::new("find a stream", ff::AVERROR_STREAM_NOT_FOUND))?;
        // SAFETY: a stream's parameters live as long as it does; the media type name is static or null.
        let (params, kind) = unsafe {
            let params = Params::copy_of(stream.codecpar)?;
            let kind = names::text(ff::av_get_media_type_string(params.raw().codec_type));
            (params, kind)
        };
        let size = |value: c_int| u32::try_from(value).unwrap_or(0);
        let aspect = if stream.sample_aspect_ratio.num > 0 {
            stream.sample_aspect_ratio
        } else {
            params.raw().sample_aspect_ratio
        };
        let side = |kind| side_data(stream, kind);
        Ok(StreamInfo {
            kind,
            time_base: to_ratio(stream.time_base),
            start: timestamp(stream.start_time),
            duration: timestamp(stream.duration).filter(|d| *d > 0),
            frame_rate: to_ratio(stream.avg_frame_rate),
            base_rate: to_ratio(stream.r_frame_rate),
            sample_aspect: to_ratio(aspect),
            bit_rate: u64::try_from(params.raw().bit_rate).ok().filter(|rate| *rate > 0),
            disposition: stream.disposition,
            // SAFETY: the stream's metadata is null or live.
            language: unsafe { dict::get(stream.metadata, "language") },
            // SAFETY: as above.
            title: unsafe { dict::get(stream.metadata, "title") },
            display_matrix: side(ff::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX).and_then(params::display_matrix),
            mastering: side(ff::AVPacketSideDataType::AV_PKT_DATA_MASTERING_DISPLAY_METADATA)
                .and_then(params::mastering_display),
            content_light: side(ff::AVPacketSideDataType::AV_PKT_DATA_CONTENT_LIGHT_LEVEL)
                .and_then(params::content_light),
            encrypted: side(ff::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INIT_INFO).is_some(),
            size: (size(params.raw().width), size(params.raw().height)),
            frames: stream.nb_frames.max(0),
            params,
        })
    }

    /// The programme that a stream belongs to; `None` where the container has no programmes or it belongs to several.
    pub fn program(&self, stream: u32) -> Option<u32> {
        let raw = self.raw();
        let mut found = None;
        for index in 0..raw.nb_programs as usize {
            // SAFETY: the array has `nb_programs` live entries, each with `nb_stream_indexes` indices.
            let (id, streams) = unsafe {
                let program = &**raw.programs.add(index);
                let count = program.nb_stream_indexes as usize;
                let streams: &[u32] =
                    if count == 0 { &[] } else { std::slice::from_raw_parts(program.stream_index, count) };
                (program.id, streams)
            };
            if streams.contains(&stream) && found.replace(u32::try_from(id).unwrap_or(0)).is_some() {
                return None;
            }
        }
        found
    }

    /// What the container says of itself by this name, or for a stream what is said of that.
    pub fn tag(&self, stream: Option<u32>, name: &str) -> Option<String> {
        let tags = match stream {
            None => self.raw().metadata,
            Some(index) => self.stream(index)?.metadata,
        };
        // SAFETY: the dictionary of an open context, or of one of its streams, is null or live.
        unsafe { dict::get(tags, name) }
    }

    /// Its chapters in order of time, at most [`limits::CHAPTERS_MAX`]; those that end before they begin are left out.
    pub fn chapters(&self) -> Vec<Chapter> {
        // SAFETY: the context is open, and holds this many chapters.
        let count = unsafe { (*self.context).nb_chapters } as usize;
        let mut chapters: Vec<_> = (0..count.min(limits::CHAPTERS_MAX)).filter_map(|at| self.chapter(at)).collect();
        chapters.sort_by_key(|chapter| chapter.start_us);
        chapters
    }

    fn chapter(&self, at: usize) -> Option<Chapter> {
        // SAFETY: `at` is below the number of chapters of the open context, each of which is live as long as that is.
        let chapter = unsafe { (*(*self.context).chapters.add(at)).as_ref() }?;
        let in_us = |ticks: i64| rescale(ticks, to_ratio(chapter.time_base), Ratio::new(1, 1_000_000));
        let (start_us, end_us) = (in_us(chapter.start), in_us(chapter.end));
        // SAFETY: the chapter's dictionary is null or live.
        let title = unsafe { dict::get(chapter.metadata, "title") }.unwrap_or_default();
        let title: String = title.chars().filter(|c| !c.is_control()).take(limits::TITLE_CHARS_MAX).collect();
        (to_ratio(chapter.time_base).is_known() && start_us < end_us).then_some(Chapter { start_us, end_us, title })
    }

    /// Packets of other streams are not read from now on.
    pub fn select(&mut self, wanted: &[u32]) {
        for index in 0..self.raw().nb_streams {
            let discard =
                if wanted.contains(&index) { ff::AVDiscard::AVDISCARD_DEFAULT } else { ff::AVDiscard::AVDISCARD_ALL };
            // SAFETY: the index is below `nb_streams`; nothing else borrows the stream.
            unsafe { (**self.raw().streams.add(index as usize)).discard = discard };
        }
    }

    /// Reads the next packet; `false` at the end.
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        packet.clear();
        // SAFETY: the context is open and the packet empty.
        let code = unsafe { ff::av_read_frame(self.context, packet.as_ptr()) };
        if code == ff::AVERROR_EOF {
            return Ok(false);
        }
        check("read the source", code).map(|_| true)
    }

    /// Goes to the last place at or before `ticks` of a stream from where decoding can start.
    pub fn seek_before(&mut self, stream: u32, ticks: i64) -> Result<(), AvError> {
        let stream = c_int::try_from(stream).unwrap_or(-1);
        // SAFETY: the context is open.
        check("seek in the source", unsafe {
            ff::av_seek_frame(self.context, stream, ticks, ff::AVSEEK_FLAG_BACKWARD as c_int)
        })?;
        Ok(())
    }

    /// The container's own index of a stream: (byte position, size, timestamp, whether decoding can start).
    pub fn index(&self, stream: u32) -> Vec<IndexEntry> {
        let Some(stream) = self.stream(stream) else { return Vec::new() };
        let stream = ptr::from_ref(stream).cast_mut();
        // SAFETY: the stream is live; entries are read before any other call could move them.
        unsafe {
            let count = ff::avformat_index_get_entries_count(stream);
            (0..count).filter_map(|at| ff::avformat_index_get_entry(stream, at).as_ref()).map(IndexEntry::of).collect()
        }
    }
}

/// One line of a container's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexEntry {
    /// Byte position in the source.
    pub position: i64,
    /// Bytes.
    pub size: i64,
    /// Ticks, by decoding time in most containers.
    pub time: i64,
    /// Whether decoding can start there.
    pub key: bool,
    /// Whether an edit list hides it: decoded, but not shown.
    pub hidden: bool,
}

impl IndexEntry {
    fn of(entry: &ff::AVIndexEntry) -> Self {
        const KEY: c_int = 1;
        const DISCARD_FRAME: c_int = 2;
        let has = |flag| entry.flags() & flag != 0;
        Self {
            position: entry.pos,
            size: i64::from(entry.size()),
            time: entry.timestamp,
            key: has(KEY),
            hidden: has(DISCARD_FRAME),
        }
    }
}

fn side_data(stream: &ff::AVStream, kind: ff::AVPacketSideDataType) -> Option<&[u8]> {
    let mut size = 0;
    // SAFETY: the stream is live; side data lives as long as it.
    unsafe {
        let data = ff::av_stream_get_side_data(stream, kind, &mut size);
        (!data.is_null()).then(|| std::slice::from_raw_parts(data, size))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: null (a failed open) or ours; closing leaves the custom IO alone, which drops after this.
        unsafe { ff::avformat_close_input(&mut self.context) };
    }
}

unsafe extern "C" fn refuse_to_open(
    _context: *mut ff::AVFormatContext,
    _io: *mut *mut ff::AVIOContext,
    _url: *const c_char,
    _flags: c_int,
    _options: *mut *mut ff::AVDictionary,
) -> c_int {
    ff::AVERROR(libc::EPERM)
}

unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` is the boxed Interrupt of the input that is running the call.
    let interrupt = unsafe { &*opaque.cast::<Interrupt>() };
    let over = interrupt.deadline.is_some_and(|deadline| Instant::now() >= deadline);
    c_int::from(over || interrupt.stop.load(Ordering::Relaxed))
}
