//! Text renditions, as data: subtitles and captions that players lay over the pictures.

use super::captions::CaptionChannel;
use super::codec::Packaging;
use super::joined::TextPart;
use super::time::Ratio;
use serde::{Deserialize, Serialize};

/// Ticks a second of every text rendition: milliseconds, in which WebVTT counts, and so exact on every segment grid.
pub const TEXT_TIMESCALE: u32 = 1000;

/// What a text rendition is written as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// Segments that are WebVTT files, for HLS (RFC 8216 §3.5).
    Vtt,
    /// WebVTT in fragmented MP4, for DASH (ISO/IEC 14496-30 §7).
    Wvtt,
}

impl TextFormat {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 2] = [Self::Vtt, Self::Wvtt];

    /// Packagings that carry it.
    pub const fn packagings(self) -> &'static [Packaging] {
        match self {
            Self::Vtt => &[Packaging::Cmaf, Packaging::Ts],
            Self::Wvtt => &[Packaging::Cmaf],
        }
    }

    /// Its name in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vtt => "webvtt",
            Self::Wvtt => "wvtt",
        }
    }
}

/// One text track in one format.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TextRendition {
    /// Unique in the plan; also its directory.
    pub id: String,
    /// Stream index in the source.
    pub stream: u32,
    /// The closed captions of that stream that it is; `None`: the stream is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<CaptionChannel>,
    /// Seconds a tick in the source.
    pub time_base: Ratio,
    /// Source time that becomes zero, µs. What ends by then is left out, what begins before begins at zero.
    pub origin_us: i64,
    /// Where the output ends, µs on its timeline: the last segment ends there, and so does what is shown longer. `None`:
    /// where the last cue does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_us: Option<i64>,
    /// What it is written as.
    pub format: TextFormat,
    /// What its segments belong to, all of them packagings that the format has; at least one, each once.
    pub packagings: Vec<Packaging>,
    /// The source is a file of text alone, read whole, in this encoding; empty: as its byte order mark says, else UTF-8.
    /// `None`: a track of a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_encoding: Option<String>,
    /// The parts of a joined source, in order; then `stream` and `origin_us` are those of the whole. Empty for any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<TextPart>,
    /// Language code, where known.
    pub language: Option<String>,
    /// What players show.
    pub title: String,
    /// Shown unless the viewer chooses otherwise; true for at most one.
    pub default: bool,
    /// Only what must be read by everybody.
    pub forced: bool,
    /// For viewers who cannot hear.
    pub hearing_impaired: bool,
}

impl TextRendition {
    /// Whether both are one encode, whatever outputs call them.
    pub fn is_same(&self, other: &Self) -> bool {
        let plain = |one: &Self| Self {
            id: String::new(),
            packagings: Vec::new(),
            title: String::new(),
            default: false,
            language: None,
            ..one.clone()
        };
        plain(self) == plain(other)
    }
}
