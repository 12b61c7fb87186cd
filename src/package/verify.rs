//! The cheap structural checks that every job passes before its final manifests are published (DESIGN §10).

use super::suffix;
use crate::model::codec::{Packaging, VideoCodec};
use crate::model::ledger::{Ledger, SegmentRecord, StoredFile, TrackKind, TrackRecord};
use crate::model::plan::Grid;
use crate::package::ts::PACKET_BYTES;
use std::collections::BTreeSet;

/// Everything that is wrong with a ledger, a sentence each; empty when all of this holds:
///
/// - ids are unique and need no encoding in a URL; each track has segments, a codecs string that fits its codec, one
///   encoder and, in CMAF, an initialisation segment;
/// - segments follow one another without a gap, last longer than nothing, and their indices ascend;
/// - a video segment lies in its place on the grid and begins with a key frame; key frames lie within the file, in order;
/// - all video tracks have the same indices, starts and ends, compared exactly whatever their timescales;
/// - each segment has exactly one file in each packaging of the job that its codec fits, none of them empty, and in CMAF
///   its name is the time that the MPD asks for; transport streams and the key frames in them are whole packets.
///
/// Sound and text may end before or after the pictures, as they do in the source, so nothing is said about that. Files of
/// text have no initialisation segment, and are named by their number.
pub fn verify(ledger: &Ledger) -> Vec<String> {
    let stored = ledger.tracks.iter().flat_map(|track| &track.segments).flat_map(|segment| &segment.files);
    let found: Vec<Packaging> = stored.map(|file| file.packaging).collect();
    let packagings: Vec<_> = [Packaging::Cmaf, Packaging::Ts].into_iter().filter(|p| found.contains(p)).collect();
    let mut problems = Vec::new();
    if ledger.tracks.is_empty() {
        problems.push("there is no track".to_owned());
    }
    let mut ids = BTreeSet::new();
    for track in &ledger.tracks {
        let mut found = about_track(track, &packagings);
        found.extend(about_segments(track, ledger.segment_ms));
        found.extend(track.segments.iter().flat_map(|segment| about_files(track, segment, &packagings)));
        if !ids.insert(&track.id) {
            found.push("its id is that of another track".to_owned());
        }
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", track.id)));
    }
    problems.extend(alignment(ledger));
    problems
}

fn about_track(track: &TrackRecord, packagings: &[Packaging]) -> Vec<String> {
    let cmaf = packagings.contains(&Packaging::Cmaf) && track.in_packaging(Packaging::Cmaf) && !track.is_plain();
    let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let checks = [
        (track.id.is_empty() || !track.id.bytes().all(url_safe), "its id needs encoding in a URL"),
        (track.timescale == 0, "its timescale is zero"),
        (track.segments.is_empty(), "it has no segment"),
        (track.encoder.is_empty(), "nothing says what encoded it"),
        (!codec_fits(track), "its codecs string is missing or not of its codec"),
        (cmaf && track.init_sha256.is_none(), "it has no initialisation segment"),
    ];
    checks.iter().filter(|(wrong, _)| *wrong).map(|(_, text)| (*text).to_owned()).collect()
}

/// Sample entries without in-band parameter sets, `hvc1` among them, are what Apple's players take.
fn codec_fits(track: &TrackRecord) -> bool {
    match &track.kind {
        TrackKind::Video { codec: VideoCodec::H264, .. } => track.codec_string.starts_with("avc1."),
        TrackKind::Video { codec: VideoCodec::Hevc, .. } => track.codec_string.starts_with("hvc1."),
        TrackKind::Video { codec: VideoCodec::Av1, .. } => track.codec_string.starts_with("av01."),
        TrackKind::Video { codec: VideoCodec::Vp9, .. } => track.codec_string.starts_with("vp09."),
        TrackKind::Text { .. } => track.codec_string == "wvtt",
        TrackKind::Audio { .. } => !track.codec_string.is_empty(),
    }
}

