//! Sources that are read over a network, block by block, each block once for all readers.
//!
//! Receives: reads of any range, from any number of tasks. A block that is in the cache comes from there; one that is on
//! its way is waited for; any other one is fetched by a task of its own, together with those that `ahead` wants. Owns: the
//! fetching tasks, which end with the last clone of the source, so that nothing of a stopped job goes on fetching.
//! Bound: what readers wait for, and [`FLIGHTS_MAX`] blocks for read-ahead.

use super::BLOCK_BYTES;
use super::ahead::{Ahead, WINDOW_MAX};
use super::cache::BlockCache;
use crate::model::Problem;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Blocks of one source that may be under way before read-ahead waits its turn: two readers at full speed. More would be
/// more connections than a server gives to one client.
const FLIGHTS_MAX: usize = 2 * WINDOW_MAX as usize;

/// Something with bytes at offsets, far away. Implementations try again what may succeed; an error is the last word.
pub trait RemoteRanges: Send + Sync + Debug {
    /// The bytes from `offset` on: exactly `length` of them, fewer only where the source ends before.
    ///
    /// # Errors
    /// `source.*`: `Fault::Sink` for what may pass, `Fault::Input` for what is the client's to mend.
    fn read(&self, offset: u64, length: usize) -> BoxFuture<'_, Result<Bytes, Problem>>;

    /// What tells this content from another of the same size; empty where nothing does.
    fn version(&self) -> String {
        String::new()
    }
}

/// A block on its way; holds `Some` once it is there, or cannot be had.
type Outcome = watch::Receiver<Option<Result<Bytes, Problem>>>;
type Flights = Mutex<BTreeMap<u64, (Outcome, Option<AbortHandle>)>>;

/// An open remote source.
#[derive(Debug)]
pub(super) struct Remote {
    name: String,
    size_bytes: u64,
    ranges: Arc<dyn RemoteRanges>,
    cache: Arc<BlockCache>,
    /// The source's number in the cache.
    id: u64,
    flights: Arc<Flights>,
    ahead: Mutex<Ahead>,
    fetched: Arc<AtomicU64>,
}

impl Remote {
    pub(super) fn new(name: &str, size_bytes: u64, ranges: Arc<dyn RemoteRanges>, cache: &Arc<BlockCache>) -> Self {
        Self {
            name: name.to_owned(),
            size_bytes,
            ranges,
            id: cache.enter(),
            cache: Arc::clone(cache),
            flights: Arc::default(),
            ahead: Mutex::new(Ahead::new(size_bytes)),
            fetched: Arc::default(),
        }
    }

    /// Puts the first block into the cache: it came with the answer that opened the source.
    pub(super) async fn seed(&self, first: Bytes) {
        self.fetched.fetch_add(first.len() as u64, Ordering::Relaxed);
        if first.len() == self.length_of(0) {
            self.cache.keep((self.id, 0), first).await;
        }
    }

    /// Bytes fetched so far, those read ahead included.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Up to `length` bytes from `offset`; fewer only at the end, none beyond it.
    pub(super) async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Problem> {
        let length = (length as u64).min(self.size_bytes.saturating_sub(offset));
        if length == 0 {
            return Ok(Bytes::new());
        }
        let block = BLOCK_BYTES as u64;
        let (first, last) = (offset / block, (offset + length - 1) / block);
        let wanted = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).read(offset, length);
        // All are started before the first is waited for.
        let outcomes: Vec<_> = (first..=last).map(|block| self.outcome(block)).collect();
        self.fetch_ahead(wanted);
        let mut whole = BytesMut::new();
        for (at, outcome) in (first..=last).zip(outcomes) {
            let from = offset.saturating_sub(at * block) as usize;
            let to = (offset + length - at * block).min(block) as usize;
            let part = self.part(at, from..to, outcome).await?;
            if first == last {
                return Ok(part);
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    fn fetch_ahead(&self, wanted: Range<u64>) {
        for block in wanted {
            if self.flights.lock().unwrap_or_else(PoisonError::into_inner).len() >= FLIGHTS_MAX {
                return;
            }
            self.outcome(block);
        }
    }

    /// A part of a block, from wherever it is.
    async fn part(&self, block: u64, within: Range<usize>, outcome: Option<Outcome>) -> Result<Bytes, Problem> {
        let mut outcome = outcome;
        loop {
            if let Some(mut outcome) = outcome {
                let came = outcome.wait_for(Option::is_some).await.ok().and_then(|came| came.clone());
                let lost =
                    || Problem::bug("internal.panic", "a read of the source ended early; report this with the log");
                return came.ok_or_else(lost)?.map(|bytes| bytes.slice(within));
            }
            if let Some(bytes) = self.cache.read((self.id, block), within.clone()).await {
                return Ok(bytes);
            }
            // It was given up in between; now it is fetched again.
            outcome = self.outcome(block);
        }
    }

    /// What to wait for to have a block; `None` when it is in the cache. Starts to fetch it when nobody does.
    fn outcome(&self, block: u64) -> Option<Outcome> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((outcome, _)) = flights.get(&block) {
            return Some(outcome.clone());
        }
        // A fetched block is in the cache before its flight ends, so one that is in neither place is nowhere.
        if self.cache.has((self.id, block)) {
            return None;
        }
        let (tell, outcome) = watch::channel(None);
        flights.insert(block, (outcome.clone(), None));
        let flight = Flight {
            ranges: Arc::clone(&self.ranges),
            cache: Arc::clone(&self.cache),
            fetched: Arc::clone(&self.fetched),
            name: self.name.clone(),
            source: self.id,
            length: self.length_of(block),
            landing: Landing { flights: Arc::clone(&self.flights), block },
        };
        let task = tokio::spawn(flight.fly(tell));
        if let Some(entry) = flights.get_mut(&block) {
            entry.1 = Some(task.abort_handle());
        }
        Some(outcome)
    }

    fn length_of(&self, block: u64) -> usize {
        (self.size_bytes - block * BLOCK_BYTES as u64).min(BLOCK_BYTES as u64) as usize
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let flights = std::mem::take(&mut *self.flights.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, task) in flights.into_values() {
            task.inspect(AbortHandle::abort);
        }
        self.cache.leave(self.id);
    }
}

/// The fetching of one block.
struct Flight {
    ranges: Arc<dyn RemoteRanges>,
    cache: Arc<BlockCache>,
    fetched: Arc<AtomicU64>,
    name: String,
    source: u64,
    length: usize,
    landing: Landing,
}

impl Flight {
    async fn fly(self, tell: watch::Sender<Option<Result<Bytes, Problem>>>) {
        let block = self.landing.block;
        let read = self.ranges.read(block * BLOCK_BYTES as u64, self.length).await;
        let read = read.and_then(|bytes| {
            if bytes.len() == self.length {
                return Ok(bytes);
            }
            let message = format!("{} gave fewer bytes than it has; check where it is stored", self.name);
            Err(Problem::sink("source.unavailable", message))
        });
        match read {
            Ok(bytes) => {
                self.fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                // Readers need not wait for the disk.
                tell.send_replace(Some(Ok(bytes.clone())));
                self.cache.keep((self.source, block), bytes).await;
            }
            Err(problem) => {
                // Who reads after this was told tries again.
                drop(self.landing);
                tell.send_replace(Some(Err(problem)));
            }
        }
    }
}

/// Takes a flight off the list, however it ends.
struct Landing {
    flights: Arc<Flights>,
    block: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.block);
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
