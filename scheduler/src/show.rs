//! What the scheduler shows of itself, for people.

use crate::breaker::BreakerState;
use crate::choice::{Ability, Device};
use crate::queue::WHOLE;
use crate::scheduler::Scheduler;
use crate::share::Share;
use std::sync::Arc;

/// A device, as it stands.
#[derive(Clone, Debug)]
pub struct DeviceView<'a> {
    /// What it is, and how much it has.
    pub device: &'a Device,
    /// What is held of it, and its learned caps.
    pub share: &'a Share,
    /// Whether it is there; one that is gone is remembered for [`crate::Policy::absent_grace_ms`].
    pub up: bool,
    /// Its abilities that ever failed, and where they stand.
    pub breakers: Vec<(Ability, BreakerState)>,
}

/// An owner who has jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnerView {
    /// Who.
    pub name: Arc<str>,
    /// How many jobs it has, waiting or running.
    pub jobs: u32,
    /// The largest of its shares of any dimension, in millionths of all there is.
    pub share_ppm: u64,
}

impl Scheduler {
    /// The devices that are known, in order of their ids, as they stand at a time, ms.
    pub fn devices(&self, now: u64) -> impl Iterator<Item = DeviceView<'_>> {
        let slots = self.pool.fleet.by_id.values().filter_map(|slot| self.pool.fleet.slot(*slot));
        slots.map(move |slot| {
            let breakers = slot.breakers.iter().filter_map(|(id, breaker)| {
                Some((self.pool.fleet.abilities.name(*id)?.clone(), breaker.shown(now, &self.policy)))
            });
            DeviceView { device: &slot.device, share: &slot.share, up: slot.up, breakers: breakers.collect() }
        })
    }

    /// The owners who have jobs, in order of name.
    pub fn owners(&self) -> impl Iterator<Item = OwnerView> + '_ {
        self.queue.owners().map(|owner| OwnerView {
            name: Arc::clone(&owner.name),
            jobs: owner.jobs,
            share_ppm: owner.share / (WHOLE / 1_000_000),
        })
    }

    /// How many jobs have a span that waits for room, by the class that they count as: high, normal, batch.
    pub fn waiting(&self) -> [usize; 3] {
        self.queue.lengths
    }
}
