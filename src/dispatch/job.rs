//! The loop that owns the truth about one job.
//!
//! Receives: reports of the job's workers, the wish to stop, a tick. Sends: job events. Owns: the scheduler and the
//! workers; the publisher is used by nobody else while the loop runs.
//! Ends: when the scheduler says that the job is done, failed or stopped, which it says only when no worker is left.
//! Whatever goes wrong becomes an event for the scheduler, so there is one way to wind a job up.

use super::listener::{Listener, cancelled};
use super::parts::{Running, demand};
use super::shared::Shared;
use super::{TranscodeRequest, now_unix_ms};
use crate::input::{Source, Transport};
use crate::model::plan::Note;
use crate::model::{Fault, Plan, Problem};
use crate::publish::Part;
use crate::report::{JobEvent, Tracker};
use crate::supervise::Report;
use crate::wire::v1::from_worker::Message;
use reelmill_scheduler::{Action, CPU_THREADS, Event, JobId, Priority, Scheduler, SpanId, Vector};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// The scheduler's name for the only job.
pub(super) const JOB: JobId = JobId(1);
/// How often the loop looks at manifests and progress when nothing else happens.
const TICK: Duration = Duration::from_millis(250);
/// Reports that may wait for the loop before workers are slowed down.
const REPORTS_IN_FLIGHT: usize = 64;

/// Which attempt at which part a report is about.
type Tag = (SpanId, u32);

/// What a job that succeeded has to tell besides its ledger.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) playable_after_ms: Option<u64>,
    pub(super) retries: u32,
    pub(super) decode_errors: u64,
    pub(super) warnings: Vec<Note>,
}

/// A job that is about to run.
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) transport: Transport,
    pub(super) program: PathBuf,
    pub(super) plan: Plan,
    pub(super) plan_json: Vec<u8>,
    pub(super) parts: Vec<Part>,
    pub(super) demands: Vec<Vector>,
    pub(super) publisher: Shared,
    /// Whether progressive MP4 files are asked for.
    pub(super) progressive: bool,
    pub(super) listener: Listener,
    pub(super) began: Instant,
    pub(super) scheduler: Scheduler,
    pub(super) running: BTreeMap<SpanId, Running>,
    pub(super) reports: mpsc::Sender<(Tag, Report)>,
    pub(super) told: Option<mpsc::Receiver<(Tag, Report)>>,
    pub(super) tracker: Tracker,
    /// The last problem of each part.
    pub(super) problems: BTreeMap<SpanId, Problem>,
    /// Why the job is being wound up, when it is not a part's problem.
    pub(super) failure: Option<Problem>,
    pub(super) outcome: Outcome,
}

impl Job {
    pub(super) fn new(
        request: &TranscodeRequest,
        source: &Source,
        plan: &Plan,
        publisher: Shared,
        listener: Listener,
        began: Instant,
    ) -> Self {
        let threads = u64::from(request.threads.max(1));
        let parts = Part::all(plan);
        let demands = parts.iter().map(|part| demand(*part, threads, plan.spans.len())).collect();
        let video = plan.video.iter().flat_map(|video| video.renditions.iter().map(|rung| rung.id.clone()));
        let tracks = video.chain(plan.audio.iter().map(|audio| audio.id.clone())).collect();
        let (reports, told) = mpsc::channel(REPORTS_IN_FLIGHT);
        Self {
            source: source.clone(),
            transport: request.transport,
            program: request.worker.clone(),
            plan: plan.clone(),
            plan_json: Vec::new(),
            parts,
            demands,
            publisher,
            progressive: request.options.progressive,
            listener,
            began,
            scheduler: Scheduler::new(Vector::of(CPU_THREADS, threads)),
            running: BTreeMap::new(),
            reports,
            told: Some(told),
            tracker: Tracker::new(tracks, plan.duration_us),
            problems: BTreeMap::new(),
            failure: None,
            outcome: Outcome { playable_after_ms: None, retries: 0, decode_errors: 0, warnings: plan.notes.clone() },
        }
    }

