//! Which text an output has, as asked.

use super::TITLE_CHARS_MAX;
use super::captions::CaptionOptions;
use super::sound::is_code;
use crate::model::Problem;
use crate::model::limits::TEXT_TRACKS_MAX;
use serde::{Deserialize, Serialize};

/// The subtitles and captions of an output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// No text track of the source is taken over; sidecars still are.
    pub omit_embedded: bool,
    /// The text tracks of the source that are taken over, in the order of the manifests; empty for all of them.
    pub tracks: Vec<TextChoice>,
    /// Sources of the job whose text is added, behind the tracks of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Sidecar>,
    /// Subtitles of the source, as pictures, that are drawn into the output's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn_in: Option<BurnIn>,
    /// Closed captions that become tracks.
    #[serde(skip_serializing_if = "is_nothing")]
    pub captions: CaptionOptions,
}

fn is_nothing(captions: &CaptionOptions) -> bool {
    *captions == CaptionOptions::default()
}

/// A track of subtitles that are pictures.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BurnIn {
    /// The track by its stream index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
    /// The first track of pictures that declares this language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_language: Option<String>,
}

/// What is said of a text track instead of what its source says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TextLabels {
    /// The language that is told (RFC 5646 or ISO 639-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What players show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Shown unless the viewer chooses otherwise.
    pub default: bool,
    /// Only what must be read by everybody (foreign speech, signs): shown where subtitles are off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced: Option<bool>,
    /// For viewers who cannot hear: speech and what else is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hearing_impaired: Option<bool>,
}

/// Text tracks that are taken from the source of the output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextChoice {
    /// The track by its stream index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
    /// All text tracks that declare this language and are not chosen already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_language: Option<String>,
    /// What is said of them.
    #[serde(flatten)]
    pub labels: TextLabels,
}

/// A source of the job whose text is added.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sidecar {
    /// Index of the source in the job.
    pub source: u32,
    /// The encoding of its characters, by a label of the WHATWG Encoding Standard; where nothing is said its byte order
    /// mark tells, and without one it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What is said of it.
    #[serde(flatten)]
    pub labels: TextLabels,
}

impl TextOptions {
    /// What is wrong with it whatever the source is, by the fields of `reelmill.v1.TextSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |field: String, message: &str| {
            problems.push(Problem::input("request.text", message).at(format!("text.{field}")));
        };
        if [self.tracks.len(), self.sidecars.len(), self.captions.channels.len()].iter().any(|n| *n > TEXT_TRACKS_MAX) {
            refuse("tracks".to_owned(), "more text is chosen than an output can have: choose fewer");
        }
        if self.omit_embedded && !self.tracks.is_empty() {
            refuse("tracks".to_owned(), "text tracks are chosen and left out at once: drop one of the two");
        }
        for (nth, track) in self.tracks.iter().enumerate() {
            let at = format!("tracks[{nth}]");
            if track.stream.is_some() == track.in_language.is_some() {
                refuse(at.clone(), "a track is chosen by its stream or by its language: give one of the two");
            }
            if track.in_language.as_deref().is_some_and(|code| !is_code(code)) {
                refuse(format!("{at}.in_language"), NO_CODE);
            }
            let same = |other: &TextChoice| (other.stream, &other.in_language) == (track.stream, &track.in_language);
            if self.tracks[..nth].iter().any(same) {
                refuse(at, "this track is chosen twice: name it once");
            }
        }
        if let Some(burned) = &self.burn_in {
            if burned.stream.is_some() == burned.in_language.is_some() {
                refuse("burn_in".to_owned(), "a track is chosen by its stream or by its language: give one of the two");
            }
            if burned.in_language.as_deref().is_some_and(|code| !is_code(code)) {
                refuse("burn_in.in_language".to_owned(), NO_CODE);
            }
        }
        for (nth, sidecar) in self.sidecars.iter().enumerate() {
            let at = format!("sidecars[{nth}]");
            if sidecar.encoding.as_deref().is_some_and(|label| !is_label(label)) {
                refuse(format!("{at}.encoding"), "this is no name of an encoding: write one such as windows-1252");
            }
            if self.sidecars[..nth].iter().any(|other| other.source == sidecar.source) {
                refuse(at, "this source is named twice: name it once");
            }
        }
        let captions = &self.captions.channels;
        for (nth, one) in captions.iter().enumerate() {
            if captions[..nth].iter().any(|other| other.channel == one.channel) {
                refuse(format!("captions.channels[{nth}]"), "these captions are chosen twice: name them once");
            }
        }
        let tracks = self.tracks.iter().enumerate().map(|(nth, track)| (format!("tracks[{nth}]"), &track.labels));
        let sidecars = self.sidecars.iter().enumerate().map(|(nth, one)| (format!("sidecars[{nth}]"), &one.labels));
        let captions = captions.iter().enumerate();
        let captions = captions.map(|(nth, one)| (format!("captions.channels[{nth}]"), &one.labels));
        let mut has_default = false;
        for (at, labels) in tracks.chain(sidecars).chain(captions) {
            if labels.language.as_deref().is_some_and(|code| !is_code(code)) {
                refuse(format!("{at}.language"), NO_CODE);
            }
            if labels.title.as_deref().is_some_and(is_no_title) {
                refuse(format!("{at}.title"), "a title has 1 to 80 characters, none of them control characters");
            }
            if labels.default && std::mem::replace(&mut has_default, true) {
                refuse(format!("{at}.default"), "one track is the default, and another one is already: mark one");
            }
        }
        problems
    }
}

