//! The ways in which a group of renditions of a work may be made: from its plan, the devices, the job's wishes, and what
//! failed before. Pure.

use super::needs::{self, Decoded};
use super::place::{self, Candidate};
use crate::devices::Rates;
use crate::dispatch::fleet::{Fleet, kind_of};
use crate::dispatch::settings::cpu_alone;
use crate::model::device::{DeviceInfo, DeviceKind, Operation, Placement};
use crate::model::plan::{Plan, VideoRendition};
use crate::model::spec::Fallback;
use reelmill_scheduler::{Ability, Choice, KindId};
use std::collections::{BTreeMap, BTreeSet};

/// Who encodes what is made by the CPU.
pub(super) const CPU: &str = "cpu";

/// Which kind of device, or the CPU, encodes each rendition of a group. Streams of different makers do not join.
pub(super) type Makers = BTreeMap<String, String>;

/// Something that is not asked again of a kind of device in this job.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Without {
    /// The kind, as [`kind_of`] names it.
    pub(super) kind: String,
    /// What it failed at (`encode.h264`, `decode.hevc`, `filter`); empty for everything.
    pub(super) ability: String,
    /// The rendition that it concerns; empty for all.
    pub(super) rendition: String,
}

/// What the job says about devices.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Wish {
    pub(super) devices: Vec<String>,
    pub(super) fallback: Fallback,
}

/// What ways are asked for.
pub(super) struct Asked<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: &'a Decoded,
    pub(super) renditions: &'a BTreeSet<String>,
    pub(super) fleet: &'a Fleet,
    pub(super) wish: &'a Wish,
    pub(super) without: &'a BTreeSet<Without>,
    /// Something failed on a device before, so that the job's fallback decides.
    pub(super) again: bool,
    pub(super) threads: u32,
    pub(super) rates: &'a Rates,
}

/// One way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// The device of the placement is one of the kind.
    pub(super) placement: Placement,
    pub(super) makers: Makers,
    pub(super) reason: String,
    pub(super) choice: Choice,
}

/// All ways, best first: those of devices, then the CPU's.
///
/// # Errors
/// Why there is none, in one sentence.
pub(super) fn ways(asked: &Asked<'_>) -> Result<Vec<Way>, String> {
    let cpu = asked.fleet.cpu().cloned().or_else(|| cpu_alone(asked.threads).pop());
    let Some(cpu) = cpu else { return Err(unmet(asked)) };
    let mut kinds = Vec::new();
    let mut seen = BTreeSet::new();
    for known in asked.fleet.up().filter(|known| allowed(asked, known.kind, &known.info)) {
        if !seen.insert(known.kind) {
            continue;
        }
        let found = place::candidates(asked.plan, asked.renditions, &known.info);
        let found = found.into_iter().filter(|candidate| fits(asked, &known.info, candidate));
        kinds.push(found.map(|candidate| way(asked, &cpu, Some((known.kind, &known.info)), candidate)).collect());
    }
    // The kind that would be done first goes first; within a kind what leaves least to the CPU.
    kinds.sort_by_key(|ways: &Vec<Way>| ways.first().map(|way| way.choice.run_ms));
    let mut ways = kinds.concat();
    if by_cpu(asked) {
        let reason = match asked.fleet.up().next() {
            None => "the only device of this node".to_owned(),
            Some(_) if asked.again => "made again by the CPU, after a device failed".to_owned(),
            Some(_) => "no device is free, or able, or wanted".to_owned(),
        };
        let candidate = Candidate { placement: Placement::default(), reason };
        ways.push(way(asked, &cpu, None, candidate));
    }
    let mut makers: Vec<Makers> = Vec::new();
    let mut kept: Vec<Way> = Vec::new();
    for mut way in ways {
        if kept.iter().any(|other| other.placement == way.placement) {
            continue;
        }
        let identity = makers.iter().position(|known| *known == way.makers).unwrap_or_else(|| {
            makers.push(way.makers.clone());
            makers.len() - 1
        });
        way.choice.identity = identity as u32;
        kept.push(way);
    }
    if kept.is_empty() { Err(unmet(asked)) } else { Ok(kept) }
}

/// Whether the job's wishes let a device be used.
fn allowed(asked: &Asked<'_>, kind: KindId, info: &DeviceInfo) -> bool {
    let wish = asked.wish;
    if asked.again && wish.fallback == Fallback::Cpu {
        return false;
    }
    let named = |info: &DeviceInfo| {
        wish.devices.is_empty() || wish.devices.iter().any(|wished| *wished == info.kind.name() || *wished == info.id.0)
    };
    // Work moves between devices of a kind, so all of them must be wanted.
    named(info) && asked.fleet.up().filter(|known| known.kind == kind).all(|known| named(&known.info))
}

/// Whether the CPU may make all of it.
fn by_cpu(asked: &Asked<'_>) -> bool {
    let wished = asked.wish.devices.is_empty() || asked.wish.devices.iter().any(|wished| wished == CPU);
    if asked.again { asked.wish.fallback != Fallback::Never } else { wished }
}

