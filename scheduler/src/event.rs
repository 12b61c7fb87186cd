//! What the scheduler is told, and what it answers.

use crate::pool::LeaseId;
use crate::vector::{Dimension, Vector};

/// Names a job; chosen by the caller, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// The position of a span in its job's list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpanId(pub u32);

/// Priority class; a lower one never runs before a higher one that fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// The default.
    #[default]
    Normal,
    /// Whenever there is room.
    Batch,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A job wants to run. `spans[i]` is the demand of span `i`.
    JobSubmitted {
        /// Which job.
        job: JobId,
        /// Its class.
        priority: Priority,
        /// What each of its spans needs while it runs.
        spans: Vec<Vector>,
    },
    /// A span is done and its process gone.
    SpanFinished {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
    },
    /// A span ended without being done, and its process is gone. It is wanted all the same.
    SpanFailed {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
        /// Not tried again before this time, ms: how long to wait is the caller's policy.
        again_ms: u64,
    },
    /// A span is no longer wanted: what it was to make is not, or it has failed for good.
    SpanDropped {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
    },
    /// A job is no longer wanted.
    JobCancelled {
        /// Which job.
        job: JobId,
    },
    /// Whoever ran a job is gone, and its processes with it: all that it held is free, and it is forgotten.
    JobLost {
        /// Which job.
        job: JobId,
    },
    /// Nothing but time has passed; see [`crate::Scheduler::wake_ms`].
    Tick,
    /// There is more, or less, than before.
    CapacityChanged {
        /// What there is now.
        capacity: Vector,
    },
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Run a span; its lease is held until the span is reported finished or failed.
    Start {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
        /// 1 for the first attempt.
        attempt: u32,
        /// The capacity it holds.
        lease: LeaseId,
        /// Why here and now, in one sentence.
        reason: String,
    },
    /// A span would be next, but does not fit. Said once for as long as the answer stays the same.
    Wait {
        /// Which job.
        job: JobId,
        /// Its next span.
        span: SpanId,
        /// What there is too little of.
        dimension: Dimension,
    },
    /// A span that nothing of the job runs beside needs more than there is in all; the job has been dropped.
    Refuse {
        /// Which job.
        job: JobId,
        /// The span that can never fit.
        span: SpanId,
        /// What there is too little of.
        dimension: Dimension,
        /// How much the span needs.
        needed: u64,
        /// How much there is.
        capacity: u64,
    },
    /// Stop a running span, then report it failed or finished.
    Stop {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
    },
    /// Every span is done or dropped, and nothing of the job runs any more.
    JobDone {
        /// Which job.
        job: JobId,
    },
    /// The job was cancelled, and nothing of it runs any more.
    JobStopped {
        /// Which job.
        job: JobId,
    },
}
