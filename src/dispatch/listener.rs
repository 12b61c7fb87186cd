//! Whoever watches a job.

use crate::report::JobEvent;
use tokio::sync::{mpsc, watch};

/// Resolves when the job is no longer wanted; never, when nobody is left who could say so.
pub(super) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

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
            () = cancelled(&mut cancel) => {}
        }
    }

    /// Tells unless there is no room: for what the next event says again.
    pub(super) fn tell_if_room(&self, event: JobEvent) {
        let _ = self.events.try_send(event);
    }

    /// Whether the job is no longer wanted.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }
}
