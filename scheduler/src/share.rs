//! How much there is of something, how much of it is held, and what was learned about it.

use crate::names::Names;
use crate::vector::{Dimension, Vector};
use std::collections::BTreeMap;

/// Amounts by the number of their dimension.
pub(crate) type Amounts = Vec<(u32, u64)>;

/// Why a demand does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocked {
    /// The first dimension, by name, that has too little left.
    pub dimension: Dimension,
    /// How much of it is asked for.
    pub needed: u64,
    /// How much of it is free now.
    pub free: u64,
}

/// One dimension, by number.
#[derive(Clone, Copy, Default, Debug)]
struct Level {
    capacity: u64,
    /// What a driver showed to be the most.
    cap: Option<u64>,
    used: u64,
}

impl Level {
    fn free(self) -> u64 {
        self.cap.map_or(self.capacity, |cap| cap.min(self.capacity)).saturating_sub(self.used)
    }
}

/// An amount, and how much of it is held.
#[derive(Clone, Default, Debug)]
pub struct Share {
    capacity: Vector,
    used: Vector,
    /// By dimension, the cap and when it is raised next, ms.
    caps: BTreeMap<Dimension, (u64, u64)>,
    /// The same by number, to decide by.
    levels: Vec<Level>,
}

impl Share {
    /// What there is.
    pub fn capacity(&self) -> &Vector {
        &self.capacity
    }

    /// What is held.
    pub fn used(&self) -> &Vector {
        &self.used
    }

    /// The caps that are lower than what there is, learned from refusals: dimension, and the most that is held of it.
    pub fn caps(&self) -> impl Iterator<Item = (&Dimension, u64)> {
        self.caps.iter().map(|(dimension, (cap, _))| (dimension, *cap))
    }

    /// What keeps a demand from being met now. Changes nothing.
    pub fn blocked_by(&self, demand: &Vector) -> Option<Blocked> {
        lacking(demand, |dimension| {
            let capacity = self.capacity.get(dimension);
            let most = self.caps.get(dimension).map_or(capacity, |(cap, _)| capacity.min(*cap));
            most.saturating_sub(self.used.get(dimension))
        })
    }

    /// What keeps a demand from ever being met, even when nobody else holds anything. Changes nothing.
    pub fn impossible(&self, demand: &Vector) -> Option<Blocked> {
        lacking(demand, |dimension| self.capacity.get(dimension))
    }

    pub(crate) fn new(names: &mut Names<Dimension>, capacity: Vector) -> Self {
        let mut share = Self::default();
        share.set_capacity(names, capacity);
        share
    }

    /// There is more or less than before. What is held stays so: less capacity only delays what comes next.
    pub(crate) fn set_capacity(&mut self, names: &mut Names<Dimension>, capacity: Vector) {
        for level in &mut self.levels {
            level.capacity = 0;
        }
        for (dimension, amount) in capacity.iter() {
            self.level(names.id(dimension)).capacity = amount;
        }
        self.capacity = capacity;
    }

    /// What is free of one dimension.
    pub(crate) fn free(&self, id: u32) -> u64 {
        self.levels.get(id as usize).map_or(0, |level| level.free())
    }

    /// What there is of one dimension.
    pub(crate) fn capacity_of(&self, id: u32) -> u64 {
        self.levels.get(id as usize).map_or(0, |level| level.capacity)
    }

    /// The first of the dimensions of which too little is free, when some of it is withheld.
    pub(crate) fn lacks(&self, need: &[(u32, u64)], withheld: impl Fn(u32) -> u64) -> Option<u32> {
        need.iter().find(|(id, amount)| *amount > self.free(*id).saturating_sub(withheld(*id))).map(|(id, _)| *id)
    }

    /// Whether a demand fits now.
    pub(crate) fn fits(&self, need: &[(u32, u64)]) -> bool {
        need.iter().all(|(id, amount)| *amount <= self.free(*id))
    }

    /// The first of the dimensions that could not be met even when nobody held anything.
    pub(crate) fn exceeded_by(&self, need: &[(u32, u64)]) -> Option<(u32, u64, u64)> {
        let exceeds = need.iter().find(|(id, amount)| *amount > self.capacity_of(*id));
        exceeds.map(|(id, amount)| (*id, *amount, self.capacity_of(*id)))
    }

