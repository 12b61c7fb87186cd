//! The parts of a job: which there are, starting an attempt at one, and what follows when it ends.

use super::needs;
use super::{Broken, Job};
use crate::dispatch::blocking;
use crate::dispatch::engine::ToEngine;
use crate::model::plan::{JobPlan, OutputPlan, SpanRange};
use crate::model::state::OutputState;
use crate::model::{Fault, Problem};
use crate::publish::Part;
use crate::report::JobEvent;
use crate::store::{LedgerEntry, LedgerRow};
use crate::supervise::{self, Launch, Worker};
use crate::wire::v1::{self, order::Work};
use reelmill_scheduler::{Action, Event, Group, GroupId, JobDemand, SpanId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// A part for whose segments the disk has no room is looked at again after so long, ms.
const ROOM_AGAIN_MS: u64 = 500;
/// Workers that run side by side share the spool's quota as if there were so many, or more where there are.
const SPOOL_SHARES: u64 = 4;
/// The document that says where finished parts end.
pub(super) const PARTS: &str = "parts";

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
    pub(super) next: BTreeMap<String, u32>,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// Attempts that failed.
    pub(super) failures: u32,
    /// Attempts that failed since the part last got further, and where it stood then.
    pub(super) stuck: (u32, u32),
}

impl PartState {
    /// Whether both are pictures of one work, and the other's come first: then what this one makes is published after it.
    fn is_behind(&self, other: &Self) -> bool {
        match (self.part, other.part) {
            (Part::Video(ours), Part::Video(theirs)) => self.work == other.work && ours > theirs,
            _ => false,
        }
    }
}

/// An attempt that runs.
pub(super) struct Running {
    pub(super) worker: Worker,
    pub(super) spool: PathBuf,
    pub(super) attempt: u32,
    pub(super) dropped: BTreeSet<String>,
    /// It was stopped to let an earlier part run, and goes on later.
    pub(super) yields: bool,
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
        let wanted = self.keeper.record.outputs.iter().any(|output| output.state() == OutputState::Running);
        if self.suspended || !wanted {
            return Ok(None);
        }
        let id = self.keeper.record.id;
        let rows = std::mem::take(&mut self.rows);
        let ends = self.settings.store.document(id, PARTS).await?;
        let ends: Ends = ends.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        self.place_spool().await?;
        self.figures.planned(&self.plan);
        self.begin_outputs(&rows).await?;
        let mut groups = Vec::new();
        let plan = Arc::clone(&self.plan);
        for (work, made) in plan.works.iter().enumerate() {
            for part in Part::all(&made.plan) {
                self.parts.push(PartState {
                    work,
                    part,
                    done: false,
                    next: BTreeMap::new(),
                    attempts: 0,
                    failures: 0,
                    stuck: (0, 0),
                });
                let index = self.parts.len() - 1;
                self.parts[index].next = self.reached(index, &rows);
                self.part_begins(index);
                let threads = u64::from(self.settings.threads.max(1));
                groups.push(Group::on_host(needs::demand(part, threads, made.plan.spans.len())));
            }
        }
        for index in 0..self.parts.len() {
            if self.is_complete(index, &ends) {
                self.parts[index].done = true;
                self.part_is_done(index).await?;
            }
        }
        let (to_us, actions) = mpsc::unbounded_channel();
        let demand = JobDemand {
            job: self.number,
            priority: needs::priority(self.keeper.record.spec.priority),
            owner: self.keeper.record.spec.owner.as_str().into(),
            deadline_ms: None,
            spans: (0..groups.len() as u32).map(GroupId).collect(),
            groups,
        };
        let _ = self.engine.send(ToEngine::Spans { demand, actions: to_us });
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
        for output in 0..self.outputs.len() {
            if self.keeper.record.outputs[output].state() != OutputState::Running {
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
        let Some(ends) = ends.get(&self.part_key(index)) else { return false };
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
                self.make_way(span.0 as usize);
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
            Action::JobDone { .. } | Action::JobStopped { .. } | Action::Probe { .. } => Ok(()),
        }
    }

    /// A part that waits for capacity gets that of the last one behind it: what those make is published only after it, so
    /// with their spools full they would wait for it while it waits for them. What was stopped goes on from where it was.
    fn make_way(&mut self, index: usize) {
        let (parts, ours) = (&self.parts, &self.parts[index]);
        let is_behind = |span: &SpanId| parts.get(span.0 as usize).is_some_and(|theirs| theirs.is_behind(ours));
        let behind = self.running.iter_mut().rev().find(|(span, running)| is_behind(span) && !running.yields);
        if let Some((_, running)) = behind {
            running.yields = true;
            running.worker.stop();
        }
    }

