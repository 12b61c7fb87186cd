//! Shares the measured use of one device out to those who gave it work. Pure: intervals in, charges out.
//!
//! An interval says how long the engines were busy, how much of that was for others, and what work was reported. Work
//! that was reported a little before or after the engines showed it is matched all the same: what is left of either is kept
//! for [`HOLD`] intervals. With work w_i at its calibrated cost, S = Σ w_i and own busy time U, each is charged
//! w_i · min(1, U/S); what of U is left over when it is too old is unattributed. Energy above idle goes with the busy time.

use super::regress::Regress;
use crate::model::device::{Operation, RateKey};
use crate::model::usage::Method;
use std::collections::{BTreeMap, VecDeque};

/// Intervals for which work and busy time wait for each other: workers report twice a second, encoders look some frames
/// ahead, and drivers show use late.
pub(super) const HOLD: usize = 5;
/// Intervals whose sums are compared to learn what work costs: long enough for the ends not to matter.
const BLOCK: u32 = 4;
/// Engines that are less, or more, busy than this tell little of costs: rounding, and queues.
const LEARN: (f64, f64) = (0.10, 0.95);
/// A cost is never further off than this from what the rates say.
const COST_BOUNDS: (f64, f64) = (0.25, 4.0);
/// Of energy nothing is believed before.
const ENERGY_BOUNDS: (f64, f64) = (0.0, 1e9);

/// By operation: decode, filter, encode.
pub(super) const OPERATIONS: [Operation; 3] = [Operation::Decode, Operation::Filter, Operation::Encode];

/// The operation's place.
pub(super) const fn slot(operation: Operation) -> usize {
    match operation {
        Operation::Decode => 0,
        Operation::Filter => 1,
        Operation::Encode => 2,
    }
}

/// Work that was done for a rendition of a span.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Done {
    pub(super) lap: u64,
    pub(super) rendition: String,
    pub(super) key: RateKey,
    /// At the rate that is believed, µs.
    pub(super) us: f64,
    /// That rate was measured.
    pub(super) measured: bool,
}

/// What happened between two readings.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Interval {
    pub(super) elapsed_us: f64,
    /// Engines of each kind.
    pub(super) engines: [u32; 3],
    /// Busy time of all engines of a kind; `None`: not known.
    pub(super) busy_us: [Option<f64>; 3],
    /// Of which for others; `None`: the driver does not tell them apart.
    pub(super) foreign_us: [Option<f64>; 3],
    /// All that was drawn, mJ.
    pub(super) energy_mj: Option<f64>,
    pub(super) work: Vec<Done>,
    /// The same spans were at work all the time.
    pub(super) steady: bool,
}

/// What a rendition of a span is charged.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Charge {
    pub(super) lap: u64,
    pub(super) rendition: String,
    pub(super) operation: Operation,
    /// Busy time, µs; `None`: it did something, and nobody knows how much that was.
    pub(super) us: Option<(f64, Method)>,
    /// `None`: not known.
    pub(super) energy_mj: Option<f64>,
}

/// One device.
#[derive(Debug)]
pub(super) struct Estimator {
    pools: [Pool; 3],
    costs: Regress<RateKey>,
    /// What a busy millisecond of an operation draws, by its place.
    draws: Regress<usize>,
    /// What it draws when nothing is busy, mW.
    idle_mw: Option<f64>,
    unattributed_us: [f64; 3],
    foreign_us: [f64; 3],
}

/// Busy time and work of one operation that wait for each other.
#[derive(Default, Debug)]
struct Pool {
    busy: VecDeque<Busy>,
    due: VecDeque<Vec<Done>>,
    /// Charged of what was due, at the last interval.
    ratio: Option<f64>,
    block: Block,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    us: f64,
    energy_mj: Option<f64>,
}

/// Sums of the last steady intervals.
#[derive(Default, Debug)]
struct Block {
    intervals: u32,
    expected: BTreeMap<RateKey, f64>,
    found: f64,
    /// What the engines could have been busy.
    room: f64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            pools: <[Pool; 3]>::default(),
            costs: Regress::new(COST_BOUNDS, Some(1.0)),
            draws: Regress::new(ENERGY_BOUNDS, None),
            idle_mw: None,
            unattributed_us: [0.0; 3],
            foreign_us: [0.0; 3],
        }
    }
}

impl Estimator {
    /// Takes an interval in. What everybody is charged for it.
    pub(super) fn interval(&mut self, mut interval: Interval) -> Vec<Charge> {
        let energy = self.energy_by_operation(&interval);
        let mut charges = Vec::new();
        for (place, operation) in OPERATIONS.into_iter().enumerate() {
            let (work, rest) = interval.work.into_iter().partition(|done| done.key.operation == operation);
            interval.work = rest;
            let work: Vec<Done> = work;
            let Some(all) = interval.busy_us[place] else {
                self.pools[place].block = Block::default();
                charges.extend(work.into_iter().map(|done| self.by_rate(done)));
                continue;
            };
            let foreign = interval.foreign_us[place].unwrap_or(0.0).clamp(0.0, all);
            let own = all - foreign;
            self.foreign_us[place] += foreign;
            let told_apart = interval.foreign_us[place].is_some();
            self.learn(place, &work, own, told_apart, &interval);
            let energy_mj = if all > 0.0 { energy[place].map(|mj| mj * own / all) } else { Some(0.0) };
            let due = work.into_iter().map(|done| Done { us: done.us * self.costs.factor(&done.key), ..done });
            let (due, pool) = (due.collect(), &mut self.pools[place]);
            pool.busy.push_back(Busy { us: own, energy_mj });
            pool.due.push_back(due);
            charges.extend(pool.charge(operation));
            self.unattributed_us[place] += pool.forget();
        }
        charges
    }

