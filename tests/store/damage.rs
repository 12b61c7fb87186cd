//! The state directory: taken, damaged, not ours, of another version; and what is in it after a restart.

use crate::ending::whole;
use crate::fixture::{create, get, history, job};
use crate::ledger::header;
use reelmill::model::JobId;
use reelmill::store::{Created, IdempotencyKey, Sqlite, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What is said when the store cannot be opened; it must say so, and not hang or panic.
fn refusal(dir: &Path) -> String {
    match Sqlite::open(dir) {
        Err(StoreError::Broken(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("state.db")).unwrap()
}

#[test]
fn a_directory_that_is_in_use_is_refused_until_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sqlite::open(dir.path()).unwrap();
    for _ in 0..2 {
        let text = refusal(dir.path());
        assert!(text.contains("another daemon uses"), "{text}");
    }
    drop(first);
    drop(Sqlite::open(dir.path()).unwrap());
}

#[test]
fn a_directory_that_was_just_left_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sqlite::open(dir.path()).unwrap();
    let leaves = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        drop(first);
    });
    drop(Sqlite::open(dir.path()).unwrap());
    leaves.join().unwrap();
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open(dir.path()).unwrap());
    database(dir.path()).pragma_update(None, "user_version", 99).unwrap();
    let text = refusal(dir.path());
    assert!(text.contains("newer version (tables 99, this one knows "), "{text}");
    let version = database(dir.path()).pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    assert_eq!(version, Ok(99));
}

#[test]
fn what_another_program_wrote_is_refused() {
    for sql in ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7"] {
        let dir = tempfile::tempdir().unwrap();
        database(dir.path()).execute_batch(sql).unwrap();
        let text = refusal(dir.path());
        assert!(text.contains("belongs to another program"), "{text}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.db"), "This is not a database. ".repeat(1000)).unwrap();
    let text = refusal(dir.path());
    assert!(text.contains("not a database"), "{text}");
    let text = refusal(&dir.path().join("state.db"));
    assert!(text.contains("state.db cannot be made"), "{text}");
}

#[test]
fn only_we_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    let _store = Sqlite::open(&state).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for name in ["state.db", "state.db-wal", "state.db-shm", "state.lock"] {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_database_that_was_damaged_is_told_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    for number in 0..300 {
        create(&store, job(number)).await;
    }
    drop(store);
    let file = fs::File::options().write(true).open(dir.path().join("state.db")).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in (pages / 2)..pages {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    let store = Sqlite::open(dir.path()).unwrap();
    let mut broken = 0;
    for number in 0..300 {
        match store.get(JobId::from_number(number)).await {
            Ok(found) => assert!(found.is_none_or(|found| found.record.id == job(number).id)),
            Err(StoreError::Broken(text)) => {
                assert!(text.contains("damaged"), "{text}");
                broken += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(broken > 0);
    for number in 300..310 {
        match store.create(job(number), None).await {
            Ok(Created::New(_)) | Err(StoreError::Broken(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    whole(&store, 1).await;
    let gone = whole(&store, 2).await;
    let id = job(1).id;
    let before = (get(&store, id).await, history(&store, id).await, store.ledger(id).await, store.effects(id).await);
    store.delete(job(2).id, gone, Vec::new()).await.unwrap();
    drop(store);

    let store = Sqlite::open(dir.path()).unwrap();
    let after = (get(&store, id).await, history(&store, id).await, store.ledger(id).await, store.effects(id).await);
    assert_eq!(before, after);
    assert_eq!(store.document(id, "plan").await, Ok(Some(b"plan".to_vec())));
    assert_eq!(store.append(id, 1, vec![header(0, "c", "e")]).await, Ok(()));
    let key = IdempotencyKey { owner: "ada".into(), key: "1".into(), body_sha256: [1; 32] };
    assert_eq!(store.create(job(9), Some(key)).await, Ok(Created::Existed(id)));
    // The last revision belonged to a job that is gone; it is not given out again.
    assert_eq!(create(&store, job(3)).await, gone + 1);
}

#[tokio::test]
async fn a_deleted_job_leaves_no_row_in_any_table() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let rows = || {
        let db = database(dir.path());
        let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        let names = tables.query_map((), |row| row.get::<_, String>(0)).unwrap();
        // Bills are meant to outlive their jobs.
        let others = ["sequence", "sqlite_sequence", "usage"];
        let names = names.map(Result::unwrap).filter(|name| !others.contains(&name.as_str()));
        let count = |name: String| {
            let rows = db.query_row(&format!("SELECT count(*) FROM {name}"), (), |row| row.get::<_, i64>(0)).unwrap();
            (name, rows)
        };
        names.map(count).collect::<Vec<_>>()
    };
    let revision = whole(&store, 1).await;
    assert!(rows().len() > 10 && rows().iter().all(|(_, rows)| *rows > 0), "{:?}", rows());
    store.delete(job(1).id, revision, Vec::new()).await.unwrap();
    assert!(rows().iter().all(|(_, rows)| *rows == 0), "{:?}", rows());
}
