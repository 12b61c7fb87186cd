//! One job's spans, and where each stands.

use crate::choice::{Group, GroupId};
use crate::event::{JobId, Priority, SpanId};
use crate::pool::LeaseId;

/// Where a span stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Not running, not done; not started before this time, ms.
    Pending(u64),
    /// Running under a lease.
    Running(LeaseId),
    /// Running under a lease, and no longer wanted.
    Leaving(LeaseId),
    /// Done, or dropped.
    Done,
}

/// One span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) group: GroupId,
    pub(crate) state: State,
    /// Attempts started.
    pub(crate) attempts: u32,
}

/// A group, and what it has settled on.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) group: Group,
    /// The identity that its spans keep to.
    pub(crate) identity: Option<u32>,
}

impl From<Group> for Plan {
    fn from(group: Group) -> Self {
        Self { group, identity: None }
    }
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
    pub(crate) groups: Vec<Plan>,
    pub(crate) spans: Vec<Span>,
    /// The job is being wound up: nothing of it is started any more.
    pub(crate) cancelled: bool,
}

impl Job {
    /// The order in which jobs are admitted: class, then age.
    pub(crate) fn rank(&self) -> (Priority, u64, u64) {
        (self.priority, self.submitted_ms, self.number)
    }

    /// The next span to place: the lowest-numbered one whose time has come.
    pub(crate) fn next_span(&self, now: u64) -> Option<SpanId> {
        let due = |span: &Span| matches!(span.state, State::Pending(from) if from <= now);
        let position = self.spans.iter().position(due)?;
        Some(SpanId(position as u32))
    }

    /// When the first span that waits for a later time may start.
    pub(crate) fn wake_ms(&self, now: u64) -> Option<u64> {
        let waits = |span: &Span| match span.state {
            State::Pending(from) if from > now => Some(from),
            _ => None,
        };
        self.spans.iter().filter_map(waits).min()
    }

    /// Every span that holds a lease, in order.
    pub(crate) fn holding(&self) -> impl Iterator<Item = SpanId> + '_ {
        let holds = |span: &Span| matches!(span.state, State::Running(_) | State::Leaving(_));
        (0_u32..).zip(&self.spans).filter(move |(_, span)| holds(span)).map(|(index, _)| SpanId(index))
    }

    /// Every span that runs and has not been told to stop.
    pub(crate) fn running(&self) -> impl Iterator<Item = SpanId> + '_ {
        let runs = |span: &Span| matches!(span.state, State::Running(_));
        (0_u32..).zip(&self.spans).filter(move |(_, span)| runs(span)).map(|(index, _)| SpanId(index))
    }

    /// Whether every span is done.
    pub(crate) fn is_done(&self) -> bool {
        self.spans.iter().all(|span| span.state == State::Done)
    }

    pub(crate) fn span_mut(&mut self, span: SpanId) -> Option<&mut Span> {
        self.spans.get_mut(span.0 as usize)
    }
}
