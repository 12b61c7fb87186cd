//! What the scheduler is told, and what it answers.

use crate::choice::{Ability, Device, DeviceId, Group, GroupId};
use crate::pool::LeaseId;
use crate::vector::{Dimension, Vector};
use std::sync::Arc;

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
    /// A job wants to run.
    JobSubmitted {
        /// What it is.
        job: JobDemand,
    },
    /// A job has more to do than it was submitted with: what failed on one device is made again elsewhere. The new groups
    /// and spans are numbered on from those that are there.
    SpansAdded {
        /// Which job.
        job: JobId,
        /// More groups.
        groups: Vec<Group>,
        /// More spans, each by the group that it belongs to.
        spans: Vec<GroupId>,
    },
    /// A group may no longer run as it did. Spans that run are left alone; the next one chooses anew among these.
    GroupChanged {
        /// Which job.
        job: JobId,
        /// Which group.
        group: GroupId,
        /// What it may choose from now on.
        choices: Group,
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
        /// What of its device is to blame; `None` where the device is not.
        blame: Option<Ability>,
    },
    /// A device failed at something for a span that goes on without what that was for.
    AbilityFailed {
        /// Which job.
        job: JobId,
        /// Which span.
        span: SpanId,
        /// What failed.
        ability: Ability,
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
    /// The host has more, or less, than before.
    HostChanged {
        /// What it has now.
        capacity: Vector,
    },
    /// A device is there, newly or again, or has more or less than before.
    DeviceUp {
        /// What it is. The kind of one that is known must not change.
        device: Device,
    },
    /// A device is gone. What runs on it holds its leases until it is reported.
    DeviceDown {
        /// Which one.
        device: DeviceId,
    },
    /// A driver refused one more of something that it counts, though the scheduler thought there was room: others use
    /// it too, or there is less than was believed. The span goes on or fails by an event of its own.
    Refused {
        /// What was refused.
        dimension: Dimension,
        /// The device, where the driver counts by device; `None` where it counts over the host.
        device: Option<DeviceId>,
    },
    /// The answer to [`Action::Probe`].
    Probed {
        /// Which device.
        device: DeviceId,
        /// What was tried.
        ability: Ability,
        /// Whether it proved itself.
        sound: bool,
    },
}

/// What a job asks of the scheduler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobDemand {
    /// Names it.
    pub job: JobId,
    /// Its class.
    pub priority: Priority,
    /// On whose behalf it runs; shares are fair between owners of one class.
    pub owner: Arc<str>,
    /// When it should be done, on the clock of `now`, ms.
    pub deadline_ms: Option<u64>,
    /// How its spans may run.
    pub groups: Vec<Group>,
    /// Its spans in order, each by the group that it belongs to.
    pub spans: Vec<GroupId>,
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
        /// By which of its group's choices, an index.
        choice: u32,
        /// On which device; `None` for one that needs none.
        device: Option<DeviceId>,
        /// Why here and now, in one sentence.
        reason: String,
    },
    /// A span would be next, but does not fit. Said once for as long as the answer stays the same.
    Wait {
        /// Which job.
        job: JobId,
        /// Its next span.
        span: SpanId,
        /// What there is too little of for the best of its choices.
        dimension: Dimension,
    },
    /// A span needs more than there is in all by any of its choices, and nothing of the job runs beside it; the job has
    /// been dropped.
    Refuse {
        /// Which job.
        job: JobId,
        /// The span that can never fit.
        span: SpanId,
        /// What there is too little of for the choice that comes nearest.
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
    /// Let a device that was set aside prove that an ability works again, then send [`Event::Probed`].
    Probe {
        /// Which device.
        device: DeviceId,
        /// What to try.
        ability: Ability,
    },
}
