//! Whose a destination is, and how a local directory is claimed and given back.
//!
//! While a job owns `OUT`, `OUT/.reelmill/job` names the job, and the process that works on it holds a lock on that file,
//! which the kernel releases when the process dies. An earlier output that is replaced waits as `.NAME.reelmill-old-<job>`
//! beside `OUT`. When the job fails and that output goes back to its place, the segments that a retry will want wait as
//! `.NAME.reelmill-new-<job>`.

use super::{Claim, Leave, OURS, REPORT, SinkError, is_manifest};
use crate::model::spec::IfExists;
use crate::model::{JobId, Problem};
use crate::publish::disk::{self, refused};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Directory in the destination with all that is not published: the claim, and files on their way.
pub(super) const HIDDEN: &str = ".reelmill";
const MARKER: &str = "job";

/// What names the owner of a destination.
#[derive(Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) job: JobId,
    /// How many directories, from the destination upwards, were made for it.
    #[serde(default)]
    made: usize,
}

impl Marker {
    pub(super) const fn new(job: JobId) -> Self {
        Self { job, made: 0 }
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        format!("{{\"job\":\"{}\",\"made\":{}}}", self.job, self.made).into_bytes()
    }
}

/// Whether a file is the report of an output of ours.
pub(super) fn is_report(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Report {
        #[expect(dead_code, reason = "only its presence tells that the file is a job report")]
        reelmill: String,
    }
    serde_json::from_slice::<Report>(body).is_ok()
}

/// A directory that a job claims.
#[derive(Debug)]
pub(super) struct Directory {
    /// Absolute, without links.
    pub(super) root: PathBuf,
    pub(super) job: JobId,
}

/// What a claim finds.
enum Standing {
    Free,
    /// This job's, from an earlier attempt.
    Mine(File),
    /// This job's, put aside when an earlier attempt failed.
    MineAside,
    /// Made by another job that does not run; may be replaced.
    Ours,
    Taken(&'static str),
}

impl Directory {
    pub(super) fn check(&self, if_exists: IfExists, resuming: bool) -> Result<Claim, SinkError> {
        Ok(match self.look(if_exists, resuming)? {
            Some(_) => Claim::Free,
            None => Claim::Skip,
        })
    }

    /// Claims it; the open file holds the claim until it is closed. `None` when nothing is to be made.
    pub(super) fn claim(&self, if_exists: IfExists, resuming: bool) -> Result<Option<File>, SinkError> {
        let Some(standing) = self.look(if_exists, resuming)? else { return Ok(None) };
        let failed = |error| SinkError::from(refused(&self.root, &error));
        match standing {
            Standing::Mine(lock) => {
                self.remove_temporary();
                if !resuming {
                    self.remove_ours();
                }
                return Ok(Some(lock));
            }
            Standing::MineAside => {
                if self.root.exists() {
                    fs::rename(&self.root, self.beside("old")?).map_err(failed)?;
                }
                fs::rename(self.beside("new")?, &self.root).map_err(failed)?;
                let lock = File::options().read(true).write(true).open(self.marker()).map_err(failed)?;
                return lock.try_lock().map(|()| Some(lock)).map_err(|_| self.exists(BUSY).into());
            }
            Standing::Ours => fs::rename(&self.root, self.beside("old")?).map_err(failed)?,
            Standing::Free | Standing::Taken(_) => {}
        }
        self.make().map(Some).inspect_err(|_| self.put_old_back())
    }