const NO_CODE: &str = "this is no code of a language: write one such as deu or pt-BR";

fn is_no_title(title: &str) -> bool {
    title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control)
}

/// What labels of encodings consist of; which there are the worker knows.
fn is_label(label: &str) -> bool {
    (2..=40).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chooses_nothing_or_too_much_is_refused() {
        let of = |options: TextOptions| -> Vec<String> {
            options.check().into_iter().map(|problem| problem.field).collect()
        };
        let one = TextChoice { stream: Some(2), ..TextChoice::default() };
        let german = TextChoice { in_language: Some("deu".to_owned()), ..TextChoice::default() };
        let tracks = |tracks: Vec<TextChoice>| TextOptions { tracks, ..TextOptions::default() };
        assert!(of(tracks(vec![one.clone(), german.clone()])).is_empty());
        assert_eq!(of(tracks(vec![TextChoice::default()])), ["text.tracks[0]"]);
        assert_eq!(of(tracks(vec![one.clone(), one.clone()])), ["text.tracks[1]"]);
        assert_eq!(of(TextOptions { omit_embedded: true, ..tracks(vec![one]) }), ["text.tracks"]);
        let burned = |stream, language: Option<&str>| {
            let burn_in = Some(BurnIn { stream, in_language: language.map(str::to_owned) });
            of(TextOptions { burn_in, ..TextOptions::default() })
        };
        assert!(burned(Some(2), None).is_empty() && burned(None, Some("deu")).is_empty());
        assert_eq!(burned(None, None), ["text.burn_in"]);
        assert_eq!(burned(Some(2), Some("x y")), ["text.burn_in", "text.burn_in.in_language"]);
        let labels = TextLabels { title: Some("\n".into()), language: Some("x y".into()), ..TextLabels::default() };
        let wrong = TextChoice { labels, ..german };
        assert_eq!(of(tracks(vec![wrong])), ["text.tracks[0].language", "text.tracks[0].title"]);
        let shown = TextLabels { default: true, ..TextLabels::default() };
        let sidecar = |source, encoding: Option<&str>| Sidecar {
            source,
            encoding: encoding.map(str::to_owned),
            labels: shown.clone(),
        };
        let sidecars = vec![sidecar(1, Some("windows-1252")), sidecar(1, Some("no such thing"))];
        let asked = TextOptions { sidecars, ..TextOptions::default() };
        assert_eq!(of(asked), ["text.sidecars[1].encoding", "text.sidecars[1]", "text.sidecars[1].default"]);
    }
}
