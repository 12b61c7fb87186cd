//! What follows when a device fails: the same again, another device of its kind, or renditions made again elsewhere.
//!
//! A rendition has one encoder. Where it must change, the rendition starts over (docs/decisions), under new names, and
//! what was published of it is replaced; the others, and all that is finished of them, are kept.

use super::choices::{self, Makers, Way, Without};
use super::groups::GroupState;
use super::parts::PartState;
use super::{Broken, Job};
use crate::dispatch::engine::ToEngine;
use crate::dispatch::fleet::{kind_of, said};
use crate::model::Problem;
use crate::model::classify::policy;
use crate::model::device::{DeviceFault, DeviceId, DeviceInfo};
use crate::report::JobEvent;
use crate::store::LogLevel;
use reelmill_scheduler::{Ability, DeviceId as Number, Event, GroupId, SpanId};
use std::collections::BTreeSet;

/// Failures after which a kind of device is not asked again for a group, whatever they were.
const TRIES_MAX: u32 = 2;
/// Shortest wait before the same is asked of a device again, ms.
const AGAIN_MS: u64 = 100;

/// The device that an attempt runs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ran {
    pub(super) number: Number,
    pub(super) id: DeviceId,
    pub(super) kind: String,
    /// The first thing that it is relied on for.
    pub(super) ability: Option<Ability>,
}

impl Ran {
    pub(super) fn on(number: Number, info: &DeviceInfo, way: &Way) -> Self {
        Self { number, id: info.id.clone(), kind: kind_of(info), ability: way.choice.abilities.first().cloned() }
    }
}

/// A failure of a device.
pub(super) struct Failure {
    pub(super) fault: DeviceFault,
    /// What it failed at; empty where that is not known.
    pub(super) ability: String,
    pub(super) problem: Problem,
}

impl Job {
    /// A rendition of a part that runs could not be made on its device; the others go on.
    pub(super) async fn track_failed(&mut self, part: usize, track: &str, failure: Failure) -> Result<(), Broken> {
        let Some(ran) = self.parts[part].ran.clone() else {
            return self.fail_outputs_with(part, &BTreeSet::from([track.to_owned()]), &failure.problem).await;
        };
        if !self.groups[self.parts[part].group].renditions.contains(track) {
            return Ok(());
        }
        self.note_fault(part, Some(track), &ran, &failure).await?;
        let moved = BTreeSet::from([track.to_owned()]);
        if self.groups[self.parts[part].group].renditions == moved {
            self.parts[part].emptied = self.parts[part].attempts;
        }
        self.elsewhere(part, &ran, &failure, moved, true).await?;
        // The part goes on, so that the scheduler hears of it by this alone.
        if policy(failure.fault).blame && !failure.ability.is_empty() {
            let ability = Ability(failure.ability.as_str().into());
            self.happened(Event::AbilityFailed { job: self.number, span: SpanId(part as u32), ability });
        }
        self.device_failed(&ran, failure.fault);
        Ok(())
    }

    /// The device of a part failed at what all of the part's renditions need, and its worker is gone.
    pub(super) async fn part_failed_on(&mut self, part: usize, ran: Ran, failure: Failure) -> Result<(), Broken> {
        let group = self.parts[part].group;
        if self.parts[part].done || self.suspended || self.groups[group].renditions.is_empty() {
            return self.part_failed(part, failure.problem).await;
        }
        let is_told = self.parts[part].emptied == self.parts[part].attempts;
        if !is_told {
            self.note_fault(part, None, &ran, &failure).await?;
        }
        let (name, attempt) = (self.part_name(part), self.parts[part].attempts);
        self.tell_listener(JobEvent::PartFailed { part: name, attempt, problem: failure.problem.clone() }).await;
        self.parts[part].failures += 1;
        self.figures.retries += 1;
        self.settings.telemetry.metrics.retried(failure.problem.fault);
        if !is_told {
            let all = self.groups[group].renditions.clone();
            self.elsewhere(part, &ran, &failure, all, false).await?;
        }
        let policy = policy(failure.fault);
        let named = (!failure.ability.is_empty()).then(|| Ability(failure.ability.as_str().into()));
        let blame = policy.blame.then(|| named.or(ran.ability.clone())).flatten();
        let wait_ms = policy.retry_here_ms.unwrap_or(0).max(AGAIN_MS);
        let span = SpanId(part as u32);
        let _ = self.engine.send(ToEngine::SpanFailed { number: self.number, span, wait_ms, blame });
        // Last, so that the scheduler knows other ways before it hears that one is gone.
        if !is_told {
            self.device_failed(&ran, failure.fault);
        }
        Ok(())
    }

