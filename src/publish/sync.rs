//! Makes published segments durable beside the job, so that little is left to wait for at its end.
//!
//! The policy: a segment is visible as soon as it is renamed into place, and growing manifests may name it before it is
//! on the disk: a power cut ends the job anyway, since its ledger is in memory. The *final* manifests are written only
//! after every segment and directory is on the disk, so a manifest that says "complete" survives a power cut. Errors
//! that the kernel reports only while writing back (a full disk under delayed allocation) fail the job here.
//!
//! Receives: paths. Owns: one thread. Ends: when the sender is dropped; [`Syncer::finish`] waits for it.

use super::disk::refused;
use crate::model::Problem;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The thread and the way to it. Dropped without `finish`, the thread runs out by itself.
#[derive(Debug)]
pub(super) struct Syncer {
    // Unbounded, yet bounded: one path for each file of the ledger.
    paths: Sender<PathBuf>,
    thread: JoinHandle<Result<(), Problem>>,
}

impl Syncer {
    pub(super) fn start() -> io::Result<Self> {
        let (paths, waiting) = channel();
        let thread = std::thread::Builder::new().name("sync".into()).spawn(move || run(&waiting))?;
        Ok(Self { paths, thread })
    }

    /// Has a file or directory put on the disk, soon.
    pub(super) fn add(&self, path: PathBuf) {
        // Fails only when the thread has met an error, which `finish` reports.
        let _ = self.paths.send(path);
    }

    /// Waits until all is on the disk.
    pub(super) fn finish(self) -> Result<(), Problem> {
        drop(self.paths);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Problem::bug("internal.panic", "the sync thread panicked; report this")))
    }
}

fn run(paths: &Receiver<PathBuf>) -> Result<(), Problem> {
    for path in paths {
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| refused(&path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let syncer = Syncer::start().unwrap();
        syncer.add(directory.path().to_owned());
        syncer.add(directory.path().join("absent"));
        syncer.add(directory.path().to_owned());
        assert_eq!(syncer.finish().unwrap_err().code, "output.unwritable");
        let syncer = Syncer::start().unwrap();
        syncer.add(directory.path().to_owned());
        assert_eq!(syncer.finish(), Ok(()));
    }
}
