//! What is written of a job: the record, its changes, documents. Each function is the work of one command.

use super::outbox;
use super::row::{Encoded, Id, State, number, priority_number, to_json};
use super::writer::Changing;
use crate::model::JobId;
use crate::model::job::Change;
use crate::store::hub::{self, News};
use crate::store::{Created, Effect, IdempotencyKey, StoreError};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

/// Stores a new job, or finds the one of the same key.
pub(super) fn create(
    change: &mut Changing<'_>,
    mut job: Encoded,
    key: Option<&IdempotencyKey>,
) -> Result<Created, StoreError> {
    if let Some(key) = key
        && let Some(existing) = find_key(change, key)?
    {
        return Ok(Created::Existed(existing));
    }
    let id = Id::from(job.record.id);
    let mut changes = std::mem::take(&mut job.changes);
    let record = &job.record;
    let revision = hub::number(&mut changes, change.revision);
    let added = change
        .prepare(
            "INSERT INTO jobs (id, revision, state, over, attempt, priority, not_before_unix_ms, created_unix_ms, \
             expires_unix_ms, owner, reference) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            id,
            number(revision),
            State(record.state()),
            record.state().is_over(),
            record.attempt,
            priority_number(record.spec.priority),
            record.not_before_unix_ms,
            record.created_unix_ms,
            record.expires_unix_ms(),
            record.spec.owner,
            record.spec.reference_id,
        ])?;
    if added == 0 {
        return Err(StoreError::Conflict);
    }
    change.prepare("INSERT INTO bodies (job, body) VALUES (?1, ?2)")?.execute(params![id, job.body])?;
    put_facts(change, id, job.facts.as_deref())?;
    add_labels(change, id, job.labels())?;
    if let Some(key) = key {
        change
            .prepare("INSERT INTO idempotency_keys (owner, key, body_sha256, job) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key.owner, key.key, &key.body_sha256[..], id])?;
    }
    finish(change, &job, changes, revision)?;
    Ok(Created::New(revision))
}

/// Saves a record over a revision.
pub(super) fn save(
    change: &mut Changing<'_>,
    over: u64,
    mut job: Encoded,
    effects: &[Effect],
) -> Result<u64, StoreError> {
    let id = Id::from(job.record.id);
    let mut changes = std::mem::take(&mut job.changes);
    let record = &job.record;
    let revision = hub::number(&mut changes, change.revision);
    let saved = change
        .prepare(
            "UPDATE jobs SET revision = ?3, state = ?4, over = ?5, attempt = ?6, priority = ?7, \
             not_before_unix_ms = ?8, created_unix_ms = ?9, expires_unix_ms = ?10, owner = ?11, reference = ?12 \
             WHERE id = ?1 AND revision = ?2",
        )?
        .execute(params![
            id,
            number(over),
            number(revision),
            State(record.state()),
            record.state().is_over(),
            record.attempt,
            priority_number(record.spec.priority),
            record.not_before_unix_ms,
            record.created_unix_ms,
            record.expires_unix_ms(),
            record.spec.owner,
            record.spec.reference_id,
        ])?;
    if saved == 0 {
        return Err(if attempt_of(change, id)?.is_some() { StoreError::Conflict } else { StoreError::NotFound });
    }
    change.prepare("UPDATE bodies SET body = ?2 WHERE job = ?1")?.execute(params![id, job.body])?;
    put_facts(change, id, job.facts.as_deref())?;
    if labels_of(change, id)? != *job.labels() {
        change.prepare("DELETE FROM labels WHERE job = ?1")?.execute([id])?;
        add_labels(change, id, job.labels())?;
    }
    outbox::add(change, job.record.id, effects, hub::caused_unix_ms(&changes, change.clock))?;
    finish(change, &job, changes, revision)?;
    Ok(revision)
}