    /// How much of all of it is free, in 1024ths of each dimension, added up.
    pub(crate) fn slack(&self) -> u64 {
        let of = |level: &Level| level.free().saturating_mul(1024).checked_div(level.capacity).unwrap_or(0);
        self.levels.iter().map(of).sum()
    }

    pub(crate) fn take(&mut self, need: &[(u32, u64)], vector: &Vector) {
        for (id, amount) in need {
            let level = self.level(*id);
            level.used = level.used.saturating_add(*amount);
        }
        self.used.add(vector);
    }

    pub(crate) fn give(&mut self, need: &[(u32, u64)], vector: &Vector) {
        for (id, amount) in need {
            let level = self.level(*id);
            level.used = level.used.saturating_sub(*amount);
        }
        self.used.remove(vector);
    }

    /// A driver refused one more: what is held by now, less the one that was refused, is all there is for us, which may
    /// be nothing when others hold it all. Raised again from `next_ms` on.
    pub(crate) fn learn(&mut self, id: u32, dimension: &Dimension, next_ms: u64) {
        let level = self.level(id);
        let most = level.cap.unwrap_or(level.capacity).min(level.used);
        let cap = most.saturating_sub(step(level.capacity));
        level.cap = Some(cap);
        self.caps.insert(dimension.clone(), (cap, next_ms));
    }

    /// Raises a cap by one step when its time has come; it is forgotten once it is no longer one. `None`: nothing was
    /// due; otherwise when it is raised next, if it still is one.
    pub(crate) fn raise(&mut self, id: u32, dimension: &Dimension, now: u64, every_ms: u64) -> Option<Option<u64>> {
        let (cap, _) = *self.caps.get(dimension).filter(|(_, next)| *next <= now)?;
        let level = self.level(id);
        let cap = cap.saturating_add(step(level.capacity));
        level.cap = Some(cap).filter(|cap| *cap < level.capacity);
        if level.cap.is_none() {
            self.caps.remove(dimension);
            return Some(None);
        }
        let next = now.saturating_add(every_ms);
        self.caps.insert(dimension.clone(), (cap, next));
        Some(Some(next))
    }

    /// Forgets what was learned.
    pub(crate) fn forget_caps(&mut self) {
        self.caps.clear();
        for level in &mut self.levels {
            level.cap = None;
        }
    }

    fn level(&mut self, id: u32) -> &mut Level {
        let at = id as usize;
        if self.levels.len() <= at {
            self.levels.resize(at + 1, Level::default());
        }
        &mut self.levels[at]
    }
}

/// By how much a cap is lowered and raised: by one where things are counted, by a thirty-second where they are measured.
fn step(capacity: u64) -> u64 {
    (capacity / 32).max(1)
}

fn lacking(demand: &Vector, free: impl Fn(&Dimension) -> u64) -> Option<Blocked> {
    demand.iter().find_map(|(dimension, needed)| {
        let free = free(dimension);
        (needed > free).then(|| Blocked { dimension: dimension.clone(), needed, free })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::NVENC_SESSIONS;

    #[test]
    fn a_cap_is_what_was_held_less_one_and_rises_by_one_until_it_is_none() {
        let mut names = Names::default();
        let sessions = Vector::of(NVENC_SESSIONS, 5);
        let mut share = Share::new(&mut names, sessions);
        let held = Vector::of(NVENC_SESSIONS, 4);
        share.take(&[(0, 4)], &held);
        share.learn(0, &NVENC_SESSIONS, 10);
        assert_eq!((share.caps().next(), share.free(0)), (Some((&NVENC_SESSIONS, 3)), 0));
        share.give(&[(0, 4)], &held);
        assert_eq!(share.free(0), 3);
        assert_eq!(share.blocked_by(&held).map(|blocked| blocked.free), Some(3), "both books say the same");
        assert_eq!(share.raise(0, &NVENC_SESSIONS, 9, 5), None, "not yet");
        assert_eq!(share.raise(0, &NVENC_SESSIONS, 10, 5), Some(Some(15)));
        assert_eq!(share.raise(0, &NVENC_SESSIONS, 15, 5), Some(None));
        assert_eq!((share.caps().count(), share.free(0)), (0, 5));
    }

    #[test]
    fn a_cap_is_nothing_when_others_hold_everything() {
        let mut names = Names::default();
        let mut share = Share::new(&mut names, Vector::of(NVENC_SESSIONS, 2));
        share.learn(0, &NVENC_SESSIONS, 10);
        assert_eq!(share.free(0), 0);
    }
}
