//! Effects: stored with what causes them, read when they are due, settled one attempt at a time.

use super::row::{Id, from_json, number, to_json};
use super::writer::Changing;
use crate::model::JobId;
use crate::store::{Effect, EffectAttempt, EffectState, StoreError, StoredEffect};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "SELECT id, job, created_unix_ms, body, state, due_unix_ms FROM effects";

/// Adds effects of a job, due at once.
pub(super) fn add(change: &Changing<'_>, job: JobId, effects: &[Effect], unix_ms: i64) -> Result<(), StoreError> {
    let mut add = change.prepare(
        "INSERT INTO effects (job, created_unix_ms, body, state, due_unix_ms) VALUES (?1, ?2, ?3, 'due', ?2)",
    )?;
    for effect in effects {
        add.execute(params![Id::from(job), unix_ms, to_json(effect)?])?;
    }
    Ok(())
}

/// Forgets what was done or given up for a job that is gone.
pub(super) fn forget_settled(change: &Changing<'_>, job: Id) -> Result<(), StoreError> {
    change.prepare("DELETE FROM effects WHERE job = ?1 AND state <> 'due'")?.execute([job])?;
    Ok(())
}

/// Records an attempt, and where the effect stands now. When its job is gone, nothing is kept of it once it is over.
pub(super) fn settle(
    change: &Changing<'_>,
    effect: u64,
    attempt: &EffectAttempt,
    state: EffectState,
) -> Result<(), StoreError> {
    let effect = number(effect);
    let (name, due) = match state {
        EffectState::Due(at) => ("due", Some(at)),
        EffectState::Done => ("done", None),
        EffectState::Dead => ("dead", None),
    };
    let mut settle = change.prepare("UPDATE effects SET state = ?2, due_unix_ms = ?3 WHERE id = ?1 RETURNING job")?;
    let job: Option<Id> = settle.query_row(params![effect, name, due], |row| row.get(0)).optional()?;
    let job = job.ok_or(StoreError::NotFound)?;
    if due.is_none() {
        let forget = "DELETE FROM effects WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?2)";
        if change.prepare(forget)?.execute(params![effect, job])? > 0 {
            return Ok(());
        }
    }
    change
        .prepare(
            "INSERT INTO effect_attempts (effect, number, body) \
             SELECT ?1, coalesce(max(number) + 1, 0), ?2 FROM effect_attempts WHERE effect = ?1",
        )?
        .execute(params![effect, to_json(attempt)?])?;
    Ok(())
}

/// What is due, the longest due first, and when the next one is that is not among these.
pub(super) fn due(
    db: &Connection,
    now_unix_ms: i64,
    limit: usize,
) -> Result<(Vec<StoredEffect>, Option<i64>), StoreError> {
    let order = "WHERE due_unix_ms IS NOT NULL ORDER BY due_unix_ms, id LIMIT ?1";
    let mut read = db.prepare_cached(&format!("{COLUMNS} INDEXED BY effects_by_time {order}"))?;
    let mut rows = read.query([number(limit).saturating_add(1)])?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next()? {
        let due: i64 = row.get(5)?;
        if due > now_unix_ms || effects.len() >= limit {
            return Ok((effects, Some(due)));
        }
        effects.push(stored(db, row)?);
    }
    Ok((effects, None))
}

/// All effects of a job, oldest first.
pub(super) fn of_job(db: &Connection, job: JobId) -> Result<Vec<StoredEffect>, StoreError> {
    let mut read = db.prepare_cached(&format!("{COLUMNS} WHERE job = ?1 ORDER BY id"))?;
    let mut rows = read.query([Id::from(job)])?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next()? {
        effects.push(stored(db, row)?);
    }
    Ok(effects)
}

fn stored(db: &Connection, row: &Row<'_>) -> Result<StoredEffect, StoreError> {
    let id: i64 = row.get(0)?;
    let state = match (row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?, row.get::<_, Option<i64>>(5)?) {
        ("done", _) => EffectState::Done,
        ("due", Some(at)) => EffectState::Due(at),
        _ => EffectState::Dead,
    };
    let mut attempts = Vec::new();
    let mut read = db.prepare_cached("SELECT body FROM effect_attempts WHERE effect = ?1 ORDER BY number")?;
    let mut bodies = read.query([id])?;
    while let Some(body) = bodies.next()? {
        attempts.push(from_json(&body.get::<_, String>(0)?)?);
    }
    Ok(StoredEffect {
        id: id as u64,
        job: row.get::<_, Id>(1)?.into(),
        created_unix_ms: row.get(2)?,
        effect: from_json(&row.get::<_, String>(3)?)?,
        state,
        attempts,
    })
}
