//! The node's loop: takes jobs up in order, and asks the scheduler what runs.
//!
//! Receives: jobs that were accepted, what happened in jobs, wishes of the operator, time. Sends: the scheduler's actions
//! to the jobs that they concern. Owns: the queue, the scheduler, the list of active jobs. Each active job is a task
//! of its own (`job`), registered here before it runs. Ends: when asked to, once no job is active.

use super::command::Command;
use super::job::{self, Ended};
use super::now_unix_ms;
use super::queue::Queue;
use super::settings::Settings;
use crate::model::JobId;
use crate::model::spec::Priority;
use crate::model::state::JobState;
use crate::report::{JobEvent, JobProgress};
use crate::store::Waiting;
use reelmill_scheduler::{Action, CPU_THREADS, Event, JobDemand, JobId as Number, Scheduler, SpanId, Vector};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Wishes that may wait for a job before those who send them have to.
const COMMANDS_IN_FLIGHT: usize = 64;
/// A job whose attempt was lost (its state could not be stored) is taken up again after so long, ms.
const LOST_AGAIN_MS: i64 = 30_000;

/// What the loop is told. Unbounded, yet bounded: a handful for each active job, and one for each accepted one.
pub(super) enum ToEngine {
    /// A job waits, newly or again.
    Waits(Waiting),
    /// A job that waited is no longer to be taken up.
    Gone(JobId),
    /// A job hands its spans to the scheduler; their actions go to `actions`.
    Spans { demand: JobDemand, actions: mpsc::UnboundedSender<Action> },
    /// Something happened to a job's spans.
    Happened(Event),
    /// An attempt at a span failed; it is wanted all the same, after a wait.
    SpanFailed { number: Number, span: SpanId, wait_ms: u64 },
    /// A job's task has ended.
    Ended { id: JobId, ended: Ended },
    /// Take up nothing any more, or again.
    Drain(bool),
    /// Suspend every active job, and end.
    ShutDown,
}

/// An active job as others see it.
#[derive(Clone, Debug)]
pub(super) struct ActiveJob {
    pub(super) priority: Priority,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) progress: watch::Receiver<Arc<JobProgress>>,
}

/// What the loop shows to others.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) active: Mutex<HashMap<JobId, ActiveJob>>,
    pub(super) figures: Mutex<Figures>,
    /// Bytes of finished segments that wait to be published, over all jobs.
    pub(super) spooled: Arc<AtomicU64>,
}

/// A moment's figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) queued: u64,
    pub(super) draining: bool,
    /// Dimension, how much there is, how much is held.
    pub(super) capacity: Vec<(String, u64, u64)>,
}

