//! What the services share: the appliance, the settings, who may see what.

use super::gate::Caller;
use super::settings::ApiSettings;
use super::status::{refused, status};
use super::validate::Found;
use crate::dispatch::Appliance;
use crate::model::{JobId, Problem};
use crate::store::{Store, StoreError, Stored};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Status};

/// One for all services.
pub(super) struct Shared {
    pub(super) appliance: Arc<dyn Appliance>,
    pub(super) settings: ApiSettings,
    /// True once the node is being shut down: watchers are told to come back.
    pub(super) closing: watch::Receiver<bool>,
    /// One place for each watcher.
    pub(super) watchers: Arc<Semaphore>,
}

impl Shared {
    /// Where jobs are kept.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.appliance.store()
    }

    /// A job that the caller may see; one of somebody else's does not exist for it.
    pub(super) async fn job(&self, id: &str, caller: &Caller) -> Result<Stored, Status> {
        let id: JobId = id.parse().map_err(|problem| status(&problem))?;
        let stored = self.store().get(id).await.map_err(failed)?;
        stored.filter(|stored| caller.sees(&stored.record.spec.owner)).ok_or_else(|| failed(StoreError::NotFound))
    }

    /// How far a job is, where it is active here.
    pub(super) fn progress(&self, id: JobId) -> Option<Arc<crate::report::JobProgress>> {
        self.appliance.progress(id).map(|progress| progress.borrow().clone())
    }
}

/// Who makes this call.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let unknown = || status(&Problem::bug("internal.plan", "a call came past the check of tokens; report this"));
    request.extensions().get().cloned().ok_or_else(unknown)
}

/// The store's error as a status.
pub(super) fn failed(error: StoreError) -> Status {
    status(&error.into())
}

/// Goes on only when nothing was found wrong.
pub(super) fn checked(found: &Found) -> Result<(), Status> {
    if found.problems.is_empty() { Ok(()) } else { Err(refused(&found.problems)) }
}
