//! The log of a job.

use super::row::{Id, from_json, number, to_json};
use super::writer::Changing;
use crate::model::JobId;
use crate::store::log::Stream;
use crate::store::{LogEntry, LogPage, LogQuery, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// A line as the writer takes it, made by the caller's thread.
#[derive(Debug)]
pub(super) struct EncodedLine {
    stream: i64,
    also: String,
    level: i64,
    unix_ms: i64,
    cost: u64,
    body: String,
}

/// Writes lines as JSON.
///
/// # Errors
/// [`StoreError::Broken`] when one cannot be written.
pub(super) fn encode(lines: &[LogEntry]) -> Result<Vec<EncodedLine>, StoreError> {
    let encode = |line: &LogEntry| {
        let others: String = line.outputs.iter().skip(1).map(|output| format!("{output},")).collect();
        let also = if others.is_empty() { others } else { format!(",{others}") };
        let (stream, level, cost) = (line.stream(), line.level as i64, line.cost());
        Ok(EncodedLine { stream, also, level, unix_ms: line.unix_ms, cost, body: to_json(line)? })
    };
    lines.iter().map(encode).collect()
}

/// Adds lines behind those that are there, and lets go of what is too much.
pub(super) fn append(change: &Changing<'_>, job: JobId, lines: Vec<EncodedLine>) -> Result<(), StoreError> {
    let id = Id::from(job);
    let known = change.prepare("SELECT 1 FROM jobs WHERE id = ?1")?.exists([id])?;
    if !known {
        return Err(StoreError::NotFound);
    }
    let mut streams = streams(change.prepare(STREAMS)?, id)?;
    let mut job_bytes: u64 = streams.values().map(Stream::bytes).sum();
    let mut last = streams.values().map(|stream| stream.last).max().unwrap_or(0);
    let mut add = change.prepare(
        "INSERT INTO log_lines (job, number, stream, also, level, tail, unix_ms, cost, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut remove = change.prepare(
        "DELETE FROM log_lines WHERE job = ?1 AND number = (SELECT min(number) FROM log_lines INDEXED BY log_tails \
         WHERE job = ?1 AND stream = ?2 AND tail = 1) RETURNING number, unix_ms, cost",
    )?;
    for line in lines {
        last += 1;
        let stream = streams.entry(line.stream).or_default();
        let tail = stream.add(last, line.cost, &mut job_bytes);
        let EncodedLine { also, level, unix_ms, cost, body, .. } = line;
        add.execute(params![id, number(last), line.stream, also, level, tail, unix_ms, number(cost), body])?;
        while stream.is_over(job_bytes) {
            let gone = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
            let Some((which, when, cost)) = remove.query_row(params![id, line.stream], gone).optional()? else { break };
            stream.omit(which as u64, when, cost as u64, &mut job_bytes);
        }
    }
    let mut keep = change.prepare(
        "INSERT OR REPLACE INTO log_streams (job, stream, head_lines, head_bytes, tail_lines, tail_bytes, omitted, \
         omitted_number, omitted_unix_ms, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (stream, kept) in streams {
        keep.execute(params![
            id,
            stream,
            kept.head_lines,
            number(kept.head_bytes),
            kept.tail_lines,
            number(kept.tail_bytes),
            number(kept.omitted),
            number(kept.omitted_number),
            kept.omitted_unix_ms,
            number(kept.last),
        ])?;
    }
    Ok(())
}

/// A page of lines.
pub(super) fn read(db: &Connection, job: JobId, query: &LogQuery) -> Result<LogPage, StoreError> {
    let id = Id::from(job);
    let mut find = db.prepare_cached(
        "SELECT number, body FROM log_lines WHERE job = ?1 AND number > ?2 AND level <= ?3 \
         AND (?4 IS NULL OR stream = ?4 OR instr(also, ?5) > 0) ORDER BY number LIMIT ?6",
    )?;
    let stream = query.output.map(number);
    let also = query.output.map(|output| format!(",{output},"));
    let limit = number(query.limit).saturating_add(1);
    let mut rows = find.query(params![id, number(query.after), query.level as i64, stream, also, limit])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let line: LogEntry = from_json(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        lines.push(LogEntry { number: row.get::<_, i64>(0)? as u64, ..line });
    }
    let streams = streams(db.prepare_cached(STREAMS)?, id)?;
    let asked = |of: &i64| stream.is_none_or(|stream| stream == *of);
    let markers = streams.iter().filter(|(of, _)| asked(of)).filter_map(|(of, stream)| stream.marker(*of));
    let markers = markers.filter(|marker| marker.number > query.after);
    Ok(LogPage::merged(lines, markers, query.limit))
}

const STREAMS: &str = "SELECT stream, head_lines, head_bytes, tail_lines, tail_bytes, omitted, omitted_number, \
                       omitted_unix_ms, last FROM log_streams WHERE job = ?1";

fn streams(mut find: CachedStatement<'_>, id: Id) -> Result<BTreeMap<i64, Stream>, StoreError> {
    let count = |row: &Row<'_>, at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)? as u64);
    let one = |row: &Row<'_>| {
        let stream = Stream {
            head_lines: row.get(1)?,
            head_bytes: count(row, 2)?,
            tail_lines: row.get(3)?,
            tail_bytes: count(row, 4)?,
            omitted: count(row, 5)?,
            omitted_number: count(row, 6)?,
            omitted_unix_ms: row.get(7)?,
            last: count(row, 8)?,
        };
        Ok((row.get::<_, i64>(0)?, stream))
    };
    Ok(find.query_map([id], one)?.collect::<Result<_, _>>()?)
}
