//! Progressive MP4 files from the segments that are stored: nothing is encoded again. Segments are read back through the
//! sink, each twice: once for where its samples lie, once for the samples. Memory holds a segment of each of the two
//! tracks of a file. A file is made in the scratch directory and then put, so it appears whole; as long as it is there, it
//! counts among what waits on the node's disk.

use super::Context;
use super::track::path;
use super::transfers::put;
use crate::model::labels::FileLabels;
use crate::model::ledger::{Ledger, ProgressiveFile, TrackKind, TrackRecord};
use crate::model::{AudioCodec, Packaging, Problem};
use crate::package::progressive::{Labels, Layout, ProgressiveError, Track, layout};
use crate::package::{PROGRESSIVE, init_name};
use crate::publish::disk::{make_directory, refused};
use crate::publish::fragments::{WalkError, each_fragment};
use crate::publish::retry::put_patiently;
use crate::publish::sink::{Body, Kind};
use bytes::Bytes;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Largest initialisation segment: some kilobytes of boxes, and parameter sets.
const INIT_BYTES_MAX: u64 = 1 << 20;

/// Makes one file of each rung, with the sound that plays unless the viewer chooses otherwise; where there are no pictures,
/// one of each track of sound.
///
/// # Errors
/// `output.verify_failed` when a stored segment is not what was recorded, `output.*`.
pub(super) async fn make(
    context: &Context,
    ledger: &Ledger,
    labels: &FileLabels,
) -> Result<Vec<ProgressiveFile>, Problem> {
    let labels = Labels { tags: Some(&labels.tags), cover: context.cover.as_deref() };
    let rungs: Vec<_> = ledger.tracks.iter().filter(|t| t.is_video() && t.in_packaging(Packaging::Cmaf)).collect();
    if rungs.is_empty() {
        return of_sound(context, ledger, labels).await;
    }
    let sound = match default_sound(ledger) {
        Some(record) => Some(Stored::read(context, record).await?),
        None => None,
    };
    make_directory(&context.scratch)?;
    let mut files = Vec::with_capacity(rungs.len());
    for record in rungs {
        let rung = Stored::read(context, record).await?;
        let stored: Vec<&Stored<'_>> = [Some(&rung), sound.as_ref()].into_iter().flatten().collect();
        let tracks: Vec<&Track> = stored.iter().map(|stored| &stored.track).collect();
        let layout = layout(&tracks, labels).map_err(|error| unsound(&record.id, error))?;
        let (path, bytes) = publish(context, &format!("{}.mp4", record.id), &layout, &stored).await?;
        let audio = sound.as_ref().map(|sound| sound.record.id.clone());
        files.push(ProgressiveFile { track: record.id.clone(), audio, path, bytes });
    }
    Ok(files)
}

/// Without pictures, one file of each track: M4A of AAC, which is what players of music look for, MP4 of the rest.
async fn of_sound(context: &Context, ledger: &Ledger, labels: Labels<'_>) -> Result<Vec<ProgressiveFile>, Problem> {
    let is_sound = |track: &&TrackRecord| matches!(track.kind, TrackKind::Audio { .. });
    let sounds: Vec<_> =
        ledger.tracks.iter().filter(is_sound).filter(|track| track.in_packaging(Packaging::Cmaf)).collect();
    if !sounds.is_empty() {
        make_directory(&context.scratch)?;
    }
    let mut files = Vec::with_capacity(sounds.len());
    for record in sounds {
        let stored = Stored::read(context, record).await?;
        let layout = layout(&[&stored.track], labels).map_err(|error| unsound(&record.id, error))?;
        let aac = matches!(record.kind, TrackKind::Audio { codec: AudioCodec::Aac, .. });
        let name = format!("{}.{}", record.id, if aac { "m4a" } else { "mp4" });
        let (path, bytes) = publish(context, &name, &layout, &[&stored]).await?;
        files.push(ProgressiveFile { track: record.id.clone(), audio: None, path, bytes });
    }
    Ok(files)
}

/// Writes a file and puts it; gives its path below the output directory, and its size.
async fn publish(
    context: &Context,
    name: &str,
    layout: &Layout,
    stored: &[&Stored<'_>],
) -> Result<(String, u64), Problem> {
    let local = context.scratch.join(name);
    let _counted = Counted::new(&context.spooled, layout.bytes());
    let bytes = write(context, &local, layout, stored).await?;
    let path = format!("{PROGRESSIVE}/{name}");
    put(context, &path, Body::File { path: local.clone(), bytes, link: true }, Kind::File).await?;
    tokio::fs::remove_file(&local).await.map_err(|error| refused(&local, &error))?;
    Ok((path, bytes))
}

/// Bytes that lie in the scratch directory for a while: other work waits for room while they do.
struct Counted<'a> {
    spooled: &'a AtomicU64,
    bytes: u64,
}

