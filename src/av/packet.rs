//! Coded data.

use super::error::{AvError, check};
use super::{NO_PTS, timestamp};
use crate::model::Ratio;
use ffmpeg_sys_next as ff;

/// An owned, reference-counted packet.
pub struct Packet {
    pointer: *mut ff::AVPacket,
}

// SAFETY: a packet is owned by one value, and its buffer's reference count is atomic.
unsafe impl Send for Packet {}

impl Packet {
    /// An empty packet.
    pub fn new() -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let pointer = unsafe { ff::av_packet_alloc() };
        if pointer.is_null() { Err(AvError::no_memory("allocate a packet")) } else { Ok(Self { pointer }) }
    }

    /// A packet that holds a copy of `data`.
    pub fn from_bytes(data: &[u8]) -> Result<Self, AvError> {
        let packet = Self::new()?;
        let size = i32::try_from(data.len()).map_err(|_| AvError::no_memory("allocate a packet"))?;
        // SAFETY: the packet is ours; on success it has `size` writable bytes at `data`.
        unsafe {
            check("allocate a packet", ff::av_new_packet(packet.pointer, size))?;
            std::ptr::copy_nonoverlapping(data.as_ptr(), (*packet.pointer).data, data.len());
        }
        Ok(packet)
    }

    /// A packet with the same times, flags and side data that holds a copy of `data` instead.
    pub fn with_bytes(&self, data: &[u8]) -> Result<Self, AvError> {
        let packet = Self::from_bytes(data)?;
        // SAFETY: both packets are live; the other's bytes stay as they are.
        check("copy what a packet says of itself", unsafe { ff::av_packet_copy_props(packet.pointer, self.pointer) })?;
        Ok(packet)
    }

    /// Another reference to the same data.
    pub fn reference(&self) -> Result<Self, AvError> {
        let copy = Self::new()?;
        // SAFETY: both packets are live; the copy is empty.
        check("reference a packet", unsafe { ff::av_packet_ref(copy.pointer, self.pointer) })?;
        Ok(copy)
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVPacket {
        self.pointer
    }

    const fn raw(&self) -> &ff::AVPacket {
        // SAFETY: the pointer is never null and ours.
        unsafe { &*self.pointer }
    }

    const fn raw_mut(&mut self) -> &mut ff::AVPacket {
        // SAFETY: the pointer is never null and ours.
        unsafe { &mut *self.pointer }
    }

    /// The coded bytes.
    pub const fn data(&self) -> &[u8] {
        let raw = self.raw();
        if raw.data.is_null() || raw.size <= 0 {
            return &[];
        }
        // SAFETY: FFmpeg keeps `size` readable bytes at `data` while the packet lives.
        unsafe { std::slice::from_raw_parts(raw.data, raw.size as usize) }
    }

    /// Presentation time, ticks.
    pub const fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// Decoding time, ticks.
    pub const fn dts(&self) -> Option<i64> {
        timestamp(self.raw().dts)
    }

    /// Duration, ticks; zero when not known.
    pub const fn duration(&self) -> i64 {
        self.raw().duration
    }

    /// Byte position in the source, where known.
    pub const fn position(&self) -> Option<i64> {
        let position = self.raw().pos;
        if position < 0 { None } else { Some(position) }
    }

    /// Sets all times, ticks.
    pub const fn set_times(&mut self, pts: Option<i64>, dts: Option<i64>, duration: i64) {
        let raw = self.raw_mut();
        raw.pts = match pts {
            Some(pts) => pts,
            None => NO_PTS,
        };
        raw.dts = match dts {
            Some(dts) => dts,
            None => NO_PTS,
        };
        raw.duration = duration;
    }

    /// The stream that the packet belongs to.
    pub fn stream(&self) -> u32 {
        u32::try_from(self.raw().stream_index).unwrap_or(0)
    }

    pub(super) const fn set_stream(&mut self, stream: i32) {
        self.raw_mut().stream_index = stream;
    }

    /// Whether decoding can start here.
    pub const fn is_key(&self) -> bool {
        self.raw().flags & ff::AV_PKT_FLAG_KEY != 0
    }

    /// Marks the packet as one where decoding can start.
    pub const fn set_key(&mut self) {
        self.raw_mut().flags |= ff::AV_PKT_FLAG_KEY;
    }

    /// Whether the demuxer says that the packet is to be decoded but not shown, as an edit list can ask.
    pub const fn is_discarded(&self) -> bool {
        self.raw().flags & ff::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether the packet carries what is needed to decrypt it, and so is encrypted.
    pub fn is_encrypted(&self) -> bool {
        let kind = ff::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO;
        // SAFETY: the packet is live; only whether there is such data is looked at.
        unsafe { !ff::av_packet_get_side_data(self.pointer, kind, std::ptr::null_mut()).is_null() }
    }

    /// The settings of a WebVTT cue that came beside it, if there are any that can stand on its line.
    pub fn webvtt_settings(&self) -> Option<String> {
        /// Longer ones say nothing that players know.
        const BYTES_MAX: usize = 200;
        let kind = ff::AVPacketSideDataType::AV_PKT_DATA_WEBVTT_SETTINGS;
        let mut size = 0;
        // SAFETY: the packet is live; FFmpeg gives null or `size` readable bytes that live with it.
        let bytes = unsafe {
            let data = ff::av_packet_get_side_data(self.pointer, kind, &mut size);
            if data.is_null() {
                return None;
            }
            std::slice::from_raw_parts(data, size)
        };
        let text = std::str::from_utf8(bytes).ok()?.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        let fits =
            !text.is_empty() && text.len() <= BYTES_MAX && !text.contains("-->") && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    }

    /// Shifts all known times.
    pub fn shift(&mut self, ticks: i64) {
        let moved = |time: Option<i64>| time.map(|time| time.saturating_add(ticks));
        self.set_times(moved(self.pts()), moved(self.dts()), self.duration());
    }

    /// The time that orders the packet among its fellows: decoding time, else presentation time.
    pub fn order_time(&self) -> Option<i64> {
        self.dts().or(self.pts())
    }

    pub(super) fn set_time_base(&mut self, time_base: Ratio) {
        self.raw_mut().time_base = super::to_rational(time_base);
    }

    pub(super) fn clear(&mut self) {
        // SAFETY: the packet is ours; unref leaves it empty and usable.
        unsafe { ff::av_packet_unref(self.pointer) };
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::av_packet_free(&mut self.pointer) };
    }
}
