//! A store whose operations are timed and counted for metrics.

use crate::model::bill::UsageRow;
use crate::model::job::Change;
use crate::model::state::JobState;
use crate::model::{JobId, JobRecord, Revision};
use crate::report::metrics::Metrics;
use crate::store::{
    Answer, Created, Effect, EffectAttempt, EffectState, IdempotencyKey, LedgerRow, LogEntry, LogPage, LogQuery, Page,
    Query, Store, StoreError, Stored, StoredEffect, Told, UsageQuery, Waiting,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::broadcast;

/// Passes everything on.
#[derive(Debug)]
pub(super) struct Measured {
    store: Arc<dyn Store>,
    metrics: Metrics,
}

impl Measured {
    pub(super) fn new(store: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    fn timed<'a, T: Send + 'a>(&'a self, operation: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let began = Instant::now();
            let answer = answer.await;
            // A conflict of two changes is an answer like any other.
            let broken = matches!(answer, Err(StoreError::Full(_) | StoreError::Broken(_)));
            self.metrics.store_operation(operation, began.elapsed(), broken);
            answer
        })
    }
}

impl Store for Measured {
    fn create(&self, record: JobRecord, key: Option<IdempotencyKey>) -> Answer<'_, Created> {
        self.timed("create", self.store.create(record, key))
    }

    fn get(&self, id: JobId) -> Answer<'_, Option<Stored>> {
        self.timed("get", self.store.get(id))
    }

    fn get_many(&self, ids: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        self.timed("get_many", self.store.get_many(ids))
    }

    fn list(&self, query: Query) -> Answer<'_, Page> {
        self.timed("list", self.store.list(query))
    }

    fn save(&self, over: Revision, record: JobRecord, effects: Vec<Effect>) -> Answer<'_, Revision> {
        self.timed("save", self.store.save(over, record, effects))
    }

    fn history(&self, id: JobId, after: Revision, limit: usize) -> Answer<'_, Vec<Change>> {
        self.timed("history", self.store.history(id, after, limit))
    }

    fn subscribe(&self, id: JobId) -> broadcast::Receiver<Arc<Told>> {
        self.store.subscribe(id)
    }

    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        self.timed("unfinished", self.store.unfinished())
    }

    fn append(&self, id: JobId, attempt: u32, rows: Vec<LedgerRow>) -> Answer<'_, ()> {
        self.timed("append", self.store.append(id, attempt, rows))
    }

    fn ledger(&self, id: JobId) -> Answer<'_, Vec<LedgerRow>> {
        self.timed("ledger", self.store.ledger(id))
    }

    fn forget(&self, id: JobId, attempt: u32, output: usize) -> Answer<'_, ()> {
        self.timed("forget", self.store.forget(id, attempt, output))
    }

    fn put_document(&self, id: JobId, attempt: u32, name: &'static str, body: Vec<u8>) -> Answer<'_, ()> {
        self.timed("put_document", self.store.put_document(id, attempt, name, body))
    }

    fn document(&self, id: JobId, name: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        self.timed("document", self.store.document(id, name))
    }

    fn append_log(&self, id: JobId, lines: Vec<LogEntry>) -> Answer<'_, ()> {
        self.timed("append_log", self.store.append_log(id, lines))
    }

    fn log(&self, id: JobId, query: LogQuery) -> Answer<'_, LogPage> {
        self.timed("log", self.store.log(id, query))
    }

    fn put_usage(&self, id: JobId, attempt: u32, rows: Vec<UsageRow>) -> Answer<'_, ()> {
        self.timed("put_usage", self.store.put_usage(id, attempt, rows))
    }

    fn usage(&self, query: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        self.timed("usage", self.store.usage(query))
    }

    fn forget_usage(&self, before_unix_ms: i64, limit: usize) -> Answer<'_, usize> {
        self.timed("forget_usage", self.store.forget_usage(before_unix_ms, limit))
    }

    fn due(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        self.timed("due", self.store.due(now_unix_ms, limit))
    }

    fn settle(&self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Answer<'_, ()> {
        self.timed("settle", self.store.settle(effect, attempt, state))
    }

    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>> {
        self.timed("effects", self.store.effects(id))
    }

    fn delete(&self, id: JobId, over: Revision, effects: Vec<Effect>) -> Answer<'_, ()> {
        self.timed("delete", self.store.delete(id, over, effects))
    }

    fn expired(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, Vec<JobId>> {
        self.timed("expired", self.store.expired(now_unix_ms, limit))
    }

    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        self.timed("counts", self.store.counts())
    }
}
