//! Draining: the node takes up no work any more, and lets go of what runs, so that it can be replaced.
//!
//! What is let go of is *handed back*: its attempt ends, its record says that it waits, and its ledger says what is stored.
//! Whoever takes it up next, this process or the one that replaces it, goes on from there. Draining itself is not stored:
//! a process that starts takes up work.

use super::command::Command;
use super::engine::{Engine, ToEngine};
use super::now_unix_ms;
use std::sync::PoisonError;
use std::time::Duration;

/// Longest deadline: a drain is for a replacement, which nobody waits longer for.
pub const DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How a node is to be drained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drain {
    /// How long jobs that run may go on; what is not over by then is handed back. `None`: to their end.
    pub deadline: Option<Duration>,
    /// Jobs that run begin no further span; one of which no span runs any more is handed back before the deadline.
    pub hand_back: bool,
}

/// How far draining is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DrainStatus {
    /// Since when, ms since 1970.
    pub since_unix_ms: i64,
    /// When what still runs is handed back, ms since 1970; `None`: never.
    pub deadline_unix_ms: Option<i64>,
    /// Spans are no longer begun.
    pub hand_back: bool,
    /// Jobs that were handed back since.
    pub handed_back: u64,
}

/// What the loop knows of draining.
#[derive(Debug, Default)]
pub(super) struct Draining {
    pub(super) status: Option<DrainStatus>,
    /// Counts the wishes, so that a deadline that was replaced changes nothing.
    wishes: u64,
}

impl Draining {
    pub(super) const fn is_on(&self) -> bool {
        self.status.is_some()
    }

    /// A job was handed back.
    pub(super) const fn handed_back(&mut self) {
        if let Some(status) = &mut self.status {
            status.handed_back += 1;
        }
    }
}

impl Engine {
    /// Begins to drain, changes how, or takes up work again.
    pub(super) async fn drain(&mut self, wish: Option<Drain>) {
        self.draining.wishes += 1;
        let Some(drain) = wish else {
            self.draining.status = None;
            return self.tell_active(|| Command::HoldSpans(false)).await;
        };
        let deadline = drain.deadline.map(|deadline| deadline.min(DEADLINE_MAX));
        let now = now_unix_ms();
        let before = self.draining.status;
        self.draining.status = Some(DrainStatus {
            since_unix_ms: before.map_or(now, |before| before.since_unix_ms),
            deadline_unix_ms: deadline
                .map(|deadline| now.saturating_add(i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX))),
            hand_back: drain.hand_back,
            handed_back: before.map_or(0, |before| before.handed_back),
        });
        self.tell_active(|| Command::HoldSpans(drain.hand_back)).await;
        if let Some(deadline) = deadline {
            let (to_self, wish) = (self.sender(), self.draining.wishes);
            tokio::spawn(async move {
                tokio::time::sleep(deadline).await;
                // Fails only when the loop has ended.
                let _ = to_self.send(ToEngine::DrainDeadline(wish));
            });
        }
    }

    /// The deadline of a wish has come: what still runs is handed back, unless something else was wished since.
    pub(super) async fn drain_deadline(&mut self, wish: u64) {
        if self.draining.is_on() && self.draining.wishes == wish {
            self.tell_active(|| Command::HandBack).await;
        }
    }

    /// Tells every active job.
    pub(super) async fn tell_active(&self, command: impl Fn() -> Command) {
        let active: Vec<_> =
            self.shown.active.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for job in active {
            // Fails only when the job has just ended.
            let _ = job.commands.send(command()).await;
        }
    }
}
