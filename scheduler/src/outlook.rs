//! What can never run. A job whose next span no device here could ever run fails at once, and does not wait for ever.
//!
//! A device that is gone or set aside may come back, so what only it could run waits for a while
//! ([`crate::Policy::absent_grace_ms`], counted from when it went) before it is refused. A learned cap refuses nothing,
//! since it rises again.

use crate::choose::DEVICE;
use crate::event::{Action, JobId, SpanId};
use crate::fleet::Slot;
use crate::scheduler::{Scheduler, Timer};
use crate::vector::Dimension;
use crate::way::Way;

/// What becomes of those who wait with a list of choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outlook {
    /// One of them fits when enough of what is held is returned.
    Possible,
    /// One of them would fit on a device that is gone or set aside; not waited for beyond this time, ms.
    Until(u64),
    /// None of them ever fits.
    Never(Short),
}

/// What there is too little of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Short {
    dimension: Dimension,
    needed: u64,
    capacity: u64,
}

impl Short {
    fn device() -> Self {
        Self { dimension: DEVICE, needed: 1, capacity: 0 }
    }

    /// How far it is from fitting, in thousandths.
    fn distance(&self) -> u64 {
        self.needed.saturating_mul(1000) / self.capacity.max(1)
    }
}

impl Scheduler {
    /// Refuses a job of which nothing runs, if its next span can never fit. Whether it did.
    pub(crate) fn refuses(
        &mut self,
        job: JobId,
        span: SpanId,
        shape: Option<u32>,
        now: u64,
        actions: &mut Vec<Action>,
    ) -> bool {
        let short = match shape.map(|shape| self.outlook(shape, now)) {
            Some(Outlook::Possible) => return false,
            Some(Outlook::Until(until)) => {
                self.timers.insert((until, Timer::Absent));
                return false;
            }
            Some(Outlook::Never(short)) => short,
            None => Short::device(),
        };
        let Short { dimension, needed, capacity } = short;
        actions.push(Action::Refuse { job, span, dimension, needed, capacity });
        true
    }

    /// What there is has changed, so that some who wait may have to be refused.
    pub(crate) fn look_again(&mut self, now: u64, actions: &mut Vec<Action>) {
        self.board.version += 1;
        for shape in self.board.known.iter().collect::<Vec<_>>() {
            match self.outlook(shape, now) {
                Outlook::Possible => continue,
                Outlook::Until(until) => {
                    self.timers.insert((until, Timer::Absent));
                    continue;
                }
                Outlook::Never(_) => {}
            }
            let waiting: Vec<JobId> = (0..3).flat_map(|class| self.queue.with_shape(class, shape)).collect();
            for job in waiting {
                self.requeue(job, now, actions);
            }
        }
    }

    /// Some device has been gone, or set aside, for as long as is waited for it.
    pub(crate) fn absent_due(&mut self, now: u64, actions: &mut Vec<Action>) {
        let grace = self.policy.absent_grace_ms;
        for slot in 0..self.pool.fleet.slots.len() as u32 {
            let gone = self.pool.fleet.slot(slot).is_some_and(|device| !device.up && device.gone_since + grace <= now);
            if gone && !self.pool.fleet.forget(slot) {
                // What runs on it has not been reported yet.
                self.timers.insert((now.saturating_add(grace.max(1)), Timer::Absent));
            }
        }
        self.look_again(now, actions);
    }

    fn outlook(&mut self, id: u32, now: u64) -> Outlook {
        let version = self.board.version;
        let Some(shape) = self.board.shapes.get(id) else { return Outlook::Never(Short::device()) };
        if shape.possible_at == Some(version) {
            return Outlook::Possible;
        }
        let mut outlook: Option<Outlook> = None;
        for way in &shape.ways {
            outlook = Some(match (outlook, self.outlook_of(way, now)) {
                (_, Outlook::Possible) => {
                    if let Some(shape) = self.board.shapes.get_mut(id) {
                        shape.possible_at = Some(version);
                    }
                    return Outlook::Possible;
                }
                (Some(Outlook::Until(one)), Outlook::Until(two)) => Outlook::Until(one.max(two)),
                (Some(Outlook::Until(until)), _) | (_, Outlook::Until(until)) => Outlook::Until(until),
                (Some(Outlook::Never(one)), Outlook::Never(two)) if one.distance() <= two.distance() => {
                    Outlook::Never(one)
                }
                (_, never) => never,
            });
        }
        outlook.unwrap_or_else(|| Outlook::Never(Short::device()))
    }

    fn outlook_of(&self, way: &Way, now: u64) -> Outlook {
        let on_host = self.pool.host.exceeded_by(&way.host).map(|(id, needed, capacity)| {
            let dimension = self.pool.dimensions.name(id).cloned().unwrap_or(DEVICE);
            Short { dimension, needed, capacity }
        });
        let Some(kind) = way.kind else { return on_host.map_or(Outlook::Possible, Outlook::Never) };
        let Some(kind) = self.pool.fleet.kinds.get(kind as usize) else { return Outlook::Never(Short::device()) };
        let (mut until, mut nearest) = (None, None::<Short>);
        for device in kind.slots().filter_map(|slot| self.pool.fleet.slot(slot)) {
            let short = device.share.exceeded_by(&way.device).map(|(id, needed, capacity)| {
                let dimension = self.pool.fleet.dimensions.name(id).cloned().unwrap_or(DEVICE);
                Short { dimension, needed, capacity }
            });
            match short.or_else(|| on_host.clone()) {
                None if device.up && device.is_sound_for(&way.abilities) => return Outlook::Possible,
                None => until = until.max(self.may_return_until(device, way).filter(|until| *until > now)),
                Some(short) if nearest.as_ref().is_none_or(|nearest| short.distance() < nearest.distance()) => {
                    nearest = Some(short);
                }
                Some(_) => {}
            }
        }
        let never = || Outlook::Never(nearest.unwrap_or_else(Short::device));
        until.map_or_else(never, Outlook::Until)
    }

    /// Until when an absent device is waited for, ms.
    fn may_return_until(&self, device: &Slot, way: &Way) -> Option<u64> {
        let aside = way.abilities.iter().filter_map(|ability| device.breakers.get(ability));
        let aside = aside.filter(|breaker| !breaker.is_closed()).map(|breaker| breaker.since).min();
        let gone = (!device.up).then_some(device.gone_since);
        gone.or(aside).map(|since| since.saturating_add(self.policy.absent_grace_ms))
    }
}
