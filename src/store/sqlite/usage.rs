//! Bills: what outputs have cost, beside the jobs and after them.

use super::row::{Id, from_json, number, to_json};
use super::write::fenced;
use super::writer::Changing;
use crate::model::JobId;
use crate::model::bill::UsageRow;
use crate::store::{PAGE_MAX, StoreError, UsageQuery};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// Rows made ready for the writer, by the caller's thread.
///
/// # Errors
/// [`StoreError::Broken`] when one cannot be written as JSON.
pub(super) fn encode(rows: Vec<UsageRow>) -> Result<Vec<(UsageRow, String)>, StoreError> {
    rows.into_iter().map(|row| to_json(&row).map(|body| (row, body))).collect()
}

/// Stores rows, in place of those that are there.
pub(super) fn put(
    change: &Changing<'_>,
    job: JobId,
    attempt: u32,
    rows: Vec<(UsageRow, String)>,
) -> Result<(), StoreError> {
    let id = fenced(change, job, attempt)?;
    let put = "INSERT INTO usage (job, output, owner, ended_unix_ms, body) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (job, output) DO UPDATE SET owner = excluded.owner, \
               ended_unix_ms = excluded.ended_unix_ms, body = excluded.body";
    let mut put = change.prepare(put)?;
    for (row, body) in rows {
        put.execute(params![id, number(row.output), row.owner, row.ended_unix_ms, body])?;
    }
    Ok(())
}

/// A page of rows, in the query's order; the index that has that order is named, so that a page takes the same time
/// whatever is stored.
pub(super) fn read(db: &Connection, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
    let mut values: Vec<Value> = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let of_owner = query.owner.is_some();
    let index = if of_owner || query.by_owner { "usage_by_owner" } else { "usage_by_time" };
    let mut wanted = vec!["1".to_owned()];
    if let Some(owner) = &query.owner {
        wanted.push(format!("owner = {}", bind(owner.clone().into())));
    }
    if let Some(from) = query.from_unix_ms {
        wanted.push(format!("ended_unix_ms >= {}", bind(from.into())));
    }
    if let Some(to) = query.to_unix_ms {
        wanted.push(format!("ended_unix_ms < {}", bind(to.into())));
    }
    if let Some(after) = &query.after {
        let id = after.job.number().to_be_bytes().to_vec();
        let rest = [bind(after.ended_unix_ms.into()), bind(id.into()), bind(number(after.output).into())].join(", ");
        wanted.push(match query.by_owner {
            true => format!("(owner, ended_unix_ms, job, output) > ({}, {rest})", bind(after.owner.clone().into())),
            false => format!("(ended_unix_ms, job, output) > ({rest})"),
        });
    }
    let order = if query.by_owner { "owner, ended_unix_ms, job, output" } else { "ended_unix_ms, job, output" };
    let limit = bind(number(query.limit.min(PAGE_MAX)).into());
    let wanted = wanted.join(" AND ");
    let sql = format!("SELECT body FROM usage INDEXED BY {index} WHERE {wanted} ORDER BY {order} LIMIT {limit}");
    let mut read = db.prepare_cached(&sql)?;
    let mut rows = read.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_json(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(found)
}

/// Forgets the oldest rows of before a time.
pub(super) fn forget(change: &Changing<'_>, before_unix_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let old = "SELECT job, output FROM usage INDEXED BY usage_by_time WHERE ended_unix_ms < ?1 \
               ORDER BY ended_unix_ms, job, output LIMIT ?2";
    let mut read = change.prepare(old)?;
    let old = read.query_map(params![before_unix_ms, number(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let old: Vec<(Id, i64)> = old.collect::<Result<_, _>>()?;
    let mut forget = change.prepare("DELETE FROM usage WHERE job = ?1 AND output = ?2")?;
    for (job, output) in &old {
        forget.execute(params![job, output])?;
    }
    Ok(old.len())
}
