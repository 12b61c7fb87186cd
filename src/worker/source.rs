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

/// The sources that the order names, in its order. Each may be opened several times, one after another.
pub(super) struct Sources {
    link: Arc<Link>,
    all: Vec<Given>,
}

struct Given {
    size: u64,
    /// Where it was handed over as an open file.
    file: Option<Arc<File>>,
}

impl Sources {
    /// Takes over what the order hands over.
    pub(super) fn of<'a>(order: impl Iterator<Item = &'a v1::Source>, link: &Arc<Link>) -> Result<Self, Problem> {
        let given = |source: &v1::Source| {
            let missing = |error| super::bad_order(&format!("no source at descriptor {}: {error}", source.descriptor));
            let file = (source.descriptor >= 0).then(|| lockdown::inherited_file(source.descriptor));
            Ok(Given { size: source.size_bytes, file: file.transpose().map_err(missing)?.map(Arc::new) })
        };
        Ok(Self { link: Arc::clone(link), all: order.map(given).collect::<Result<_, Problem>>()? })
    }

    /// Opens the source at this place.
    pub(super) fn open(&self, place: usize) -> Result<Box<dyn ByteSource>, Problem> {
        let Some(Given { size, file }) = self.all.get(place) else {
            return Err(super::bad_order(&format!("no source {place}")));
        };
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        if let Some(file) = file {
            let (file, link) = (Arc::clone(file), Arc::clone(&self.link));
            return Ok(Box::new(Descriptor { link, number, file, size: *size }));
        }
        let link = Arc::clone(&self.link);
        Ok(Box::new(Ranges { link, number, size: *size, start: 0, window: Bytes::new(), asked: None }))
    }
}

struct Descriptor {
    link: Arc<Link>,
    /// Which of the order's sources.
    number: u32,
    file: Arc<File>,
    size: u64,
}

impl ByteSource for Descriptor {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        // A file that grows meanwhile is read as it was when the job began.
        let room = self.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let count = self.file.read_at(&mut buffer[..room], offset)?;
        self.link.count_read(self.number, count);
        Ok(count)
    }
}

/// Ranges over the socket, in windows that end where blocks do, so that each costs the daemon one block at most. Who
/// reads on finds the next window asked for already.
struct Ranges {
    link: Arc<Link>,
    /// Which of the order's sources.
    number: u32,
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
        self.link.ask(self.number, offset, length as u32);
    }

    /// Makes the window begin at `offset`, which lies before the end.
    fn turn_to(&mut self, offset: u64) -> io::Result<()> {
        let goes_on = offset == self.start + self.window.len() as u64;
        if self.asked.take() != Some(offset) {
            self.ask(offset);
        }
        let reply = self.link.answer(self.number, offset)?;
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
