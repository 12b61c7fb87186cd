//! The step function, and what each event does to the jobs. Placement is in `place`, devices are in `health`.

use crate::board::Board;
use crate::choice::{Group, GroupId};
use crate::event::{Action, Event, JobDemand, JobId, SpanId};
use crate::ids::IdMap;
use crate::job::{Job, Plan, State};
use crate::policy::Policy;
use crate::pool::{LeaseId, Pool};
use crate::queue::Queue;
use crate::reserve::Reservation;
use crate::vector::Vector;
use std::collections::BTreeSet;

/// Something that is due at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A span of the job may be tried again.
    Span(JobId),
    /// The job's class rises.
    Rise(JobId),
    /// An ability (by number) of a device (by slot) is to be probed, or did not answer.
    Breaker(u32, u32),
    /// A cap of the host, or of a device by slot, is raised.
    Cap(Option<u32>, u32),
    /// What is absent counts as gone from now on.
    Absent,
}

/// All that the scheduler knows. Deterministic: a clone that gets the same events answers the same.
#[derive(Clone, Default, Debug)]
pub struct Scheduler {
    pub(crate) policy: Policy,
    pub(crate) pool: Pool,
    pub(crate) board: Board,
    pub(crate) queue: Queue,
    /// Boxed, so that a search passes through few lines of memory.
    pub(crate) jobs: IdMap<JobId, Box<Job>>,
    pub(crate) timers: BTreeSet<(u64, Timer)>,
    pub(crate) reservations: Vec<Reservation>,
    /// Jobs whose next span holds up spans of theirs that run; they are told anew that they wait.
    pub(crate) held_up: Vec<JobId>,
    /// Room is not looked for again before this time, ms, after none was found to keep.
    pub(crate) reserve_from: u64,
    /// Which devices are compared next for room to keep.
    pub(crate) reserve_turn: usize,
    submitted: u64,
}

impl Scheduler {
    /// A scheduler with nothing to do and this much room.
    pub fn new(capacity: Vector) -> Self {
        Self::with_policy(capacity, Policy::default())
    }

