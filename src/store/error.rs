//! What a store can answer instead.

use crate::model::{Fault, Problem};
use thiserror::Error;

/// Why a store did not do as it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StoreError {
    /// Somebody else has saved the job meanwhile: read it again.
    #[error("the job has changed meanwhile")]
    Conflict,
    /// Somebody else works on the job: stop.
    #[error("another attempt at the job has begun")]
    Fenced,
    /// There is no such job.
    #[error("there is no such job")]
    NotFound,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// The store has no room.
    #[error("the state directory is full: {0}")]
    Full(String),
    /// The store cannot be read or written.
    #[error("the store failed: {0}")]
    Broken(String),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (fault, code) = match &error {
            StoreError::Conflict => (Fault::Capacity, "job.changed"),
            StoreError::Fenced => (Fault::Cancelled, "job.fenced"),
            StoreError::NotFound => (Fault::Input, "job.not_found"),
            StoreError::KeyReused => (Fault::Input, "request.key_reused"),
            StoreError::Full(_) => (Fault::Sink, "store.full"),
            StoreError::Broken(_) => (Fault::Sink, "store.failed"),
        };
        let remedy = match &error {
            StoreError::Conflict => "try again",
            StoreError::Fenced => "this attempt stops",
            StoreError::NotFound => "check its id; records are deleted some time after the end",
            StoreError::KeyReused => "use a new key for another job",
            StoreError::Full(_) => "free some room there",
            StoreError::Broken(_) => "see the log, and check the disk",
        };
        Self::new(fault, code, format!("{error}; {remedy}"))
    }
}
