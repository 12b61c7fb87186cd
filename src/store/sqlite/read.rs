//! What is read of jobs, but lists and the ledger. Each function answers one question, from one state of the database.

use super::row::{Id, State, from_json, number, priority, stored};
use crate::model::JobId;
use crate::model::job::Change;
use crate::model::state::JobState;
use crate::store::{StoreError, Stored, Waiting};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// A whole record.
pub(super) fn get(db: &Connection, id: JobId) -> Result<Option<Stored>, StoreError> {
    let mut read = db.prepare_cached(
        "SELECT jobs.revision, bodies.body, facts.body FROM jobs CROSS JOIN bodies ON bodies.job = jobs.id \
         LEFT JOIN facts ON facts.job = jobs.id WHERE jobs.id = ?1",
    )?;
    let mut rows = read.query([Id::from(id)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    let facts = row.get_ref(2)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    stored(row.get(0)?, body, facts).map(Some)
}

/// Changes of a job after a revision.
pub(super) fn history(db: &Connection, id: JobId, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
    let mut read =
        db.prepare_cached("SELECT body FROM changes WHERE job = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3")?;
    let mut rows = read.query(params![Id::from(id), number(after), number(limit)])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(from_json(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(changes)
}

/// Jobs that are not over, oldest first. The index has all of it.
pub(super) fn unfinished(db: &Connection) -> Result<Vec<Waiting>, StoreError> {
    let mut read = db.prepare_cached(
        "SELECT id, priority, not_before_unix_ms, state FROM jobs INDEXED BY jobs_unfinished WHERE over = 0 ORDER BY id",
    )?;
    let jobs = read.query_map((), |row| {
        Ok(Waiting {
            id: row.get::<_, Id>(0)?.into(),
            priority: priority(row.get(1)?),
            not_before_unix_ms: row.get(2)?,
            state: row.get::<_, State>(3)?.0,
        })
    })?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// A document of a job.
pub(super) fn document(db: &Connection, id: JobId, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut read = db.prepare_cached("SELECT body FROM documents WHERE job = ?1 AND name = ?2")?;
    Ok(read.query_row(params![Id::from(id), name], |row| row.get(0)).optional()?)
}

/// Jobs whose records have expired, the longest expired first.
pub(super) fn expired(db: &Connection, now_unix_ms: i64, limit: usize) -> Result<Vec<JobId>, StoreError> {
    let mut read = db.prepare_cached(
        "SELECT id FROM jobs INDEXED BY jobs_by_expiry WHERE expires_unix_ms <= ?1 ORDER BY expires_unix_ms, id LIMIT ?2",
    )?;
    let jobs = read.query_map(params![now_unix_ms, number(limit)], |row| Ok(row.get::<_, Id>(0)?.into()))?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// Jobs in each state that has some.
pub(super) fn counts(db: &Connection) -> Result<BTreeMap<JobState, u64>, StoreError> {
    let mut read = db.prepare_cached("SELECT state, count(*) FROM jobs INDEXED BY jobs_by_state GROUP BY state")?;
    let counts = read.query_map((), |row| Ok((row.get::<_, State>(0)?.0, row.get::<_, i64>(1)? as u64)))?;
    Ok(counts.collect::<Result<_, _>>()?)
}
