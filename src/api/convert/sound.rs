//! Which sound an output has, as the API tells it.

use crate::api::v1;
use crate::model::request::{SoundOptions, TrackChoice};

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
    };
    let loudness = asked.loudness.map(|loudness| v1::LoudnessSpec {
        target: loudness.target,
        true_peak: Some(loudness.true_peak),
        range: Some(loudness.range),
    });
    v1::SoundSpec { loudness, tracks: asked.tracks.iter().map(one).collect() }
}
