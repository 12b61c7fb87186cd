//! Devices and the pools of frames in their memory.

use super::dict::Dict;
use super::error::{AvError, check};
use super::frame::Frame;
use super::names::c_string;
use ffmpeg_sys_next as ff;
use std::ptr;

/// An open device.
pub struct HwDevice {
    reference: *mut ff::AVBufferRef,
}

// SAFETY: reference-counted with atomics; FFmpeg's device contexts may be used from any thread.
unsafe impl Send for HwDevice {}
// SAFETY: as for `Send`: nothing of the context is changed through a shared reference but its count.
unsafe impl Sync for HwDevice {}

impl HwDevice {
    /// Opens a device by FFmpeg's type name (`cuda`, `vaapi`, `vulkan`), its own device name, and options of its type.
    pub fn open(kind: &str, device: Option<&str>, options: &[(&str, &str)]) -> Result<Self, AvError> {
        let options = Dict::new(options.iter().copied())?;
        let kind = c_string(kind);
        let device = device.map(c_string);
        let mut reference = ptr::null_mut();
        // SAFETY: strings and options live through the call, which only reads them.
        let code = unsafe {
            let kind = ff::av_hwdevice_find_type_by_name(kind.as_ptr());
            let device = device.as_ref().map_or(ptr::null(), |device| device.as_ptr());
            ff::av_hwdevice_ctx_create(&mut reference, kind, device, options.as_ptr(), 0)
        };
        check("open the device", code)?;
        Ok(Self { reference })
    }

    /// Another reference to it, for a C object that will give it back.
    pub(super) fn share(&self) -> Result<*mut ff::AVBufferRef, AvError> {
        share(self.reference)
    }

    pub(super) const fn kind(&self) -> ff::AVHWDeviceType {
        // SAFETY: the reference is live, and its data is a device context whose type is set for good.
        unsafe { (*(*self.reference).data.cast::<ff::AVHWDeviceContext>()).type_ }
    }
}

/// One more reference to a buffer.
fn share(reference: *mut ff::AVBufferRef) -> Result<*mut ff::AVBufferRef, AvError> {
    // SAFETY: callers pass a live reference that they hold.
    let copy = unsafe { ff::av_buffer_ref(reference) };
    if copy.is_null() { Err(AvError::no_memory("share a device")) } else { Ok(copy) }
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

    /// The pool that a frame in a device's memory lies in.
    pub(super) fn of(frame: &Frame) -> Result<Option<Self>, AvError> {
        let reference = frame.raw().hw_frames_ctx;
        if reference.is_null() { Ok(None) } else { Ok(Some(Self { reference: share(reference)? })) }
    }

    /// Another reference to it, for a C object that will give it back.
    pub(super) fn share(&self) -> Result<*mut ff::AVBufferRef, AvError> {
        share(self.reference)
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVBufferRef {
        self.reference
    }
}

/// Names a pool of frames for as long as anything of it is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolId(usize);

impl Frame {
    /// The pool that the frame lies in; `None` for one in the host's memory.
    pub fn pool(&self) -> Option<PoolId> {
        // SAFETY: a live frame's reference is null or live; only the address of its data is taken.
        let own = unsafe { self.raw().hw_frames_ctx.as_ref() }.map(|reference| PoolId(reference.data as usize));
        own.or_else(|| self.surface_pool().map(PoolId))
    }

    /// For a frame in a device's memory, FFmpeg's number of the pixel format that its samples have there.
    pub fn software_format(&self) -> Option<i32> {
        if self.is_marked() {
            return self.surface_format();
        }
        // SAFETY: a live frame's reference is null or live, and its data is a frames context.
        unsafe {
            let reference = self.raw().hw_frames_ctx.as_ref()?;
            Some((*reference.data.cast::<ff::AVHWFramesContext>()).sw_format as i32)
        }
    }

    /// A copy in the host's memory, with the same times and tags.
    pub fn download(&self) -> Result<Self, AvError> {
        let copy = Self::new()?;
        // SAFETY: both frames are live and the copy is empty: the transfer allocates it in the pool's sample format.
        unsafe {
            check("download a picture", ff::av_hwframe_transfer_data(copy.as_ptr(), self.as_ptr(), 0))?;
            check("download a picture", ff::av_frame_copy_props(copy.as_ptr(), self.as_ptr()))?;
        }
        Ok(copy)
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
        assert!(HwDevice::open("cuda", Some("99"), &[]).is_err());
        assert!(HwDevice::open("no such kind", None, &[]).is_err());
    }
}
