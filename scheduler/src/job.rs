//! One job's spans, and where each stands.

use crate::event::{Fault, JobId, Priority, SpanId};
use crate::pool::LeaseId;
use crate::vector::Vector;

/// Where a span stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Not running, not done.
    Pending,
    /// Running under a lease.
    Running(LeaseId),
    /// Done.
    Done,
}

/// One span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) demand: Vector,
    pub(crate) state: State,
    /// Attempts started.
    pub(crate) attempts: u32,
}

/// How a job ends once nothing of it runs any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// A span failed for good.
    Failed { span: SpanId, fault: Fault, attempts: u32 },
    /// It was cancelled.
    Cancelled,
}

/// One job in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) priority: Priority,
    /// When it was submitted, ms.
    pub(crate) submitted_ms: u64,
    /// Order of submission, which decides between equal times.
    pub(crate) number: u64,
    pub(crate) spans: Vec<Span>,
    /// Set once the job is being wound up: nothing of it is started any more.
    pub(crate) ending: Option<Ending>,
}

impl Job {
    /// The order in which jobs are admitted: class, then age.
    pub(crate) fn rank(&self) -> (Priority, u64, u64) {
        (self.priority, self.submitted_ms, self.number)
    }

    /// The next span to place.
    pub(crate) fn next_span(&self) -> Option<SpanId> {
        let position = self.spans.iter().position(|span| span.state == State::Pending)?;
        Some(SpanId(position as u32))
    }

    /// Every span that holds a lease, in order.
    pub(crate) fn running(&self) -> impl Iterator<Item = SpanId> + '_ {
        let is_running = |span: &Span| matches!(span.state, State::Running(_));
        (0_u32..).zip(&self.spans).filter(move |(_, span)| is_running(span)).map(|(index, _)| SpanId(index))
    }

    /// Whether every span is done.
    pub(crate) fn is_done(&self) -> bool {
        self.spans.iter().all(|span| span.state == State::Done)
    }

    pub(crate) fn span_mut(&mut self, span: SpanId) -> Option<&mut Span> {
        self.spans.get_mut(span.0 as usize)
    }
}
