//! The engine as everybody else sees it: takes jobs, and is asked to stop, retry and forget them.

use super::appliance::{Appliance, NodeDevice, NodeStatus, Planned, Reply, StopOutcome};
use super::command::Command;
use super::drain::Drain;
use super::engine::{Engine as Loop, Figures, Shown, ToEngine};
use super::job::{first_of, foresee};
use super::keeper::Keeper;
use super::settings::Settings;
use super::{now_unix_ms, probe, probe_cover, probe_image};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};
use crate::model::request::Looks;
use crate::model::state::{InputEvent, JobEvent as On, JobState, OutputEvent, OutputState};
use crate::model::{Fault, JobId, JobRecord, JobSpec, Locator, MediaFacts, Problem};
use crate::package;
use crate::plan::{Node, joined_facts, plan_job};
use crate::report::metrics::Refusal;
use crate::report::{JobEvent, JobProgress};
use crate::store::{Created, Effect, IdempotencyKey, LedgerEntry, Store, StoreError, Stored, Waiting};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How often a change that met another one is tried anew before the client is told to.
const CONFLICTS_MAX: usize = 20;
/// How long an active job may take to answer a wish. It answers between two steps, none of which waits for media.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A node that takes jobs and carries them out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    shown: Arc<Shown>,
    to_loop: mpsc::UnboundedSender<ToEngine>,
    started_unix_ms: i64,
}

impl Engine {
    /// Starts the node's loop and gives it the jobs that the store holds and that are not over. The second value ends
    /// when the loop has: after [`Engine::shut_down`].
    ///
    /// # Errors
    /// `store.*`; `output.*` when the spool cannot be emptied.
    pub async fn start(
        settings: Settings,
        listener: Option<mpsc::Sender<JobEvent>>,
    ) -> Result<(Self, JoinHandle<()>), Problem> {
        if let Some(spool) = settings.spool.clone() {
            super::blocking(move || empty(&spool)).await?;
        }
        let (settings, shown) = (Arc::new(settings), Arc::new(Shown::default()));
        let (to_loop, inbox) = mpsc::unbounded_channel();
        for mut job in settings.store.unfinished().await? {
            // A stop waits for no time of day.
            if job.state == JobState::Stopping {
                job.not_before_unix_ms = 0;
            }
            // Cannot fail: the receiver is here.
            let _ = to_loop.send(ToEngine::Waits(job));
        }
        let counts = &settings.telemetry.metrics;
        counts.watch_spool(Arc::clone(&shown.spooled), settings.spool_bytes_max);
        let run = Loop::new(Arc::clone(&settings), Arc::clone(&shown), to_loop.clone(), listener);
        let ended = tokio::spawn(run.run(inbox));
        Ok((Self { settings, shown, to_loop, started_unix_ms: now_unix_ms() }, ended))
    }

    /// Says what devices there are now, the CPU among them: found later than the start, vanished, or back.
    pub fn set_devices(&self, found: Vec<DeviceInfo>) {
        self.tell(ToEngine::Devices(found));
    }

    /// The devices that are there now, the CPU first.
    fn devices(&self, figures: &Figures) -> Vec<NodeDevice> {
        let fleet = self.shown.devices.now();
        let of = |id: &DeviceId| figures.devices.iter().find(|(known, _)| known == id).map(|(_, all)| all.clone());
        let device = |info: &DeviceInfo| NodeDevice {
            id: info.id.to_string(),
            kind: info.kind.name(),
            name: info.name.clone(),
            capacity: match info.kind {
                DeviceKind::Cpu => figures.capacity.clone(),
                _ => of(&info.id).unwrap_or_default(),
            },
            stages: stages_of(info),
            info: Some(info.clone()),
        };
        fleet.infos().map(device).collect()
    }

    /// Suspends every active job and takes up no more; the loop ends once nothing runs any more.
    pub fn shut_down(&self) {
        self.tell(ToEngine::ShutDown);
    }

    fn tell(&self, what: ToEngine) {
        // Fails only when the loop has ended, and then nothing is to be done any more.
        let _ = self.to_loop.send(what);
    }

