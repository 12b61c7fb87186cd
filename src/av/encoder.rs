//! Encoding one rendition.

use super::dict::Dict;
use super::error::{AvError, Polled, check, polled};
use super::frame::{Frame, SampleFormat};
use super::hw::{HwDevice, HwFrames, pixel_format};
use super::log::ContextLabel;
use super::names::{self, c_string};
use super::packet::Packet;
use super::params::Params;
use super::to_rational;
use crate::model::Ratio;
use crate::model::facts::ColorTags;
use crate::model::time::scale_round;
use ffmpeg_sys_next as ff;
use std::ffi::{CStr, CString};
use std::ptr;

/// What a video encoder is asked for.
pub struct VideoEncoderSpec<'a> {
    /// FFmpeg's encoder name.
    pub encoder: &'a str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// FFmpeg's pixel format name.
    pub pixel_format: &'a str,
    /// Ticks a second of frames and packets.
    pub timescale: u32,
    /// For rate control.
    pub frame_rate: Ratio,
    /// Tags written into the stream.
    pub color: &'a ColorTags,
    /// Everything else, by name.
    pub options: &'a [(String, String)],
}

/// Which of two passes over the same pictures an encoder is opened for.
#[derive(Clone, Copy)]
pub enum EncoderPass<'a> {
    /// The first.
    First,
    /// The second, with what [`Encoder::statistics`] told after the first; `None` where it told nothing, of encoders that
    /// keep that in files of their own.
    Second(Option<&'a CStr>),
}

/// What an audio encoder is asked for.
pub struct AudioEncoderSpec<'a> {
    /// FFmpeg's encoder name.
    pub encoder: &'a str,
    /// Rate, sample format and layout of the frames that it will get.
    pub input: &'a SampleFormat,
    /// Everything else, by name.
    pub options: &'a [(String, String)],
}

/// An open encoder. Used on the thread that opened it.
pub struct Encoder {
    context: *mut ff::AVCodecContext,
    _label: ContextLabel,
}

impl Encoder {
    /// Opens a video encoder; parameter sets go to [`Encoder::params`], not into the packets.
    pub fn video(spec: &VideoEncoderSpec<'_>) -> Result<Self, AvError> {
        let (encoder, codec) = Self::allocate(spec.encoder)?;
        encoder.describe(spec, names::pixel_format(spec.pixel_format).unwrap_or(-1))?;
        encoder.open(codec, spec.options)
    }

