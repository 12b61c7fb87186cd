//! Before anything is encoded: sources opened and looked at, destinations claimed, the work planned.

use super::marks::about_source;
use super::{Broken, Job};
use crate::dispatch::now_unix_ms;
use crate::dispatch::probe::{probe, probe_cover, probe_image};
use crate::input::Source;
use crate::model::job::Warning;
use crate::model::plan::{JobPlan, Note};
use crate::model::spec::OutputSpec;
use crate::model::state::{InputEvent, JobEvent as On, OutputEvent, OutputState};
use crate::model::{Fault, JobSpec, MediaFacts, Problem};
use crate::plan::{JobPlanning, Node, plan_job};
use crate::publish::{
    self,
    sink::{Claim, Leave, SinkError},
};
use crate::report::JobEvent;
use crate::store::{LogLevel, Waiting};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The document that holds the plan: an attempt goes on with the plan of the first, so that encoder identities stay.
const PLAN: &str = "plan";

/// How long a claim that is no longer wanted may take to end: most of the 2 s in which a stop is done are for what follows.
const CLAIM_ENDS_WITHIN: Duration = Duration::from_millis(800);
/// Longest time that taking a claim back may take.
const TAKE_BACK_MAX: Duration = Duration::from_secs(60);

/// How a destination is visited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Look,
    Claim,
}

/// What is known of a source after it was looked at.
type Looked = Result<(Source, Option<MediaFacts>), Problem>;

impl Job {
    /// Makes everything ready to run. `Some` when something that may pass is in the way: the job is to be taken up again
    /// later. Outputs that cannot be made are over afterwards; perhaps all of them.
    pub(super) async fn prepare(&mut self) -> Result<Option<Waiting>, Broken> {
        // Looked at first, so that nobody waits for a probe to hear that the output is in the way.
        if let Some(problem) = self.visit_destinations(Visit::Look).await? {
            return self.set_back(&problem).await.map(Some);
        }
        let facts = match self.look_at_sources().await? {
            Ok(facts) => facts,
            Err(problem) => return self.set_back(&problem).await.map(Some),
        };
        let unplanned = self.unplanned(self.stored_plan().await?.as_ref());
        self.check_texts(unplanned).await?;
        if let Some(problem) = self.visit_destinations(Visit::Claim).await? {
            return self.set_back(&problem).await.map(Some);
        }
        if self.nothing_left() {
            return Ok(None);
        }
        self.make_plan(&facts).await?;
        self.fetch_covers().await?;
        if self.nothing_left() {
            return Ok(None);
        }
        let now = now_unix_ms();
        let record = &mut self.keeper.record;
        record.job(On::Prepared, now, None);
        record.setbacks = 0;
        for index in 0..record.outputs.len() {
            record.output(index, OutputEvent::Begin, now, None);
        }
        self.keeper.save().await?;
        Ok(None)
    }

    /// Whether there is no output to be made any more.
    fn nothing_left(&self) -> bool {
        self.suspended || !self.keeper.record.outputs.iter().any(|output| output.state() == OutputState::Pending)
    }

    async fn set_back(&mut self, problem: &Problem) -> Result<Waiting, Broken> {
        let record = &self.keeper.record;
        let wait = record.spec.retry.delay_ms(record.setbacks + 1, fastrand::u64(..)).unwrap_or(0);
        tracing::warn!(job = %record.id, wait_ms = wait, %problem, "the job waits for something that may pass");
        self.suspend(Some(wait)).await
    }

    /// Whether a problem may pass and the job's policy lets it be waited out.
    fn may_pass(&self, problem: &Problem) -> bool {
        let record = &self.keeper.record;
        matches!(problem.fault, Fault::Sink | Fault::Capacity)
            && record.spec.retry.delay_ms(record.setbacks + 1, 0).is_some()
            && self.settings.keep_failed
    }

