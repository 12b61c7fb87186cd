//! Which lists of choices are waited with, and which of those may fit now. A list that did not fit is not looked at again
//! until something of what it needs is free.

use crate::bits::Bits;
use crate::fleet::Fleet;
use crate::pool::Pool;
use crate::vector::Dimension;
use crate::way::{Held, Shapes};
use std::collections::BTreeSet;

/// The lists, and what is known of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Board {
    pub(crate) shapes: Shapes,
    /// Those that some job has waited with.
    pub(crate) known: Bits,
    /// By class, those that some job of the class waits with and that may fit.
    pub(crate) open: [Bits; 3],
    /// Counts up with each change of what there is in all.
    pub(crate) version: u64,
    /// By class, those that some job of the class waits with.
    waiting: [Bits; 3],
    /// By class, those of which it was found out what they lack.
    tried: [Bits; 3],
    /// Those with a way that is not taken for the sake of a better one.
    held: Bits,
    /// Those that did not fit since one was started.
    late: Bits,
    /// Kept for their memory.
    scratch: Scratch,
    /// Those that did not fit, by the time since when none was started, ms.
    pub(crate) blocked: BTreeSet<(u64, u32)>,
}

/// Sets of lists that are made anew each time.
#[derive(Clone, Default, Debug)]
struct Scratch {
    gainers: Bits,
    /// By class, those of them that leave the room to others.
    left: [Bits; 3],
    reach: Bits,
    gone: Bits,
}

/// So many lists are looked at one by one.
const FEW: u32 = 3;

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
            // Another one may have had its number.
            self.tried.iter_mut().for_each(|tried| tried.remove(id));
            self.late.remove(id);
        }
        // The better device is further away by one job.
        let may = shape.reconsider(class, fleet);
        shape.waiting[class] += 1;
        if may || shape.waiting[class] == 1 {
            self.waiting[class].insert(id);
            self.open[class].insert(id);
        }
    }

    /// One job less of a class waits with a list.
    pub(crate) fn leave(&mut self, id: u32, class: usize) {
        let Some(shape) = self.shapes.get_mut(id) else { return };
        shape.waiting[class] -= 1;
        if shape.waiting[class] == 0 {
            self.open[class].remove(id);
            self.waiting[class].remove(id);
        }
        if shape.waiting == [0; 3] {
            self.started(id);
        }
    }

    /// A list was tried for a class and did not fit; `short` are the needs of the host for want of which it did not.
    pub(crate) fn block(&mut self, id: u32, class: usize, lack: Lack, short: &[u32], now: u64) {
        short.iter().for_each(|need| self.shapes.hosts.is_short(*need, class));
        let Some(shape) = self.shapes.get_mut(id) else { return };
        shape.held_back[class] = lack.held_back;
        if lack.held_back.is_some() {
            self.held.insert(id);
        }
        shape.lacks[class] = Some(lack.dimension);
        self.tried[class].insert(id);
        self.close(id, class, now);
    }

    fn close(&mut self, id: u32, class: usize, now: u64) {
        self.open[class].remove(id);
        if !self.late.contains(id)
            && let Some(shape) = self.shapes.get_mut(id)
        {
            shape.blocked_since = Some(now);
            self.blocked.insert((now, id));
            self.late.insert(id);
        }
    }

    /// Leaves out what no longer fits since something was started, without finding out anew what it lacks: much may have
    /// fitted into the room that one has taken.
    pub(crate) fn prune(&mut self, class: usize, pool: &Pool, now: u64) {
        let open = self.open[class].len();
        if open == 0 {
            return;
        }
        if open > FEW {
            // Most of many have no device any more, which needs tell for all at once.
            let Scratch { reach, gone, .. } = &mut self.scratch;
            reach.clear();
            self.shapes.needs.reach(class, reach);
            self.shapes.hosts.reach(class, pool, reach);
            self.open[class].split_off(&self.tried[class], reach, gone);
            let mut from = 0;
            while let Some(id) = self.scratch.gone.from(from) {
                from = id + 1;
                self.close(id, class, now);
            }
        }
        let mut from = 0;
        while let Some(id) = self.open[class].from(from) {
            from = id + 1;
            if self.tried[class].contains(id) && !self.shapes.still_fits(id, class, pool) {
                self.close(id, class, now);
            }
        }
    }

    /// A job with the list was started, or none waits any more.
    pub(crate) fn started(&mut self, id: u32) {
        if let Some(since) = self.shapes.get_mut(id).and_then(|shape| shape.blocked_since.take()) {
            self.blocked.remove(&(since, id));
            self.late.remove(id);
        }
    }

    /// A device has less room than before.
    pub(crate) fn less_room_on(&mut self, slot: u32, fleet: &Fleet) {
        if let Some(device) = fleet.slot(slot) {
            self.shapes.needs.lost(slot, device);
        }
    }

    /// A device may have more room than before, or is of no use to wait for any more.
    pub(crate) fn room_on(&mut self, slot: u32, pool: &Pool) {
        let Some(device) = pool.fleet.slot(slot) else { return };
        let Scratch { gainers, left, .. } = &mut self.scratch;
        gainers.clear();
        left.iter_mut().for_each(Bits::clear);
        self.shapes.needs.gained(slot, device, &pool.fleet, gainers);
        for id in gainers.both(&self.held) {
            let Some(shape) = self.shapes.get(id) else { continue };
            for (class, left) in left.iter_mut().enumerate() {
                let held = shape.held_back[class].filter(|held| held.is_left_on(device.kind));
                if held.is_some_and(|held| held.is_better(&pool.fleet, class)) {
                    left.insert(id);
                }
            }
        }
        for (class, left) in left.iter().enumerate() {
            self.open[class].add_both_without(gainers, &self.waiting[class], left);
        }
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
        self.shapes.hosts.gained(pool, &self.waiting, &mut self.open);
    }
}