/// Deletes a job that is over; what its effects have not done yet stays to be done.
pub(super) fn delete(change: &mut Changing<'_>, job: JobId, over: u64, effects: &[Effect]) -> Result<(), StoreError> {
    let id = Id::from(job);
    let deleted = change
        .prepare("DELETE FROM jobs WHERE id = ?1 AND revision = ?2 AND over = 1")?
        .execute(params![id, number(over)])?;
    if deleted == 0 {
        return Err(if attempt_of(change, id)?.is_some() { StoreError::Conflict } else { StoreError::NotFound });
    }
    outbox::forget_settled(change, id)?;
    outbox::add(change, job, effects, (change.clock)())?;
    change.news.push(News::Deleted(job));
    Ok(())
}

/// Stores a document, replacing the one of its name.
pub(super) fn put_document(
    change: &Changing<'_>,
    job: JobId,
    attempt: u32,
    name: &str,
    body: &[u8],
) -> Result<(), StoreError> {
    let id = fenced(change, job, attempt)?;
    let put = "INSERT INTO documents (job, name, body) VALUES (?1, ?2, ?3) \
               ON CONFLICT (job, name) DO UPDATE SET body = excluded.body";
    change.prepare(put)?.execute(params![id, name, body])?;
    Ok(())
}

/// The job's id as a column, if `attempt` is its current one.
///
/// # Errors
/// [`StoreError::Fenced`], [`StoreError::NotFound`].
pub(super) fn fenced(change: &Changing<'_>, job: JobId, attempt: u32) -> Result<Id, StoreError> {
    let id = Id::from(job);
    match attempt_of(change, id)? {
        Some(current) if current == attempt => Ok(id),
        Some(_) => Err(StoreError::Fenced),
        None => Err(StoreError::NotFound),
    }
}

fn attempt_of(change: &Changing<'_>, id: Id) -> Result<Option<u32>, StoreError> {
    let mut find = change.prepare("SELECT attempt FROM jobs WHERE id = ?1")?;
    Ok(find.query_row([id], |row| row.get(0)).optional()?)
}

/// The job of a key, if there is one.
fn find_key(change: &Changing<'_>, key: &IdempotencyKey) -> Result<Option<JobId>, StoreError> {
    let mut find = change.prepare("SELECT job, body_sha256 FROM idempotency_keys WHERE owner = ?1 AND key = ?2")?;
    let found = find
        .query_row([&key.owner, &key.key], |row| Ok((row.get::<_, Id>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((job, body)) if body == key.body_sha256 => Ok(Some(job.into())),
        Some(_) => Err(StoreError::KeyReused),
    }
}

/// Facts are long and change once: they are written only when they differ.
fn put_facts(change: &Changing<'_>, id: Id, facts: Option<&str>) -> Result<(), StoreError> {
    let put = "INSERT INTO facts (job, body) VALUES (?1, ?2) \
               ON CONFLICT (job) DO UPDATE SET body = excluded.body WHERE facts.body <> excluded.body";
    match facts {
        Some(body) => change.prepare(put)?.execute(params![id, body])?,
        None => change.prepare("DELETE FROM facts WHERE job = ?1")?.execute([id])?,
    };
    Ok(())
}

fn labels_of(change: &Changing<'_>, id: Id) -> Result<BTreeMap<String, String>, StoreError> {
    let mut read = change.prepare("SELECT name, value FROM labels WHERE job = ?1")?;
    let labels = read.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(labels.collect::<Result<_, _>>()?)
}

fn add_labels(change: &Changing<'_>, id: Id, labels: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let mut add = change.prepare("INSERT INTO labels (name, value, job) VALUES (?1, ?2, ?3)")?;
    for (name, value) in labels {
        add.execute(params![name, value, id])?;
    }
    Ok(())
}

/// Stores the changes, takes their numbers, and has subscribers told.
fn finish(change: &mut Changing<'_>, job: &Encoded, changes: Vec<Change>, revision: u64) -> Result<(), StoreError> {
    let id = Id::from(job.record.id);
    let mut add = change.prepare("INSERT INTO changes (job, revision, body) VALUES (?1, ?2, ?3)")?;
    for next in &changes {
        add.execute(params![id, number(next.revision), to_json(next)?])?;
    }
    change.news.extend(News::of(&job.record, changes));
    change.revision = revision;
    Ok(())
}