    /// As [`Encoder::video`], for one of two passes.
    pub fn video_in_pass(spec: &VideoEncoderSpec<'_>, pass: EncoderPass<'_>) -> Result<Self, AvError> {
        let (encoder, codec) = Self::allocate(spec.encoder)?;
        encoder.describe(spec, names::pixel_format(spec.pixel_format).unwrap_or(-1))?;
        let raw = encoder.context;
        // SAFETY: the context is ours and not yet open; the text outlives opening, and encoders read it only then.
        unsafe {
            match pass {
                EncoderPass::First => (*raw).flags |= ff::AV_CODEC_FLAG_PASS1 as i32,
                EncoderPass::Second(found) => {
                    (*raw).flags |= ff::AV_CODEC_FLAG_PASS2 as i32;
                    (*raw).stats_in = found.map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut());
                }
            }
            if spec.encoder.starts_with("libvpx") {
                // It takes a picture to last for so long, and reckons the bits of a second pass by that.
                let ticks = scale_round(i64::from(spec.timescale), spec.frame_rate.den, spec.frame_rate.num.max(1));
                (*raw).ticks_per_frame = i32::try_from(ticks).unwrap_or(1).max(1);
            }
        }
        let opened = encoder.open(codec, spec.options);
        if let Ok(encoder) = &opened {
            // SAFETY: the context is still ours; nothing of it may point to the text any more.
            unsafe { (*encoder.context).stats_in = ptr::null_mut() };
        }
        opened
    }

    /// What a first pass has found out, once no more packets come, of an encoder that tells it.
    pub fn statistics(&self) -> Option<CString> {
        // SAFETY: the context is open; the text is null or ends with a zero, and is the encoder's until it is closed.
        unsafe {
            let text = (*self.context).stats_out;
            (!text.is_null()).then(|| CStr::from_ptr(text).to_owned())
        }
    }

    /// Opens a video encoder that works on `device`, for frames like `first`: in the device's memory, or in the host's
    /// where the encoder uploads them itself. Always with a device: without one NVENC tries each card in turn and hides
    /// what went wrong.
    pub fn video_on(device: &HwDevice, spec: &VideoEncoderSpec<'_>, first: &Frame) -> Result<Self, AvError> {
        let (encoder, codec) = Self::allocate(spec.encoder)?;
        let pool = HwFrames::of(first)?;
        encoder.describe(spec, first.picture_format().format)?;
        // SAFETY: the context is ours and not yet open; it frees the references that it is given.
        unsafe {
            let raw = &mut *encoder.context;
            match pool {
                Some(pool) => {
                    raw.hw_frames_ctx = pool.share()?;
                    raw.sw_pix_fmt = pixel_format(first.software_format().unwrap_or(-1))?;
                }
                None => raw.hw_device_ctx = device.share()?,
            }
        }
        encoder.open(codec, spec.options)
    }

    /// Fills in what a video encoder is opened with; `format` is the number of its frames' pixel format.
    fn describe(&self, spec: &VideoEncoderSpec<'_>, format: i32) -> Result<(), AvError> {
        // SAFETY: the context is ours and not yet open; its fields are what avcodec_open2 reads.
        unsafe {
            let raw = &mut *self.context;
            raw.width = i32::try_from(spec.width).unwrap_or(0);
            raw.height = i32::try_from(spec.height).unwrap_or(0);
            raw.pix_fmt = pixel_format(format)?;
            raw.time_base = ff::AVRational { num: 1, den: i32::try_from(spec.timescale).unwrap_or(i32::MAX) };
            raw.framerate = to_rational(spec.frame_rate);
            raw.sample_aspect_ratio = ff::AVRational { num: 1, den: 1 };
            raw.flags |= ff::AV_CODEC_FLAG_CLOSED_GOP as i32;
            set_color(raw, spec.color);
        }
        Ok(())
    }

    /// Opens an audio encoder with times in samples.
    pub fn audio(spec: &AudioEncoderSpec<'_>) -> Result<Self, AvError> {
        let (encoder, codec) = Self::allocate(spec.encoder)?;
        let layout = c_string(&spec.input.layout);
        // SAFETY: the context is ours and not yet open; the sample format is checked against the enum's range.
        unsafe {
            let raw = &mut *encoder.context;
            raw.sample_rate = i32::try_from(spec.input.rate).unwrap_or(0);
            raw.time_base = ff::AVRational { num: 1, den: raw.sample_rate.max(1) };
            if spec.input.format >= 0 && spec.input.format < ff::AVSampleFormat::AV_SAMPLE_FMT_NB as i32 {
                raw.sample_fmt = std::mem::transmute::<i32, ff::AVSampleFormat>(spec.input.format);
            }
            let code = ff::av_channel_layout_from_string(&mut raw.ch_layout, layout.as_ptr());
            check("set the channel layout", code)?;
        }
        encoder.open(codec, spec.options)
    }

    fn allocate(name: &str) -> Result<(Self, *const ff::AVCodec), AvError> {
        let name = c_string(name);
        // SAFETY: the name lives through the call; null results are checked.
        let (codec, context) = unsafe {
            let codec = ff::avcodec_find_encoder_by_name(name.as_ptr());
            if codec.is_null() {
                return Err(AvError::new("find the encoder", ff::AVERROR_ENCODER_NOT_FOUND));
            }
            (codec, ff::avcodec_alloc_context3(codec))
        };
        if context.is_null() {
            return Err(AvError::no_memory("allocate the encoder"));
        }
        Ok((Self { context, _label: ContextLabel::of_this_thread(context.cast()) }, codec))
    }

    fn open(self, codec: *const ff::AVCodec, options: &[(String, String)]) -> Result<Self, AvError> {
        let mut dict = Dict::new(options.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        // SAFETY: the context is ours and not yet open.
        unsafe {
            (*self.context).flags |= ff::AV_CODEC_FLAG_GLOBAL_HEADER as i32;
            check("open the encoder", ff::avcodec_open2(self.context, codec, dict.as_mut()))?;
        }
        // An option that the encoder does not know would silently not be obeyed.
        match dict.first_key() {
            Some(_) => Err(AvError::new("open the encoder: unknown option", ff::AVERROR_OPTION_NOT_FOUND)),
            None => Ok(self),
        }
    }

    /// Gives the encoder a frame, or with `None` tells it that no more comes. `NeedInput` means: receive first.
    pub fn send(&mut self, frame: Option<&Frame>) -> Result<Polled, AvError> {
        let frame = frame.map_or(ptr::null_mut(), Frame::as_ptr);
        // SAFETY: the context is open; the frame is live or null.
        polled("encode", unsafe { ff::avcodec_send_frame(self.context, frame) })
    }

    /// Takes the next packet out, with times in ticks of the encoder.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<Polled, AvError> {
        packet.clear();
        // SAFETY: the context is open and the packet empty.
        polled("encode", unsafe { ff::avcodec_receive_packet(self.context, packet.as_ptr()) })
    }

    /// What the encoder makes, parameter sets included.
    pub fn params(&self) -> Result<Params, AvError> {
        let params = Params::new()?;
        // SAFETY: both are live.
        let code = unsafe { ff::avcodec_parameters_from_context(params.as_ptr(), self.context) };
        check("read the encoder's parameters", code)?;
        Ok(params)
    }

    /// Samples that each frame must have, or 0 for any number.
    pub fn frame_samples(&self) -> u32 {
        // SAFETY: the context is open.
        u32::try_from(unsafe { (*self.context).frame_size }).unwrap_or(0)
    }

    /// Samples that come out later than they go in, of an encoder that keeps them at the end for want of more: AC-3 here
    /// overlaps frames by a block (ETSI TS 102 366 §7.9) and cannot be drained. 0 for all that can.
    pub fn owed_samples(&self) -> i64 {
        // SAFETY: the context is open, so it has a codec.
        unsafe {
            let drains = (*(*self.context).codec).capabilities & ff::AV_CODEC_CAP_DELAY as i32 != 0;
            if drains { 0 } else { i64::from((*self.context).initial_padding.max(0)) }
        }
    }

    /// Frames by which decoding order can run ahead of presentation order.
    pub fn reorder_frames(&self) -> u32 {
        // SAFETY: the context is open.
        u32::try_from(unsafe { (*self.context).has_b_frames }).unwrap_or(0)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { ff::avcodec_free_context(&mut self.context) };
    }
}

