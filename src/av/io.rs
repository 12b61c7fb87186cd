//! Reading a source through a custom `AVIOContext`: FFmpeg never sees a path or a URL.

use super::error::AvError;
use ffmpeg_sys_next as ff;
use std::ffi::{c_int, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Bytes at an offset: a descriptor, or ranges asked of the daemon.
pub trait ByteSource: Send {
    /// Total size.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset` on; fewer bytes only at the end, zero there.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Read granularity: large enough that a range request is worth its round trip.
const BUFFER_BYTES: usize = 64 << 10;

struct Reader {
    source: Box<dyn ByteSource>,
    position: u64,
    failure: Option<io::Error>,
}

/// An owned `AVIOContext` over a [`ByteSource`].
pub(super) struct InputIo {
    context: *mut ff::AVIOContext,
    reader: *mut Reader,
}

// SAFETY: both pointers are owned by this value alone, and the source behind them is `Send`.
unsafe impl Send for InputIo {}

impl InputIo {
    pub(super) fn new(source: Box<dyn ByteSource>) -> Result<Self, AvError> {
        let reader = Box::into_raw(Box::new(Reader { source, position: 0, failure: None }));
        // SAFETY: the buffer comes from av_malloc as avio requires; `reader` stays valid until drop.
        let context = unsafe {
            let buffer = ff::av_malloc(BUFFER_BYTES);
            if buffer.is_null() {
                ptr::null_mut()
            } else {
                ff::avio_alloc_context(
                    buffer.cast(),
                    BUFFER_BYTES as c_int,
                    0,
                    reader.cast(),
                    Some(read_packet),
                    None,
                    Some(seek),
                )
            }
        };
        if context.is_null() {
            // SAFETY: `reader` came from Box::into_raw above and nobody else has it.
            drop(unsafe { Box::from_raw(reader) });
            return Err(AvError::no_memory("allocate the input's buffer"));
        }
        Ok(Self { context, reader })
    }

    pub(super) const fn as_ptr(&self) -> *mut ff::AVIOContext {
        self.context
    }

    /// The first failed read of the source itself, if there was one: what FFmpeg reports as a vague "I/O error".
    pub(super) fn failure(&self) -> Option<String> {
        // SAFETY: `reader` is valid until drop; FFmpeg calls into it only inside calls that borrow `self`'s owner.
        unsafe { (*self.reader).failure.as_ref().map(ToString::to_string) }
    }
}

impl Drop for InputIo {
    fn drop(&mut self) {
        // SAFETY: the buffer may have been replaced by FFmpeg, so it is freed through the context; each is freed once.
        unsafe {
            ff::av_freep((&raw mut (*self.context).buffer).cast());
            ff::avio_context_free(&mut self.context);
            drop(Box::from_raw(self.reader));
        }
    }
}

unsafe extern "C" fn read_packet(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    // SAFETY: `opaque` is the Reader given to avio_alloc_context; FFmpeg passes a buffer of `size` bytes.
    let (reader, buffer) = unsafe {
        (&mut *opaque.cast::<Reader>(), std::slice::from_raw_parts_mut(buffer, usize::try_from(size).unwrap_or(0)))
    };
    let read = catch_unwind(AssertUnwindSafe(|| reader.source.read_at(reader.position, buffer)));
    match read {
        Ok(Ok(0)) => ff::AVERROR_EOF,
        Ok(Ok(count)) => {
            reader.position += count as u64;
            c_int::try_from(count).unwrap_or(ff::AVERROR(libc::EIO))
        }
        Ok(Err(error)) => {
            reader.failure.get_or_insert(error);
            ff::AVERROR(libc::EIO)
        }
        Err(_) => ff::AVERROR(libc::EIO),
    }
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    const AVSEEK_SIZE: c_int = 0x10000;
    const AVSEEK_FORCE: c_int = 0x20000;
    // SAFETY: `opaque` is the Reader given to avio_alloc_context.
    let reader = unsafe { &mut *opaque.cast::<Reader>() };
    let size = i64::try_from(reader.source.size()).unwrap_or(i64::MAX);
    let base = match whence & !AVSEEK_FORCE {
        AVSEEK_SIZE => return size,
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => i64::try_from(reader.position).unwrap_or(i64::MAX),
        libc::SEEK_END => size,
        _ => return i64::from(ff::AVERROR(libc::EINVAL)),
    };
    match base.checked_add(offset).and_then(|target| u64::try_from(target).ok()) {
        Some(target) => {
            reader.position = target;
            target as i64
        }
        None => i64::from(ff::AVERROR(libc::EINVAL)),
    }
}
