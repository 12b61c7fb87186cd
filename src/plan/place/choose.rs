//! Which placements a device allows, best first, why, and plans of a part of the renditions.

use super::super::color::Look;
use super::super::{graph, picture, tree};
use super::{DECODE, FilterSet, fit};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind, Operation, Placement};
use crate::model::mark::{Mark, MarkContent};
use crate::model::plan::{SourcePictures, VideoPlan};
use crate::model::{Plan, VideoRendition};
use std::collections::BTreeSet;

/// Why a stage runs where it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageReason {
    /// Which stage.
    pub stage: Operation,
    /// The rendition's id, or `decode`.
    pub track: String,
    /// Where it runs.
    pub device: DeviceId,
    /// Why, in one sentence without a full stop.
    pub reason: String,
}

/// The placements that a device allows, best first: all on the device; then whole renditions on the CPU, smallest first,
/// until the device decodes alone; then decoding on the CPU and all that the device can encode on the device, and with
/// renditions spilled, where the device cannot decode. What it cannot do, or not at that size, is on the CPU in each.
/// None twice, and none that uses nothing of the device: at most twice as many as there are rungs, and one more.
///
/// Every one of them can be placed ([`super::place`]) with the same FFmpeg.
pub fn candidates(plan: &Plan, device: &DeviceInfo, ffmpeg: FilterSet) -> Vec<Placement> {
    let Some((video, source)) = described(plan).filter(|_| device.kind != DeviceKind::Cpu) else { return Vec::new() };
    let decodes = fit::decode_refusal(video, source, device, ffmpeg).is_none();
    let mut able: Vec<&VideoRendition> =
        video.renditions.iter().filter(|r| !r.copy && fit::encode_refusal(r, device, ffmpeg).is_none()).collect();
    // Largest first, so that the smallest are left out first; of equals the later one, which others less often start from.
    able.sort_by_key(|rung| std::cmp::Reverse(u64::from(rung.width) * u64::from(rung.height)));
    let one = |decode: bool, count: usize| Placement {
        device: Some(device.id.clone()),
        decode,
        encode: able[..count].iter().map(|rung| rung.id.clone()).collect(),
    };
    let all = able.len();
    if decodes {
        let mut placements: Vec<Placement> = (0..=all).rev().map(|count| one(true, count)).collect();
        placements.extend((all > 0).then(|| one(false, all)));
        placements
    } else {
        (1..=all).rev().map(|count| one(false, count)).collect()
    }
}

/// For each stage of a placed plan where it runs and why: the decode first, then for each encoded rung its scaling and its
/// encode.
pub fn reasons(plan: &Plan, placement: &Placement, device: Option<&DeviceInfo>, ffmpeg: FilterSet) -> Vec<StageReason> {
    let Some(video) = plan.video.as_ref().filter(|video| video.renditions.iter().any(|rung| !rung.copy)) else {
        return Vec::new();
    };
    let host = DeviceId(DeviceKind::Cpu.name().to_owned());
    let device = device.filter(|d| d.kind != DeviceKind::Cpu && placement.device.as_ref() == Some(&d.id));
    let on = |used: bool| device.filter(|_| used).map_or_else(|| host.clone(), |d| d.id.clone());
    let reason = |stage, track: &str, used: bool, reason: String| StageReason {
        stage,
        track: track.to_owned(),
        device: on(used),
        reason,
    };
    let why = |used: bool, refusal: Option<String>, role: &str, spare: &str| match (device, used, refusal) {
        (None, ..) => "no accelerator takes part".to_owned(),
        (Some(_), true, _) => role.to_owned(),
        (Some(_), false, Some(refusal)) => refusal,
        (Some(_), false, None) => spare.to_owned(),
    };
    let refusal = device.zip(video.source.as_ref()).and_then(|(d, s)| fit::decode_refusal(video, s, d, ffmpeg));
    let decodes = device.is_some() && placement.decode;
    let text = why(decodes, refusal, "frames stay in the device's memory", "the device's decoders are left to others");
    let mut reasons = vec![reason(Operation::Decode, DECODE, decodes, text)];
    let placed = super::place(plan, placement, device, ffmpeg).ok();
    let placed = placed.as_ref().and_then(|plan| plan.video.as_ref()).unwrap_or(video);
    for (rung, placed) in video.renditions.iter().zip(&placed.renditions).filter(|(rung, _)| !rung.copy) {
        let used = device.is_some() && placement.encode.contains(&rung.id);
        let scales = ["scale_cuda", "scale_vaapi"].iter().any(|name| placed.graph.contains(name));
        let text = match (device, placed.graph.is_empty(), scales) {
            (None, ..) => "no accelerator takes part",
            (_, true, _) => "pictures are right as they are",
            (_, _, true) => "pictures are in the device's memory when they are scaled",
            _ => "pictures are in the host's memory when they are scaled",
        };
        let text = match (drawn(&placed.marks), placed.mark_graphs.is_some(), device) {
            (None, ..) | (_, _, None) => text.to_owned(),
            (Some(drawn), true, _) => {
                format!("{text}; {drawn} are drawn by the CPU, whose look no device's filters have")
            }
            (Some(drawn), false, _) => format!("{text}; the CPU draws the {drawn} there"),
        };
        let in_device = scales || placed.graph.is_empty() && super::is_device(placed.memory);
        reasons.push(reason(Operation::Filter, &rung.id, in_device, text));
        let refusal = device.and_then(|d| fit::encode_refusal(rung, d, ffmpeg));
        let spare = "the device's encoders are left to larger renditions, or to others";
        reasons.push(reason(Operation::Encode, &rung.id, used, why(used, refusal, "the device can encode it", spare)));
    }
    reasons
}