impl<'a> Counted<'a> {
    /// Before the first of them is written.
    fn new(spooled: &'a AtomicU64, bytes: u64) -> Self {
        spooled.fetch_add(bytes, Ordering::Relaxed);
        Self { spooled, bytes }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.spooled.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The sound of progressive files: the default track, in AAC where it was made in AAC, which everything plays.
fn default_sound(ledger: &Ledger) -> Option<&TrackRecord> {
    let sounds = || ledger.tracks.iter().filter(|track| track.in_packaging(Packaging::Cmaf));
    let default = sounds().find(|track| matches!(track.kind, TrackKind::Audio { default: true, .. }));
    let default = default.or_else(|| sounds().find(|track| !track.is_video() && !track.is_text()))?;
    let same = |track: &&TrackRecord| match (&track.kind, &default.kind) {
        (
            TrackKind::Audio { codec, language, title, descriptive, role, .. },
            TrackKind::Audio {
                language: its_language,
                title: its_title,
                descriptive: its_descriptive,
                role: its_role,
                ..
            },
        ) => {
            *codec == AudioCodec::Aac
                && (language, title, descriptive, role) == (its_language, its_title, its_descriptive, its_role)
        }
        _ => false,
    };
    Some(sounds().find(same).unwrap_or(default))
}

/// A track with its segment files, which are numbered in order: name and size.
struct Stored<'a> {
    record: &'a TrackRecord,
    track: Track,
    files: Vec<(&'a str, u64)>,
}

impl<'a> Stored<'a> {
    async fn read(context: &Context, record: &'a TrackRecord) -> Result<Self, Problem> {
        let end = u64::try_from(record.end()).unwrap_or(0);
        let init = init(context, record).await?;
        let mut track = Track::new(&init, end).map_err(|error| unsound(&record.id, error))?;
        let mut files = Vec::with_capacity(record.segments.len());
        for stored in record.segments.iter().filter_map(|segment| segment.file(Packaging::Cmaf)) {
            let number = files.len() as u32;
            let body = read(context, Packaging::Cmaf, record, &stored.name, stored.bytes).await?;
            let walked = each_fragment(&mut Cursor::new(&body), stored.bytes, |fragment| track.add(number, fragment));
            walked.map_err(|error| match error {
                WalkError::Io(error) => refused(Path::new(&stored.name), &error),
                WalkError::Content(error) => unsound(&record.id, error),
            })?;
            files.push((stored.name.as_str(), stored.bytes));
        }
        Ok(Self { record, track, files })
    }
}

/// The first bytes of a file of a track.
pub(super) async fn read(
    context: &Context,
    packaging: Packaging,
    record: &TrackRecord,
    name: &str,
    bytes: u64,
) -> Result<Bytes, Problem> {
    let path = path(packaging, &record.id, name);
    put_patiently(context.retry, || context.sink.read(&path, 0, bytes)).await
}

/// The initialisation segment. The ledger does not say how long it is: its boxes do.
pub(super) async fn init(context: &Context, record: &TrackRecord) -> Result<Bytes, Problem> {
    let name = init_name(record.generation);
    let malformed = || unsound(&record.id, ProgressiveError::Malformed("moov"));
    let mut length = 0;
    // `ftyp` and `moov`, of which each says how long it is (ISO/IEC 14496-12 §4.2).
    for _ in 0..2 {
        let header = read(context, Packaging::Cmaf, record, &name, length + 8).await?;
        let size = header.get(length as usize..length as usize + 4).and_then(|size| <[u8; 4]>::try_from(size).ok());
        let size = u64::from(u32::from_be_bytes(size.ok_or_else(malformed)?));
        if !(8..INIT_BYTES_MAX).contains(&size) {
            return Err(malformed());
        }
        length += size;
    }
    read(context, Packaging::Cmaf, record, &name, length).await
}

/// Writes a file; gives its size.
async fn write(context: &Context, to: &Path, layout: &Layout, stored: &[&Stored<'_>]) -> Result<u64, Problem> {
    let failed = |error: io::Error| refused(to, &error);
    let mut out = File::create(to).await.map_err(failed)?;
    out.write_all(&layout.head).await.map_err(failed)?;
    let mut written = layout.head.len() as u64;
    // One segment a track: runs of a track come in the order of its files.
    let mut open: Vec<Option<(u32, Bytes)>> = stored.iter().map(|_| None).collect();
    for run in &layout.runs {
        let of = stored[run.track];
        let body = match open[run.track].take() {
            Some((number, body)) if number == run.file => body,
            _ => {
                let (name, bytes) = of.files[run.file as usize];
                read(context, Packaging::Cmaf, of.record, name, bytes).await?
            }
        };
        let (first, end) = (run.offset as usize, (run.offset + run.bytes) as usize);
        let cut = || unsound(&of.record.id, ProgressiveError::OutsideData);
        out.write_all(body.get(first..end).ok_or_else(cut)?).await.map_err(failed)?;
        written += run.bytes;
        open[run.track] = Some((run.file, body));
    }
    out.flush().await.map_err(failed)?;
    Ok(written)
}

fn unsound(track: &str, error: ProgressiveError) -> Problem {
    let message = format!("the segments of {track} cannot be made one MP4 file: {error}; report this source");
    Problem::bug("output.verify_failed", message)
}

#[cfg(test)]
#[path = "progressive_tests.rs"]
mod tests;
