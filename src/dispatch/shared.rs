//! The publisher, used from the loop without blocking it.

use crate::model::Problem;
use crate::publish::Publisher;
use crate::report::JobReport;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs what blocks on a thread that may.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    let panicked = |_| Err(Problem::bug("internal.panic", "publishing panicked; report this with the log"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(panicked)
}

/// A publisher that is used by one task at a time. `None` once it has been kept or put back.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Option<Publisher>>>);

impl Shared {
    pub(super) fn new(publisher: Publisher) -> Self {
        Self(Arc::new(Mutex::new(Some(publisher))))
    }

    /// Runs `work` with the publisher, on a thread that may block.
    pub(super) async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Publisher) -> Result<R, Problem> + Send + 'static,
    ) -> Result<R, Problem> {
        let shared = Arc::clone(&self.0);
        blocking(move || match shared.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(publisher) => work(publisher),
            None => Err(Problem::bug("internal.published", "published after the end; report this with the log")),
        })
        .await
    }

    /// Drops the publisher, and with it what it has published.
    pub(super) async fn put_back(&self) {
        let shared = Arc::clone(&self.0);
        let done = blocking(move || {
            drop(shared.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        });
        // The one error is a panic while removing files; the problem that led here is what must be told.
        let _ = done.await;
    }

    /// Ends the job: its report is written and its output stays. On an error, the output is put back as it was.
    pub(super) async fn keep(&self, report: impl FnOnce(&Publisher) -> JobReport) -> Result<JobReport, Problem> {
        let publisher = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(publisher) = publisher else {
            return Err(Problem::bug("internal.published", "published twice; report this with the log"));
        };
        let report = report(&publisher);
        let text = serde_json::to_vec_pretty(&report);
        let text = text.map_err(|error| Problem::bug("internal.report", format!("the report is not JSON: {error}")))?;
        blocking(move || publisher.keep(&text)).await?;
        Ok(report)
    }
}
