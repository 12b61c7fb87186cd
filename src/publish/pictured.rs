//! A finished still or sheet between the worker that made it and the output that wants it.

use super::disk::refused;
use super::message::broken;
use super::sink::Body;
use super::spooled::{Release, check_spooled, own_name};
use crate::model::Problem;
use crate::model::stills::PictureRecord;
use crate::wire::v1;
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Largest side that a worker may tell of, pixels: far above what is planned.
const SIDE_MAX: u32 = 1 << 16;

/// A picture that a worker finished, taken out of its spool. When the output drops it, its file is removed and the room
/// is given back.
pub struct Pictured {
    set: String,
    record: PictureRecord,
    path: PathBuf,
    release: Option<Release>,
}

impl Pictured {
    /// Takes a picture out of a worker's spool directory `from` into `into`, which must be on the same file system, under
    /// a name of our own. Blocks on the disk.
    ///
    /// A worker is not trusted: what it says must be possible, and the file its own, of the size that it says.
    ///
    /// # Errors
    /// `worker.protocol`, `output.*`. Then nothing is left in `into`, and `release` is not called.
    pub fn take(from: &Path, into: &Path, message: v1::Picture, release: Release) -> Result<Self, Problem> {
        let v1::Picture { set, number, name, bytes, sha256, asked_us, time_us, end_us, tiles, width, height } = message;
        let mut parts = Path::new(&name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(broken("it named a file outside its spool"));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(broken("it sent a hash that is none"));
        }
        let possible = number > 0 && tiles > 0 && (0..=end_us).contains(&time_us);
        if !possible || ![width, height].iter().all(|side| (1..SIDE_MAX).contains(side)) {
            return Err(broken(&format!("picture {number} of {set} is impossible")));
        }
        let old = from.join(&name);
        check_spooled(&old, bytes)?;
        let path = into.join(own_name("picture"));
        fs::rename(&old, &path).map_err(|error| refused(&path, &error))?;
        // Its name at the destination is the output's to say.
        let name = String::new();
        let record = PictureRecord { number, name, asked_us, time_us, end_us, tiles, width, height, bytes, sha256 };
        Ok(Self { set, record, path, release: Some(release) })
    }

    /// The set that it belongs to, by its id in the work's plan.
    pub fn set(&self) -> &str {
        &self.set
    }

    /// What it is; its name at the destination is not said yet.
    pub(super) const fn record(&self) -> &PictureRecord {
        &self.record
    }

    /// The file as something to put; nobody else gets it.
    pub(super) fn body(&self) -> Body {
        Body::File { path: self.path.clone(), bytes: self.record.bytes, link: true }
    }
}

impl Drop for Pictured {
    fn drop(&mut self) {
        // What cannot be removed goes with the job's scratch directory.
        let _ = fs::remove_file(&self.path);
        if let Some(release) = self.release.take() {
            release(self.record.bytes);
        }
    }
}

impl fmt::Debug for Pictured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pictured").field("set", &self.set).field("record", &self.record).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> v1::Picture {
        v1::Picture {
            set: "stills-0".into(),
            number: 1,
            name: name.into(),
            bytes: 3,
            sha256: "0".repeat(64),
            asked_us: Some(5),
            time_us: 4,
            end_us: 4,
            tiles: 1,
            width: 16,
            height: 9,
        }
    }

    #[test]
    fn only_what_can_be_true_is_taken_and_it_goes_when_nobody_wants_it() {
        let directory = tempfile::tempdir().unwrap();
        let (from, into) = (directory.path().join("from"), directory.path().join("into"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&into).unwrap();
        fs::write(from.join("a"), [0; 3]).unwrap();
        let wrong = [
            message("../a"),
            message("b"),
            v1::Picture { number: 0, ..message("a") },
            v1::Picture { time_us: -1, ..message("a") },
            v1::Picture { bytes: 4, ..message("a") },
            v1::Picture { height: u32::MAX, ..message("a") },
            v1::Picture { sha256: "zz".into(), ..message("a") },
        ];
        for message in wrong {
            let taken = Pictured::take(&from, &into, message, Box::new(|_| panic!("no room was given")));
            assert_eq!(taken.unwrap_err().code, "worker.protocol");
        }
        let taken = Pictured::take(&from, &into, message("a"), Box::new(|bytes| assert_eq!(bytes, 3))).unwrap();
        assert_eq!((taken.record().number, fs::read_dir(&into).unwrap().count()), (1, 1));
        drop(taken);
        assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    }
}
