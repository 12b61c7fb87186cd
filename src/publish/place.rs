//! The output directory: claimed before anything is written, and left as it was when the job does not succeed.
//!
//! Everything that is not yet published lies in `OUT/.reelmill-spool-<pid>-<random>`, on the same file system, so that
//! publishing is a rename. What `--overwrite` replaces is renamed to `.NAME.reelmill-old-<pid>` beside it first, and
//! comes back when the job fails.

use super::disk::{self, refused};
use crate::model::Problem;
use crate::package::PROGRESSIVE;
use crate::sys::spawn::process_exists;
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The job report: also how an output of ours is recognised.
pub const REPORT_NAME: &str = "reelmill.json";
const SPOOL_PREFIX: &str = ".reelmill-spool-";
/// All that a job leaves in its output directory.
const OURS: [&str; 4] = ["cmaf", "ts", PROGRESSIVE, REPORT_NAME];

/// A claimed output directory. Dropped without [`Place::keep`], it is put back as it was.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    spool: PathBuf,
    /// Directories that were made for this job, outermost first.
    made: Vec<PathBuf>,
    /// Where the output that is being replaced waits.
    replaced: Option<PathBuf>,
    /// Nobody else writes here, so what lies there is this job's.
    claimed: bool,
    kept: bool,
}

impl Place {
    /// Whether `out` could be claimed, without touching it: so that a job that cannot end well does not begin.
    ///
    /// # Errors
    /// `output.exists`, `output.unwritable`.
    pub fn check(out: &Path, overwrite: bool) -> Result<(), Problem> {
        standing(out, overwrite).map(|_| ())
    }

    /// Claims `out`, making it and what is above it where needed.
    ///
    /// # Errors
    /// `output.exists`, `output.unwritable`, `output.full`.
    pub fn claim(out: &Path, overwrite: bool) -> Result<Self, Problem> {
        let failed = |error: io::Error| refused(out, &error);
        let mut place = Self {
            root: std::path::absolute(out).map_err(failed)?,
            spool: PathBuf::new(),
            made: Vec::new(),
            replaced: None,
            claimed: false,
            kept: false,
        };
        if standing(out, overwrite)? == Standing::Ours {
            place.set_aside()?;
        }
        place.make_root().map_err(failed)?;
        place.root = place.root.canonicalize().map_err(failed)?;
        let spool = place.root.join(format!("{SPOOL_PREFIX}{}-{:016x}", std::process::id(), disk::random()));
        fs::create_dir(&spool).map_err(failed)?;
        place.spool = spool;
        // Two jobs may both have found the directory empty; whoever now sees more than its own spool steps back.
        if fs::read_dir(&place.root).map_err(failed)?.count() > 1 {
            return Err(exists(out, "another job has just begun to write there"));
        }
        place.claimed = true;
        Ok(place)
    }

    /// The output directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new, empty directory in the spool.
    pub fn make_spool(&self, name: &str) -> Result<PathBuf, Problem> {
        let path = self.spool.join(name);
        fs::create_dir(&path).map_err(|error| refused(&path, &error))?;
        Ok(path)
    }

    /// Writes a file of the output so that readers see the old one or the new one, never a part: into the spool, then
    /// renamed. `durable` puts it on the disk first.
    pub fn replace_file(&self, relative: &str, body: &[u8], durable: bool) -> Result<(), Problem> {
        let (temporary, path) = (self.spool.join("replacement"), self.root.join(relative));
        disk::write(&temporary, body, durable).map_err(|error| refused(&path, &error))?;
        fs::rename(&temporary, &path).map_err(|error| refused(&path, &error))
    }

    /// The job has succeeded: what it wrote stays; the spool and what was replaced go.
    pub fn keep(mut self) -> Result<(), Problem> {
        fs::remove_dir_all(&self.spool).map_err(|error| refused(&self.spool, &error))?;
        disk::sync_directory(&self.root).map_err(|error| refused(&self.root, &error))?;
        self.kept = true;
        match self.replaced.take() {
            Some(old) => fs::remove_dir_all(&old).map_err(|error| refused(&old, &error)),
            None => Ok(()),
        }
    }

    fn set_aside(&mut self) -> Result<(), Problem> {
        self.root = self.root.canonicalize().map_err(|error| refused(&self.root, &error))?;
        let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| exists(&self.root, "it is the root of a file system"))?;
        let aside = self.root.with_file_name(format!(".{name}.reelmill-old-{}", std::process::id()));
        fs::rename(&self.root, &aside).map_err(|error| refused(&self.root, &error))?;
        self.replaced = Some(aside);
        Ok(())
    }

    fn make_root(&mut self) -> io::Result<()> {
        let missing: Vec<_> = self.root.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(&path) {
                Ok(()) => self.made.push(path),
                // Somebody else made it in the meantime; then it is not ours to remove.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn put_back(&self) {
        // Best effort: the reason for which the job failed (a full disk, a lost mount) may well stand in the way.
        if !self.spool.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.spool);
        }
        for path in OURS.iter().filter(|_| self.claimed).map(|name| self.root.join(name)) {
            let _ = if path.ends_with(REPORT_NAME) { fs::remove_file(path) } else { fs::remove_dir_all(path) };
        }
        for path in self.made.iter().rev() {
            let _ = fs::remove_dir(path);
        }
        if let Some(old) = &self.replaced {
            let _ = fs::rename(old, &self.root);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            self.put_back();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Standing {
    Free,
    /// Holds an output of ours that may be replaced.
    Ours,
}

fn standing(out: &Path, overwrite: bool) -> Result<Standing, Problem> {
    match fs::metadata(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Free),
        Err(error) => return Err(refused(out, &error)),
        Ok(metadata) if !metadata.is_dir() => {
            let message = format!("{} is not a directory; name another output directory", out.display());
            return Err(Problem::sink("output.unwritable", message));
        }
        Ok(_) => {}
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(out).map_err(|error| refused(out, &error))? {
        names.push(entry.map_err(|error| refused(out, &error))?.file_name().to_string_lossy().into_owned());
    }
    let spools: Vec<_> = names.iter().filter_map(|name| name.strip_prefix(SPOOL_PREFIX)).collect();
    let owner = |spool: &&str| spool.split('-').next().and_then(|pid| pid.parse().ok()).is_some_and(process_exists);
    if names.is_empty() {
        Ok(Standing::Free)
    } else if spools.iter().any(owner) {
        Err(exists(out, "another job is writing there"))
    } else if !overwrite {
        Err(exists(out, "it is not empty; name another, or replace an earlier output with --overwrite"))
    } else if spools.is_empty() && !holds_report(out) {
        Err(exists(out, "it holds something that reelmill did not make, so --overwrite leaves it alone"))
    } else {
        Ok(Standing::Ours)
    }
}

fn holds_report(out: &Path) -> bool {
    #[derive(Deserialize)]
    struct Marker {
        #[expect(dead_code, reason = "only its presence tells that the file is a job report")]
        reelmill: String,
    }
    let text = fs::read(out.join(REPORT_NAME)).unwrap_or_default();
    serde_json::from_slice::<Marker>(&text).is_ok()
}

fn exists(out: &Path, why: &str) -> Problem {
    Problem::input("output.exists", format!("{} cannot be written to: {why}", out.display()))
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
