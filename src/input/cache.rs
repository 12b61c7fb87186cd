//! Blocks of remote sources on the local disk: fetched once for all who read them, within a limit.
//!
//! One file for all sources, which has no name, so that it is gone with the process however that ends. It is divided into
//! places of one block each. Full, it gives up the block that nobody has read for the longest time; a block that is being
//! read at that moment stays. A disk that is full or broken costs speed, nothing else: what cannot be kept is fetched
//! again.

use super::BLOCK_BYTES;
use super::places::{Key, Place, Places, Reserved};
use crate::model::Problem;
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Fewest bytes of a cache: twice what one reader has in front of it, so that nothing is given up before it was read.
pub const CACHE_BYTES_MIN: u64 = 16 * BLOCK_BYTES as u64;

/// A bounded disk cache that any number of sources share.
#[derive(Debug)]
pub struct BlockCache {
    file: File,
    places: Mutex<Places>,
    complained: AtomicBool,
}

impl BlockCache {
    /// A cache of at most `bytes_max` bytes in a directory, which is made where it is not there. Waits for the file system.
    ///
    /// # Errors
    /// `source.cache` when the directory cannot be written to, or the limit is below [`CACHE_BYTES_MIN`].
    pub fn new(directory: &Path, bytes_max: u64) -> Result<Arc<Self>, Problem> {
        if bytes_max < CACHE_BYTES_MIN {
            let message = format!("a cache of {bytes_max} bytes is too small; give it at least {CACHE_BYTES_MIN}");
            return Err(Problem::sink("source.cache", message));
        }
        let file = fs::create_dir_all(directory).and_then(|()| nameless(directory)).map_err(|error| {
            let what = format!("{} cannot be written to: {error}", directory.display());
            Problem::sink("source.cache", format!("{what}; name a writable directory for remote sources"))
        })?;
        let slots = u32::try_from(bytes_max / BLOCK_BYTES as u64).unwrap_or(u32::MAX);
        Ok(Arc::new(Self { file, places: Mutex::new(Places::new(slots)), complained: AtomicBool::new(false) }))
    }

    /// Bytes that the cache takes up on the disk at most now: places that were ever used since it was last empty.
    pub fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// A number for a new source.
    pub(super) fn enter(&self) -> u64 {
        self.places().enter()
    }

    /// Forgets a source and its blocks.
    pub(super) fn leave(&self, source: u64) {
        let mut places = self.places();
        places.leave(source);
        if places.is_empty() {
            // Under the lock, so that nobody writes meanwhile. Room that stays taken is used again.
            let _ = self.file.set_len(0);
        }
    }

    /// Whether a block is there.
    pub(super) fn has(&self, key: Key) -> bool {
        self.places().has(key)
    }

    /// A part of a block; `None` when it is not there, or cannot be read back.
    pub(super) async fn read(self: &Arc<Self>, key: Key, within: Range<usize>) -> Option<Bytes> {
        let place = self.places().pin(key)?;
        let pin = Pin { cache: Arc::clone(self), key, place };
        // The pin goes along: it must outlive the read even when nobody waits for it any more.
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; within.len()];
            let at = pin.place.offset() + within.start as u64;
            let read = pin.cache.file.read_exact_at(&mut bytes, at);
            drop(pin);
            read.map(|()| Bytes::from(bytes))
        });
        match read.await {
            Ok(Ok(bytes)) => Some(bytes),
            Ok(Err(error)) => {
                self.complain("read", &error);
                self.places().forget(key);
                None
            }
            // The runtime ends.
            Err(_) => {
                self.places().forget(key);
                None
            }
        }
    }

    /// Keeps a block, giving up others for it. Without room, or when the disk fails, it is not kept.
    pub(super) async fn keep(self: &Arc<Self>, key: Key, bytes: Bytes) {
        let Some(reserved) = self.places().reserve(key) else { return };
        let held = Held { cache: Arc::clone(self), reserved: Some(reserved) };
        let written = tokio::task::spawn_blocking(move || {
            let mut held = held;
            let Some(reserved) = held.reserved.take() else { return };
            let written = held.cache.file.write_all_at(&bytes, reserved.place.offset());
            match written {
                Ok(()) => held.cache.places().commit(reserved),
                Err(error) => {
                    held.cache.complain("write to", &error);
                    held.cache.places().release(reserved);
                }
            }
        });
        // A task that was not run, because the runtime ends, gives its place back by being dropped.
        let _ = written.await;
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Said once: a full disk would otherwise say it a thousand times a minute.
    fn complain(&self, what: &str, error: &io::Error) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            tracing::warn!("cannot {what} the cache of remote sources: {error}; sources are read more than once");
        }
    }
}

/// A block that is being read, and stays.
struct Pin {
    cache: Arc<BlockCache>,
    key: Key,
    place: Place,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.cache.places().unpin(self.key, self.place);
    }
}

/// A place that is being written, and is given back when nobody writes it.
struct Held {
    cache: Arc<BlockCache>,
    reserved: Option<Reserved>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.cache.places().release(reserved);
        }
    }
}

/// A new file that nobody else can open. It has a name for a moment, since not every file system can do without.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".reelmill-cache-{}-{:016x}", std::process::id(), fastrand::u64(..)));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