    /// The same, with other constants.
    pub fn with_policy(capacity: Vector, policy: Policy) -> Self {
        Self { pool: Pool::new(capacity), policy, ..Self::default() }
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
            Event::JobSubmitted { job } => self.submit(job, now, &mut actions),
            Event::SpansAdded { job, groups, spans } => self.add_spans(job, &groups, spans, now, &mut actions),
            Event::GroupChanged { job, group, choices } => self.change_group(job, group, &choices, now, &mut actions),
            Event::SpanFinished { job, span } => self.span_ended(job, span, State::Done, now, &mut actions),
            Event::SpanFailed { job, span, again_ms, blame } => {
                if let (Some(ability), Some(lease)) = (blame, self.lease_of(job, span)) {
                    self.blame(lease, &ability, now, &mut actions);
                }
                self.span_ended(job, span, State::Pending(again_ms), now, &mut actions);
            }
            Event::AbilityFailed { job, span, ability } => {
                if let Some(lease) = self.lease_of(job, span) {
                    self.blame(lease, &ability, now, &mut actions);
                }
            }
            Event::SpanDropped { job, span } => self.drop_span(job, span, now, &mut actions),
            Event::JobCancelled { job } => self.cancel(job, now, &mut actions),
            Event::JobLost { job } => self.forget(job),
            Event::Tick => {}
            Event::HostChanged { capacity } => self.host_changed(capacity, now, &mut actions),
            Event::DeviceUp { device } => self.device_up(device, now, &mut actions),
            Event::DeviceDown { device } => self.device_down(device, now, &mut actions),
            Event::Refused { dimension, device } => self.refused(&dimension, device, now),
            Event::Probed { device, ability, sound } => self.probed(device, &ability, sound, now, &mut actions),
        }
        self.fire(now, &mut actions);
        self.place(now, &mut actions);
        actions
    }

    /// When to send the next [`Event::Tick`]: not later than the earliest time for which a span, a class that rises, a
    /// breaker, a learned cap or an absent device waits. It may be earlier: a job of which something is started rises later,
    /// and its first time is left to pass.
    pub fn wake_ms(&self, now: u64) -> Option<u64> {
        self.timers.range((now.saturating_add(1), Timer::Span(JobId(0)))..).next().map(|(at, _)| *at)
    }

    /// Does what is due.
    fn fire(&mut self, now: u64, actions: &mut Vec<Action>) {
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Span(job) => self.settle(job, now, actions),
                Timer::Rise(job) => self.rise_due(job, now, actions),
                Timer::Breaker(slot, ability) => self.breaker_due(slot, ability, now, actions),
                Timer::Cap(slot, dimension) => self.cap_due(slot, dimension, now),
                Timer::Absent => self.absent_due(now, actions),
            }
        }
    }

    fn submit(&mut self, demand: JobDemand, now: u64, actions: &mut Vec<Action>) {
        if self.jobs.contains_key(&demand.job) {
            return;
        }
        let owner = self.queue.owner_of(&demand.owner);
        let mut job = Job::new(demand.job, demand.priority, owner, now, self.submitted);
        self.submitted += 1;
        job.deadline_ms = demand.deadline_ms;
        job.plans = demand.groups.iter().map(|group| self.plan(group)).collect();
        job.add_spans(demand.spans);
        self.jobs.insert(demand.job, Box::new(job));
        self.settle(demand.job, now, actions);
    }

    fn plan(&mut self, group: &Group) -> Plan {
        let shape = self.board.shapes.of_group(group, &mut self.pool.dimensions, &mut self.pool.fleet);
        let run_ms = group.choices.first().map_or(0, |choice| choice.run_ms);
        Plan { shape, run_ms, identity: None }
    }

    fn add_spans(&mut self, id: JobId, groups: &[Group], spans: Vec<GroupId>, now: u64, actions: &mut Vec<Action>) {
        if !self.jobs.contains_key(&id) {
            return;
        }
        let plans: Vec<Plan> = groups.iter().map(|group| self.plan(group)).collect();
        if let Some(job) = self.jobs.get_mut(&id) {
            job.plans.extend(plans);
            job.add_spans(spans);
        }
        self.settle(id, now, actions);
    }

    fn change_group(&mut self, id: JobId, group: GroupId, choices: &Group, now: u64, actions: &mut Vec<Action>) {
        if self.jobs.get(&id).is_none_or(|job| job.plans.len() <= group.0 as usize) {
            return;
        }
        self.dequeue(id);
        let plan = self.plan(choices);
        if let Some(before) = self.jobs.get_mut(&id).and_then(|job| job.replan(group, plan)) {
            self.board.shapes.let_go(before.shape);
        }
        self.settle(id, now, actions);
    }

    /// A span's process is gone: its lease is returned.
    fn span_ended(&mut self, id: JobId, span: SpanId, state: State, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let (lease, state) = match job.state(span) {
            Some(State::Running(lease)) => (lease, state),
            Some(State::Leaving(lease)) => (lease, State::Done),
            _ => return,
        };
        job.set(span, state);
        let owner = job.owner;
        if state == State::Done {
            self.went_well(lease);
        }
        self.release(lease, owner);
        if let Some(job) = self.jobs.get_mut(&id)
            && job.place.is_some_and(|place| job.holds_up(place.span))
        {
            // It gave up something of its own, and wants to know whether that was enough.
            job.said = None;
        }
        self.settle(id, now, actions);
    }

    fn drop_span(&mut self, id: JobId, span: SpanId, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match job.state(span) {
            Some(State::Pending(_)) => {
                job.set(span, State::Done);
                self.settle(id, now, actions);
            }
            Some(State::Running(lease)) => {
                job.set(span, State::Leaving(lease));
                actions.push(Action::Stop { job: id, span });
            }
            Some(State::Leaving(_) | State::Done) | None => {}
        }
    }

    /// Nothing more of the job is started; what runs is stopped.
    fn cancel(&mut self, id: JobId, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !job.cancelled {
            job.cancelled = true;
            actions.extend(job.running().map(|span| Action::Stop { job: id, span }));
            self.settle(id, now, actions);
        }
    }

    /// All that a job held is free, and it is not known any more.
    pub(crate) fn forget(&mut self, id: JobId) {
        self.dequeue(id);
        let Some(job) = self.jobs.remove(&id) else { return };
        if let Some(at) = job.rise_timer {
            self.timers.remove(&(at, Timer::Rise(id)));
        }
        for lease in job.leases() {
            self.release(lease, job.owner);
        }
        for plan in &job.plans {
            self.board.shapes.let_go(plan.shape);
        }
        self.queue.job_gone(job.owner);
    }

    /// A job that has changed ends, or waits with its next span, or is refused.
    pub(crate) fn settle(&mut self, id: JobId, now: u64, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get(&id) else { return };
        let ended = match (job.holds() == 0, job.cancelled, job.is_done()) {
            (true, true, _) => Some(Action::JobStopped { job: id }),
            (true, false, true) => Some(Action::JobDone { job: id }),
            _ => None,
        };
        match ended {
            Some(ended) => {
                self.forget(id);
                actions.push(ended);
            }
            None => self.requeue(id, now, actions),
        }
    }

    pub(crate) fn lease_of(&self, job: JobId, span: SpanId) -> Option<LeaseId> {
        match self.jobs.get(&job)?.state(span)? {
            State::Running(lease) | State::Leaving(lease) => Some(lease),
            State::Pending(_) | State::Done => None,
        }
    }
}
