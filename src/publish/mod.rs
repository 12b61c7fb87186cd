//! From a worker's spool to the output: segments moved into place, recorded in the ledger, named by manifests.
//! Step 8 of a job's life.
//!
//! Everything here blocks on the disk, so the dispatcher calls it away from its loop. Invariants:
//! - the ledger holds a segment only when its files are in place and everything before it on its track is recorded;
//! - a manifest names only what the ledger holds; it is replaced as a whole, media playlists before masters;
//! - the final manifests are written only after everything is on the disk and has passed `package::verify`;
//! - progressive MP4 files are made of what has passed, and before the final manifests;
//! - until [`Publisher::keep`], dropping the publisher puts the output directory back as it was.

mod disk;
mod fragments;
mod lane;
mod manifests;
mod message;
pub mod output;
mod place;
mod progressive;
mod retry;
pub mod sink;
mod spooled;
mod sync;
mod tracks;

pub use place::{Place, REPORT_NAME};
pub use retry::{check, claim};
pub use spooled::{Release, Spooled};

use crate::model::ledger::{ProgressiveFile, SegmentRecord};
use crate::model::plan::Note;
use crate::model::{Ledger, Packaging, Plan, Problem};
use crate::package::verify::verify;
use crate::package::{LiveClock, PROGRESSIVE};
use crate::wire::v1;
use disk::refused;
use lane::{Identity, Lane};
use manifests::Manifests;
use message::{Finished, broken};
use std::fs;
use std::path::{Path, PathBuf};
use sync::Syncer;

/// Milliseconds between two renderings of growing manifests: players ask for them about once a segment.
const REFRESH_MS: u64 = 500;
/// While every rung has at most so many segments, manifests follow each one: players wait for the first ones.
const EAGER_SEGMENTS: usize = 3;

/// What is made by whom: video in spans, all audio in one pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// The video span at this position of the plan.
    Video(usize),
    /// The audio pass.
    Audio,
}

impl Part {
    /// The parts of a plan, the audio pass first: it is short, and no stream plays without its sound.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let video = plan.video.iter().flat_map(|_| (0..plan.spans.len()).map(Self::Video));
        let audio = (!plan.audio.is_empty()).then_some(Self::Audio);
        audio.into_iter().chain(video).collect()
    }
}

/// A segment that is now in the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The track.
    pub track: String,
    /// Its index on the grid.
    pub index: u32,
    /// Bytes over all packagings.
    pub bytes: u64,
    /// Where the recorded part of the track ends, microseconds.
    pub end_us: i64,
}

/// The output of one job while it is made.
#[derive(Debug)]
pub struct Publisher {
    place: Place,
    packagings: Vec<Packaging>,
    ledger: Ledger,
    /// One for each track of the ledger, in its order.
    lanes: Vec<Lane>,
    done: Vec<Part>,
    manifests: Manifests,
    progressive: Vec<ProgressiveFile>,
    syncer: Syncer,
    started_unix_ms: i64,
    refreshed_ms: Option<u64>,
    dirty: bool,
}

impl Publisher {
    /// A publisher for a plan, with nothing published.
    ///
    /// # Errors
    /// `output.unwritable` when the thread that syncs cannot be started.
    pub fn new(place: Place, plan: &Plan, started_unix_ms: i64) -> Result<Self, Problem> {
        let syncer = Syncer::start().map_err(|error| refused(place.root(), &error))?;
        let tracks = tracks::of(plan);
        Ok(Self {
            place,
            packagings: plan.packagings.clone(),
            lanes: tracks.iter().map(|_| Lane::new()).collect(),
            ledger: Ledger { segment_ms: plan.grid.segment_ms, tracks, complete: false },
            done: Vec::new(),
            manifests: Manifests::default(),
            progressive: Vec::new(),
            syncer,
            started_unix_ms,
            refreshed_ms: None,
            dirty: false,
        })
    }

    /// What has been recorded.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The manifests that have been written, by path below the output directory.
    pub fn manifests(&self) -> impl Iterator<Item = &str> {
        self.manifests.paths()
    }

    /// The progressive MP4 files that have been made.
    pub fn progressive(&self) -> &[ProgressiveFile] {
        &self.progressive
    }

    /// A new spool directory for one worker.
    pub fn make_spool(&self, name: &str) -> Result<PathBuf, Problem> {
        self.place.make_spool(name)
    }

