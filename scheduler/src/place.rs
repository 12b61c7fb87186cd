//! Queueing and starting: the order of the waiting jobs, and the one place where a span is started.

use crate::choice::DeviceId;
use crate::choose::{DEVICE, Tried};
use crate::event::{Action, JobId, SpanId};
use crate::job::{Job, Place, State};
use crate::policy::Policy;
use crate::pool::LeaseId;
use crate::queue::{Owner, WHOLE};
use crate::scheduler::{Scheduler, Timer};
use crate::way::Way;
use std::fmt::Write;
use std::sync::Arc;

impl Scheduler {
    /// Starts what fits, class by class; a class is served only when nothing of the higher ones fits any more.
    pub(crate) fn place(&mut self, now: u64, actions: &mut Vec<Action>) {
        self.reserve(now);
        let mut tried = Tried::default();
        for class in 0..3 {
            self.redeem(class, now, actions);
            // Higher classes may have taken it.
            self.board.prune(class, &self.pool, now);
            while let Some(id) = self.queue.next(class, &self.board.open[class], now) {
                let Some(place) = self.jobs.get(&id).and_then(|job| job.place) else { break };
                if self.is_past_deadline(id, place, now) {
                    self.requeue(id, now, actions);
                    continue;
                }
                let taken = self.choose(place.shape, class, now, &mut tried);
                let searched = tried.searched.drain(..);
                searched.for_each(|(need, kept)| self.board.shapes.needs.searched(need, class, kept));
                match taken {
                    Ok(taken) => {
                        self.start(id, &taken.way, taken.slot, &taken.why(), now, actions);
                        self.board.prune(class, &self.pool, now);
                    }
                    Err(lack) => self.board.block(place.shape, class, lack, &tried.short, now),
                }
                tried.short.clear();
            }
        }
        self.say_waits(now, actions);
    }

