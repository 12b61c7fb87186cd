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

/// What was found out on the way.
#[derive(Default, Debug)]
pub(crate) struct Tried {
    /// The needs for which no device has room.
    pub(crate) searched: Vec<u32>,
    /// The needs of the host that keep a way from being taken for which there may be a device.
    pub(crate) short: Vec<u32>,
    /// The ways, by index, that no device has room for.
    awaited: Vec<usize>,
}

impl Scheduler {
    /// The first way of a list that fits, and the device for it; otherwise what the first one lacks. Changes nothing.
    pub(crate) fn choose(&self, id: u32, class: usize, now: u64, tried: &mut Tried) -> Result<Taken, Lack> {
        let nothing = || Lack { dimension: DEVICE, held_back: None };
        let Some(shape) = self.board.shapes.get(id) else { return Err(nothing()) };
        let (pool, needs) = (&self.pool, &self.board.shapes.needs);
        let mut first_lack: Option<(u32, Dimension)> = None;
        let mut held_back = None;
        tried.awaited.clear();
        let waits_long = shape.blocked_since.is_some_and(|since| since + self.policy.reserve_ms <= now);
        for (index, way) in shape.ways.iter().enumerate() {
            if let Some(short) = pool.host_lacks(&way.host, class) {
                let dimension = || pool.dimensions.name(short).cloned().unwrap_or(DEVICE);
                first_lack.get_or_insert_with(|| (way.number, dimension()));
                // Where no device has room either, it is looked at again when one has.
                if shape.may_be_on_device(way, class, needs, &pool.fleet) {
                    tried.short.push(way.host_need);
                }
                continue;
            }
            let slot = match way.kind {
                None => None,
                Some(_) => match self.device_for(way, &shape.fits[class], class, &mut tried.searched) {
                    Some(slot) => Some(slot),
                    None => {
                        first_lack.get_or_insert_with(|| (way.number, pool.fleet.lack(way).unwrap_or(DEVICE)));
                        tried.awaited.push(index);
                        continue;
                    }
                },
            };
            let held = |by| Held { way: index, slot, kind: way.kind, pace: way.pace, by };
            let before = &shape.ways[..index];
            let others = before.iter().any(|other| way.is_ill_suited_beside(other)).then(|| held(Better::Others));
            let awaited = tried.awaited.iter().filter_map(|better| shape.ways.get(*better));
            let kinds = awaited.filter_map(|better| Some(held(Better::Kind(better.kind?, better.pace))));
            let mut better = others.into_iter().chain(kinds).filter(|_| !waits_long);
            if let Some(held) = better.find(|held| held.is_better(&pool.fleet, class)) {
                held_back = held_back.or(Some(held));
                continue;
            }
            let instead_of = first_lack.filter(|_| way.number > 0);
            return Ok(Taken { way: Arc::clone(way), slot, instead_of });
        }
        Err(first_lack.map_or_else(nothing, |(_, dimension)| Lack { dimension, held_back }))
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
}

fn amount(amounts: &[(u32, u64)], id: u32) -> u64 {
    amounts.iter().find(|(found, _)| *found == id).map_or(0, |(_, amount)| *amount)
}
