//! The step function.

use crate::choice::{Choice, DeviceId, GroupId};
use crate::event::{Action, Event, JobDemand, JobId, SpanId};
use crate::job::{Job, Plan, Span, State};
use crate::pool::{Blocked, Pool};
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
            Event::JobSubmitted { job } => self.submit(job, now),
            Event::SpansAdded { job, groups, spans } => {
                if let Some(job) = self.job_mut(job) {
                    job.groups.extend(groups.into_iter().map(Plan::from));
                    job.spans.extend(spans.into_iter().map(pending));
                }
            }
            Event::GroupChanged { job, group, choices } => {
                if let Some(plan) = self.job_mut(job).and_then(|job| job.groups.get_mut(group.0 as usize)) {
                    *plan = Plan::from(choices);
                }
            }
            Event::SpanFinished { job, span } => self.span_ended(job, span, State::Done),
            Event::SpanFailed { job, span, again_ms, blame: _ } => self.span_ended(job, span, State::Pending(again_ms)),
            Event::SpanDropped { job, span } => self.drop_span(job, span, &mut actions),
            Event::JobCancelled { job } => self.cancel(job, &mut actions),
            Event::JobLost { job } => self.forget(job),
            Event::Tick => {}
            Event::HostChanged { capacity } => self.pool.set_host(capacity),
            Event::DeviceUp { device } => self.pool.set_device(device),
            Event::DeviceDown { device } => self.pool.remove_device(device),
            Event::Refused { .. } | Event::Probed { .. } => {}
        }
        self.retire(&mut actions);
        self.place(now, &mut actions);
        actions
    }

    /// When to send the next [`Event::Tick`]: the earliest time for which a span waits.
    pub fn wake_ms(&self, now: u64) -> Option<u64> {
        self.jobs.iter().filter_map(|job| job.wake_ms(now)).min()
    }

    fn submit(&mut self, job: JobDemand, now: u64) {
        if self.jobs.iter().any(|known| known.id == job.job) {
            return;
        }
        self.jobs.push(Job {
            id: job.job,
            priority: job.priority,
            submitted_ms: now,
            number: self.submitted,
            groups: job.groups.into_iter().map(Plan::from).collect(),
            spans: job.spans.into_iter().map(pending).collect(),
            cancelled: false,
        });
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
        self.job_mut(id)?.span_mut(span)
    }

    fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
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
            let alone = self.jobs[index].holding().next().is_none();
            if alone && self.refused(index, span_id, actions) {
                self.jobs.remove(index);
                self.admitted = None;
                continue;
            }
            match self.choose(index, span_id) {
                Ok((choice, device)) => self.start(index, span_id, choice, device, actions),
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

    fn start(&mut self, index: usize, id: SpanId, choice: u32, device: Option<DeviceId>, actions: &mut Vec<Action>) {
        let job = &mut self.jobs[index];
        let span = &mut job.spans[id.0 as usize];
        let plan = &mut job.groups[span.group.0 as usize];
        let taken = &plan.group.choices[choice as usize];
        // It was found to fit, and nothing has changed since.
        let Ok(lease) = self.pool.commit(taken, device) else { return };
        plan.identity = Some(taken.identity);
        span.state = State::Running(lease);
        span.attempts += 1;
        let (attempt, reason) = (span.attempts, reason(taken, device, span.attempts));
        self.waiting = None;
        actions.push(Action::Start { job: job.id, span: id, attempt, lease, choice, device, reason });
    }

    /// The choices that a span has, with their indexes: those of the identity that its group keeps to.
    fn choices(&self, index: usize, span: SpanId) -> impl Iterator<Item = (u32, &Choice)> {
        let job = &self.jobs[index];
        let plan = job.groups.get(job.spans[span.0 as usize].group.0 as usize);
        let kept = plan.and_then(|plan| plan.identity);
        let choices = plan.into_iter().flat_map(|plan| &plan.group.choices);
        (0_u32..).zip(choices).filter(move |(_, choice)| kept.is_none_or(|kept| kept == choice.identity))
    }

    /// The first choice that fits, and the device for it; otherwise what the first one lacks.
    fn choose(&self, index: usize, span: SpanId) -> Result<(u32, Option<DeviceId>), Blocked> {
        let mut lacks = None;
        for (number, choice) in self.choices(index, span) {
            for device in self.places(choice) {
                match self.pool.blocked_by(choice, device) {
                    None => return Ok((number, device)),
                    Some(blocked) => lacks = lacks.or(Some(blocked)),
                }
            }
        }
        Err(lacks.unwrap_or(Blocked { dimension: Dimension::named("device"), needed: 1, free: 0 }))
    }

    /// Where a choice could run.
    fn places(&self, choice: &Choice) -> Vec<Option<DeviceId>> {
        match choice.kind {
            None => vec![None],
            Some(kind) => self
                .pool
                .devices()
                .filter(|(device, _)| device.kind == kind)
                .map(|(device, _)| Some(device.id))
                .collect(),
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
    fn refused(&self, index: usize, span: SpanId, actions: &mut Vec<Action>) -> bool {
        let mut lacks = None;
        for (_, choice) in self.choices(index, span) {
            for device in self.places(choice) {
                let share = device.and_then(|id| self.pool.device(id));
                let on_device = share.and_then(|share| share.impossible(&choice.device));
                match on_device.or_else(|| self.pool.host().impossible(&choice.host)) {
                    None => return false,
                    Some(blocked) => lacks = lacks.or(Some(blocked)),
                }
            }
        }
        let lacks = lacks.unwrap_or(Blocked { dimension: Dimension::named("device"), needed: 1, free: 0 });
        let (dimension, needed, capacity) = (lacks.dimension, lacks.needed, lacks.free);
        actions.push(Action::Refuse { job: self.jobs[index].id, span, dimension, needed, capacity });
        true
    }
}

fn pending(group: GroupId) -> Span {
    Span { group, state: State::Pending(0), attempts: 0 }
}

fn reason(choice: &Choice, device: Option<DeviceId>, attempt: u32) -> String {
    let all = choice.device.iter().chain(choice.host.iter());
    let held: Vec<String> = all.map(|(dimension, amount)| format!("{amount} {dimension}")).collect();
    let held = if held.is_empty() { "nothing".to_owned() } else { held.join(", ") };
    let place = device.map_or_else(String::new, |device| format!(" on device {}", device.0));
    match attempt {
        1 => format!("next span of the job{place}; holds {held}"),
        _ => format!("attempt {attempt} after one that failed{place}; holds {held}"),
    }
}
