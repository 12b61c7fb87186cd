//! How far a job is, from what its workers say. Integer arithmetic, no clock: time comes in as a value.

use crate::publish::Part;
use crate::wire::v1;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much of the work is done when the first of two passes is: about a quarter, less at slow speeds, more at fast ones.
const FIRST_PASS_PERCENT: i64 = 25;

/// How far a job is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Progress {
    /// Since the job began.
    pub elapsed_ms: u64,
    /// Media that every rendition has behind it, in hundredths of the time it took: 250 is 2.5 times real time.
    pub speed_percent: u64,
    /// How long the rest will take at that speed; `None` when the duration is not known or nothing is done yet.
    pub eta_ms: Option<u64>,
    /// Duration of the output, microseconds, where it is known.
    pub total_us: Option<i64>,
    /// Packets that could not be decoded so far.
    pub decode_errors: u64,
    /// In plan order.
    pub tracks: Vec<TrackProgress>,
}

/// How far one rendition is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TrackProgress {
    /// Which.
    pub track: String,
    /// Frames encoded.
    pub frames: u64,
    /// Media encoded, microseconds.
    pub media_us: i64,
}

/// Adds up what the workers of a job say.
#[derive(Clone, Debug)]
pub struct Tracker {
    total_us: Option<i64>,
    tracks: Vec<String>,
    positions: BTreeMap<(String, Part), Position>,
    decode_errors: BTreeMap<Part, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    from_us: i64,
    at_us: i64,
    /// End of what a first pass has seen, where there is one.
    first_us: Option<i64>,
    frames: u64,
}

impl Tracker {
    /// A tracker for tracks in plan order, of which each part makes some.
    pub fn new(tracks: Vec<String>, total_us: Option<i64>) -> Self {
        Self { total_us, tracks, positions: BTreeMap::new(), decode_errors: BTreeMap::new() }
    }

    /// Takes what a worker said about a part that begins at `from_us` on the output timeline. What an earlier attempt
    /// had reached stays until the new one is past it, so that progress does not go back for what is still there.
    pub fn heard(&mut self, part: Part, from_us: i64, message: &v1::Progress) {
        for said in message.tracks.iter().filter(|said| self.tracks.contains(&said.track)) {
            let position = self.positions.entry((said.track.clone(), part)).or_default();
            position.from_us = from_us;
            position.at_us = position.at_us.max(said.media_us);
            position.first_us = position.first_us.max(said.first_pass_us);
            position.frames = position.frames.max(said.frames);
        }
        self.decode_errors.insert(part, message.decode_errors);
    }

    /// A rendition starts over: nothing of what was made of it counts any more.
    pub fn starts_over(&mut self, track: &str) {
        self.positions.retain(|(name, _), _| name != track);
    }

    /// A part has finished and told how many packets it could not decode.
    pub fn finished(&mut self, part: Part, decode_errors: u64) {
        self.decode_errors.insert(part, decode_errors);
    }

    /// Packets that could not be decoded, over all parts.
    pub fn decode_errors(&self) -> u64 {
        self.decode_errors.values().sum()
    }

    /// The state after `elapsed_ms`.
    pub fn snapshot(&self, elapsed_ms: u64) -> Progress {
        let tracks: Vec<_> = self.tracks.iter().map(|track| self.track(track)).collect();
        let behind_us = tracks.iter().map(|track| track.media_us).min().unwrap_or(0).max(0) as u64;
        let rest_us = self.total_us.map(|total| (total.max(0) as u64).saturating_sub(behind_us));
        let eta = |rest: u64| (behind_us > 0).then(|| mul_div(rest, elapsed_ms, behind_us));
        Progress {
            elapsed_ms,
            speed_percent: mul_div(behind_us, 100, elapsed_ms.max(1) * 1000),
            eta_ms: rest_us.and_then(eta),
            total_us: self.total_us,
            decode_errors: self.decode_errors(),
            tracks,
        }
    }

    /// Media of a track that is encoded, µs.
    pub fn media_us(&self, track: &str) -> i64 {
        self.track(track).media_us
    }

    fn track(&self, track: &str) -> TrackProgress {
        let parts = self.positions.iter().filter(|((name, _), _)| name == track).map(|(_, position)| position);
        let mut progress = TrackProgress { track: track.to_owned(), frames: 0, media_us: 0 };
        for position in parts {
            progress.frames += position.frames;
            progress.media_us += position.done_us();
        }
        progress
    }
}

