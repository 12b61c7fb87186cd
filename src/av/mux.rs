//! Writing containers to memory.

use super::dict::Dict;
use super::error::{AvError, check};
use super::names::c_string;
use super::packet::Packet;
use super::params::Params;
use super::to_rational;
use crate::model::Ratio;
use ffmpeg_sys_next as ff;
use std::ptr;

/// A muxer with one stream that writes to memory.
pub struct Muxer {
    context: *mut ff::AVFormatContext,
}

impl Muxer {
    /// A muxer by FFmpeg's format name, its header written.
    pub fn new(format: &str, params: &Params, time_base: Ratio, options: &[(&str, &str)]) -> Result<Self, AvError> {
        let format = c_string(format);
        let mut context = ptr::null_mut();
        // SAFETY: the name lives through the call; the result is checked.
        let code =
            unsafe { ff::avformat_alloc_output_context2(&mut context, ptr::null(), format.as_ptr(), ptr::null()) };
        check("allocate the muxer", code)?;
        let muxer = Self { context };
        let mut dict = Dict::new(options.iter().copied())?;
        // SAFETY: the context is ours; the stream belongs to it; parameters are copied.
        unsafe {
            let raw = &mut *context;
            check("allocate the muxer's output", ff::avio_open_dyn_buf(&mut raw.pb))?;
            raw.flags |= ff::AVFMT_FLAG_BITEXACT;
            raw.avoid_negative_ts = 0;
            let stream = ff::avformat_new_stream(context, ptr::null());
            let Some(stream) = stream.as_mut() else { return Err(AvError::no_memory("allocate a stream")) };
            check("describe a stream", ff::avcodec_parameters_copy(stream.codecpar, params.as_ptr()))?;
            stream.time_base = to_rational(time_base);
            check("write a header", ff::avformat_write_header(context, dict.as_mut()))?;
        }
        Ok(muxer)
    }

    /// Writes a packet whose times are in `time_base`.
    pub fn write(&mut self, packet: &Packet, time_base: Ratio) -> Result<(), AvError> {
        let mut packet = packet.reference()?;
        packet.set_stream(0);
        packet.set_time_base(time_base);
        // SAFETY: the context has its header; the packet is live and ours to rescale.
        unsafe {
            let stream = &**(*self.context).streams;
            ff::av_packet_rescale_ts(packet.as_ptr(), to_rational(time_base), stream.time_base);
            check("write a packet", ff::av_write_frame(self.context, packet.as_ptr()))?;
        }
        Ok(())
    }

    /// Writes out what the muxer holds back.
    pub fn flush(&mut self) -> Result<(), AvError> {
        // SAFETY: the context has its header; a null packet asks for a flush.
        check("flush the muxer", unsafe { ff::av_write_frame(self.context, ptr::null_mut()) })?;
        Ok(())
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        const SEEK_CUR: i32 = 1;
        // SAFETY: the output is open; a relative seek by nothing tells the position.
        u64::try_from(unsafe { ff::avio_seek((*self.context).pb, 0, SEEK_CUR) }).unwrap_or(0)
    }

    /// Writes the trailer and hands out all bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, AvError> {
        // SAFETY: the context has its header, written once.
        check("write a trailer", unsafe { ff::av_write_trailer(self.context) })?;
        Ok(self.take())
    }

    /// Hands out all bytes as they are, without a trailer.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.take()
    }

    fn take(&mut self) -> Vec<u8> {
        // SAFETY: the output is a dynamic buffer or null; closing hands over its memory, which is copied and freed.
        unsafe {
            let raw = &mut *self.context;
            if raw.pb.is_null() {
                return Vec::new();
            }
            let mut data = ptr::null_mut();
            let size = ff::avio_close_dyn_buf(raw.pb, &mut data);
            raw.pb = ptr::null_mut();
            let bytes = match usize::try_from(size) {
                Ok(size) if !data.is_null() => std::slice::from_raw_parts(data, size).to_vec(),
                _ => Vec::new(),
            };
            ff::av_free(data.cast());
            bytes
        }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        self.take();
        // SAFETY: ours, freed once; its output is gone already.
        unsafe { ff::avformat_free_context(self.context) };
    }
}
