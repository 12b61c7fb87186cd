//! A full disk: what was answered holds, what was refused is not there, and it goes on when there is room.

use crate::fixture::{create, get, in_state, job};
use reelmill::model::JobId;
use reelmill::model::state::JobState;
use reelmill::store::{Created, Options, Query, Sqlite, Store, StoreError};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A job of about 20 KiB that is over.
fn large(number: u128) -> reelmill::model::JobRecord {
    let mut record = in_state(job(number), JobState::Stopped, 0);
    record.spec.labels.insert("long".into(), number.to_string().repeat(5000));
    record
}

/// Creates jobs from several tasks until each was refused, and gives the ids that were stored and those that were not.
async fn fill(store: &Arc<Sqlite>, from: u128) -> (Vec<JobId>, Vec<JobId>) {
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut made = Vec::new();
            for number in (from + task..).step_by(8) {
                let record = large(number);
                let id = record.id;
                match store.create(record, None).await {
                    Ok(Created::New(_)) => made.push(id),
                    Err(StoreError::Full(text)) => {
                        assert!(text.contains("full"), "{text}");
                        return (made, id);
                    }
                    other => panic!("{other:?}"),
                }
            }
            unreachable!("the disk is never full")
        });
    }
    let (made, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    (made.concat(), refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_told_and_costs_nothing_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { pages_max: Some(600), ..Options::default() };
    let store = Arc::new(Sqlite::open_with(dir.path(), options).unwrap());
    let (mut made, refused) = fill(&store, 1000).await;
    assert!(made.len() > 20, "{}", made.len());
    let check = async |made: &[JobId], refused: &[JobId]| {
        for id in made {
            let record = get(&*store, *id).await.record;
            assert_eq!(store.history(*id, 0, 9).await.unwrap().len(), 3);
            let page = store.list(Query { labels: record.spec.labels, limit: 9, ..Query::default() }).await.unwrap();
            assert_eq!(page.jobs.len(), 1);
        }
        for id in refused {
            assert_eq!(store.get(*id).await, Ok(None));
            assert_eq!(store.history(*id, 0, 9).await, Ok(Vec::new()));
        }
    };
    check(&made, &refused).await;

    // Deleting makes room.
    for id in made.drain(..10) {
        let revision = get(&*store, id).await.revision;
        store.delete(id, revision, Vec::new()).await.unwrap();
    }
    create(&*store, large(1)).await;
    let (more, refused) = fill(&store, 10_000).await;
    made.extend(more);
    check(&made, &refused).await;
    drop(store);

    // So does a larger disk.
    let store = Sqlite::open(dir.path()).unwrap();
    for number in 100..150 {
        create(&store, large(number)).await;
    }
    let db = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    let check = db.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0));
    assert_eq!(check.as_deref(), Ok("ok"));
    assert_eq!(store.counts().await.unwrap()[&JobState::Stopped], made.len() as u64 + 51);
}

/// By hand: `mount -t tmpfs -o size=8m none DIR`, and the variable names DIR.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a file system of a few MiB, named by REELMILL_TEST_SMALL_DISK"]
async fn a_disk_that_is_really_full_is_told_and_goes_on_when_it_is_not() {
    let disk = std::env::var("REELMILL_TEST_SMALL_DISK").unwrap();
    let dir = tempfile::tempdir_in(disk).unwrap();
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![1; 4 << 20]).unwrap();
    let store = Arc::new(Sqlite::open(&dir.path().join("state")).unwrap());
    let (mut made, _) = fill(&store, 1000).await;
    for number in 0..20 {
        match store.create(large(number), None).await {
            // Smaller than what was refused before.
            Ok(Created::New(_)) => made.push(JobId::from_number(number)),
            Err(StoreError::Full(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    std::fs::remove_file(ballast).unwrap();
    let (more, refused) = fill(&store, 10_000).await;
    assert!(made.len() > 20 && more.len() > 20, "{} {}", made.len(), more.len());
    made.extend(more);
    for id in made {
        get(&*store, id).await;
    }
    for id in refused {
        assert_eq!(store.get(id).await, Ok(None));
    }
}
