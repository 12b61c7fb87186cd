//! Where a list of choices is taken: the first that fits, unless a better one is free soon.

use crate::board::Lack;
use crate::fleet::{Prefer, Slot};
use crate::needs::Candidates;
use crate::scheduler::Scheduler;
use crate::vector::Dimension;
use crate::way::{Better, Held, Way};
use std::borrow::Cow;
use std::cell::Cell;
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

impl Taken {
    /// Why it is not the first choice that is taken, to be said after the rest of the reason.
    pub(crate) fn why(&self) -> Cow<'static, str> {
        match &self.instead_of {
            Some((better, lack)) => format!("; choice {} lacks {lack}", better + 1).into(),
            None => "".into(),
        }
    }
}

/// What was found out on the way.
#[derive(Default, Debug)]
pub(crate) struct Tried {
    /// The needs for which no device has room, and whether for some it is only that it is kept free for others.
    pub(crate) searched: Vec<(u32, bool)>,
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
                if needs.may(way, class) {
                    tried.short.push(way.host_need);
                }
                continue;
            }
            let slot = match way.kind {
                None => None,
                Some(_) => match self.device_for(way, class, tried) {
                    Some(slot) => Some(slot),
                    None => {
                        first_lack.get_or_insert_with(|| (way.number, pool.fleet.lack(way).unwrap_or(DEVICE)));
                        tried.awaited.push(index);
                        continue;
                    }
                },
            };
            let held = |by| Held { kind: way.kind, pace: way.pace, by };
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
    fn device_for(&self, way: &Way, class: usize, tried: &mut Tried) -> Option<u32> {
        let prefer = if class == 0 { Prefer::Emptiest } else { Prefer::Fullest };
        let some_is_kept = Cell::new(false);
        let may = |slot: u32, device: &Slot| {
            let may = !device.reserved || self.leaves_room(slot, device, way, class);
            some_is_kept.set(some_is_kept.get() || !may);
            may
        };
        let found = match self.board.shapes.needs.fits(way, class) {
            Candidates::Nowhere => return None,
            Candidates::On(slots) => self.pool.fleet.find_among(slots, way, prefer, may),
            Candidates::Anywhere => self.pool.fleet.find(way, prefer, may),
        };
        if found.is_none() {
            tried.searched.extend(way.need.map(|need| (need, some_is_kept.get())));
        }
        found
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
