//! What there is, and who holds how much of it. The one place where leases are taken and returned.

use crate::choice::{Choice, Device, DeviceId};
use crate::fleet::Fleet;
use crate::ids::IdMap;
use crate::names::Names;
use crate::share::{Blocked, Share};
use crate::vector::{Dimension, Vector};
use crate::way::Way;
use std::sync::Arc;

/// Names one lease; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseId(pub u64);

/// What a lease holds.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) way: Arc<Way>,
    pub(crate) slot: Option<u32>,
    /// Abilities that failed while it was held, by their numbers.
    pub(crate) failed: Vec<u32>,
}

/// The host, its devices, and the leases on them.
#[derive(Clone, Default, Debug)]
pub struct Pool {
    pub(crate) dimensions: Names<Dimension>,
    pub(crate) host: Share,
    pub(crate) fleet: Fleet,
    /// By class and dimension, what of the host is kept free for it and higher ones.
    pub(crate) kept: [Vec<u64>; 3],
    leases: IdMap<LeaseId, Lease>,
    next: u64,
}

impl Pool {
    /// A host without devices, of which nobody holds anything.
    pub fn new(capacity: Vector) -> Self {
        let mut dimensions = Names::default();
        let host = Share::new(&mut dimensions, capacity);
        Self { dimensions, host, ..Self::default() }
    }

    /// The host.
    pub fn host(&self) -> &Share {
        &self.host
    }

    /// A device that is there.
    pub fn device(&self, id: DeviceId) -> Option<&Share> {
        let slot = self.fleet.slot(*self.fleet.by_id.get(&id)?)?;
        slot.up.then_some(&slot.share)
    }

    /// The devices that are there, in order of their ids.
    pub fn devices(&self) -> impl Iterator<Item = (&Device, &Share)> {
        let known = self.fleet.by_id.values().filter_map(|slot| self.fleet.slot(*slot));
        known.filter(|slot| slot.up).map(|slot| (&slot.device, &slot.share))
    }

    /// How many leases are held.
    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    /// What keeps a choice from being taken now on a device, or on the host alone. Changes nothing.
    pub fn blocked_by(&self, choice: &Choice, device: Option<DeviceId>) -> Option<Blocked> {
        let on_device = device.and_then(|id| self.device(id)).and_then(|share| share.blocked_by(&choice.device));
        on_device.or_else(|| self.host.blocked_by(&choice.host))
    }

    /// The first of the dimensions of which the host has too little free for a class, when what is kept for others is not.
    pub(crate) fn host_lacks(&self, need: &[(u32, u64)], class: usize) -> Option<u32> {
        self.host.lacks(need, |id| self.withheld(id, class))
    }

    /// How much of the host is kept free for others, who are of this class or a higher one.
    pub(crate) fn withheld(&self, id: u32, class: usize) -> u64 {
        self.kept[class].get(id as usize).copied().unwrap_or(0)
    }

    /// Takes a lease: the one commit point. Refused, and nothing changed, when the way does not fit.
    pub(crate) fn commit(&mut self, way: &Arc<Way>, slot: Option<u32>) -> Option<LeaseId> {
        let fits_device = match slot {
            Some(slot) => self.fleet.slot(slot)?.fits(way),
            None => way.kind.is_none(),
        };
        if !fits_device || !self.host.fits(&way.host) {
            return None;
        }
        let lease = LeaseId(self.next);
        self.next += 1;
        self.host.take(&way.host, &way.host_vector);
        if let Some(slot) = slot {
            self.fleet.take(slot, way);
        }
        self.leases.insert(lease, Lease { way: Arc::clone(way), slot, failed: Vec::new() });
        Some(lease)
    }

    /// Returns a lease. One that is not held is ignored, so that nothing can be returned twice.
    pub(crate) fn release(&mut self, lease: LeaseId) -> Option<Lease> {
        let held = self.leases.remove(&lease)?;
        self.host.give(&held.way.host, &held.way.host_vector);
        if let Some(slot) = held.slot {
            self.fleet.give(slot, &held.way);
        }
        Some(held)
    }

    pub(crate) fn lease(&self, lease: LeaseId) -> Option<&Lease> {
        self.leases.get(&lease)
    }

    /// Notes that an ability failed while a lease was held.
    pub(crate) fn failed(&mut self, lease: LeaseId, ability: u32) {
        if let Some(lease) = self.leases.get_mut(&lease).filter(|lease| !lease.failed.contains(&ability)) {
            lease.failed.push(ability);
        }
    }

    /// What there is has changed. Leases are kept: less capacity only delays what comes next.
    pub(crate) fn set_host(&mut self, capacity: Vector) {
        self.host.set_capacity(&mut self.dimensions, capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::{Group, KindId};
    use crate::vector::{CPU_THREADS, ENCODE_SHARE};
    use crate::way::Shapes;

    fn way(pool: &mut Pool, choice: Choice) -> Arc<Way> {
        let mut shapes = Shapes::default();
        let shape = shapes.of_group(&Group { choices: vec![choice] }, &mut pool.dimensions, &mut pool.fleet);
        Arc::clone(&shapes.get(shape).unwrap().ways[0])
    }

    #[test]
    fn a_refused_commit_changes_nothing_and_a_lease_is_returned_once() {
        let mut pool = Pool::new(Vector::of(CPU_THREADS, 4));
        let choice = |count| Group::on_host(Vector::of(CPU_THREADS, count)).choices.remove(0);
        let (three, two) = (way(&mut pool, choice(3)), way(&mut pool, choice(2)));
        let first = pool.commit(&three, None).unwrap();
        assert_eq!(pool.commit(&two, None), None);
        let refused = pool.blocked_by(&choice(2), None);
        assert_eq!(refused, Some(Blocked { dimension: CPU_THREADS, needed: 2, free: 1 }));
        assert_eq!((pool.host().used().get(&CPU_THREADS), pool.leases()), (3, 1));
        assert!(pool.release(first).is_some());
        assert!(pool.release(first).is_none());
        assert!(pool.host().used().is_zero());
    }

    #[test]
    fn a_lease_is_taken_of_device_and_host_together_or_not_at_all() {
        let mut pool = Pool::new(Vector::of(CPU_THREADS, 1));
        let device = Device { id: DeviceId(7), kind: KindId(1), capacity: Vector::of(ENCODE_SHARE, 1000) };
        let (slot, _) = pool.fleet.set(device);
        let choice = Choice {
            kind: Some(KindId(1)),
            abilities: vec![],
            device: Vector::of(ENCODE_SHARE, 500),
            host: Vector::of(CPU_THREADS, 1),
            identity: 0,
            run_ms: 0,
        };
        let way = way(&mut pool, choice);
        let lease = pool.commit(&way, Some(slot)).unwrap();
        assert_eq!(pool.commit(&way, Some(slot)), None, "the device has room, the host has not");
        assert_eq!(pool.device(DeviceId(7)).unwrap().used().get(&ENCODE_SHARE), 500);
        pool.fleet.take_down(slot, 5);
        assert!(pool.device(DeviceId(7)).is_none());
        assert!(!pool.fleet.forget(slot), "what runs on it holds its lease");
        pool.release(lease);
        assert!(pool.fleet.forget(slot));
    }
}
