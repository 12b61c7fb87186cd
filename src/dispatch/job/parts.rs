//! The parts of a job: which there are, and how far they are.

use super::counted::Counted;
use super::fallback::Ran;
use super::hold;
use super::needs;
use super::observe::Observed;
use super::usage::Spending;
use super::{Broken, Job};
use crate::dispatch::engine::{ToEngine, ToJob};
use crate::dispatch::{blocking, now_unix_ms};
use crate::model::Problem;
use crate::model::plan::{JobPlan, OutputPlan, SpanRange};
use crate::model::state::OutputState;
use crate::model::text::TEXT_TIMESCALE;
use crate::publish::Part;
use crate::report::traces::OpenSpan;
use crate::store::{LedgerEntry, LedgerRow};
use crate::supervise::Worker;
use reelmill_scheduler::{Event, GroupId, JobDemand, SpanId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// The document that says where finished parts end.
pub(super) const PARTS: &str = "parts";

/// Which attempt at which part a report is about.
pub(super) type Tag = (SpanId, u32);

/// A part and how far it is.
pub(super) struct PartState {
    /// Index into the plan's works.
    pub(super) work: usize,
    pub(super) part: Part,
    /// Index into the job's groups: which renditions it makes, and in which ways.
    pub(super) group: usize,
    /// The device that its last attempt ran on, where it ran on one.
    pub(super) ran: Option<Ran>,
    /// What its last attempt teaches about rates.
    pub(super) observed: Option<Observed>,
    /// Made, or no longer wanted.
    pub(super) done: bool,
    /// For each rendition, one past the last segment that came, from this attempt or an earlier one.
    pub(super) next: BTreeMap<String, u32>,
    /// Numbers of the single pictures that came, by set.
    pub(super) pictures: BTreeMap<String, BTreeSet<u32>>,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// Attempts that failed.
    pub(super) failures: u32,
    /// Attempts that failed since the part last got further, and where it stood then.
    pub(super) stuck: (u32, u32),
    /// The attempt in which its last rendition was told to have failed; the end of the worker tells of it once more.
    pub(super) emptied: u32,
    /// Since when it waits for its next attempt.
    pub(super) waits_since: Instant,
}

impl PartState {
    /// A part that was not begun yet.
    pub(super) fn new(work: usize, part: Part, group: usize) -> Self {
        Self {
            work,
            part,
            group,
            ran: None,
            observed: None,
            done: false,
            next: BTreeMap::new(),
            pictures: BTreeMap::new(),
            attempts: 0,
            failures: 0,
            stuck: (0, 0),
            emptied: 0,
            waits_since: Instant::now(),
        }
    }

    /// Whether both are pictures of one group, and the other's come first: then what this one makes is published after it.
    pub(super) fn is_behind(&self, other: &Self) -> bool {
        match (self.part, other.part) {
            (Part::Video(ours), Part::Video(theirs)) => self.group == other.group && ours > theirs,
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
    pub(super) spending: Spending,
    /// It was stopped to let an earlier part run, and goes on later.
    pub(super) yields: bool,
    pub(super) trace: OpenSpan,
    /// Counts it among those that run, for Prometheus.
    pub(super) counted: Counted,
    /// One of the node's spans that run.
    pub(super) _one: hold::Counted,
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
    pub(super) async fn start_parts(&mut self) -> Result<Option<mpsc::UnboundedReceiver<ToJob>>, Broken> {
        let wanted = self.keeper.record.outputs.iter().any(|output| output.state() == OutputState::Running);
        if self.suspended || !wanted {
            return Ok(None);
        }
        let id = self.keeper.record.id;
        let rows = std::mem::take(&mut self.rows);
        let ends = self.settings.store.document(id, PARTS).await?;
        let ends: Ends = ends.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let (rows, unmet) = self.divide(rows).await?;
        self.place_spool().await?;
        self.figures.planned(&self.plan);
        self.begin_outputs(&rows).await?;
        let plan = Arc::clone(&self.plan);
        for group in 0..self.groups.len() {
            let work = self.groups[group].work;
            let of_group = |part: &Part| self.groups[group].makes(*part);
            for part in Part::all(&plan.works[work].plan).into_iter().filter(of_group).collect::<Vec<_>>() {
                self.parts.push(PartState::new(work, part, group));
                let index = self.parts.len() - 1;
                self.parts[index].next = self.reached(index, &rows);
                if part == Part::Stills {
                    self.find_pictures(index, &rows);
                }
                self.part_begins(index);
            }
        }
        for (group, why) in unmet {
            self.fail_unmet(group, &why).await?;
        }
        self.plan_placements();
        for index in 0..self.parts.len() {
            if self.is_complete(index, &ends) {
                self.parts[index].done = true;
                if self.parts[index].part == Part::Audio {
                    self.tell_loudness(self.parts[index].work);
                }
                self.part_is_done(index).await?;
            }
        }
        let (to_us, actions) = mpsc::unbounded_channel();
        let demand = JobDemand {
            job: self.number,
            priority: needs::priority(self.keeper.record.spec.priority),
            owner: self.keeper.record.spec.owner.as_str().into(),
            deadline_ms: self.deadline_ms(),
            spans: self.parts.iter().map(|part| GroupId(part.group as u32)).collect(),
            groups: (0..self.groups.len()).map(|group| self.scheduled(group)).collect(),
        };
        let _ = self.engine.send(ToEngine::Spans { demand, actions: to_us });
        for index in (0..self.parts.len()).filter(|index| self.parts[*index].done) {
            self.happened(Event::SpanDropped { job: self.number, span: SpanId(index as u32) });
        }
        self.shed();
        Ok(Some(actions))
    }

    /// Nothing here can make a group as the job wishes: what needs it fails at once, rather than waiting for ever.
    async fn fail_unmet(&mut self, group: usize, why: &str) -> Result<(), Broken> {
        let problem =
            Problem::input("placement.unmet", format!("{why}; change `devices` or `fallback`, or the output"));
        match self.parts.iter().position(|part| part.group == group) {
            Some(part) => self.fail_outputs_of(part, &problem).await,
            None => Ok(()),
        }
    }

    /// When the job should be done, on the scheduler's clock.
    fn deadline_ms(&self) -> Option<u64> {
        let deadline = self.keeper.record.spec.deadline_unix_ms?;
        let left = u64::try_from(deadline.saturating_sub(now_unix_ms())).unwrap_or(0);
        Some((self.shown.began().elapsed().as_millis() as u64).saturating_add(left))
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
    pub(super) fn part_begins(&mut self, index: usize) {
        let made: BTreeSet<String> = self.renditions_of(index).into_iter().collect();
        let work = self.parts[index].work;
        let plan = Arc::clone(&self.plan);
        for (output, live) in plan.outputs.iter().zip(&mut self.outputs) {
            let (Some(output), Some(live)) = (output, live) else { continue };
            if output.uses().any(|(of, rendition)| of == work && made.contains(rendition)) {
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
            planned.is_some_and(|planned| planned.has(work, rendition))
        };
        let live = self.outputs.iter().enumerate().filter_map(|(index, live)| Some((index, live.as_ref()?.wanted()?)));
        live.filter(move |(index, _)| has(*index)).map(|(_, task)| task).collect::<Vec<_>>().into_iter()
    }

    pub(super) fn packagings_of(&self, index: usize, rendition: &str) -> Result<Vec<crate::model::Packaging>, Problem> {
        let plan = &self.plan.works[self.parts[index].work].plan;
        let rungs = plan.video.iter().flat_map(|video| &video.renditions).map(|rung| (&rung.id, &rung.packagings));
        let sound = plan.audio.iter().map(|audio| (&audio.id, &audio.packagings));
        let all = rungs.chain(sound).chain(plan.text.iter().map(|text| (&text.id, &text.packagings)));
        let found = all.into_iter().find(|(id, _)| *id == rendition).map(|(_, packagings)| packagings.clone());
        found.filter(|_| self.renditions_of(index).iter().any(|id| id == rendition)).ok_or_else(|| {
            Problem::bug("worker.protocol", "a worker made a track that it was not asked for; report this source")
        })
    }

    /// The renditions that a part makes.
    pub(super) fn renditions_of(&self, index: usize) -> Vec<String> {
        let (part, plan) = (&self.parts[index], &self.plan.works[self.parts[index].work].plan);
        let ours = &self.groups[part.group].renditions;
        plan.rendition_ids().filter(|id| ours.contains(*id)).map(str::to_owned).collect()
    }

    /// The stretch of the grid that a video part makes.
    pub(super) fn range(&self, index: usize) -> Option<SpanRange> {
        match self.parts[index].part {
            Part::Video(span) => self.plan.works[self.parts[index].work].plan.spans.get(span).copied(),
            Part::Audio | Part::Stills => None,
        }
    }

    /// What a part is called where finished ones are listed; the same whatever is added to the plan later.
    pub(super) fn part_key(&self, index: usize) -> String {
        let state = &self.parts[index];
        match state.part {
            Part::Video(number) => format!("{}-video-{number}", state.work),
            Part::Audio => format!("{}-audio", state.work),
            Part::Stills => format!("{}-stills", state.work),
        }
    }

    /// What people and spool directories call a part.
    pub(super) fn part_name(&self, index: usize) -> String {
        let state = &self.parts[index];
        let name = match state.part {
            Part::Video(number) => format!("video-{number}"),
            Part::Audio => "audio".to_owned(),
            Part::Stills => "stills".to_owned(),
        };
        let name = if self.plan.works.len() > 1 { format!("{}-{name}", state.work) } else { name };
        let first = self.groups.iter().position(|group| group.work == state.work && group.makes(state.part));
        if first == Some(state.group) { name } else { format!("{name}-again-{}", state.group) }
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
        let text = work.plan.text.iter().find(|text| text.id == used.rendition).map(|_| TEXT_TIMESCALE);
        audio.or(text).or(work.plan.video.as_ref().map(|video| video.timescale))
    });
    scale.unwrap_or(1)
}
