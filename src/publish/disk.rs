//! Small operations on files, and what their errors mean to a client.

use crate::model::Problem;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// An error on the output's side as a problem: `output.full` when there is no room, else `output.unwritable`.
pub(super) fn refused(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::sink("output.full", format!("there is no room left for {path}; free some or choose another disk"))
        }
        _ => {
            Problem::sink("output.unwritable", format!("{path} cannot be written: {error}; check path and permissions"))
        }
    }
}

/// Writes a whole file; `durable` returns only when it is on the disk.
pub(super) fn write(path: &Path, body: &[u8], durable: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(body)?;
    if durable { file.sync_all() } else { Ok(()) }
}

/// Times that a directory is removed in which something appears meanwhile: what a cancelled task had begun on another thread
/// ends within one system call.
const REMOVALS: u32 = 10;

/// Makes a directory, on this thread: if another one did it, the directory of a task that is cancelled could appear after it
/// was removed.
pub(super) fn make_directory(path: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(path).map_err(|error| refused(path, &error))
}

/// Removes a directory with all that is in it, also what appears while that is done.
pub(super) fn remove_directory(path: &Path) {
    for _ in 0..REMOVALS {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
}

/// Puts the names in a directory on the disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A number that nobody else has: the standard library seeds each hasher from the system's random source.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hash::sha256;

    #[test]
    fn a_full_disk_is_told_from_a_forbidden_one() {
        let path = Path::new("/out");
        assert_eq!(refused(path, &io::Error::from_raw_os_error(libc::ENOSPC)).code, "output.full");
        assert_eq!(refused(path, &io::Error::from_raw_os_error(libc::EDQUOT)).code, "output.full");
        assert_eq!(refused(path, &io::Error::from_raw_os_error(libc::EACCES)).code, "output.unwritable");
    }

    #[test]
    fn hashes_are_the_standard_ones() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(random(), random());
    }
}
