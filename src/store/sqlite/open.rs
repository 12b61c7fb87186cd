//! The state directory: locked for one daemon, its database brought up to this version's tables.

use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The database in the state directory; its log stands beside it with `-wal` and `-shm` behind the name.
pub(super) const DATABASE: &str = "state.db";
/// Held for as long as the store is open.
const LOCK: &str = "state.lock";
/// How long it may be held by nobody: a process that a killed daemon was just starting has its open files until it runs a
/// program of its own.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Between two looks whether it is free.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// "Reel": tells our database from everybody else's.
const APPLICATION_ID: i32 = 0x5265_656c;
/// How long another program may hold the database: a person who looks into it, or a copy that is made of it.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared: more than there are, with the usual forms of lists.
const STATEMENTS_MAX: usize = 96;
/// Pages after which the log is carried over into the database: 8 MiB.
const LOG_PAGES: u32 = 2048;
/// Length to which the log is cut after it was carried over, bytes: a burst must not hold disk space for ever.
const LOG_BYTES_KEPT: u32 = 64 << 20;

/// Every version's changes of the tables, in order: the first makes version 1 of nothing. What was released is never
/// edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_jobs.sql"),
    include_str!("migrations/0002_usage.sql"),
    include_str!("migrations/0003_logs.sql"),
];

/// Makes the directory if there is none, and locks it.
///
/// # Errors
/// [`StoreError::Broken`] when it cannot be written, or another daemon has it.
pub(super) fn lock(state_dir: &Path) -> Result<(PathBuf, File), StoreError> {
    let failed = |what: &str, error: &io::Error| {
        let text = format!("{} cannot be {what}: {error}", state_dir.display());
        if error.kind() == io::ErrorKind::StorageFull { StoreError::Full(text) } else { StoreError::Broken(text) }
    };
    // Records have addresses in them that are nobody else's business.
    DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(|e| failed("made", &e))?;
    // Absolute, because SQLite takes a name that begins with `file:` for an address.
    let dir = state_dir.canonicalize().map_err(|e| failed("opened", &e))?;
    let file = private(&dir.join(LOCK)).map_err(|e| failed("written", &e))?;
    match taken(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let dir = dir.display();
            let text =
                format!("another daemon uses {dir}: stop that one, or give this one a state directory of its own");
            return Err(StoreError::Broken(text));
        }
        Err(TryLockError::Error(error)) => return Err(failed("locked", &error)),
    }
    private(&dir.join(DATABASE)).map_err(|e| failed("written", &e))?;
    Ok((dir, file))
}

/// Takes the lock, and waits a little for it where it is not free.
fn taken(file: &File) -> Result<(), TryLockError> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
}

/// The connection that writes, with the tables as this version knows them.
///
/// # Errors
/// [`StoreError::Broken`] when the file is none of ours, or of a newer version.
pub(super) fn writer(dir: &Path) -> Result<Connection, StoreError> {
    let mut db = connect(dir, OpenFlags::SQLITE_OPEN_READ_WRITE, 8 << 10)?;
    let journal: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        let text = format!("{} has no shared memory: put the state directory on a local disk", dir.display());
        return Err(StoreError::Broken(text));
    }
    // With a log, FULL is what makes a commit survive a power cut.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    migrate(&mut db, MIGRATIONS)?;
    Ok(db)
}

/// A connection that reads, while the writing one is open.
///
/// # Errors
/// Those of opening a file.
pub(super) fn reader(dir: &Path) -> Result<Connection, StoreError> {
    connect(dir, OpenFlags::SQLITE_OPEN_READ_ONLY, 4 << 10)
}

fn connect(dir: &Path, access: OpenFlags, cache_kib: i32) -> Result<Connection, StoreError> {
    // Each connection belongs to one thread.
    let db = Connection::open_with_flags(dir.join(DATABASE), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    db.pragma_update(None, "cache_size", -cache_kib)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    Ok(db)
}

/// Brings the tables up to this version, one version at a time, each in one transaction.
fn migrate(db: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let number = |db: &Connection, pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number(db, "application_id")?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if application != i64::from(APPLICATION_ID) && (application != 0 || tables != 0) {
        return Err(StoreError::Broken(format!("{DATABASE} belongs to another program; use another state directory")));
    }
    let version = number(db, "user_version")?;
    let known = migrations.len();
    let Some(rest) = usize::try_from(version).ok().and_then(|done| migrations.get(done..)) else {
        let text = format!(
            "{DATABASE} was written by a newer version (tables {version}, this one knows {known}): \
             run that version, or use another state directory"
        );
        return Err(StoreError::Broken(text));
    };
    for (sql, next) in rest.iter().zip(version + 1..) {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(sql)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", next)?;
        change.commit()?;
    }
    Ok(())
}

/// A file that only we can read, made if there is none.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sqlite;

    /// A state directory as the version left it that had so many migrations.
    fn of_version(migrations: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut db = Connection::open(dir.path().join(DATABASE)).unwrap();
        migrate(&mut db, migrations).unwrap();
        dir
    }

    #[test]
    fn what_any_earlier_version_left_is_brought_up_to_this_one() {
        for done in 0..=MIGRATIONS.len() {
            let dir = of_version(&MIGRATIONS[..done]);
            drop(Sqlite::open(dir.path()).unwrap());
            let db = Connection::open(dir.path().join(DATABASE)).unwrap();
            let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, MIGRATIONS.len() as i64, "from {done}");
        }
    }

    #[test]
    fn what_a_later_version_left_is_refused_in_a_sentence_and_kept() {
        let later = [MIGRATIONS, &["CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT"]].concat();
        let dir = of_version(&later);
        let refused = Sqlite::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("newer version") && refused.contains("run that version"), "{refused}");
        let mut db = Connection::open(dir.path().join(DATABASE)).unwrap();
        migrate(&mut db, &later).unwrap();
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let dir = of_version(MIGRATIONS);
        let mut db = Connection::open(dir.path().join(DATABASE)).unwrap();
        let broken = [MIGRATIONS, &["CREATE TABLE later (id INTEGER) STRICT; CREATE TABLE later (id INTEGER) STRICT"]];
        migrate(&mut db, &broken.concat()).unwrap_err();
        drop(db);
        drop(Sqlite::open(dir.path()).unwrap());
    }
}