    async fn accept(&self, spec: JobSpec, key: Option<IdempotencyKey>) -> Result<(Stored, bool), Problem> {
        if self.shown.figures().queued >= self.settings.queue_max {
            self.settings.telemetry.metrics.refused("jobs.queued", Refusal::Refused);
            let message = format!("{} jobs wait already; try again later", self.settings.queue_max);
            return Err(Problem::new(Fault::Capacity, "job.queue_full", message));
        }
        let record = JobRecord::new(JobId::new(), spec, now_unix_ms());
        let (id, priority, not_before_unix_ms) = (record.id, record.spec.priority, record.not_before_unix_ms);
        let state = record.state();
        match self.settings.store.create(record.clone(), key).await? {
            Created::New(revision) => {
                self.settings.telemetry.metrics.job_accepted(priority);
                self.tell(ToEngine::Waits(Waiting { id, priority, not_before_unix_ms, state }));
                Ok((Stored { record, revision }, false))
            }
            Created::Existed(id) => {
                let stored = self.settings.store.get(id).await?;
                stored.map(|stored| (stored, true)).ok_or_else(|| StoreError::NotFound.into())
            }
        }
    }

    /// Asks an active job; `None` when it is not active (any more).
    async fn ask<T>(
        &self,
        id: JobId,
        command: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Command,
    ) -> Option<Result<T, Problem>> {
        let job = self.shown.active(id)?;
        let (answer, answered) = oneshot::channel();
        job.commands.send(command(answer)).await.ok()?;
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => Some(answer),
            // The job has just ended.
            Ok(Err(_)) => None,
            Err(_) => Some(Err(busy())),
        }
    }

    async fn stop(&self, id: JobId) -> Result<StopOutcome, Problem> {
        for _ in 0..CONFLICTS_MAX {
            if let Some(answer) = self.ask(id, Command::Stop).await {
                return answer.map(|_| StopOutcome::Stopping);
            }
            let mut keeper = match Keeper::read(&self.settings, id).await {
                Ok(keeper) => keeper,
                Err(problem) if problem.code == "job.not_found" => return Ok(StopOutcome::NotFound),
                Err(problem) => return Err(problem),
            };
            if keeper.record.state().is_over() {
                return Ok(StopOutcome::AlreadyEnded);
            }
            // One that has begun before leaves things behind, which only an attempt can remove: it is taken up for that.
            let begun = keeper.record.outputs.iter().any(|output| output.checked);
            stop_waiting(&mut keeper.record, begun);
            match keeper.save().await {
                Ok(()) if begun => self.wake(&keeper.record),
                Ok(()) => self.tell(ToEngine::Gone(id)),
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            return Ok(StopOutcome::Stopping);
        }
        Err(StoreError::Conflict.into())
    }

    async fn stop_some(&self, id: JobId, outputs: Vec<usize>) -> Result<Vec<StopOutcome>, Problem> {
        let outcome = |asked: bool| if asked { StopOutcome::Stopping } else { StopOutcome::AlreadyEnded };
        for _ in 0..CONFLICTS_MAX {
            let wanted = outputs.clone();
            if let Some(answer) = self.ask(id, |answer| Command::StopOutputs(wanted, answer)).await {
                return Ok(answer?.into_iter().map(outcome).collect());
            }
            let mut keeper = match Keeper::read(&self.settings, id).await {
                Ok(keeper) => keeper,
                Err(problem) if problem.code == "job.not_found" => {
                    return Ok(outputs.iter().map(|_| StopOutcome::NotFound).collect());
                }
                Err(problem) => return Err(problem),
            };
            if keeper.record.state().is_over() {
                return Ok(outputs.iter().map(|_| StopOutcome::AlreadyEnded).collect());
            }
            let now = now_unix_ms();
            let stop =
                |output: &usize| keeper.record.output(*output, OutputEvent::Stop, now, Some(Problem::cancelled()));
            let asked: Vec<bool> = outputs.iter().map(stop).collect();
            let all = keeper
                .record
                .outputs
                .iter()
                .all(|output| output.state().is_over() || output.state() == OutputState::Stopping);
            let begun = keeper.record.outputs.iter().any(|output| output.checked);
            if all {
                stop_waiting(&mut keeper.record, begun);
            }
            match keeper.save().await {
                Ok(()) if all && !begun => self.tell(ToEngine::Gone(id)),
                Ok(()) => self.wake(&keeper.record),
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            return Ok(asked.into_iter().map(outcome).collect());
        }
        Err(StoreError::Conflict.into())
    }

    /// Has a job that waits taken up as soon as its time comes.
    fn wake(&self, record: &JobRecord) {
        self.tell(ToEngine::Waits(Waiting {
            id: record.id,
            priority: record.spec.priority,
            not_before_unix_ms: if record.state() == JobState::Stopping { 0 } else { record.not_before_unix_ms },
            state: record.state(),
        }));
    }

    async fn try_again(&self, id: JobId, outputs: Vec<usize>) -> Result<Stored, Problem> {
        for _ in 0..CONFLICTS_MAX {
            let mut keeper = Keeper::read(&self.settings, id).await?;
            // The task of a job that is over may still be listed for a moment; two at once must not be.
            if !keeper.record.state().is_over() || self.shown.active(id).is_some() {
                if keeper.record.state().is_over() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                let message = "the job is not over; stop it first, or wait for its end";
                return Err(Problem::input("job.not_over", message));
            }
            let now = now_unix_ms();
            let all: Vec<usize> = (0..keeper.record.outputs.len()).collect();
            let chosen = if outputs.is_empty() { all } else { outputs.clone() };
            let retried = chosen.iter().filter(|output| keeper.record.output(**output, OutputEvent::Retry, now, None));
            if retried.count() == 0 {
                let message = "no output of the job failed or was stopped, so there is nothing to try again";
                return Err(Problem::input("job.nothing_to_retry", message));
            }
            keeper.record.setbacks = 0;
            keeper.record.not_before_unix_ms = 0;
            keeper.record.job(On::Retry, now, None);
            match keeper.save().await {
                Ok(()) => {
                    self.wake(&keeper.record);
                    return Ok(keeper.stored());
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Deletes a record, and has what failed outputs left removed.
    pub(super) async fn forget(&self, id: JobId) -> Result<(), Problem> {
        for _ in 0..CONFLICTS_MAX {
            let stored = self.settings.store.get(id).await?.ok_or(StoreError::NotFound)?;
            if !stored.record.state().is_over() {
                return Err(Problem::input("job.not_over", "the job is not over; stop it first, or wait for its end"));
            }
            let effects = self.removals(&stored.record).await?;
            match self.settings.store.delete(id, stored.revision, effects).await {
                Err(StoreError::Conflict) => {}
                other => {
                    self.settings.effects.notify_one();
                    return Ok(other?);
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// What failed outputs left at their destinations.
    async fn removals(&self, record: &JobRecord) -> Result<Vec<Effect>, Problem> {
        let failed =
            |output: &usize| record.outputs[*output].state() == OutputState::Failed && record.outputs[*output].checked;
        let failed: Vec<usize> = (0..record.outputs.len()).filter(failed).collect();
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.settings.store.ledger(record.id).await?;
        let removal = |output: usize| {
            let own = rows.iter().filter(|row| row.output == output);
            let paths = own.flat_map(|row| match &row.entry {
                LedgerEntry::Track(header) => {
                    vec![format!("cmaf/{}/{}", row.track, package::init_name(header.generation))]
                }
                LedgerEntry::Segment(segment) => {
                    let path = |file: &crate::model::ledger::StoredFile| {
                        format!("{}/{}/{}", file.packaging.name(), row.track, file.name)
                    };
                    segment.record.files.iter().map(path).collect()
                }
                LedgerEntry::Picture(picture) => vec![format!("{}/{}", row.track, picture.name)],
            });
            let destination = record.spec.outputs[output].destination.clone();
            Effect::Remove { output, destination, paths: paths.collect() }
        };
        Ok(failed.into_iter().map(removal).collect())
    }

    async fn probe_now(&self, locator: Locator) -> Result<MediaFacts, Problem> {
        let source = self.settings.opener.open(&locator).await?;
        let (_keep, cancelled) = watch::channel(false);
        probe(&self.settings.worker, &source, self.settings.transport, cancelled, Looks::default()).await
    }

    async fn plan_now(&self, spec: JobSpec) -> Result<Planned, Problem> {
        let mut sources = Vec::new();
        for (index, source) in spec.sources.iter().enumerate() {
            let Some(locator) = &source.locator else {
                sources.push(None);
                continue;
            };
            let opened = self.settings.opener.open(locator).await;
            let here = |problem: Problem| match spec.image_field(index, None) {
                Some(field) => problem.at(field),
                None => problem.at(format!("sources[{index}]")),
            };
            let opened = opened.map_err(here)?;
            let (_keep, cancelled) = watch::channel(false);
            let (worker, transport) = (&self.settings.worker, self.settings.transport);
            let facts = match (spec.is_cover(index), spec.is_image(index)) {
                (true, _) => probe_cover(worker, &opened, transport, cancelled).await,
                (false, true) => probe_image(worker, &opened, transport, cancelled).await,
                (false, false) => probe(worker, &opened, transport, cancelled, spec.looks(index)).await,
            };
            let facts = facts.map_err(here)?;
            sources.push(Some((facts, opened.size_bytes())));
        }
        let facts: Vec<_> = sources.iter().map(|seen| seen.as_ref().map(|(facts, _)| facts.clone())).collect();
        for (index, place) in sources.iter_mut().enumerate().filter(|(index, _)| spec.is_joined(*index)) {
            // Where they cannot be joined, the outputs say so.
            let joined = joined_facts(&facts, &spec, index).and_then(Result::ok);
            *place = joined.map(|facts| (facts.clone(), facts.size_bytes));
        }
        let planning = plan_job(&facts, &spec, &Node { threads: self.settings.threads });
        if let Some((output, problems)) = planning.problems.into_iter().next() {
            return Err(first_of(problems).at(format!("outputs[{output}]")));
        }
        let plan = planning.plan;
        let fleet = self.shown.devices.now();
        let foreseen = foresee(&plan, &facts, &spec, &fleet, self.settings.threads, &self.settings.rates)?;
        Ok(Planned {
            placements: foreseen.placements,
            demand: foreseen.demand,
            plan,
            sources,
            estimated_ms: foreseen.time_ms,
            estimated_cpu_ms: foreseen.cpu_ms,
        })
    }
}

/// Marks a job that waits as stopped, or as to be stopped where an earlier attempt left something.
fn stop_waiting(record: &mut JobRecord, begun: bool) {
    let now = now_unix_ms();
    for output in 0..record.outputs.len() {
        record.output(output, OutputEvent::Stop, now, Some(Problem::cancelled()));
        if !begun {
            record.output(output, OutputEvent::EndStopped, now, None);
        }
    }
    record.job(On::Stop, now, Some(Problem::cancelled()));
    if !begun {
        for input in 0..record.inputs.len() {
            record.input(input, InputEvent::Stop, now, None);
        }
        let ending = record.ending();
        record.job(ending, now, Some(Problem::cancelled()));
    }
}

/// What a device takes part in.
fn stages_of(info: &DeviceInfo) -> Vec<&'static str> {
    if info.kind == DeviceKind::Cpu {
        return vec!["decode", "filter", "encode"];
    }
    let stages = [(info.decode_engines > 0, "decode"), (true, "filter"), (info.encode_engines > 0, "encode")];
    stages.into_iter().filter(|(there, _)| *there).map(|(_, stage)| stage).collect()
}

fn busy() -> Problem {
    Problem::new(Fault::Capacity, "job.changed", "the job did not answer in time; try again")
}

/// Removes what an earlier process left in the spool.
fn empty(spool: &std::path::Path) -> Result<(), Problem> {
    let failed = |error: std::io::Error| super::spool_problem(spool, &error);
    match std::fs::remove_dir_all(spool) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    std::fs::create_dir_all(spool).map_err(failed)
}

impl Appliance for Engine {
    fn store(&self) -> &Arc<dyn Store> {
        &self.settings.store
    }

    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>) -> Reply<'_, (Stored, bool)> {
        Box::pin(self.accept(spec, key))
    }

    fn stop_job(&self, id: JobId) -> Reply<'_, StopOutcome> {
        Box::pin(self.stop(id))
    }

    fn stop_outputs(&self, id: JobId, outputs: Vec<usize>) -> Reply<'_, Vec<StopOutcome>> {
        Box::pin(self.stop_some(id, outputs))
    }

    fn retry(&self, id: JobId, outputs: Vec<usize>) -> Reply<'_, Stored> {
        Box::pin(self.try_again(id, outputs))
    }

    fn delete(&self, id: JobId) -> Reply<'_, ()> {
        Box::pin(self.forget(id))
    }

    fn progress(&self, id: JobId) -> Option<watch::Receiver<Arc<JobProgress>>> {
        self.shown.active(id).map(|job| job.progress)
    }

    fn probe(&self, locator: Locator) -> Reply<'_, MediaFacts> {
        Box::pin(self.probe_now(locator))
    }

    fn plan(&self, spec: JobSpec) -> Reply<'_, Planned> {
        Box::pin(self.plan_now(spec))
    }

    fn status(&self) -> NodeStatus {
        let figures = self.shown.figures();
        NodeStatus {
            started_unix_ms: self.started_unix_ms,
            devices: self.devices(&figures),
            jobs_queued: figures.queued,
            jobs_active: self.shown.active_count() as u64,
            spans_running: self.shown.spans_running.load(Ordering::Relaxed),
            drain: figures.drain,
        }
    }

    fn drain(&self, drain: Option<Drain>) {
        self.tell(ToEngine::Drain(drain));
    }
}
