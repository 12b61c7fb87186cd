//! Ledger and documents: their order, and who may write them.

use crate::fixture::{CREATED, ODD, create, events, in_state, job};
use reelmill::model::ledger::{KeyFrame, StoredFile};
use reelmill::model::state::{JobEvent, JobState};
use reelmill::model::{Packaging, SegmentRecord};
use reelmill::store::{LedgerEntry, LedgerRow, LedgerSegment, Store, StoreError, TrackHeader};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn header(output: usize, track: &str, encoder: &str) -> LedgerRow {
    let init_sha256 = (output != 1).then(|| "0".repeat(64));
    let header = TrackHeader {
        codec_string: "avc1.640028".into(),
        init_sha256,
        init_bytes: 700,
        encoder: encoder.into(),
        generation: 1,
    };
    LedgerRow { output, track: track.into(), entry: LedgerEntry::Track(header) }
}

pub(crate) fn segment(output: usize, track: &str, index: u32, start: i64) -> LedgerRow {
    let file = StoredFile {
        packaging: Packaging::Ts,
        name: format!("{index:05}.ts"),
        bytes: u64::MAX,
        sha256: "f".repeat(64),
        key_frames: vec![KeyFrame { offset: 0, bytes: 188, time: start }],
        at: None,
    };
    let record = SegmentRecord { index, start, duration: 360_000, frames: 100, files: vec![file] };
    let continuity = BTreeMap::from([(0, 3), (256, 15)]);
    LedgerRow {
        output,
        track: track.into(),
        entry: LedgerEntry::Segment(LedgerSegment { record, continuity, generation: 1 }),
    }
}

/// A job in its first attempt.
async fn running(store: &dyn Store) {
    create(store, in_state(job(1), JobState::Running, CREATED)).await;
}

pub(crate) async fn a_ledger_comes_back_in_its_order(store: Arc<dyn Store>) {
    running(&*store).await;
    let id = job(1).id;
    assert_eq!(store.ledger(id).await, Ok(Vec::new()));
    let parts = [
        vec![header(2, "z", "e"), segment(2, "z", 1, 500), segment(2, "z", 0, -20)],
        vec![segment(0, "late", 7, 7), header(0, "a", "e"), segment(0, "a", 10, 10), segment(0, "a", 9, 9)],
        // The header of a track that began with a segment.
        vec![header(0, "late", "e"), segment(0, "a", 2, 2), header(2, "a", "e")],
        // By start, where the index says otherwise.
        vec![segment(2, "z", u32::MAX, 100)],
    ];
    for part in parts {
        store.append(id, 1, part).await.unwrap();
    }
    let wanted = vec![
        header(0, "late", "e"),
        segment(0, "late", 7, 7),
        header(0, "a", "e"),
        segment(0, "a", 2, 2),
        segment(0, "a", 9, 9),
        segment(0, "a", 10, 10),
        header(2, "z", "e"),
        segment(2, "z", 0, -20),
        segment(2, "z", u32::MAX, 100),
        segment(2, "z", 1, 500),
        header(2, "a", "e"),
    ];
    assert_eq!(store.ledger(id).await, Ok(wanted));
    assert_eq!(store.ledger(job(2).id).await, Ok(Vec::new()));
}

pub(crate) async fn a_row_that_is_there_is_replaced_where_it_is(store: Arc<dyn Store>) {
    running(&*store).await;
    let id = job(1).id;
    let first = vec![header(0, "a", "old"), segment(0, "a", 0, 0), header(0, "b", "e"), segment(0, "b", 0, 0)];
    store.append(id, 1, first).await.unwrap();
    let again = vec![segment(0, "b", 0, 5), segment(0, "a", 0, 1), segment(0, "a", 0, 2), header(0, "a", "new")];
    store.append(id, 1, again).await.unwrap();
    let wanted = vec![header(0, "a", "new"), segment(0, "a", 0, 2), header(0, "b", "e"), segment(0, "b", 0, 5)];
    assert_eq!(store.ledger(id).await, Ok(wanted));
}