/// Whether a candidate does something, and nothing that was found not to work or not to be wanted.
fn fits(asked: &Asked<'_>, info: &DeviceInfo, candidate: &Candidate) -> bool {
    let (kind, placement) = (kind_of(info), &candidate.placement);
    if !placement.decode && placement.encode.is_empty() {
        return false;
    }
    let hits = |without: &&Without| {
        without.kind == kind
            && match without.ability.split_once('.') {
                Some(("decode", _)) => placement.decode,
                Some(("encode", _)) if without.rendition.is_empty() => !placement.encode.is_empty(),
                Some(("encode", _)) => placement.encode.contains(&without.rendition),
                // What the device decodes it also scales, whoever encodes it.
                None if without.ability == "filter" && placement.decode => true,
                _ => without.rendition.is_empty() || placement.encode.contains(&without.rendition),
            }
    };
    // Where the CPU is not wanted, it encodes nothing.
    let encoded = |rung: &&VideoRendition| !rung.copy && asked.renditions.contains(&rung.id);
    let rungs = asked.plan.video.iter().flat_map(|video| &video.renditions);
    let whole = rungs.filter(encoded).all(|rung| placement.encode.contains(&rung.id));
    !asked.without.iter().any(|without| hits(&without)) && (whole || by_cpu(asked))
}

fn way(asked: &Asked<'_>, cpu: &DeviceInfo, device: Option<(KindId, &DeviceInfo)>, candidate: Candidate) -> Way {
    let Candidate { placement, reason } = candidate;
    let info = device.map(|(_, info)| info);
    let part = place::part(asked.plan, asked.renditions);
    let mut threads = u64::from(asked.threads.max(1));
    if let (None, Some(ours), Some(whole)) = (info, &part.video, &asked.plan.video) {
        threads = needs::part_of(threads, (ours, whole), asked.source, cpu, asked.rates);
    }
    let needs = needs::by(&part, asked.source, &placement, info, cpu, threads, asked.rates);
    let maker = |id: &String| match info.filter(|_| placement.encode.contains(id)) {
        Some(info) => kind_of(info),
        None => CPU.to_owned(),
    };
    let makers = asked.renditions.iter().map(|id| (id.clone(), maker(id))).collect();
    let choice = Choice {
        kind: device.map(|(kind, _)| kind),
        abilities: info.map(|_| abilities(asked, &placement)).unwrap_or_default(),
        device: needs.device,
        host: needs.host,
        identity: 0,
        run_ms: needs.run_ms,
    };
    Way { placement, makers, reason, choice }
}

fn abilities(asked: &Asked<'_>, placement: &Placement) -> Vec<Ability> {
    let rungs = asked.plan.video.iter().flat_map(|video| &video.renditions);
    let encoded = rungs.filter(|rung| placement.encode.contains(&rung.id));
    let named = |operation: Operation, codec: &str| format!("{}.{codec}", operation.name());
    let mut all: BTreeSet<String> = encoded.map(|rung| named(Operation::Encode, rung.codec.traits().name)).collect();
    if placement.decode {
        all.insert(named(Operation::Decode, &asked.source.codec));
    }
    all.into_iter().map(|name| Ability(name.into())).collect()
}

/// Why nothing can be made, in one sentence.
fn unmet(asked: &Asked<'_>) -> String {
    let rungs = asked.plan.video.iter().flat_map(|video| &video.renditions);
    let mut wanted: Vec<String> = rungs
        .filter(|rung| !rung.copy && asked.renditions.contains(&rung.id))
        .map(|rung| format!("{} {}-bit", rung.codec.traits().name, needs::depth(&rung.pixel_format)))
        .collect();
    wanted.dedup();
    let wanted = wanted.join(", ");
    if asked.again {
        let who = match asked.wish.fallback {
            Fallback::Never => "`fallback` is `never`",
            Fallback::Any | Fallback::Cpu => "no device that the job may use is left",
        };
        return format!("a device failed at encoding {wanted}, and {who}");
    }
    let among = asked.wish.devices.join(", ");
    let there: Vec<String> = asked.fleet.infos().map(|info| info.id.to_string()).collect();
    let there = if there.is_empty() { DeviceKind::Cpu.name().to_owned() } else { there.join(", ") };
    let named = asked.fleet.up().filter(|known| allowed(asked, known.kind, &known.info));
    let why: Vec<String> =
        named.flat_map(|known| place::unmet(asked.plan, asked.renditions, &known.info)).take(3).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    format!("encoding {wanted} needs one of the devices {among}, and none here can do it{why}; this node has {there}")
}

/// The ways whose streams join what these makers began.
pub(super) fn joining(ways: &[Way], makers: &Makers) -> Vec<Way> {
    let joins = |way: &&Way| way.makers.iter().all(|(id, maker)| makers.get(id).is_none_or(|known| known == maker));
    ways.iter().filter(joins).cloned().collect()
}

/// The scheduler's form of ways.
pub(super) fn group(ways: &[Way]) -> reelmill_scheduler::Group {
    reelmill_scheduler::Group { choices: ways.iter().map(|way| way.choice.clone()).collect() }
}

#[cfg(test)]
#[path = "choices_tests.rs"]
mod tests;
