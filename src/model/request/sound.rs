//! Which sound an output has and how it is told to players, as asked.

use crate::model::Problem;
use crate::model::limits::AUDIO_RENDITIONS_MAX;
use serde::{Deserialize, Serialize};

/// Longest title of a track, characters: more than any player shows.
pub const TITLE_CHARS_MAX: usize = 80;

/// The sound of an output beside codecs and channels.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoundOptions {
    /// The tracks that are made, in the order of the manifests; empty for all of the source's.
    pub tracks: Vec<TrackChoice>,
    /// How loud every track is made; as it is where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
}

/// Loudness by EBU R 128 (measured by ITU-R BS.1770), in hundredths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loudness {
    /// Integrated loudness, hundredths of a LUFS.
    pub target: i32,
    /// Highest true peak, hundredths of a dBTP.
    #[serde(default = "true_peak")]
    pub true_peak: i32,
    /// Loudness range, hundredths of a LU.
    #[serde(default = "range")]
    pub range: i32,
}

impl Loudness {
    /// With the true peak and the range that are usual.
    pub fn to(target: i32) -> Self {
        Self { target, true_peak: true_peak(), range: range() }
    }
}

/// What EBU R 128 allows at most: -1 dBTP.
const fn true_peak() -> i32 {
    -100
}

/// What suits speech and music on most devices: 7 LU.
const fn range() -> i32 {
    700
}

/// Tracks of sound that are taken from a source, and what is said of them instead of what the source says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackChoice {
    /// Place among the output's sources of sound, from 0.
    pub source: u32,
    /// The track by its stream index in that source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
    /// All tracks of that source that declare this language and are not chosen already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_language: Option<String>,
    /// The language that is told (RFC 5646 or ISO 639-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What players show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Played unless the viewer chooses otherwise.
    pub default: bool,
    /// Whether it is described sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptive: Option<bool>,
}

impl SoundOptions {
    /// What is wrong with it whatever the source is, by the fields of `reelmill.v1.SoundSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |field: String, message: &str| {
            problems.push(Problem::input("request.sound", message).at(format!("sound.{field}")));
        };
        if self.tracks.len() > AUDIO_RENDITIONS_MAX {
            refuse("tracks".to_owned(), "more tracks are chosen than an output can have: choose fewer");
        }
        if let Some(Loudness { target, true_peak, range }) = self.loudness {
            if !(-7000..=-500).contains(&target) {
                refuse(
                    "loudness.target".to_owned(),
                    "loudness lies between -70 and -5 LUFS: ask for -23, or -16 for the web",
                );
            }
            if !(-900..=0).contains(&true_peak) {
                refuse("loudness.true_peak".to_owned(), "the highest true peak lies between -9 and 0 dBTP");
            }
            if !(100..=5000).contains(&range) {
                refuse("loudness.range".to_owned(), "the loudness range lies between 1 and 50 LU");
            }
        }
        for (nth, track) in self.tracks.iter().enumerate() {
            let at = |name: &str| format!("tracks[{nth}]{name}");
            if track.stream.is_some() == track.in_language.is_some() {
                refuse(at(""), "a track is chosen by its stream or by its language: give one of the two");
            }
            if track.in_language.as_deref().is_some_and(|code| !is_code(code)) {
                refuse(at(".in_language"), "this is no code of a language: write one such as deu or pt-BR");
            }
            if track.language.as_deref().is_some_and(|code| !is_code(code)) {
                refuse(at(".language"), "this is no code of a language: write one such as deu or pt-BR");
            }
            let bad = |title: &str| {
                title.trim().is_empty()
                    || title.chars().count() > TITLE_CHARS_MAX
                    || title.chars().any(char::is_control)
            };
            if track.title.as_deref().is_some_and(bad) {
                refuse(at(".title"), "a title has 1 to 80 characters, none of them control characters");
            }
            let repeated = |other: &TrackChoice| {
                other.source == track.source && other.stream == track.stream && other.in_language == track.in_language
            };
            if self.tracks[..nth].iter().any(repeated) {
                refuse(at(""), "this track is chosen twice: name it once");
            }
            if track.default && self.tracks[..nth].iter().any(|other| other.default) {
                refuse(at(".default"), "one track is the default, and another one is already: mark one");
            }
        }
        problems
    }
}

/// What RFC 5646 §2.1 allows by its letters: 2 to 35 of letters, digits and hyphens, a letter first.
pub(super) fn is_code(code: &str) -> bool {
    (2..=35).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && code.as_bytes()[0].is_ascii_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chooses_nothing_or_too_much_is_refused() {
        let one = TrackChoice { stream: Some(1), ..TrackChoice::default() };
        let of = |tracks: Vec<TrackChoice>| -> Vec<String> {
            SoundOptions { tracks, loudness: None }.check().into_iter().map(|problem| problem.field).collect()
        };
        let german = TrackChoice { in_language: Some("deu".to_owned()), ..TrackChoice::default() };
        assert!(of(vec![one.clone(), german.clone()]).is_empty());
        let other = TrackChoice { source: 1, ..one.clone() };
        assert!(of(vec![one.clone(), other]).is_empty());
        assert_eq!(of(vec![TrackChoice::default()]), ["sound.tracks[0]"]);
        assert_eq!(of(vec![TrackChoice { stream: Some(1), ..german.clone() }]), ["sound.tracks[0]"]);
        assert_eq!(of(vec![one.clone(), one.clone()]), ["sound.tracks[1]"]);
        let wrong = TrackChoice { language: Some("d\"".to_owned()), title: Some("x".repeat(81)), ..one.clone() };
        assert_eq!(of(vec![wrong]), ["sound.tracks[0].language", "sound.tracks[0].title"]);
        let first = TrackChoice { default: true, ..one.clone() };
        assert_eq!(of(vec![first, TrackChoice { default: true, ..german }]), ["sound.tracks[1].default"]);
        assert_eq!(of(vec![one; 17])[0], "sound.tracks");
    }

    #[test]
    fn loudness_that_nobody_can_make_is_refused() {
        let of = |loudness| -> Vec<String> {
            let asked = SoundOptions { tracks: Vec::new(), loudness: Some(loudness) };
            asked.check().into_iter().map(|problem| problem.field).collect()
        };
        assert!(of(Loudness::to(-2300)).is_empty());
        let wrong = Loudness { target: 0, true_peak: 1, range: 99 };
        assert_eq!(of(wrong), ["sound.loudness.target", "sound.loudness.true_peak", "sound.loudness.range"]);
    }
}
