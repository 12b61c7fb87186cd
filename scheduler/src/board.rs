//! Which lists of choices are waited with, and which of those may fit now. A list that did not fit is not looked at again
//! until something of what it needs is free.

use crate::fleet::Fleet;
use crate::share::Share;
use crate::vector::Dimension;
use crate::way::{Candidates, Shapes};
use std::collections::BTreeSet;

/// The lists, and what is known of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Board {
    pub(crate) shapes: Shapes,
    /// Those that some job waits with.
    pub(crate) waiting: BTreeSet<u32>,
    /// The same by the number of each kind that they name.
    by_kind: Vec<BTreeSet<u32>>,
    /// By class, those that some job of the class waits with and that may fit.
    pub(crate) open: [BTreeSet<u32>; 3],
    /// Counts up with each change of what there is in all.
    pub(crate) version: u64,
    /// Those that did not fit, by the time since when none was started, ms.
    pub(crate) blocked: BTreeSet<(u64, u32)>,
}

/// Why a list does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lack {
    /// For the best of the choices.
    pub(crate) dimension: Dimension,
    /// The host has too little for one of them.
    pub(crate) host_short: bool,
    /// One fits, but a better one is free soon.
    pub(crate) held_back: bool,
}

impl Board {
    /// One more job of a class waits with a list.
    pub(crate) fn wait(&mut self, id: u32, class: usize) {
        let Some(shape) = self.shapes.get_mut(id) else { return };
        if shape.waiting == [0; 3] {
            // Nothing was kept about it while nobody waited.
            shape.fits = [Candidates::Anywhere, Candidates::Anywhere, Candidates::Anywhere];
            shape.held_back = [false; 3];
            shape.blocked_since = None;
            for kind in &shape.kinds {
                let at = *kind as usize;
                if self.by_kind.len() <= at {
                    self.by_kind.resize(at + 1, BTreeSet::new());
                }
                self.by_kind[at].insert(id);
            }
            self.waiting.insert(id);
        } else if shape.held_back[class] {
            // The better device is further away by one job.
            shape.fits[class] = Candidates::Anywhere;
        }
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
            self.open[class].remove(&id);
        }
        if shape.waiting == [0; 3] {
            self.waiting.remove(&id);
            for kind in &shape.kinds {
                if let Some(shapes) = self.by_kind.get_mut(*kind as usize) {
                    shapes.remove(&id);
                }
            }
            if let Some(since) = shape.blocked_since.take() {
                self.blocked.remove(&(since, id));
            }
        }
    }

    /// A list was tried for a class and did not fit.
    pub(crate) fn block(&mut self, id: u32, class: usize, lack: Lack, now: u64) {
        let Some(shape) = self.shapes.get_mut(id) else { return };
        shape.fits[class] = Candidates::Nowhere;
        shape.host_short |= lack.host_short;
        shape.held_back[class] = lack.held_back;
        shape.lacks[class] = Some(lack.dimension);
        if shape.blocked_since.is_none() {
            shape.blocked_since = Some(now);
            self.blocked.insert((now, id));
        }
        self.open[class].remove(&id);
    }

    /// A job with the list was started.
    pub(crate) fn started(&mut self, id: u32) {
        if let Some(since) = self.shapes.get_mut(id).and_then(|shape| shape.blocked_since.take()) {
            self.blocked.remove(&(since, id));
        }
    }

    /// A device may have more room than before, or is of no use to wait for any more.
    pub(crate) fn room_on(&mut self, slot: u32, fleet: &Fleet, host: &Share) {
        let Some(device) = fleet.slot(slot) else { return };
        let Some(shapes) = self.by_kind.get(device.kind as usize) else { return };
        for id in shapes {
            let Some(shape) = self.shapes.get_mut(*id) else { continue };
            if shape.ways.iter().any(|way| device.fits(way) && host.fits(&way.host)) {
                for class in 0..3 {
                    shape.fits[class].add(slot);
                    if shape.waiting[class] > 0 {
                        self.open[class].insert(*id);
                    }
                }
            }
            // With a lease less on the better kind it is another reckoning.
            for class in (0..3).filter(|class| shape.held_back[*class] && shape.waiting[*class] > 0) {
                shape.fits[class] = Candidates::Anywhere;
                self.open[class].insert(*id);
            }
        }
    }

    /// The host may have more room than before.
    pub(crate) fn room_on_host(&mut self, host: &Share) {
        for id in &self.waiting {
            let Some(shape) = self.shapes.get_mut(*id) else { continue };
            if shape.host_short && shape.ways.iter().any(|way| host.fits(&way.host)) {
                shape.host_short = false;
                shape.fits = [Candidates::Anywhere, Candidates::Anywhere, Candidates::Anywhere];
                for class in (0..3).filter(|class| shape.waiting[*class] > 0) {
                    self.open[class].insert(*id);
                }
            }
        }
    }
}
