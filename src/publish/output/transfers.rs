//! What takes a while: files on their way to the destination, transport streams renumbered, rows on their way to the store.

use super::Context;
use super::track;
use crate::model::hash::sha256;
use crate::model::ledger::StoredFile;
use crate::model::stills::PictureRecord;
use crate::model::{Packaging, Problem};
use crate::package::ts::Continuity;
use crate::package::ts_language::Spoken;
use crate::publish::Spooled;
use crate::publish::disk::refused;
use crate::publish::message::broken;
use crate::publish::meter::{self, For};
use crate::publish::retry::{patiently, put_patiently};
use crate::publish::sink::{Body, Kind, Progress};
use crate::store::{LedgerRow, StoreError};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub(super) type Job = Pin<Box<dyn Future<Output = Result<Done, Problem>> + Send>>;
pub(super) type Append = Pin<Box<dyn Future<Output = (Vec<LedgerRow>, Result<(), StoreError>)> + Send>>;

/// What a job came to; names the track by its id, since the left-out ones move the others.
pub(super) enum Done {
    Init {
        track: String,
        generation: u32,
    },
    Stored {
        track: String,
        generation: u32,
        index: u32,
        file: StoredFile,
    },
    Renumbered {
        track: String,
        generation: u32,
        segment: Arc<Spooled>,
        body: Bytes,
        sha256: String,
        counters: Box<Continuity>,
    },
    Compared,
    Pictured {
        track: String,
        record: Box<PictureRecord>,
    },
}

pub(super) async fn finished(appending: &mut Option<Append>) -> (Vec<LedgerRow>, Result<(), StoreError>) {
    match appending {
        Some(append) => append.await,
        None => std::future::pending().await,
    }
}

pub(super) fn append(context: Arc<Context>, rows: Vec<LedgerRow>) -> Append {
    Box::pin(async move {
        let once = || context.store.append(context.job, context.attempt, rows.clone());
        let result = patiently(context.retry, once).await;
        (rows, result)
    })
}

/// Puts a file, counted as progress.
pub(super) async fn put(context: &Context, path: &str, body: Body, kind: Kind) -> Result<(), Problem> {
    let once = || context.sink.put(path, body.clone(), kind, Progress::of(&context.uploaded));
    put_patiently(context.retry, once).await
}

/// Stores a file of a segment. The segment is kept for as long as that takes.
pub(super) fn store(
    context: &Arc<Context>,
    (track, generation, is_plain): (&str, u32, bool),
    segment: &Arc<Spooled>,
    packaging: Packaging,
    body: Body,
    sha256: String,
) -> Job {
    let (context, track, segment) = (Arc::clone(context), track.to_owned(), Arc::clone(segment));
    Box::pin(async move {
        let name = track::name(packaging, is_plain, segment.index(), segment.start(), generation);
        let bytes = body.bytes();
        put(&context, &track::path(packaging, &track, &name), body, Kind::Segment).await?;
        let key_frames = segment.file(packaging).map(|file| file.key_frames.clone()).unwrap_or_default();
        let file = StoredFile { packaging, name, bytes, sha256, key_frames, at: None };
        Ok(Done::Stored { track, generation, index: segment.index(), file })
    })
}

/// Continues the counters of the segment before in a transport stream, which says its language.
pub(super) fn renumber(
    track: String,
    generation: u32,
    segment: Arc<Spooled>,
    counters: Continuity,
    spoken: Option<Spoken>,
) -> Job {
    Box::pin(async move {
        let (body, sha256, counters) = continued(&segment, counters, spoken).await?;
        Ok(Done::Renumbered { track, generation, segment, body, sha256, counters: Box::new(counters) })
    })
}

/// Compares a transport stream that was made again with the stored one, which an earlier version has stored without its language.
pub(super) fn compare(segment: Arc<Spooled>, before: Continuity, spoken: Option<Spoken>, stored: String) -> Job {
    Box::pin(async move {
        for said in [spoken, None] {
            let (_, sha256, _) = continued(&segment, before.clone(), said).await?;
            if sha256 == stored {
                return Ok(Done::Compared);
            }
        }
        Err(track::not_reproducible(&segment))
    })
}

/// The transport stream of a segment as it goes on after `counters`, its hash, and the counters after it.
async fn continued(
    segment: &Spooled,
    mut counters: Continuity,
    spoken: Option<Spoken>,
) -> Result<(Bytes, String, Continuity), Problem> {
    let file = segment.file(Packaging::Ts).ok_or_else(|| broken("a segment has no transport stream"))?;
    // The thread has no share in the segment: when this future is dropped, the files go at once.
    let path = segment.path(file);
    let work = move || {
        let mut body = std::fs::read(&path).map_err(|error| refused(&path, &error))?;
        let renumbered = counters.renumber(&mut body);
        renumbered.map_err(|error| broken(&format!("a segment is no transport stream ({error})")))?;
        if let Some(spoken) = spoken {
            spoken.tell(&mut body);
        }
        let hash = sha256(&body);
        Ok((body.into(), hash, counters))
    };
    let panicked = |_| Err(Problem::bug("internal.panic", "publishing panicked; report this with the log"));
    tokio::task::spawn_blocking(meter::blocking(For::Package, work)).await.unwrap_or_else(panicked)
}