    /// Runs `work`, and does what the job is asked to meanwhile. `None` when nothing is left to be done for.
    pub(super) async fn while_serving<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Broken> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => {
                    self.command(command).await?;
                    if self.nothing_left() {
                        return Ok(None);
                    }
                }
                done = &mut work => return Ok(Some(done)),
            }
        }
    }

    /// As [`Job::while_serving`], for the claim of an output, which gets a moment to end when nobody wants it any more: a
    /// request that was sent is carried out, whoever still waits for the answer.
    async fn while_claiming<T>(&mut self, output: usize, work: impl Future<Output = T>) -> Result<Option<T>, Broken> {
        tokio::pin!(work);
        let mut end = None;
        loop {
            let over = async {
                match end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                Some(command) = self.commands.recv() => {
                    self.command(command).await?;
                    let wanted = self.keeper.record.outputs[output].state() == OutputState::Pending;
                    if !wanted || self.nothing_left() {
                        end.get_or_insert(Instant::now() + CLAIM_ENDS_WITHIN);
                    }
                }
                () = over => return Ok(None),
            }
        }
    }

    /// Takes back the claim of an output that was stopped while it was claimed.
    async fn take_back(&mut self, output: usize) {
        let Ok(sink) = self.sink(output) else { return };
        let taken = tokio::time::timeout(TAKE_BACK_MAX, sink.abandon(Leave::Nothing)).await;
        if let Ok(Err(SinkError { problem, .. })) = taken {
            let output = self.keeper.record.outputs[output].id.as_str();
            tracing::error!(job = %self.keeper.record.id, output, %problem, "the output's claim could not be taken back");
        }
    }

    /// Opens and probes the sources that are needed, side by side. The inner error may pass.
    async fn look_at_sources(&mut self) -> Result<Result<Vec<Option<MediaFacts>>, Problem>, Broken> {
        let (joined, needed): (Vec<usize>, Vec<usize>) =
            self.needed_sources().into_iter().partition(|index| self.keeper.record.spec.is_joined(*index));
        self.check_joined(&joined);
        let mut facts: Vec<Option<MediaFacts>> = self.sources.iter().map(|_| None).collect();
        let unplanned = self.unplanned(self.stored_plan().await?.as_ref());
        let (keep, cancelled) = watch::channel(false);
        let mut looks = JoinSet::new();
        for index in needed {
            let now = now_unix_ms();
            self.keeper.record.input(index, InputEvent::Check, now, None);
            let is_planned = !unplanned.iter().any(|output| self.uses(*output, index));
            let input = &self.keeper.record.inputs[index];
            let known = input.size_bytes.filter(|_| is_planned).map(|size| (size, input.version.clone()));
            let (settings, cancelled) = (Arc::clone(&self.settings), cancelled.clone());
            let mut input = self.trace.open("input");
            input.set("reelmill.source", self.keeper.record.spec.sources[index].id.as_str());
            let Some(locator) = self.keeper.record.spec.sources[index].locator.clone() else { continue };
            let (job, step) = (self.keeper.record.id, input.under());
            let spec = &self.keeper.record.spec;
            let (is_cover, is_image, wanted) = (spec.is_cover(index), spec.is_image(index), spec.looks(index));
            let look = async move {
                let mut opening = step.open("open");
                let source = opening.failed_by(settings.opener.open(&locator).await)?;
                drop(opening);
                if let Some((size, version)) = known {
                    let now = source.version();
                    let same = size == source.size_bytes() && (version.is_empty() || now.is_empty() || version == now);
                    return if same { Ok((source, None)) } else { Err(changed(&source)) };
                }
                let _probing = step.open("probe");
                let look = async || match (is_cover, is_image) {
                    (true, _) => probe_cover(&settings.worker, &source, settings.transport, cancelled.clone()).await,
                    (false, true) => {
                        probe_image(&settings.worker, &source, settings.transport, cancelled.clone()).await
                    }
                    (false, false) => {
                        probe(&settings.worker, &source, settings.transport, cancelled.clone(), wanted).await
                    }
                };
                let looked = look().await;
                // Once more where its worker died, as with every other part: it may not have been the source's fault.
                let facts = match looked {
                    Err(problem) if problem.fault == Fault::Device && !*cancelled.borrow() => {
                        tracing::warn!(%job, %problem, "a probe is made again");
                        look().await?
                    }
                    looked => looked?,
                };
                Ok((source, Some(facts)))
            };
            looks.spawn(async move { (index, input.failed_by(look.await)) });
        }
        self.keeper.save().await?;
        let mut passing = None;
        while let Some(Some(looked)) = self.while_serving(looks.join_next()).await? {
            let Ok((index, looked)) = looked else { continue };
            passing = self.looked(index, looked, &mut facts[index]).await?.or(passing);
        }
        drop(keep);
        self.settle_joined(&joined, &facts).await?;
        match passing {
            Some(problem) if !self.nothing_left() => Ok(Err(problem)),
            _ => Ok(Ok(facts)),
        }
    }

    async fn looked(
        &mut self,
        index: usize,
        looked: Looked,
        facts: &mut Option<MediaFacts>,
    ) -> Result<Option<Problem>, Broken> {
        let now = now_unix_ms();
        match looked {
            Ok((source, seen)) => {
                self.keeper.record.input(index, InputEvent::Accept, now, None);
                let input = &mut self.keeper.record.inputs[index];
                input.size_bytes = Some(source.size_bytes());
                input.version = source.version().to_owned();
                if let Some(seen) = seen {
                    self.tell_listener(JobEvent::Probed { facts: seen.clone() }).await;
                    self.keeper.record.inputs[index].facts = Some(without_key_frames(seen.clone()));
                    *facts = Some(seen);
                }
                self.sources[index] = Some(source);
            }
            Err(problem) if self.may_pass(&problem) => return Ok(Some(problem)),
            Err(problem) => {
                let spec = &self.keeper.record.spec;
                let about = about_source(problem.clone(), spec, index, None);
                let outputs: Vec<_> = self.outputs_that_use(index).into_iter().collect();
                let named = |output| (output, about_source(problem.clone(), spec, index, Some(output)));
                let failed: Vec<_> = outputs.into_iter().map(named).collect();
                self.keeper.record.input(index, InputEvent::Fail, now, Some(about));
                for (output, problem) in failed {
                    self.fail_output(output, problem).await?;
                }
            }
        }
        self.keeper.save().await?;
        Ok(None)
    }

    fn needed_sources(&self) -> BTreeSet<usize> {
        let record = &self.keeper.record;
        let pending = record
            .outputs
            .iter()
            .zip(&record.spec.outputs)
            .filter(|(output, _)| output.state() == OutputState::Pending);
        pending.flat_map(|(_, output)| sources_of(&record.spec, output)).collect()
    }

    pub(super) fn outputs_that_use(&self, source: usize) -> Vec<usize> {
        (0..self.outputs.len()).filter(|output| self.uses(*output, source)).collect()
    }

    fn uses(&self, output: usize, source: usize) -> bool {
        let spec = &self.keeper.record.spec;
        sources_of(spec, &spec.outputs[output]).contains(&source)
    }

    /// The outputs that are to be made and have no place in a plan: all of them, or those that an earlier attempt could not
    /// plan because their sources were not to be had.
    fn unplanned(&self, plan: Option<&JobPlan>) -> BTreeSet<usize> {
        let outputs = self.keeper.record.outputs.iter().enumerate();
        let pending = outputs.filter(|(_, output)| output.state() == OutputState::Pending).map(|(index, _)| index);
        pending.filter(|index| plan.and_then(|plan| plan.outputs.get(*index)).is_none_or(Option::is_none)).collect()
    }

    /// Looks at each destination, or claims it, so that nothing is encoded for nowhere. The problem may pass.
    async fn visit_destinations(&mut self, visit: Visit) -> Result<Option<Problem>, Broken> {
        for index in 0..self.outputs.len() {
            if self.suspended || self.keeper.record.outputs[index].state() != OutputState::Pending {
                continue;
            }
            let resuming = self.rows.iter().any(|row| row.output == index);
            let if_exists = self.keeper.record.spec.outputs[index].if_exists;
            let sink = match self.sink(index) {
                Ok(sink) => sink,
                Err(problem) => {
                    self.fail_output(index, problem).await?;
                    continue;
                }
            };
            let retry = self.settings.upload_retry;
            let visited = async move {
                match visit {
                    Visit::Look => publish::check(&*sink, if_exists, resuming, retry).await,
                    Visit::Claim => {
                        let claimed = publish::claim(&*sink, if_exists, resuming, retry).await;
                        if claimed.is_err() {
                            // What it may hold of a claim; what the ledger names stays. Best effort, as the claim failed.
                            let leave = if resuming { Leave::Everything } else { Leave::Nothing };
                            let _ = sink.abandon(leave).await;
                        }
                        claimed
                    }
                }
            };
            let claimed = match visit {
                Visit::Look => self.while_serving(visited).await?,
                Visit::Claim => self.while_claiming(index, visited).await?,
            };
            if self.keeper.record.outputs[index].state() != OutputState::Pending {
                if visit == Visit::Claim {
                    self.take_back(index).await;
                }
                continue;
            }
            match claimed {
                None => return Ok(None),
                // Stored before anything is claimed: from then on something of this job may lie there.
                Some(Ok(Claim::Free)) => self.keeper.record.outputs[index].checked = true,
                Some(Ok(Claim::Skip)) => {
                    self.keeper.record.output(index, OutputEvent::Skip, now_unix_ms(), None);
                }
                Some(Err(problem)) if self.may_pass(&problem) => return Ok(Some(problem)),
                Some(Err(problem)) => self.fail_output(index, problem).await?,
            }
        }
        self.keeper.save().await?;
        Ok(None)
    }

    pub(super) async fn stored_plan(&self) -> Result<Option<JobPlan>, Broken> {
        let stored = self.settings.store.document(self.keeper.record.id, PLAN).await?;
        Ok(stored.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    async fn make_plan(&mut self, facts: &[Option<MediaFacts>]) -> Result<(), Broken> {
        let mut step = self.trace.open("plan");
        let stored = self.stored_plan().await?;
        let unplanned = self.unplanned(stored.as_ref());
        let planning = match stored {
            Some(plan) if unplanned.is_empty() => {
                self.plan = Arc::new(plan);
                return Ok(());
            }
            stored => {
                let node = Node { threads: self.settings.threads };
                let planning = plan_job(facts, &self.keeper.record.spec, &node);
                JobPlanning { plan: joined(stored, planning.plan, &unplanned), ..planning }
            }
        };
        self.plan = Arc::new(planning.plan);
        for (output, problems) in planning.problems.into_iter().filter(|(output, _)| unplanned.contains(output)) {
            let problem = first_of(problems);
            step.fail(&problem);
            self.fail_output(output, problem).await?;
        }
        drop(step);
        let json = serde_json::to_vec(self.plan.as_ref()).unwrap_or_default();
        let record = &self.keeper.record;
        self.settings.store.put_document(record.id, record.attempt, PLAN, json).await?;
        for work in &self.plan.works {
            self.tell_listener(JobEvent::Planned { plan: Box::new(work.plan.clone()) }).await;
        }
        let plan = Arc::clone(&self.plan);
        for (index, output) in plan.outputs.iter().enumerate().filter(|(index, _)| unplanned.contains(index)) {
            for note in output.iter().flat_map(|output| &output.notes) {
                self.warn(index, note.clone()).await;
            }
        }
        Ok(())
    }

    /// Notes something that a client may not expect of an output.
    pub(super) async fn warn(&mut self, output: usize, note: Note) {
        let id = self.keeper.record.spec.outputs.get(output).map(|spec| spec.id.clone());
        self.keeper.record.warnings.push(Warning { output: id, note: note.clone() });
        self.note_output(output, LogLevel::Warning, format!("{} [{}]", note.message, note.code));
        self.tell_listener(JobEvent::Warning(note)).await;
    }
}

/// A plan that was begun, with the outputs that it lacked as a later one has them. What was planned stays as it is, so that
/// encoder identities do; the others get works of their own.
fn joined(begun: Option<JobPlan>, later: JobPlan, lacking: &BTreeSet<usize>) -> JobPlan {
    let Some(mut plan) = begun else { return later };
    let shift = plan.works.len();
    let outputs = plan.outputs.iter_mut().zip(later.outputs).enumerate();
    let mut taken = false;
    for (_, (place, output)) in outputs.filter(|(index, _)| lacking.contains(index)) {
        let Some(mut output) = output else { continue };
        output.tracks.iter_mut().for_each(|track| track.work += shift);
        output.pictures.iter_mut().for_each(|pictures| pictures.work += shift);
        taken = true;
        *place = Some(output);
    }
    if taken {
        plan.works.extend(later.works);
    }
    plan
}

/// The sources that an output is made of: those that it names, and the parts of joined ones.
fn sources_of(spec: &JobSpec, output: &OutputSpec) -> BTreeSet<usize> {
    let sound = output.audio_sources.iter().chain(output.rendition_sources.values());
    let text = output.request.text.sidecars.iter().map(|sidecar| sidecar.source as usize);
    let named = sound.chain([&output.source]).copied().chain(text).filter(|index| *index < spec.sources.len());
    let opened = named.flat_map(|index| spec.opened_for(index).into_iter().chain([index]));
    opened.chain(spec.images_of(output)).collect()
}

fn changed(source: &Source) -> Problem {
    let message = format!("{} is not what it was when the job began; submit it as a new job", source.name());
    Problem::input("source.changed", message)
}

/// The list is long, and was for the planner.
pub(super) fn without_key_frames(mut facts: MediaFacts) -> MediaFacts {
    for video in facts.streams.iter_mut().filter_map(|stream| stream.video.as_mut()) {
        video.key_frames = Vec::new();
    }
    facts
}

/// One problem for many: the first, with the others' sentences after it.
pub(in crate::dispatch) fn first_of(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter();
    let Some(mut first) = problems.next() else {
        return Problem::bug("internal.plan", "the planner refused without a reason; report this source");
    };
    for other in problems {
        first.message = format!("{}; also: {}", first.message, other.message);
    }
    first
}
