//! Clients of a daemon: `reelmill submit`, `watch`, `list`, `get`, `stop`, `retry`, `delete`, `deliveries`, `logs`,
//! `usage`, `node`, `devices`, `drain`, and `probe` and `plan` of what only a daemon can read.

mod connect;
pub(super) mod control;
pub(super) mod devices;
pub(super) mod drain;
mod follow;
pub(super) mod jobs;
mod json;
pub(super) mod logs;
pub(super) mod media;
mod problem;
mod show;
mod shown;
mod spec;
pub(super) mod usage;

pub(super) use connect::ClientOptions;