impl Position {
    /// Media that is encoded. In two passes a part of each piece of it counts as soon as the first has seen it, so that
    /// what is left is reckoned from all the time that went by.
    fn done_us(&self) -> i64 {
        let made = (self.at_us - self.from_us).max(0);
        let Some(first) = self.first_us else { return made };
        let seen = (first - self.from_us).max(made);
        made + (seen - made) / 100 * FIRST_PASS_PERCENT
    }
}

fn mul_div(value: u64, by: u64, over: u64) -> u64 {
    let quotient = u128::from(value) * u128::from(by) / u128::from(over.max(1));
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(track: &str, frames: u64, media_us: i64) -> v1::Progress {
        let tracks = vec![v1::TrackProgress { track: track.into(), frames, media_us, first_pass_us: None }];
        v1::Progress { tracks, decode_errors: 1, frames_decoded: 0 }
    }

    #[test]
    fn spans_add_up_and_the_slowest_track_counts() {
        let mut tracker = Tracker::new(vec!["720p".into(), "audio-1".into()], Some(20_000_000));
        tracker.heard(Part::Video(0), 0, &said("720p", 100, 4_000_000));
        tracker.heard(Part::Video(1), 10_000_000, &said("720p", 100, 14_000_000));
        assert_eq!(tracker.snapshot(2000).speed_percent, 0, "no sound yet");
        tracker.heard(Part::Audio, 0, &said("audio-1", 900, 20_000_000));
        let progress = tracker.snapshot(2000);
        assert_eq!((progress.tracks[0].frames, progress.tracks[0].media_us), (200, 8_000_000));
        assert_eq!((progress.speed_percent, progress.eta_ms), (400, Some(3000)));
    }

    #[test]
    fn a_rendition_that_starts_over_holds_the_rest_back_until_it_is_there_again() {
        let mut tracker = Tracker::new(vec!["720p".into(), "360p".into()], Some(10_000_000));
        let both = |us: i64| [said("720p", 25, us), said("360p", 25, us)];
        both(5_000_000).iter().for_each(|told| tracker.heard(Part::Video(0), 0, told));
        assert_eq!(tracker.snapshot(1000).speed_percent, 500);
        tracker.starts_over("360p");
        let told = tracker.snapshot(2000);
        assert_eq!((told.tracks[0].media_us, told.tracks[1].media_us, told.tracks[1].frames), (5_000_000, 0, 0));
        assert_eq!((told.speed_percent, told.eta_ms), (0, None));
        tracker.heard(Part::Video(0), 0, &said("360p", 10, 2_000_000));
        assert_eq!((tracker.media_us("720p"), tracker.media_us("360p")), (5_000_000, 2_000_000));
    }

    #[test]
    fn a_first_pass_counts_for_a_part_and_never_twice() {
        let mut tracker = Tracker::new(vec!["720p".into()], Some(20_000_000));
        let mut first = said("720p", 0, 0);
        first.tracks[0].first_pass_us = Some(14_000_000);
        tracker.heard(Part::Video(1), 10_000_000, &first);
        let progress = tracker.snapshot(1000);
        assert_eq!((progress.tracks[0].media_us, progress.eta_ms), (1_000_000, Some(19_000)));
        first.tracks[0].media_us = 14_000_000;
        tracker.heard(Part::Video(1), 10_000_000, &first);
        assert_eq!(tracker.media_us("720p"), 4_000_000);
        first.tracks[0].media_us = 20_000_000;
        tracker.heard(Part::Video(1), 10_000_000, &first);
        assert_eq!(tracker.media_us("720p"), 10_000_000);
    }

    #[test]
    fn a_second_attempt_does_not_turn_progress_back() {
        let mut tracker = Tracker::new(vec!["720p".into()], None);
        tracker.heard(Part::Video(0), 0, &said("720p", 100, 4_000_000));
        tracker.heard(Part::Video(0), 0, &said("720p", 10, 400_000));
        tracker.heard(Part::Video(0), 0, &said("never planned", 1, i64::MAX));
        let progress = tracker.snapshot(1000);
        assert_eq!((progress.tracks[0].frames, progress.tracks[0].media_us), (100, 4_000_000));
        assert_eq!((progress.eta_ms, progress.decode_errors), (None, 1));
    }
}
