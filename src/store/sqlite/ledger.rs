//! A job's ledger: tracks of its outputs and their segments.

use super::row::{Id, from_json, number, to_json};
use super::write::fenced;
use super::writer::Changing;
use crate::model::JobId;
use crate::model::stills::PictureRecord;
use crate::store::{LedgerEntry, LedgerRow, LedgerSegment, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A row as the writer takes it, made by the caller's thread.
#[derive(Debug)]
pub(super) struct EncodedRow {
    output: i64,
    track: String,
    /// Index of a segment, number of a picture; `None` for the header.
    index: Option<u32>,
    body: String,
}

/// What a numbered row says.
enum Body {
    Picture(PictureRecord),
    Segment(LedgerSegment),
}

/// How a picture is written. Segments are written as they always were, without a name around them.
#[derive(Serialize, Deserialize)]
struct PictureBody {
    picture: PictureRecord,
}

impl Body {
    // Not by an untagged enumeration of serde, which cannot read maps by number, as continuity counters are.
    fn read(json: &str) -> Result<Self, StoreError> {
        if json.starts_with("{\"picture\":") {
            return from_json(json).map(|PictureBody { picture }| Self::Picture(picture));
        }
        from_json(json).map(Self::Segment)
    }
}

/// Writes rows as JSON.
///
/// # Errors
/// [`StoreError::Broken`] when one cannot be written.
pub(super) fn encode(rows: Vec<LedgerRow>) -> Result<Vec<EncodedRow>, StoreError> {
    let encode = |row: LedgerRow| {
        let (index, body) = match &row.entry {
            LedgerEntry::Track(header) => (None, to_json(header)?),
            LedgerEntry::Segment(segment) => (Some(segment.record.index), to_json(segment)?),
            LedgerEntry::Picture(picture) => {
                (Some(picture.number), to_json(&PictureBody { picture: picture.clone() })?)
            }
        };
        Ok(EncodedRow { output: number(row.output), track: row.track, index, body })
    };
    rows.into_iter().map(encode).collect()
}

/// Adds rows, replacing those that are there.
pub(super) fn append(change: &Changing<'_>, job: JobId, attempt: u32, rows: Vec<EncodedRow>) -> Result<(), StoreError> {
    let id = fenced(change, job, attempt)?;
    let mut tracks: HashMap<(i64, String), i64> = HashMap::new();
    let mut add = change.prepare(
        "INSERT INTO segments (job, output, track, number, body) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (job, output, track, number) DO UPDATE SET body = excluded.body",
    )?;
    let mut head = change.prepare("UPDATE tracks SET header = ?4 WHERE job = ?1 AND output = ?2 AND name = ?3")?;
    for row in rows {
        let track = (row.output, row.track);
        let at = match tracks.get(&track) {
            Some(at) => *at,
            None => number_of(change, id, track.0, &track.1)?,
        };
        match row.index {
            Some(index) => add.execute(params![id, track.0, at, index, row.body])?,
            None => head.execute(params![id, track.0, track.1, row.body])?,
        };
        tracks.insert(track, at);
    }
    Ok(())
}

/// Forgets what is known of an output.
pub(super) fn forget(change: &Changing<'_>, job: JobId, attempt: u32, output: usize) -> Result<(), StoreError> {
    let id = fenced(change, job, attempt)?;
    for table in ["segments", "tracks"] {
        let forget = format!("DELETE FROM {table} WHERE job = ?1 AND output = ?2");
        change.prepare(&forget)?.execute(params![id, number(output)])?;
    }
    Ok(())
}

/// The whole ledger, in its order.
pub(super) fn read(db: &Connection, job: JobId) -> Result<Vec<LedgerRow>, StoreError> {
    let id = Id::from(job);
    let mut tracks =
        db.prepare_cached("SELECT output, number, name, header FROM tracks WHERE job = ?1 ORDER BY output, number")?;
    let mut segments = db.prepare_cached("SELECT body FROM segments WHERE job = ?1 AND output = ?2 AND track = ?3")?;
    let mut ledger = Vec::new();
    let mut rows = tracks.query([id])?;
    while let Some(row) = rows.next()? {
        let (output, track): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (name, header): (String, Option<String>) = (row.get(2)?, row.get(3)?);
        let entry =
            |entry| LedgerRow { output: usize::try_from(output).unwrap_or(usize::MAX), track: name.clone(), entry };
        if let Some(header) = header {
            ledger.push(entry(LedgerEntry::Track(from_json(&header)?)));
        }
        let mut found: Vec<Body> = Vec::new();
        let mut bodies = segments.query(params![id, output, track])?;
        while let Some(body) = bodies.next()? {
            found.push(Body::read(&body.get::<_, String>(0)?)?);
        }
        found.sort_by_key(|body| match body {
            Body::Segment(segment) => (segment.record.start, segment.record.index),
            Body::Picture(picture) => (0, picture.number),
        });
        ledger.extend(found.into_iter().map(|body| match body {
            Body::Segment(segment) => entry(LedgerEntry::Segment(segment)),
            Body::Picture(picture) => entry(LedgerEntry::Picture(picture)),
        }));
    }
    Ok(ledger)
}

/// The number of a track, which is the next one of its output when it begins.
fn number_of(change: &Changing<'_>, id: Id, output: i64, name: &str) -> Result<i64, StoreError> {
    let mut find = change.prepare("SELECT number FROM tracks WHERE job = ?1 AND output = ?2 AND name = ?3")?;
    if let Some(known) = find.query_row(params![id, output, name], |row| row.get(0)).optional()? {
        return Ok(known);
    }
    let mut begin = change.prepare(
        "INSERT INTO tracks (job, output, name, number) \
         SELECT ?1, ?2, ?3, coalesce(max(number) + 1, 0) FROM tracks WHERE job = ?1 AND output = ?2 RETURNING number",
    )?;
    Ok(begin.query_row(params![id, output, name], |row| row.get(0))?)
}
