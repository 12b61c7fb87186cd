//! Where each stage of the job runs and why: kept in its record, for those who ask.

use super::choices::{self, Asked, CPU, Wish};
use super::estimate::{Alike, Load};
use super::groups::decoded;
use super::{Broken, Job};
use crate::devices::Rates;
use crate::dispatch::appliance;
use crate::dispatch::fleet::{Fleet, kind_of};
use crate::dispatch::settings;
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind, Operation, Placement};
use crate::model::placement::PlacementRecord;
use crate::model::plan::JobPlan;
use crate::model::{JobSpec, MediaFacts, Plan, Problem, VideoRendition};
use crate::plan::place::encoder_name;
use reelmill_scheduler::{CPU_THREADS, KindId};
use std::collections::{BTreeMap, BTreeSet};

/// Why sound is where it is.
const SOUND_BY_CPU: &str = "sound is made by the CPU";

/// Why single pictures are where they are.
const STILLS_BY_CPU: &str = "single pictures are made by the CPU";

/// Why what a group makes without ways to choose from is where it is.
pub(super) const fn by_cpu(stills: bool) -> &'static str {
    if stills { STILLS_BY_CPU } else { SOUND_BY_CPU }
}

impl Job {
    /// Notes where each stage is planned to run, once the ways are known: by the best of them.
    pub(super) fn plan_placements(&mut self) {
        let mut placements = Vec::new();
        for group in &self.groups {
            let best = group.ways.first();
            let (place, reason) = match best {
                Some(way) => (way.placement.clone(), way.reason.clone()),
                None => (Placement::default(), by_cpu(group.stills).to_owned()),
            };
            placements.extend(stages(&self.plan, group.work, &group.renditions, &place, &reason));
        }
        // What an earlier attempt noted stays, but for what is planned.
        let earlier = std::mem::take(&mut self.keeper.record.placements);
        for placement in &mut placements {
            let same = |old: &&PlacementRecord| {
                (old.stage, old.work, &old.rendition) == (placement.stage, placement.work, &placement.rendition)
            };
            if let Some(old) = earlier.iter().find(same) {
                placement.planned.clone_from(&old.planned);
                placement.actual.clone_from(&old.actual);
                (placement.faults, placement.fault) = (old.faults, old.fault.clone());
            }
        }
        self.keeper.record.placements = placements;
    }

    /// Notes where an attempt at a part runs, and stores it where that is new.
    pub(super) async fn note_start(&mut self, part: usize, placement: &Placement, reason: &str) -> Result<(), Broken> {
        let state = &self.parts[part];
        let renditions = &self.groups[state.group].renditions;
        let now = stages(&self.plan, state.work, renditions, placement, reason);
        let (name, attempt) = (self.part_name(part), state.attempts + 1);
        let mut changed = false;
        for stage in now {
            let same = |old: &&mut PlacementRecord| {
                (old.stage, old.work, &old.rendition) == (stage.stage, stage.work, &stage.rendition)
            };
            let Some(old) = self.keeper.record.placements.iter_mut().find(same) else { continue };
            if old.actual != stage.planned {
                tracing::info!(
                    job = %self.keeper.record.id, part = name, attempt, stage = stage.stage.name(), rendition = stage.rendition,
                    planned = old.planned, actual = stage.planned, reason, "placed"
                );
                old.actual = stage.planned;
                reason.clone_into(&mut old.reason);
                changed = true;
            }
        }
        if changed {
            self.keeper.save().await?;
        }
        Ok(())
    }
}

/// Where a job would run, and what it would hold.
pub(in crate::dispatch) struct Foreseen {
    pub(in crate::dispatch) placements: Vec<appliance::Placement>,
    pub(in crate::dispatch) demand: Vec<(String, u64)>,
    /// About how long, ms; `None` where a duration is not known.
    pub(in crate::dispatch) time_ms: Option<u64>,
    /// About how much CPU time, ms; likewise.
    pub(in crate::dispatch) cpu_ms: Option<u64>,
}

/// Foresees where a job would run with nothing beside it: by the best way of each work.
///
/// # Errors
/// `placement.unmet`.
pub(in crate::dispatch) fn foresee(
    plan: &JobPlan,
    facts: &[Option<MediaFacts>],
    spec: &JobSpec,
    fleet: &Fleet,
    threads: u32,
    rates: &Rates,
) -> Result<Foreseen, Problem> {
    let (mut placements, mut demand) = (Vec::new(), BTreeMap::new());
    let mut load = Load::default();
    let cpu = cpu_of(fleet, threads);
    let wish = Wish { devices: spec.devices.clone(), fallback: spec.fallback };
    for (index, work) in plan.works.iter().enumerate() {
        let sound: BTreeSet<String> = work.plan.audio.iter().map(|audio| audio.id.clone()).collect();
        let mut all = stages(plan, index, &sound, &Placement::default(), SOUND_BY_CPU);
        load.sound(&work.plan, &cpu, rates);
        if let Some(video) = &work.plan.video {
            let renditions = video.renditions.iter().map(|rung| rung.id.clone()).collect();
            let source = decoded(&work.plan, facts.get(work.source).and_then(Option::as_ref));
            let ways = choices::ways(&Asked {
                plan: &work.plan,
                source: &source,
                renditions: &renditions,
                fleet,
                wish: &wish,
                without: &BTreeSet::new(),
                again: false,
                threads,
                rates,
            });
            let ways = ways.map_err(|why| Problem::input("placement.unmet", why))?;
            if let Some(way) = ways.first() {
                let alike = way.choice.kind.and_then(|kind| alike(fleet, kind));
                let alike = alike.as_ref().map(|(kind, info, count)| Alike { kind, info, count: *count });
                load.pictures(&work.plan, &source, &way.placement, alike, &cpu, rates);
                all.splice(0..0, stages(plan, index, &renditions, &way.placement, &way.reason));
                for (dimension, amount) in way.choice.device.iter().chain(way.choice.host.iter()) {
                    let held = amount * work.plan.spans_side_by_side() as u64;
                    *demand.entry(dimension.to_string()).or_insert(0_u64) += held;
                }
            }
        }
        placements.extend(all.into_iter().map(|stage| appliance::Placement {
            stage: stage.stage.name(),
            work: index,
            rendition: stage.rendition,
            device: stage.planned,
            reason: stage.reason,
        }));
    }
    if let Some(held) = demand.get_mut(&CPU_THREADS.to_string()) {
        *held = (*held).min(u64::from(threads.max(1)));
    }
    let (time_ms, cpu_ms) = (load.time_ms(threads), load.cpu_ms());
    Ok(Foreseen { placements, demand: demand.into_iter().collect(), time_ms, cpu_ms })
}

