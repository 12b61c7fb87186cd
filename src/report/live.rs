//! How far a job is, output by output: a moment's picture that is told and not stored.

use crate::model::bill::JobUsage;
use serde::Serialize;

/// How far an output is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct OutputProgress {
    /// Index in the job.
    pub output: usize,
    /// Media encoded, µs: the least over its tracks.
    pub media_done_us: i64,
    /// Media published, µs: the least over its tracks.
    pub media_published_us: i64,
    /// Media in all, µs, when known.
    pub total_us: Option<i64>,
    /// Media a second of time, in hundredths.
    pub speed_percent: u64,
    /// Time to the end at this speed, ms, when known.
    pub eta_ms: Option<u64>,
    /// Bytes uploaded, parts of unfinished files included.
    pub uploaded_bytes: u64,
}

/// How far a job is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct JobProgress {
    /// Since the attempt began, ms.
    pub elapsed_ms: u64,
    /// Bytes fetched from each source, in the order of the specification.
    pub read_bytes: Vec<u64>,
    /// Packets that could not be decoded.
    pub decode_errors: u64,
    /// Outputs that are being made.
    pub outputs: Vec<OutputProgress>,
    /// What it has used by now, all attempts included.
    pub usage: Option<JobUsage>,
}
