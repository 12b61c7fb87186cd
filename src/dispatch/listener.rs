//! Whoever watches a job.

use crate::report::JobEvent;
use tokio::sync::{mpsc, watch};

/// The way to the watcher. One that is slow slows the job down; one that is stuck does not keep it from being cancelled.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    events: mpsc::Sender<JobEvent>,
    cancel: watch::Receiver<bool>,
}

impl Listener {
    pub(super) fn new(events: mpsc::Sender<JobEvent>, cancel: watch::Receiver<bool>) -> Self {
        Self { events, cancel }
    }

    /// Tells, and waits for room. Nobody listening is no reason to stop.
    pub(super) async fn tell(&self, event: JobEvent) {
        let mut cancel = self.cancel.clone();
        tokio::select! {
            biased;
            _ = self.events.send(event) => {}
            Ok(_) = cancel.wait_for(|cancelled| *cancelled) => {}
        }
    }

    /// Tells unless there is no room: for what the next event says again.
    pub(super) fn tell_if_room(&self, event: JobEvent) {
        let _ = self.events.try_send(event);
    }

    /// Whether the job is no longer wanted.
    pub(super) fn cancelled(&self) -> bool {
        *self.cancel.borrow()
    }
}
