//! What the scheduler says, carried out: attempts at parts started and stopped.

use super::explain::by_cpu;
use super::fallback::Ran;
use super::hold;
use super::observe::Observed;
use super::parts::Running;
use super::{Broken, Job, metering, place};
use crate::dispatch::blocking;
use crate::dispatch::engine::{ToEngine, ToJob};
use crate::dispatch::settings;
use crate::model::device::Placement;
use crate::model::{Fault, Plan, Problem};
use crate::publish::Part;
use crate::report::JobEvent;
use crate::report::metrics::Refusal;
use crate::report::traces::OpenSpan;
use crate::supervise::{self, Launch};
use crate::wire::v1::{self, order::Work};
use reelmill_scheduler::{Action, DeviceId as Number, SpanId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A part for whose segments the disk has no room is looked at again after so long, ms.
const ROOM_AGAIN_MS: u64 = 500;
/// Workers that run side by side share the spool's quota as if there were so many, or more where there are.
const SPOOL_SHARES: u64 = 4;
impl Job {
    /// Does what the loop says.
    pub(super) async fn told(&mut self, told: ToJob) -> Result<(), Broken> {
        match told {
            ToJob::Action(action) => self.act(action).await,
            ToJob::Changed(group) => {
                let group = self.groups.get_mut(group.0 as usize);
                if let Some(group) = group
                    && let Some(ways) = group.later.pop_front()
                {
                    group.ways = ways;
                }
                Ok(())
            }
            ToJob::Devices => self.devices_changed().await,
        }
    }

    /// Does what the scheduler says.
    async fn act(&mut self, action: Action) -> Result<(), Broken> {
        match action {
            // The scheduler was told meanwhile that it is not wanted; this tells it that it does not run either.
            Action::Start { span, .. } if self.parts.get(span.0 as usize).is_some_and(|part| part.done) => {
                self.give_back(span);
                Ok(())
            }
            Action::Start { span, .. } if self.holds(span) => Ok(()),
            // Chosen before the scheduler heard of the group's new ways, which need not join the old ones.
            Action::Start { span, .. } if self.is_outdated(span) => {
                self.give_back(span);
                Ok(())
            }
            Action::Start { span, choice, device, reason, .. } => self.start_part(span, choice, device, reason).await,
            Action::Wait { span, dimension, .. } => {
                let part = self.part_name(span.0 as usize);
                self.settings.telemetry.metrics.refused(&dimension.to_string(), Refusal::Waits);
                self.tell_listener(JobEvent::PartWaits { part, dimension: dimension.to_string() }).await;
                self.make_way(span.0 as usize);
                Ok(())
            }
            Action::Stop { span, .. } if self.lets_go_of(span) => Ok(()),
            Action::Stop { span, .. } => {
                if let Some(running) = self.running.get(&span) {
                    running.worker.stop();
                }
                Ok(())
            }
            Action::Refuse { dimension, needed, capacity, .. } => {
                self.settings.telemetry.metrics.refused(&dimension.to_string(), Refusal::Refused);
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

    /// Whether the ways of a part's group are about to change.
    fn is_outdated(&self, span: SpanId) -> bool {
        let group = self.parts.get(span.0 as usize).and_then(|part| self.groups.get(part.group));
        group.is_some_and(|group| !group.later.is_empty())
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

    async fn start_part(
        &mut self,
        span: SpanId,
        choice: u32,
        device: Option<Number>,
        reason: String,
    ) -> Result<(), Broken> {
        let index = span.0 as usize;
        let is_full = self.spooled.load(Ordering::Relaxed) >= self.settings.spool_bytes_max;
        if is_full && !self.holds_up_others(index) {
            let part = self.part_name(index);
            self.settings.telemetry.metrics.refused("spool.bytes", Refusal::Waits);
            self.tell_listener(JobEvent::PartWaits { part, dimension: "spool.bytes".to_owned() }).await;
            let _ = self.engine.send(ToEngine::SpanFailed {
                number: self.number,
                span,
                wait_ms: ROOM_AGAIN_MS,
                blame: None,
            });
            return Ok(());
        }
        let placed = self.placed(index, choice, device, &reason).await?;
        self.parts[index].attempts += 1;
        let attempt = self.parts[index].attempts;
        let part = self.part_name(index);
        let mut trace = self.trace_part(index, &reason);
        self.tell_listener(JobEvent::PartStarted { part, attempt, reason }).await;
        match trace.failed_by(self.launch(index, attempt, placed, trace.is_on()).await) {
            Ok(mut running) => {
                self.parts[index].observed.iter().for_each(|observed| observed.done_by(&running.worker));
                running.trace = trace;
                let wanted = self.wanted_of(index);
                let unwanted = self.renditions_of(index).into_iter().filter(|id| !wanted.contains(id)).collect();
                running.drop_tracks(unwanted);
                self.running.insert(span, running);
                self.worked_for(index);
                Ok(())
            }
            Err(problem) => self.part_failed(index, problem).await,
        }
    }

    /// The plan of a part as its choice has it carried out; notes where it runs.
    async fn placed(
        &mut self,
        index: usize,
        choice: u32,
        device: Option<Number>,
        reason: &str,
    ) -> Result<Result<Plan, Problem>, Broken> {
        let group = self.parts[index].group;
        let plan = Arc::clone(&self.plan);
        let plan = &plan.works[self.parts[index].work].plan;
        self.parts[index].ran = None;
        self.parts[index].observed = None;
        let state = &self.groups[group];
        let Some(way) = state.ways.get(choice as usize).cloned() else {
            self.note_start(index, &Placement::default(), &format!("{}; {reason}", by_cpu(state.stills))).await?;
            return Ok(Ok(plan.clone()));
        };
        let fleet = self.shown.devices.now();
        let info = device.and_then(|number| fleet.of(number)).map(|known| &known.info);
        let placement = Placement { device: info.map(|info| info.id.clone()), ..way.placement.clone() };
        self.parts[index].ran = device.zip(info).map(|(number, info)| Ran::on(number, info, &way));
        let made = place::placed(plan, &state.renditions, &placement, info);
        if let Some(video) = made.as_ref().ok().and_then(|made| made.video.as_ref()) {
            let source = self.decoded(self.parts[index].work);
            let cpu = fleet.cpu().cloned().unwrap_or_else(|| settings::cpu(self.settings.threads));
            let rates = &self.settings.rates;
            let span = format!("{} {}", self.keeper.record.id, self.part_name(index));
            let meter = &self.settings.telemetry.meter;
            let lap = info.map(|info| metering::begin(meter, rates, (video, &source), &placement, info, &span));
            let observed = Observed::begin(rates, (video, &source), &placement, info, cpu).metered(lap);
            self.parts[index].observed = Some(observed);
        }
        let is_first = state.makers.as_ref() != Some(&way.makers);
        if is_first {
            self.groups[group].makers = Some(way.makers.clone());
            self.store_groups().await?;
        }
        self.note_start(index, &placement, &format!("{}; {reason}", way.reason)).await?;
        Ok(made.map_err(|why| Problem::bug("internal.placement", format!("{why}; report this"))))
    }

    async fn launch(
        &self,
        index: usize,
        attempt: u32,
        placed: Result<Plan, Problem>,
        traced: bool,
    ) -> Result<Running, Problem> {
        let work = &self.plan.works[self.parts[index].work];
        let placed = placed?;
        let accelerator = placed.video.as_ref().and_then(|video| video.accelerator.as_ref());
        // A simulated one is not opened by the worker.
        let device = accelerator.filter(|placed| !placed.simulated).map(|placed| placed.kind);
        let plan_json = serde_json::to_vec(&placed)
            .map_err(|error| Problem::bug("internal.plan", format!("the plan is not JSON: {error}")))?;
        let spending = self.spending(index, &placed);
        let order = match self.range(index) {
            None if self.parts[index].part == Part::Stills => {
                Work::Stills(v1::StillsOrder { plan_json, made: self.pictures_made(index) })
            }
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
        launch.device = device;
        launch.traced = traced;
        launch.silence = settings.silence;
        launch.simulated.clone_from(&settings.simulated);
        let side_by_side = u64::from(settings.threads).min(work.plan.spans_side_by_side() as u64) + 1;
        launch.spool_bytes_max = (settings.spool_bytes_max / SPOOL_SHARES.max(side_by_side)).max(1);
        let worker = supervise::start(launch, (SpanId(index as u32), attempt), self.reports.clone())?;
        Ok(Running {
            worker,
            spool,
            attempt,
            dropped: BTreeSet::new(),
            spending,
            yields: false,
            trace: OpenSpan::default(),
            counted: self.count_start(index),
            _one: hold::Counted::of(&self.shown.spans_running),
        })
    }
}
