//! Placements that a device could take of a work, and the plan that follows from one: the way to `plan::place`.

use crate::model::device::{Accelerator, DeviceInfo, Operation, Placement, Verdict};
use crate::model::plan::{Plan, VideoRendition};
use std::collections::BTreeSet;

/// A placement, and why the work may run so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) placement: Placement,
    pub(super) reason: String,
}

/// What a device could do of a work, best first: everything, then with renditions left to the CPU, the smallest first, then
/// without the decode. Empty where it can do nothing of it.
pub(super) fn candidates(plan: &Plan, device: &DeviceInfo) -> Vec<Candidate> {
    let Some(video) = &plan.video else { return Vec::new() };
    let mut able: Vec<&VideoRendition> = video.renditions.iter().filter(|rung| encodes(device, rung)).collect();
    able.sort_by_key(|rung| std::cmp::Reverse((u64::from(rung.width) * u64::from(rung.height), rung.id.clone())));
    let all = video.renditions.iter().filter(|rung| !rung.copy).count();
    let decode = device.decode_engines > 0;
    let mut found = Vec::new();
    for count in (0..=able.len()).rev().filter(|count| *count > 0 || decode) {
        let encode: BTreeSet<String> = able[..count].iter().map(|rung| rung.id.clone()).collect();
        let reason = match count {
            0 => format!("{} decodes; encoding is left to the CPU", device.name),
            _ if count == all => format!("{} does all of it", device.name),
            _ => {
                format!("{} encodes {count} of {all} renditions, the largest; the rest is left to the CPU", device.name)
            }
        };
        found.push(Candidate { placement: Placement { device: Some(device.id.clone()), decode, encode }, reason });
    }
    if decode && !able.is_empty() {
        let encode = able.iter().map(|rung| rung.id.clone()).collect();
        let reason = format!("{} encodes; the CPU decodes", device.name);
        let placement = Placement { device: Some(device.id.clone()), decode: false, encode };
        found.push(Candidate { placement, reason });
    }
    found
}

fn encodes(device: &DeviceInfo, rung: &VideoRendition) -> bool {
    let depth = super::needs::depth(&rung.pixel_format);
    let ability = device.ability(Operation::Encode, rung.codec.traits().name, depth);
    !rung.copy
        && device.encode_engines > 0
        && ability.is_some_and(|ability| {
            let (min, max) = (ability.size_min, ability.size_max);
            let fits = rung.width >= min.0 && rung.height >= min.1 && rung.width <= max.0 && rung.height <= max.1;
            fits && !matches!(ability.verdict, Verdict::No { .. })
        })
}

/// The plan of a work with only these renditions, as a placement has it carried out.
pub(super) fn placed(
    plan: &Plan,
    renditions: &BTreeSet<String>,
    placement: &Placement,
    device: Option<&DeviceInfo>,
) -> Result<Plan, String> {
    let _ = renditions;
    let mut plan = plan.clone();
    let (Some(device), Some(video)) = (device, &mut plan.video) else { return Ok(plan) };
    video.accelerator = Some(Accelerator {
        id: device.id.clone(),
        kind: device.kind,
        address: device.address.clone(),
        simulated: device.simulated,
        decode: placement.decode,
        extra_frames: 0,
    });
    for rung in &mut video.renditions {
        rung.on_device = placement.encode.contains(&rung.id);
    }
    Ok(plan)
}
