//! Carries jobs out: takes them up in order, prepares, schedules, runs, publishes, reports. Steps 1 to 9 of a job's life.
//!
//! - [`Engine`] is a node: what the API drives (`handle`), over one loop that takes jobs up and owns the scheduler
//!   (`engine`, `queue`).
//! - One attempt at one job is a task of its own (`job`): it owns the job's record, its workers and its outputs.
//! - [`transcode`] is one job by itself (`solo`): the same engine over a store in memory.

mod appliance;
mod command;
mod drain;
mod engine;
mod fleet;
mod handle;
mod job;
mod keeper;
mod probe;
mod queue;
mod settings;
mod sinks;
mod solo;

pub use appliance::{Appliance, NodeDevice, NodeStatus, Placement, Planned, Reply, StopOutcome};
pub use drain::{DEADLINE_MAX as DRAIN_DEADLINE_MAX, Drain, DrainStatus};
pub use handle::Engine;
pub use job::estimate_by_cpu;
pub use probe::{probe, probe_cover, probe_image};
pub use settings::{Settings, before_trials, cpu_alone};
pub use sinks::{Buckets, Sinks};
pub use solo::{TranscodeRequest, transcode};

use crate::model::Problem;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Runs what blocks on a thread that may.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> Result<R, Problem> + Send + 'static) -> Result<R, Problem> {
    let panicked = |_| Err(Problem::bug("internal.panic", "a step of the job panicked; report this with the log"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(panicked)
}

/// Resolves when something is no longer wanted; never, when nobody is left who could say so.
async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The time of day, ms since 1970.
pub(crate) fn now_unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// An error in the directory where segments wait, as a problem.
fn spool_problem(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Problem::sink(
            "job.spool_full",
            format!("there is no room left for {path}; free some or choose another disk"),
        ),
        _ => Problem::sink(
            "job.spool_unwritable",
            format!("{path} cannot be written: {error}; check path and permissions"),
        ),
    }
}
