//! What cannot be brought about from outside: panics in the threads, and a store that is dropped over its work.

use super::*;
use crate::model::job::Subject;
use crate::model::state::OutputState;
use crate::store::hub::News;
use std::sync::mpsc;
use std::time::Duration;

fn open() -> (tempfile::TempDir, Arc<Sqlite>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(dir.path()).unwrap());
    (dir, store)
}

/// Fails instead of waiting for ever.
async fn soon<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("nobody waits for ever")
}

/// Keeps the writer busy until the sender is dropped, and says when it is.
fn hold(store: &Arc<Sqlite>) -> (mpsc::Sender<()>, tokio::sync::oneshot::Receiver<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, busy) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let hold = move |_: &mut writer::Changing<'_>| {
            let _told = begun.send(());
            let _released = held.recv();
            Ok(())
        };
        store.writer.call(hold).await
    });
    (release, busy)
}

/// Asks for `answer` and leaves it, accepted.
async fn leave<T>(answer: impl Future<Output = T>) {
    tokio::select! {
        biased;
        _ = answer => panic!("it cannot be answered yet"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn a_panic_of_the_writer_is_told_to_everyone_and_nothing_of_it_stays() {
    let (dir, store) = open();
    let (release, busy) = hold(&store);
    soon(busy).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        waiting.spawn(async move {
            let work = move |change: &mut writer::Changing<'_>| {
                change
                    .prepare("INSERT INTO sequence VALUES (1, 0) ON CONFLICT DO UPDATE SET revision = 99")?
                    .execute(())?;
                assert_ne!(number, 10, "as it was meant to");
                Ok(())
            };
            store.writer.call(work).await
        });
    }
    // All of them are handed over before the writer goes on.
    tokio::task::yield_now().await;
    drop(release);
    for answer in soon(waiting.join_all()).await {
        assert!(matches!(answer, Ok(()) | Err(StoreError::Broken(_))));
    }
    assert!(matches!(soon(store.delete(JobId::from_number(1), 1, Vec::new())).await, Err(StoreError::Broken(_))));
    // Who reads is not concerned.
    assert_eq!(soon(store.get(JobId::from_number(1))).await, Ok(None));
    drop(store);
    let store = Sqlite::open(dir.path()).unwrap();
    assert_eq!(soon(store.counts()).await, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn a_question_that_panics_fails_alone() {
    let (_dir, store) = open();
    for _ in 0..10 {
        let answer: Result<(), _> = soon(store.readers.call(|_| panic!("as it was meant to"))).await;
        assert!(matches!(answer, Err(StoreError::Broken(_))));
    }
    assert_eq!(soon(store.get(JobId::from_number(1))).await, Ok(None));
}

#[tokio::test]
async fn what_was_accepted_is_committed_when_the_store_is_dropped() {
    let (dir, store) = open();
    let (release, busy) = hold(&store);
    soon(busy).await.unwrap();
    for _ in 0..100 {
        leave(store.writer.call(|change| {
            change.revision += 1;
            Ok(())
        }))
        .await;
    }
    drop(release);
    // The task that holds the writer has a handle too; the last one waits for the thread.
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
    drop(store);
    let store = Sqlite::open(dir.path()).unwrap();
    let revision = soon(store.writer.call(|change| Ok(change.revision))).await;
    assert_eq!(revision, Ok(100));
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_disturbs_nobody_in_its_batch() {
    let (_dir, store) = open();
    let id = JobId::from_number(1);
    let mut told = store.subscribe(id);
    let (release, busy) = hold(&store);
    soon(busy).await.unwrap();
    let mut batch = tokio::task::JoinSet::new();
    for number in 0..10_i64 {
        let store = Arc::clone(&store);
        batch.spawn(async move {
            let work = move |change: &mut writer::Changing<'_>| {
                change.revision += 1;
                let sql = "INSERT INTO effects (job, created_unix_ms, body, state) VALUES (x'00', ?1, '', 'done')";
                change.prepare(sql)?.execute([number])?;
                let subject = Subject::Playable(number as usize, OutputState::Running);
                let changed = Change { revision: change.revision, unix_ms: 0, subject, problem: None };
                change.news.push(News::Changed(Arc::new(Told { id, change: changed, last: false })));
                if number % 2 == 0 { Ok(number) } else { Err(StoreError::Conflict) }
            };
            store.writer.call(work).await
        });
    }
    tokio::task::yield_now().await;
    drop(release);
    let answers = soon(batch.join_all()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
    let count =
        store.readers.call(|db| Ok(db.query_row("SELECT count(*) FROM effects", (), |row| row.get::<_, i64>(0))?));
    assert_eq!(soon(count).await, Ok(5));
    assert_eq!(soon(store.writer.call(|change| Ok(change.revision))).await, Ok(5));
    for revision in 1..=5 {
        assert_eq!(told.try_recv().unwrap().change.revision, revision);
    }
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_commit_is_flushed_to_the_disk_and_keys_are_checked() {
    let (_dir, store) = open();
    // 2 is FULL: only then does a commit in the log survive a power cut.
    for (pragma, wanted) in [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1")] {
        let read = move |change: &mut writer::Changing<'_>| {
            let mut read = change.prepare(&format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"))?;
            Ok(read.query_row((), |row| row.get::<_, String>(0))?)
        };
        assert_eq!(soon(store.writer.call(read)).await.as_deref(), Ok(wanted), "{pragma}");
    }
}
