//! Which sound an output has, as the API tells it.

use super::Wire;
use crate::api::v1;
use crate::model::request::{SoundOptions, TrackChoice};
use crate::model::{LoudnessFigures, Measured};

/// What is asked.
pub(crate) fn sound(asked: &SoundOptions) -> v1::SoundSpec {
    let one = |track: &TrackChoice| v1::SoundTrack {
        source: track.source,
        stream: track.stream,
        in_language: track.in_language.clone().unwrap_or_default(),
        language: track.language.clone().unwrap_or_default(),
        title: track.title.clone().unwrap_or_default(),
        default: track.default.then_some(true),
        descriptive: track.descriptive,
        role: track.role.map_or(v1::SoundRole::Unspecified, Wire::proto).into(),
        join: track.join.iter().map(|one| v1::SoundChannel { stream: one.stream, channel: one.channel }).collect(),
    };
    let loudness = asked.loudness.map(|loudness| v1::LoudnessSpec {
        target: loudness.target,
        true_peak: Some(loudness.true_peak),
        range: Some(loudness.range),
        passes: loudness.passes,
    });
    let join_mono = asked.join_mono.map_or(v1::JoinMono::Unspecified, Wire::proto).into();
    v1::SoundSpec { loudness, join_mono, tracks: asked.tracks.iter().map(one).collect() }
}

/// What was measured.
pub(super) fn loudness(figures: &LoudnessFigures) -> v1::LoudnessFigures {
    let one = |measured: Measured| v1::MeasuredLoudness {
        integrated: measured.integrated,
        range: measured.range,
        true_peak: measured.true_peak,
    };
    v1::LoudnessFigures { before: figures.before.map(one), after: figures.after.map(one) }
}