impl Shown {
    pub(super) fn active(&self, id: JobId) -> Option<ActiveJob> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(super) fn active_count(&self) -> usize {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The loop's state.
pub(super) struct Engine {
    settings: Arc<Settings>,
    shown: Arc<Shown>,
    to_self: mpsc::UnboundedSender<ToEngine>,
    /// Where a job's occurrences go, for whoever runs a single job.
    listener: Option<mpsc::Sender<JobEvent>>,
    queue: Queue,
    scheduler: Scheduler,
    numbers: u64,
    spans: BTreeMap<Number, mpsc::UnboundedSender<Action>>,
    running: HashMap<JobId, Number>,
    /// Active jobs that somebody wants taken up again: they were changed before their attempt had read them.
    again: HashMap<JobId, Waiting>,
    draining: bool,
    ending: bool,
    began: Instant,
}

impl Engine {
    pub(super) fn new(
        settings: Arc<Settings>,
        shown: Arc<Shown>,
        to_self: mpsc::UnboundedSender<ToEngine>,
        listener: Option<mpsc::Sender<JobEvent>>,
    ) -> Self {
        let threads = u64::from(settings.threads.max(1));
        Self {
            scheduler: Scheduler::new(Vector::of(CPU_THREADS, threads)),
            settings,
            shown,
            to_self,
            listener,
            queue: Queue::default(),
            numbers: 0,
            spans: BTreeMap::new(),
            running: HashMap::new(),
            again: HashMap::new(),
            draining: false,
            ending: false,
            began: Instant::now(),
        }
    }

    /// Runs until it is told to shut down and every job has ended.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<ToEngine>) {
        loop {
            self.show();
            if self.ending && self.shown.active_count() == 0 {
                return;
            }
            let wake = self.wake();
            tokio::select! {
                told = inbox.recv() => match told {
                    Some(told) => self.told(told).await,
                    None => return,
                },
                () = tokio::time::sleep(wake) => self.schedule(Event::Tick),
            }
            // All that is known by now comes first, so that class decides among jobs that were told of together, as after a
            // start. Ends, since whoever tells something waits for an answer to something else now and then.
            while let Ok(told) = inbox.try_recv() {
                self.told(told).await;
            }
            self.take_up();
        }
    }

    async fn told(&mut self, told: ToEngine) {
        match told {
            ToEngine::Waits(job) => self.waits(job),
            ToEngine::Gone(id) => {
                self.queue.remove(id);
                self.again.remove(&id);
            }
            ToEngine::Spans { demand, actions } => {
                self.spans.insert(demand.job, actions);
                self.schedule(Event::JobSubmitted { job: demand });
            }
            ToEngine::Happened(event) => self.schedule(event),
            ToEngine::SpanFailed { number, span, wait_ms } => {
                let again_ms = self.now_ms().saturating_add(wait_ms);
                self.schedule(Event::SpanFailed { job: number, span, again_ms, blame: None });
            }
            ToEngine::Ended { id, ended } => self.ended(id, ended),
            ToEngine::Drain(drain) => self.draining = drain,
            ToEngine::ShutDown => {
                self.ending = true;
                let active: Vec<_> =
                    self.shown.active.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
                for job in active {
                    // Fails only when the job has just ended.
                    let _ = job.commands.send(Command::Suspend).await;
                }
            }
        }
    }

    /// A job is to be taken up. One attempt at a time: who is active still is so afterwards.
    fn waits(&mut self, job: Waiting) {
        if self.running.contains_key(&job.id) {
            self.again.insert(job.id, job);
        } else if job.state == JobState::Stopping && !self.ending {
            // It only has things taken away, so it needs no room, and nobody is to wait for it.
            self.queue.remove(job.id);
            self.begin(job.id);
        } else {
            self.queue.add(job.id, job.priority, job.not_before_unix_ms);
        }
    }

    /// Tells the scheduler, and passes on what it says.
    fn schedule(&mut self, event: Event) {
        for action in self.scheduler.step(event, self.now_ms()) {
            let Some(number) = number_of(&action) else { continue };
            let last = matches!(action, Action::JobDone { .. } | Action::JobStopped { .. } | Action::Refuse { .. });
            let link = if last { self.spans.remove(&number) } else { self.spans.get(&number).cloned() };
            if let Some(link) = link {
                // Fails only when the job's task has ended, by a panic: its workers are gone with it.
                let _ = link.send(action);
            }
        }
    }

    /// Takes up jobs while there is room for them.
    fn take_up(&mut self) {
        while !self.draining && !self.ending {
            let taken = self.classes();
            let room =
                |class: Priority| taken.iter().filter(|other| **other <= class).count() < self.settings.active_max;
            let Some(id) = self.queue.take(now_unix_ms(), room) else { return };
            self.begin(id);
        }
    }

    fn classes(&self) -> Vec<Priority> {
        let active = self.shown.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.values().map(|job| job.priority).collect()
    }

    fn begin(&mut self, id: JobId) {
        self.numbers += 1;
        let number = Number(self.numbers);
        self.running.insert(id, number);
        let (commands, inbox) = mpsc::channel(COMMANDS_IN_FLIGHT);
        let (shows, progress) = watch::channel(Arc::default());
        let start = job::Start {
            settings: Arc::clone(&self.settings),
            id,
            number,
            engine: self.to_self.clone(),
            commands: inbox,
            progress: shows,
            spooled: Arc::clone(&self.shown.spooled),
            listener: self.listener.clone(),
        };
        // The class is known once the record is read; until then the job counts against every class.
        let active = ActiveJob { priority: Priority::High, commands, progress };
        self.shown.active.lock().unwrap_or_else(PoisonError::into_inner).insert(id, active);
        let (engine, shown) = (self.to_self.clone(), Arc::clone(&self.shown));
        let nudge = self.to_self.clone();
        tokio::spawn(async move {
            let set_class = move |priority| {
                let mut active = shown.active.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(job) = active.get_mut(&id) {
                    job.priority = priority;
                }
                // There may be room for a higher class now.
                let _ = nudge.send(ToEngine::Happened(Event::Tick));
            };
            // In a task of its own, so that a panic in it is an end like any other.
            let ended = tokio::spawn(job::run(start, set_class)).await;
            let ended = ended.unwrap_or_else(|error| {
                tracing::error!(job = %id, %error, "the job's task panicked; it is taken up again");
                Ended::Lost
            });
            // Fails only when the engine is gone, and with it everybody who could care.
            let _ = engine.send(ToEngine::Ended { id, ended });
        });
    }

    fn ended(&mut self, id: JobId, ended: Ended) {
        let job = self.shown.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(number) = self.running.remove(&id) {
            // Changes nothing where all went well: the scheduler has forgotten the job by then.
            self.spans.remove(&number);
            self.schedule(Event::JobLost { job: number });
        }
        let again = self.again.remove(&id);
        match ended {
            Ended::Over | Ended::Fenced => {
                if let Some(waiting) = again {
                    self.waits(waiting);
                }
            }
            Ended::Again(waiting) => self.queue.add(waiting.id, waiting.priority, waiting.not_before_unix_ms),
            Ended::Lost => {
                let priority = job.map_or(Priority::Normal, |job| job.priority);
                self.queue.add(id, priority, now_unix_ms() + LOST_AGAIN_MS);
            }
        }
    }

    fn show(&self) {
        let pool = self.scheduler.pool().host();
        let capacity = pool.capacity().iter().map(|(name, total)| (name.to_string(), total, pool.used().get(name)));
        let figures =
            Figures { queued: self.queue.len() as u64, draining: self.draining, capacity: capacity.collect() };
        *self.shown.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// How long nothing has to be done unless something happens.
    fn wake(&self) -> Duration {
        let now = self.now_ms();
        let spans = self.scheduler.wake_ms(now).map(|at| at.saturating_sub(now));
        let queue = self.queue.wake_unix_ms().map(|at| at.saturating_sub(now_unix_ms()).max(0) as u64);
        // A job whose time has come but for which there is no room is taken up when another ends.
        let wait = spans.into_iter().chain(queue.filter(|wait| *wait > 0)).min();
        Duration::from_millis(wait.unwrap_or(60_000).clamp(1, 60_000))
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// The job that an action concerns.
fn number_of(action: &Action) -> Option<Number> {
    match action {
        Action::Start { job, .. }
        | Action::Wait { job, .. }
        | Action::Refuse { job, .. }
        | Action::Stop { job, .. }
        | Action::JobDone { job }
        | Action::JobStopped { job } => Some(*job),
        Action::Probe { .. } => None,
    }
}
