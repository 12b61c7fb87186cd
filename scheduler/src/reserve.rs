//! Room that is kept free. A span that needs much would wait for ever where smaller ones take each bit of room as it comes
//! free. So when none with its list of choices was started for long, room is kept free for the next one: to others of
//! the same class or a lower one it is as if it were held already. Higher classes are not delayed by it; those rise who
//! wait.

use crate::bits::Bits;
use crate::event::Action;
use crate::scheduler::Scheduler;
use crate::way::Way;
use std::sync::Arc;

/// So many devices are compared for the one on which room is to be had soonest.
const COMPARED_MAX: usize = 64;
/// Looking at devices takes long, so when there was nothing to be kept it is not done at every step.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Room kept free for the next job with a list of choices.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) shape: u32,
    /// The class of the job, 0 for the highest.
    pub(crate) class: usize,
    pub(crate) way: Arc<Way>,
    /// Where; `None` where the host alone is needed.
    pub(crate) slot: Option<u32>,
}

impl Scheduler {
    /// Gives up what nobody waits for any more or can no longer be met, and keeps room for who has waited too long.
    pub(crate) fn reserve(&mut self, now: u64) {
        if !self.reservations.is_empty() {
            self.review();
        }
        let most = 1 + (self.pool.fleet.up / self.policy.devices_per_reservation.max(1)) as usize;
        if self.reservations.len() >= most || now < self.reserve_from {
            return;
        }
        let before = self.reservations.len();
        let is_late = |(since, _): &&(u64, u32)| since + self.policy.reserve_ms <= now;
        let late: Vec<u32> = self.board.blocked.iter().take_while(is_late).map(|(_, shape)| *shape).collect();
        for shape in late {
            if self.reservations.len() < most
                && self.reservations.iter().all(|held| held.shape != shape)
                && let Some(reservation) = self.reservation(shape)
            {
                if let Some(device) = reservation.slot.and_then(|slot| self.pool.fleet.slot_mut(slot)) {
                    device.reserved = true;
                }
                self.reservations.push(reservation);
                self.count_kept();
                self.reserve_turn = self.reserve_turn.wrapping_add(COMPARED_MAX);
            }
        }
        if self.reservations.len() == before {
            self.reserve_from = now.saturating_add(LOOK_AGAIN_MS);
        }
    }

    /// Starts, in a class, those for whom the room that was kept is enough by now.
    pub(crate) fn redeem(&mut self, class: usize, now: u64, actions: &mut Vec<Action>) {
        let mut at = 0;
        while at < self.reservations.len() {
            let held = &self.reservations[at];
            let (shape, slot) = (held.shape, held.slot);
            let fits = held.class == class && slot.is_none_or(|slot| self.fits_on(slot, &held.way)) && {
                // The others' reservations on the host bind, its own does not.
                let own = |id| held.way.host.iter().find(|(found, _)| *found == id).map_or(0, |(_, amount)| *amount);
                let others = |id| self.pool.withheld(id, class).saturating_sub(own(id));
                self.pool.host.lacks(&held.way.host, others).is_none()
            };
            let next = fits.then(|| self.queue.next(class, &Bits::of(shape), now)).flatten();
            let Some(job) = next else {
                at += 1;
                continue;
            };
            let held = self.give_up(at);
            self.start(job, &held.way, slot, "; room was kept free for it", now, actions);
        }
    }

    fn fits_on(&self, slot: u32, way: &Way) -> bool {
        self.pool.fleet.slot(slot).is_some_and(|device| device.fits(way))
    }

