//! Surfaces of simulated devices: a mark on a frame of software that says that its pixels lie in a device's memory.
//!
//! The mark travels with every reference to the frame, through filters too, as FFmpeg's hardware frames do, and is counted
//! in its pool until the last reference is gone.

use super::error::AvError;
use super::frame::Frame;
use super::names;
use ffmpeg_sys_next as ff;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A pool of surfaces.
#[derive(Debug, Default)]
pub struct Pool {
    outstanding: AtomicU32,
}

impl Pool {
    /// Surfaces of it that are referred to.
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Ordering::Acquire)
    }
}

/// One surface: what the buffer behind a frame's `opaque_ref` holds.
struct Surface(Arc<Pool>);

impl Drop for Surface {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Frame {
    /// Says that the frame lies in a surface of `pool`, whatever was said before.
    pub fn mark(&mut self, pool: &Arc<Pool>) -> Result<(), AvError> {
        self.unmark();
        pool.outstanding.fetch_add(1, Ordering::AcqRel);
        let surface = Box::into_raw(Box::new(Surface(Arc::clone(pool))));
        // SAFETY: the pointer is a box that the callback gives back exactly once, whether or not making the buffer works.
        unsafe {
            let size = size_of::<Surface>();
            let buffer = ff::av_buffer_create(surface.cast(), size, Some(free), ptr::null_mut(), 0);
            if buffer.is_null() {
                drop(Box::from_raw(surface));
                return Err(AvError::no_memory("mark a frame"));
            }
            (*self.as_ptr()).opaque_ref = buffer;
        }
        Ok(())
    }

    /// Says that the frame lies in the host's memory.
    pub fn unmark(&mut self) {
        // SAFETY: the frame is ours; the function takes a null reference too, and leaves null.
        unsafe { ff::av_buffer_unref(&mut (*self.as_ptr()).opaque_ref) };
    }

    /// Tells one pool from another: where it lies.
    pub(super) fn surface_pool(&self) -> Option<usize> {
        // SAFETY: nobody but `mark` sets the reference, so what it holds is a surface, which lives as long.
        let surface = unsafe { (*self.raw().opaque_ref.as_ref()?.data.cast::<Surface>()).0.as_ref() as *const Pool };
        Some(surface as usize)
    }

    /// The layout that a real device would have the samples in: two planes, where software has three.
    pub(super) fn surface_format(&self) -> Option<i32> {
        let format = self.picture_format().format;
        let name = match names::pixel_format_name(format).as_str() {
            "yuv420p" | "yuvj420p" => "nv12",
            "yuv420p10le" => "p010le",
            _ => return Some(format),
        };
        names::pixel_format(name)
    }

    /// Whether the frame is marked as lying in a simulated device's memory.
    pub fn is_marked(&self) -> bool {
        !self.raw().opaque_ref.is_null()
    }
}

unsafe extern "C" fn free(_: *mut c_void, data: *mut u8) {
    // SAFETY: the buffer was made of exactly this box, in `mark`, and is freed once. Its drop cannot panic.
    drop(unsafe { Box::from_raw(data.cast::<Surface>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lives_as_long_as_the_last_reference() {
        let pool = Arc::new(Pool::default());
        let mut frame = Frame::picture(64, 64, 0).unwrap();
        assert!(!frame.is_marked());
        frame.mark(&pool).unwrap();
        let reference = frame.reference().unwrap();
        assert!(reference.is_marked());
        assert_eq!(pool.outstanding(), 1);
        drop(frame);
        assert_eq!(pool.outstanding(), 1);
        drop(reference);
        assert_eq!(pool.outstanding(), 0);
    }

    #[test]
    fn marking_again_gives_the_first_surface_back() {
        let (first, second) = (Arc::new(Pool::default()), Arc::new(Pool::default()));
        let mut frame = Frame::picture(64, 64, 0).unwrap();
        frame.mark(&first).unwrap();
        frame.mark(&second).unwrap();
        assert_eq!((first.outstanding(), second.outstanding()), (0, 1));
        frame.unmark();
        assert!(!frame.is_marked());
        assert_eq!(second.outstanding(), 0);
    }

    #[test]
    fn the_mark_goes_through_filters() {
        let pool = Arc::new(Pool::default());
        let mut frame = Frame::picture(64, 64, 0).unwrap();
        frame.mark(&pool).unwrap();
        let mut graph =
            crate::av::Graph::video("scale=32:32", frame.picture_format(), crate::model::Ratio::new(1, 25)).unwrap();
        frame.set_pts(Some(0));
        graph.send(Some(&frame)).unwrap();
        let mut scaled = Frame::new().unwrap();
        assert_eq!(graph.receive(&mut scaled).unwrap(), crate::av::Polled::Ready);
        assert!(scaled.is_marked());
    }
}
