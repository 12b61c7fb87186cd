//! What an output consists of: renditions and sets of pictures, each made once, and what this output says of them.

use super::captions::CaptionLabel;
use super::facts::SoundRole;
use serde::{Deserialize, Serialize};

/// Single pictures in an output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PictureUse {
    /// Index into [`JobPlan::works`](super::plan::JobPlan::works).
    pub work: usize,
    /// The set's id in that work's plan.
    pub set: String,
    /// Its name in the output, and its directory there: `stills` or `sprites`.
    pub directory: String,
}

/// A rendition in an output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackUse {
    /// Index into [`JobPlan::works`](super::plan::JobPlan::works).
    pub work: usize,
    /// The rendition's id in that work's plan.
    pub rendition: String,
    /// Its id in the output, and its directory there.
    pub id: String,
    /// For sound and text: what players show, unique in the output (RFC 8216 §4.3.4.1.1); empty for pictures.
    pub title: String,
    /// For sound: played unless the viewer chooses otherwise. Exactly one track of sound of an output is; of text, which
    /// is then shown, at most one.
    pub default: bool,
    /// For sound and text: the language that is told instead of the rendition's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// For sound: whether it is told to be described sound, instead of what the rendition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptive: Option<bool>,
    /// For sound: what it is told to be there for, instead of what the rendition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<SoundRole>,
    /// For pictures: the closed captions that they are told to carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<CaptionLabel>,
}
