//! One attempt at a job, from the first look at its sources to its end. Steps 1 to 9 of a job's life, in order.
//!
//! Receives: commands, reports of workers, what outputs tell, the scheduler's actions, a tick. Sends: events to the
//! scheduler, changes to the store, occurrences to the listener. Owns: the record while the job is active, its workers,
//! its outputs. Ends: when every output is over and every worker gone, or when the attempt is suspended. Whatever goes
//! wrong becomes the end of outputs, so there is one way to wind a job up.

mod billed;
mod choices;
mod counted;
mod covers;
mod estimate;
mod explain;
mod fallback;
mod figures;
mod groups;
mod hold;
mod joined;
mod live;
mod loudness;
mod marks;
mod metering;
mod needs;
mod observe;
mod outputs;
mod parts;
mod place;
mod prepare;
mod report;
mod reports;
mod run;
mod stills;
mod story;
mod traced;
mod usage;

pub use explain::estimate_by_cpu;
pub(super) use explain::foresee;
pub(super) use prepare::first_of;

use super::command::Command;
use super::engine::{Shown, ToEngine};
use super::keeper::Keeper;
use super::now_unix_ms;
use super::settings::Settings;
use crate::input::Source;
use crate::model::labels::Cover;
use crate::model::plan::JobPlan;
use crate::model::spec::Priority;
use crate::model::state::{InputEvent, InputState, JobEvent as On, JobState, OutputEvent, OutputState};
use crate::model::{Fault, JobId, Problem};
use crate::publish::sink::Sink;
use crate::publish::{Generations, Told};
use crate::report::traces::JobTrace;
use crate::report::{JobEvent, JobProgress};
use crate::store::{LedgerRow, LogLevel, StoreError, Waiting};
use crate::supervise::Report;
use figures::Figures;
use groups::GroupState;
use hold::Held;
use outputs::Live;
use parts::{PartState, Running, Tag};
use reelmill_scheduler::{JobId as Number, SpanId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;
use story::Story;
use tokio::sync::{mpsc, watch};
use usage::Spent;

/// Reports that may wait for the loop before workers are slowed down.
const REPORTS_IN_FLIGHT: usize = 64;
/// What outputs may have told before they are slowed down.
const TOLD_IN_FLIGHT: usize = 64;

/// What an attempt is started with.
pub(super) struct Start {
    pub(super) settings: Arc<Settings>,
    pub(super) id: JobId,
    pub(super) number: Number,
    pub(super) engine: mpsc::UnboundedSender<ToEngine>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) progress: watch::Sender<Arc<JobProgress>>,
    /// What all jobs share: devices, and what waits in the spool.
    pub(super) shown: Arc<Shown>,
    pub(super) listener: Option<mpsc::Sender<JobEvent>>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The job is over.
    Over,
    /// It is to be taken up again.
    Again(Waiting),
    /// It was let go of because the node drains or ends, and goes on from its ledger.
    HandedBack(Waiting),
    /// Somebody else has the job, or it is gone: nothing was touched any more.
    Fenced,
    /// Its state could not be stored.
    Lost,
}

/// A cover, or why it cannot be used.
type CoverFetched = Result<Arc<Cover>, Problem>;

/// Why an attempt cannot go on.
pub(super) enum Broken {
    Fenced,
    Lost,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) | StoreError::Broken(_) => {
                tracing::error!(%error, "a job's state cannot be stored or read; the job is taken up again later");
                Self::Lost
            }
            StoreError::Conflict | StoreError::Fenced | StoreError::NotFound | StoreError::KeyReused => Self::Fenced,
        }
    }
}

