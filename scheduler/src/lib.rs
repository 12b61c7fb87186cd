//! Reelmill's scheduler: a pure function from events and time to actions.
//!
//! It keeps a queue of jobs, each a list of spans with a demand, and a [`Pool`] of capacity. [`Scheduler::step`] takes
//! one [`Event`] and the time, and returns the [`Action`]s that follow from it. There is no IO, clock, thread, async or
//! logging here, and every collection is ordered, so the same events at the same times always give the same actions:
//! a recorded log replays.
//!
//! How it decides:
//! - one job at a time is admitted, by priority class, then age;
//! - the unit of placement is the job's next span: the lowest-numbered one that is not done, not running, and whose time
//!   has come. A span that failed is that again after its wait, so it runs before the job's later spans, which may wait
//!   for its output. Whether and when it is tried again is the caller's policy; a span may also be dropped;
//! - a span is checked against the pool without changing it, and committed in one place; what does not fit waits, and
//!   the refusal names the dimension that blocked;
//! - a lease is returned only when the process that held it is known to be gone.
#![forbid(unsafe_code)]

mod choice;
mod event;
mod job;
mod pool;
mod scheduler;
mod vector;

pub use choice::{Ability, Choice, Device, DeviceId, Group, GroupId, KindId};
pub use event::{Action, Event, JobDemand, JobId, Priority, SpanId};
pub use pool::{Blocked, LeaseId, Pool, Share};
pub use scheduler::Scheduler;
pub use vector::{
    CPU_THREADS, DECODE_SHARE, DEVICE_MEMORY_MIB, Dimension, ENCODE_SHARE, HOST_MEMORY_MIB, NVENC_SESSIONS, Vector,
};
