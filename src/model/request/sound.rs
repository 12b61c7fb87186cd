//! Which sound an output has and how it is told to players, as asked.

use crate::model::limits::AUDIO_RENDITIONS_MAX;
use crate::model::{Problem, SoundRole};
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
    /// Mono tracks of each source are put together by their order; all tracks of it are made then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_mono: Option<JoinMono>,
}

/// What mono tracks are put together to, by their order in the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum JoinMono {
    /// By their number: two to stereo, six to 5.1, eight to 5.1 and stereo.
    #[serde(rename = "auto")]
    Auto,
    /// Left, right.
    #[serde(rename = "stereo")]
    Stereo,
    /// Left, right, centre, low frequencies, left and right surround.
    #[serde(rename = "5.1")]
    Surround51,
    /// These, then left and right of a stereo mix.
    #[serde(rename = "5.1+stereo")]
    Surround51Stereo,
    /// Left, right, centre, low frequencies, left and right side, left and right back.
    #[serde(rename = "7.1")]
    Surround71,
}

impl JoinMono {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Stereo, Self::Surround51, Self::Surround51Stereo, Self::Surround71];

    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Stereo => "stereo",
            Self::Surround51 => "5.1",
            Self::Surround51Stereo => "5.1+stereo",
            Self::Surround71 => "7.1",
        }
    }
}

/// Loudness by EBU R 128 (measured by ITU-R BS.1770), in hundredths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loudness {
    /// Integrated loudness, hundredths of a LUFS.
    pub target: i32,
    /// Highest true peak, hundredths of a dBTP.
    #[serde(default = "true_peak")]
    pub true_peak: i32,
    /// Loudness range, hundredths of a LU, in one pass.
    #[serde(default = "range")]
    pub range: i32,
    /// 1: sound is made louder and quieter as it comes. 2: all of it is measured first, and then changed by one and the same
    /// gain, which keeps its dynamics; peaks that would go over the highest true peak are limited.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub passes: u32,
}

impl Loudness {
    /// With the true peak and the range that are usual.
    pub fn to(target: i32) -> Self {
        Self { target, true_peak: true_peak(), range: range(), passes: 1 }
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

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_one(passes: &u32) -> bool {
    *passes == 1
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
    /// Channels that are put together to one track, in the order of its layout: mono, stereo, 5.1 (left, right, centre, low
    /// frequencies, left and right surround) or 7.1 (the same with left and right back before left and right side).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<ChannelChoice>,
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
    /// What it is told to be there for beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<SoundRole>,
}

/// A channel of a source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelChoice {
    /// Stream index of its track.
    pub stream: u32,
    /// Which of the track's, from 0; may be left out of a track that is mono.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
}

/// The layouts that channels are put together to, by their number.
pub const JOINED_LAYOUTS: [(usize, &str); 4] = [(1, "mono"), (2, "stereo"), (6, "5.1"), (8, "7.1")];

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
        if self.join_mono.is_some() && !self.tracks.is_empty() {
            refuse(
                "join_mono".to_owned(),
                "mono tracks are put together by their order, or tracks are chosen one by one: leave one of them out",
            );
        }
        if let Some(Loudness { target, true_peak, range, passes }) = self.loudness {
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
            if !(1..=2).contains(&passes) {
                refuse("loudness.passes".to_owned(), "loudness is made in one pass or in two: ask for 1 or 2");
            }
        }
        for (nth, track) in self.tracks.iter().enumerate() {
            let at = |name: &str| format!("tracks[{nth}]{name}");
            let ways = [track.stream.is_some(), track.in_language.is_some(), !track.join.is_empty()];
            if ways.iter().filter(|given| **given).count() != 1 {
                refuse(at(""), "a track is chosen by its stream, by its language, or by channels: give one of them");
            }
            if !track.join.is_empty() && !JOINED_LAYOUTS.iter().any(|(count, _)| *count == track.join.len()) {
                refuse(at(".join"), "1, 2, 6 or 8 channels are put together, to mono, stereo, 5.1 or 7.1");
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
                (other.source, other.stream) == (track.source, track.stream)
                    && (&other.in_language, &other.join) == (&track.in_language, &track.join)
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
            SoundOptions { tracks, ..SoundOptions::default() }
                .check()
                .into_iter()
                .map(|problem| problem.field)
                .collect()
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
    fn channels_are_put_together_to_layouts_that_there_are() {
        let of = |count: u32| -> Vec<String> {
            let join = (0..count).map(|stream| ChannelChoice { stream, channel: None }).collect();
            let tracks = vec![TrackChoice { join, ..TrackChoice::default() }];
            SoundOptions { tracks, ..SoundOptions::default() }
                .check()
                .into_iter()
                .map(|problem| problem.field)
                .collect()
        };
        for count in [1, 2, 6, 8] {
            assert!(of(count).is_empty(), "{count}");
        }
        for count in [3, 5, 7, 9] {
            assert_eq!(of(count), ["sound.tracks[0].join"], "{count}");
        }
    }

    #[test]
    fn tracks_are_chosen_or_put_together_by_their_order() {
        let tracks = vec![TrackChoice { stream: Some(1), ..TrackChoice::default() }];
        let both = SoundOptions { tracks, join_mono: Some(JoinMono::Auto), ..SoundOptions::default() };
        assert_eq!(both.check()[0].field, "sound.join_mono");
        assert!(SoundOptions { tracks: Vec::new(), ..both }.check().is_empty());
        for layout in JoinMono::ALL {
            assert_eq!(serde_json::to_value(layout).unwrap(), layout.name());
        }
    }

    #[test]
    fn loudness_that_nobody_can_make_is_refused() {
        let of = |loudness| -> Vec<String> {
            let asked = SoundOptions { loudness: Some(loudness), ..SoundOptions::default() };
            asked.check().into_iter().map(|problem| problem.field).collect()
        };
        assert!(of(Loudness::to(-2300)).is_empty());
        let wrong = Loudness { target: 0, true_peak: 1, range: 99, passes: 3 };
        assert_eq!(
            of(wrong),
            ["sound.loudness.target", "sound.loudness.true_peak", "sound.loudness.range", "sound.loudness.passes"]
        );
    }
}
