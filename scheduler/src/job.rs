//! One job's spans, and where each stands.

use crate::choice::GroupId;
use crate::event::{JobId, Priority, SpanId};
use crate::pool::LeaseId;
use crate::vector::Dimension;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Its choices; once it has settled, those of the identity that it keeps to.
    pub(crate) shape: u32,
    /// About how long a span takes by the first of them, ms.
    pub(crate) run_ms: u64,
    /// The identity that its spans keep to.
    pub(crate) identity: Option<u32>,
}

/// Where a job stands in the queue, so that it can be taken out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) span: SpanId,
    pub(crate) shape: u32,
    /// The class that it counts as, 0 for the highest.
    pub(crate) class: usize,
    /// Its rank among its owner's: the smaller comes first.
    pub(crate) key: u64,
    /// From this time on it comes before all shares, ms.
    pub(crate) first_from: Option<u64>,
    /// When its class rises, ms; nothing in the queue depends on it, nor on the span.
    pub(crate) rises_at: Option<u64>,
}

impl Place {
    /// Whether two stand at the same place of the queue.
    pub(crate) fn is_where(&self, other: &Self) -> bool {
        let of = |place: &Self| (place.shape, place.class, place.key, place.first_from);
        of(self) == of(other)
    }
}

/// One job in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) priority: Priority,
    pub(crate) owner: u32,
    pub(crate) deadline_ms: Option<u64>,
    /// When it was submitted, ms.
    pub(crate) submitted_ms: u64,
    /// Order of submission, which decides between equal times.
    pub(crate) number: u64,
    pub(crate) plans: Vec<Plan>,
    pub(crate) spans: Vec<Span>,
    /// Below this there is no span that was never started; beyond it, all are.
    fresh: u32,
    /// Spans that failed, and whose time has come.
    again: BTreeSet<u32>,
    /// Spans that wait for a later time, and that time, ms.
    later: BTreeMap<u32, u64>,
    /// Spans that hold a lease.
    holding: BTreeSet<u32>,
    /// Spans that are not done.
    open: u32,
    /// How long the pending ones take one after another, ms.
    left_ms: u128,
    /// The job is being wound up: nothing of it is started any more.
    pub(crate) cancelled: bool,
    /// Where it stands in the queue, if it does.
    pub(crate) place: Option<Place>,
    /// By how many classes it has risen since something of it was started.
    pub(crate) risen: usize,
    /// Since when it waits in the class that it counts as, ms.
    pub(crate) waits_since: Option<u64>,
    /// When it is looked at again for a span that waits, ms.
    pub(crate) wakes_at: Option<u64>,
    /// When it is looked at again for its class to rise, ms: not later than it does rise, if it waits.
    pub(crate) rise_timer: Option<u64>,
    /// The last `Wait` that was said, so that it is not said again.
    pub(crate) said: Option<(SpanId, Dimension)>,
}

impl Job {
    pub(crate) fn new(id: JobId, priority: Priority, owner: u32, now: u64, number: u64) -> Self {
        Self {
            id,
            priority,
            owner,
            deadline_ms: None,
            submitted_ms: now,
            number,
            plans: Vec::new(),
            spans: Vec::new(),
            fresh: 0,
            again: BTreeSet::new(),
            later: BTreeMap::new(),
            holding: BTreeSet::new(),
            open: 0,
            left_ms: 0,
            cancelled: false,
            place: None,
            risen: 0,
            waits_since: None,
            wakes_at: None,
            rise_timer: None,
            said: None,
        }
    }

    /// More spans, by their groups.
    pub(crate) fn add_spans(&mut self, spans: Vec<GroupId>) {
        self.open += spans.len() as u32;
        self.left_ms += spans.iter().map(|group| self.length(*group)).sum::<u128>();
        self.spans.extend(spans.into_iter().map(|group| Span { group, state: State::Pending(0), attempts: 0 }));
    }

    fn length(&self, group: GroupId) -> u128 {
        self.plans.get(group.0 as usize).map_or(0, |plan| u128::from(plan.run_ms))
    }

    /// A group may run otherwise than before; what it was is returned.
    pub(crate) fn replan(&mut self, group: GroupId, plan: Plan) -> Option<Plan> {
        let before = std::mem::replace(self.plans.get_mut(group.0 as usize)?, plan);
        let is_pending = |span: &&Span| matches!(span.state, State::Pending(_));
        self.left_ms = self.spans.iter().filter(is_pending).map(|span| self.length(span.group)).sum();
        Some(before)
    }

    /// The next span to place: the lowest-numbered one whose time has come.
    pub(crate) fn next_span(&mut self, now: u64) -> Option<SpanId> {
        // Few spans of a job fail, so the list is short, and mostly empty.
        let due: Vec<u32> = self.later.iter().filter(|(_, at)| **at <= now).map(|(span, _)| *span).collect();
        for span in due {
            self.later.remove(&span);
            self.again.insert(span);
        }
        while self.spans.get(self.fresh as usize).is_some_and(|span| span.state == State::Done) {
            self.fresh += 1;
        }
        let fresh = Some(self.fresh).filter(|fresh| (*fresh as usize) < self.spans.len());
        let again = self.again.first().copied();
        again.into_iter().chain(fresh).min().map(SpanId)
    }

