//! A job's record in the hands of whoever changes it: saved over what was read, with the webhooks that follow.

use super::settings::Settings;
use crate::model::backoff::BackOff;
use crate::model::{JobId, JobRecord, Problem, Revision};
use crate::report::webhook;
use crate::store::{Effect, Store, StoreError, Stored};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A store that does not take a change is asked again for about a minute: a full disk may be freed, and a job that runs
/// is worth waiting for. What is not stored by then is done again from what is.
const PATIENCE: BackOff = BackOff { first_ms: 200, factor: 2, max_ms: 10_000, attempts_max: 11, jitter_percent: 50 };

/// A record, and the revision over which it is saved next.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Arc<dyn Store>,
    effects: Arc<Notify>,
    /// The record, with changes that may not be saved yet.
    pub(super) record: JobRecord,
    revision: Revision,
}

impl Keeper {
    /// Reads a job.
    ///
    /// # Errors
    /// `job.not_found`, `store.*`.
    pub(super) async fn read(settings: &Settings, id: JobId) -> Result<Self, Problem> {
        let store = &settings.store;
        let stored = store.get(id).await?.ok_or(StoreError::NotFound)?;
        let effects = Arc::clone(&settings.effects);
        Ok(Self { store: Arc::clone(store), effects, record: stored.record, revision: stored.revision })
    }

    /// Saves the record with its changes, and what they cause.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else has saved it meanwhile; what was changed here is then worth nothing.
    pub(super) async fn save(&mut self) -> Result<(), StoreError> {
        self.save_with(Vec::new()).await
    }

    /// Like [`Keeper::save`], with effects of its own.
    pub(super) async fn save_with(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let effects: Vec<Effect> = webhook::effects(&self.record).into_iter().chain(effects).collect();
        let mut attempt = 1;
        loop {
            match self.store.save(self.revision, self.record.clone(), effects.clone()).await {
                Ok(revision) => {
                    self.revision = revision;
                    self.record.take_changes();
                    if !effects.is_empty() {
                        self.effects.notify_one();
                    }
                    return Ok(());
                }
                Err(error @ (StoreError::Full(_) | StoreError::Broken(_))) => {
                    let Some(wait) = PATIENCE.delay_ms(attempt, fastrand::u64(..)) else { return Err(error) };
                    tracing::error!(job = %self.record.id, %error, "the job's state could not be stored; trying again");
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The record as it was last saved, or is about to be.
    pub(super) fn stored(&self) -> Stored {
        Stored { record: self.record.clone(), revision: self.revision }
    }
}
