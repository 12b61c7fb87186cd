//! What becomes of the closed captions of a source, as asked.

use super::text::TextLabels;
use crate::model::CaptionChannel;
use serde::{Deserialize, Serialize};

/// The closed captions of an output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptionOptions {
    /// All that carry text, behind those that are chosen.
    pub all: bool,
    /// Those that are told in any case, in the order of the manifests.
    pub channels: Vec<CaptionChoice>,
    /// What becomes of them.
    #[serde(rename = "as")]
    pub form: CaptionForm,
}

/// What becomes of closed captions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptionForm {
    /// Tracks of text.
    #[default]
    Tracks,
    /// They stay in the pictures.
    Embedded,
    /// Both.
    Both,
}

/// Captions that are chosen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionChoice {
    /// Which.
    pub channel: CaptionChannel,
    /// What is said of them.
    #[serde(flatten)]
    pub labels: TextLabels,
}

impl CaptionOptions {
    /// Whether any are asked for. Those in pictures stay there all together, whichever are told.
    pub const fn is_asked(&self) -> bool {
        self.all || !self.channels.is_empty() || self.stays()
    }

    /// Whether it must be known which there are.
    pub const fn looks(&self) -> bool {
        self.all || (self.stays() && self.channels.is_empty())
    }

    /// Whether they become tracks.
    pub const fn makes_tracks(&self) -> bool {
        !matches!(self.form, CaptionForm::Embedded)
    }

    /// Whether they stay in the pictures.
    pub const fn stays(&self) -> bool {
        !matches!(self.form, CaptionForm::Tracks)
    }
}
