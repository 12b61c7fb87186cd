//! A finished segment between the worker that made it and the outputs that want it.

use super::disk::refused;
use super::message::{Finished, SpooledFile};
use super::sink::Body;
use crate::model::{Packaging, Problem};
use crate::wire::v1;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What gives room back to a worker when the bytes of a segment are gone.
pub type Release = Box<dyn FnOnce(u64) + Send + Sync>;

/// A segment that a worker finished, taken out of its spool; shared by all outputs that have the rendition. When the last
/// of them drops it, its files are removed and the room is given back.
pub struct Spooled {
    segment: Finished,
    directory: PathBuf,
    /// The output that may link the files; see [`Body::File`].
    linked_by: OnceLock<usize>,
    release: Option<Release>,
}

impl Spooled {
    /// Takes a segment out of a worker's spool directory `from` into `into`, which must be on the same file system, under
    /// names of our own. `packagings` are those that its rendition has. Blocks on the disk.
    ///
    /// A worker is not trusted: the segment must be possible, and its files its own, of the size that it says.
    ///
    /// # Errors
    /// `worker.protocol`, `output.*`. Then nothing is left in `into`, and `release` is not called.
    pub fn take(
        from: &Path,
        into: &Path,
        message: v1::Segment,
        packagings: &[Packaging],
        release: Release,
    ) -> Result<Self, Problem> {
        let mut segment = Finished::check(message, packagings)?;
        let files = std::mem::take(&mut segment.files);
        let mut taken = Self { segment, directory: into.to_owned(), linked_by: OnceLock::new(), release: None };
        for mut file in files {
            let old = from.join(&file.name);
            check_spooled(&old, file.bytes)?;
            file.name = own_name(file.packaging.extension());
            let new = into.join(&file.name);
            fs::rename(&old, &new).map_err(|error| refused(&new, &error))?;
            taken.segment.files.push(file);
        }
        taken.release = Some(release);
        Ok(taken)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.segment.files.iter().map(|file| file.bytes).sum()
    }

    /// The rendition, by its id in the work's plan.
    pub fn track(&self) -> &str {
        &self.segment.track
    }

    /// Index on the grid.
    pub const fn index(&self) -> u32 {
        self.segment.index
    }

    /// Presentation time of its first frame, ticks.
    pub const fn start(&self) -> i64 {
        self.segment.start
    }

    /// Time to the next segment, ticks.
    pub const fn duration(&self) -> i64 {
        self.segment.duration
    }

    pub(super) const fn segment(&self) -> &Finished {
        &self.segment
    }

    pub(super) fn file(&self, packaging: Packaging) -> Option<&SpooledFile> {
        self.segment.files.iter().find(|file| file.packaging == packaging)
    }

    pub(super) fn path(&self, file: &SpooledFile) -> PathBuf {
        self.directory.join(&file.name)
    }

    /// A file of it as something to put. The first output that asks may link the files, others copy them, so that two
    /// outputs never share a file that somebody may edit.
    pub(super) fn body(&self, file: &SpooledFile, output: usize) -> Body {
        let link = *self.linked_by.get_or_init(|| output) == output;
        Body::File { path: self.path(file), bytes: file.bytes, link }
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        for file in &self.segment.files {
            // What cannot be removed goes with the job's scratch directory.
            let _ = fs::remove_file(self.path(file));
        }
        if let Some(release) = self.release.take() {
            release(self.bytes());
        }
    }
}

impl fmt::Debug for Spooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooled").field("segment", &self.segment).finish_non_exhaustive()
    }
}

/// A name that nothing else in the directory has.
pub(super) fn own_name(extension: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016}.{extension}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a worker calls a segment must be a file of its own, of the size that it says.
pub(super) fn check_spooled(path: &Path, bytes: u64) -> Result<(), Problem> {
    let announced = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes);
    if announced {
        return Ok(());
    }
    let message = format!("a worker announced a segment of {bytes} bytes that is not in its spool; report this");
    Err(Problem::bug("worker.protocol", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const TS: [Packaging; 1] = [Packaging::Ts];

    fn message(files: &[(&str, &str, u64)]) -> v1::Segment {
        let file = |(packaging, name, bytes): &(&str, &str, u64)| v1::SpoolFile {
            packaging: (*packaging).into(),
            name: (*name).into(),
            bytes: *bytes,
            sha256: "0".repeat(64),
            key_frames: Vec::new(),
        };
        let files = files.iter().map(file).collect();
        v1::Segment { track: "720p".into(), index: 1, start: 4, duration: 4, frames: 1, files }
    }

    #[test]
    fn files_go_and_room_comes_back_with_the_last_clone() {
        let directory = tempfile::tempdir().unwrap();
        let (from, into) = (directory.path().join("from"), directory.path().join("into"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&into).unwrap();
        fs::write(from.join("a"), [0; 188]).unwrap();
        let room = Arc::new(AtomicU64::new(0));
        let given = Arc::clone(&room);
        let release = Box::new(move |bytes| given.store(bytes, Ordering::Relaxed));
        let first = Arc::new(Spooled::take(&from, &into, message(&[("ts", "a", 188)]), &TS, release).unwrap());
        let second = Arc::clone(&first);
        let file = first.file(Packaging::Ts).unwrap();
        assert!(first.path(file).exists() && !from.join("a").exists());
        let links = |output| matches!(first.body(file, output), Body::File { link: true, .. });
        assert!(links(1) && !links(0) && links(1), "one output alone may link");
        drop(first);
        assert_eq!((fs::read_dir(&into).unwrap().count(), room.load(Ordering::Relaxed)), (1, 0));
        drop(second);
        assert_eq!((fs::read_dir(&into).unwrap().count(), room.load(Ordering::Relaxed)), (0, 188));
    }

    #[test]
    fn what_is_not_the_workers_own_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let (from, into) = (directory.path().join("from"), directory.path().join("into"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&into).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        fs::write(from.join("cut"), [0; 187]).unwrap();
        fs::write(directory.path().join("secret"), [0; 188]).unwrap();
        let both = [Packaging::Cmaf, Packaging::Ts];
        for name in ["absent", "link", "cut", "sub", "../secret"] {
            fs::write(from.join("good"), [0; 4]).unwrap();
            let message = message(&[("cmaf", "good", 4), ("ts", name, 188)]);
            let taken = Spooled::take(&from, &into, message, &both, Box::new(|_| panic!("no room was given")));
            assert_eq!(taken.unwrap_err().code, "worker.protocol", "{name}");
            assert_eq!(fs::read_dir(&into).unwrap().count(), 0, "{name}");
        }
    }
}