    fn device_failed(&self, ran: &Ran, fault: DeviceFault) {
        let _ = self.engine.send(ToEngine::DeviceFailed { device: ran.number, fault });
    }

    /// Devices came or went: groups whose devices are all gone are made elsewhere.
    pub(super) async fn devices_changed(&mut self) -> Result<(), Broken> {
        for group in 0..self.groups.len() {
            let fleet = self.shown.devices.now();
            let there = |way: &Way| way.choice.kind.is_none_or(|kind| fleet.up().any(|known| known.kind == kind));
            let state = &self.groups[group];
            let kept: Vec<&Way> = match &state.makers {
                Some(makers) => state.ways.iter().filter(|way| way.makers == *makers).collect(),
                None => state.ways.iter().collect(),
            };
            let waits = !state.audio && !kept.is_empty() && !kept.into_iter().any(there);
            let part = self.parts.iter().position(|part| part.group == group && !part.done);
            if let Some(part) = part.filter(|_| waits) {
                self.groups[group].again = true;
                let renditions = self.groups[group].renditions.clone();
                let problem = Problem::device("device.lost", "the device that this was made on is gone");
                self.divert(part, renditions, &problem).await?;
            }
        }
        Ok(())
    }

    /// Decides who makes these renditions of a part's group from now on; `leave` says that they leave their group in any
    /// case, since a worker goes on with the others.
    async fn elsewhere(
        &mut self,
        part: usize,
        ran: &Ran,
        failure: &Failure,
        renditions: BTreeSet<String>,
        leave: bool,
    ) -> Result<(), Broken> {
        let policy = policy(failure.fault);
        let fleet = self.shown.devices.now();
        let siblings =
            fleet.up().filter(|known| kind_of(&known.info) == ran.kind && known.number != ran.number).count();
        let group = &mut self.groups[self.parts[part].group];
        group.faults += 1;
        let passes = policy.retry_here_ms.is_some() || policy.learn_session_cap || (policy.blame && siblings > 0);
        let same_again = passes && !policy.ability_permanent && group.faults <= TRIES_MAX;
        if same_again && !leave {
            return Ok(());
        }
        group.again = true;
        if !same_again {
            let rendition = renditions.iter().next().filter(|_| leave).cloned().unwrap_or_default();
            group.without.insert(Without { kind: ran.kind.clone(), ability: failure.ability.clone(), rendition });
        }
        self.divert(part, renditions, &failure.problem).await
    }

    /// Has renditions of a part's group made by whoever can: in their group where their streams go on, else in one of their
    /// own, from their start.
    async fn divert(&mut self, part: usize, renditions: BTreeSet<String>, problem: &Problem) -> Result<(), Broken> {
        let group = self.parts[part].group;
        let whole = self.groups[group].renditions == renditions;
        let kept = self.makers_kept(part, &renditions);
        if whole
            && let Ok(ways) = self.ways_of(group, &renditions)
            && let joining = choices::joining(&ways, &kept)
            && !joining.is_empty()
        {
            self.change_ways(group, joining);
            return Ok(());
        }
        // Those that the CPU encodes can go on where they are, if it also decodes for them.
        let staying: BTreeSet<String> =
            kept.iter().filter(|(_, maker)| *maker == choices::CPU).map(|(id, _)| id.clone()).collect();
        let mut moved = renditions;
        if whole && !staying.is_empty() && staying != moved {
            let stay = self.ways_of(group, &staying).map(|ways| choices::joining(&ways, &kept)).unwrap_or_default();
            if !stay.is_empty() {
                moved.retain(|id| !staying.contains(id));
                self.move_out(part, moved, problem).await?;
                self.change_ways(group, stay);
                return Ok(());
            }
        }
        self.move_out(part, moved, problem).await
    }

