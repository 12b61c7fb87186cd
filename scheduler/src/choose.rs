//! Where a list of choices is taken: the first that fits, unless a better one is free soon.

use crate::board::Lack;
use crate::fleet::{Prefer, Slot};
use crate::reserve::Reservation;
use crate::scheduler::Scheduler;
use crate::vector::Dimension;
use crate::way::{Candidates, Way};
use std::sync::Arc;

/// What a span waits for when there is no device of the kind, or each is set aside.
pub(crate) const DEVICE: Dimension = Dimension::named("device");

/// A way, where to take it, and which better one does not fit.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) way: Arc<Way>,
    pub(crate) slot: Option<u32>,
    pub(crate) instead_of: Option<(u32, Dimension)>,
}

impl Scheduler {
    /// The first way of a list that fits, and the device for it; otherwise what the first one lacks. Changes nothing.
    pub(crate) fn choose(&self, id: u32, class: usize, now: u64) -> Result<Taken, Lack> {
        let nothing = || Lack { dimension: DEVICE, host_short: false, held_back: false };
        let Some(shape) = self.board.shapes.get(id) else { return Err(nothing()) };
        let mut lack: Option<Lack> = None;
        let mut first_lack = None;
        let waits_long = shape.blocked_since.is_some_and(|since| since + self.policy.reserve_ms <= now);
        let mut awaited: Vec<&Way> = Vec::new();
        for way in &shape.ways {
            let mut blocked = |dimension: Dimension, host_short: bool, held_back: bool| {
                first_lack.get_or_insert_with(|| (way.number, dimension.clone()));
                let lack = lack.get_or_insert_with(|| Lack { dimension, ..nothing() });
                lack.host_short |= host_short;
                lack.held_back |= held_back;
            };
            if let Some(short) = self.pool.host.lacks(&way.host, |id| self.withheld_host(id, class)) {
                blocked(self.pool.dimensions.name(short).cloned().unwrap_or(DEVICE), true, false);
                continue;
            }
            let slot = match way.kind {
                None => None,
                Some(_) => match self.device_for(way, &shape.fits[class], class) {
                    Some(slot) => Some(slot),
                    None => {
                        blocked(self.pool.fleet.lack(way).unwrap_or(DEVICE), false, false);
                        awaited.push(way);
                        continue;
                    }
                },
            };
            if !waits_long && awaited.iter().any(|better| self.ends_sooner(better, way, class)) {
                blocked(DEVICE, false, true);
                continue;
            }
            let instead_of = first_lack.filter(|_| way.number > 0);
            return Ok(Taken { way: Arc::clone(way), slot, instead_of });
        }
        Err(lack.unwrap_or_else(nothing))
    }

    /// Whether waiting for a device of a better way ends sooner than taking another way now. The wait is reckoned from
    /// the leases that run on the better kind, which end evenly over the time that one takes, and from those who wait for
    /// the kind in this class or a higher one: with `l` leases and `w` waiting, `w / l` of that time. Where no lease runs
    /// none will end, so nobody waits.
    fn ends_sooner(&self, better: &Way, way: &Way, class: usize) -> bool {
        let Some(kind) = better.kind.and_then(|kind| self.pool.fleet.kinds.get(kind as usize)) else { return false };
        if better.pace == 0 || way.pace == 0 || kind.leases == 0 {
            return false;
        }
        let waiting: u64 = kind.waiting[..=class].iter().sum();
        way.pace.saturating_mul(kind.leases) > better.pace.saturating_mul(waiting + kind.leases)
    }

    /// High work gets the emptiest device, other work fills one up, so that whole devices stay free. Never by how fast a
    /// device was lately: one that fails at once is the fastest of all.
    fn device_for(&self, way: &Way, candidates: &Candidates, class: usize) -> Option<u32> {
        let prefer = if class == 0 { Prefer::Emptiest } else { Prefer::Fullest };
        let may = |slot: u32, device: &Slot| !device.reserved || self.leaves_room(slot, device, way, class);
        match candidates {
            Candidates::Nowhere => None,
            Candidates::On(slots) => self.pool.fleet.find_among(slots, way, prefer, may),
            Candidates::Anywhere => self.pool.fleet.find(way, prefer, may),
        }
    }

    fn leaves_room(&self, slot: u32, device: &Slot, way: &Way, class: usize) -> bool {
        let withheld = |id: u32| {
            let binding = self.reservations.iter().filter(|held| held.slot == Some(slot) && held.class <= class);
            binding.map(|held| amount(&held.way.device, id)).sum()
        };
        device.share.lacks(&way.device, withheld).is_none()
    }

    /// How much of the host is kept free for others, who are of this class or a higher one.
    pub(crate) fn withheld_host(&self, id: u32, class: usize) -> u64 {
        let binding = self.reservations.iter().filter(|held| held.class <= class);
        binding.map(|held: &Reservation| amount(&held.way.host, id)).sum()
    }
}

fn amount(amounts: &[(u32, u64)], id: u32) -> u64 {
    amounts.iter().find(|(found, _)| *found == id).map_or(0, |(_, amount)| *amount)
}
