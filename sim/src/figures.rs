//! What is measured while the day goes by, and what it comes to in the end.

use crate::bound::{Bound, Capacity, Work, bound};
use crate::fairness::Fairness;
use crate::fleet::{Amounts, DIMENSIONS, ENCODE, Fleet, KINDS, THREADS};
use crate::load::Shape;
use reelmill_scheduler::Priority;

/// Classes of jobs.
pub const CLASSES: usize = 3;
/// Their names.
pub const CLASS_NAMES: [&str; CLASSES] = ["high", "normal", "batch"];

/// Counts of how jobs ended and of what happened to spans.
#[derive(Clone, Default, Debug)]
pub struct Counts {
    /// Jobs that arrived.
    pub arrived: u64,
    /// Jobs done.
    pub done: u64,
    /// Jobs that were cancelled and have stopped.
    pub stopped: u64,
    /// Jobs refused for good.
    pub refused: u64,
    /// Jobs lost with whoever ran them.
    pub lost: u64,
    /// Spans started.
    pub starts: u64,
    /// Spans that finished.
    pub finished: u64,
    /// Spans that failed, for whatever reason.
    pub failed: u64,
    /// Of these, those that a driver refused a session.
    pub sessions_refused: u64,
    /// Spans that were made again in software.
    pub redone: u64,
    /// Probes asked for.
    pub probes: u64,
    /// Times that it was said that a job waits.
    pub waits: u64,
    /// Events told.
    pub events: u64,
}

/// All that is measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From when to when utilisation is measured, ms.
    pub window: (u64, u64),
    work: Vec<Work>,
    fixed: Amounts,
    /// Device time that was not there in the window, by kind; of encoders alone.
    lost_ms: [f64; KINDS.len()],
    holes_ms: [f64; KINDS.len()],
    /// Waits of jobs until their first span, ms, by class.
    pub waits: [Vec<u64>; CLASSES],
    /// Jobs with a deadline, and those that met it, by class.
    pub deadlines: [(u64, u64); CLASSES],
    /// The part of the fleet that spans held, and of it what failed spans held; fleet times ms.
    pub held: f64,
    /// See `held`.
    pub wasted: f64,
    /// The same as `held`, within the window alone.
    pub held_in_window: f64,
    /// Counts.
    pub counts: Counts,
    /// Shares of owners.
    pub fairness: Fairness,
    /// The longest time that the backlog would have taken at the bound, ms: what first come, first served waits at best.
    pub backlog_most_ms: f64,
    /// Time that the scheduler took, ns.
    pub scheduler_ns: u64,
    /// The time of the last end of a job, ms.
    pub end_ms: u64,
}

impl Figures {
    /// Nothing yet.
    pub fn new(shapes: usize, window: (u64, u64)) -> Self {
        Self {
            window,
            work: vec![Work::default(); shapes],
            fixed: Amounts::default(),
            lost_ms: [0.0; KINDS.len()],
            holes_ms: [0.0; KINDS.len()],
            waits: Default::default(),
            deadlines: Default::default(),
            held: 0.0,
            wasted: 0.0,
            held_in_window: 0.0,
            counts: Counts::default(),
            fairness: Fairness::default(),
            backlog_most_ms: 0.0,
            scheduler_ns: 0,
            end_ms: 0,
        }
    }

    /// How much of a time lies in the window, ms.
    pub fn within(&self, from: u64, to: u64) -> u64 {
        to.min(self.window.1).saturating_sub(from.max(self.window.0))
    }

    /// A span of pictures was done: what of it was done within the window is work.
    pub fn did(&mut self, shape: usize, factor: f64, slow_ms: f64, from: u64, to: u64) {
        let part = self.within(from, to) as f64 / (to - from).max(1) as f64;
        self.work[shape].amount += factor * part;
        self.work[shape].slow_ms += slow_ms * part;
    }

    /// A span of sound was done.
    pub fn did_sound(&mut self, host: &Amounts, from: u64, to: u64) {
        let time = self.within(from, to);
        (0..DIMENSIONS).for_each(|d| self.fixed[d] += host[d] * time);
    }

    /// A device was not there.
    pub fn was_lost(&mut self, kind: usize, from: u64, to: u64) {
        self.lost_ms[kind] += self.within(from, to) as f64;
    }

    /// A device did not encode.
    pub fn was_hole(&mut self, kind: usize, from: u64, to: u64) {
        self.holes_ms[kind] += self.within(from, to) as f64;
    }

    /// The part of the bound that was reached: the least time for the work done, over the time that it took.
    pub fn utilisation(&self, shapes: &[Shape], fleet: &Fleet, bias: &[f64; KINDS.len()]) -> f64 {
        let time = (self.window.1 - self.window.0) as f64;
        let mut capacity = capacity_of(fleet).map(|of_kind| of_kind.map(|amount| amount * time));
        for (kind, of_kind) in KINDS.iter().zip(0..) {
            let capacity = &mut capacity[of_kind];
            (0..DIMENSIONS).for_each(|d| capacity[d] -= kind.capacity[d] as f64 * self.lost_ms[of_kind]);
            capacity[ENCODE] -= kind.capacity[ENCODE] as f64 * self.holes_ms[of_kind];
            capacity.iter_mut().for_each(|amount| *amount = amount.max(0.0));
        }
        bound(shapes, &self.work, bias, &capacity, &self.fixed).least
    }

    /// How many placements the scheduler decides in a second of its own time.
    pub fn decisions_per_second(&self) -> f64 {
        self.counts.starts as f64 * 1e9 / self.scheduler_ns.max(1) as f64
    }

    /// How many events the scheduler takes in a second of its own time.
    pub fn events_per_second(&self) -> f64 {
        self.counts.events as f64 * 1e9 / self.scheduler_ns.max(1) as f64
    }

    /// The longest wait of any job, ms.
    pub fn longest_wait_ms(&self) -> u64 {
        self.waits.iter().flatten().copied().max().unwrap_or(0)
    }

    /// The longest that a job may wait without being called starved, ms: twice what the last one of a single queue waits,
    /// first come, first served, on a fleet that reaches the bound; and half an hour.
    pub fn starved_after_ms(&self) -> u64 {
        (2.0 * self.backlog_most_ms) as u64 + 1_800_000
    }
}

/// The wait that a part of all jobs of a class does not exceed, ms; `sorted` in ascending order.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// What a fleet has.
pub fn capacity_of(fleet: &Fleet) -> Capacity {
    let mut capacity = Capacity::default();
    for (kind, count) in fleet.counts().into_iter().enumerate() {
        capacity[kind] = KINDS[kind].capacity.map(|amount| (amount * count) as f64);
    }
    capacity[KINDS.len()] = fleet.host.map(|amount| amount as f64);
    capacity
}

/// The bound for a mean hour's jobs, one unit being the whole fleet for one ms: what the load is scaled by, and the
/// prices that work is weighed with. `spans[g]` are spans of shape `g`; `sound_ms` is the time of a thread for sound.
pub fn mean_bound(shapes: &[Shape], spans: &[f64], sound_ms: f64, fleet: &Fleet, bias: &[f64; KINDS.len()]) -> Bound {
    let work: Vec<Work> = spans.iter().map(|amount| Work { amount: *amount, slow_ms: 0.0 }).collect();
    let mut fixed = Amounts::default();
    fixed[THREADS] = sound_ms as u64;
    bound(shapes, &work, bias, &capacity_of(fleet), &fixed)
}

/// The place of a class in lists by class.
pub fn class_index(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Batch => 2,
    }
}
