//! Reelmill's scheduler: a pure function from events and time to actions.
//!
//! It keeps the jobs, each a list of spans with the ways in which they may run, and a [`Pool`] of capacity: the host and
//! its devices. [`Scheduler::step`] takes one [`Event`] and the time, and returns the [`Action`]s that follow from it.
//! There is no IO, clock, thread, async, logging or float here, and nothing is gone through in an order that chance decides, so
//! the same events at the same times always give the same actions: a recorded log replays.
//!
//! What is placed. The unit is a job's next span: the lowest-numbered one that is not done, not running, and whose time
//! has come. A span that failed is that again after its wait, so it runs before the job's later spans, which may wait
//! for its output. Spans of one job run side by side as far as they fit. Whether and when a span is tried again is the
//! caller's policy. A span is checked without changing anything, and committed in one place; its lease on host and device
//! is taken whole or not at all, so two spans never hold what the other needs. It is returned only when the process that
//! held it is known to be gone.
//!
//! In which order (`place`, `queue`):
//! 1. by class. A lower class delays a higher one only by spans that already run; a long job competes anew with each span;
//! 2. in a class, first a span that holds up later spans of its job that run; then jobs that would miss their deadline if
//!    they waited longer (not those that have missed it), the least slack first;
//! 3. then by owner: the one whose dominant share is least, and of equal ones the one with the oldest job;
//! 4. of an owner's jobs the one with the least slack; one without a deadline counts as due when its class would rise.
//!
//! Nothing starves: a job of which nothing was started for long rises by a class, from high to before all shares; once
//! something of it is started it falls back, but a batch job of an owner who holds less than an equal part stays normal. For
//! a span that needs much, room is kept free after a while (`reserve`). The constants are in [`Policy`].
//!
//! Where (`choose`): by the first choice that fits, unless those who run on a better kind of device make room so soon that
//! waiting ends earlier, or others of the class wait whom the room suits much better: each kind does what it is
//! best at, relative to the others. A choice's device is the fullest that has room, for high work the emptiest. A group keeps to the
//! identity that it began with.
//!
//! What is not trusted (`health`): an ability of a device that failed repeatedly is set aside until a probe succeeds; what
//! a driver refuses lowers what is taken, and rises again slowly. What no device here could ever run is refused at once
//! (`outlook`).
//!
//! How it is quick: equal lists of choices are one (`way`), and one that did not fit is not looked at again before
//! something of what it needs is free (`board`); what ways need of a device, and of the host, is looked at once for all
//! lists (`needs`, `hosts`); devices with room are found by a tree (`rooms`), and who waits by sets of bits (`bits`,
//! `queue`). A job that stays where it is in the queue is not touched, so a step costs nothing that grows with those who
//! wait, but for what looking up in ordered sets costs.
#![forbid(unsafe_code)]

mod bits;
mod board;
mod breaker;
mod choice;
mod choose;
mod event;
mod fleet;
mod health;
mod hosts;
mod ids;
mod job;
mod names;
mod needs;
mod outlook;
mod place;
mod policy;
mod pool;
mod queue;
mod reserve;
mod rooms;
mod scheduler;
mod share;
mod show;
mod vector;
mod way;

pub use breaker::BreakerState;
pub use choice::{Ability, Choice, Device, DeviceId, Group, GroupId, KindId};
pub use event::{Action, Event, JobDemand, JobId, Priority, SpanId};
pub use policy::Policy;
pub use pool::{LeaseId, Pool};
pub use scheduler::Scheduler;
pub use share::{Blocked, Share};
pub use show::{DeviceView, OwnerView};
pub use vector::{
    CPU_THREADS, DECODE_SHARE, DEVICE_MEMORY_MIB, Dimension, ENCODE_SHARE, HOST_MEMORY_MIB, NVENC_SESSIONS, Vector,
};
