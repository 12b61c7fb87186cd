//! What there is, and who holds how much of it. The one place where leases are taken and returned.

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

/// Capacity and the leases on it.
#[derive(Clone, Default, Debug)]
pub struct Pool {
    capacity: Vector,
    used: Vector,
    leases: BTreeMap<LeaseId, Vector>,
    next: u64,
}

impl Pool {
    /// A pool nobody holds anything of.
    pub fn new(capacity: Vector) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// What there is.
    pub fn capacity(&self) -> &Vector {
        &self.capacity
    }

    /// What is held.
    pub fn used(&self) -> &Vector {
        &self.used
    }

    /// How many leases are held.
    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    /// What keeps a demand from being met now. Changes nothing.
    pub fn blocked_by(&self, demand: &Vector) -> Option<Blocked> {
        Self::lacking(demand, |dimension| self.capacity.get(dimension).saturating_sub(self.used.get(dimension)))
    }

    /// What keeps a demand from ever being met, even when nobody else holds anything. Changes nothing.
    pub fn impossible(&self, demand: &Vector) -> Option<Blocked> {
        Self::lacking(demand, |dimension| self.capacity.get(dimension))
    }

    fn lacking(demand: &Vector, free: impl Fn(&Dimension) -> u64) -> Option<Blocked> {
        demand.iter().find_map(|(dimension, needed)| {
            let free = free(dimension);
            (needed > free).then(|| Blocked { dimension: dimension.clone(), needed, free })
        })
    }

    /// Takes a lease: the one commit point. Refused, and nothing changed, when the demand does not fit.
    pub(crate) fn commit(&mut self, demand: &Vector) -> Result<LeaseId, Blocked> {
        if let Some(blocked) = self.blocked_by(demand) {
            return Err(blocked);
        }
        let lease = LeaseId(self.next);
        self.next += 1;
        self.used.add(demand);
        self.leases.insert(lease, demand.clone());
        Ok(lease)
    }

    /// Returns a lease. One that is not held is ignored, so that nothing can be returned twice.
    pub(crate) fn release(&mut self, lease: LeaseId) {
        if let Some(demand) = self.leases.remove(&lease) {
            self.used.remove(&demand);
        }
    }

    /// What there is has changed. Leases are kept: less capacity only delays what comes next.
    pub(crate) fn set_capacity(&mut self, capacity: Vector) {
        self.capacity = capacity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::CPU_THREADS;

    #[test]
    fn a_refused_commit_names_the_dimension_and_changes_nothing() {
        let mut pool = Pool::new(Vector::of(CPU_THREADS, 4));
        let first = pool.commit(&Vector::of(CPU_THREADS, 3)).unwrap();
        let refused = pool.commit(&Vector::of(CPU_THREADS, 2)).unwrap_err();
        assert_eq!(refused, Blocked { dimension: CPU_THREADS, needed: 2, free: 1 });
        assert_eq!((pool.used().get(&CPU_THREADS), pool.leases()), (3, 1));
        pool.release(first);
        pool.release(first);
        assert!(pool.used().is_zero());
    }
}