    /// The claim goes, and what was set aside.
    pub(super) fn keep(&self) -> Result<(), SinkError> {
        let failed = |error| SinkError::from(refused(&self.root, &error));
        if self.is_mine() {
            fs::remove_dir_all(self.root.join(HIDDEN)).map_err(failed)?;
            disk::sync_directory(&self.root).map_err(failed)?;
        }
        let old = self.beside("old")?;
        match fs::remove_dir_all(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&old, &error).into()),
            _ => Ok(()),
        }
    }

    /// Gives it up. Best effort: the reason for which the job failed (a lost mount) may well stand in the way.
    pub(super) fn abandon(&self, leave: Leave) {
        let (Ok(old), Ok(new)) = (self.beside("old"), self.beside("new")) else { return };
        let mine = self.is_mine();
        if mine {
            self.remove_temporary();
        }
        match leave {
            Leave::Everything => {}
            Leave::Segments if mine => {
                self.remove_manifests();
                if old.is_dir() && fs::rename(&self.root, &new).is_ok() {
                    let _ = fs::rename(&old, &self.root);
                }
            }
            Leave::Segments => {}
            Leave::Nothing => {
                if mine {
                    let made = fs::read(self.marker()).ok().and_then(|body| Marker::read(&body)).map_or(0, |m| m.made);
                    self.remove_ours();
                    let _ = fs::remove_dir_all(self.root.join(HIDDEN));
                    self.remove_made(made);
                }
                let _ = fs::remove_dir_all(new);
                self.put_old_back();
            }
        }
    }

    /// What stands there and is to be done about it; `None` when nothing is to be made.
    fn look(&self, if_exists: IfExists, resuming: bool) -> Result<Option<Standing>, SinkError> {
        let standing = self.standing()?;
        match (standing, if_exists) {
            (standing @ (Standing::Mine(_) | Standing::MineAside), _) => Ok(Some(standing)),
            _ if resuming => {
                let message = format!("what an earlier attempt put into {} is gone; run the job anew", self.name());
                Err(Problem::sink("output.lost", message).into())
            }
            (Standing::Free, _) => Ok(Some(Standing::Free)),
            (_, IfExists::Skip) => Ok(None),
            (Standing::Ours, IfExists::Replace) => Ok(Some(Standing::Ours)),
            (Standing::Ours, IfExists::Fail) => {
                Err(self.exists("it is not empty; name another, or replace an earlier output").into())
            }
            (Standing::Taken(why), _) => Err(self.exists(why).into()),
        }
    }

    fn standing(&self) -> Result<Standing, SinkError> {
        let failed = |error| SinkError::from(refused(&self.root, &error));
        let aside = self.root.file_name().is_some() && self.beside("new")?.is_dir();
        match fs::metadata(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(if aside { Standing::MineAside } else { Standing::Free });
            }
            Err(error) => return Err(failed(error)),
            Ok(metadata) if !metadata.is_dir() => {
                let message = format!("{} is not a directory; name another output directory", self.name());
                return Err(Problem::sink("output.unwritable", message).into());
            }
            Ok(_) => {}
        }
        match File::options().read(true).write(true).open(self.marker()) {
            Ok(lock) => {
                if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
                    return Ok(Standing::Taken(BUSY));
                }
                if self.is_mine() {
                    return Ok(Standing::Mine(lock));
                }
                return Ok(if aside { Standing::Taken(BUSY) } else { Standing::Ours });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let empty = !fs::read_dir(&self.root).map_err(failed)?.flatten().any(|entry| !is_prepared(&entry));
        let ours = is_report(&fs::read(self.root.join(REPORT)).unwrap_or_default());
        Ok(match (empty, ours) {
            (true, _) | (_, true) if aside => Standing::MineAside,
            (true, _) => Standing::Free,
            (false, true) => Standing::Ours,
            (false, false) => Standing::Taken("it holds something that reelmill did not make"),
        })
    }

    /// Makes the directory and marks it. The mark appears together with the lock on it, or not at all.
    fn make(&self) -> Result<File, SinkError> {
        let failed = |error: io::Error| SinkError::from(refused(&self.root, &error));
        let missing: Vec<_> = self.root.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(&self.root).map_err(failed)?;
        let marker = Marker { job: self.job, made: missing.len() };
        let prepared = self.root.join(format!("{HIDDEN}-{:016x}", disk::random()));
        let marked = self.mark(&prepared, &marker);
        if marked.is_err() {
            let _ = fs::remove_dir_all(&prepared);
            self.remove_made(missing.len());
        }
        marked
    }

    fn mark(&self, prepared: &Path, marker: &Marker) -> Result<File, SinkError> {
        let failed = |error: io::Error| SinkError::from(refused(&self.root, &error));
        fs::create_dir(prepared).map_err(failed)?;
        let path = prepared.join(MARKER);
        disk::write(&path, &marker.write(), true).map_err(failed)?;
        let lock = File::options().read(true).write(true).open(&path).map_err(failed)?;
        // A file system without locks is no reason not to write there; two jobs at one place are then not told apart.
        let _ = lock.try_lock();
        // Fails when another job has done the same in the meantime: a directory that holds something is not replaced.
        let hidden = self.root.join(HIDDEN);
        fs::rename(prepared, &hidden).map_err(|_| self.exists("another job has just begun to write there"))?;
        for entry in fs::read_dir(&self.root).map_err(failed)?.flatten() {
            if is_prepared(&entry) {
                let _ = fs::remove_dir_all(entry.path());
            } else if entry.file_name() != HIDDEN {
                let _ = fs::remove_dir_all(&hidden);
                return Err(self.exists("somebody has just put something there").into());
            }
        }
        disk::sync_directory(&hidden).and_then(|()| disk::sync_directory(&self.root)).map_err(failed)?;
        Ok(lock)
    }

    fn is_mine(&self) -> bool {
        let marker = fs::read(self.marker()).ok().and_then(|body| Marker::read(&body));
        marker.is_some_and(|marker| marker.job == self.job)
    }

    /// Removes files that were on their way.
    fn remove_temporary(&self) {
        for entry in fs::read_dir(self.root.join(HIDDEN)).into_iter().flatten().flatten() {
            if entry.file_name() != MARKER {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn remove_ours(&self) {
        let _ = fs::remove_file(self.root.join(REPORT));
        for directory in OURS {
            let _ = fs::remove_dir_all(self.root.join(directory));
        }
    }

    fn remove_manifests(&self) {
        let _ = fs::remove_file(self.root.join(REPORT));
        let mut open: Vec<_> = OURS.iter().map(|name| self.root.join(name)).collect();
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                } else if is_manifest(&entry.file_name().to_string_lossy()) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    fn remove_made(&self, levels: usize) {
        for path in self.root.ancestors().take(levels) {
            let _ = fs::remove_dir(path);
        }
    }

    fn put_old_back(&self) {
        if let Ok(old) = self.beside("old")
            && old.is_dir()
        {
            // Empty, if it is there at all: what is not stays, and the old output beside it.
            let _ = fs::remove_dir(&self.root);
            let _ = fs::rename(old, &self.root);
        }
    }

    fn marker(&self) -> PathBuf {
        self.root.join(HIDDEN).join(MARKER)
    }

    fn beside(&self, what: &str) -> Result<PathBuf, SinkError> {
        let name = self.root.file_name().ok_or_else(|| self.exists("it is the root of a file system"))?;
        Ok(self.root.with_file_name(format!(".{}.reelmill-{what}-{}", name.to_string_lossy(), self.job)))
    }

    pub(super) fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn exists(&self, why: &str) -> Problem {
        Problem::input("output.exists", format!("{} cannot be written to: {why}", self.name()))
    }
}

/// Whether this is a mark that has not been put in its place: that of a process that was killed, or of one that comes too
/// late.
fn is_prepared(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().strip_prefix(HIDDEN).is_some_and(|rest| rest.starts_with('-'))
}

const BUSY: &str = "another job is writing there";
