//! A job as it stands, as the API tells it.

use super::sound;
use super::time::{micros, timestamp};
use super::{Wire, change, facts, problem, shown, spec, usage};
use crate::api::v1;
use crate::model::Packaging;
use crate::model::bill::JobUsage;
use crate::model::job::{FileRole, FileSummary, InputRecord, OutputRecord, TrackSummary};
use crate::model::placement::PlacementRecord;
use crate::model::spec::{OutputSpec, SourceSpec};
use crate::model::state::{InputState, OutputState};
use crate::model::{JobRecord, JobSpec};
use crate::report::JobProgress;
use crate::store::Stored;

/// A job with everything, and how far it is.
pub(in crate::api) fn job(stored: &Stored, progress: Option<&JobProgress>, usage: Option<&JobUsage>) -> v1::Job {
    let record = &stored.record;
    let mut job = summary(stored);
    job.spec = Some(spec::spec(&record.spec));
    for (index, (shown, known)) in job.inputs.iter_mut().zip(&record.inputs).enumerate() {
        shown.facts = known.facts.as_ref().map(facts);
        // Of a joined one those of its parts. What an attempt that is over fetched is in the record by then.
        let live = progress.filter(|_| !record.state().is_over());
        let read = |part: usize| {
            let before = record.inputs.get(part).map_or(0, |input| input.read_bytes);
            before + live.and_then(|progress| progress.read_bytes.get(part)).copied().unwrap_or_default()
        };
        shown.read_bytes = record.spec.opened_for(index).into_iter().map(read).fold(0, u64::saturating_add);
    }
    job.placements = record.placements.iter().map(|one| placement(one, &record.spec)).collect();
    job.usage = usage.map(usage::job_usage);
    job.progress = progress.map(|progress| change::progress(progress, &change::Names::of(record)));
    job
}

/// A job for a list: without specification and facts.
pub(in crate::api) fn summary(stored: &Stored) -> v1::Job {
    let record = &stored.record;
    let count = |state: OutputState| record.outputs.iter().filter(|output| output.state() == state).count() as u32;
    let (checks_passed, checks_total) = checks(record);
    v1::Job {
        id: record.id.to_string(),
        reference_id: record.spec.reference_id.clone(),
        state: record.state().proto().into(),
        revision: stored.revision,
        problem: record.problem.as_ref().map(problem),
        spec: None,
        inputs: record.spec.sources.iter().zip(&record.inputs).map(|(spec, record)| input(spec, record)).collect(),
        outputs: record.spec.outputs.iter().zip(&record.outputs).map(|(spec, record)| output(spec, record)).collect(),
        checks_passed,
        checks_total,
        outputs_total: record.outputs.len() as u32,
        outputs_ready: count(OutputState::Ready),
        outputs_skipped: count(OutputState::Skipped),
        outputs_failed: count(OutputState::Failed),
        outputs_stopped: count(OutputState::Stopped),
        attempt: record.attempt,
        create_time: Some(timestamp(record.created_unix_ms)),
        begin_time: record.begun_unix_ms.map(timestamp),
        end_time: record.ended_unix_ms.map(timestamp),
        expire_time: record.expires_unix_ms().map(timestamp),
        progress: None,
        warnings: record.warnings.iter().map(warning).collect(),
        placements: Vec::new(),
        usage: None,
        trace_id: String::new(),
    }
}

/// Where a stage runs.
fn placement(placement: &PlacementRecord, spec: &JobSpec) -> v1::Placement {
    v1::Placement {
        stage: placement.stage.name().to_owned(),
        track: placement.rendition.clone(),
        device: placement.planned.clone(),
        reason: placement.reason.clone(),
        source_id: spec.sources.get(placement.source).map(|source| source.id.clone()).unwrap_or_default(),
        actual_device: placement.actual.clone(),
        faults: placement.faults,
        fault: placement.fault.clone(),
    }
}

/// Sources and destinations that were found good, and how many there are.
fn checks(record: &JobRecord) -> (u32, u32) {
    let inputs = record.inputs.iter().filter(|input| input.state() == InputState::Ready).count();
    let outputs = record.outputs.iter().filter(|output| output.checked).count();
    ((inputs + outputs) as u32, (record.inputs.len() + record.outputs.len()) as u32)
}

fn input(spec: &SourceSpec, record: &InputRecord) -> v1::Input {
    v1::Input {
        id: spec.id.clone(),
        uri: spec.locator.as_ref().map(shown::locator).unwrap_or_default(),
        state: record.state().proto().into(),
        problem: record.problem.as_ref().map(problem),
        size_bytes: record.size_bytes.unwrap_or_default(),
        read_bytes: record.read_bytes,
        facts: None,
    }
}

fn output(spec: &OutputSpec, record: &OutputRecord) -> v1::Output {
    let destination = shown::locator(&spec.destination);
    v1::Output {
        id: record.id.clone(),
        state: record.state().proto().into(),
        problem: record.problem.as_ref().map(problem),
        checked: record.checked,
        attempts: record.attempts,
        tracks: record.tracks.iter().map(track).collect(),
        files: record.files.iter().map(|one| file(&destination, one)).collect(),
        pictures: record.pictures.iter().map(|one| super::stills::picture(&destination, one)).collect(),
        stored_bytes: stored_bytes(record),
        playable_time: record.playable_unix_ms.map(timestamp),
        end_time: record.ended_unix_ms.map(timestamp),
        destination,
    }
}

fn stored_bytes(record: &OutputRecord) -> u64 {
    let tracks = record.tracks.iter().map(|track| track.bytes);
    let pictures = record.pictures.iter().map(|picture| picture.bytes);
    tracks.chain(record.files.iter().map(|file| file.bytes)).chain(pictures).fold(0, u64::saturating_add)
}

fn track(track: &TrackSummary) -> v1::Track {
    let (width, height) = track.size.unwrap_or_default();
    v1::Track {
        id: track.id.clone(),
        codecs: track.codecs.clone(),
        encoder: track.encoder.clone(),
        width,
        height,
        segments: track.segments,
        bytes: track.bytes,
        duration: Some(micros(track.duration_us)),
        loudness: track.loudness.as_ref().map(sound::loudness),
    }
}

fn file(destination: &str, file: &FileSummary) -> v1::OutputFile {
    let is_manifest = matches!(file.role, FileRole::HlsMaster | FileRole::DashManifest);
    let packaging = file.path.split('/').next().and_then(Packaging::from_name).filter(|_| is_manifest);
    v1::OutputFile {
        role: file.role.proto().into(),
        uri: format!("{}/{}", destination.trim_end_matches('/'), file.path),
        size_bytes: file.bytes,
        packaging: packaging.map_or(v1::Packaging::Unspecified, Packaging::proto).into(),
    }
}

fn warning(warning: &crate::model::job::Warning) -> v1::Warning {
    v1::Warning {
        code: warning.note.code.clone(),
        message: warning.note.message.clone(),
        output_id: warning.output.clone().unwrap_or_default(),
    }
}