/// An attempt that runs.
pub(super) struct Job {
    settings: Arc<Settings>,
    number: Number,
    engine: mpsc::UnboundedSender<ToEngine>,
    commands: mpsc::Receiver<Command>,
    listener: Option<mpsc::Sender<JobEvent>>,
    keeper: Keeper,
    began: Instant,
    /// The daemon ends: nothing more is begun.
    suspended: bool,
    /// While the node drains: spans that the scheduler started and that are not begun.
    held: Option<Held>,
    /// Bytes that were made and that some output has not got yet.
    unpublished: Arc<AtomicU64>,
    sources: Vec<Option<Source>>,
    plan: Arc<JobPlan>,
    spool: PathBuf,
    spooled: Arc<AtomicU64>,
    shown: Arc<Shown>,
    /// One for each output, once opened.
    sinks: Vec<Option<Arc<dyn Sink>>>,
    /// One for each output: the cover of its progressive files.
    covers: Vec<Option<Arc<Cover>>>,
    /// What the ledger held when the attempt began.
    rows: Vec<LedgerRow>,
    /// One for each output; `None` while nothing of it runs.
    outputs: Vec<Option<Live>>,
    parts: Vec<PartState>,
    groups: Vec<GroupState>,
    /// Renditions of which something may be published, by work and id.
    begun: BTreeSet<(usize, String)>,
    /// How loud sound was found to be.
    loudness: loudness::Known,
    /// How often renditions were begun, where more than once.
    generations: Generations,
    running: BTreeMap<SpanId, Running>,
    reports: mpsc::Sender<(Tag, Report)>,
    tell: mpsc::Sender<(usize, Told)>,
    figures: Figures,
    spent: Spent,
    /// Bytes that failed outputs keep, once looked up.
    left_behind: BTreeMap<usize, u64>,
    story: Story,
    trace: JobTrace,
    /// Since when it waited to be taken up, ms since 1970.
    queued_unix_ms: i64,
}

/// Runs an attempt to its end. `class` is told the job's class as soon as it is known.
pub(super) async fn run(start: Start, class: impl FnOnce(Priority)) -> Ended {
    let (reports, heard) = mpsc::channel(REPORTS_IN_FLIGHT);
    let (tell, told) = mpsc::channel(TOLD_IN_FLIGHT);
    let keeper = match Keeper::read(&start.settings, start.id).await {
        Ok(keeper) => keeper,
        Err(problem) if problem.fault == Fault::Input => return Ended::Fenced,
        Err(_) => return Ended::Lost,
    };
    class(keeper.record.spec.priority);
    let (trace, queued_unix_ms) = traced::trace_of(&start.settings, &keeper.record).await;
    let spec = &keeper.record.spec;
    let mut job = Job {
        spool: start.settings.spool.clone().unwrap_or_else(std::env::temp_dir).join(start.id.to_string()),
        settings: start.settings,
        spooled: Arc::clone(&start.shown.spooled),
        shown: start.shown,
        number: start.number,
        engine: start.engine,
        commands: start.commands,
        listener: start.listener,
        began: Instant::now(),
        suspended: false,
        held: None,
        unpublished: Arc::default(),
        sources: spec.sources.iter().map(|_| None).collect(),
        plan: Arc::new(JobPlan { works: Vec::new(), outputs: Vec::new(), notes: Vec::new() }),
        sinks: spec.outputs.iter().map(|_| None).collect(),
        covers: spec.outputs.iter().map(|_| None).collect(),
        rows: Vec::new(),
        outputs: spec.outputs.iter().map(|_| None).collect(),
        parts: Vec::new(),
        groups: Vec::new(),
        begun: BTreeSet::new(),
        loudness: loudness::Known::new(),
        generations: Generations::new(),
        running: BTreeMap::new(),
        reports,
        tell,
        figures: Figures::new(start.progress),
        spent: Spent::default(),
        left_behind: BTreeMap::new(),
        story: Story::default(),
        trace,
        queued_unix_ms,
        keeper,
    };
    let lived = job.live(heard, told).await;
    job.store_story().await;
    job.clean_up().await;
    match lived {
        Ok(ended) => ended,
        Err(Broken::Fenced) => Ended::Fenced,
        Err(Broken::Lost) => Ended::Lost,
    }
}

