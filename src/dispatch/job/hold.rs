//! Handing a job back while its node drains: no further span begins, and once none runs, the attempt ends.

use super::Job;
use crate::dispatch::engine::ToEngine;
use crate::model::state::JobState;
use reelmill_scheduler::SpanId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is stored at the destination is in the ledger by then.
const RECORDED_AFTER: Duration = Duration::from_secs(1);
/// What was made gets so long to be published once nothing runs any more. What waits behind a span that is not begun never
/// will be, so this has an end; it is made again then.
const PUBLISH_MAX: Duration = Duration::from_secs(30);

/// What a job that begins no span holds back.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Spans that the scheduler started. It counts them as running until they are given back.
    spans: BTreeSet<SpanId>,
    /// Since when nothing runs.
    idle: Option<Instant>,
}

/// A span that runs, as one of the node's.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(super) fn of(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Job {
    /// Begins no span any more, or begins those again that were held back.
    pub(super) fn hold_spans(&mut self, hold: bool) {
        if hold {
            self.held.get_or_insert_default();
            return;
        }
        for span in self.held.take().unwrap_or_default().spans {
            self.give_back(span);
        }
    }

    /// Whether a span that the scheduler starts is not to begin.
    pub(super) fn holds(&mut self, span: SpanId) -> bool {
        let Some(held) = &mut self.held else { return false };
        held.spans.insert(span);
        true
    }

    /// Whether a span that the scheduler stops was held back, and so has stopped with this.
    pub(super) fn lets_go_of(&mut self, span: SpanId) -> bool {
        let held = self.held.as_mut().is_some_and(|held| held.spans.remove(&span));
        if held {
            self.give_back(span);
        }
        held
    }

    /// The scheduler chooses anew what becomes of a span that did not begin: devices may have come and gone.
    pub(super) fn give_back(&self, span: SpanId) {
        // Fails only when the engine has ended, which it does after its jobs.
        let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms: 0, blame: None });
    }

    /// Ends the attempt for another one to go on from, unless the job only has things taken away.
    pub(super) fn hand_back(&mut self) {
        if !self.suspended && self.keeper.record.state() != JobState::Stopping {
            tracing::info!(job = %self.keeper.record.id, "job is handed back");
            self.suspend_now();
        }
    }

    /// Hands the job back once no span of it runs, more are wanted, and what was made is published. One of which all is
    /// made goes on to its end.
    pub(super) fn hand_back_if_idle(&mut self) {
        let wanted = self.running.is_empty() && self.parts.iter().any(|part| !part.done);
        let published = self.unpublished.load(Ordering::Relaxed) == 0;
        let Some(held) = self.held.as_mut().filter(|_| !self.suspended) else { return };
        if !wanted {
            held.idle = None;
            return;
        }
        let wait = if published { RECORDED_AFTER } else { PUBLISH_MAX };
        if held.idle.get_or_insert_with(Instant::now).elapsed() >= wait {
            self.hand_back();
        }
    }
}
