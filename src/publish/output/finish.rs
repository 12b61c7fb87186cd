//! Everything is made: checked, made durable, and declared final.

use super::manifests::Manifests;
use super::pictures::Gallery;
use super::track::{Lane, outdated};
use super::transfers::put;
use super::{Context, MakeReport, Step, Summary, progressive, single};
use crate::model::job::{FileRole, FileSummary, TrackSummary};
use crate::model::ledger::{TrackKind, TrackRecord};
use crate::model::plan::OutputPlan;
use crate::model::time::scale_round;
use crate::model::{Ledger, Problem};
use crate::package::{MASTER, MPD, verify};
use crate::publish::meter::packaging;
use crate::publish::retry::put_patiently;
use crate::publish::sink::{Body, Kind, REPORT};
use std::sync::PoisonError;
use tokio::time::Instant;

/// What was made of an output.
pub(super) struct Made<'a> {
    pub(super) ledger: Ledger,
    pub(super) lanes: &'a [Lane],
    pub(super) pictures: &'a Gallery,
}

/// Brings an output to its end. Everything that a final manifest names is durable before it is put; the report comes last.
///
/// # Errors
/// `source.undecodable` when a track got nothing, `ledger.gap`, `output.*`.
pub(super) async fn finish(
    context: &Context,
    Made { mut ledger, lanes, pictures }: Made<'_>,
    manifests: &mut Manifests,
    output: &OutputPlan,
    report: MakeReport,
) -> Result<Summary, Problem> {
    let mut steps = Vec::new();
    let began = std::time::Instant::now();
    if pictures.lacks_any() {
        return Err(undecodable());
    }
    if !output.tracks.is_empty() {
        check_whole(&ledger, lanes)?;
    }
    settle(context).await?;
    ledger.complete = true;
    if let Some(finding) = verify(&ledger).first().filter(|_| !output.tracks.is_empty()) {
        let message = format!("the output is not sound: {finding}; report this");
        return Err(Problem::bug("output.verify_failed", message));
    }
    steps.push(Step::since("verify", began));
    let began = std::time::Instant::now();
    let progressive = if output.progressive {
        packaging(progressive::make(context, &ledger, &output.labels)).await?
    } else {
        Vec::new()
    };
    if output.manifests.single_file {
        let replaced = packaging(single::make(context, &mut ledger, lanes)).await?;
        context.replaced.lock().unwrap_or_else(PoisonError::into_inner).extend(replaced);
    }
    settle(context).await?;
    if !progressive.is_empty() {
        steps.push(Step::since("progressive", began));
    }
    let began = std::time::Instant::now();
    let beside = pictures.finish(context).await?;
    let named = manifests.finish(&ledger, pictures.sprites()).await?;
    remove_outdated(context, &ledger, lanes).await?;
    steps.push(Step::since("manifests", began));
    let tracks = ledger.tracks.iter().zip(lanes).map(|(track, lane)| summary(track, lane, &named)).collect();
    let mut files: Vec<_> = named.into_iter().filter_map(|(path, bytes)| playable(path, bytes)).collect();
    files.extend(beside);
    let role = FileRole::ProgressiveMp4;
    files.extend(progressive.iter().map(|file| FileSummary { role, path: file.path.clone(), bytes: file.bytes }));
    let playable = manifests.playable().map(Instant::into_std);
    let pictures = pictures.summaries();
    let mut summary = Summary { tracks, files, ledger, progressive, pictures, playable, steps };
    let began = std::time::Instant::now();
    let report = report(&summary)?;
    let bytes = report.len() as u64;
    put(context, REPORT, Body::Bytes(report.into()), Kind::Report).await?;
    settle(context).await?;
    summary.steps.push(Step::since("report", began));
    summary.files.push(FileSummary { role: FileRole::Report, path: REPORT.to_owned(), bytes });
    Ok(summary)
}

fn undecodable() -> Problem {
    let message = "not one frame of the source could be decoded; is the file damaged?";
    Problem::input("source.undecodable", message)
}

fn check_whole(ledger: &Ledger, lanes: &[Lane]) -> Result<(), Problem> {
    let gap = lanes.iter().position(Lane::has_gap);
    let begun = |(position, track): (usize, &TrackRecord)| gap == Some(position) || !track.segments.is_empty();
    if ledger.tracks.is_empty() || !ledger.tracks.iter().enumerate().all(begun) {
        return Err(undecodable());
    }
    if let Some(track) = gap.and_then(|position| ledger.tracks.get(position)) {
        let (id, end) = (&track.id, track.end());
        let message = format!("nothing was made of {id} from tick {end} up to what follows; report this source");
        return Err(Problem::bug("ledger.gap", message));
    }
    Ok(())
}

/// Nothing names the files of earlier generations any more.
async fn remove_outdated(context: &Context, ledger: &Ledger, lanes: &[Lane]) -> Result<(), Problem> {
    let of = |(track, lane): (&TrackRecord, &Lane)| outdated(track, lane.packagings());
    let paths: Vec<_> = ledger.tracks.iter().zip(lanes).flat_map(of).collect();
    if paths.is_empty() {
        return Ok(());
    }
    put_patiently(context.retry, || context.sink.remove(paths.clone())).await
}

async fn settle(context: &Context) -> Result<(), Problem> {
    put_patiently(context.retry, || context.sink.settle()).await
}

/// A manifest that a client may hand out.
fn playable(path: String, bytes: u64) -> Option<FileSummary> {
    let role = match path.rsplit('/').next() {
        Some(MASTER) => FileRole::HlsMaster,
        Some(MPD) => FileRole::DashManifest,
        _ => return None,
    };
    Some(FileSummary { role, path, bytes })
}

fn summary(track: &TrackRecord, lane: &Lane, manifests: &[(String, u64)]) -> TrackSummary {
    let start = track.segments.first().map_or(0, |segment| segment.start);
    let segments = track.segments.iter().flat_map(|segment| &segment.files).map(|file| file.bytes);
    let indices = track.single.iter().map(|file| file.index_bytes);
    let own = |path: &str| path.rsplit('/').nth(1) == Some(track.id.as_str());
    let playlists = manifests.iter().filter(|(path, _)| own(path)).map(|(_, bytes)| *bytes);
    TrackSummary {
        loudness: track.loudness,
        id: track.id.clone(),
        codecs: track.codec_string.clone(),
        encoder: track.encoder.clone(),
        size: match track.kind {
            TrackKind::Video { width, height, .. } => Some((width, height)),
            TrackKind::Audio { .. } | TrackKind::Text { .. } => None,
        },
        segments: track.segments.len() as u64,
        bytes: segments.chain(playlists).chain(indices).sum::<u64>() + lane.init_bytes(),
        duration_us: scale_round(track.end() - start, 1_000_000, i64::from(track.timescale.max(1))),
    }
}
