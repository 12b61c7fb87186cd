//! The ledger's tracks as the plan promises them, before anything is made.

use crate::model::ledger::{TrackKind, TrackRecord};
use crate::model::plan::VideoPlan;
use crate::model::{AudioRendition, Plan, VideoRendition};

/// One empty track for each rendition, video before audio.
pub(super) fn of(plan: &Plan) -> Vec<TrackRecord> {
    let rungs = plan.video.iter().flat_map(|video| video.renditions.iter().map(move |rung| of_rung(video, rung)));
    rungs.chain(plan.audio.iter().map(of_audio)).collect()
}

fn of_rung(video: &VideoPlan, rung: &VideoRendition) -> TrackRecord {
    let kind = TrackKind::Video {
        codec: rung.codec,
        width: rung.width,
        height: rung.height,
        frame_rate: rung.frame_rate,
        hdr: rung.hdr.as_ref().map(|hdr| hdr.kind),
    };
    empty(&rung.id, kind, video.timescale, rung.declared_peak)
}

fn of_audio(audio: &AudioRendition) -> TrackRecord {
    let kind = TrackKind::Audio {
        codec: audio.codec,
        sample_rate: audio.sample_rate,
        channels: audio.channels,
        language: audio.language.clone(),
        title: audio.title.clone(),
        default: audio.default,
        descriptive: audio.descriptive,
    };
    empty(&audio.id, kind, audio.sample_rate, audio.bit_rate)
}

fn empty(id: &str, kind: TrackKind, timescale: u32, declared_peak: u64) -> TrackRecord {
    TrackRecord {
        id: id.to_owned(),
        kind,
        timescale,
        codec_string: String::new(),
        declared_peak,
        init_sha256: None,
        encoder: String::new(),
        segments: Vec::new(),
    }
}
