//! Removes what outputs of deleted jobs left, through the sinks that wrote it.

use crate::dispatch::Sinks;
use crate::model::spec::UploadOptions;
use crate::model::{JobId, Locator, Problem};
use crate::outbox;
use crate::publish::sink::Leave;
use futures_util::future::BoxFuture;

/// The outbox's way to destinations.
#[derive(Debug)]
pub(super) struct Remover {
    sinks: Sinks,
}

impl Remover {
    pub(super) const fn new(sinks: Sinks) -> Self {
        Self { sinks }
    }

    async fn remove(&self, job: JobId, destination: &Locator, paths: Vec<String>) -> Result<(), Problem> {
        let sink = self.sinks.open(destination, &UploadOptions::default(), job)?;
        sink.remove(paths).await.map_err(|error| error.problem)?;
        // What marks the destination as this job's, and what it had set aside.
        sink.abandon(Leave::Nothing).await.map_err(|error| error.problem)
    }
}

impl outbox::Remover for Remover {
    fn remove<'a>(
        &'a self,
        job: JobId,
        _output: usize,
        destination: &'a Locator,
        paths: Vec<String>,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(self.remove(job, destination, paths))
    }
}
