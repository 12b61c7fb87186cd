//! What the services share: the appliance, the settings, who may see what.

use super::gate::Caller;
use super::settings::ApiSettings;
use super::status::{refused, status};
use super::validate::Found;
use super::{convert, v1};
use crate::dispatch::Appliance;
use crate::model::bill::JobUsage;
use crate::model::{JobId, Problem};
use crate::store::{Store, StoreError, Stored};
use crate::usage::{DOCUMENT, Kept};
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

    /// A job with everything.
    pub(super) async fn shown(&self, stored: &Stored) -> Result<v1::Job, Status> {
        let progress = self.progress(stored.record.id);
        let live = progress.as_ref().and_then(|progress| progress.usage.clone());
        let usage = match live.filter(|_| !stored.record.state().is_over()) {
            Some(usage) => Some(usage),
            None => self.kept_usage(stored.record.id).await?,
        };
        let record = &stored.record;
        let trace_id = self.settings.traces.id_of(record.id, &record.spec.trace_parent);
        Ok(v1::Job { trace_id, ..convert::job(stored, progress.as_deref(), usage.as_ref()) })
    }

    /// What a job had used when that was last stored; `None` where nothing ever ran, or where it cannot be read.
    async fn kept_usage(&self, id: JobId) -> Result<Option<JobUsage>, Status> {
        let stored = self.store().document(id, DOCUMENT).await.map_err(failed)?;
        Ok(stored.and_then(|json| serde_json::from_slice::<Kept>(&json).ok()).map(|kept| kept.bill))
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
