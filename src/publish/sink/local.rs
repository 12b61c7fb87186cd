//! A local directory as a destination.
//!
//! Files on their way lie in `OUT/.reelmill`, so that they appear by a rename. A spooled file becomes a second name of the
//! same file where that can be, and is copied where it lies on another file system. Everything blocks on the disk, so it
//! runs on threads that may; [`Sink::abandon`] waits for what still runs there.

use super::claim::{Directory, HIDDEN};
use super::{Answer, Body, Claim, Kind, Leave, Progress, Sink, SinkError};
use crate::model::spec::IfExists;
use crate::model::{JobId, Problem};
use crate::publish::disk::{self, refused};
use crate::publish::meter::{self, For};
use crate::publish::sync::Syncer;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Bytes that are copied between two looks at whether the transfer is still wanted.
const COPY_BYTES: usize = 1 << 20;

/// When what was put is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Before `put` answers: for a job whose ledger outlives the process.
    Each,
    /// Before [`Sink::settle`] answers, in the background until then: a power cut ends the job anyway.
    AtEnd,
}

/// A directory as the destination of one output.
#[derive(Clone, Debug)]
pub struct LocalSink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asked: PathBuf,
    job: JobId,
    durability: Durability,
    directory: OnceLock<Directory>,
    /// What is held while the destination is claimed. Transfers read, what ends them writes.
    claimed: RwLock<Option<File>>,
    /// Transfers are to end.
    closing: AtomicBool,
    next: AtomicU64,
    syncing: Mutex<Syncing>,
}

#[derive(Debug, Default)]
struct Syncing {
    /// Directories that are there and whose names are on the disk, or will be.
    directories: BTreeSet<PathBuf>,
    syncer: Option<Syncer>,
}

impl LocalSink {
    /// A sink for a directory, which need not exist. Touches nothing.
    pub fn new(path: &Path, job: JobId, durability: Durability) -> Self {
        Self(Arc::new(Shared {
            asked: path.to_owned(),
            job,
            durability,
            directory: OnceLock::new(),
            claimed: RwLock::new(None),
            closing: AtomicBool::new(false),
            next: AtomicU64::new(0),
            syncing: Mutex::default(),
        }))
    }

    /// Runs what blocks on a thread that may.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, SinkError> + Send + 'static,
    ) -> Answer<'static, T> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let panicked = |_| Err(Problem::bug("internal.panic", "writing a file panicked; report this").into());
            tokio::task::spawn_blocking(meter::blocking(For::Publish, move || work(&shared)))
                .await
                .unwrap_or_else(panicked)
        })
    }
}

impl Sink for LocalSink {
    fn name(&self) -> String {
        self.0.asked.display().to_string()
    }

    fn check(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim> {
        self.blocking(move |shared| shared.directory()?.check(if_exists, resuming))
    }

    fn claim(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim> {
        self.0.closing.store(false, Ordering::Relaxed);
        self.blocking(move |shared| {
            let mut claimed = shared.claimed.write().unwrap_or_else(PoisonError::into_inner);
            // Given up before it came to it, by somebody who did not wait for the answer: he must not get it behind his back.
            if shared.closing.load(Ordering::Relaxed) {
                return Err(Problem::cancelled().into());
            }
            *claimed = shared.directory()?.claim(if_exists, resuming)?;
            Ok(if claimed.is_some() { Claim::Free } else { Claim::Skip })
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Body, kind: Kind, progress: Progress) -> Answer<'a, ()> {
        let path = path.to_owned();
        self.blocking(move |shared| {
            let put = shared.put(&path, &body, kind, &progress);
            progress.set(if put.is_ok() { body.bytes() } else { 0 });
            put
        })
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, length: u64) -> Answer<'a, Bytes> {
        let path = path.to_owned();
        self.blocking(move |shared| {
            let path = shared.directory()?.root.join(path);
            let file = File::open(&path).map_err(|error| lost(&path, error))?;
            let length = usize::try_from(length).map_err(io::Error::other);
            let mut bytes = vec![0; length.map_err(|error| failed(&path, &error))?];
            file.read_exact_at(&mut bytes, offset).map_err(|error| lost(&path, error))?;
            Ok(bytes.into())
        })
    }

    fn remove(&self, paths: Vec<String>) -> Answer<'_, ()> {
        self.blocking(move |shared| {
            let root = &shared.directory()?.root;
            for path in paths.iter().map(|path| root.join(path)) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path, &error)),
                    _ => {}
                }
                for parent in path.ancestors().skip(1).take_while(|parent| *parent != root) {
                    if fs::remove_dir(parent).is_err() {
                        break;
                    }
                }
            }
            Ok(())
        })
    }

    fn settle(&self) -> Answer<'_, ()> {
        self.blocking(Shared::settle)
    }

    fn keep(&self) -> Answer<'_, ()> {
        self.blocking(|shared| {
            let mut claimed = shared.claimed.write().unwrap_or_else(PoisonError::into_inner);
            shared.settle()?;
            shared.directory()?.keep()?;
            *claimed = None;
            Ok(())
        })
    }

    fn abandon(&self, leave: Leave) -> Answer<'_, ()> {
        self.0.closing.store(true, Ordering::Relaxed);
        self.blocking(move |shared| {
            let mut claimed = shared.claimed.write().unwrap_or_else(PoisonError::into_inner);
            let directory = shared.directory()?;
            directory.abandon(leave);
            *claimed = None;
            *shared.syncing() = Syncing::default();
            Ok(())
        })
    }
}

