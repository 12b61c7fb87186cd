//! Jobs that wait to be taken up: in which order, and when. Pure: time comes in as a value.

use crate::model::JobId;
use crate::model::spec::Priority;
use std::collections::{BTreeMap, BTreeSet};

/// The order among jobs whose time has come: class, then age (ids sort by the time of creation).
type Rank = (Priority, JobId);

/// Jobs that wait. Each is in it once.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Those whose time has come.
    ready: BTreeSet<Rank>,
    /// Those that are not to begin before a time of day, ms.
    later: BTreeSet<(i64, Rank)>,
    known: BTreeMap<JobId, (i64, Priority)>,
    /// How many of each class.
    lengths: [u64; 3],
}

impl Queue {
    /// Adds a job, or moves it.
    pub(super) fn add(&mut self, id: JobId, priority: Priority, not_before_unix_ms: i64) {
        self.remove(id);
        self.known.insert(id, (not_before_unix_ms, priority));
        self.lengths[priority as usize] += 1;
        self.later.insert((not_before_unix_ms, (priority, id)));
    }

    /// Takes a job out, wherever it stands.
    pub(super) fn remove(&mut self, id: JobId) {
        if let Some((from, priority)) = self.known.remove(&id) {
            self.ready.remove(&(priority, id));
            self.later.remove(&(from, (priority, id)));
            self.lengths[priority as usize] -= 1;
        }
    }

    /// Takes out the first job whose time has come and whose class is `allowed`.
    pub(super) fn take(&mut self, now_unix_ms: i64, allowed: impl Fn(Priority) -> bool) -> Option<JobId> {
        while let Some((from, rank)) = self.later.first().copied().filter(|(from, _)| *from <= now_unix_ms) {
            self.later.remove(&(from, rank));
            self.ready.insert(rank);
        }
        // One look for each class: this is asked at every turn of the loop, and a class without room may be long.
        let first = |class: Priority| self.ready.range((class, JobId::from_number(0))..).next().copied();
        let of_class = |class: Priority| first(class).filter(|(priority, _)| *priority == class);
        let (_, id) = Priority::ALL.into_iter().filter(|class| allowed(*class)).find_map(of_class)?;
        self.remove(id);
        Some(id)
    }

    /// When the next job's time comes; `None` when no job waits for a time.
    pub(super) fn wake_unix_ms(&self) -> Option<i64> {
        self.later.first().map(|(from, _)| *from)
    }

    /// How many wait, by class, in the order of [`Priority::ALL`].
    pub(super) const fn lengths(&self) -> [u64; 3] {
        self.lengths
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> JobId {
        JobId::from_number(number)
    }

    fn drain(queue: &mut Queue, now: i64) -> Vec<u128> {
        std::iter::from_fn(|| queue.take(now, |_| true)).map(JobId::number).collect()
    }

    #[test]
    fn class_comes_before_age_and_time_before_both() {
        let mut queue = Queue::default();
        queue.add(id(1), Priority::Batch, 0);
        queue.add(id(3), Priority::Normal, 0);
        queue.add(id(2), Priority::Normal, 0);
        queue.add(id(4), Priority::High, 500);
        assert_eq!(queue.wake_unix_ms(), Some(0));
        assert_eq!(drain(&mut queue, 499), [2, 3, 1]);
        assert_eq!((queue.wake_unix_ms(), queue.len()), (Some(500), 1));
        assert_eq!(queue.lengths(), [1, 0, 0]);
        assert_eq!(drain(&mut queue, 500), [4]);
        assert_eq!((queue.wake_unix_ms(), queue.len()), (None, 0));
    }

    #[test]
    fn a_long_class_without_room_is_passed_over_at_once() {
        let mut queue = Queue::default();
        (1..=1000).for_each(|number| queue.add(id(number), Priority::High, 0));
        queue.add(id(1001), Priority::Batch, 0);
        let asked = std::cell::Cell::new(0);
        let allowed = |priority| {
            asked.set(asked.get() + 1);
            priority == Priority::Batch
        };
        assert_eq!((queue.take(0, allowed), asked.get()), (Some(id(1001)), 3));
        assert_eq!(queue.take(0, |_| false), None);
    }

    #[test]
    fn a_job_is_in_it_once_and_leaves_it_whole() {
        let mut queue = Queue::default();
        queue.add(id(1), Priority::Normal, 9);
        queue.add(id(1), Priority::High, 0);
        queue.add(id(2), Priority::Normal, 0);
        assert_eq!(queue.take(0, |priority| priority == Priority::Normal), Some(id(2)));
        queue.remove(id(1));
        assert_eq!((drain(&mut queue, 99), queue.len()), (vec![], 0));
    }
}
