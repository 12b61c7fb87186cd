//! The simulator's own books of who holds what, and what must be true of every answer. Nothing here is taken from the
//! scheduler: what it believes is compared with what it was told and what it started.

use crate::cost::Way;
use crate::fleet::{Amounts, DIMENSIONS, Fleet, KINDS, NAMES};
use reelmill_scheduler::LeaseId;
use std::collections::BTreeSet;

/// Most violations that are kept: one is enough to fail, a few tell more.
const VIOLATIONS_MOST: usize = 20;

/// One device.
#[derive(Clone, Debug)]
struct Entry {
    kind: usize,
    used: Amounts,
    /// Up as far as the scheduler was told.
    up: bool,
}

/// Who holds what.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    devices: Vec<Entry>,
    host_capacity: Amounts,
    host_used: Amounts,
    leases: BTreeSet<LeaseId>,
    violations: Vec<String>,
    counted: u64,
}

impl Books {
    /// Books of a fleet that nobody uses, with every device up.
    pub(crate) fn new(fleet: &Fleet) -> Self {
        let entry = |kind: &usize| Entry { kind: *kind, used: Amounts::default(), up: true };
        Self {
            devices: fleet.kinds.iter().map(entry).collect(),
            host_capacity: fleet.host,
            host_used: Amounts::default(),
            leases: BTreeSet::new(),
            violations: vec![],
            counted: 0,
        }
    }

    /// Notes that something is not as it must be.
    pub(crate) fn violated(&mut self, what: impl FnOnce() -> String) {
        self.counted += 1;
        if self.violations.len() < VIOLATIONS_MOST {
            self.violations.push(what());
        }
    }

    /// What was found wrong: the first few, and how many in all.
    pub(crate) fn violations(&self) -> (&[String], u64) {
        (&self.violations, self.counted)
    }

    /// The scheduler was told that a device is up, or gone.
    pub(crate) fn told(&mut self, device: u32, up: bool) {
        self.devices[device as usize].up = up;
    }

    /// How much of a device is held.
    pub(crate) fn used(&self, device: u32) -> &Amounts {
        &self.devices[device as usize].used
    }

    /// How many leases are held.
    pub(crate) fn leases(&self) -> usize {
        self.leases.len()
    }

    /// A span starts: takes its lease, and checks that it may.
    pub(crate) fn take(&mut self, lease: LeaseId, way: &Way, device: Option<u32>) {
        if !self.leases.insert(lease) {
            self.violated(|| format!("{lease:?} was given twice"));
        }
        add(&mut self.host_used, &way.host);
        if let Some(over) = over(&self.host_used, &self.host_capacity, &way.host) {
            self.violated(|| format!("the host is oversubscribed in {}", NAMES[over]));
        }
        match (device, way.kind) {
            (None, None) => {}
            (Some(id), Some(kind)) if self.devices.get(id as usize).is_some_and(|entry| entry.kind == kind) => {
                let entry = &mut self.devices[id as usize];
                add(&mut entry.used, &way.device);
                let over = over(&entry.used, &KINDS[kind].capacity, &way.device);
                if !entry.up {
                    self.violated(|| format!("a span was placed on device {id}, which is gone"));
                }
                if let Some(over) = over {
                    self.violated(|| format!("device {id} is oversubscribed in {}", NAMES[over]));
                }
            }
            (id, kind) => self.violated(|| format!("a choice of kind {kind:?} was placed on device {id:?}")),
        }
    }

    /// A span's process is gone: its lease is free.
    pub(crate) fn give(&mut self, lease: LeaseId, way: &Way, device: Option<u32>) {
        self.leases.remove(&lease);
        remove(&mut self.host_used, &way.host);
        if let Some(entry) = device.and_then(|id| self.devices.get_mut(id as usize)) {
            remove(&mut entry.used, &way.device);
        }
    }
}

fn add(to: &mut Amounts, more: &Amounts) {
    (0..DIMENSIONS).for_each(|d| to[d] += more[d]);
}

fn remove(from: &mut Amounts, less: &Amounts) {
    (0..DIMENSIONS).for_each(|d| from[d] -= less[d]);
}

/// The first dimension of which too much is used, of those that were asked for.
fn over(used: &Amounts, capacity: &Amounts, asked: &Amounts) -> Option<usize> {
    (0..DIMENSIONS).find(|d| asked[*d] > 0 && used[*d] > capacity[*d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::catalogue;

    #[test]
    fn the_books_see_oversubscription_devices_that_are_gone_and_leases_given_twice() {
        let fleet = Fleet::new(100);
        let device = (0_u32..).zip(&fleet.kinds).find(|(_, kind)| **kind == 0).map(|(id, _)| id);
        let shapes = catalogue();
        let way = shapes[0].ways.iter().find(|way| way.kind == Some(0)).unwrap();
        let found = |act: &dyn Fn(&mut Books)| {
            let mut books = Books::new(&fleet);
            act(&mut books);
            books.violations().0.join("; ")
        };
        assert_eq!(found(&|books| books.take(LeaseId(0), way, device)), "");
        let twice = found(&|books| (0..2).for_each(|lease| books.take(LeaseId(lease), way, device)));
        assert!(twice.contains("oversubscribed in device.encode_share"), "{twice}");
        let gone = found(&|books| {
            books.told(device.unwrap_or(0), false);
            books.take(LeaseId(0), way, device);
        });
        assert!(gone.contains("which is gone"), "{gone}");
        assert!(found(&|books| books.take(LeaseId(0), way, None)).contains("was placed on device None"));
        let again = found(&|books| {
            books.take(LeaseId(0), way, device);
            books.give(LeaseId(0), way, device);
            books.take(LeaseId(1), way, device);
            assert_eq!(books.leases(), 1);
        });
        assert_eq!(again, "");
    }
}
