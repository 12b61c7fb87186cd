//! The source as bytes: an inherited descriptor, or ranges asked of the daemon.

use super::link::Link;
use crate::av::ByteSource;
use crate::model::Problem;
use crate::model::limits::READ_BYTES_MAX;
use crate::sys::lockdown;
use crate::wire::v1;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Opens what the order names.
pub(super) fn open(source: &v1::Source, link: &Arc<Link>) -> Result<Box<dyn ByteSource>, Problem> {
    let size = source.size_bytes;
    if source.descriptor < 0 {
        return Ok(Box::new(Ranges { link: Arc::clone(link), size, start: 0, window: Vec::new() }));
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

/// Ranges over the socket, with one window of read-ahead so that small reads do not each cost a round trip.
struct Ranges {
    link: Arc<Link>,
    size: u64,
    start: u64,
    window: Vec<u8>,
}

impl ByteSource for Ranges {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size {
            return Ok(0);
        }
        let inside = offset >= self.start && offset < self.start + self.window.len() as u64;
        if !inside {
            let length = (self.size - offset).min(READ_BYTES_MAX as u64) as u32;
            let reply = self.link.read(offset, length)?;
            if !reply.error.is_empty() {
                return Err(io::Error::other(reply.error));
            }
            if reply.data.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source ended before its size"));
            }
            self.window = reply.data.to_vec();
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        let count = buffer.len().min(self.window.len() - from);
        buffer[..count].copy_from_slice(&self.window[from..from + count]);
        Ok(count)
    }
}
