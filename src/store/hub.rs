//! Tells of changes: one broadcast channel for each job that somebody watches.
//!
//! Receives: [`News`] from a store, once it is durable. Sends: [`Told`] to the subscribers of the job. Owns: the sending
//! ends. Bound: [`CHANGES_IN_FLIGHT`] changes a channel, after which the slowest receiver lags; channels without a
//! receiver are removed, when something is told of their job or when they have become half of all. Ends: a channel
//! closes when its job is deleted, all of them with the store.

use super::{CHANGES_IN_FLIGHT, Told};
use crate::model::job::Change;
use crate::model::{JobId, JobRecord};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Channels that may stand without a receiver before they are looked for.
const IDLE_MIN: usize = 64;

/// Something durable that subscribers are to know.
#[derive(Debug)]
pub(super) enum News {
    /// A job changed.
    Changed(Arc<Told>),
    /// A job was deleted: nothing follows.
    Deleted(JobId),
}

impl News {
    /// What is to be told of a saved record and its numbered changes. The last change of a job that is over is the last
    /// one until a retry, whatever it is about.
    pub(super) fn of(record: &JobRecord, changes: Vec<Change>) -> impl Iterator<Item = Self> {
        let (id, over, count) = (record.id, record.state().is_over(), changes.len());
        changes.into_iter().enumerate().map(move |(at, change)| {
            let last = over && at + 1 == count;
            Self::Changed(Arc::new(Told { id, change, last }))
        })
    }
}

/// Numbers changes in the order in which they were made, after `revision`, and gives the revision of a record that is
/// saved with them: that of its last change. A save without a change takes a number too.
pub(super) fn number(changes: &mut [Change], revision: u64) -> u64 {
    for (number, change) in (revision + 1..).zip(changes.iter_mut()) {
        change.revision = number;
    }
    revision + (changes.len() as u64).max(1)
}

/// When a save was caused: at its last change. Without one there is no telling but by the clock.
pub(super) fn caused_unix_ms(changes: &[Change], clock: fn() -> i64) -> i64 {
    changes.last().map_or_else(clock, |change| change.unix_ms)
}

/// The channels.
#[derive(Debug, Default)]
pub(super) struct Hub {
    channels: Mutex<Channels>,
}

#[derive(Debug, Default)]
struct Channels {
    of: HashMap<JobId, broadcast::Sender<Arc<Told>>>,
    /// Channels that were in use when idle ones were last removed.
    used: usize,
}

impl Hub {
    /// Changes of a job from now on.
    pub(super) fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>> {
        let mut channels = self.lock();
        if channels.of.len() >= IDLE_MIN + 2 * channels.used {
            channels.of.retain(|_, channel| channel.receiver_count() > 0);
            channels.used = channels.of.len();
        }
        channels.of.entry(id).or_insert_with(|| broadcast::channel(CHANGES_IN_FLIGHT).0).subscribe()
    }

    /// Tells what became durable, in this order.
    pub(super) fn tell(&self, news: impl IntoIterator<Item = News>) {
        let mut channels = self.lock();
        for news in news {
            match news {
                News::Changed(told) => {
                    let id = told.id;
                    if channels.of.get(&id).is_some_and(|channel| channel.send(told).is_err()) {
                        channels.of.remove(&id);
                    }
                }
                News::Deleted(id) => {
                    channels.of.remove(&id);
                }
            }
        }
    }

    /// A thread that panicked here left a whole map: each change of it is one call.
    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::Subject;
    use crate::model::state::JobState;

    fn changed(id: JobId, revision: u64) -> News {
        let change = Change { revision, unix_ms: 0, subject: Subject::Job(JobState::Queued), problem: None };
        News::Changed(Arc::new(Told { id, change, last: false }))
    }

    #[test]
    fn channels_to_which_nobody_listens_are_removed() {
        let (hub, id) = (Hub::default(), JobId::from_number(1));
        drop(hub.subscribe(id));
        hub.tell([changed(id, 1)]);
        assert!(hub.lock().of.is_empty());

        let kept = hub.subscribe(id);
        for number in 2..1000 {
            drop(hub.subscribe(JobId::from_number(number)));
            assert!(hub.lock().of.len() <= IDLE_MIN + 2);
        }
        assert!(hub.lock().of.contains_key(&id));
        drop(kept);
    }

    #[test]
    fn a_deleted_job_ends_its_channel_after_what_was_told_before() {
        let (hub, id) = (Hub::default(), JobId::from_number(1));
        let mut receiver = hub.subscribe(id);
        hub.tell([changed(id, 7), News::Deleted(id)]);
        assert_eq!(receiver.try_recv().unwrap().change.revision, 7);
        assert_eq!(receiver.try_recv(), Err(broadcast::error::TryRecvError::Closed));
    }
}
