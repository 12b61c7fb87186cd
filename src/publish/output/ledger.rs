//! The tracks of an output as its plan promises them, before anything is made.

use super::Generations;
use super::track::Lane;
use crate::model::ledger::{TrackKind, TrackRecord};
use crate::model::plan::{JobPlan, OutputPlan, TrackUse};
use crate::model::text::TEXT_TIMESCALE;
use crate::model::{Ledger, Problem};

/// What text is declared to need while it grows, bits a second: as much as anybody can read.
const TEXT_PEAK: u64 = 2_000;

/// An empty ledger, and a lane for each of its tracks.
pub(super) fn of(
    plan: &JobPlan,
    output: &OutputPlan,
    generations: &Generations,
) -> Result<(Ledger, Vec<Lane>), Problem> {
    let mut tracks = Vec::with_capacity(output.tracks.len());
    let mut lanes = Vec::with_capacity(output.tracks.len());
    for used in &output.tracks {
        let mut track = track(plan, used).ok_or_else(|| {
            let message = format!("the plan has no rendition {} in work {}; report this", used.rendition, used.work);
            Problem::bug("internal.plan", message)
        })?;
        track.generation = generations.get(&(used.work, used.rendition.clone())).copied().unwrap_or(1);
        let packagings = output.packagings.iter().copied().filter(|packaging| track.in_packaging(*packaging));
        let lane = Lane::new(used, track.is_video(), packagings.collect(), track.generation);
        lanes.push(if track.is_plain() { lane.plain() } else { lane });
        tracks.push(track);
    }
    Ok((Ledger { segment_ms: output.grid.segment_ms, tracks, complete: false }, lanes))
}

fn track(plan: &JobPlan, used: &TrackUse) -> Option<TrackRecord> {
    let plan = &plan.works.get(used.work)?.plan;
    if let Some(video) = &plan.video
        && let Some(rung) = video.renditions.iter().find(|rung| rung.id == used.rendition)
    {
        let kind = TrackKind::Video {
            codec: rung.codec,
            width: rung.width,
            height: rung.height,
            frame_rate: rung.frame_rate,
            hdr: rung.hdr.as_ref().map(|hdr| hdr.kind),
            carries_captions: rung.copy || rung.captions,
            captions: used.captions.clone(),
        };
        return Some(empty(&used.id, kind, video.timescale, rung.declared_peak));
    }
    if let Some(text) = plan.text.iter().find(|text| text.id == used.rendition) {
        let kind = TrackKind::Text {
            format: text.format,
            language: used.language.clone().or_else(|| text.language.clone()),
            title: used.title.clone(),
            default: used.default,
            forced: text.forced,
            hearing_impaired: text.hearing_impaired,
        };
        return Some(empty(&used.id, kind, TEXT_TIMESCALE, TEXT_PEAK));
    }
    let audio = plan.audio.iter().find(|audio| audio.id == used.rendition)?;
    let kind = TrackKind::Audio {
        codec: audio.codec,
        sample_rate: audio.sample_rate,
        channels: audio.channels,
        language: used.language.clone().or_else(|| audio.language.clone()),
        title: used.title.clone(),
        default: used.default,
        descriptive: used.descriptive.unwrap_or(audio.descriptive),
        role: used.role.or(audio.role),
    };
    Some(empty(&used.id, kind, audio.sample_rate, audio.bit_rate))
}

fn empty(id: &str, kind: TrackKind, timescale: u32, declared_peak: u64) -> TrackRecord {
    TrackRecord {
        id: id.to_owned(),
        kind,
        timescale,
        codec_string: String::new(),
        loudness: None,
        declared_peak,
        init_sha256: None,
        encoder: String::new(),
        generation: 1,
        segments: Vec::new(),
        single: Vec::new(),
    }
}