fn about_segments(track: &TrackRecord, segment_ms: u32) -> Vec<String> {
    let mut problems = Vec::new();
    for segment in &track.segments {
        let index = segment.index;
        if segment.start < 0 {
            problems.push(format!("segment {index} starts before zero"));
        }
        if segment.duration <= 0 {
            problems.push(format!("segment {index} has no duration"));
        }
        if segment.frames == 0 {
            problems.push(format!("segment {index} holds no frame"));
        }
        let on_grid = |segment: &SegmentRecord| Grid { segment_ms }.index(segment.start, track.timescale);
        if track.is_video() && segment_ms > 0 && track.timescale > 0 && on_grid(segment) != i64::from(index) {
            problems.push(format!("segment {index} starts outside its place on the grid"));
        }
    }
    for pair in track.segments.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if before.index >= after.index {
            problems.push(format!("segment {} comes after segment {}", after.index, before.index));
        }
        if before.start.checked_add(before.duration) != Some(after.start) {
            problems.push(format!("segment {} does not start where segment {} ends", after.index, before.index));
        }
    }
    problems
}

fn about_files(track: &TrackRecord, segment: &SegmentRecord, packagings: &[Packaging]) -> Vec<String> {
    let mut problems = Vec::new();
    for packaging in packagings {
        let files: Vec<_> = segment.files.iter().filter(|file| file.packaging == *packaging).collect();
        let wanted = usize::from(track.in_packaging(*packaging));
        if files.len() != wanted {
            let (name, count) = (packaging.name(), files.len());
            problems.push(format!("segment {} has {count} {name} files instead of {wanted}", segment.index));
        }
    }
    for file in &segment.files {
        if file.bytes == 0 {
            problems.push(format!("file {} is empty", file.name));
        }
        if file.packaging == Packaging::Cmaf
            && !track.is_plain()
            && file.name != format!("{}{}.m4s", segment.start, suffix(track.generation))
        {
            problems.push(format!("file {} is not named by its time {}", file.name, segment.start));
        }
        let packets = |bytes: u64| bytes.is_multiple_of(PACKET_BYTES as u64);
        let mut places = file.key_frames.iter().flat_map(|key| [key.offset, key.bytes]);
        if file.packaging == Packaging::Ts && !track.is_plain() && !(packets(file.bytes) && places.all(packets)) {
            problems.push(format!("file {} or a key frame in it is not made of whole packets", file.name));
        }
        problems.extend(about_key_frames(track, segment, file));
    }
    problems
}

fn about_key_frames(track: &TrackRecord, segment: &SegmentRecord, file: &StoredFile) -> Vec<String> {
    let mut problems = Vec::new();
    let name = &file.name;
    if track.is_video() && file.key_frames.first().map(|key| key.time) != Some(segment.start) {
        problems.push(format!("file {name} does not begin with a key frame"));
    }
    let ends = |offset: u64, bytes: u64| offset.checked_add(bytes);
    for key in &file.key_frames {
        if key.bytes == 0 || ends(key.offset, key.bytes).is_none_or(|end| end > file.bytes) {
            problems.push(format!("the key frame at byte {} of file {name} does not lie within it", key.offset));
        }
        if key.time < segment.start || key.time.checked_sub(segment.start).is_none_or(|into| into >= segment.duration) {
            problems.push(format!("the key frame at tick {} of file {name} does not belong to its time", key.time));
        }
    }
    for pair in file.key_frames.windows(2) {
        if ends(pair[0].offset, pair[0].bytes).is_none_or(|end| end > pair[1].offset) || pair[0].time >= pair[1].time {
            problems.push(format!("key frames of file {name} overlap or are out of order"));
        }
    }
    problems
}

/// Compares every video track with the first: switching between rungs is possible only at instants that all have.
fn alignment(ledger: &Ledger) -> Vec<String> {
    let mut videos = ledger.tracks.iter().filter(|track| track.is_video());
    let Some(first) = videos.next() else { return Vec::new() };
    videos.filter_map(|other| misalignment(first, other)).collect()
}

fn misalignment(first: &TrackRecord, other: &TrackRecord) -> Option<String> {
    let (a, b) = (&first.segments, &other.segments);
    if a.len() != b.len() {
        return Some(format!("{}: has {} segments where {} has {}", other.id, b.len(), first.id, a.len()));
    }
    // Ticks over timescale, compared as fractions.
    let same =
        |x: i64, y: i64| i128::from(x) * i128::from(other.timescale) == i128::from(y) * i128::from(first.timescale);
    let wrong = a.iter().zip(b).find(|(x, y)| {
        let ends = |segment: &SegmentRecord| segment.start.saturating_add(segment.duration);
        x.index != y.index || !same(x.start, y.start) || !same(ends(x), ends(y))
    });
    let (_, segment) = wrong?;
    Some(format!("{}: segment {} does not cover the same time as in {}", other.id, segment.index, first.id))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