    /// Runs the job until nothing of it runs any more. On success everything is published and final.
    pub(super) async fn run(mut self, mut cancel: watch::Receiver<bool>) -> Result<Outcome, Problem> {
        self.plan_json = serde_json::to_vec(&self.plan)
            .map_err(|error| Problem::bug("internal.plan", format!("the plan is not JSON: {error}")))?;
        let Some(mut told) = self.told.take() else { return Err(lost_reports()) };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut asked_to_stop = false;
        let submitted = Event::JobSubmitted { job: JOB, priority: Priority::Normal, spans: self.demands.clone() };
        let mut end = self.step(submitted).await;
        while end.is_none() {
            end = tokio::select! {
                biased;
                () = cancelled(&mut cancel), if !asked_to_stop => {
                    asked_to_stop = true;
                    self.wind_up(Problem::cancelled()).await
                }
                // Before reports, since a worker that floods the log must not hold back manifests.
                _ = tick.tick() => self.ticked().await,
                report = told.recv() => match report {
                    Some((tag, report)) => self.reported(tag, report).await,
                    None => return Err(lost_reports()),
                },
            };
        }
        end.unwrap_or_else(|| Err(lost_reports()))?;
        if self.progressive {
            self.publisher.with(move |publisher| publisher.make_progressive(&|| *cancel.borrow())).await?;
        }
        self.publisher.with(|publisher| publisher.finish(now_unix_ms())).await?;
        self.outcome.decode_errors = self.tracker.decode_errors();
        Ok(self.outcome)
    }

    /// Tells the scheduler what happened and does what it says. `Some` when the job has ended.
    async fn step(&mut self, event: Event) -> Option<Result<(), Problem>> {
        let mut events = VecDeque::from([event]);
        let mut end = None;
        while let Some(event) = events.pop_front() {
            for action in self.scheduler.step(event, self.elapsed_ms()) {
                match action {
                    Action::Start { span, attempt, reason, .. } => {
                        events.extend(self.start(span, attempt, reason).await);
                    }
                    Action::Wait { span, dimension, .. } => {
                        let part = self.part_name(span);
                        self.listener.tell(JobEvent::PartWaits { part, dimension: dimension.to_string() }).await;
                    }
                    Action::Stop { span, .. } => {
                        if let Some(running) = self.running.get(&span) {
                            running.worker.stop();
                        }
                    }
                    Action::JobDone { .. } => end = Some(Ok(())),
                    Action::JobFailed { span, .. } => {
                        let problem = self.problems.remove(&span);
                        end = Some(Err(problem.unwrap_or_else(lost_reports)));
                    }
                    Action::JobStopped { .. } => {
                        end = Some(Err(self.failure.take().unwrap_or_else(Problem::cancelled)));
                    }
                    Action::Refuse { dimension, needed, capacity, .. } => {
                        let message = format!("the job needs {needed} {dimension}, and there are {capacity} in all");
                        end = Some(Err(Problem::new(Fault::Capacity, "capacity.refused", message)));
                    }
                }
            }
        }
        end
    }

    async fn reported(&mut self, (span, attempt): Tag, report: Report) -> Option<Result<(), Problem>> {
        // A report of an attempt that is over; its exit has been told already.
        if self.running.get(&span).is_none_or(|running| running.attempt != attempt) {
            return None;
        }
        match report {
            Report::Exited(exit) => {
                let event = self.exited(span, exit).await;
                self.step(event).await
            }
            Report::Stderr(text) => {
                self.listener.tell(JobEvent::Log { level: "error".into(), track: String::new(), text }).await;
                None
            }
            Report::Message(Message::Log(line)) => {
                self.listener.tell(JobEvent::Log { level: line.level, track: line.track, text: line.text }).await;
                None
            }
            // What still comes while the job is wound up is of no use to anybody.
            Report::Message(_) if self.failure.is_some() => None,
            Report::Message(message) => match self.published(span, message).await {
                Ok(()) => None,
                Err(problem) => self.wind_up(problem).await,
            },
        }
    }

    /// Ends the job for a reason that is no part's own.
    async fn wind_up(&mut self, problem: Problem) -> Option<Result<(), Problem>> {
        self.failure.get_or_insert(problem);
        self.step(Event::JobCancelled { job: JOB }).await
    }

    async fn ticked(&mut self) -> Option<Result<(), Problem>> {
        // Left out when the receiver lags: the next one says more.
        self.listener.tell_if_room(JobEvent::Progress(self.tracker.snapshot(self.elapsed_ms())));
        match self.failure.is_some() {
            true => None,
            false => match self.refresh().await {
                Ok(()) => None,
                Err(problem) => self.wind_up(problem).await,
            },
        }
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

fn lost_reports() -> Problem {
    Problem::bug("internal.reports", "the job lost track of its workers; report this with the log")
}
