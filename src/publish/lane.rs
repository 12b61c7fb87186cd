//! One track on its way into the ledger.
//!
//! Segments come in order from each span, but spans come side by side. A lane moves every segment into place at once,
//! and records it only when its predecessor is recorded: the ledger never has a gap. TS continuity counters
//! (ISO/IEC 13818-1 §2.4.3.3) run on from one segment to the next, so they are written when the order is known.

use super::disk::{self, refused};
use super::message::{Finished, broken};
use crate::model::ledger::{SegmentRecord, StoredFile, TrackRecord};
use crate::model::{Packaging, Problem};
use crate::package::ts::Continuity;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What every span of a track must agree on, so that the track has one init segment and no discontinuity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) init_sha256: Option<String>,
    pub(super) codec_string: String,
    pub(super) encoder: String,
}

/// Enough of a received segment to know it again.
#[derive(Debug)]
struct Seen {
    start: i64,
    duration: i64,
    hashes: Vec<(Packaging, String)>,
}

#[derive(Debug)]
struct Waiting {
    span: usize,
    record: SegmentRecord,
}

/// One track.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) identity: Option<Identity>,
    continuity: Continuity,
    seen: BTreeMap<u32, Seen>,
    /// In place, but not recorded, by start.
    waiting: BTreeMap<i64, Waiting>,
    directories: BTreeSet<Packaging>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            identity: None,
            continuity: Continuity::default(),
            seen: BTreeMap::new(),
            waiting: BTreeMap::new(),
            directories: BTreeSet::new(),
        }
    }

    /// The first index at or after `first` and before `end` that has not come yet. Indices may skip, so this is one
    /// past the last that came.
    pub(super) fn resume_point(&self, first: u32, end: Option<u32>) -> u32 {
        let range = self.seen.range(first..end.unwrap_or(u32::MAX));
        range.last().map_or(first, |(index, _)| index + 1)
    }

    /// Whether segments are in place that cannot be recorded for want of a predecessor.
    pub(super) fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether this segment came before, from an attempt that failed later. Then it must be the same: in its times, and
    /// where `reproducible` byte for byte.
    pub(super) fn repeats(&self, segment: &Finished, reproducible: bool) -> Result<bool, Problem> {
        let Some(seen) = self.seen.get(&segment.index) else { return Ok(false) };
        let same_times = (seen.start, seen.duration) == (segment.start, segment.duration);
        let same_bytes = seen.hashes.iter().map(|(packaging, hash)| (*packaging, hash.as_str())).eq(segment.hashes());
        if same_times && (same_bytes || !reproducible) {
            return Ok(true);
        }
        let message = format!("segment {} of {} came out differently the second time", segment.index, segment.track);
        Err(Problem::bug("encoder.not_reproducible", format!("{message}; report this source")))
    }

    /// Moves the files of a finished segment from the spool into `root` and keeps it until it can be recorded.
    pub(super) fn store(&mut self, root: &Path, spool: &Path, span: usize, segment: Finished) -> Result<(), Problem> {
        let mut files = Vec::with_capacity(segment.files.len());
        let hashes = segment.hashes().map(|(packaging, hash)| (packaging, hash.to_owned())).collect();
        for file in segment.files {
            let directory = directory(root, file.packaging, &segment.track);
            if self.directories.insert(file.packaging) {
                fs::create_dir_all(&directory).map_err(|error| refused(&directory, &error))?;
            }
            let name = match file.packaging {
                Packaging::Cmaf => format!("{}.{}", segment.start, file.packaging.extension()),
                Packaging::Ts => format!("{:05}.{}", segment.index, file.packaging.extension()),
            };
            let (from, path) = (spool.join(&file.name), directory.join(&name));
            check_spooled(&from, file.bytes)?;
            fs::rename(&from, &path).map_err(|error| refused(&path, &error))?;
            let (packaging, bytes) = (file.packaging, file.bytes);
            files.push(StoredFile { packaging, name, bytes, sha256: file.sha256, key_frames: file.key_frames });
        }
        let (index, start, duration, frames) = (segment.index, segment.start, segment.duration, segment.frames);
        self.seen.insert(index, Seen { start, duration, hashes });
        let record = SegmentRecord { index, start, duration, frames, files };
        self.waiting.insert(start, Waiting { span, record });
        Ok(())
    }

    /// Moves into `track` what now follows without a gap, and says which files are final. `begun` tells whether a span
    /// may hold the track's very first segment: every span before it is done.
    pub(super) fn record(
        &mut self,
        root: &Path,
        track: &mut TrackRecord,
        begun: impl Fn(usize) -> bool,
    ) -> Result<Vec<PathBuf>, Problem> {
        let mut stored = Vec::new();
        while let Some(next) = self.next_start(track, &begun) {
            let Some(mut waiting) = self.waiting.remove(&next) else { break };
            for file in &mut waiting.record.files {
                let path = directory(root, file.packaging, &track.id).join(&file.name);
                if file.packaging == Packaging::Ts {
                    file.sha256 = self.renumber(&path)?;
                }
                stored.push(path);
            }
            track.segments.push(waiting.record);
        }
        Ok(stored)
    }

    fn next_start(&self, track: &TrackRecord, begun: impl Fn(usize) -> bool) -> Option<i64> {
        if !track.segments.is_empty() {
            return Some(track.end());
        }
        let (start, first) = self.waiting.first_key_value()?;
        begun(first.span).then_some(*start)
    }

    /// Continues the counters of the previous segment in this file, which no manifest names yet. The new hash.
    fn renumber(&mut self, path: &Path) -> Result<String, Problem> {
        let mut bytes = fs::read(path).map_err(|error| refused(path, &error))?;
        let renumbered = self.continuity.renumber(&mut bytes);
        renumbered.map_err(|error| broken(&format!("a segment is no transport stream ({error})")))?;
        disk::write(path, &bytes, false).map_err(|error| refused(path, &error))?;
        Ok(disk::sha256(&bytes))
    }
}

/// Where a track's files of one packaging lie.
pub(super) fn directory(root: &Path, packaging: Packaging, track: &str) -> PathBuf {
    root.join(packaging.name()).join(track)
}

/// A worker is not trusted: what it calls a segment must be a file of its own, of the size that it says.
fn check_spooled(path: &Path, bytes: u64) -> Result<(), Problem> {
    let metadata = fs::symlink_metadata(path).map_err(|error| refused(path, &error))?;
    if metadata.is_file() && metadata.len() == bytes {
        return Ok(());
    }
    let message = format!("a worker announced a segment of {bytes} bytes that is not in its spool; report this");
    Err(Problem::bug("worker.protocol", message))
}