/// Writes colour tags by name; names that FFmpeg does not know stay unspecified.
///
/// # Safety
/// Takes a live context that is not open yet.
unsafe fn set_color(raw: &mut ff::AVCodecContext, color: &ColorTags) {
    fn number(name: Option<&String>, from_name: unsafe extern "C" fn(*const std::ffi::c_char) -> i32) -> Option<i32> {
        let name = c_string(name?);
        // SAFETY: the text lives through the call.
        let value = unsafe { from_name(name.as_ptr()) };
        (value >= 0).then_some(value)
    }
    // SAFETY: the numbers come from FFmpeg's own name tables of the same enum.
    unsafe {
        if let Some(value) = number(color.range.as_ref(), ff::av_color_range_from_name) {
            raw.color_range = std::mem::transmute::<i32, ff::AVColorRange>(value);
        }
        if let Some(value) = number(color.primaries.as_ref(), ff::av_color_primaries_from_name) {
            raw.color_primaries = std::mem::transmute::<i32, ff::AVColorPrimaries>(value);
        }
        if let Some(value) = number(color.transfer.as_ref(), ff::av_color_transfer_from_name) {
            raw.color_trc = std::mem::transmute::<i32, ff::AVColorTransferCharacteristic>(value);
        }
        if let Some(value) = number(color.matrix.as_ref(), ff::av_color_space_from_name) {
            raw.colorspace = std::mem::transmute::<i32, ff::AVColorSpace>(value);
        }
    }
}
