//! Where source bytes come from. Step 1 of a job's life.
//!
//! The daemon opens the source and never parses it. A worker gets its bytes either as an inherited open file
//! ([`Transport::Descriptor`]) or in ranges over its socket ([`Transport::Socket`]). A source is a local file, or something
//! remote that answers range reads ([`RemoteRanges`]: HTTP here, S3 elsewhere). Remote bytes are fetched block by block,
//! ahead of whoever reads on (`ahead`), once for all readers (`remote`), and kept on the local disk within a limit
//! (`cache`, `places`); never is a source fetched whole first.

mod ahead;
mod cache;
mod file;
mod http;
mod http_answer;
mod opener;
mod places;
mod remote;

pub use cache::{BlockCache, CACHE_BYTES_MIN};
pub use opener::{OpenObject, Opener, OpenerOptions, S3Open};
pub use remote::RemoteRanges;

use crate::model::Problem;
use crate::model::limits::READ_BYTES_MAX;
use bytes::Bytes;
use http::HttpRanges;
use remote::Remote;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The unit of fetching and keeping: what a worker asks for at once. Large enough that at 100 ms for a round trip and
/// eight under way no encode waits; small enough that a probe, which looks here and there, costs few MiB.
pub const BLOCK_BYTES: usize = READ_BYTES_MAX;

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
    version: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    LocalFile { file: Arc<File>, read: Arc<AtomicU64> },
    Remote(Arc<Remote>),
}

impl Source {
    /// Opens a local file. Refuses what is not a regular file, so that neither a pipe nor a device can hang the job.
    ///
    /// # Errors
    /// `source.not_found`, `source.unreadable`, `source.empty`.
    pub fn open_file(path: &Path) -> Result<Self, Problem> {
        Self::of_file(path, file::open(path)?)
    }

    fn of_file(path: &Path, (file, size_bytes): (File, u64)) -> Result<Self, Problem> {
        let version = file::version(&file);
        let kind = Kind::LocalFile { file: Arc::new(file), read: Arc::default() };
        Ok(Self { name: path.display().to_string(), size_bytes, version, kind })
    }

    /// Something remote. What is fetched of it is kept in `cache` as long as the source lives.
    ///
    /// # Errors
    /// `source.empty`; `source.unreadable` for a size that no file has.
    pub fn remote(
        name: &str,
        size_bytes: u64,
        ranges: Arc<dyn RemoteRanges>,
        cache: &Arc<BlockCache>,
    ) -> Result<Self, Problem> {
        if size_bytes == 0 {
            return Err(Problem::input("source.empty", format!("{name} has 0 bytes; was it uploaded whole?")));
        }
        if i64::try_from(size_bytes).is_err() {
            let message = format!("{name} claims to have {size_bytes} bytes; check where it is stored");
            return Err(Problem::input("source.unreadable", message));
        }
        let version = ranges.version();
        let kind = Kind::Remote(Arc::new(Remote::new(name, size_bytes, ranges, cache)));
        Ok(Self { name: name.to_owned(), size_bytes, version, kind })
    }

    /// Gives the first block, where it is known already.
    async fn seed(&self, first: Bytes) {
        if let Kind::Remote(remote) = &self.kind {
            remote.seed(first).await;
        }
    }

    /// What people call it: for reports, never for opening. There are no credentials in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in the source when it was opened.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What tells this content of the source from another of the same size: an entity tag, or when it was last changed.
    /// Empty where nothing does.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Bytes read so far: of a remote source those that were fetched, each once however many read it, while it stays in
    /// the cache; of a local file those that went over a socket. What a worker reads of an open file is not seen here.
    pub fn bytes_read(&self) -> u64 {
        match &self.kind {
            Kind::LocalFile { read, .. } => read.load(Ordering::Relaxed),
            Kind::Remote(remote) => remote.fetched(),
        }
    }

    /// Whether the bytes come over a network, so that reading may take time and fail for a while.
    pub const fn is_remote(&self) -> bool {
        matches!(self.kind, Kind::Remote(_))
    }

    /// Whether it is a file that can be handed to a worker.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, Kind::LocalFile { .. })
    }

    /// A file to hand to one worker, with a read position of its own; `None` where there is no file, so that the worker
    /// must ask for ranges.
    pub fn descriptor(&self) -> io::Result<Option<File>> {
        match &self.kind {
            Kind::LocalFile { file, .. } => file::reopen(file).map(Some),
            Kind::Remote(_) => Ok(None),
        }
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the source, none beyond it.
    ///
    /// # Errors
    /// `source.unreadable` for a local file; for a remote one `source.changed`, `source.unavailable` and whatever else
    /// its server says.
    pub async fn read_range(&self, offset: u64, length: usize) -> Result<Bytes, Problem> {
        match &self.kind {
            Kind::LocalFile { file, read } => {
                let file = Arc::clone(file);
                let bytes = tokio::task::spawn_blocking(move || file::read_at(&file, offset, length)).await;
                let bytes = bytes.map_err(io::Error::from).and_then(|read| read).map_err(|error| {
                    let message = format!("{} cannot be read: {error}; check where it is stored", self.name);
                    Problem::sink("source.unreadable", message)
                })?;
                read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes.into())
            }
            Kind::Remote(remote) => remote.read(offset, length).await,
        }
    }
}
