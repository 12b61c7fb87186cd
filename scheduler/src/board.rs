//! Which lists of choices are waited with, and which of those may fit now. A list that did not fit is not looked at again
//! until something of what it needs is free.

use crate::bits::Bits;
use crate::fleet::Fleet;
use crate::pool::Pool;
use crate::vector::Dimension;
use crate::way::{Candidates, Held, Shapes};
use std::collections::BTreeSet;

/// The lists, and what is known of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Board {
    pub(crate) shapes: Shapes,
    /// Those that some job has waited with. What is known of them is kept up to date while any job has them, waiting or
    /// not, since to find it out anew takes a search.
    pub(crate) known: Bits,
    /// By class, those that some job of the class waits with and that may fit.
    pub(crate) open: [Bits; 3],
    /// Counts up with each change of what there is in all.
    pub(crate) version: u64,
    /// Those with a way that is not taken for the sake of a better one.
    held: Bits,
    /// Kept for their memory: lists that a device, or the host, has more room for.
    gainers: Bits,
    gained_host: [Bits; 3],
    /// Those that did not fit, by the time since when none was started, ms.
    pub(crate) blocked: BTreeSet<(u64, u32)>,
}

/// Why a list does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lack {
    /// For the best of the choices.
    pub(crate) dimension: Dimension,
    /// One fits, but a better one is free soon.
    pub(crate) held_back: Option<Held>,
}

impl Board {
    /// One more job of a class waits with a list.
    pub(crate) fn wait(&mut self, id: u32, class: usize, fleet: &Fleet) {
        let Some(shape) = self.shapes.get_mut(id) else { return };
        if !shape.is_known {
            shape.is_known = true;
            self.known.insert(id);
        }
        // The better device is further away by one job.
        shape.reconsider(class, fleet);
        shape.waiting[class] += 1;
        if shape.fits[class] != Candidates::Nowhere {
            self.open[class].insert(id);
        }
    }

    /// One job less of a class waits with a list.
    pub(crate) fn leave(&mut self, id: u32, class: usize) {
        let Some(shape) = self.shapes.get_mut(id) else { return };
        shape.waiting[class] -= 1;
        if shape.waiting[class] == 0 {
            self.open[class].remove(id);
        }
        if shape.waiting == [0; 3]
            && let Some(since) = shape.blocked_since.take()
        {
            self.blocked.remove(&(since, id));
        }
    }

    /// A list was tried for a class and did not fit; `short` are the needs of the host for want of which it did not.
    pub(crate) fn block(&mut self, id: u32, class: usize, lack: Lack, short: &[u32], now: u64) {
        short.iter().for_each(|need| self.shapes.hosts.is_short(*need, id, class));
        let Some(shape) = self.shapes.get_mut(id) else { return };
        shape.fits[class] = Candidates::Nowhere;
        shape.held_back[class] = lack.held_back;
        if lack.held_back.is_some() {
            self.held.insert(id);
        }
        shape.lacks[class] = Some(lack.dimension);
        if shape.blocked_since.is_none() {
            shape.blocked_since = Some(now);
            self.blocked.insert((now, id));
        }
        self.open[class].remove(id);
    }

    /// Leaves out what no longer fits since something was started, without finding out anew what it lacks: much may have
    /// fitted into the room that one has taken.
    pub(crate) fn prune(&mut self, class: usize, pool: &Pool, now: u64) {
        let mut from = 0;
        while let Some(id) = self.open[class].from(from) {
            from = id + 1;
            let was_tried = self.shapes.get(id).is_some_and(|shape| shape.lacks[class].is_some());
            if !was_tried || self.shapes.still_fits(id, class, pool) {
                continue;
            }
            if let Some(shape) = self.shapes.get_mut(id).filter(|shape| shape.blocked_since.is_none()) {
                shape.blocked_since = Some(now);
                self.blocked.insert((now, id));
            }
            self.open[class].remove(id);
        }
    }

    /// A job with the list was started.
    pub(crate) fn started(&mut self, id: u32) {
        if let Some(since) = self.shapes.get_mut(id).and_then(|shape| shape.blocked_since.take()) {
            self.blocked.remove(&(since, id));
        }
    }

    /// A device may have more room than before, or is of no use to wait for any more.
    pub(crate) fn room_on(&mut self, slot: u32, pool: &Pool) {
        let Some(device) = pool.fleet.slot(slot) else { return };
        let mut gainers = std::mem::take(&mut self.gainers);
        gainers.clear();
        self.shapes.needs.gained(slot, device, &pool.fleet, &mut gainers);
        for id in gainers.iter() {
            let gained = self.shapes.device_gained(id, slot, device, pool);
            let Some(shape) = self.shapes.get(id) else { continue };
            for class in (0..3).filter(|class| gained[*class] && shape.waiting[*class] > 0) {
                let held = shape.held_back[class].filter(|held| held.is_left_on(device.kind));
                if !held.is_some_and(|held| held.is_better(&pool.fleet, class)) {
                    self.open[class].insert(id);
                }
            }
        }
        self.gainers = gainers;
        // With a lease less on the better kind it is another reckoning.
        self.reconsider(&pool.fleet);
    }

    /// Looks again at what is not taken for the sake of something better.
    pub(crate) fn reconsider(&mut self, fleet: &Fleet) {
        let mut from = 0;
        while let Some(id) = self.held.from(from) {
            from = id + 1;
            let Some(shape) = self.shapes.get_mut(id) else {
                self.held.remove(id);
                continue;
            };
            for class in 0..3 {
                if shape.reconsider(class, fleet) && shape.waiting[class] > 0 {
                    self.open[class].insert(id);
                }
            }
            if shape.held_back.iter().all(Option::is_none) {
                self.held.remove(id);
            }
        }
    }

    /// The host may have more room than before.
    pub(crate) fn room_on_host(&mut self, pool: &Pool) {
        let mut gained = std::mem::take(&mut self.gained_host);
        self.shapes.hosts.gained(pool, &mut gained);
        for (class, gained) in gained.iter_mut().enumerate() {
            for id in gained.iter() {
                let Some(shape) = self.shapes.get_mut(id) else { continue };
                shape.fits[class] = Candidates::Anywhere;
                if shape.waiting[class] > 0 {
                    self.open[class].insert(id);
                }
            }
            gained.clear();
        }
        self.gained_host = gained;
    }
}