    /// Work for which use was not measured: by the rate, where that was.
    fn by_rate(&self, done: Done) -> Charge {
        let us = self.known_us(&done).map(|us| (us, Method::RateModel));
        Charge { lap: done.lap, rendition: done.rendition, operation: done.key.operation, us, energy_mj: None }
    }

    /// What work costs by the rate, where that was measured or learned.
    pub(super) fn known_us(&self, done: &Done) -> Option<f64> {
        (done.measured || self.costs.is_known(&done.key)).then(|| done.us * self.costs.factor(&done.key))
    }

    /// What work that was not measured yet will about be charged, where use is measured.
    pub(super) fn expected_us(&self, done: &Done) -> Option<f64> {
        let ratio = self.pools[slot(done.key.operation)].ratio?;
        Some(done.us * self.costs.factor(&done.key) * ratio)
    }

    /// Busy time that nobody was charged for, µs.
    pub(super) const fn unattributed_us(&self) -> [f64; 3] {
        self.unattributed_us
    }

    /// Busy time of others, µs.
    pub(super) const fn foreign_us(&self) -> [f64; 3] {
        self.foreign_us
    }

    /// The device draws so much while nothing is busy, mW.
    pub(super) fn idles_at(&mut self, mw: f64) {
        self.idle_mw = Some(self.idle_mw.map_or(mw, |known| known.min(mw)));
    }

    /// What was drawn above idle, by operation; `None` where a part of it is not known.
    fn energy_by_operation(&mut self, interval: &Interval) -> [Option<f64>; 3] {
        let known = (interval.energy_mj, interval.busy_us.iter().copied().collect::<Option<Vec<f64>>>());
        let (Some(drawn), Some(busy)) = known else { return [None; 3] };
        if busy.iter().all(|us| *us <= 0.0) {
            if interval.elapsed_us > 0.0 {
                self.idles_at(drawn * 1e6 / interval.elapsed_us);
            }
            return [Some(0.0); 3];
        }
        let Some(idle) = self.idle_mw else { return [None; 3] };
        let above = (drawn - idle * interval.elapsed_us / 1e6).max(0.0);
        let by_place: BTreeMap<usize, f64> = busy.iter().copied().enumerate().filter(|(_, us)| *us > 0.0).collect();
        self.draws.learn(&by_place, above);
        let weight = |place: usize| busy[place] * self.draws.factor(&place);
        let total: f64 = (0..busy.len()).map(weight).sum();
        let all: f64 = busy.iter().sum();
        // Where nothing is known to draw anything, by time alone.
        let share = |place: usize| if total > 0.0 { weight(place) / total } else { busy[place] / all };
        [0, 1, 2].map(|place| Some(above * share(place)))
    }

    fn learn(&mut self, place: usize, work: &[Done], own: f64, told_apart: bool, interval: &Interval) {
        let block = &mut self.pools[place].block;
        if !interval.steady || !told_apart {
            *block = Block::default();
            return;
        }
        for done in work {
            *block.expected.entry(done.key.clone()).or_default() += done.us;
        }
        block.intervals += 1;
        block.found += own;
        block.room += interval.elapsed_us * f64::from(interval.engines[place].max(1));
        if block.intervals == BLOCK {
            let block = std::mem::take(block);
            let load = block.found / block.room.max(1.0);
            if (LEARN.0..=LEARN.1).contains(&load) {
                self.costs.learn(&block.expected, block.found);
            }
        }
    }
}

impl Pool {
    /// Charges what is due against what was busy.
    fn charge(&mut self, operation: Operation) -> Vec<Charge> {
        let due: f64 = self.due.iter().flatten().map(|done| done.us).sum();
        let busy: f64 = self.busy.iter().map(|busy| busy.us).sum();
        let charged = due.min(busy);
        if due <= 0.0 {
            return Vec::new();
        }
        let share = charged / due;
        self.ratio = Some(share);
        let energy = self.take(charged);
        let mut charges: BTreeMap<(u64, String), f64> = BTreeMap::new();
        for done in self.due.iter_mut().flatten() {
            *charges.entry((done.lap, done.rendition.clone())).or_default() += done.us * share;
            done.us *= 1.0 - share;
        }
        let charge = |((lap, rendition), us): ((u64, String), f64)| Charge {
            lap,
            rendition,
            operation,
            us: Some((us, Method::UtilisationShare)),
            energy_mj: energy.map(|mj| if charged > 0.0 { mj * us / charged } else { 0.0 }),
        };
        charges.into_iter().map(charge).collect()
    }

    /// Takes so much of what was busy, the oldest first. What that drew.
    fn take(&mut self, mut us: f64) -> Option<f64> {
        let mut energy = Some(0.0);
        for busy in self.busy.iter_mut().filter(|busy| busy.us > 0.0) {
            let part = us.min(busy.us);
            if part <= 0.0 {
                break;
            }
            let drew = busy.energy_mj.map(|mj| mj * part / busy.us);
            energy = energy.zip(drew).map(|(sum, drew)| sum + drew);
            busy.energy_mj = busy.energy_mj.zip(drew).map(|(all, drew)| all - drew);
            busy.us -= part;
            us -= part;
        }
        energy
    }

    /// Lets go of what is too old to be matched. The busy time among it.
    fn forget(&mut self) -> f64 {
        if self.due.len() > HOLD {
            self.due.pop_front();
        }
        if self.busy.len() > HOLD { self.busy.pop_front().map_or(0.0, |busy| busy.us) } else { 0.0 }
    }
}
