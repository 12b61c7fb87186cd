//! From SQLite's errors to the store's.

use crate::store::StoreError;
use rusqlite::ErrorCode;
use std::fmt;

/// SQLITE_IOERR_SHMSIZE: the shared index of the log could not grow, which happens where there is no room.
const SHARED_MEMORY_SIZE: i32 = 10 | (19 << 8);

/// What is said when a thread of the store is gone.
pub(super) const ENDED: &str = "the store has ended after a fault of its own; start the daemon again";

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(cause, _) if is_full(cause) => Self::Full(error.to_string()),
            rusqlite::Error::SqliteFailure(cause, _) => Self::Broken(format!("{}{error}", hint(cause.code))),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// A record that cannot be written as JSON or read back: another program has written here.
pub(super) fn damaged(error: impl fmt::Display) -> StoreError {
    StoreError::Broken(format!("what is stored cannot be read: {error}"))
}

fn is_full(cause: &rusqlite::ffi::Error) -> bool {
    cause.code == ErrorCode::DiskFull || cause.extended_code == SHARED_MEMORY_SIZE
}

const fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::DatabaseCorrupt => "the database is damaged: ",
        ErrorCode::NotADatabase => "state.db is not a database: ",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "another program holds the database: ",
        ErrorCode::SystemIoFailure => "the disk failed: ",
        _ => "",
    }
}
