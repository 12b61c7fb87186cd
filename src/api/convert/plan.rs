//! What a job would do, as the API tells it.

use super::facts::{facts, ratio};
use super::time::{micros, millis};
use super::{Wire, shown};
use crate::api::v1;
use crate::dispatch::Planned;
use crate::model::plan::{OutputPlan, Plan, TrackUse};
use crate::model::text::TextRendition;
use crate::model::{AudioRendition, JobSpec, RateControl, VideoRendition};

/// A plan, with the specification that it was made for.
pub(in crate::api) fn planned(planned: &Planned, spec: &JobSpec) -> v1::PlanJobResponse {
    let duration = outputs(planned).filter_map(|(_, output)| output.duration_us).max();
    v1::PlanJobResponse {
        outputs: outputs(planned).map(|(index, output)| one(planned, spec, index, output)).collect(),
        inputs: inputs(planned, spec),
        placements: planned
            .placements
            .iter()
            .map(|placement| v1::Placement {
                stage: placement.stage.to_owned(),
                track: placement.rendition.clone(),
                device: placement.device.clone(),
                reason: placement.reason.clone(),
                source_id: source_id(planned, spec, placement.work),
                ..v1::Placement::default()
            })
            .collect(),
        demand: planned
            .demand
            .iter()
            .map(|(dimension, amount)| v1::Demand { dimension: dimension.clone(), amount: *amount })
            .collect(),
        media_duration: duration.map(micros),
        estimated_time: planned.estimated_ms.map(millis),
        estimated_cpu_time: planned.estimated_cpu_ms.map(millis),
        warnings: warnings(planned, spec),
    }
}

fn inputs(planned: &Planned, spec: &JobSpec) -> Vec<v1::Input> {
    let known = planned.sources.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    spec.sources
        .iter()
        .zip(known)
        .map(|(source, known)| v1::Input {
            id: source.id.clone(),
            uri: source.locator.as_ref().map(shown::locator).unwrap_or_default(),
            state: if known.is_some() { v1::InputState::Ready } else { v1::InputState::Pending }.into(),
            problem: None,
            size_bytes: known.map_or(0, |(_, size)| *size),
            read_bytes: 0,
            facts: known.map(|(media, _)| facts(media)),
        })
        .collect()
}

fn one(planned: &Planned, spec: &JobSpec, index: usize, output: &OutputPlan) -> v1::PlannedOutput {
    let tracks: Vec<_> = output.tracks.iter().filter_map(|track| track_of(planned, spec, index, track)).collect();
    let rate = tracks.iter().fold(0_u64, |sum, track| sum.saturating_add(track.bit_rate));
    let media_us = u128::from(output.duration_us.unwrap_or_default().max(0).unsigned_abs());
    let bytes = u128::from(rate) * media_us / 8_000_000 * output.packagings.len() as u128;
    v1::PlannedOutput {
        id: id_of(spec, index),
        packagings: output.packagings.iter().map(|packaging| packaging.proto().into()).collect(),
        tracks,
        segment_duration: Some(millis(output.grid.segment_ms.into())),
        stored_bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}

/// The outputs that can be planned, each with its place in the job.
fn outputs(planned: &Planned) -> impl Iterator<Item = (usize, &OutputPlan)> {
    planned.plan.outputs.iter().enumerate().filter_map(|(index, output)| Some((index, output.as_ref()?)))
}

/// A track of an output; `None` where the plan names a rendition that it does not have, which it never does.
fn track_of(planned: &Planned, spec: &JobSpec, index: usize, used: &TrackUse) -> Option<v1::PlannedTrack> {
    let work = planned.plan.works.get(used.work)?;
    let shares = |other: &OutputPlan| {
        other.tracks.iter().any(|track| track.work == used.work && track.rendition == used.rendition)
    };
    let others = outputs(planned).filter(|(i, other)| *i != index && shares(other));
    let mut track = rendition(&work.plan, &used.rendition)?;
    track.id.clone_from(&used.id);
    if let Some(language) = &used.language {
        track.language.clone_from(language);
    }
    track.source_id = spec.sources.get(work.source).map(|source| source.id.clone()).unwrap_or_default();
    track.shared_with = others.map(|(i, _)| id_of(spec, i)).collect();
    Some(track)
}

fn rendition(plan: &Plan, id: &str) -> Option<v1::PlannedTrack> {
    let mut rungs = plan.video.iter().flat_map(|video| &video.renditions);
    let sound = || plan.audio.iter().find(|audio| audio.id == id).map(audio);
    let text = || plan.text.iter().find(|text| text.id == id).map(text);
    rungs.find(|rung| rung.id == id).map(video).or_else(sound).or_else(text)
}

fn video(rung: &VideoRendition) -> v1::PlannedTrack {
    let bit_rate = match rung.rate {
        RateControl::Vbv { bitrate, .. } | RateControl::TwoPass { bitrate, .. } => bitrate,
        RateControl::CappedCrf { max_rate, .. } => max_rate,
        RateControl::Crf { .. } => rung.declared_peak,
    };
    v1::PlannedTrack {
        codec: rung.codec.traits().name.to_owned(),
        width: rung.width,
        height: rung.height,
        frame_rate: Some(ratio(rung.frame_rate)),
        bit_rate,
        peak_bit_rate: rung.declared_peak,
        copy: rung.copy,
        ..v1::PlannedTrack::default()
    }
}

fn audio(sound: &AudioRendition) -> v1::PlannedTrack {
    v1::PlannedTrack {
        codec: sound.codec.traits().name.to_owned(),
        bit_rate: sound.bit_rate,
        peak_bit_rate: sound.bit_rate,
        copy: sound.copy,
        language: sound.language.clone().unwrap_or_default(),
        channels: sound.channels,
        ..v1::PlannedTrack::default()
    }
}

fn text(text: &TextRendition) -> v1::PlannedTrack {
    v1::PlannedTrack {
        codec: text.format.name().to_owned(),
        language: text.language.clone().unwrap_or_default(),
        ..v1::PlannedTrack::default()
    }
}

fn warnings(planned: &Planned, spec: &JobSpec) -> Vec<v1::Warning> {
    let notes = outputs(planned).flat_map(|(index, output)| output.notes.iter().map(move |note| (index, note)));
    notes
        .map(|(index, note)| v1::Warning {
            code: note.code.clone(),
            message: note.message.clone(),
            output_id: id_of(spec, index),
        })
        .collect()
}

fn source_id(planned: &Planned, spec: &JobSpec, work: usize) -> String {
    let source = planned.plan.works.get(work).and_then(|work| spec.sources.get(work.source));
    source.map(|source| source.id.clone()).unwrap_or_default()
}

fn id_of(spec: &JobSpec, output: usize) -> String {
    spec.outputs.get(output).map(|output| output.id.clone()).unwrap_or_default()
}