    /// Stores what comes before a track's first segment, or compares it with what another span or attempt sent.
    ///
    /// # Errors
    /// `encoder.identity_changed` when it differs, `worker.protocol`, `output.*`.
    pub fn init(&mut self, message: &v1::Init) -> Result<(), Problem> {
        let position = self.position(&message.track)?;
        let (track, lane) = (&mut self.ledger.tracks[position], &mut self.lanes[position]);
        let in_cmaf = self.packagings.contains(&Packaging::Cmaf) && track.in_packaging(Packaging::Cmaf);
        if in_cmaf == message.init_segment.is_empty() {
            return Err(broken(&format!("the initialisation segment of {} does not fit its packagings", track.id)));
        }
        let identity = Identity {
            init_sha256: in_cmaf.then(|| disk::sha256(&message.init_segment)),
            codec_string: message.codec_string.clone(),
            encoder: message.encoder.clone(),
        };
        if let Some(known) = &lane.identity {
            if *known == identity {
                return Ok(());
            }
            let message = format!("{} was made by two different encoder set-ups; report this source", track.id);
            return Err(Problem::bug("encoder.identity_changed", message));
        }
        if in_cmaf {
            let directory = lane::directory(self.place.root(), Packaging::Cmaf, &track.id);
            fs::create_dir_all(&directory).map_err(|error| refused(&directory, &error))?;
            let path = directory.join("init.mp4");
            disk::write(&path, &message.init_segment, false).map_err(|error| refused(&path, &error))?;
            self.syncer.add(path);
        }
        track.init_sha256.clone_from(&identity.init_sha256);
        track.codec_string.clone_from(&identity.codec_string);
        track.encoder.clone_from(&identity.encoder);
        lane.identity = Some(identity);
        Ok(())
    }

    /// Takes a finished segment out of a worker's spool, and records it and whatever waited for it. A segment that came
    /// before, from an attempt that failed later, is compared and thrown away.
    ///
    /// # Errors
    /// `worker.protocol`, `encoder.not_reproducible`, `output.*`.
    pub fn segment(&mut self, part: Part, spool: &Path, message: v1::Segment) -> Result<Vec<Recorded>, Problem> {
        let position = self.position(&message.track)?;
        let (track, lane) = (&self.ledger.tracks[position], &mut self.lanes[position]);
        let span = match part {
            Part::Video(span) if track.is_video() => span,
            Part::Audio if !track.is_video() => 0,
            _ => return Err(broken("it made a track that it was not asked for")),
        };
        if lane.identity.is_none() {
            return Err(broken("a segment came before its initialisation"));
        }
        let packagings: Vec<_> = self.packagings.iter().copied().filter(|p| track.in_packaging(*p)).collect();
        let segment = Finished::check(message, &packagings)?;
        if lane.repeats(&segment, part == Part::Audio)? {
            for file in &segment.files {
                let path = spool.join(&file.name);
                fs::remove_file(&path).map_err(|error| refused(&path, &error))?;
            }
            return Ok(Vec::new());
        }
        lane.store(self.place.root(), spool, span, segment)?;
        self.record(position)
    }

    /// A part has made all it has to. What waited only for it is recorded; audio tracks that turned out to have no
    /// sound are dropped, each with a note.
    pub fn part_done(&mut self, part: Part) -> Result<(Vec<Recorded>, Vec<Note>), Problem> {
        self.done.push(part);
        let mut recorded = Vec::new();
        for position in 0..self.lanes.len() {
            recorded.extend(self.record(position)?);
        }
        let notes = if part == Part::Audio { self.drop_silent_tracks() } else { Vec::new() };
        Ok((recorded, notes))
    }

    /// Where a new attempt at a part has to begin; `None` when nothing of it is missing. Audio begins at its start.
    pub fn resume_point(&self, part: Part, plan: &Plan) -> Option<u32> {
        let Part::Video(span) = part else { return Some(0) };
        let range = plan.spans.get(span)?;
        let lanes = self.lanes.iter().zip(&self.ledger.tracks).filter(|(_, track)| track.is_video());
        let first = lanes.map(|(lane, _)| lane.resume_point(range.first, range.end)).min()?;
        range.end.is_none_or(|end| first < end).then_some(first)
    }

    /// Renders growing manifests when there is something new and the last time is long enough ago. `now_ms` is on a
    /// clock that does not go back, `now_unix_ms` is the time of day. True when this was the first time, so that the
    /// output can be played from now on.
    pub fn refresh(&mut self, now_ms: u64, now_unix_ms: i64) -> Result<bool, Problem> {
        let fewest = self.ledger.tracks.iter().map(|track| track.segments.len()).min().unwrap_or(0);
        let recent = self.refreshed_ms.is_some_and(|last| now_ms < last.saturating_add(REFRESH_MS));
        if !self.dirty || fewest == 0 || (recent && fewest > EAGER_SEGMENTS) {
            return Ok(false);
        }
        self.write_manifests(now_unix_ms)?;
        self.dirty = false;
        Ok(self.refreshed_ms.replace(now_ms).is_none())
    }

