//! What is still to happen, in order of time; what was put in first comes first at equal times.

use crate::load::Arrival;
use reelmill_scheduler::Ability;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    /// A job arrives.
    Submit(Box<Arrival>),
    /// A run ends, if it is still the same one.
    End {
        /// Where it is.
        slot: usize,
        /// Which one of those that were there.
        generation: u32,
        /// How.
        how: How,
    },
    /// Somebody no longer wants a job.
    Cancel(u64),
    /// Whoever ran a job is gone.
    Lose(u64),
    /// The next strike of fate.
    Strike(usize),
    /// It has been noticed that a device is gone.
    Noticed(u32),
    /// The scheduler asked to be told the time.
    Wake,
    /// A probe has been answered.
    Probed(u32, Ability),
    /// The figures of an hour are taken.
    Hour,
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// Done.
    Finished,
    /// Not done, and its device is to blame.
    Blamed,
    /// Not done, and no device is to blame.
    Failed,
    /// Not done, for the driver refused a session.
    Refused,
    /// Stopped on request.
    Stopped,
}

#[derive(Debug)]
struct Entry {
    at: (u64, u64),
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

/// The queue.
#[derive(Default, Debug)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
}

impl Queue {
    /// Puts something in, for a time in ms.
    pub(crate) fn put(&mut self, at_ms: u64, due: Due) {
        self.count += 1;
        self.heap.push(Reverse(Entry { at: (at_ms, self.count), due }));
    }

    /// Takes out what comes first.
    pub(crate) fn take(&mut self) -> Option<(u64, Due)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at.0, entry.due))
    }
}
