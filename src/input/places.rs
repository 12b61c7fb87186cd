//! Which block lies where in the cache's file: the bookkeeping of `cache`, without IO.

use super::BLOCK_BYTES;
use std::collections::{BTreeMap, BTreeSet};

/// A block: the number of its source, and its own.
pub(super) type Key = (u64, u64);

/// A place of one block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place(u32);

impl Place {
    pub(super) const fn offset(self) -> u64 {
        self.0 as u64 * BLOCK_BYTES as u64
    }
}

/// A place that is being written for a block. Must be committed or released.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) place: Place,
    key: Key,
}

#[derive(Debug)]
struct Block {
    place: Place,
    used: u64,
    readers: u32,
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    /// Places in all.
    slots: u32,
    /// Places that were ever used; those from here on are free.
    begun: u32,
    /// Free places below `begun`.
    free: BTreeSet<Place>,
    blocks: BTreeMap<Key, Block>,
    /// Blocks by their last use.
    by_use: BTreeMap<u64, Key>,
    /// Places whose block is forgotten while somebody still reads it, with how many do.
    orphans: BTreeMap<Place, u32>,
    /// Places that are being written.
    reserved: u32,
    clock: u64,
    sources: BTreeSet<u64>,
    sources_ever: u64,
}

impl Places {
    pub(super) const fn new(slots: u32) -> Self {
        Self {
            slots,
            begun: 0,
            free: BTreeSet::new(),
            blocks: BTreeMap::new(),
            by_use: BTreeMap::new(),
            orphans: BTreeMap::new(),
            reserved: 0,
            clock: 0,
            sources: BTreeSet::new(),
            sources_ever: 0,
        }
    }

    pub(super) fn enter(&mut self) -> u64 {
        self.sources_ever += 1;
        self.sources.insert(self.sources_ever);
        self.sources_ever
    }

    pub(super) fn leave(&mut self, source: u64) {
        self.sources.remove(&source);
        let keys: Vec<Key> = self.blocks.range((source, 0)..=(source, u64::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            self.forget(key);
        }
        if self.is_empty() {
            self.begun = 0;
            self.free.clear();
        }
    }

    /// Whether nothing is kept, read or written.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.orphans.is_empty() && self.reserved == 0
    }

    pub(super) fn has(&self, key: Key) -> bool {
        self.blocks.contains_key(&key)
    }

    /// Where a block lies, for a reader. The block stays until it is unpinned.
    pub(super) fn pin(&mut self, key: Key) -> Option<Place> {
        self.clock += 1;
        let block = self.blocks.get_mut(&key)?;
        self.by_use.remove(&block.used);
        self.by_use.insert(self.clock, key);
        block.used = self.clock;
        block.readers += 1;
        Some(block.place)
    }

    pub(super) fn unpin(&mut self, key: Key, place: Place) {
        if let Some(readers) = self.orphans.get_mut(&place) {
            *readers -= 1;
            if *readers == 0 {
                self.orphans.remove(&place);
                self.free.insert(place);
            }
        } else if let Some(block) = self.blocks.get_mut(&key) {
            block.readers = block.readers.saturating_sub(1);
        }
    }

    /// A place for a block; `None` when it is there already, or when everything is in use.
    pub(super) fn reserve(&mut self, key: Key) -> Option<Reserved> {
        if self.has(key) {
            return None;
        }
        if self.free.is_empty() && self.begun == self.slots {
            let idle = |key: &&Key| self.blocks.get(key).is_some_and(|block| block.readers == 0);
            let oldest = self.by_use.values().find(idle).copied()?;
            self.forget(oldest);
        }
        let place = self.free.pop_first().unwrap_or_else(|| {
            self.begun += 1;
            Place(self.begun - 1)
        });
        self.reserved += 1;
        Some(Reserved { place, key })
    }

    /// The block is written. One whose source has left meanwhile is not kept.
    pub(super) fn commit(&mut self, reserved: Reserved) {
        let Reserved { place, key } = reserved;
        if !self.sources.contains(&key.0) || self.has(key) {
            return self.release(Reserved { place, key });
        }
        self.reserved -= 1;
        self.clock += 1;
        self.by_use.insert(self.clock, key);
        self.blocks.insert(key, Block { place, used: self.clock, readers: 0 });
    }

    /// The block was not written.
    pub(super) fn release(&mut self, reserved: Reserved) {
        self.reserved -= 1;
        self.free.insert(reserved.place);
    }

    pub(super) fn forget(&mut self, key: Key) {
        let Some(block) = self.blocks.remove(&key) else { return };
        self.by_use.remove(&block.used);
        if block.readers == 0 {
            self.free.insert(block.place);
        } else {
            self.orphans.insert(block.place, block.readers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(places: &mut Places, key: Key) -> Option<Place> {
        let reserved = places.reserve(key)?;
        let place = reserved.place;
        places.commit(reserved);
        Some(place)
    }

    #[test]
    fn the_block_that_was_not_read_for_the_longest_time_goes() {
        let mut places = Places::new(2);
        let source = places.enter();
        keep(&mut places, (source, 0));
        keep(&mut places, (source, 1));
        let place = places.pin((source, 0)).unwrap();
        places.unpin((source, 0), place);
        keep(&mut places, (source, 2));
        assert!(places.has((source, 0)) && !places.has((source, 1)) && places.has((source, 2)));
    }

    #[test]
    fn what_is_read_or_written_is_never_given_to_another() {
        let mut places = Places::new(2);
        let source = places.enter();
        keep(&mut places, (source, 0));
        let read = places.pin((source, 0)).unwrap();
        let written = places.reserve((source, 1)).unwrap();
        assert!(places.reserve((source, 2)).is_none(), "nothing is free");
        places.leave(source);
        let next = places.enter();
        assert!(places.reserve((next, 0)).is_none(), "a reader and a writer are still there");
        places.unpin((source, 0), read);
        assert_eq!(keep(&mut places, (next, 0)), Some(read));
        places.commit(written);
        assert!(!places.has((source, 1)), "its source has left");
        assert!(keep(&mut places, (next, 1)).is_some());
        places.leave(next);
        assert!(places.is_empty() && places.begun == 0);
    }

    #[test]
    fn a_block_is_kept_once() {
        let mut places = Places::new(4);
        let source = places.enter();
        let (one, two) = (places.reserve((source, 0)).unwrap(), places.reserve((source, 0)).unwrap());
        places.commit(one);
        places.commit(two);
        assert_eq!((places.blocks.len(), places.free.len(), places.reserved), (1, 1, 0));
    }
}