    /// Starts a job's next span: the one place where a lease is taken. It was found to fit, and nothing has changed since.
    pub(crate) fn start(
        &mut self,
        id: JobId,
        way: &Arc<Way>,
        slot: Option<u32>,
        why: &str,
        now: u64,
        actions: &mut Vec<Action>,
    ) {
        let Some(place) = self.jobs.get(&id).and_then(|job| job.place) else { return };
        let Some(lease) = self.pool.commit(way, slot) else { return };
        if let Some(slot) = slot {
            self.board.less_room_on(slot, &self.pool.fleet);
        }
        self.board.started(place.shape);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.plan_of(place.span).is_some_and(|plan| plan.identity.is_none()) {
            // The list that it waits with may be forgotten.
            self.dequeue(id);
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.set(place.span, State::Running(lease));
        // Who waits with few jobs would get a span of each, and who waits with many as many times more. So the job of an
        // owner who holds little stays where it rose to, but not among those for whom somebody waits.
        let keeps = if self.queue.holds_little(job.owner) { (job.priority as usize).saturating_sub(1) } else { 0 };
        (job.risen, job.waits_since, job.said) = (job.risen.min(keeps), None, None);
        let Some(span) = job.spans.get(place.span.0 as usize) else { return };
        let (attempt, group) = (span.attempts, span.group.0 as usize);
        if let Some(plan) = job.plans.get_mut(group)
            && plan.identity.is_none()
        {
            plan.identity = Some(way.identity);
            plan.shape = self.board.shapes.settled(plan.shape, way.identity);
        }
        let owner = job.owner;
        self.hold(owner, way, true);
        let device = slot.and_then(|slot| self.pool.fleet.slot(slot)).map(|slot| slot.device.id);
        let reason = reason(attempt, device, way, why);
        let (span, choice) = (place.span, way.number);
        actions.push(Action::Start { job: id, span, attempt, lease, choice, device, reason });
        self.requeue(id, now, actions);
    }

    /// Returns a lease: the one place where that is done.
    pub(crate) fn release(&mut self, lease: LeaseId, owner: u32) {
        let Some(held) = self.pool.release(lease) else { return };
        self.hold(owner, &held.way, false);
        if let Some(slot) = held.slot {
            self.board.room_on(slot, &self.pool);
        }
        if !held.way.host.is_empty() {
            self.board.room_on_host(&self.pool);
        }
    }

    /// An owner holds more or less.
    fn hold(&mut self, owner: u32, way: &Way, more: bool) {
        let pool = &self.pool;
        self.queue.set_share(owner, |owner| {
            for (held, amounts) in owner.held.iter_mut().zip([&way.host, &way.device]) {
                for (id, amount) in amounts {
                    let at = *id as usize;
                    if held.len() <= at {
                        held.resize(at + 1, 0);
                    }
                    held[at] = if more { held[at].saturating_add(*amount) } else { held[at].saturating_sub(*amount) };
                }
            }
            owner.share = dominant(owner, pool);
        });
    }

    /// There is more or less than before, so everybody's share of it is another.
    pub(crate) fn reckon_shares(&mut self) {
        let pool = &self.pool;
        self.queue.set_shares(|owner| dominant(owner, pool));
    }

    /// Takes a job out of the queue. When its class rises is left to be found out in vain.
    pub(crate) fn dequeue(&mut self, id: JobId) -> Option<Place> {
        let job = self.jobs.get_mut(&id)?;
        let place = job.place.take()?;
        self.queue.remove(job, place);
        self.board.leave(place.shape, place.class);
        self.count_kinds(place, false);
        Some(place)
    }

    /// Puts a job into the queue with its next span, where it belongs by now, or refuses it. One that stays where it is
    /// costs nothing.
    pub(crate) fn requeue(&mut self, id: JobId, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let next = if job.cancelled { None } else { job.next_span(now) };
        let wakes_at = job.wake_ms().filter(|_| !job.cancelled);
        if job.wakes_at != wakes_at {
            let before = std::mem::replace(&mut job.wakes_at, wakes_at);
            before.into_iter().for_each(|at| _ = self.timers.remove(&(at, Timer::Span(id))));
            self.timers.extend(wakes_at.map(|at| (at, Timer::Span(id))));
        }
        let Some(span) = next else {
            job.rise_timer.take().into_iter().for_each(|at| _ = self.timers.remove(&(at, Timer::Rise(id))));
            self.dequeue(id);
            return;
        };
        let shape = job.plan_of(span).map(|plan| plan.shape);
        if job.holds() == 0 && self.refuses(id, span, shape, now, actions) {
            self.forget(id);
            return;
        }
        match shape {
            Some(shape) => self.enqueue(id, span, shape, now),
            None => _ = self.dequeue(id),
        }
    }

    fn enqueue(&mut self, id: JobId, span: SpanId, shape: u32, now: u64) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let since = *job.waits_since.get_or_insert(now);
        if job.holds_up(span) {
            self.held_up.push(id);
        }
        let place = place_of(job, span, shape, since, &self.policy, now);
        if let Some(at) = place.rises_at.filter(|at| job.rise_timer.is_none_or(|timer| timer > *at)) {
            let before = job.rise_timer.replace(at);
            before.into_iter().for_each(|at| _ = self.timers.remove(&(at, Timer::Rise(id))));
            self.timers.insert((at, Timer::Rise(id)));
        }
        if let Some(before) = job.place.as_mut().filter(|before| before.is_where(&place)) {
            *before = place;
            return;
        }
        self.dequeue(id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.place = Some(place);
        self.queue.insert(job, place);
        self.count_kinds(place, true);
        self.board.wait(shape, place.class, &self.pool.fleet);
    }

    fn count_kinds(&mut self, place: Place, more: bool) {
        let Some(shape) = self.board.shapes.get(place.shape) else { return };
        let fleet = &mut self.pool.fleet;
        for kind in &shape.kinds {
            let waiting = &mut fleet.kinds[*kind as usize].waiting[place.class];
            *waiting = if more { *waiting + 1 } else { *waiting - 1 };
        }
        let mut last = false;
        for kind in &shape.suited {
            let by_class = match kind {
                Some(kind) => &mut fleet.kinds[*kind as usize].suited,
                None => &mut fleet.host_suited,
            };
            let suited = &mut by_class[place.class];
            *suited = if more { *suited + 1 } else { *suited - 1 };
            last |= *suited == 0;
        }
        if last {
            self.board.reconsider(&self.pool.fleet);
        }
    }

    /// A job that waited so long when this was noted may have waited long enough to count as one of the next higher class.
    pub(crate) fn rise_due(&mut self, id: JobId, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.rise_timer = None;
        let Some(at) = job.place.and_then(|place| place.rises_at) else { return };
        if at > now {
            job.rise_timer = Some(at);
            self.timers.insert((at, Timer::Rise(id)));
            return;
        }
        job.risen += 1;
        job.waits_since = Some(now);
        self.requeue(id, now, actions);
    }

    fn is_past_deadline(&self, id: JobId, place: Place, now: u64) -> bool {
        let Some(job) = self.jobs.get(&id) else { return false };
        let by_deadline = place.first_from.is_some_and(|from| from > 0) && job.risen <= job.priority as usize;
        by_deadline && job.deadline_ms < Some(now)
    }

    /// Says what waits: of each class the job that is next, and every job that waits for its own spans to make way.
    fn say_waits(&mut self, now: u64, actions: &mut Vec<Action>) {
        let mut held_up = std::mem::take(&mut self.held_up);
        held_up.sort_unstable();
        held_up.dedup();
        let heads = [0, 1, 2].map(|class| self.queue.head(class, now)).into_iter().flatten();
        held_up
            .retain(|id| self.jobs.get(id).is_some_and(|job| job.place.is_some_and(|place| job.holds_up(place.span))));
        let unknown = DEVICE;
        for id in heads.chain(held_up.iter().copied()) {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let Some(place) = job.place else { continue };
            let shape = self.board.shapes.get(place.shape);
            let lacks = shape.and_then(|shape| shape.lacks[place.class].as_ref()).unwrap_or(&unknown);
            if job.said.as_ref().is_none_or(|(span, dimension)| (*span, dimension) != (place.span, lacks)) {
                let said = (place.span, lacks.clone());
                actions.push(Action::Wait { job: id, span: said.0, dimension: said.1.clone() });
                job.said = Some(said);
            }
        }
        self.held_up = held_up;
    }
}

/// Where a job belongs that has waited since a time with its next span.
fn place_of(job: &Job, span: SpanId, shape: u32, since: u64, policy: &Policy, now: u64) -> Place {
    let base = job.priority as usize;
    let class = base.saturating_sub(job.risen);
    let latest = job.latest_start_ms();
    let first_from = if job.holds_up(span) {
        Some(0)
    } else if job.risen > base {
        Some(since)
    } else {
        // Nothing is won by raising what is late already.
        latest.filter(|_| job.deadline_ms >= Some(now)).map(|latest| latest.max(job.submitted_ms).max(1))
    };
    let patient = job.submitted_ms.saturating_add(policy.patience_ms(base));
    let key = latest.map_or(patient, |latest| latest.max(job.submitted_ms));
    let rises_at = (job.risen <= base).then(|| since.saturating_add(policy.patience_ms(class)));
    Place { span, shape, class, key, first_from, rises_at }
}

/// Why a span is started here and now, in one sentence.
fn reason(attempt: u32, device: Option<DeviceId>, way: &Way, why: &str) -> String {
    let mut reason = String::with_capacity(64 + way.holds.len() + why.len());
    // Writing to a string does not fail.
    let _ = match attempt {
        1 => reason.write_str("next span of the job"),
        _ => write!(reason, "attempt {attempt} after one that failed"),
    };
    if let Some(device) = device {
        let _ = write!(reason, " on device {}", device.0);
    }
    reason.push_str("; holds ");
    reason.push_str(&way.holds);
    reason.push_str(why);
    reason
}

/// The largest of an owner's shares of any dimension.
fn dominant(owner: &Owner, pool: &crate::pool::Pool) -> u64 {
    let part = |held: u64, all: u64| match held.saturating_mul(WHOLE).checked_div(all) {
        Some(part) => part.min(WHOLE),
        None => WHOLE * u64::from(held > 0),
    };
    let host = (0..).zip(&owner.held[0]).map(|(id, held)| part(*held, pool.host.capacity_of(id)));
    let totals = pool.fleet.totals.iter().copied().chain(std::iter::repeat(0));
    let devices = owner.held[1].iter().zip(totals).map(|(held, all)| part(*held, all));
    host.chain(devices).max().unwrap_or(0)
}
