//! The node's loop: takes jobs up in order, and asks the scheduler what runs.
//!
//! Receives: jobs that were accepted, what happened in jobs, wishes of the operator, time. Sends: the scheduler's actions
//! to the jobs that they concern. Owns: the queue, the scheduler, the list of active jobs. Each active job is a task
//! of its own (`job`), registered here before it runs. Ends: when asked to, once no job is active.

use super::command::Command;
use super::drain::{Drain, DrainStatus, Draining};
use super::fleet::{Devices, Fleet};
use super::job::{self, Ended};
use super::now_unix_ms;
use super::queue::Queue;
use super::settings::Settings;
use crate::devices;
use crate::model::JobId;
use crate::model::classify::policy;
use crate::model::device::{DeviceFault, DeviceId, DeviceInfo};
use crate::model::spec::Priority;
use crate::model::state::JobState;
use crate::report::metrics::NodeFigures;
use crate::report::{JobEvent, JobProgress};
use crate::store::Waiting;
use reelmill_scheduler::{
    Ability, Action, BreakerState, DeviceId as DeviceNumber, Event, GroupId, JobDemand, JobId as Number,
    NVENC_SESSIONS, Scheduler, Share, SpanId,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Wishes that may wait for a job before those who send them have to.
const COMMANDS_IN_FLIGHT: usize = 64;
/// A job whose attempt was lost (its state could not be stored) is taken up again after so long, ms.
const LOST_AGAIN_MS: i64 = 30_000;
/// Jobs get so long to find other ways before the scheduler hears that a device is gone: what has no way left by then waits
/// for something that may never come, and is refused.
const DOWN_AFTER: Duration = Duration::from_millis(300);

/// What the loop is told. Unbounded, yet bounded: a handful for each active job, and one for each accepted one.
pub(super) enum ToEngine {
    /// A job waits, newly or again.
    Waits(Waiting),
    /// A job that waited is no longer to be taken up.
    Gone(JobId),
    /// A job hands its spans to the scheduler; their actions go to `actions`.
    Spans { demand: JobDemand, actions: mpsc::UnboundedSender<ToJob> },
    /// Something happened to a job's spans.
    Happened(Event),
    /// An attempt at a span failed; it is wanted all the same, after a wait.
    SpanFailed { number: Number, span: SpanId, wait_ms: u64, blame: Option<Ability> },
    /// A device failed at something.
    DeviceFailed { device: DeviceNumber, fault: DeviceFault },
    /// What devices there are now, the CPU included.
    Devices(Vec<DeviceInfo>),
    /// Jobs have had time to find ways without a device that is lost.
    Down(DeviceNumber),
    /// A job's task has ended.
    Ended { id: JobId, ended: Ended },
    /// Take up nothing any more, in this way; `None`: take up work again.
    Drain(Option<Drain>),
    /// What a wish to drain gave jobs is over; by the wish's number.
    DrainDeadline(u64),
    /// Suspend every active job, and end.
    ShutDown,
}

/// What a job with spans is told, in this order.
#[derive(Debug)]
pub(super) enum ToJob {
    /// What the scheduler says.
    Action(Action),
    /// The scheduler has taken over what the job said of a group: what it says from now on is about that.
    Changed(GroupId),
    /// Devices came or went.
    Devices,
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
    /// Spans that run now, over all jobs.
    pub(super) spans_running: Arc<AtomicU64>,
    /// The devices of the node.
    pub(super) devices: Devices,
    began: OnceLock<Instant>,
}

/// For each dimension its name, how much there is, and how much is held.
pub(super) type Amounts = Vec<(String, u64, u64)>;

/// A moment's figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) queued: u64,
    pub(super) drain: Option<DrainStatus>,
    /// Dimension, how much there is, how much is held.
    pub(super) capacity: Vec<(String, u64, u64)>,
    /// The same for each device.
    pub(super) devices: Vec<(DeviceId, Amounts)>,
}

