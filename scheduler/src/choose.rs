//! Where a list of choices is taken: the first that fits, unless a better one is free soon.

use crate::board::Lack;
use crate::fleet::{Prefer, Slot};
use crate::scheduler::Scheduler;
use crate::vector::Dimension;
use crate::way::{Better, Candidates, Held, Way};
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
    /// The first way of a list that fits, and the device for it; otherwise what the first one lacks. Changes nothing;
    /// `searched` takes the needs for which no device has room.
    pub(crate) fn choose(&self, id: u32, class: usize, now: u64, searched: &mut Vec<u32>) -> Result<Taken, Lack> {
        let nothing = || Lack { dimension: DEVICE, host_short: Vec::new(), held_back: None };
        let Some(shape) = self.board.shapes.get(id) else { return Err(nothing()) };
        let mut lack: Option<Lack> = None;
        let mut first_lack = None;
        let waits_long = shape.blocked_since.is_some_and(|since| since + self.policy.reserve_ms <= now);
        let mut awaited: Vec<&Way> = Vec::new();
        for (index, way) in shape.ways.iter().enumerate() {
            let mut blocked = |dimension: Dimension| {
                first_lack.get_or_insert_with(|| (way.number, dimension.clone()));
                lack.get_or_insert_with(|| Lack { dimension, ..nothing() });
            };
            if let Some(short) = self.pool.host.lacks(&way.host, |id| self.withheld_host(id, class)) {
                blocked(self.pool.dimensions.name(short).cloned().unwrap_or(DEVICE));
                // Where no device has room either, it is looked at again when one has.
                if way.kind.is_none() || self.device_for(way, &shape.fits[class], class, searched).is_some() {
                    lack.iter_mut().for_each(|lack| lack.host_short.push(index));
                }
                continue;
            }
            let slot = match way.kind {
                None => None,
                Some(_) => match self.device_for(way, &shape.fits[class], class, searched) {
                    Some(slot) => Some(slot),
                    None => {
                        blocked(self.pool.fleet.lack(way).unwrap_or(DEVICE));
                        awaited.push(way);
                        continue;
                    }
                },
            };
            let held = |by| Held { way: index, slot, kind: way.kind, pace: way.pace, by };
            let others =
                shape.ways[..index].iter().any(|other| way.is_ill_suited_beside(other)).then(|| held(Better::Others));
            let kinds = awaited.iter().filter_map(|better| Some(held(Better::Kind(better.kind?, better.pace))));
            let mut better = others.into_iter().chain(kinds).filter(|_| !waits_long);
            if let Some(held) = better.find(|held| held.is_better(&self.pool.fleet, class)) {
                lack.iter_mut().for_each(|lack| lack.held_back = lack.held_back.or(Some(held)));
                continue;
            }
            let instead_of = first_lack.filter(|_| way.number > 0);
            return Ok(Taken { way: Arc::clone(way), slot, instead_of });
        }
        Err(lack.unwrap_or_else(nothing))
    }

    /// High work gets the emptiest device, other work fills one up, so that whole devices stay free. Never by how fast a
    /// device was lately: one that fails at once is the fastest of all.
    fn device_for(&self, way: &Way, candidates: &Candidates, class: usize, searched: &mut Vec<u32>) -> Option<u32> {
        let prefer = if class == 0 { Prefer::Emptiest } else { Prefer::Fullest };
        let may = |slot: u32, device: &Slot| !device.reserved || self.leaves_room(slot, device, way, class);
        match candidates {
            Candidates::Nowhere => None,
            Candidates::On(slots) => self.pool.fleet.find_among(slots, way, prefer, may),
            Candidates::Anywhere => {
                let found = match self.board.shapes.needs.fits(way, class) {
                    Candidates::Nowhere => None,
                    Candidates::On(slots) => self.pool.fleet.find_among(slots, way, prefer, may),
                    Candidates::Anywhere => self.pool.fleet.find(way, prefer, may),
                };
                searched.extend(way.need.filter(|_| found.is_none()));
                found
            }
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
        self.kept_host[class].get(id as usize).copied().unwrap_or(0)
    }
}

fn amount(amounts: &[(u32, u64)], id: u32) -> u64 {
    amounts.iter().find(|(found, _)| *found == id).map_or(0, |(_, amount)| *amount)
}