    /// Whether parts behind this one have begun, whose segments can leave the spool only after its own.
    fn holds_up_others(&self, index: usize) -> bool {
        let ours = &self.parts[index];
        let is_first = !self.parts.iter().any(|other| ours.is_behind(other) && !other.done);
        is_first && self.parts.iter().any(|other| other.is_behind(ours) && other.attempts > 0)
    }

    async fn start_part(&mut self, span: SpanId, reason: String) -> Result<(), Broken> {
        let index = span.0 as usize;
        let is_full = self.spooled.load(Ordering::Relaxed) >= self.settings.spool_bytes_max;
        if is_full && !self.holds_up_others(index) {
            let part = self.part_name(index);
            self.tell_listener(JobEvent::PartWaits { part, dimension: "spool.bytes".to_owned() }).await;
            let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms: ROOM_AGAIN_MS });
            return Ok(());
        }
        self.parts[index].attempts += 1;
        let attempt = self.parts[index].attempts;
        let part = self.part_name(index);
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
        let (source, more_sources) = self.inputs_of(work)?;
        let spool = self.spool.join(format!("{}-{attempt}", self.part_name(index)));
        let made = spool.clone();
        blocking(move || std::fs::create_dir_all(&made).map_err(|error| crate::dispatch::spool_problem(&made, &error)))
            .await?;
        let settings = &self.settings;
        let mut launch = Launch::new(&settings.worker, &spool, &source, settings.transport, order);
        launch.more_sources = more_sources;
        let side_by_side = u64::from(settings.threads).min(work.plan.spans.len() as u64) + 1;
        launch.spool_bytes_max = (settings.spool_bytes_max / SPOOL_SHARES.max(side_by_side)).max(1);
        let worker = supervise::start(launch, (SpanId(index as u32), attempt), self.reports.clone())?;
        Ok(Running { worker, spool, attempt, dropped: BTreeSet::new(), yields: false })
    }

    /// Where an attempt at a video part begins: at the first segment that some output still wants and has not got.
    pub(super) fn resume_point(&self, index: usize) -> u32 {
        let wanted = self.wanted_of(index);
        let next = self.parts[index].next.iter().filter(|(id, _)| wanted.contains(*id)).map(|(_, next)| *next);
        next.min().or(self.range(index).map(|range| range.first)).unwrap_or(0)
    }

    /// The wanted outputs that have a rendition of a work.
    pub(super) fn outputs_with(
        &self,
        work: usize,
        rendition: &str,
    ) -> impl Iterator<Item = &crate::publish::OutputTask> {
        let has = move |output: usize| {
            let planned = self.plan.outputs.get(output).and_then(Option::as_ref);
            planned.is_some_and(|planned| {
                planned.tracks.iter().any(|track| track.work == work && track.rendition == rendition)
            })
        };
        let live = self.outputs.iter().enumerate().filter_map(|(index, live)| Some((index, live.as_ref()?.wanted()?)));
        live.filter(move |(index, _)| has(*index)).map(|(_, task)| task).collect::<Vec<_>>().into_iter()
    }

    pub(super) fn packagings_of(&self, index: usize, rendition: &str) -> Result<Vec<crate::model::Packaging>, Problem> {
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
    pub(super) fn range(&self, index: usize) -> Option<SpanRange> {
        match self.parts[index].part {
            Part::Video(span) => self.plan.works[self.parts[index].work].plan.spans.get(span).copied(),
            Part::Audio => None,
        }
    }

    /// What a part is called where finished ones are listed; the same whatever is added to the plan later.
    pub(super) fn part_key(&self, index: usize) -> String {
        let state = &self.parts[index];
        match state.part {
            Part::Video(number) => format!("{}-video-{number}", state.work),
            Part::Audio => format!("{}-audio", state.work),
        }
    }

    /// What people and spool directories call a part.
    pub(super) fn part_name(&self, index: usize) -> String {
        let state = &self.parts[index];
        let name = match state.part {
            Part::Video(number) => format!("video-{number}"),
            Part::Audio => "audio".to_owned(),
        };
        if self.plan.works.len() > 1 { format!("{}-{name}", state.work) } else { name }
    }
}

/// For each part, by name, where each of its renditions ends.
pub(super) type Ends = BTreeMap<String, BTreeMap<String, u32>>;

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
