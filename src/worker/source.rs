//! The source as bytes: an inherited descriptor, or ranges asked of the daemon.

use super::link::Link;
use crate::av::ByteSource;
use crate::model::Problem;
use crate::model::limits::READ_BYTES_MAX;
use crate::sys::lockdown;
use crate::wire::v1;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Opens what the order names.
pub(super) fn open(source: &v1::Source, link: &Arc<Link>) -> Result<Box<dyn ByteSource>, Problem> {
    let size = source.size_bytes;
    if source.descriptor < 0 {
        return Ok(Box::new(Ranges { link: Arc::clone(link), size, start: 0, window: Bytes::new(), asked: None }));
    }
    let file = lockdown::inherited_file(source.descriptor)
        .map_err(|error| super::bad_order(&format!("no source at descriptor {}: {error}", source.descriptor)))?;
    Ok(Box::new(Descriptor { file, size }))
}

struct Descriptor {
    file: File,
    size: u64,
}

impl ByteSource for Descriptor {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // A file that grows meanwhile is read as it was when the job began.
        let room = self.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.file.read_at(&mut buffer[..room], offset)
    }
}

/// Ranges over the socket, in windows that end where blocks do, so that each costs the daemon one block at most. Who
/// reads on finds the next window asked for already.
struct Ranges {
    link: Arc<Link>,
    size: u64,
    start: u64,
    window: Bytes,
    /// Where a window begins that was asked for ahead and has not been taken.
    asked: Option<u64>,
}

impl Ranges {
    /// Asks for the window that begins at `offset` and ends with its block.
    fn ask(&self, offset: u64) {
        let block = READ_BYTES_MAX as u64;
        let length = (block - offset % block).min(self.size - offset);
        self.link.ask(offset, length as u32);
    }

    /// Makes the window begin at `offset`, which lies before the end.
    fn turn_to(&mut self, offset: u64) -> io::Result<()> {
        let goes_on = offset == self.start + self.window.len() as u64;
        if self.asked.take() != Some(offset) {
            self.ask(offset);
        }
        let reply = self.link.answer(offset)?;
        if !reply.error.is_empty() {
            return Err(io::Error::other(reply.error));
        }
        if reply.data.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source ended before its size"));
        }
        self.window = reply.data;
        self.start = offset;
        let next = offset + self.window.len() as u64;
        // The first window of all goes on from nothing.
        if goes_on && offset > 0 && next < self.size {
            self.ask(next);
            self.asked = Some(next);
        }
        Ok(())
    }
}

impl ByteSource for Ranges {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let inside = offset >= self.start && offset < self.start + self.window.len() as u64;
        if !inside {
            self.turn_to(offset)?;
        }
        let from = (offset - self.start) as usize;
        let count = buffer.len().min(self.window.len() - from);
        buffer[..count].copy_from_slice(&self.window[from..from + count]);
        Ok(count)
    }
}