impl Job {
    async fn live(
        &mut self,
        heard: mpsc::Receiver<(Tag, Report)>,
        told: mpsc::Receiver<(usize, Told)>,
    ) -> Result<Ended, Broken> {
        if !self.begin().await? {
            return Ok(Ended::Fenced);
        }
        self.keep_what_is_ready().await;
        let mut actions = None;
        // A job that was asked to stop in an earlier life only has its outputs removed.
        if self.keeper.record.state() != JobState::Stopping {
            if let Some(again) = self.prepare().await? {
                return Ok(Ended::Again(again));
            }
            actions = self.start_parts().await?;
        }
        self.end_what_was_asked_to_stop().await?;
        self.watch(heard, told, actions).await?;
        if self.suspended && !self.all_over() {
            return self.suspend(None).await.map(Ended::HandedBack);
        }
        self.note_read();
        // First, so that nothing lies here any more of a job that is told to be over.
        self.clean_up().await;
        self.end().await?;
        Ok(Ended::Over)
    }

    /// Takes the job over from whatever an earlier attempt left. False when there is nothing to do.
    async fn begin(&mut self) -> Result<bool, Broken> {
        let now = now_unix_ms();
        let record = &mut self.keeper.record;
        if record.state().is_over() {
            return Ok(false);
        }
        if record.state() != JobState::Stopping {
            // The process ended before it could do so.
            put_back(record, now);
            record.job(On::Begin, now, None);
        }
        counted::begins(&self.settings.telemetry.metrics, record, now);
        tracing::info!(job = %record.id, attempt = record.attempt, "job begins");
        let begins = format!("attempt {} begins", record.attempt);
        self.note(LogLevel::Info, begins);
        self.keeper.save().await?;
        self.trace_queue(self.queued_unix_ms);
        self.rows = self.settings.store.ledger(self.keeper.record.id).await?;
        self.load_usage().await?;
        self.load_loudness().await?;
        Ok(true)
    }

    /// Ends the claims of outputs that an earlier attempt had finished, in case it did not come to that.
    async fn keep_what_is_ready(&mut self) {
        for output in 0..self.outputs.len() {
            if self.keeper.record.outputs[output].state() != OutputState::Ready {
                continue;
            }
            let kept = match self.sink(output) {
                Ok(sink) => sink.keep().await.map_err(|error| error.problem),
                Err(problem) => Err(problem),
            };
            if let Err(problem) = kept {
                let output = self.keeper.record.outputs[output].id.as_str();
                tracing::warn!(job = %self.keeper.record.id, output, %problem, "a finished output could not be tidied up");
            }
        }
    }

    /// Adds what this attempt has fetched of each source to the record.
    fn note_read(&mut self) {
        let read = self.read_so_far();
        for (read, input) in read.into_iter().zip(&mut self.keeper.record.inputs) {
            input.read_bytes = input.read_bytes.saturating_add(read);
        }
    }

    /// What this attempt has read of each source, bytes: through the daemon, or by workers themselves.
    fn read_so_far(&self) -> Vec<u64> {
        let fetched = |input: usize| self.sources[input].as_ref().map_or(0, Source::bytes_read);
        (0..self.sources.len()).map(|input| fetched(input).saturating_add(self.read_by_workers(input))).collect()
    }

    /// Whether every output is over.
    fn all_over(&self) -> bool {
        self.keeper.record.outputs.iter().all(|output| output.state().is_over())
    }