    /// Who made what is begun of these.
    fn makers_of_begun(&self, group: usize, renditions: &BTreeSet<String>) -> Makers {
        let state = &self.groups[group];
        let begun = |id: &String| renditions.contains(id) && self.begun.contains(&(state.work, id.clone()));
        let makers = state.makers.iter().flatten();
        makers.filter(|(id, _)| begun(id)).map(|(id, maker)| (id.clone(), maker.clone())).collect()
    }

    /// Whom a group must keep to while it stays one: also who is at it in another part than the one that failed, since that
    /// one's header may come at any time, and what does not join it would break the track.
    fn makers_kept(&self, failed: usize, renditions: &BTreeSet<String>) -> Makers {
        let group = self.parts[failed].group;
        let is_other = |span: &SpanId| {
            let index = span.0 as usize;
            index != failed && self.parts.get(index).is_some_and(|part| part.group == group)
        };
        match &self.groups[group].makers {
            Some(makers) if self.running.keys().any(is_other) => makers.clone(),
            _ => self.makers_of_begun(group, renditions),
        }
    }

    fn change_ways(&mut self, group: usize, ways: Vec<Way>) {
        let choices = choices::group(&ways);
        self.groups[group].later.push_back(ways);
        self.happened(Event::GroupChanged { job: self.number, group: GroupId(group as u32), choices });
    }

    /// Moves renditions into a group of their own, with parts of its own.
    async fn move_out(&mut self, part: usize, moved: BTreeSet<String>, problem: &Problem) -> Result<(), Broken> {
        let from = self.parts[part].group;
        let ways = match self.ways_of(from, &moved) {
            Ok(ways) => ways,
            Err(why) => {
                let message = format!("{}; {why}", problem.message);
                let problem = Problem { message, ..problem.clone() };
                return self.fail_outputs_with(part, &moved, &problem).await;
            }
        };
        // What others are at now leaves their hands, so that only what came of it counts.
        let kept = self.makers_of_begun(from, &moved);
        let joining = choices::joining(&ways, &kept);
        let restarts = joining.is_empty() && !kept.is_empty();
        let work = self.groups[from].work;
        if restarts {
            for id in kept.keys() {
                self.restart(work, id);
            }
        }
        let (without, again) = (self.groups[from].without.clone(), true);
        let faults = self.groups[from].faults;
        let ways = if joining.is_empty() { ways } else { joining };
        let state =
            GroupState { work, renditions: moved.clone(), ways, faults, without, again, ..GroupState::default() };
        self.groups.push(state);
        let new = self.groups.len() - 1;
        self.add_parts(from, new, if restarts { &kept } else { &EMPTY });
        self.leave_group(from, &moved);
        self.store_groups().await?;
        let ids: Vec<&str> = moved.iter().map(String::as_str).collect();
        let job = self.keeper.record.id;
        let from_start = if restarts { "from its start" } else { "from where it stood" };
        let text = format!("{} made elsewhere, {from_start}: {problem}", ids.join(", "));
        self.note_part(part, None, LogLevel::Warning, text);
        tracing::warn!(%job, renditions = ids.join(","), from = from_start, %problem, "renditions are made elsewhere");
        self.settle_empty_parts(from).await
    }

