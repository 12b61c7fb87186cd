//! Before anything is encoded: sources opened and looked at, destinations claimed, the work planned.

use super::{Broken, Job};
use crate::dispatch::{now_unix_ms, probe};
use crate::input::Source;
use crate::model::job::Warning;
use crate::model::plan::{JobPlan, Note};
use crate::model::spec::OutputSpec;
use crate::model::state::{InputEvent, JobEvent as On, OutputEvent, OutputState};
use crate::model::{Fault, MediaFacts, Problem};
use crate::plan::{Node, plan_job};
use crate::publish::sink::{Claim, Leave, SinkError};
use crate::report::JobEvent;
use crate::store::Waiting;
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
        if let Some(problem) = self.visit_destinations(Visit::Claim).await? {
            return self.set_back(&problem).await.map(Some);
        }
        if self.nothing_left() {
            return Ok(None);
        }
        self.make_plan(&facts).await?;
        if self.nothing_left() {
            return Ok(None);
        }
        let now = now_unix_ms();
        let record = &mut self.keeper.record;
        record.job(On::Prepared, now, None);
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
    async fn while_serving<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Broken> {
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
            tracing::error!(job = %self.keeper.record.id, output, %problem, "the output's claim could not be taken back");
        }
    }

    /// Opens and probes the sources that are needed, side by side. The inner error may pass.
    async fn look_at_sources(&mut self) -> Result<Result<Vec<Option<MediaFacts>>, Problem>, Broken> {
        let needed = self.needed_sources();
        let mut facts: Vec<Option<MediaFacts>> = self.sources.iter().map(|_| None).collect();
        let planned = self.stored_plan().await?.is_some();
        let (keep, cancelled) = watch::channel(false);
        let mut looks = JoinSet::new();
        for index in needed {
            let now = now_unix_ms();
            self.keeper.record.input(index, InputEvent::Check, now, None);
            let known = planned.then(|| self.keeper.record.inputs[index].size_bytes).flatten();
            let (settings, cancelled) = (Arc::clone(&self.settings), cancelled.clone());
            let locator = self.keeper.record.spec.sources[index].locator.clone();
            let look = async move {
                let source = settings.opener.open(&locator).await?;
                if let Some(size) = known {
                    return if size == source.size_bytes() { Ok((source, None)) } else { Err(changed(&source)) };
                }
                let facts = probe(&settings.worker, &source, settings.transport, cancelled).await?;
                Ok((source, Some(facts)))
            };
            looks.spawn(async move { (index, look.await) });
        }
        self.keeper.save().await?;
        let mut passing = None;
        while let Some(Some(looked)) = self.while_serving(looks.join_next()).await? {
            let Ok((index, looked)) = looked else { continue };
            passing = self.looked(index, looked, &mut facts[index]).await?.or(passing);
        }
        drop(keep);
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
                if let Some(seen) = seen {
                    self.tell_listener(JobEvent::Probed { facts: seen.clone() }).await;
                    self.keeper.record.inputs[index].facts = Some(without_key_frames(seen.clone()));
                    *facts = Some(seen);
                }
                self.sources[index] = Some(source);
            }
            Err(problem) if self.may_pass(&problem) => return Ok(Some(problem)),
            Err(problem) => {
                let problem = problem.at(format!("sources[{index}]"));
                self.keeper.record.input(index, InputEvent::Fail, now, Some(problem.clone()));
                for output in self.outputs_that_use(index) {
                    self.fail_output(output, problem.clone()).await?;
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
        pending.flat_map(|(_, spec)| sources_of(spec)).filter(|index| *index < record.spec.sources.len()).collect()
    }

    fn outputs_that_use(&self, source: usize) -> Vec<usize> {
        let outputs = self.keeper.record.spec.outputs.iter().enumerate();
        outputs.filter(|(_, spec)| sources_of(spec).contains(&source)).map(|(index, _)| index).collect()
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
            let visited = async move {
                match visit {
                    Visit::Look => sink.check(if_exists, resuming).await,
                    Visit::Claim => sink.claim(if_exists, resuming).await,
                }
            };
            let claimed = match visit {
                Visit::Look => self.while_serving(visited).await?,
                Visit::Claim => self.while_claiming(index, visited).await?,
            };
            let claimed = claimed.map(|claim| claim.map_err(|error| error.problem));
            if self.keeper.record.outputs[index].state() != OutputState::Pending {
                if visit == Visit::Claim {
                    self.take_back(index).await;
                }
                continue;
            }
            match claimed {
                None => return Ok(None),
                Some(Ok(Claim::Free)) => self.keeper.record.outputs[index].checked |= visit == Visit::Claim,
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
        if let Some(plan) = self.stored_plan().await? {
            self.plan = Arc::new(plan);
            return Ok(());
        }
        let planning = plan_job(facts, &self.keeper.record.spec, &Node { threads: self.settings.threads });
        for (output, problems) in planning.problems {
            self.fail_output(output, first_of(problems)).await?;
        }
        let json = serde_json::to_vec(&planning.plan).unwrap_or_default();
        let record = &self.keeper.record;
        self.settings.store.put_document(record.id, record.attempt, PLAN, json).await?;
        self.plan = Arc::new(planning.plan);
        for work in &self.plan.works {
            self.tell_listener(JobEvent::Planned { plan: Box::new(work.plan.clone()) }).await;
        }
        let plan = Arc::clone(&self.plan);
        for (index, output) in plan.outputs.iter().enumerate() {
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
        self.tell_listener(JobEvent::Warning(note)).await;
    }
}

fn sources_of(spec: &OutputSpec) -> BTreeSet<usize> {
    let sound = if spec.audio_sources.is_empty() { &[][..] } else { &spec.audio_sources[..] };
    std::iter::once(spec.source).chain(sound.iter().copied()).chain(spec.rendition_sources.values().copied()).collect()
}

fn changed(source: &Source) -> Problem {
    let message = format!("{} is not what it was when the job began; submit it as a new job", source.name());
    Problem::input("source.changed", message)
}

/// The list is long, and was for the planner.
fn without_key_frames(mut facts: MediaFacts) -> MediaFacts {
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