    /// Stores that the attempt has ended before the job did, because of a fault that may pass or because the daemon ends.
    async fn suspend(&mut self, wait_ms: Option<u64>) -> Result<Waiting, Broken> {
        let now = now_unix_ms();
        self.note_read();
        self.keep_usage(true).await?;
        let record = &mut self.keeper.record;
        put_back(record, now);
        if let Some(wait) = wait_ms {
            record.setbacks += 1;
            record.not_before_unix_ms = now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
        }
        self.keeper.save().await?;
        self.note(LogLevel::Info, "the attempt ends before the job is over, which goes on later");
        let record = &self.keeper.record;
        Ok(Waiting {
            id: record.id,
            priority: record.spec.priority,
            not_before_unix_ms: record.not_before_unix_ms,
            state: record.state(),
        })
    }

    /// Every output is over: so is the job.
    async fn end(&mut self) -> Result<(), Broken> {
        let now = now_unix_ms();
        self.close_the_books(now).await?;
        let record = &mut self.keeper.record;
        let event = record.ending();
        let reason = record.outputs.iter().find_map(|output| output.problem.clone());
        let problem = (event != On::Succeed).then_some(reason).flatten();
        // Sources that were never looked at, because the job was stopped before.
        for index in 0..record.inputs.len() {
            record.input(index, InputEvent::Stop, now, None);
        }
        record.job(event, now, problem.clone());
        counted::ended(&self.settings.telemetry.metrics, record);
        let (job, state) = (record.id, record.state().as_str());
        match &problem {
            Some(problem) => {
                tracing::warn!(%job, state, %problem, "job ended");
                self.note(LogLevel::Error, format!("the job has ended, {state}: {problem}"));
            }
            None => {
                tracing::info!(%job, state, "job ended");
                self.note(LogLevel::Info, format!("the job has ended, {state}"));
            }
        }
        // Before anybody hears of the end: who does finds all lines.
        self.store_story().await;
        self.keeper.save().await?;
        self.trace_end(problem.as_ref());
        Ok(())
    }

    /// Removes what waited here. What cannot be removed is removed at the next start of the daemon.
    async fn clean_up(&mut self) {
        self.running.clear();
        self.outputs.iter_mut().for_each(|live| *live = None);
        self.sources.clear();
        let spool = std::mem::take(&mut self.spool);
        let _ = super::blocking(move || Ok(std::fs::remove_dir_all(spool))).await;
    }

    /// Time since the attempt began, ms.
    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Tells whoever runs this single job, and the log.
    async fn tell_listener(&self, event: JobEvent) {
        self.log(&event);
        if let Some(listener) = &self.listener {
            // Nobody listening is no reason to stop.
            let _ = listener.send(event).await;
        }
    }

    /// What the node's operator may want to know of a job beside its changes of state.
    fn log(&self, event: &JobEvent) {
        let job = self.keeper.record.id;
        self.note_event(event);
        match event {
            JobEvent::PartFailed { part, attempt, problem } => {
                tracing::warn!(%job, part, attempt, %problem, "an attempt at a part failed");
            }
            JobEvent::PartStarted { part, attempt, reason } => {
                tracing::debug!(%job, part, attempt, reason, "a part begins");
            }
            JobEvent::PartWaits { part, dimension } => tracing::debug!(%job, part, dimension, "a part waits"),
            JobEvent::Warning(note) => tracing::info!(%job, code = note.code, "{}", note.message),
            _ => {}
        }
    }

    /// The same problem, told to be about this output where it does not say what it is about.
    fn problem_at(output: usize, problem: Problem) -> Problem {
        if problem.field.is_empty() { problem.at(format!("outputs[{output}]")) } else { problem }
    }
}

/// Sets what an attempt had begun back to where the next one begins.
fn put_back(record: &mut crate::model::JobRecord, now: i64) {
    for index in 0..record.inputs.len() {
        if record.inputs[index].state() == InputState::Checking {
            record.input(index, InputEvent::Suspend, now, None);
        }
    }
    for index in 0..record.outputs.len() {
        if matches!(record.outputs[index].state(), OutputState::Running | OutputState::Finishing) {
            record.output(index, OutputEvent::Suspend, now, None);
        }
    }
    // Refused by the table where the job is queued already.
    record.job(On::Suspend, now, None);
}