    /// A rendition starts over.
    fn restart(&mut self, work: usize, id: &str) {
        self.begun.remove(&(work, id.to_owned()));
        let generation = self.generations.entry((work, id.to_owned())).or_insert(1);
        *generation += 1;
        let generation = *generation;
        for output in self.outputs_with(work, id).collect::<Vec<_>>() {
            output.restart(work, id.to_owned(), generation);
        }
        self.figures.starts_over(&self.plan, work, id);
    }

    /// Adds a part for each one of a group to another group, that stands where that one stood but for what is restarted.
    fn add_parts(&mut self, from: usize, new: usize, restarted: &Makers) {
        let first = self.parts.len();
        for index in 0..first {
            let old = &self.parts[index];
            if old.group != from {
                continue;
            }
            let start = self.range(index).map_or(0, |range| range.first);
            let stood = |id: &String| match old.next.get(id) {
                Some(next) if !restarted.contains_key(id) => *next,
                _ => start,
            };
            let next = self.groups[new].renditions.iter().map(|id| (id.clone(), stood(id))).collect();
            let done = old.done && restarted.is_empty();
            let (work, part) = (old.work, old.part);
            self.parts.push(PartState { next, done, ..PartState::new(work, part, new) });
        }
        let spans = self.parts.len() - first;
        let spans = vec![GroupId(new as u32); spans];
        let groups = vec![self.scheduled(new)];
        self.happened(Event::SpansAdded { job: self.number, groups, spans });
        for index in first..self.parts.len() {
            if self.parts[index].done {
                self.happened(Event::SpanDropped { job: self.number, span: SpanId(index as u32) });
            } else {
                self.part_begins(index);
            }
        }
    }

    fn leave_group(&mut self, from: usize, moved: &BTreeSet<String>) {
        self.groups[from].renditions.retain(|id| !moved.contains(id));
        for index in 0..self.parts.len() {
            if self.parts[index].group == from {
                self.parts[index].next.retain(|id, _| !moved.contains(id));
                if let Some(running) = self.running.get_mut(&SpanId(index as u32)) {
                    running.drop_tracks(moved.iter().cloned().collect());
                }
            }
        }
    }

    /// Parts of a group that has nothing left to make are done.
    async fn settle_empty_parts(&mut self, group: usize) -> Result<(), Broken> {
        if !self.groups[group].renditions.is_empty() {
            return Ok(());
        }
        for index in 0..self.parts.len() {
            if self.parts[index].group == group && !self.parts[index].done {
                self.parts[index].done = true;
                self.part_is_done(index).await?;
                self.happened(Event::SpanDropped { job: self.number, span: SpanId(index as u32) });
            }
        }
        Ok(())
    }

    /// Keeps what failed, for those who ask why something runs where it runs.
    async fn note_fault(
        &mut self,
        part: usize,
        track: Option<&str>,
        ran: &Ran,
        failure: &Failure,
    ) -> Result<(), Broken> {
        let work = self.parts[part].work;
        let sentence = format!("{}: {} ({})", ran.id, said(failure.fault), failure.problem.message);
        tracing::warn!(
            job = %self.keeper.record.id, device = %ran.id, fault = failure.fault.name(), ability = failure.ability,
            track = track.unwrap_or_default(), problem = %failure.problem, "a device failed"
        );
        self.note_part(part, track, LogLevel::Warning, format!("a device failed: {sentence}"));
        let all = &self.groups[self.parts[part].group].renditions;
        for placement in self.keeper.record.placements.iter_mut().filter(|placement| placement.work == work) {
            let about = match track {
                Some(track) => placement.rendition == track,
                None => placement.rendition.is_empty() || all.contains(&placement.rendition),
            };
            if about && placement.actual == ran.id.0 {
                placement.faults += 1;
                placement.fault.clone_from(&sentence);
            }
        }
        Ok(self.keeper.save().await?)
    }
}

/// Nothing is restarted.
static EMPTY: Makers = Makers::new();
