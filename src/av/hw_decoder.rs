//! Which decoder of a codec works on a device, and that it stays there.

use super::error::AvError;
use super::hw::HwDevice;
use super::params::Params;
use ffmpeg_sys_next as ff;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The decoder to open on a device, and the pixel format by which its frames lie there.
pub(super) struct Choice {
    codec: *const ff::AVCodec,
    wanted: ff::AVPixelFormat,
    refused: AtomicBool,
}

impl Choice {
    /// The first decoder of the stream's codec that takes such a device. It need not be the one that FFmpeg prefers: for
    /// AV1 that is one in software alone.
    pub(super) fn find(params: &Params, device: &HwDevice) -> Result<Self, AvError> {
        let mut position = ptr::null_mut();
        // SAFETY: the iteration gives static descriptions until it gives null; its position is only passed on.
        while let Some(codec) = unsafe { ff::av_codec_iterate(&mut position).as_ref() } {
            // SAFETY: the codec is static.
            let decodes = codec.id == params.raw().codec_id && unsafe { ff::av_codec_is_decoder(codec) } != 0;
            if let Some(wanted) = decodes.then(|| format_on(codec, device.kind())).flatten() {
                return Ok(Self { codec, wanted, refused: AtomicBool::new(false) });
            }
        }
        Err(AvError::new("find a decoder for the device", ff::AVERROR(libc::ENOSYS)))
    }

    pub(super) const fn codec(&self) -> *const ff::AVCodec {
        self.codec
    }

    /// Whether the device's format was not among those offered.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// FFmpeg's question which of the offered formats to decode to: the device's or none. After a failure to set the
    /// device up FFmpeg asks again without that format; to take another one then is to go on in software.
    ///
    /// # Safety
    /// Called by FFmpeg with a context whose `opaque` is a `Choice`, and a list that ends with "none".
    pub(super) unsafe extern "C" fn made(
        context: *mut ff::AVCodecContext,
        offered: *const ff::AVPixelFormat,
    ) -> ff::AVPixelFormat {
        // SAFETY: see above; whoever opened the context keeps the choice for as long as it.
        let choice = unsafe { &*(*context).opaque.cast::<Self>() };
        let mut at = offered;
        // SAFETY: the list is read up to its end and not beyond. Nothing here can unwind. Formats are compared as
        // numbers, since a newer library may have ones that the enum does not know.
        unsafe {
            while *at.cast::<i32>() != ff::AVPixelFormat::AV_PIX_FMT_NONE as i32 {
                if *at.cast::<i32>() == choice.wanted as i32 {
                    return choice.wanted;
                }
                at = at.add(1);
            }
        }
        choice.refused.store(true, Ordering::Relaxed);
        ff::AVPixelFormat::AV_PIX_FMT_NONE
    }
}

/// The pixel format of a codec's frames on devices of a type; `None` when it cannot use one.
fn format_on(codec: &ff::AVCodec, kind: ff::AVHWDeviceType) -> Option<ff::AVPixelFormat> {
    let mut index = 0;
    loop {
        // SAFETY: the codec is static; configurations are static and end with null.
        let config = unsafe { ff::avcodec_get_hw_config(codec, index).as_ref()? };
        let method = ff::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as i32;
        if config.device_type == kind && config.methods & method != 0 {
            return Some(config.pix_fmt);
        }
        index += 1;
    }
}
