//! The parts of a job: which there are, starting an attempt at one, and what follows when it ends.

use super::needs::demand;
use super::{Broken, Job};
use crate::dispatch::blocking;
use crate::dispatch::engine::ToEngine;
use crate::model::plan::{JobPlan, OutputPlan, SpanRange};
use crate::model::{Fault, Problem};
use crate::publish::{Part, Spooled};
use crate::report::JobEvent;
use crate::store::{LedgerEntry, LedgerRow};
use crate::supervise::{self, Exit, Launch, Report, Worker};
use crate::wire::v1::{self, from_worker::Message, order::Work};
use reelmill_scheduler::{Action, Event, SpanId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// A worker that dies so often without having got any further dies of the media or of the code, not of the device.
const CRASHES_MAX: u32 = 2;
/// A part for whose segments the disk has no room is looked at again after so long, ms.
const ROOM_AGAIN_MS: u64 = 500;
/// Workers that run side by side share the spool's quota as if there were so many.
const SPOOL_SHARES: u64 = 4;
/// The document that says where finished parts end.
const PARTS: &str = "parts";

/// Which attempt at which part a report is about.
pub(super) type Tag = (SpanId, u32);

/// A part and how far it is.
pub(super) struct PartState {
    /// Index into the plan's works.
    pub(super) work: usize,
    pub(super) part: Part,
    /// Made, or no longer wanted.
    pub(super) done: bool,
    /// For each rendition, one past the last segment that came, from this attempt or an earlier one.
    next: BTreeMap<String, u32>,
    attempts: u32,
    /// Attempts that failed since the part last got further, and where it stood then.
    stuck: (u32, u32),
}

/// An attempt that runs.
pub(super) struct Running {
    worker: Worker,
    spool: PathBuf,
    attempt: u32,
    dropped: BTreeSet<String>,
}

impl Running {
    /// Has renditions no longer made.
    pub(super) fn drop_tracks(&mut self, renditions: Vec<String>) {
        let new: Vec<_> = renditions.into_iter().filter(|id| self.dropped.insert(id.clone())).collect();
        if !new.is_empty() {
            self.worker.drop_tracks(new);
        }
    }
}

impl Job {
    /// Starts the outputs, and hands the parts that are missing to the scheduler.
    pub(super) async fn start_parts(&mut self) -> Result<Option<mpsc::UnboundedReceiver<Action>>, Broken> {
        if self.suspended {
            return Ok(None);
        }
        let id = self.keeper.record.id;
        let rows = std::mem::take(&mut self.rows);
        let ends = self.settings.store.document(id, PARTS).await?;
        let ends: Ends = ends.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        self.place_spool().await?;
        self.figures.planned(&self.plan);
        self.begin_outputs(&rows).await?;
        let mut demands = Vec::new();
        let plan = Arc::clone(&self.plan);
        for (work, made) in plan.works.iter().enumerate() {
            for part in Part::all(&made.plan) {
                self.parts.push(PartState {
                    work,
                    part,
                    done: false,
                    next: BTreeMap::new(),
                    attempts: 0,
                    stuck: (0, 0),
                });
                let index = self.parts.len() - 1;
                self.parts[index].next = self.reached(index, &rows);
                self.part_begins(index);
                demands.push(demand(part, u64::from(self.settings.threads.max(1)), made.plan.spans.len()));
            }
        }
        for index in 0..self.parts.len() {
            if self.is_complete(index, &ends) {
                self.parts[index].done = true;
                self.part_is_done(index).await?;
            }
        }
        let (to_us, actions) = mpsc::unbounded_channel();
        let priority = self.keeper.record.spec.priority;
        let _ = self.engine.send(ToEngine::Spans { number: self.number, priority, demands, actions: to_us });
        for (index, part) in self.parts.iter().enumerate().filter(|(_, part)| part.done) {
            let _ = part;
            self.happened(Event::SpanDropped { job: self.number, span: SpanId(index as u32) });
        }
        self.shed();
        Ok(Some(actions))
    }

    /// Makes the directory where segments wait: the node's, or inside the first local destination.
    async fn place_spool(&mut self) -> Result<(), Broken> {
        if self.settings.spool.is_none() {
            let outputs = self.keeper.record.spec.outputs.iter().enumerate();
            let mut claimed = outputs.filter(|(index, _)| self.keeper.record.outputs[*index].checked);
            if let Some(path) = claimed.find_map(|(_, output)| output.destination.path()) {
                self.spool = path.join(".reelmill").join("spool");
            }
        }
        let spool = self.spool.clone();
        let made = blocking(move || {
            std::fs::create_dir_all(&spool).map_err(|error| crate::dispatch::spool_problem(&spool, &error))?;
            std::path::absolute(&spool).map_err(|error| crate::dispatch::spool_problem(&spool, &error))
        });
        match made.await {
            Ok(spool) => self.spool = spool,
            Err(problem) => {
                for output in 0..self.outputs.len() {
                    self.fail_output(output, problem.clone()).await?;
                }
            }
        }
        Ok(())
    }

    async fn begin_outputs(&mut self, rows: &[LedgerRow]) -> Result<(), Broken> {
        use crate::model::state::OutputState::Running;
        for output in 0..self.outputs.len() {
            if self.keeper.record.outputs[output].state() != Running {
                continue;
            }
            let own: Vec<_> = rows.iter().filter(|row| row.output == output).cloned().collect();
            let planned = self.plan.outputs.get(output).and_then(Option::as_ref);
            let timescale = |track: &str| planned.map_or(1, |planned| timescale_of(&self.plan, planned, track));
            self.figures.resume(output, &own, timescale);
            if let Err(problem) = self.start_output(output, own) {
                self.fail_output(output, problem).await?;
            }
        }
        Ok(())
    }

    /// Tells the outputs that consist of a part that they wait for it.
    fn part_begins(&mut self, index: usize) {
        let made: BTreeSet<String> = self.renditions_of(index).into_iter().collect();
        let work = self.parts[index].work;
        let plan = Arc::clone(&self.plan);
        for (output, live) in plan.outputs.iter().zip(&mut self.outputs) {
            let (Some(output), Some(live)) = (output, live) else { continue };
            if output.tracks.iter().any(|track| track.work == work && made.contains(&track.rendition)) {
                live.waits_for.insert(index);
            }
        }
    }

    /// How far each rendition of a part is stored, by the least of the outputs that have it.
    fn reached(&self, index: usize, rows: &[LedgerRow]) -> BTreeMap<String, u32> {
        let (work, range) = (self.parts[index].work, self.range(index));
        let first = range.map_or(0, |range| range.first);
        let inside = |at: u32| at >= first && range.and_then(|range| range.end).is_none_or(|end| at < end);
        let mut next = BTreeMap::new();
        for rendition in self.renditions_of(index) {
            let mut least = None;
            for (output, planned) in self.plan.outputs.iter().enumerate() {
                let tracks = planned.iter().flat_map(|planned| &planned.tracks);
                for track in tracks.filter(|track| track.work == work && track.rendition == rendition) {
                    if self.outputs[output].is_none() {
                        continue;
                    }
                    let stored = rows.iter().filter(|row| row.output == output && row.track == track.id);
                    let last = stored.filter_map(|row| match &row.entry {
                        LedgerEntry::Segment(segment) if inside(segment.record.index) => Some(segment.record.index + 1),
                        _ => None,
                    });
                    let reached = last.max().unwrap_or(first);
                    least = Some(least.map_or(reached, |least: u32| least.min(reached)));
                }
            }
            next.insert(rendition, least.unwrap_or(first));
        }
        next
    }

    /// Whether everything of a part is stored that outputs want of it.
    fn is_complete(&self, index: usize, ends: &Ends) -> bool {
        let Some(ends) = ends.get(&self.part_name(index)) else { return false };
        let wanted = self.wanted_of(index);
        wanted.iter().all(|id| ends.get(id).is_some_and(|end| self.parts[index].next.get(id).unwrap_or(&0) >= end))
    }

    /// Does what the scheduler says.
    pub(super) async fn act(&mut self, action: Action) -> Result<(), Broken> {
        match action {
            Action::Start { span, reason, .. } => self.start_part(span, reason).await,
            Action::Wait { span, dimension, .. } => {
                let part = self.part_name(span.0 as usize);
                self.tell_listener(JobEvent::PartWaits { part, dimension: dimension.to_string() }).await;
                Ok(())
            }
            Action::Stop { span, .. } => {
                if let Some(running) = self.running.get(&span) {
                    running.worker.stop();
                }
                Ok(())
            }
            Action::Refuse { dimension, needed, capacity, .. } => {
                let message = format!("the job needs {needed} {dimension}, and there are {capacity} in all");
                let problem = Problem::new(Fault::Capacity, "capacity.refused", message);
                for output in 0..self.outputs.len() {
                    self.fail_output(output, problem.clone()).await?;
                }
                Ok(())
            }
            Action::JobDone { .. } | Action::JobStopped { .. } => Ok(()),
        }
    }

    async fn start_part(&mut self, span: SpanId, reason: String) -> Result<(), Broken> {
        let index = span.0 as usize;
        if self.spooled.load(Ordering::Relaxed) >= self.settings.spool_bytes_max {
            let part = self.part_name(index);
            self.tell_listener(JobEvent::PartWaits { part, dimension: "spool.bytes".to_owned() }).await;
            let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms: ROOM_AGAIN_MS });
            return Ok(());
        }
        self.parts[index].attempts += 1;
        let attempt = self.parts[index].attempts;
        let part = self.part_name(index);
        self.figures.retries += u32::from(attempt > 1);
        self.tell_listener(JobEvent::PartStarted { part, attempt, reason }).await;
        match self.launch(index, attempt).await {
            Ok(mut running) => {
                let wanted = self.wanted_of(index);
                let unwanted = self.renditions_of(index).into_iter().filter(|id| !wanted.contains(id)).collect();
                running.drop_tracks(unwanted);
                self.running.insert(span, running);
                Ok(())
            }
            Err(problem) => self.part_failed(index, problem).await,
        }
    }

    async fn launch(&self, index: usize, attempt: u32) -> Result<Running, Problem> {
        let work = &self.plan.works[self.parts[index].work];
        let plan_json = serde_json::to_vec(&work.plan)
            .map_err(|error| Problem::bug("internal.plan", format!("the plan is not JSON: {error}")))?;
        let order = match self.range(index) {
            Some(range) => {
                let first = self.resume_point(index);
                Work::Video(v1::VideoOrder { plan_json, first, end: range.end.unwrap_or(0) })
            }
            None => Work::Audio(v1::AudioOrder { plan_json }),
        };
        let source = self.sources[work.source].as_ref();
        let source = source.ok_or_else(|| Problem::bug("internal.source", "a source was planned and not opened"))?;
        let spool = self.spool.join(format!("{}-{attempt}", self.part_name(index)));
        let made = spool.clone();
        blocking(move || std::fs::create_dir_all(&made).map_err(|error| crate::dispatch::spool_problem(&made, &error)))
            .await?;
        let settings = &self.settings;
        let mut launch = Launch::new(&settings.worker, &spool, source, settings.transport, order);
        launch.spool_bytes_max = (settings.spool_bytes_max / SPOOL_SHARES).max(1);
        let worker = supervise::start(launch, (SpanId(index as u32), attempt), self.reports.clone())?;
        Ok(Running { worker, spool, attempt, dropped: BTreeSet::new() })
    }

    /// Where an attempt at a video part begins: at the first segment that some output still wants and has not got.
    fn resume_point(&self, index: usize) -> u32 {
        let wanted = self.wanted_of(index);
        let next = self.parts[index].next.iter().filter(|(id, _)| wanted.contains(*id)).map(|(_, next)| *next);
        next.min().or(self.range(index).map(|range| range.first)).unwrap_or(0)
    }

    pub(super) async fn reported(&mut self, (span, attempt): Tag, report: Report) -> Result<(), Broken> {
        let index = span.0 as usize;
        // A report of an attempt that is over; its exit has been told already.
        if self.running.get(&span).is_none_or(|running| running.attempt != attempt) {
            return Ok(());
        }
        match report {
            Report::Exited(exit) => self.exited(index, exit).await,
            Report::Stderr(text) => {
                self.tell_listener(JobEvent::Log { level: "error".into(), track: String::new(), text }).await;
                Ok(())
            }
            Report::Message(Message::Log(line)) => {
                self.tell_listener(JobEvent::Log { level: line.level, track: line.track, text: line.text }).await;
                Ok(())
            }
            Report::Message(message) => match self.made(index, message).await {
                Ok(()) => Ok(()),
                Err(problem) => self.fail_outputs_of(index, &problem).await,
            },
        }
    }

    /// Acts on what a worker made.
    async fn made(&mut self, index: usize, message: Message) -> Result<(), Problem> {
        let (work, part) = (self.parts[index].work, self.parts[index].part);
        match message {
            Message::Init(init) => {
                let init = Arc::new(init);
                for output in self.outputs_with(work, &init.track) {
                    output.init(work, Arc::clone(&init));
                }
                Ok(())
            }
            Message::Segment(segment) => {
                let span = SpanId(index as u32);
                let Some(running) = self.running.get(&span) else { return Ok(()) };
                let packagings = self.packagings_of(index, &segment.track)?;
                let (rendition, number) = (segment.track.clone(), segment.index);
                let (from, into) = (running.spool.clone(), self.spool.clone());
                let (room, waiting) = (running.worker.releaser(), Arc::clone(&self.spooled));
                let bytes = segment.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
                waiting.fetch_add(bytes, Ordering::Relaxed);
                let undo = Arc::clone(&waiting);
                let release = Box::new(move |released| {
                    waiting.fetch_sub(bytes, Ordering::Relaxed);
                    room(released);
                });
                let taken = blocking(move || Spooled::take(&from, &into, segment, &packagings, release)).await;
                let taken = taken.inspect_err(|_| {
                    undo.fetch_sub(bytes, Ordering::Relaxed);
                })?;
                let taken = Arc::new(taken);
                for output in self.outputs_with(work, &rendition) {
                    output.segment(work, part, Arc::clone(&taken));
                }
                let next = self.parts[index].next.entry(rendition).or_default();
                *next = (*next).max(number.saturating_add(1));
                Ok(())
            }
            Message::Progress(progress) => {
                let first = self.range(index).map_or(0, |range| range.first);
                let from_us = i64::from(first) * i64::from(self.plan.works[work].plan.grid.segment_ms) * 1000;
                self.figures.heard(work, part, from_us, &progress);
                Ok(())
            }
            _ => Err(Problem::bug("worker.protocol", "a worker answered what it was not asked; report this source")),
        }
    }

    /// A worker is gone.
    async fn exited(&mut self, index: usize, exit: Exit) -> Result<(), Broken> {
        let span = SpanId(index as u32);
        let Some(running) = self.running.remove(&span) else { return Ok(()) };
        // Nothing in it is of use: what was announced has left it. It is inside the job's spool, which goes anyway.
        let _ = blocking(move || Ok(std::fs::remove_dir_all(running.spool))).await;
        self.end_what_waited();
        if let Some(problem) = exit.problem() {
            return self.part_failed(index, problem).await;
        }
        if let Exit::Finished(stats) = exit {
            self.figures.finished(self.parts[index].work, self.parts[index].part, stats.decode_errors);
        }
        self.store_end(index).await?;
        self.parts[index].done = true;
        let part = self.part_name(index);
        self.tell_listener(JobEvent::PartFinished { part }).await;
        self.part_is_done(index).await?;
        self.happened(Event::SpanFinished { job: self.number, span });
        Ok(())
    }

    /// Stores where a finished part ends, so that a later attempt knows whether anything of it is missing.
    async fn store_end(&mut self, index: usize) -> Result<(), Broken> {
        let id = self.keeper.record.id;
        let stored = self.settings.store.document(id, PARTS).await?;
        let mut ends: Ends = stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        ends.insert(self.part_name(index), self.parts[index].next.clone());
        let json = serde_json::to_vec(&ends).unwrap_or_default();
        Ok(self.settings.store.put_document(id, self.keeper.record.attempt, PARTS, json).await?)
    }

    /// An attempt at a part failed: it is tried again where that may help, else its outputs fail.
    async fn part_failed(&mut self, index: usize, problem: Problem) -> Result<(), Broken> {
        let span = SpanId(index as u32);
        let at = self.resume_point(index);
        let part = &mut self.parts[index];
        part.stuck = if part.stuck.0 > 0 && part.stuck.1 == at { (part.stuck.0 + 1, at) } else { (1, at) };
        let (attempts, stuck, done) = (part.attempts, part.stuck.0, part.done || self.suspended);
        if !done && problem.fault != Fault::Cancelled {
            let part = self.part_name(index);
            self.tell_listener(JobEvent::PartFailed { part, attempt: attempts, problem: problem.clone() }).await;
        }
        let again = match problem.fault {
            Fault::Device if stuck < CRASHES_MAX => self.keeper.record.spec.retry.delay_ms(attempts, fastrand::u64(..)),
            Fault::Sink | Fault::Capacity => self.keeper.record.spec.retry.delay_ms(attempts, fastrand::u64(..)),
            _ => None,
        };
        let again = again.filter(|_| !done);
        let wait_ms = again.unwrap_or(0);
        if again.is_none() && !done {
            self.fail_outputs_of(index, &problem).await?;
            self.parts[index].done = true;
            self.happened(Event::SpanDropped { job: self.number, span });
        }
        let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms });
        Ok(())
    }

    /// Fails every output that consists of a part.
    async fn fail_outputs_of(&mut self, index: usize, problem: &Problem) -> Result<(), Broken> {
        let wanted = self.wanted_of(index);
        let work = self.parts[index].work;
        let plan = Arc::clone(&self.plan);
        for (output, planned) in plan.outputs.iter().enumerate() {
            let tracks = planned.iter().flat_map(|planned| &planned.tracks);
            if tracks.clone().any(|track| track.work == work && wanted.contains(&track.rendition)) {
                self.fail_output(output, problem.clone()).await?;
            }
        }
        Ok(())
    }

    /// The wanted outputs that have a rendition of a work.
    fn outputs_with(&self, work: usize, rendition: &str) -> impl Iterator<Item = &crate::publish::OutputTask> {
        let has = move |output: usize| {
            let planned = self.plan.outputs.get(output).and_then(Option::as_ref);
            planned.is_some_and(|planned| {
                planned.tracks.iter().any(|track| track.work == work && track.rendition == rendition)
            })
        };
        let live = self.outputs.iter().enumerate().filter_map(|(index, live)| Some((index, live.as_ref()?.wanted()?)));
        live.filter(move |(index, _)| has(*index)).map(|(_, task)| task).collect::<Vec<_>>().into_iter()
    }

    fn packagings_of(&self, index: usize, rendition: &str) -> Result<Vec<crate::model::Packaging>, Problem> {
        let plan = &self.plan.works[self.parts[index].work].plan;
        let rungs = plan.video.iter().flat_map(|video| &video.renditions).map(|rung| (&rung.id, &rung.packagings));
        let all = rungs.chain(plan.audio.iter().map(|audio| (&audio.id, &audio.packagings)));
        let found = all.into_iter().find(|(id, _)| *id == rendition).map(|(_, packagings)| packagings.clone());
        found.filter(|_| self.renditions_of(index).iter().any(|id| id == rendition)).ok_or_else(|| {
            Problem::bug("worker.protocol", "a worker made a track that it was not asked for; report this source")
        })
    }

    /// The renditions that a part makes.
    pub(super) fn renditions_of(&self, index: usize) -> Vec<String> {
        let plan = &self.plan.works[self.parts[index].work].plan;
        match self.parts[index].part {
            Part::Video(_) => plan.video.iter().flat_map(|v| &v.renditions).map(|rung| rung.id.clone()).collect(),
            Part::Audio => plan.audio.iter().map(|audio| audio.id.clone()).collect(),
        }
    }

    /// The stretch of the grid that a video part makes.
    fn range(&self, index: usize) -> Option<SpanRange> {
        match self.parts[index].part {
            Part::Video(span) => self.plan.works[self.parts[index].work].plan.spans.get(span).copied(),
            Part::Audio => None,
        }
    }

    /// What people and spool directories call a part.
    fn part_name(&self, index: usize) -> String {
        let state = &self.parts[index];
        let name = match state.part {
            Part::Video(number) => format!("video-{number}"),
            Part::Audio => "audio".to_owned(),
        };
        if self.plan.works.len() > 1 { format!("{}-{name}", state.work) } else { name }
    }
}

/// For each part, by name, where each of its renditions ends.
type Ends = BTreeMap<String, BTreeMap<String, u32>>;

/// Ticks a second of a track of an output.
fn timescale_of(plan: &JobPlan, output: &OutputPlan, track: &str) -> u32 {
    let used = output.tracks.iter().find(|used| used.id == track);
    let made = used.and_then(|used| Some((plan.works.get(used.work)?, used)));
    let scale = made.and_then(|(work, used)| {
        let audio = work.plan.audio.iter().find(|audio| audio.id == used.rendition).map(|audio| audio.sample_rate);
        audio.or(work.plan.video.as_ref().map(|video| video.timescale))
    });
    scale.unwrap_or(1)
}
