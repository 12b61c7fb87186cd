//! Decoding one stream.

use super::error::{AvError, Polled, check, polled};
use super::frame::Frame;
use super::hw::HwDevice;
use super::hw_decoder::Choice;
use super::log::ContextLabel;
use super::packet::Packet;
use super::params::Params;
use super::{dict::Dict, to_rational};
use crate::model::Ratio;
use ffmpeg_sys_next as ff;
use std::ptr;

/// An open decoder. Used on the thread that opened it.
pub struct Decoder {
    context: *mut ff::AVCodecContext,
    /// On a device; the context points to it, so it is freed after that.
    choice: Option<Box<Choice>>,
    _label: ContextLabel,
}

impl Decoder {
    /// Opens the decoder that FFmpeg prefers for these parameters, with this many threads.
    pub fn open(params: &Params, time_base: Ratio, threads: u32) -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let codec = unsafe { ff::avcodec_find_decoder(params.raw().codec_id) };
        if codec.is_null() {
            return Err(AvError::new("find a decoder", ff::AVERROR_DECODER_NOT_FOUND));
        }
        Self::allocate(codec)?.start(codec, params, time_base, threads, &[])
    }

    /// As [`Decoder::open`], on this thread alone; it fails at damage in the stream, where it would otherwise conceal it.
    pub fn strict(params: &Params, time_base: Ratio) -> Result<Self, AvError> {
        // SAFETY: no preconditions; null is checked.
        let codec = unsafe { ff::avcodec_find_decoder(params.raw().codec_id) };
        if codec.is_null() {
            return Err(AvError::new("find a decoder", ff::AVERROR_DECODER_NOT_FOUND));
        }
        Self::allocate(codec)?.start(
            codec,
            params,
            time_base,
            1,
            &[("err_detect", "crccheck+bitstream+buffer+explode")],
        )
    }

    /// Opens a decoder that works on `device` and whose frames lie there, in a pool with `extra_frames` beyond what the
    /// stream needs. It never goes on in software: see [`Decoder::left_device`].
    ///
    /// # Errors
    /// `ENOSYS` when no decoder of the codec can use such a device.
    pub fn open_on(device: &HwDevice, params: &Params, time_base: Ratio, extra_frames: u32) -> Result<Self, AvError> {
        let choice = Choice::find(params, device)?;
        let codec = choice.codec();
        let mut decoder = Self::allocate(codec)?;
        let choice = decoder.choice.insert(Box::new(choice));
        // SAFETY: the context is ours and not yet open. The choice lives in its box until the context was freed.
        unsafe {
            let raw = &mut *decoder.context;
            raw.hw_device_ctx = device.share()?;
            raw.extra_hw_frames = i32::try_from(extra_frames).unwrap_or(0);
            raw.opaque = ptr::from_mut::<Choice>(choice).cast();
            raw.get_format = Some(Choice::made);
        }
        // The device is what works: more threads would only hold more of its surfaces.
        decoder.start(codec, params, time_base, 1, &[])
    }

    fn allocate(codec: *const ff::AVCodec) -> Result<Self, AvError> {
        // SAFETY: the codec is static; null is checked.
        let context = unsafe { ff::avcodec_alloc_context3(codec) };
        if context.is_null() {
            return Err(AvError::no_memory("allocate the decoder"));
        }
        Ok(Self { context, choice: None, _label: ContextLabel::of_this_thread(context.cast()) })
    }

    fn start(
        self,
        codec: *const ff::AVCodec,
        params: &Params,
        time_base: Ratio,
        threads: u32,
        more: &[(&str, &str)],
    ) -> Result<Self, AvError> {
        let threads = threads.to_string();
        let mut options = Dict::new([("threads", threads.as_str())].into_iter().chain(more.iter().copied()))?;
        // SAFETY: the context is ours and not yet open; codec and parameters are live.
        unsafe {
            check("set up the decoder", ff::avcodec_parameters_to_context(self.context, params.as_ptr()))?;
            (*self.context).pkt_timebase = to_rational(time_base);
            check("open the decoder", ff::avcodec_open2(self.context, codec, options.as_mut()))?;
        }
        Ok(self)
    }

    /// Whether the stream, or the driver, would have had it decode in software, which it refused.
    pub fn left_device(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| choice.was_refused())
    }

    /// Gives the decoder a packet, or with `None` tells it that no more comes. `NeedInput` means: receive first.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<Polled, AvError> {
        let packet = packet.map_or(ptr::null_mut(), Packet::as_ptr);
        // SAFETY: the context is open; the packet is live or null.
        polled("decode", unsafe { ff::avcodec_send_packet(self.context, packet) })
    }

    /// Takes the next frame out.
    pub fn receive(&mut self, frame: &mut Frame) -> Result<Polled, AvError> {
        frame.clear();
        // SAFETY: the context is open and the frame empty.
        polled("decode", unsafe { ff::avcodec_receive_frame(self.context, frame.as_ptr()) })
    }
}

/// Frames by which decoding order can run ahead of presentation order, as the parameter sets of a stream declare it.
///
/// Not every encoder tells: libx265 leaves its own field at zero while it reorders by two.
pub fn declared_reorder(params: &Params) -> Result<u32, AvError> {
    let decoder = Decoder::open(params, Ratio::new(1, 1), 1)?;
    // SAFETY: the context is open; opening has parsed the parameter sets.
    Ok(u32::try_from(unsafe { (*decoder.context).has_b_frames }).unwrap_or(0))
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::avcodec_free_context(&mut self.context) };
    }
}