impl Shown {
    /// When the scheduler's clock began.
    pub(super) fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

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
    pub(super) shown: Arc<Shown>,
    to_self: mpsc::UnboundedSender<ToEngine>,
    /// Where a job's occurrences go, for whoever runs a single job.
    listener: Option<mpsc::Sender<JobEvent>>,
    queue: Queue,
    scheduler: Scheduler,
    numbers: u64,
    spans: BTreeMap<Number, mpsc::UnboundedSender<ToJob>>,
    fleet: Fleet,
    running: HashMap<JobId, Number>,
    /// Active jobs that somebody wants taken up again: they were changed before their attempt had read them.
    again: HashMap<JobId, Waiting>,
    pub(super) draining: Draining,
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
        let began = shown.began();
        let mut fleet = Fleet::default();
        let events = fleet.found(settings.devices.clone());
        let mut scheduler = Scheduler::new(fleet.host(settings.threads));
        for event in events {
            // Nothing waits yet, so nothing follows.
            let _ = scheduler.step(event, 0);
        }
        shown.devices.set(fleet.clone());
        settings.telemetry.meter.simulated(settings.simulated.as_ref());
        settings.telemetry.meter.devices(&settings.devices);
        Self {
            scheduler,
            fleet,
            settings,
            shown,
            to_self,
            listener,
            queue: Queue::default(),
            numbers: 0,
            spans: BTreeMap::new(),
            running: HashMap::new(),
            again: HashMap::new(),
            draining: Draining::default(),
            ending: false,
            began,
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
            ToEngine::Happened(event) => {
                if let Event::GroupChanged { job, group, .. } = &event
                    && let Some(link) = self.spans.get(job)
                {
                    // Fails only when the job's task has ended.
                    let _ = link.send(ToJob::Changed(*group));
                }
                self.schedule(event);
            }
            ToEngine::SpanFailed { number, span, wait_ms, blame } => {
                let again_ms = self.now_ms().saturating_add(wait_ms);
                self.schedule(Event::SpanFailed { job: number, span, again_ms, blame });
            }
            ToEngine::DeviceFailed { device, fault } => self.device_failed(device, fault),
            ToEngine::Devices(found) => self.found(found),
            ToEngine::Down(device) => {
                if !self.fleet.of(device).is_some_and(|known| known.up) {
                    self.schedule(Event::DeviceDown { device });
                    self.schedule(Event::HostChanged { capacity: self.fleet.host(self.settings.threads) });
                }
            }
            ToEngine::Ended { id, ended } => self.ended(id, ended),
            ToEngine::Drain(wish) => self.drain(wish).await,
            ToEngine::DrainDeadline(wish) => self.drain_deadline(wish).await,
            ToEngine::ShutDown => {
                self.ending = true;
                self.tell_active(|| Command::Suspend).await;
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
            let Some(number) = number_of(&action) else {
                self.probe(action);
                continue;
            };
            let last = matches!(action, Action::JobDone { .. } | Action::JobStopped { .. } | Action::Refuse { .. });
            let link = if last { self.spans.remove(&number) } else { self.spans.get(&number).cloned() };
            if let Some(link) = link {
                // Fails only when the job's task has ended, by a panic: its workers are gone with it.
                let _ = link.send(ToJob::Action(action));
            }
        }
    }

    /// A device that was set aside is to prove itself, by the trial of the ability in a worker of its own. Of a simulated
    /// one, and of an ability that no trial is made of, the next span is the proof: the scheduler asks only when the time
    /// of the breaker is over, which doubles with each failure.
    fn probe(&self, action: Action) {
        let Action::Probe { device, ability } = action else { return };
        let known = self.fleet.of(device).filter(|known| known.up).map(|known| known.info.clone());
        let (to_self, worker) = (self.to_self.clone(), self.settings.worker.clone());
        tokio::spawn(async move {
            let sound = match known {
                Some(info) if info.simulated => true,
                Some(info) => devices::is_sound(&worker, &info, &ability.0).await.lets_go_on(),
                None => false,
            };
            // Fails only when the loop has ended.
            let _ = to_self.send(ToEngine::Happened(Event::Probed { device, ability, sound }));
        });
    }

