//! Placements that a device could take of a work, and the plan that follows from one: the way to `plan::place`.

use crate::model::device::{DeviceInfo, Operation, Placement};
use crate::model::plan::Plan;
use crate::plan::place::{self, FilterSet};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A placement, and why the work may run so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) placement: Placement,
    pub(super) reason: String,
}

/// What a device could do of these renditions of a work, best first. Empty where it can do nothing of them.
pub(super) fn candidates(plan: &Plan, renditions: &BTreeSet<String>, device: &DeviceInfo) -> Vec<Candidate> {
    let part = place::only(plan, renditions);
    let all = part.video.iter().flat_map(|video| &video.renditions).filter(|rung| !rung.copy).count();
    let found = place::candidates(&part, device, FilterSet::of_device(device));
    found.into_iter().map(|placement| Candidate { reason: reason(&part, &placement, device, all), placement }).collect()
}

/// One sentence: how much of it the device does, and why not the rest.
fn reason(plan: &Plan, placement: &Placement, device: &DeviceInfo, all: usize) -> String {
    let (name, count) = (&device.name, placement.encode.len());
    let does = match (placement.decode, count) {
        (true, 0) => format!("{name} decodes and the CPU encodes"),
        (true, count) if count == all => format!("{name} decodes and encodes all of it"),
        (false, count) if count == all => format!("{name} encodes and the CPU decodes"),
        (_, count) => format!("{name} encodes {count} of {all} renditions, the largest it can"),
    };
    let stages = place::reasons(plan, placement, Some(device), FilterSet::of_device(device));
    let by_cpu = stages.into_iter().find(|stage| {
        let encoded = stage.stage == Operation::Encode && !placement.encode.contains(&stage.track);
        encoded || (stage.stage == Operation::Decode && !placement.decode)
    });
    by_cpu.map_or(does.clone(), |stage| format!("{does}: {}", stage.reason))
}

/// Why a device cannot encode all of these renditions of a work, in a sentence for each; empty where it can.
pub(super) fn unmet(plan: &Plan, renditions: &BTreeSet<String>, device: &DeviceInfo) -> Vec<String> {
    let part = place::only(plan, renditions);
    let rungs = part.video.iter().flat_map(|video| &video.renditions).filter(|rung| !rung.copy);
    let encode = rungs.map(|rung| rung.id.clone()).collect();
    let whole = Placement { device: Some(device.id.clone()), decode: false, encode };
    let unmet = place::place(&part, &whole, Some(device), FilterSet::of_device(device)).err().unwrap_or_default();
    unmet.into_iter().map(|unmet| format!("{}: {}", unmet.track, unmet.sentence)).collect()
}

/// The plan of a work with only these renditions. The whole plan stays as it was made: it may have been begun by an earlier
/// version.
pub(super) fn part<'a>(plan: &'a Plan, renditions: &BTreeSet<String>) -> Cow<'a, Plan> {
    let every = plan.video.iter().flat_map(|video| &video.renditions).all(|rung| renditions.contains(&rung.id));
    if every { Cow::Borrowed(plan) } else { Cow::Owned(place::only(plan, renditions)) }
}

/// The plan of a work with only these renditions, as a placement has it carried out.
///
/// # Errors
/// What the device cannot do, in one sentence.
pub(super) fn placed(
    plan: &Plan,
    renditions: &BTreeSet<String>,
    placement: &Placement,
    device: Option<&DeviceInfo>,
) -> Result<Plan, String> {
    let part = part(plan, renditions).into_owned();
    let Some(device) = device else { return Ok(part) };
    place::place(&part, placement, Some(device), FilterSet::of_device(device)).map_err(|unmet| {
        let all: Vec<_> = unmet.into_iter().map(|unmet| format!("{}: {}", unmet.track, unmet.sentence)).collect();
        all.join("; ")
    })
}