/// What is drawn over a rung's pictures, in the words of those who asked for it.
fn drawn(marks: &[Mark]) -> Option<&'static str> {
    let is_subtitles = |mark: &Mark| matches!(mark.content, MarkContent::Subtitles { .. });
    match (marks.iter().any(is_subtitles), marks.iter().all(is_subtitles)) {
        _ if marks.is_empty() => None,
        (true, true) => Some("burned-in subtitles"),
        (true, false) => Some("burned-in subtitles and watermarks"),
        (false, _) => Some("watermarks"),
    }
}

/// The plan of these renditions alone, of pictures and of sound. Parents are chosen anew among those that are left, by
/// the same rule. Options stay as they are, so the encoders' identities do too. For a plan that was placed already, or
/// does not say what its source is, rungs that others are made from stay as well.
pub fn only(plan: &Plan, renditions: &BTreeSet<String>) -> Plan {
    let video = plan.video.as_ref().and_then(|video| only_video(video, renditions));
    let audio = plan.audio.iter().filter(|track| renditions.contains(&track.id)).cloned().collect();
    let text = plan.text.iter().filter(|track| renditions.contains(&track.id)).cloned().collect();
    Plan { video, audio, text, stills: None, ..plan.clone() }
}

fn only_video(video: &VideoPlan, renditions: &BTreeSet<String>) -> Option<VideoPlan> {
    let mut kept: Vec<bool> = video.renditions.iter().map(|rung| renditions.contains(&rung.id)).collect();
    if !kept.contains(&true) {
        return None;
    }
    let source = video.source.as_ref().filter(|_| video.accelerator.is_none());
    if source.is_none() {
        // Parents stand before their children, so one pass from the end finds all of them.
        for i in (0..kept.len()).rev().filter(|i| video.renditions[*i].parent.is_some()) {
            if let Some(parent) = video.renditions[i].parent.filter(|_| kept[i]) {
                kept[parent] = true;
            }
        }
    }
    let old: Vec<usize> = (0..kept.len()).filter(|i| kept[*i]).collect();
    let mut rungs: Vec<VideoRendition> = old.iter().map(|i| video.renditions[*i].clone()).collect();
    for i in 0..rungs.len() {
        match source {
            Some(source) => (rungs[i].parent, rungs[i].graph) = made_from(video, source, &rungs, i),
            None => rungs[i].parent = rungs[i].parent.and_then(|parent| old.iter().position(|o| *o == parent)),
        }
    }
    Some(VideoPlan { renditions: rungs, ..video.clone() })
}

/// Parent and graph of a rung among these, all by the CPU.
fn made_from(
    video: &VideoPlan,
    source: &SourcePictures,
    rungs: &[VideoRendition],
    i: usize,
) -> (Option<usize>, String) {
    let rung = &rungs[i];
    if rung.copy {
        return (None, String::new());
    }
    let size = |i: usize| (rungs[i].width, rungs[i].height);
    let alike = |j: usize| {
        let other = &rungs[j];
        let look = |r: &VideoRendition| (r.pixel_format.clone(), r.color.clone(), r.hdr.clone());
        let options = |r: usize| (&rungs[r].picture, size(r));
        !other.copy && look(other) == look(rung) && picture::joins(options(j), options(i))
    };
    let tone_mapped = graph::tone_maps(&source.video, rung.hdr.as_ref());
    let parent =
        tree::parent(i, size, alike, tree::shown(&picture::framed(&source.video, &rung.picture).video), tone_mapped);
    let text = match parent {
        Some(parent) => graph::from_rung(size(parent), rung.width, rung.height),
        None => {
            let pixel_format = if fit::is_deep(rung) { "yuv420p10le" } else { "yuv420p" };
            let look = Look { pixel_format, color: rung.color.clone(), hdr: rung.hdr.clone(), picture: rung.picture };
            graph::from_source(&source.video, &video.color, &look, rung.width, rung.height)
        }
    };
    (parent, text)
}

/// The pictures of a plan, with what their source is.
fn described(plan: &Plan) -> Option<(&VideoPlan, &SourcePictures)> {
    let video = plan.video.as_ref()?;
    let encodes = video.renditions.iter().any(|rung| !rung.copy);
    video.source.as_ref().filter(|_| encodes).map(|source| (video, source))
}
