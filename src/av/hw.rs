//! Devices and the pools of frames in their memory.

use super::error::{AvError, check};
use super::names::c_string;
use ffmpeg_sys_next as ff;
use std::ptr;

/// An open device.
pub struct HwDevice {
    reference: *mut ff::AVBufferRef,
}

// SAFETY: reference-counted with atomics; FFmpeg's device contexts may be used from any thread.
unsafe impl Send for HwDevice {}

impl HwDevice {
    /// Opens a device by FFmpeg's type name (`cuda`, `vaapi`, `vulkan`) and its own device name.
    pub fn open(kind: &str, device: Option<&str>) -> Result<Self, AvError> {
        let kind = c_string(kind);
        let device = device.map(c_string);
        let mut reference = ptr::null_mut();
        // SAFETY: the strings live through the call.
        let code = unsafe {
            let kind = ff::av_hwdevice_find_type_by_name(kind.as_ptr());
            let device = device.as_ref().map_or(ptr::null(), |device| device.as_ptr());
            ff::av_hwdevice_ctx_create(&mut reference, kind, device, ptr::null_mut(), 0)
        };
        check("open the device", code)?;
        Ok(Self { reference })
    }
}

impl Drop for HwDevice {
    fn drop(&mut self) {
        // SAFETY: our reference, given back once.
        unsafe { ff::av_buffer_unref(&mut self.reference) };
    }
}

/// A pool of frames on a device.
pub struct HwFrames {
    reference: *mut ff::AVBufferRef,
}

// SAFETY: as for the device.
unsafe impl Send for HwFrames {}

impl HwFrames {
    /// A pool of `count` frames (0: grows as needed) of one size; `format` and `software` are pixel format numbers.
    pub fn new(device: &HwDevice, format: i32, software: i32, size: (u32, u32), count: u32) -> Result<Self, AvError> {
        // SAFETY: the device is live; the new context is ours until init, and its fields are what init reads.
        unsafe {
            let reference = ff::av_hwframe_ctx_alloc(device.reference);
            if reference.is_null() {
                return Err(AvError::no_memory("allocate device frames"));
            }
            let frames = Self { reference };
            let context = &mut *(*reference).data.cast::<ff::AVHWFramesContext>();
            context.format = pixel_format(format)?;
            context.sw_format = pixel_format(software)?;
            context.width = i32::try_from(size.0).unwrap_or(0);
            context.height = i32::try_from(size.1).unwrap_or(0);
            context.initial_pool_size = i32::try_from(count).unwrap_or(0);
            check("allocate device frames", ff::av_hwframe_ctx_init(reference))?;
            Ok(frames)
        }
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVBufferRef {
        self.reference
    }
}

impl Drop for HwFrames {
    fn drop(&mut self) {
        // SAFETY: our reference, given back once.
        unsafe { ff::av_buffer_unref(&mut self.reference) };
    }
}

pub(super) fn pixel_format(number: i32) -> Result<ff::AVPixelFormat, AvError> {
    if number < -1 || number >= ff::AVPixelFormat::AV_PIX_FMT_NB as i32 {
        return Err(AvError::new("use a pixel format", ff::AVERROR(libc::EINVAL)));
    }
    // SAFETY: the enum is numbered without holes from -1 (none) to below AV_PIX_FMT_NB, checked above.
    Ok(unsafe { std::mem::transmute::<i32, ff::AVPixelFormat>(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error_not_a_crash() {
        assert!(HwDevice::open("cuda", Some("99")).is_err());
        assert!(HwDevice::open("no such kind", None).is_err());
    }
}
