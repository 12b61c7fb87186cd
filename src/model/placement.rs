//! Where stages run, for those who ask why.

use super::device::Operation;
use serde::{Deserialize, Serialize};

/// Where a stage of a work runs, and why there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlacementRecord {
    /// What the stage does.
    pub stage: Operation,
    /// Index into the plan's works.
    pub work: usize,
    /// Index of the source that the work is made of.
    pub source: usize,
    /// The rendition, by its id in the work's plan; empty for the decode, which all share.
    pub rendition: String,
    /// Where it was planned when the job began.
    pub planned: String,
    /// Where it last ran, or runs; empty before it began.
    pub actual: String,
    /// Why there, in one sentence.
    pub reason: String,
    /// Attempts that failed because of a device.
    #[serde(default)]
    pub faults: u32,
    /// The last of those failures: what failed, in one sentence; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fault: String,
}
