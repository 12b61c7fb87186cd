//! The store of one box: SQLite in the state directory.
//!
//! One thread writes ([`writer`]), a few read ([`readers`]), and callers wait without holding a thread. Nothing but the
//! sequence of revisions is kept in memory: every answer comes from the database, so memory does not grow with what is
//! stored. Tables: `migrations/`.

mod failure;
mod ledger;
mod list;
mod log;
mod open;
mod outbox;
mod read;
mod readers;
mod row;
#[cfg(test)]
mod tests;
mod usage;
mod write;
mod writer;

use self::readers::Readers;
use self::row::Encoded;
use self::writer::Writer;
use super::hub::Hub;
use super::{
    Answer, Created, Effect, EffectAttempt, EffectState, IdempotencyKey, LedgerRow, LogEntry, LogPage, LogQuery, Page,
    Query, Store, StoreError, Stored, StoredEffect, Told, Waiting,
};
use crate::model::bill::UsageRow;
use crate::model::job::Change;
use crate::model::state::JobState;
use crate::model::{JobId, JobRecord, Revision};
use crate::store::UsageQuery;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Keeps jobs in a SQLite database. Dropping it waits until what was accepted is committed, and frees the directory.
#[derive(Debug)]
pub struct Sqlite {
    // In the order in which they end: the connection that closes last empties the log, and that must be the writer's.
    readers: Readers,
    writer: Writer,
    hub: Arc<Hub>,
    /// Locked for as long as it is open.
    _lock: File,
}

/// What tests choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time of day, ms since 1970: when effects were caused that come without a change.
    pub clock: fn() -> i64,
    /// Pages that the database may grow to, which is how a full disk looks; `None` for all there is.
    pub pages_max: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: super::now_unix_ms, pages_max: None }
    }
}

impl Sqlite {
    /// Opens the store of a state directory, which is made if there is none, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when the directory cannot be used, another daemon uses it, or what lies there is of a newer
    /// version or of another program; [`StoreError::Full`] when there is no room.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(state_dir, Options::default())
    }

    /// As [`Sqlite::open`], with options.
    ///
    /// # Errors
    /// The same.
    pub fn open_with(state_dir: &Path, options: Options) -> Result<Self, StoreError> {
        let (dir, lock) = open::lock(state_dir)?;
        let db = open::writer(&dir)?;
        if let Some(pages) = options.pages_max {
            db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        let hub = Arc::new(Hub::default());
        let writer = Writer::start(db, Arc::clone(&hub), options.clock)?;
        let readers = Readers::start(|| open::reader(&dir))?;
        Ok(Self { readers, writer, hub, _lock: lock })
    }
}

impl Store for Sqlite {
    fn create(&self, record: JobRecord, key: Option<IdempotencyKey>) -> Answer<'_, Created> {
        Box::pin(async move {
            let job = Encoded::new(record)?;
            self.writer.call(move |change| write::create(change, job, key.as_ref())).await
        })
    }

    fn get(&self, id: JobId) -> Answer<'_, Option<Stored>> {
        Box::pin(self.readers.call(move |db| read::get(db, id)))
    }

    fn get_many(&self, ids: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        Box::pin(self.readers.call(move |db| ids.into_iter().map(|id| read::get(db, id)).collect()))
    }

    fn list(&self, query: Query) -> Answer<'_, Page> {
        Box::pin(self.readers.call(move |db| list::list(db, &query)))
    }

    fn save(&self, over: Revision, record: JobRecord, effects: Vec<Effect>) -> Answer<'_, Revision> {
        Box::pin(async move {
            let job = Encoded::new(record)?;
            self.writer.call(move |change| write::save(change, over, job, &effects)).await
        })
    }

    fn history(&self, id: JobId, after: Revision, limit: usize) -> Answer<'_, Vec<Change>> {
        Box::pin(self.readers.call(move |db| read::history(db, id, after, limit)))
    }

    fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>> {
        self.hub.subscribe(id)
    }

    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        Box::pin(self.readers.call(read::unfinished))
    }

    fn append(&self, id: JobId, attempt: u32, rows: Vec<LedgerRow>) -> Answer<'_, ()> {
        Box::pin(async move {
            let rows = ledger::encode(rows)?;
            self.writer.call(move |change| ledger::append(change, id, attempt, rows)).await
        })
    }

    fn ledger(&self, id: JobId) -> Answer<'_, Vec<LedgerRow>> {
        Box::pin(self.readers.call(move |db| ledger::read(db, id)))
    }

    fn forget(&self, id: JobId, attempt: u32, output: usize) -> Answer<'_, ()> {
        Box::pin(self.writer.call(move |change| ledger::forget(change, id, attempt, output)))
    }

    fn put_document(&self, id: JobId, attempt: u32, name: &'static str, body: Vec<u8>) -> Answer<'_, ()> {
        Box::pin(self.writer.call(move |change| write::put_document(change, id, attempt, name, &body)))
    }

    fn document(&self, id: JobId, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.readers.call(move |db| read::document(db, id, name)))
    }

    fn append_log(&self, id: JobId, lines: Vec<LogEntry>) -> Answer<'_, ()> {
        Box::pin(async move {
            let lines = log::encode(&lines)?;
            self.writer.call(move |change| log::append(change, id, lines)).await
        })
    }

    fn log(&self, id: JobId, query: LogQuery) -> Answer<'_, LogPage> {
        Box::pin(self.readers.call(move |db| log::read(db, id, &query)))
    }

    fn due(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        Box::pin(self.readers.call(move |db| outbox::due(db, now_unix_ms, limit)))
    }

    fn settle(&self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Answer<'_, ()> {
        Box::pin(self.writer.call(move |change| outbox::settle(change, effect, &attempt, state)))
    }

    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>> {
        Box::pin(self.readers.call(move |db| outbox::of_job(db, id)))
    }

    fn delete(&self, id: JobId, over: Revision, effects: Vec<Effect>) -> Answer<'_, ()> {
        Box::pin(self.writer.call(move |change| write::delete(change, id, over, &effects)))
    }

    fn expired(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, Vec<JobId>> {
        Box::pin(self.readers.call(move |db| read::expired(db, now_unix_ms, limit)))
    }

    fn put_usage(&self, id: JobId, attempt: u32, rows: Vec<UsageRow>) -> Answer<'_, ()> {
        Box::pin(async move {
            let rows = usage::encode(rows)?;
            self.writer.call(move |change| usage::put(change, id, attempt, rows)).await
        })
    }

    fn usage(&self, query: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        Box::pin(self.readers.call(move |db| usage::read(db, &query)))
    }

    fn forget_usage(&self, before_unix_ms: i64, limit: usize) -> Answer<'_, usize> {
        Box::pin(self.writer.call(move |change| usage::forget(change, before_unix_ms, limit)))
    }

    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        Box::pin(self.readers.call(read::counts))
    }
}