    /// Everything is made: puts it on the disk, checks it, and makes a progressive MP4 file of each rung. Comes before
    /// [`Publisher::finish`]. `cancelled` is asked on the way whether the job is still wanted.
    ///
    /// # Errors
    /// Those of `finish`, and `job.cancelled`.
    pub fn make_progressive(&mut self, cancelled: &dyn Fn() -> bool) -> Result<(), Problem> {
        self.seal()?;
        self.progressive = progressive::write_all(&self.place, &self.ledger, cancelled)?;
        for file in &self.progressive {
            self.syncer.add(self.place.root().join(&file.path));
        }
        Ok(())
    }

    /// Everything is made: puts it on the disk, checks it, and writes the final manifests.
    ///
    /// # Errors
    /// `source.undecodable` when a rung got no picture, `ledger.gap`, `output.verify_failed`, `output.*`.
    pub fn finish(&mut self, now_unix_ms: i64) -> Result<(), Problem> {
        self.seal()?;
        self.write_manifests(now_unix_ms)?;
        self.sync_directories();
        self.sync()
    }

    /// Everything is made: puts it on the disk and checks it, once.
    fn seal(&mut self) -> Result<(), Problem> {
        if self.ledger.complete {
            return Ok(());
        }
        let tracks = &self.ledger.tracks;
        if tracks.is_empty() || tracks.iter().any(|track| track.segments.is_empty()) {
            let message = "not one frame of the source could be decoded; is the file damaged?";
            return Err(Problem::input("source.undecodable", message));
        }
        if let Some(position) = self.lanes.iter().position(Lane::has_gap) {
            let (id, end) = (&self.ledger.tracks[position].id, self.ledger.tracks[position].end());
            let message = format!("nothing was made of {id} from tick {end} up to what follows; report this source");
            return Err(Problem::bug("ledger.gap", message));
        }
        self.sync()?;
        self.ledger.complete = true;
        if let Some(finding) = verify(&self.ledger).first() {
            return Err(Problem::bug(
                "output.verify_failed",
                format!("the output is not sound: {finding}; report this"),
            ));
        }
        Ok(())
    }

    /// The job has succeeded: writes its report, and the output stays.
    pub fn keep(self, report: &[u8]) -> Result<(), Problem> {
        self.place.replace_file(REPORT_NAME, report, true)?;
        self.place.keep()
    }

    fn position(&self, track: &str) -> Result<usize, Problem> {
        let position = self.ledger.tracks.iter().position(|known| known.id == track);
        position.ok_or_else(|| broken("it named a track that is not in the plan"))
    }

    fn record(&mut self, position: usize) -> Result<Vec<Recorded>, Problem> {
        let (track, lane) = (&mut self.ledger.tracks[position], &mut self.lanes[position]);
        let before = track.segments.len();
        let done = &self.done;
        let begun = |span: usize| (0..span).all(|earlier| done.contains(&Part::Video(earlier)));
        for path in lane.record(self.place.root(), track, begun)? {
            self.syncer.add(path);
        }
        let news = &track.segments[before..];
        self.dirty |= !news.is_empty();
        let to_us = |ticks| crate::model::time::scale_round(ticks, 1_000_000, i64::from(track.timescale.max(1)));
        let recorded = |segment: &SegmentRecord| Recorded {
            track: track.id.clone(),
            index: segment.index,
            bytes: segment.files.iter().map(|file| file.bytes).sum(),
            end_us: to_us(segment.end()),
        };
        Ok(news.iter().map(recorded).collect())
    }

    fn drop_silent_tracks(&mut self) -> Vec<Note> {
        let mut notes = Vec::new();
        for position in (0..self.lanes.len()).rev() {
            let track = &self.ledger.tracks[position];
            if !track.is_video() && track.segments.is_empty() {
                let message = format!("{} has no sound that could be decoded, so it is left out", track.id);
                notes.push(Note { code: "audio.left_out".to_owned(), message });
                self.ledger.tracks.remove(position);
                self.lanes.remove(position);
            }
        }
        notes.reverse();
        notes
    }

    fn write_manifests(&mut self, now_unix_ms: i64) -> Result<(), Problem> {
        let clock = LiveClock { started_unix_ms: self.started_unix_ms, now_unix_ms };
        self.manifests.write(&self.place, &self.ledger, &self.packagings, clock)
    }

    /// Waits until everything handed to the syncer is on the disk.
    fn sync(&mut self) -> Result<(), Problem> {
        let next = Syncer::start().map_err(|error| refused(self.place.root(), &error))?;
        std::mem::replace(&mut self.syncer, next).finish()
    }

    fn sync_directories(&self) {
        for packaging in &self.packagings {
            for track in self.ledger.tracks.iter().filter(|track| track.in_packaging(*packaging)) {
                self.syncer.add(lane::directory(self.place.root(), *packaging, &track.id));
            }
            let directory = self.place.root().join(packaging.name());
            if directory.is_dir() {
                self.syncer.add(directory);
            }
        }
        if !self.progressive.is_empty() {
            self.syncer.add(self.place.root().join(PROGRESSIVE));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
