//! Which sound an output has, as asked over the API.

use super::found::Found;
use crate::api::v1;
use crate::model::SoundRole;
use crate::model::limits::AUDIO_RENDITIONS_MAX;
use crate::model::request::{ChannelChoice, Loudness, SoundOptions, TrackChoice};

/// Most channels of a track: those of 7.1.
const JOINED_MAX: usize = 8;

/// What is asked. What cannot be is refused by `plan::check`.
pub(super) fn sound(field: &str, asked: Option<&v1::SoundSpec>, found: &mut Found) -> SoundOptions {
    let Some(asked) = asked else { return SoundOptions::default() };
    found.count(&format!("{field}.tracks"), "tracks of sound", asked.tracks.len(), 0, AUDIO_RENDITIONS_MAX);
    for (nth, track) in asked.tracks.iter().enumerate().take(AUDIO_RENDITIONS_MAX) {
        found.count(&format!("{field}.tracks[{nth}].join"), "channels", track.join.len(), 0, JOINED_MAX);
    }
    let channel = |one: &v1::SoundChannel| ChannelChoice { stream: one.stream, channel: one.channel };
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut roles = Vec::new();
    for (nth, track) in asked.tracks.iter().enumerate().take(AUDIO_RENDITIONS_MAX) {
        roles.push(found.value::<SoundRole>(&format!("{field}.tracks[{nth}].role"), track.role));
    }
    let one = |(track, role): (&v1::SoundTrack, Option<SoundRole>)| TrackChoice {
        role,
        source: track.source,
        stream: track.stream,
        in_language: given(&track.in_language),
        language: given(&track.language),
        title: given(&track.title),
        default: track.default.unwrap_or(false),
        descriptive: track.descriptive,
        join: track.join.iter().take(JOINED_MAX).map(channel).collect(),
    };
    let loudness = asked.loudness.as_ref().map(|asked| {
        let usual = Loudness::to(asked.target);
        Loudness {
            true_peak: asked.true_peak.unwrap_or(usual.true_peak),
            range: asked.range.unwrap_or(usual.range),
            passes: if asked.passes == 0 { usual.passes } else { asked.passes },
            ..usual
        }
    });
    let join_mono = found.value(&format!("{field}.join_mono"), asked.join_mono);
    SoundOptions { loudness, join_mono, tracks: asked.tracks.iter().zip(roles).map(one).collect() }
}