    /// A device failed at something: what follows for the node. What follows for the job is up to it.
    fn device_failed(&mut self, device: DeviceNumber, fault: DeviceFault) {
        let policy = policy(fault);
        let counted = self.fleet.of(device).is_some_and(|known| known.info.sessions_counted);
        if policy.learn_session_cap && counted {
            self.schedule(Event::Refused { dimension: NVENC_SESSIONS, device: None });
        }
        if policy.device_down && self.fleet.lost(device) {
            let id = self.fleet.of(device).map(|known| known.info.id.to_string()).unwrap_or_default();
            tracing::warn!(
                device = id,
                fault = fault.name(),
                "a device is lost; nothing is given to it until it is found again"
            );
            self.went(vec![device]);
        }
    }

    /// What there is was looked at again.
    fn found(&mut self, found: Vec<DeviceInfo>) {
        self.settings.telemetry.meter.devices(&found);
        let mut down = Vec::new();
        for event in self.fleet.found(found) {
            match event {
                Event::DeviceDown { device } => down.push(device),
                event => self.schedule(event),
            }
        }
        self.schedule(Event::HostChanged { capacity: self.fleet.host(self.settings.threads) });
        self.went(down);
    }

    /// Tells jobs that devices came or went, and the scheduler later which are gone.
    fn went(&mut self, down: Vec<DeviceNumber>) {
        self.shown.devices.set(self.fleet.clone());
        for link in self.spans.values() {
            let _ = link.send(ToJob::Devices);
        }
        let to_self = self.to_self.clone();
        if !down.is_empty() {
            tokio::spawn(async move {
                tokio::time::sleep(DOWN_AFTER).await;
                for device in down {
                    let _ = to_self.send(ToEngine::Down(device));
                }
            });
        }
    }

    /// Takes up jobs while there is room for them.
    fn take_up(&mut self) {
        while !self.draining.is_on() && !self.ending {
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
            shown: Arc::clone(&self.shown),
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
            Ended::HandedBack(waiting) => {
                self.draining.handed_back();
                self.queue.add(waiting.id, waiting.priority, waiting.not_before_unix_ms);
            }
            Ended::Again(waiting) => self.queue.add(waiting.id, waiting.priority, waiting.not_before_unix_ms),
            Ended::Lost => {
                let priority = job.map_or(Priority::Normal, |job| job.priority);
                self.queue.add(id, priority, now_unix_ms() + LOST_AGAIN_MS);
            }
        }
    }

    fn show(&self) {
        let pool = self.scheduler.pool();
        let of = |share: &Share| -> Vec<(String, u64, u64)> {
            let all = share.capacity().iter();
            all.map(|(name, total)| (name.to_string(), total, share.used().get(name))).collect()
        };
        let devices = self.fleet.up().filter_map(|known| Some((known.info.id.clone(), of(pool.device(known.number)?))));
        self.count();
        let (queued, drain) = (self.queue.len() as u64, self.draining.status);
        let figures = Figures { queued, drain, capacity: of(pool.host()), devices: devices.collect() };
        *self.shown.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// What metrics tell of the node.
    fn count(&self) {
        let mut active = [0; 3];
        self.classes().into_iter().for_each(|class| active[class as usize] += 1);
        let mut breakers = Vec::new();
        for view in self.scheduler.devices(self.now_ms()).filter(|view| view.up && !view.breakers.is_empty()) {
            let Some(known) = self.fleet.of(view.device.id) else { continue };
            let state = |state: BreakerState| match state {
                BreakerState::Closed { .. } => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open { .. } => 2,
            };
            let of_device = |(ability, at): (Ability, _)| (known.info.id.to_string(), ability.0.to_string(), state(at));
            breakers.extend(view.breakers.into_iter().map(of_device));
        }
        self.settings.telemetry.metrics.node(NodeFigures { queued: self.queue.lengths(), active, breakers });
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

    /// A way to the loop itself.
    pub(super) fn sender(&self) -> mpsc::UnboundedSender<ToEngine> {
        self.to_self.clone()
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