/// About how long the CPU of a node with so many threads would take for a source's work, and how much CPU time, ms; by these
/// rates. `None` where the duration is not known.
pub fn estimate_by_cpu(plan: &Plan, facts: &MediaFacts, threads: u32, rates: &Rates) -> Option<(u64, u64)> {
    let (cpu, mut load) = (settings::cpu(threads), Load::default());
    load.pictures(plan, &decoded(plan, Some(facts)), &Placement::default(), None, &cpu, rates);
    load.sound(plan, &cpu, rates);
    load.time_ms(threads).zip(load.cpu_ms())
}

/// The CPU, whatever is known of it.
fn cpu_of(fleet: &Fleet, threads: u32) -> DeviceInfo {
    fleet.cpu().cloned().unwrap_or_else(|| settings::cpu(threads))
}

/// A device of a kind, its kind's name, and how many there are of it.
fn alike(fleet: &Fleet, kind: KindId) -> Option<(String, &DeviceInfo, u64)> {
    let of_kind = || fleet.up().filter(|known| known.kind == kind).map(|known| &known.info);
    let first = of_kind().next()?;
    Some((kind_of(first), first, of_kind().count() as u64))
}

/// What is told of options of encoders that do not make a rung; empty where there are none.
fn unused_options(rung: &VideoRendition, device: Option<&DeviceId>) -> String {
    let kind = device.map_or(DeviceKind::Cpu, DeviceId::kind);
    let encoder = encoder_name(rung.codec, kind);
    let others = rung.encoder_options.iter().filter(|option| option.encoder != encoder);
    let others: Vec<String> = others.map(ToString::to_string).collect();
    if others.is_empty() {
        return String::new();
    }
    format!("; {encoder} makes it, so {} set nothing", others.join(", "))
}

/// The stages of a work's renditions as a placement has them, `planned` being where.
pub(in crate::dispatch) fn stages(
    plan: &JobPlan,
    work: usize,
    renditions: &BTreeSet<String>,
    placement: &Placement,
    reason: &str,
) -> Vec<PlacementRecord> {
    let (source, plan) = (plan.works[work].source, &plan.works[work].plan);
    let device = |on_device: bool| match &placement.device {
        Some(device) if on_device => device.0.clone(),
        _ => CPU.to_owned(),
    };
    let stage = |stage: Operation, rendition: &str, on_device: bool| PlacementRecord {
        stage,
        work,
        source,
        rendition: rendition.to_owned(),
        planned: device(on_device),
        actual: String::new(),
        reason: reason.to_owned(),
        faults: 0,
        fault: String::new(),
    };
    let mut all = Vec::new();
    let rungs = plan.video.iter().flat_map(|video| &video.renditions);
    let made: Vec<_> = rungs.filter(|rung| !rung.copy && renditions.contains(&rung.id)).collect();
    if !made.is_empty() {
        all.push(stage(Operation::Decode, "", placement.decode));
    }
    for rung in made {
        let encoded = placement.encode.contains(&rung.id);
        all.push(stage(Operation::Filter, &rung.id, encoded || placement.decode));
        let mut encode = stage(Operation::Encode, &rung.id, encoded);
        encode.reason.push_str(&unused_options(rung, placement.device.as_ref().filter(|_| encoded)));
        all.push(encode);
    }
    let sound = plan.audio.iter().filter(|audio| !audio.copy && renditions.contains(&audio.id));
    all.extend(sound.map(|audio| stage(Operation::Encode, &audio.id, false)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{movie, video};
    use crate::plan::{Node, Request, plan};

    #[test]
    fn options_of_an_encoder_that_makes_nothing_are_told() {
        let options = ["libx264:aq-mode=3", "h264_nvenc:spatial-aq=0", "h264_vaapi:coder=cavlc"];
        let encoder_options = options.iter().map(|text| text.parse().unwrap()).collect();
        let request = Request { renditions: vec!["720p".parse().unwrap()], encoder_options, ..Request::default() };
        let plan = plan(&movie(video(1280, 720, 25, 1)), &request, &Node { threads: 4 }).unwrap();
        let rung = &plan.video.unwrap().renditions[0];
        let told = |device: Option<&str>| unused_options(rung, device.map(|id| DeviceId(id.to_owned())).as_ref());
        assert_eq!(told(None), "; libx264 makes it, so h264_nvenc:spatial-aq=0, h264_vaapi:coder=cavlc set nothing");
        let on_card = told(Some("cuda:GPU-1"));
        assert!(on_card.starts_with("; h264_nvenc makes it") && on_card.contains("libx264:aq-mode=3"), "{on_card}");
        let plain = VideoRendition { encoder_options: Vec::new(), ..rung.clone() };
        assert_eq!(unused_options(&plain, None), "");
    }
}