    fn review(&mut self) {
        let mut at = 0;
        while at < self.reservations.len() {
            let held = &self.reservations[at];
            let shape = self.board.shapes.get(held.shape);
            let class = shape.and_then(|shape| shape.waiting.iter().position(|waiting| *waiting > 0));
            let is_possible = match held.slot {
                Some(slot) => self.pool.fleet.slot(slot).is_some_and(|device| {
                    device.up
                        && device.is_sound_for(&held.way.abilities)
                        && device.share.exceeded_by(&held.way.device).is_none()
                }),
                None => true,
            };
            let is_current = shape.is_some_and(|shape| shape.ways.iter().any(|way| Arc::ptr_eq(way, &held.way)));
            match class {
                // A job that waits with it may have risen, or gone.
                Some(class) if is_possible && is_current && self.pool.host.exceeded_by(&held.way.host).is_none() => {
                    if self.reservations[at].class != class {
                        self.reservations[at].class = class;
                        self.count_kept();
                        self.room_beside(self.reservations[at].slot);
                    }
                    at += 1;
                }
                _ => {
                    self.give_up(at);
                }
            }
        }
    }

    /// Adds up what is kept of the host.
    fn count_kept(&mut self) {
        self.pool.kept.iter_mut().for_each(Vec::clear);
        for held in &self.reservations {
            for kept in &mut self.pool.kept[held.class..] {
                for (id, amount) in &held.way.host {
                    let at = *id as usize;
                    if kept.len() <= at {
                        kept.resize(at + 1, 0);
                    }
                    kept[at] = kept[at].saturating_add(*amount);
                }
            }
        }
    }

    /// What was kept is free for all.
    fn give_up(&mut self, at: usize) -> Reservation {
        let held = self.reservations.remove(at);
        self.count_kept();
        if let Some(device) = held.slot.and_then(|slot| self.pool.fleet.slot_mut(slot)) {
            device.reserved = false;
        }
        self.room_beside(held.slot);
        held
    }

    /// Less is kept of the host and of a device.
    fn room_beside(&mut self, slot: Option<u32>) {
        if let Some(slot) = slot {
            self.board.room_on(slot, &self.pool);
        }
        self.board.room_on_host(&self.pool);
    }

    /// Where room for a list is to be had soonest: by its first choice that some device can meet, on the device of
    /// which the least is missing, none of it kept for others yet.
    fn reservation(&self, id: u32) -> Option<Reservation> {
        let shape = self.board.shapes.get(id)?;
        let class = shape.waiting.iter().position(|waiting| *waiting > 0)?;
        shape.ways.iter().find_map(|way| {
            let kept = |dimension: u32| self.pool.withheld(dimension, 2);
            let is_met = |(dimension, amount): &(u32, u64)| {
                amount.saturating_add(kept(*dimension)) <= self.pool.host.capacity_of(*dimension)
            };
            if !way.host.iter().all(is_met) {
                return None;
            }
            let slot = match way.kind {
                None => None,
                Some(kind) => Some(self.soonest(kind, way)?),
            };
            Some(Reservation { shape: id, class, way: Arc::clone(way), slot })
        })
    }

    fn soonest(&self, kind: u32, way: &Way) -> Option<u32> {
        let kind = self.pool.fleet.kinds.get(kind as usize)?;
        // From another place each time, so that it is not always the same ones.
        let from = self.reserve_turn % kind.slots().count().max(1);
        let some = kind.slots().skip(from).chain(kind.slots().take(from));
        let able = some.filter_map(|slot| Some((slot, self.pool.fleet.slot(slot)?))).filter(|(_, device)| {
            device.up
                && !device.reserved
                && device.is_sound_for(&way.abilities)
                && device.share.exceeded_by(&way.device).is_none()
        });
        let missing = |share: &crate::share::Share| -> u64 {
            let parts = way.device.iter().map(|(dimension, amount)| {
                let short = amount.saturating_sub(share.free(*dimension)).saturating_mul(1024);
                short.checked_div(share.capacity_of(*dimension)).unwrap_or(0)
            });
            parts.sum()
        };
        able.take(COMPARED_MAX).map(|(slot, device)| (missing(&device.share), slot)).min().map(|(_, slot)| slot)
    }
}