impl Shared {
    /// The directory, with links resolved as far as it exists: renames must meet the directory, not a link to it.
    fn directory(&self) -> Result<&Directory, SinkError> {
        if let Some(directory) = self.directory.get() {
            return Ok(directory);
        }
        let absolute = std::path::absolute(&self.asked).map_err(|error| failed(&self.asked, &error))?;
        let resolved = absolute.ancestors().find_map(|path| Some((path, path.canonicalize().ok()?)));
        let root = match resolved {
            Some((path, canonical)) => match absolute.strip_prefix(path) {
                Ok(rest) if rest.as_os_str().is_empty() => canonical,
                Ok(rest) => canonical.join(rest),
                Err(_) => absolute.clone(),
            },
            None => absolute.clone(),
        };
        Ok(self.directory.get_or_init(|| Directory { root, job: self.job }))
    }

    fn syncing(&self) -> MutexGuard<'_, Syncing> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, path: &str, body: &Body, kind: Kind, progress: &Progress) -> Result<(), SinkError> {
        let claimed = self.claimed.read().unwrap_or_else(PoisonError::into_inner);
        if claimed.is_none() {
            return Err(Problem::cancelled().into());
        }
        let root = &self.directory()?.root;
        let target = root.join(path);
        let parent = target.parent().unwrap_or(root);
        self.make_parent(root, parent).map_err(|error| failed(parent, &error))?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = root.join(HIDDEN).join(number.to_string());
        let durable = match kind {
            Kind::GrowingManifest => false,
            Kind::FinalManifest | Kind::Report => true,
            Kind::Init | Kind::Segment | Kind::File => self.durability == Durability::Each,
        };
        let written = self.write(&temporary, body, durable, progress);
        let renamed = written.and_then(|()| fs::rename(&temporary, &target));
        // Still there after an error, and where both are names of one file already.
        let _ = fs::remove_file(&temporary);
        renamed.map_err(|error| match self.closing.load(Ordering::Relaxed) {
            true => Problem::cancelled().into(),
            false => failed(&target, &error),
        })?;
        match (durable, kind) {
            (true, _) => disk::sync_directory(parent).map_err(|error| failed(parent, &error)),
            (false, Kind::GrowingManifest) => Ok(()),
            (false, _) => self.sync_soon(target.clone()).map_err(|error| failed(&target, &error)),
        }
    }

    fn write(&self, to: &Path, body: &Body, durable: bool, progress: &Progress) -> io::Result<()> {
        match body {
            Body::Bytes(bytes) => disk::write(to, bytes, durable),
            Body::File { path, link, .. } => {
                // Fails on another file system, and on those that have no links.
                if !*link || fs::hard_link(path, to).is_err() {
                    self.copy(path, to, progress)?;
                }
                if durable { File::open(to)?.sync_all() } else { Ok(()) }
            }
        }
    }

    fn copy(&self, from: &Path, to: &Path, progress: &Progress) -> io::Result<()> {
        let (mut from, mut to) = (File::open(from)?, File::create(to)?);
        let (mut buffer, mut copied) = (vec![0; COPY_BYTES], 0);
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            to.write_all(&buffer[..read])?;
            copied += read as u64;
            progress.set(copied);
        }
    }

    /// Makes a directory below the root; its name is then as durable as files are.
    fn make_parent(&self, root: &Path, parent: &Path) -> io::Result<()> {
        if self.syncing().directories.contains(parent) {
            return Ok(());
        }
        fs::create_dir_all(parent)?;
        for above in parent.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
            if self.durability == Durability::Each {
                disk::sync_directory(above)?;
            }
            self.syncing().directories.insert(above.to_owned());
        }
        self.syncing().directories.insert(parent.to_owned());
        Ok(())
    }

    fn sync_soon(&self, path: PathBuf) -> io::Result<()> {
        let mut syncing = self.syncing();
        let syncer = match syncing.syncer.take() {
            Some(syncer) => syncer,
            None => Syncer::start()?,
        };
        syncer.add(path);
        syncing.syncer = Some(syncer);
        Ok(())
    }

    fn settle(&self) -> Result<(), SinkError> {
        if self.durability == Durability::Each {
            return Ok(());
        }
        let directories: Vec<_> = self.syncing().directories.iter().cloned().collect();
        for directory in directories {
            self.sync_soon(directory.clone()).map_err(|error| failed(&directory, &error))?;
        }
        let syncer = self.syncing().syncer.take();
        syncer.map_or(Ok(()), Syncer::finish).map_err(SinkError::from)
    }
}

/// An error on the destination's side.
fn failed(path: &Path, error: &io::Error) -> SinkError {
    use io::ErrorKind::{Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock};
    let passing = [Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock];
    SinkError { problem: refused(path, error), transient: passing.contains(&error.kind()), retry_after: None }
}

/// An error while a stored file is read.
fn lost(path: &Path, error: io::Error) -> SinkError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            let message = format!("{} is gone or cut; run the job anew", path.display());
            Problem::sink("output.lost", message).into()
        }
        _ => failed(path, &error),
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
