//! What there is, and who holds how much of it. The one place where leases are taken and returned.

use crate::choice::{Choice, Device, DeviceId};
use crate::vector::{Dimension, Vector};
use std::collections::BTreeMap;

/// Names one lease; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseId(pub u64);

/// Why a demand does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocked {
    /// The first dimension, by name, that has too little left.
    pub dimension: Dimension,
    /// How much of it is asked for.
    pub needed: u64,
    /// How much of it is free now.
    pub free: u64,
}

/// An amount, and how much of it is held.
#[derive(Clone, Default, Debug)]
pub struct Share {
    capacity: Vector,
    used: Vector,
}

impl Share {
    /// What there is.
    pub fn capacity(&self) -> &Vector {
        &self.capacity
    }

    /// What is held.
    pub fn used(&self) -> &Vector {
        &self.used
    }

    /// What keeps a demand from being met now. Changes nothing.
    pub fn blocked_by(&self, demand: &Vector) -> Option<Blocked> {
        lacking(demand, |dimension| self.capacity.get(dimension).saturating_sub(self.used.get(dimension)))
    }

    /// What keeps a demand from ever being met, even when nobody else holds anything. Changes nothing.
    pub fn impossible(&self, demand: &Vector) -> Option<Blocked> {
        lacking(demand, |dimension| self.capacity.get(dimension))
    }
}

fn lacking(demand: &Vector, free: impl Fn(&Dimension) -> u64) -> Option<Blocked> {
    demand.iter().find_map(|(dimension, needed)| {
        let free = free(dimension);
        (needed > free).then(|| Blocked { dimension: dimension.clone(), needed, free })
    })
}

/// What a lease holds.
#[derive(Clone, Debug)]
struct Lease {
    host: Vector,
    device: Option<(DeviceId, Vector)>,
}

/// The host, its devices, and the leases on them.
#[derive(Clone, Default, Debug)]
pub struct Pool {
    host: Share,
    devices: BTreeMap<DeviceId, (Device, Share)>,
    leases: BTreeMap<LeaseId, Lease>,
    next: u64,
}

impl Pool {
    /// A host without devices, of which nobody holds anything.
    pub fn new(capacity: Vector) -> Self {
        Self { host: Share { capacity, used: Vector::default() }, ..Self::default() }
    }

    /// The host.
    pub fn host(&self) -> &Share {
        &self.host
    }

    /// A device that is there.
    pub fn device(&self, id: DeviceId) -> Option<&Share> {
        self.devices.get(&id).map(|(_, share)| share)
    }

    /// The devices that are there, in order of their ids.
    pub fn devices(&self) -> impl Iterator<Item = (&Device, &Share)> {
        self.devices.values().map(|(device, share)| (device, share))
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

    /// Takes a lease: the one commit point. Refused, and nothing changed, when the choice does not fit.
    pub(crate) fn commit(&mut self, choice: &Choice, device: Option<DeviceId>) -> Result<LeaseId, Blocked> {
        if let Some(blocked) = self.blocked_by(choice, device) {
            return Err(blocked);
        }
        let lease = LeaseId(self.next);
        self.next += 1;
        self.host.used.add(&choice.host);
        let device = device.filter(|id| self.devices.contains_key(id)).map(|id| (id, choice.device.clone()));
        if let Some((id, held)) = &device
            && let Some((_, share)) = self.devices.get_mut(id)
        {
            share.used.add(held);
        }
        self.leases.insert(lease, Lease { host: choice.host.clone(), device });
        Ok(lease)
    }

    /// Returns a lease. One that is not held is ignored, so that nothing can be returned twice.
    pub(crate) fn release(&mut self, lease: LeaseId) {
        let Some(Lease { host, device }) = self.leases.remove(&lease) else { return };
        self.host.used.remove(&host);
        if let Some((id, held)) = device
            && let Some((_, share)) = self.devices.get_mut(&id)
        {
            share.used.remove(&held);
        }
    }

    /// What there is has changed. Leases are kept: less capacity only delays what comes next.
    pub(crate) fn set_host(&mut self, capacity: Vector) {
        self.host.capacity = capacity;
    }

    /// A device is there, newly or again, with what leases from before still hold of it.
    pub(crate) fn set_device(&mut self, device: Device) {
        let mut used = Vector::default();
        for lease in self.leases.values() {
            if let Some((id, held)) = &lease.device
                && *id == device.id
            {
                used.add(held);
            }
        }
        let share = Share { capacity: device.capacity.clone(), used };
        self.devices.insert(device.id, (device, share));
    }

    /// A device is gone.
    pub(crate) fn remove_device(&mut self, id: DeviceId) {
        self.devices.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Group;
    use crate::vector::CPU_THREADS;

    #[test]
    fn a_refused_commit_names_the_dimension_and_changes_nothing() {
        let mut pool = Pool::new(Vector::of(CPU_THREADS, 4));
        let threads = |count| Group::on_host(Vector::of(CPU_THREADS, count)).choices.remove(0);
        let first = pool.commit(&threads(3), None).unwrap();
        let refused = pool.commit(&threads(2), None).unwrap_err();
        assert_eq!(refused, Blocked { dimension: CPU_THREADS, needed: 2, free: 1 });
        assert_eq!((pool.host().used().get(&CPU_THREADS), pool.leases()), (3, 1));
        pool.release(first);
        pool.release(first);
        assert!(pool.host().used().is_zero());
    }
}
