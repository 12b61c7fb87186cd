//! The spool of workers that spool nothing.

use crate::model::Problem;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// A directory for the time of a probe, which needs none but is given one, so that all workers start alike.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one where the system keeps such things.
    ///
    /// # Errors
    /// `output.unwritable`.
    pub fn make() -> Result<Self, Problem> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!("reelmill-probe-{}-{:016x}", std::process::id(), RandomState::new().hash_one(0));
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| {
            let message = format!("{} cannot be made: {error}; set TMPDIR to a writable directory", path.display());
            Problem::sink("output.unwritable", message)
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is lost when it stays: it is all but empty, and lies where systems clean up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