    /// When the first span that waits for a later time may start, ms.
    pub(crate) fn wake_ms(&self) -> Option<u64> {
        self.later.values().copied().min()
    }

    /// How many spans hold a lease.
    pub(crate) fn holds(&self) -> usize {
        self.holding.len()
    }

    /// Whether later spans than this one run: what those make can be of use only after it.
    pub(crate) fn holds_up(&self, span: SpanId) -> bool {
        self.holding.last().is_some_and(|last| *last > span.0)
    }

    /// Every span that runs and has not been told to stop.
    pub(crate) fn running(&self) -> impl Iterator<Item = SpanId> + '_ {
        let runs = |span: &&u32| matches!(self.spans.get(**span as usize), Some(Span { state: State::Running(_), .. }));
        self.holding.iter().filter(runs).map(|span| SpanId(*span))
    }

    /// Every lease that is held.
    pub(crate) fn leases(&self) -> impl Iterator<Item = LeaseId> + '_ {
        self.spans.iter().filter_map(|span| match span.state {
            State::Running(lease) | State::Leaving(lease) => Some(lease),
            State::Pending(_) | State::Done => None,
        })
    }

    /// Whether every span is done.
    pub(crate) fn is_done(&self) -> bool {
        self.open == 0
    }

    pub(crate) fn state(&self, span: SpanId) -> Option<State> {
        self.spans.get(span.0 as usize).map(|span| span.state)
    }

    /// What a span's group has settled on.
    pub(crate) fn plan_of(&self, span: SpanId) -> Option<&Plan> {
        self.plans.get(self.spans.get(span.0 as usize)?.group.0 as usize)
    }

    /// Puts a span into another state, and keeps the lists of spans.
    pub(crate) fn set(&mut self, id: SpanId, state: State) {
        let Some(group) = self.spans.get(id.0 as usize).map(|span| span.group) else { return };
        let length = self.length(group);
        let span = &mut self.spans[id.0 as usize];
        if span.state == State::Done {
            return;
        }
        match (span.state, state) {
            (State::Pending(_), State::Pending(_)) => {}
            (State::Pending(_), _) => self.left_ms -= length,
            (_, State::Pending(_)) => self.left_ms += length,
            _ => {}
        }
        span.state = state;
        self.again.remove(&id.0);
        self.later.remove(&id.0);
        self.holding.remove(&id.0);
        match state {
            State::Pending(at) => {
                self.later.insert(id.0, at);
            }
            State::Running(_) => {
                span.attempts += 1;
                self.fresh = self.fresh.max(if span.attempts == 1 { id.0 + 1 } else { 0 });
                self.holding.insert(id.0);
            }
            State::Leaving(_) => {
                self.holding.insert(id.0);
            }
            State::Done => self.open -= 1,
        }
    }

    /// When it has to go on at the latest, ms: its deadline, less the work that is left as if it went on with as many spans
    /// side by side as run now. Work whose length is not known counts as none.
    pub(crate) fn latest_start_ms(&self) -> Option<u64> {
        let deadline = self.deadline_ms?;
        let left = u64::try_from(self.left_ms).unwrap_or(u64::MAX);
        Some(deadline.saturating_sub(left / self.holds().max(1) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(spans: usize) -> Job {
        let mut job = Job::new(JobId(1), Priority::Normal, 0, 0, 0);
        job.plans.push(Plan { shape: 0, run_ms: 100, identity: None });
        job.add_spans(vec![GroupId(0); spans]);
        job
    }

    #[test]
    fn a_span_that_failed_comes_before_later_ones_once_its_time_has_come() {
        let mut job = job(3);
        assert_eq!(job.next_span(0), Some(SpanId(0)));
        job.set(SpanId(0), State::Running(LeaseId(0)));
        job.set(SpanId(0), State::Pending(50));
        assert_eq!((job.next_span(49), job.wake_ms()), (Some(SpanId(1)), Some(50)));
        job.set(SpanId(1), State::Running(LeaseId(1)));
        assert_eq!((job.next_span(50), job.wake_ms()), (Some(SpanId(0)), None));
        assert!(job.holds_up(SpanId(0)) && !job.holds_up(SpanId(2)));
        job.set(SpanId(0), State::Done);
        job.set(SpanId(2), State::Done);
        assert_eq!(job.next_span(60), None);
        job.set(SpanId(1), State::Done);
        job.set(SpanId(1), State::Pending(0));
        assert!(job.is_done(), "what is done stays done");
    }

    #[test]
    fn slack_is_reckoned_with_the_spans_that_run_side_by_side() {
        let mut job = job(6);
        job.deadline_ms = Some(1000);
        assert_eq!(job.latest_start_ms(), Some(400));
        job.set(SpanId(0), State::Running(LeaseId(0)));
        job.set(SpanId(1), State::Running(LeaseId(1)));
        assert_eq!(job.latest_start_ms(), Some(800));
    }
}