pub(crate) async fn outputs_are_forgotten_one_by_one(store: Arc<dyn Store>) {
    running(&*store).await;
    create(&*store, in_state(job(2), JobState::Running, CREATED)).await;
    let id = job(1).id;
    let rows = |output| vec![header(output, "a", "e"), segment(output, "a", 0, 0), header(output, "b", "e")];
    for output in 0..3 {
        store.append(id, 1, rows(output)).await.unwrap();
    }
    store.append(job(2).id, 1, rows(1)).await.unwrap();
    store.forget(id, 1, 1).await.unwrap();
    store.forget(id, 1, 9).await.unwrap();
    assert_eq!(store.ledger(id).await, Ok([rows(0), rows(2)].concat()));
    assert_eq!(store.ledger(job(2).id).await, Ok(rows(1)));
    // It begins anew, in an order of its own.
    let anew = vec![header(1, "b", "e"), header(1, "a", "e")];
    store.append(id, 1, anew.clone()).await.unwrap();
    assert_eq!(store.ledger(id).await, Ok([rows(0), anew, rows(2)].concat()));
}

pub(crate) async fn only_the_current_attempt_may_write(store: Arc<dyn Store>) {
    running(&*store).await;
    let id = job(1).id;
    let rows = vec![header(0, "a", "e"), segment(0, "a", 0, 0)];
    store.append(id, 1, rows.clone()).await.unwrap();
    store.put_document(id, 1, "plan", b"first".to_vec()).await.unwrap();
    // Suspended, the attempt still owns what it made; the next one takes it over when it begins.
    events(&*store, id, &[JobEvent::Suspend], CREATED).await;
    store.append(id, 1, vec![]).await.unwrap();
    events(&*store, id, &[JobEvent::Begin], CREATED).await;
    for attempt in [0, 1, 3, u32::MAX] {
        let late = vec![segment(0, "a", 0, 99), segment(0, "b", 0, 0)];
        assert_eq!(store.append(id, attempt, late).await, Err(StoreError::Fenced));
        assert_eq!(store.append(id, attempt, Vec::new()).await, Err(StoreError::Fenced));
        assert_eq!(store.forget(id, attempt, 0).await, Err(StoreError::Fenced));
        assert_eq!(store.put_document(id, attempt, "plan", Vec::new()).await, Err(StoreError::Fenced));
    }
    assert_eq!(store.ledger(id).await, Ok(rows.clone()));
    assert_eq!(store.document(id, "plan").await, Ok(Some(b"first".to_vec())));
    store.append(id, 2, vec![segment(0, "a", 1, 1)]).await.unwrap();
    store.put_document(id, 2, "plan", b"second".to_vec()).await.unwrap();
    assert_eq!(store.ledger(id).await, Ok([rows, vec![segment(0, "a", 1, 1)]].concat()));

    let nobody = job(9).id;
    assert_eq!(store.append(nobody, 0, vec![header(0, "a", "e")]).await, Err(StoreError::NotFound));
    assert_eq!(store.forget(nobody, 0, 0).await, Err(StoreError::NotFound));
    assert_eq!(store.put_document(nobody, 0, "plan", Vec::new()).await, Err(StoreError::NotFound));
    assert_eq!(store.ledger(nobody).await, Ok(Vec::new()));
}

pub(crate) async fn documents_are_kept_by_name(store: Arc<dyn Store>) {
    running(&*store).await;
    create(&*store, job(2)).await;
    let id = job(1).id;
    let long: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    for (name, body) in [("plan", long.clone()), ("empty", Vec::new()), ("plan", long.clone()), ("other", vec![0])] {
        store.put_document(id, 1, name, body).await.unwrap();
    }
    assert_eq!(store.document(id, "plan").await, Ok(Some(long)));
    assert_eq!(store.document(id, "empty").await, Ok(Some(Vec::new())));
    assert_eq!(store.document(id, "none").await, Ok(None));
    assert_eq!(store.document(job(2).id, "plan").await, Ok(None));
    store.put_document(id, 1, "plan", b"short".to_vec()).await.unwrap();
    assert_eq!(store.document(id, "plan").await, Ok(Some(b"short".to_vec())));
}

pub(crate) async fn many_rows_at_once_are_one_append(store: Arc<dyn Store>) {
    running(&*store).await;
    let id = job(1).id;
    let mut rows = Vec::new();
    for track in ODD {
        rows.push(header(0, track, track));
        rows.extend((0..300).map(|index| segment(0, track, index, i64::from(index) * 360_000)));
    }
    store.append(id, 1, rows.clone()).await.unwrap();
    assert!(store.ledger(id).await == Ok(rows));
}
