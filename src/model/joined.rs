//! Several sources one after another, as data: what a worker makes of each, and where it lies on the output timeline.

use super::time::Ratio;
use serde::{Deserialize, Serialize};

/// Most parts of a joined source: a programme with its breaks; each costs an open and a decoder of its own.
pub const CONCAT_MAX: usize = 64;

/// The pictures of one part of a joined source. The plan's own stream, time base and origin are then those of the whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VideoPart {
    /// Index into the worker's list of inputs, [`super::plan::Work::inputs`].
    pub input: usize,
    /// Stream index in that input.
    pub stream: u32,
    /// Seconds a tick in that input.
    pub time_base: Ratio,
    /// Timestamp in that input that lies at `start`, ticks of `time_base`.
    pub origin: i64,
    /// The origin is an in point: reading seeks, where the container allows that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_point: bool,
    /// Where the part begins on the output timeline, output ticks; at a constant rate a multiple of a frame.
    pub start: i64,
    /// Where it ends, exclusive, output ticks: where the next one begins. `None`: where the input does; the last one only.
    /// Pictures that end sooner stand until here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Filter graph from decoded pictures to ones of the size, format and colour that all parts have.
    pub prepare: String,
}

/// The sound of one part of a joined source, for one rendition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AudioPart {
    /// Index into the worker's list of inputs.
    pub input: usize,
    /// Where it begins on the output timeline, samples: to the nearest where the pictures do.
    pub start: i64,
    /// Where it ends, exclusive, samples: where the next one begins. `None`: where the input does; the last one only.
    /// Sound that ends sooner is filled up with silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// The track; `None` for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<PartSound>,
}

/// A track of sound in a part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartSound {
    /// Stream index in the input.
    pub stream: u32,
    /// Seconds a tick in the input.
    pub time_base: Ratio,
    /// Timestamp that lies at the part's start, ticks of `time_base`. Sound before it is cut off, to the sample.
    pub origin: i64,
    /// The origin is an in point: reading seeks, where the container allows that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_point: bool,
    /// Filter graph from decoded samples to ones of the rendition's rate, format and layout.
    pub graph: String,
}

/// The text of one part of a joined source, for one rendition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TextPart {
    /// Index into the worker's list of inputs.
    pub input: usize,
    /// Where it begins on the output timeline, µs: where the pictures do. Nothing of it is shown before that.
    pub start_us: i64,
    /// Where it ends, exclusive, µs: where the next one begins, and what is shown longer ends too. `None`: where the output
    /// does; the last one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_us: Option<i64>,
    /// The track; `None`: nothing is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PartText>,
}

/// A text track in a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartText {
    /// Stream index in the input.
    pub stream: u32,
    /// Time in the input that lies at the part's start, µs.
    pub origin_us: i64,
}
