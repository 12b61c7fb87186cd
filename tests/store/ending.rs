//! What ends: jobs that are deleted, that expire, that are counted, and those that are not over.

use crate::fixture::{CREATED, change, create, effect, get, in_state, job};
use crate::ledger::{header, segment};
use reelmill::model::facts::MediaFacts;
use reelmill::model::spec::Priority;
use reelmill::model::state::{JobEvent, JobState};
use reelmill::model::{JobId, JobRecord};
use reelmill::store::{Created, IdempotencyKey, LogEntry, Query, Store, StoreError, Waiting};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A job that is over, with something in every place where something of a job is kept, and its revision.
pub(crate) async fn whole(store: &dyn Store, number: u128) -> u64 {
    let mut record = in_state(job(number), JobState::Running, CREATED);
    record.spec.labels.insert("team".into(), "blue".into());
    record.inputs[0].facts = Some(MediaFacts::default());
    let id = record.id;
    let key = IdempotencyKey { owner: "ada".into(), key: number.to_string(), body_sha256: [1; 32] };
    assert!(matches!(store.create(record, Some(key)).await, Ok(Created::New(_))));
    store.append(id, 1, vec![header(0, "a", "e"), segment(0, "a", 0, 0), segment(1, "b", 0, 0)]).await.unwrap();
    store.put_document(id, 1, "plan", b"plan".to_vec()).await.unwrap();
    store.append_log(id, vec![LogEntry { text: "line".into(), ..LogEntry::default() }]).await.unwrap();
    let revision = change(store, id, vec![effect("done")], |record| {
        assert!(record.job(JobEvent::Succeed, CREATED, None));
    })
    .await;
    let effects = store.effects(id).await.unwrap();
    store.settle(effects[0].id, crate::outbox::attempt(1), reelmill::store::EffectState::Done).await.unwrap();
    revision
}

