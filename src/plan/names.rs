//! Ids of renditions in the plan of a source: what an output would call them, and more where two would be called alike.

use super::audio::{self, Track};
use super::rungs::Made;
use crate::model::{RateControl, Speed};

/// Gives each rung an id of its own, in order: its name, the codec where there are several, and as much of rate, speed
/// and copy as it takes.
pub(super) fn rungs(made: &mut [Made]) {
    let several = made.iter().any(|m| m.codec != made[0].codec);
    let mut taken = Vec::new();
    for m in made {
        let codec = if several { format!("-{}", m.codec.traits().name) } else { String::new() };
        let plain = format!("{}{codec}", m.rung.name);
        let rate = match m.rate {
            RateControl::Vbv { bitrate, .. } => format!("{}-{}k{codec}", m.rung.name, bitrate / 1000),
            RateControl::TwoPass { bitrate, .. } => format!("{}-{}k-2pass{codec}", m.rung.name, bitrate / 1000),
            RateControl::CappedCrf { crf, max_rate, .. } => {
                format!("{}-{}k-crf{crf}{codec}", m.rung.name, max_rate / 1000)
            }
            RateControl::Crf { crf } => format!("{}-crf{crf}{codec}", m.rung.name),
        };
        let how = if m.copy { "copy" } else { speed(m.speed) };
        let mut candidates = vec![plain.clone(), rate.clone(), format!("{rate}-{how}")];
        if !m.marks.is_empty() {
            candidates.insert(1, format!("{plain}-marked"));
        }
        m.id = free(&mut taken, candidates);
    }
}

/// Gives each track an id of its own, in order: its place in the source, the codec where there are several, and as much
/// of channels and copy as it takes.
pub(super) fn tracks(tracks: &mut [Track]) {
    let several = tracks.iter().any(|t| t.rendition.codec != tracks[0].rendition.codec);
    let mut taken = Vec::new();
    for track in tracks {
        let plain = audio::id(track.place, track.rendition.codec, several);
        let channels = format!("{plain}-{}ch", track.rendition.channels);
        let copy = format!("{plain}-copy");
        let more = if track.rendition.copy { vec![plain, copy] } else { vec![plain, channels] };
        track.rendition.id = free(&mut taken, more);
    }
}

/// The first of these that is free, otherwise the last with a number.
pub(super) fn free(taken: &mut Vec<String>, candidates: Vec<String>) -> String {
    let last = candidates.last().cloned().unwrap_or_default();
    let numbered = (2..).map(|n| format!("{last}-{n}"));
    let id = candidates.into_iter().chain(numbered).find(|id| !taken.contains(id));
    let id = id.expect("among endless numbers one is free");
    taken.push(id.clone());
    id
}

const fn speed(speed: Speed) -> &'static str {
    match speed {
        Speed::Fast => "fast",
        Speed::Balanced => "balanced",
        Speed::Quality => "quality",
    }
}
