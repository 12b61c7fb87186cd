//! The step function.

use crate::event::{Action, Event, JobId, Priority, SpanId};
use crate::job::{Job, Span, State};
use crate::pool::Pool;
use crate::vector::{Dimension, Vector};

/// All that the scheduler knows. Deterministic: a clone that gets the same events answers the same.
#[derive(Clone, Default, Debug)]
pub struct Scheduler {
    pool: Pool,
    jobs: Vec<Job>,
    admitted: Option<JobId>,
    submitted: u64,
    /// The last `Wait` that was said, so that it is not said again.
    waiting: Option<(JobId, SpanId, Dimension)>,
}

impl Scheduler {
    /// A scheduler with nothing to do and this much room.
    pub fn new(capacity: Vector) -> Self {
        Self { pool: Pool::new(capacity), ..Self::default() }
    }

    /// What there is and what is held.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Jobs that are queued or run.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Takes one event at a time `now`, in milliseconds on any clock that does not go back, and says what to do.
    /// An event about a job or span that is not known, or is not running, changes nothing: it is late or a repetition.
    pub fn step(&mut self, event: Event, now: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::JobSubmitted { job, priority, spans } => self.submit(job, priority, spans, now),
            Event::SpanFinished { job, span } => self.span_ended(job, span, State::Done),
            Event::SpanFailed { job, span, again_ms } => self.span_ended(job, span, State::Pending(again_ms)),
            Event::SpanDropped { job, span } => self.drop_span(job, span, &mut actions),
            Event::JobCancelled { job } => self.cancel(job, &mut actions),
            Event::JobLost { job } => self.forget(job),
            Event::Tick => {}
            Event::CapacityChanged { capacity } => self.pool.set_capacity(capacity),
        }
        self.retire(&mut actions);
        self.place(now, &mut actions);
        actions
    }

    /// When to send the next [`Event::Tick`]: the earliest time for which a span waits.
    pub fn wake_ms(&self, now: u64) -> Option<u64> {
        self.jobs.iter().filter_map(|job| job.wake_ms(now)).min()
    }

    fn submit(&mut self, id: JobId, priority: Priority, spans: Vec<Vector>, now: u64) {
        if self.jobs.iter().any(|job| job.id == id) {
            return;
        }
        let spans = spans.into_iter().map(|demand| Span { demand, state: State::Pending(0), attempts: 0 }).collect();
        self.jobs.push(Job { id, priority, submitted_ms: now, number: self.submitted, spans, cancelled: false });
        self.submitted += 1;
    }

    /// A span's process is gone: the one place where its lease is returned.
    fn span_ended(&mut self, id: JobId, span_id: SpanId, state: State) {
        let Some(span) = self.span_mut(id, span_id) else { return };
        let lease = match span.state {
            State::Running(lease) => {
                span.state = state;
                lease
            }
            State::Leaving(lease) => {
                span.state = State::Done;
                lease
            }
            State::Pending(_) | State::Done => return,
        };
        self.pool.release(lease);
    }

    fn drop_span(&mut self, id: JobId, span_id: SpanId, actions: &mut Vec<Action>) {
        let Some(span) = self.span_mut(id, span_id) else { return };
        match span.state {
            State::Pending(_) => span.state = State::Done,
            State::Running(lease) => {
                span.state = State::Leaving(lease);
                actions.push(Action::Stop { job: id, span: span_id });
            }
            State::Leaving(_) | State::Done => {}
        }
    }

    /// Nothing more of the job is started; what runs is stopped.
    fn cancel(&mut self, id: JobId, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else { return };
        if !job.cancelled {
            job.cancelled = true;
            actions.extend(job.running().map(|span| Action::Stop { job: id, span }));
        }
    }

    fn forget(&mut self, id: JobId) {
        let Some(position) = self.jobs.iter().position(|job| job.id == id) else { return };
        for span in self.jobs.remove(position).spans {
            if let State::Running(lease) | State::Leaving(lease) = span.state {
                self.pool.release(lease);
            }
        }
        self.admitted = self.admitted.filter(|admitted| *admitted != id);
    }

    fn span_mut(&mut self, id: JobId, span: SpanId) -> Option<&mut Span> {
        self.jobs.iter_mut().find(|job| job.id == id)?.span_mut(span)
    }

    /// Drops jobs of which nothing runs any more and nothing is left to do.
    fn retire(&mut self, actions: &mut Vec<Action>) {
        self.jobs.retain(|job| {
            if job.holding().next().is_some() {
                return true;
            }
            let action = match (job.cancelled, job.is_done()) {
                (true, _) => Action::JobStopped { job: job.id },
                (false, true) => Action::JobDone { job: job.id },
                (false, false) => return true,
            };
            actions.push(action);
            false
        });
        if self.admitted.is_some_and(|id| self.jobs.iter().all(|job| job.id != id)) {
            self.admitted = None;
        }
    }

    /// Starts spans until one does not fit.
    fn place(&mut self, now: u64, actions: &mut Vec<Action>) {
        while let Some(index) = self.admit() {
            let id = self.jobs[index].id;
            if self.jobs[index].cancelled {
                return;
            }
            let Some(span_id) = self.jobs[index].next_span(now) else { return };
            let demand = self.jobs[index].spans[span_id.0 as usize].demand.clone();
            if self.jobs[index].holding().next().is_none() && self.refused(id, span_id, &demand, actions) {
                self.jobs.remove(index);
                self.admitted = None;
                continue;
            }
            match self.pool.commit(&demand) {
                Ok(lease) => {
                    let span = &mut self.jobs[index].spans[span_id.0 as usize];
                    span.state = State::Running(lease);
                    span.attempts += 1;
                    let attempt = span.attempts;
                    self.waiting = None;
                    actions.push(Action::Start {
                        job: id,
                        span: span_id,
                        attempt,
                        lease,
                        reason: reason(&demand, attempt),
                    });
                }
                Err(blocked) => {
                    let wait = (id, span_id, blocked.dimension);
                    if self.waiting.as_ref() != Some(&wait) {
                        self.waiting = Some(wait.clone());
                        actions.push(Action::Wait { job: wait.0, span: wait.1, dimension: wait.2 });
                    }
                    return;
                }
            }
        }
    }

    /// The job whose spans are placed now: the admitted one, or else the first in rank.
    fn admit(&mut self) -> Option<usize> {
        if self.admitted.is_none() {
            self.admitted = self.jobs.iter().min_by_key(|job| job.rank()).map(|job| job.id);
        }
        let id = self.admitted?;
        self.jobs.iter().position(|job| job.id == id)
    }

    /// A job whose next span exceeds all there is would block the queue for ever.
    fn refused(&self, job: JobId, span: SpanId, demand: &Vector, actions: &mut Vec<Action>) -> bool {
        let Some(blocked) = self.pool.impossible(demand) else { return false };
        let (dimension, needed, capacity) = (blocked.dimension, blocked.needed, blocked.free);
        actions.push(Action::Refuse { job, span, dimension, needed, capacity });
        true
    }
}

fn reason(demand: &Vector, attempt: u32) -> String {
    let held: Vec<String> = demand.iter().map(|(dimension, amount)| format!("{amount} {dimension}")).collect();
    let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
    match attempt {
        1 => format!("next span of the job; holds {held}"),
        _ => format!("attempt {attempt} after one that failed; holds {held}"),
    }
}
