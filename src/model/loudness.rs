//! How loud sound was found to be.

use serde::{Deserialize, Serialize};

/// Loudness by EBU R 128, as measured by ITU-R BS.1770-4 and EBU Tech 3341 and 3342. What is not known is left out: silence
/// has no loudness.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Integrated loudness, hundredths of a LUFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated: Option<i32>,
    /// Loudness range, hundredths of a LU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<i32>,
    /// Highest true peak, hundredths of a dBTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_peak: Option<i32>,
}

/// How loud a track was before and is after its loudness was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoudnessFigures {
    /// As it came, resampled and mixed down as it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Measured>,
    /// As it goes to the encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Measured>,
}
