//! What the API drives.

use super::drain::{Drain, DrainStatus};
use crate::model::device::DeviceInfo;
use crate::model::plan::JobPlan;
use crate::model::{JobId, JobSpec, Locator, MediaFacts, Problem};
use crate::report::JobProgress;
use crate::store::{IdempotencyKey, Store, Stored};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// A reply that takes a while.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// What came of a wish to stop something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopOutcome {
    /// It is being stopped, or is stopped by this.
    Stopping,
    /// It was over.
    AlreadyEnded,
    /// There is no such thing.
    NotFound,
}

/// Where a stage would run, and why there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// `decode`, `filter` or `encode`.
    pub stage: &'static str,
    /// Index into [`JobPlan::works`].
    pub work: usize,
    /// The rendition; empty for a stage that all of a work share.
    pub rendition: String,
    /// The device.
    pub device: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// What a job would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: JobPlan,
    /// Facts of each source and its size; `None` for a source that nothing is made of.
    pub sources: Vec<Option<(MediaFacts, u64)>>,
    /// Where each stage would run.
    pub placements: Vec<Placement>,
    /// What the job would hold while it runs: dimension and amount.
    pub demand: Vec<(String, u64)>,
    /// About how long encoding would take with nothing beside it, ms; `None` where the duration is not known.
    pub estimated_ms: Option<u64>,
    /// About how much CPU time it would take, ms; likewise.
    pub estimated_cpu_ms: Option<u64>,
}

/// A device of the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDevice {
    /// Its id, such as `cpu`.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// Dimension, how much there is, how much is held.
    pub capacity: Vec<(String, u64, u64)>,
    /// Stages that it can run.
    pub stages: Vec<&'static str>,
    /// What was found out about it, once that is known.
    pub info: Option<DeviceInfo>,
}

/// What the node is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// When this process began, ms since 1970.
    pub started_unix_ms: i64,
    /// Devices.
    pub devices: Vec<NodeDevice>,
    /// Jobs that wait.
    pub jobs_queued: u64,
    /// Jobs that are prepared, run or are being stopped.
    pub jobs_active: u64,
    /// Spans that run.
    pub spans_running: u64,
    /// No work is taken up: since when, and how far that is.
    pub drain: Option<DrainStatus>,
}

/// Takes jobs and carries them out.
pub trait Appliance: Send + Sync + 'static {
    /// Where jobs are kept. The API reads it; it changes nothing there by itself.
    fn store(&self) -> &Arc<dyn Store>;

    /// Takes a job that was found well-formed. True when an earlier request with the same key had made it.
    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>) -> Reply<'_, (Stored, bool)>;

    /// Stops a job. When this answers, the wish is stored.
    fn stop_job(&self, id: JobId) -> Reply<'_, StopOutcome>;

    /// Stops outputs of a job, by index; one outcome each, in order.
    fn stop_outputs(&self, id: JobId, outputs: Vec<usize>) -> Reply<'_, Vec<StopOutcome>>;

    /// Tries outputs of a job that is over again, by index; empty for all that failed or were stopped.
    ///
    /// # Errors
    /// `job.not_found`, `job.not_over`, `job.nothing_to_retry`.
    fn retry(&self, id: JobId, outputs: Vec<usize>) -> Reply<'_, Stored>;

    /// Deletes the record of a job that is over.
    ///
    /// # Errors
    /// `job.not_found`, `job.not_over`.
    fn delete(&self, id: JobId) -> Reply<'_, ()>;

    /// How far a job is, while it is active on this node.
    fn progress(&self, id: JobId) -> Option<watch::Receiver<Arc<JobProgress>>>;

    /// What a source is.
    fn probe(&self, locator: Locator) -> Reply<'_, MediaFacts>;

    /// What a job would do.
    fn plan(&self, spec: JobSpec) -> Reply<'_, Planned>;

    /// What the node is doing.
    fn status(&self) -> NodeStatus;

    /// Takes up no work any more, in this way; `None`: takes it up again.
    fn drain(&self, drain: Option<Drain>);
}
