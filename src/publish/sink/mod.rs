//! Where an output goes: a local directory ([`LocalSink`]) or a prefix in a bucket ([`S3Sink`]).
//!
//! A sink knows files by their paths below the destination, never what is in them. Three promises carry everything else:
//! - a file appears whole or not at all, and is durable when [`Sink::put`] answers (where the policy is to be durable
//!   later, when [`Sink::settle`] answers); growing manifests may be lost in a power cut, since they are made again;
//! - a destination is **claimed** before anything is put there, by the job's id, so that the same job finds its own
//!   things after a restart, and no other job takes them for its own;
//! - until [`Sink::keep`], everything can be taken back: [`Sink::abandon`].
//!
//! Dropping the future of a transfer stops it. A sink tries nothing twice: back-off is the caller's.

mod claim;
mod local;
#[cfg(test)]
mod memory;
mod objects;
mod s3;

pub use local::{Durability, LocalSink};
#[cfg(test)]
pub(crate) use memory::MemoryObjects;
pub use objects::{ObjectAnswer, ObjectError, ObjectErrorKind, ObjectOptions, ObjectStore};
pub use s3::S3Sink;

use crate::model::Problem;
use crate::model::spec::IfExists;
use crate::model::stills::{SPRITES, STILLS};
use crate::package::PROGRESSIVE;
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The job report: also how a finished output of ours is recognised.
pub const REPORT: &str = "reelmill.json";
/// Directories that hold all that an output has beside its report.
pub(super) const OURS: [&str; 5] = ["cmaf", "ts", PROGRESSIVE, STILLS, SPRITES];

/// An answer that takes a while.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SinkError>> + Send + 'a>>;

/// Why a sink did not do as it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SinkError {
    /// What the client is told.
    pub problem: Problem,
    /// The same operation may succeed soon.
    pub transient: bool,
    /// How long the destination asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<Problem> for SinkError {
    fn from(problem: Problem) -> Self {
        Self { problem, transient: false, retry_after: None }
    }
}

/// What is put.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Bytes),
    /// A local file, which stays as it is.
    File {
        /// Where.
        path: PathBuf,
        /// Its size, bytes.
        bytes: u64,
        /// A local sink may make a second name for it instead of a copy: nobody writes to it any more, and no other
        /// output gets it in that way.
        link: bool,
    },
}

impl Body {
    /// Its size, bytes.
    pub const fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// What a file is for. It decides on durability and caching; the media type follows from the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// An initialisation segment.
    Init,
    /// A media segment.
    Segment,
    /// A manifest that will be replaced.
    GrowingManifest,
    /// A manifest that says that nothing more comes.
    FinalManifest,
    /// A progressive MP4 file.
    File,
    /// The report.
    Report,
}

impl Kind {
    /// Whether the same name may stand for other bytes soon.
    pub const fn changes(self) -> bool {
        matches!(self, Self::GrowingManifest | Self::FinalManifest | Self::Report)
    }
}

/// What a claim came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The destination is free, or holds what this job left there.
    Free,
    /// Something lies there, so nothing is to be made ([`IfExists::Skip`]). Nothing is claimed.
    Skip,
}

/// What of an output stays at its destination when it is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Everything: the job goes on later. Transfers are aborted.
    Everything,
    /// Segments, for a retry of the job; no manifest. An earlier output that was set aside stands there again.
    Segments,
    /// Nothing. An earlier output that was set aside stands there again.
    Nothing,
}

/// A destination of one output of one job.
pub trait Sink: Send + Sync + fmt::Debug + 'static {
    /// What people call it.
    fn name(&self) -> String;

    /// What [`Sink::claim`] would come to, without touching anything (a bucket that is to be made is made by the claim).
    ///
    /// # Errors
    /// Those of `claim`.
    fn check(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim>;

    /// Takes the destination for this job; before the first [`Sink::put`]. What the same job left there is taken over.
    /// `resuming` says that the ledger has rows for this output, so that there must be something.
    ///
    /// # Errors
    /// `output.exists`; `output.lost` when `resuming` and nothing of this job is there; `output.*` of the sink.
    fn claim(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim>;

    /// Stores a file, replacing the one of that name. Whole or not at all.
    ///
    /// # Errors
    /// `output.*`.
    fn put<'a>(&'a self, path: &'a str, body: Body, kind: Kind, progress: Progress) -> Answer<'a, ()>;

    /// Exactly these bytes of a stored file.
    ///
    /// # Errors
    /// `output.lost` when the file is gone or shorter; `output.*`.
    fn read<'a>(&'a self, path: &'a str, offset: u64, length: u64) -> Answer<'a, Bytes>;

    /// Removes files; those that are not there are fine. For what a job that is over left behind.
    ///
    /// # Errors
    /// `output.*`.
    fn remove(&self, paths: Vec<String>) -> Answer<'_, ()>;

    /// Answers when everything that was put before is durable.
    ///
    /// # Errors
    /// `output.*`.
    fn settle(&self) -> Answer<'_, ()>;

    /// The output has succeeded: the claim goes, and what was set aside. May be repeated, also by a new sink.
    ///
    /// # Errors
    /// `output.*`.
    fn keep(&self) -> Answer<'_, ()>;

    /// Gives the output up, and waits for transfers to have stopped. May be repeated, also by a new sink that has claimed
    /// nothing; touches only what is this job's.
    ///
    /// # Errors
    /// `output.*`.
    fn abandon(&self, leave: Leave) -> Answer<'_, ()>;
}

/// Counts the bytes of one transfer into a total. Clones count the same transfer.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    total: Arc<AtomicU64>,
    this: Arc<AtomicU64>,
}

impl Progress {
    /// A transfer of which nothing has gone out yet.
    pub fn of(total: &Arc<AtomicU64>) -> Self {
        Self { total: Arc::clone(total), this: Arc::default() }
    }

    /// So many bytes of this transfer have gone out; fewer than before when some were lost.
    pub fn set(&self, so_far: u64) {
        let before = self.this.swap(so_far, Ordering::Relaxed);
        // Wraps where it shrinks, which is what subtracting is.
        self.total.fetch_add(so_far.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// Whether a file tells of single pictures.
fn is_index(path: &str) -> bool {
    path.ends_with(".vtt") || path.rsplit('/').next() == Some("index.json")
}

/// Whether a file below a destination is a manifest, or tells of single pictures.
pub(super) fn is_manifest(path: &str) -> bool {
    path.ends_with(".m3u8") || path.ends_with(".mpd") || is_index(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_back_where_bytes_were_lost() {
        let total = Arc::new(AtomicU64::new(10));
        let (first, second) = (Progress::of(&total), Progress::of(&total));
        first.set(5);
        second.clone().set(7);
        first.set(0);
        second.set(8);
        assert_eq!(total.load(Ordering::Relaxed), 18);
    }
}
