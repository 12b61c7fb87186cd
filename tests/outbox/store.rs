//! The part of a store that an outbox uses, in memory: what is due, and what became of it.

use reelmill::model::bill::UsageRow;
use reelmill::model::job::Change;
use reelmill::model::state::JobState;
use reelmill::model::{JobId, JobRecord, Revision};
use reelmill::store::UsageQuery;
use reelmill::store::{
    Answer, Created, Effect, EffectAttempt, EffectState, IdempotencyKey, LedgerRow, LogEntry, LogPage, LogQuery, Page,
    Query, Store, StoreError, Stored, StoredEffect, Told, Waiting,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, watch};

/// Effects, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    kept: watch::Sender<BTreeMap<u64, StoredEffect>>,
    /// Calls of `settle` that are to fail first.
    pub(crate) settle_failures: AtomicUsize,
}

impl Effects {
    /// Stores an effect that is due now, and gives its id.
    pub(crate) fn add(&self, job: JobId, effect: Effect) -> u64 {
        self.add_at(job, effect, now())
    }

    /// Stores an effect that was caused at some time, and is due since.
    pub(crate) fn add_at(&self, job: JobId, effect: Effect, created_unix_ms: i64) -> u64 {
        let mut id = 0;
        self.kept.send_modify(|kept| {
            id = kept.len() as u64 + 1;
            let state = EffectState::Due(created_unix_ms);
            kept.insert(id, StoredEffect { id, job, created_unix_ms, effect, state, attempts: Vec::new() });
        });
        id
    }

    pub(crate) fn get(&self, id: u64) -> StoredEffect {
        self.kept.borrow()[&id].clone()
    }

    /// Waits until an effect is as it should be.
    pub(crate) async fn until(&self, id: u64, is: impl Fn(&StoredEffect) -> bool) -> StoredEffect {
        let mut kept = self.kept.subscribe();
        let found = tokio::time::timeout(Duration::from_secs(20), kept.wait_for(|kept| is(&kept[&id]))).await;
        assert!(found.is_ok(), "{:?}", self.get(id));
        self.get(id)
    }

    pub(crate) async fn until_done(&self, id: u64) -> StoredEffect {
        self.until(id, |effect| effect.state == EffectState::Done).await
    }

    /// Waits until an effect is given up, and gives what its last attempt says.
    pub(crate) async fn until_dead(&self, id: u64) -> EffectAttempt {
        self.until(id, |effect| effect.state == EffectState::Dead).await.attempts.last().unwrap().clone()
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn refused<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Broken("an outbox does not ask for this".into())) })
}

impl Store for Effects {
    fn put_usage(&self, _: JobId, _: u32, _: Vec<UsageRow>) -> Answer<'_, ()> {
        refused()
    }

    fn usage(&self, _: UsageQuery) -> Answer<'_, Vec<UsageRow>> {
        refused()
    }

    fn forget_usage(&self, _: i64, _: usize) -> Answer<'_, usize> {
        refused()
    }

    fn due(&self, now_unix_ms: i64, limit: usize) -> Answer<'_, (Vec<StoredEffect>, Option<i64>)> {
        let kept = self.kept.borrow();
        let time = |effect: &StoredEffect| match effect.state {
            EffectState::Due(at) => Some(at),
            _ => None,
        };
        let mut due: Vec<_> = kept.values().filter_map(|effect| Some((time(effect)?, effect.id))).collect();
        due.sort_unstable();
        let ready = due.iter().take_while(|(at, _)| *at <= now_unix_ms).count().min(limit);
        let next = due.get(ready).map(|(at, _)| *at);
        let page = due[..ready].iter().map(|(_, id)| kept[id].clone()).collect();
        Box::pin(async move { Ok((page, next)) })
    }

    fn settle(&self, effect: u64, attempt: EffectAttempt, state: EffectState) -> Answer<'_, ()> {
        let fails = |left: usize| left.checked_sub(1);
        if self.settle_failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Box::pin(async { Err(StoreError::Full("no room".into())) });
        }
        self.kept.send_modify(|kept| {
            let kept = kept.get_mut(&effect).unwrap();
            assert!(matches!(kept.state, EffectState::Due(_)), "an effect that was over was carried out again");
            kept.attempts.push(attempt);
            kept.state = state;
        });
        Box::pin(async { Ok(()) })
    }

    fn effects(&self, id: JobId) -> Answer<'_, Vec<StoredEffect>> {
        let found = self.kept.borrow().values().filter(|effect| effect.job == id).cloned().collect();
        Box::pin(async move { Ok(found) })
    }

    fn create(&self, _: JobRecord, _: Option<IdempotencyKey>) -> Answer<'_, Created> {
        refused()
    }
    fn get(&self, _: JobId) -> Answer<'_, Option<Stored>> {
        refused()
    }
    fn get_many(&self, _: Vec<JobId>) -> Answer<'_, Vec<Option<Stored>>> {
        refused()
    }
    fn list(&self, _: Query) -> Answer<'_, Page> {
        refused()
    }
    fn save(&self, _: Revision, _: JobRecord, _: Vec<Effect>) -> Answer<'_, Revision> {
        refused()
    }
    fn history(&self, _: JobId, _: Revision, _: usize) -> Answer<'_, Vec<Change>> {
        refused()
    }
    fn subscribe(&self, _: JobId) -> broadcast::Receiver<Arc<Told>> {
        broadcast::channel(1).1
    }
    fn unfinished(&self) -> Answer<'_, Vec<Waiting>> {
        refused()
    }
    fn append_log(&self, _: JobId, _: Vec<LogEntry>) -> Answer<'_, ()> {
        refused()
    }
    fn log(&self, _: JobId, _: LogQuery) -> Answer<'_, LogPage> {
        refused()
    }
    fn append(&self, _: JobId, _: u32, _: Vec<LedgerRow>) -> Answer<'_, ()> {
        refused()
    }
    fn ledger(&self, _: JobId) -> Answer<'_, Vec<LedgerRow>> {
        refused()
    }
    fn forget(&self, _: JobId, _: u32, _: usize) -> Answer<'_, ()> {
        refused()
    }
    fn put_document(&self, _: JobId, _: u32, _: &'static str, _: Vec<u8>) -> Answer<'_, ()> {
        refused()
    }
    fn document(&self, _: JobId, _: &'static str) -> Answer<'_, Option<Vec<u8>>> {
        refused()
    }
    fn delete(&self, _: JobId, _: Revision, _: Vec<Effect>) -> Answer<'_, ()> {
        refused()
    }
    fn expired(&self, _: i64, _: usize) -> Answer<'_, Vec<JobId>> {
        refused()
    }
    fn counts(&self) -> Answer<'_, BTreeMap<JobState, u64>> {
        refused()
    }
}
