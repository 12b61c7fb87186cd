//! What an active job can be asked.

use crate::model::{Problem, Revision};
use tokio::sync::oneshot;

/// A wish, with the way to answer it once it is stored. Who asked may be gone by then.
#[derive(Debug)]
pub(super) enum Command {
    /// Stop the whole job.
    Stop(oneshot::Sender<Result<Revision, Problem>>),
    /// Stop outputs, by index; for each whether it was still to be stopped.
    StopOutputs(Vec<usize>, oneshot::Sender<Result<Vec<bool>, Problem>>),
    /// End the attempt, and keep everything for the next one.
    Suspend,
    /// The node drains: begin no further span, and hand the job back once none runs; or begin spans again.
    HoldSpans(bool),
    /// The node drains and can wait no longer: as [`Command::Suspend`], unless the job is being stopped.
    HandBack,
}
