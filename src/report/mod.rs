//! What a job tells while it runs, and what it leaves behind. Step 9 of a job's life.
//!
//! A [`JobEvent`] is one typed occurrence; the command line shows it as bars, as plain lines or as JSON, all from the
//! same values. A [`JobReport`] is `OUT/reelmill.json`.

mod job;
mod live;
pub mod metrics;
mod progress;
mod telemetry;
pub mod text;
pub mod traces;
mod watch;
pub mod webhook;

pub use job::{FilesReport, JobReport, OtherSource, SourceReport, TrackReport};
pub use live::{JobProgress, OutputProgress};
pub use progress::{Progress, TrackProgress, Tracker};
pub use telemetry::Telemetry;
pub use watch::{Bars, JsonLines, PlainLines, Watcher};

use crate::model::plan::Note;
use crate::model::stills::PictureSummary;
use crate::model::{MediaFacts, Plan, Problem};
use serde::Serialize;

/// Something that happened in a job. As JSON: an object with `event` and the fields below.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JobEvent {
    /// The source has been looked at.
    Probed {
        /// What it is.
        facts: MediaFacts,
    },
    /// It is decided what will be made.
    Planned {
        /// What.
        plan: Box<Plan>,
    },
    /// A worker process begins a part of the job.
    PartStarted {
        /// `audio`, or `video-` and the number of the span.
        part: String,
        /// 1 for the first attempt.
        attempt: u32,
        /// The scheduler's reason.
        reason: String,
    },
    /// A part would be next, but something there is too little of keeps it waiting.
    PartWaits {
        /// Which part.
        part: String,
        /// What there is too little of.
        dimension: String,
    },
    /// A part has made all it has to.
    PartFinished {
        /// Which part.
        part: String,
    },
    /// An attempt at a part failed. Another one starts, or the job fails with this problem.
    PartFailed {
        /// Which part.
        part: String,
        /// Which attempt.
        attempt: u32,
        /// Why.
        problem: Problem,
    },
    /// A segment is stored and recorded.
    Segment {
        /// Its track.
        track: String,
        /// Its index on the grid.
        index: u32,
        /// Bytes over all packagings.
        bytes: u64,
        /// Where the stored part of the track ends, microseconds.
        end_us: i64,
    },
    /// A still or a sprite sheet is stored and recorded.
    Picture(PictureSummary),
    /// The output can be played from now on, and grows.
    Playable {
        /// Since the job began.
        elapsed_ms: u64,
        /// The manifests, by path below the output directory.
        manifests: Vec<String>,
    },
    /// How far the job is.
    Progress(Progress),
    /// Something that the client may not expect.
    Warning(Note),
    /// A line from a worker's libraries.
    Log {
        /// `error`, `warning` or `info`.
        level: String,
        /// The track it belongs to, or empty.
        track: String,
        /// The line.
        text: String,
    },
    /// The job has succeeded.
    Done(Box<JobReport>),
}
