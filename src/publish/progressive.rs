//! Progressive MP4 files from the segments that are stored: nothing is encoded again, and memory holds a few bytes a
//! sample. Each file is written in the spool and renamed into place, so it appears whole.

use super::disk::refused;
use super::fragments::{WalkError, each_fragment};
use super::lane::directory;
use super::place::Place;
use crate::model::ledger::{Ledger, ProgressiveFile, TrackKind, TrackRecord};
use crate::model::{AudioCodec, Packaging, Problem};
use crate::package::progressive::{Layout, ProgressiveError, Track, layout};
use crate::package::{INIT, PROGRESSIVE};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Most bytes between two looks at whether the job is still wanted.
const COPY_BYTES: u64 = 16 << 20;

/// Makes one file of each rung, with the sound that plays unless the viewer chooses otherwise.
///
/// # Errors
/// `job.cancelled` when `cancelled` turns true, `output.verify_failed` when a stored segment is not what was recorded,
/// `output.*`.
pub(super) fn write_all(
    place: &Place,
    ledger: &Ledger,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<ProgressiveFile>, Problem> {
    let rungs: Vec<_> = ledger.tracks.iter().filter(|t| t.is_video() && t.in_packaging(Packaging::Cmaf)).collect();
    if rungs.is_empty() {
        return Ok(Vec::new());
    }
    let sound = default_sound(ledger).map(|record| Stored::read(place.root(), record)).transpose()?;
    let spool = place.make_spool(PROGRESSIVE)?;
    let out = place.root().join(PROGRESSIVE);
    fs::create_dir_all(&out).map_err(|error| refused(&out, &error))?;
    let mut files = Vec::with_capacity(rungs.len());
    for record in rungs {
        let rung = Stored::read(place.root(), record)?;
        let stored: Vec<&Stored<'_>> = [Some(&rung), sound.as_ref()].into_iter().flatten().collect();
        let tracks: Vec<&Track> = stored.iter().map(|stored| &stored.track).collect();
        let layout = layout(&tracks).map_err(|error| unsound(&record.id, error))?;
        let name = format!("{}.mp4", record.id);
        let temporary = spool.join(&name);
        let bytes = write(&temporary, &layout, &stored, cancelled)?;
        let path = out.join(&name);
        fs::rename(&temporary, &path).map_err(|error| refused(&path, &error))?;
        let audio = sound.as_ref().map(|sound| sound.record.id.clone());
        files.push(ProgressiveFile { track: record.id.clone(), audio, path: format!("{PROGRESSIVE}/{name}"), bytes });
    }
    Ok(files)
}

/// The sound of progressive files: the default track, in AAC where it was made in AAC, which everything plays.
fn default_sound(ledger: &Ledger) -> Option<&TrackRecord> {
    let sounds = || ledger.tracks.iter().filter(|track| track.in_packaging(Packaging::Cmaf));
    let default = sounds().find(|track| matches!(track.kind, TrackKind::Audio { default: true, .. }));
    let default = default.or_else(|| sounds().find(|track| !track.is_video()))?;
    let same = |track: &&TrackRecord| match (&track.kind, &default.kind) {
        (
            TrackKind::Audio { codec, language, title, descriptive, .. },
            TrackKind::Audio { language: its_language, title: its_title, descriptive: its_descriptive, .. },
        ) => *codec == AudioCodec::Aac && (language, title, descriptive) == (its_language, its_title, its_descriptive),
        _ => false,
    };
    Some(sounds().find(same).unwrap_or(default))
}

/// A track with its segment files, which are numbered in order.
struct Stored<'a> {
    record: &'a TrackRecord,
    track: Track,
    files: Vec<PathBuf>,
}

impl<'a> Stored<'a> {
    fn read(root: &Path, record: &'a TrackRecord) -> Result<Self, Problem> {
        let directory = directory(root, Packaging::Cmaf, &record.id);
        let path = directory.join(INIT);
        let init = fs::read(&path).map_err(|error| refused(&path, &error))?;
        let end = u64::try_from(record.end()).unwrap_or(0);
        let mut track = Track::new(&init, end).map_err(|error| unsound(&record.id, error))?;
        let mut files = Vec::with_capacity(record.segments.len());
        for stored in record.segments.iter().filter_map(|segment| segment.file(Packaging::Cmaf)) {
            let (path, number) = (directory.join(&stored.name), files.len() as u32);
            let mut file = File::open(&path).map_err(|error| refused(&path, &error))?;
            let walked = each_fragment(&mut file, stored.bytes, |fragment| track.add(number, fragment));
            walked.map_err(|error| match error {
                WalkError::Io(error) => refused(&path, &error),
                WalkError::Content(error) => unsound(&record.id, error),
            })?;
            files.push(path);
        }
        Ok(Self { record, track, files })
    }
}

/// Writes a file; gives its size.
fn write(path: &Path, layout: &Layout, stored: &[&Stored<'_>], cancelled: &dyn Fn() -> bool) -> Result<u64, Problem> {
    let failed = |error: io::Error| refused(path, &error);
    let mut out = File::create_new(path).map_err(failed)?;
    out.write_all(&layout.head).map_err(failed)?;
    let mut written = layout.head.len() as u64;
    // One open file a track: runs of a track come in the order of its files.
    let mut open: Vec<Option<(u32, File)>> = stored.iter().map(|_| None).collect();
    for run in &layout.runs {
        let slot = &mut open[run.track];
        let file = match slot.take() {
            Some((number, file)) if number == run.file => file,
            _ => File::open(&stored[run.track].files[run.file as usize]).map_err(failed)?,
        };
        copy(&file, run.offset, run.bytes, &mut out, cancelled)?.map_err(failed)?;
        *slot = Some((run.file, file));
        written += run.bytes;
    }
    Ok(written)
}

/// Copies a range of bytes; the standard library has the kernel do it where it can.
fn copy(
    mut from: &File,
    offset: u64,
    bytes: u64,
    to: &mut File,
    cancelled: &dyn Fn() -> bool,
) -> Result<io::Result<()>, Problem> {
    if let Err(error) = from.seek(SeekFrom::Start(offset)) {
        return Ok(Err(error));
    }
    let mut left = bytes;
    while left > 0 {
        if cancelled() {
            return Err(Problem::cancelled());
        }
        match io::copy(&mut from.take(left.min(COPY_BYTES)), to) {
            Ok(0) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(copied) => left -= copied,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

fn unsound(track: &str, error: ProgressiveError) -> Problem {
    let message = format!("the segments of {track} cannot be made one MP4 file: {error}; report this source");
    Problem::bug("output.verify_failed", message)
}

#[cfg(test)]
#[path = "progressive_tests.rs"]
mod tests;