pub(crate) async fn a_deleted_job_leaves_nothing(store: Arc<dyn Store>) {
    let revision = whole(&*store, 1).await;
    let kept = whole(&*store, 2).await;
    let id = job(1).id;
    store.delete(id, revision, Vec::new()).await.unwrap();
    assert_eq!(store.get(id).await, Ok(None));
    assert_eq!(store.history(id, 0, 9).await, Ok(Vec::new()));
    assert_eq!(store.ledger(id).await, Ok(Vec::new()));
    assert_eq!(store.document(id, "plan").await, Ok(None));
    assert_eq!(store.effects(id).await, Ok(Vec::new()));
    assert_eq!(store.counts().await, Ok(BTreeMap::from([(JobState::Succeeded, 1)])));
    assert_eq!(store.expired(i64::MAX, 9).await, Ok(vec![job(2).id]));
    let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    for labels in [labels, BTreeMap::new()] {
        let page = store.list(Query { labels, limit: 9, ..Query::default() }).await.unwrap();
        assert_eq!(page.jobs.iter().map(|job| job.record.id).collect::<Vec<_>>(), [job(2).id]);
    }
    assert_eq!(store.delete(id, revision, Vec::new()).await, Err(StoreError::NotFound));
    assert_eq!(store.save(revision, job(1), Vec::new()).await, Err(StoreError::NotFound));
    // The other has kept everything, and its revision.
    assert_eq!(get(&*store, job(2).id).await.revision, kept);
    assert_eq!(store.ledger(job(2).id).await.unwrap().len(), 3);
    assert_eq!(store.effects(job(2).id).await.unwrap().len(), 1);
    // An id that is free again begins with nothing, above all that was.
    assert!(create(&*store, job(1)).await > kept);
    assert_eq!(store.history(id, 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.ledger(id).await, Ok(Vec::new()));
}

pub(crate) async fn only_what_is_over_and_unchanged_is_deleted(store: Arc<dyn Store>) {
    for (number, state) in (1..).zip(JobState::ALL) {
        let revision = create(&*store, in_state(job(number), *state, CREATED)).await;
        let (id, effects) = (job(number).id, || vec![effect("remove")]);
        assert_eq!(store.delete(id, revision + 1, effects()).await, Err(StoreError::Conflict));
        assert_eq!(store.delete(id, revision - 1, effects()).await, Err(StoreError::Conflict));
        assert_eq!(store.effects(id).await, Ok(Vec::new()));
        let deleted = store.delete(id, revision, effects()).await;
        assert_eq!(deleted, if state.is_over() { Ok(()) } else { Err(StoreError::Conflict) }, "{state:?}");
        assert_eq!(store.get(id).await.unwrap().is_none(), state.is_over());
        assert_eq!(store.effects(id).await.unwrap().len(), usize::from(state.is_over()));
    }
    assert_eq!(store.delete(job(99).id, 1, vec![effect("x")]).await, Err(StoreError::NotFound));
    assert_eq!(store.effects(job(99).id).await, Ok(Vec::new()));
}

pub(crate) async fn records_expire_some_time_after_the_end(store: Arc<dyn Store>) {
    let ending = |number: u128, ended: i64, after_s: u64| {
        let mut record: JobRecord = job(number);
        record.spec.expire_after_s = after_s;
        in_state(record, JobState::Succeeded, ended)
    };
    for record in [ending(1, 1000, 9), ending(2, 2000, 1), ending(3, 1000, u64::MAX), ending(4, 3000, 0)] {
        create(&*store, record).await;
    }
    create(&*store, in_state(job(5), JobState::Running, 0)).await;
    let ids = |numbers: &[u128]| Ok(numbers.iter().map(|number| JobId::from_number(*number)).collect());
    assert_eq!(store.expired(2999, 9).await, ids(&[]));
    assert_eq!(store.expired(3000, 9).await, ids(&[2, 4]));
    assert_eq!(store.expired(i64::MAX - 1, 9).await, ids(&[2, 4, 1]));
    assert_eq!(store.expired(i64::MAX - 1, 2).await, ids(&[2, 4]));
    assert_eq!(store.expired(i64::MAX - 1, 0).await, ids(&[]));
    // A retry takes it back into life.
    change(&*store, job(2).id, Vec::new(), |record| assert!(record.job(JobEvent::Retry, 4000, None))).await;
    assert_eq!(store.expired(i64::MAX - 1, 9).await, ids(&[4, 1]));
}

pub(crate) async fn jobs_are_counted_by_state(store: Arc<dyn Store>) {
    assert_eq!(store.counts().await, Ok(BTreeMap::new()));
    let mut wanted = BTreeMap::new();
    for (number, state) in (1..).zip(JobState::ALL.iter().chain(&[JobState::Queued, JobState::Queued])) {
        create(&*store, in_state(job(number), *state, CREATED)).await;
        *wanted.entry(*state).or_insert(0) += 1;
    }
    assert_eq!(store.counts().await, Ok(wanted.clone()));
    change(&*store, job(1).id, Vec::new(), |record| assert!(record.job(JobEvent::Begin, 0, None))).await;
    wanted.insert(JobState::Queued, 2);
    wanted.insert(JobState::Preparing, 2);
    assert_eq!(store.counts().await, Ok(wanted));
}

pub(crate) async fn the_queue_gets_what_is_not_over(store: Arc<dyn Store>) {
    let priorities = [Priority::High, Priority::Normal, Priority::Batch];
    let mut wanted = Vec::new();
    for (number, state) in (1..).zip(JobState::ALL) {
        let mut record = in_state(job(number), *state, CREATED);
        record.spec.priority = priorities[number as usize % 3];
        record.not_before_unix_ms = -(number as i64);
        let (priority, not_before_unix_ms) = (record.spec.priority, record.not_before_unix_ms);
        if !state.is_over() {
            wanted.push(Waiting { id: record.id, priority, not_before_unix_ms, state: *state });
        }
        create(&*store, record).await;
    }
    assert_eq!(store.unfinished().await, Ok(wanted.clone()));
    change(&*store, job(1).id, Vec::new(), |record| record.not_before_unix_ms = 77).await;
    wanted[0].not_before_unix_ms = 77;
    change(&*store, job(3).id, Vec::new(), |record| assert!(record.job(JobEvent::Succeed, 0, None))).await;
    wanted.remove(2);
    assert_eq!(store.unfinished().await, Ok(wanted));
}
