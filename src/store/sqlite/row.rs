//! Between records and rows: what is a column, what is JSON, and how each is written.

use super::failure::damaged;
use crate::model::facts::MediaFacts;
use crate::model::job::Change;
use crate::model::spec::Priority;
use crate::model::state::JobState;
use crate::model::{JobId, JobRecord};
use crate::store::{StoreError, Stored};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A job's id in a column: 16 bytes, most significant first, which SQLite compares as the numbers compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Id([u8; 16]);

impl From<JobId> for Id {
    fn from(id: JobId) -> Self {
        Self(id.number().to_be_bytes())
    }
}

impl From<Id> for JobId {
    fn from(id: Id) -> Self {
        Self::from_number(u128::from_be_bytes(id.0))
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(&self.0[..]))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_blob()?.try_into().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

/// A state in a column: its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State(pub(super) JobState);

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_str()))
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        JobState::from_name(value.as_str()?).map(Self).ok_or(FromSqlError::InvalidType)
    }
}

/// A priority in a column: a number that grows with patience.
pub(super) const fn priority_number(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Batch => 2,
    }
}

/// The priority with this number; what is unknown has no hurry.
pub(super) const fn priority(number: i64) -> Priority {
    match number {
        0 => Priority::High,
        1 => Priority::Normal,
        _ => Priority::Batch,
    }
}

/// A number for SQLite, whose own end at 2^63: what is larger counts as that, and no bound or revision gets there.
pub(super) fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// A record made ready for the writer, by the caller's thread.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The record, without facts.
    pub(super) record: JobRecord,
    /// It as JSON.
    pub(super) body: String,
    /// The facts of all sources as JSON; `None` where there are none.
    pub(super) facts: Option<String>,
    /// What has changed, not numbered yet.
    pub(super) changes: Vec<Change>,
}

impl Encoded {
    /// Takes a record apart.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be written as JSON.
    pub(super) fn new(mut record: JobRecord) -> Result<Self, StoreError> {
        let changes = record.take_changes();
        let facts: Vec<Option<MediaFacts>> = record.inputs.iter_mut().map(|input| input.facts.take()).collect();
        let facts = facts.iter().any(Option::is_some).then(|| to_json(&facts)).transpose()?;
        Ok(Self { body: to_json(&record)?, record, facts, changes })
    }

    /// The labels as they are to stand in their table.
    pub(super) const fn labels(&self) -> &BTreeMap<String, String> {
        &self.record.spec.labels
    }
}

/// Puts a record together.
///
/// # Errors
/// [`StoreError::Broken`] when it is none.
pub(super) fn stored(revision: i64, body: &str, facts: Option<&str>) -> Result<Stored, StoreError> {
    let mut record: JobRecord = from_json(body)?;
    if let Some(facts) = facts {
        let facts: Vec<Option<MediaFacts>> = from_json(facts)?;
        for (input, facts) in record.inputs.iter_mut().zip(facts) {
            input.facts = facts;
        }
    }
    Ok(Stored { record, revision: revision as u64 })
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(damaged)
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(damaged)
}
