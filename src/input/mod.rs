//! Where source bytes come from. Step 1 of a job's life.
//!
//! The daemon opens the source and never parses it. A worker gets its bytes either as an inherited open file
//! ([`Transport::Descriptor`]) or in ranges over its socket ([`Transport::Socket`]). A new kind of source (HTTP, S3) is
//! a new row of `Kind`: it has a size, it answers [`Source::read_range`], and it has no descriptor.

mod file;

use crate::model::Problem;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a worker gets the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// As an open file, where the source is one: the kernel moves the bytes, nothing passes the daemon.
    #[default]
    Descriptor,
    /// It asks the daemon for ranges.
    Socket,
}

/// An open source. Cheap to clone; all clones read the same bytes, even when the name is given to another file.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    size_bytes: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    LocalFile(Arc<File>),
}

impl Source {
    /// Opens a local file. Refuses what is not a regular file, so that neither a pipe nor a device can hang the job.
    ///
    /// # Errors
    /// `source.not_found`, `source.unreadable`, `source.empty`.
    pub fn open_file(path: &Path) -> Result<Self, Problem> {
        let (file, size_bytes) = file::open(path)?;
        Ok(Self { name: path.display().to_string(), size_bytes, kind: Kind::LocalFile(Arc::new(file)) })
    }

    /// What people call it: for reports, never for opening.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in the source when it was opened.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A file to hand to one worker, with a read position of its own; `None` where there is no file, so that the worker
    /// must ask for ranges.
    pub fn descriptor(&self) -> io::Result<Option<File>> {
        match &self.kind {
            Kind::LocalFile(file) => file::reopen(file).map(Some),
        }
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the source, none beyond it.
    pub async fn read_range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        match &self.kind {
            Kind::LocalFile(file) => {
                let file = Arc::clone(file);
                tokio::task::spawn_blocking(move || file::read_at(&file, offset, length)).await?
            }
        }
    }
}
