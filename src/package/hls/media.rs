//! Media playlists and I-frame playlists (RFC 8216 §4.3.2, §4.3.3).

use super::version;
use crate::model::Packaging;
use crate::model::instant::utc;
use crate::model::time::{decimal_seconds, scale_round};
use crate::package::init_name;
use crate::package::presentation::{Presentation, Track};
use crate::package::text::{quoted, uri};
use std::fmt::Write;

/// Bytes of SDT, PAT and PMT, a packet each, that every transport stream segment begins with.
const TS_TABLES_BYTES: u64 = 3 * crate::package::ts::PACKET_BYTES as u64;

/// The media playlist of a track, to stand in the track's directory.
pub(in crate::package) fn media(presentation: &Presentation<'_>, track: &Track<'_>) -> String {
    let mut text = head(presentation);
    let single = track.record.single_file(presentation.packaging);
    match (presentation.packaging, single) {
        // Each segment is a file by itself.
        _ if track.record.is_plain() => {}
        (Packaging::Cmaf, Some(file)) => map_of(&mut text, &file.name, file.init_bytes),
        (Packaging::Cmaf, None) => map(&mut text, track),
        // Each segment begins with its tables.
        (Packaging::Ts, _) => {}
    }
    program_date_time(&mut text, presentation, track);
    for (segment, file) in &track.segments {
        line(&mut text, format_args!("#EXTINF:{},", seconds(segment.duration, track)));
        if let Some(at) = file.at {
            line(&mut text, format_args!("#EXT-X-BYTERANGE:{}@{at}", file.bytes));
        }
        line(&mut text, format_args!("{}", uri(&file.name)));
    }
    finish(presentation, text)
}

/// The I-frame playlist of a rung: every key frame as a byte range of the segments (RFC 8216 §4.3.3.6). Each lasts until the
/// next.
pub(in crate::package) fn i_frames(presentation: &Presentation<'_>, track: &Track<'_>) -> String {
    let mut text = head(presentation);
    line(&mut text, format_args!("#EXT-X-I-FRAMES-ONLY"));
    let single = track.record.single_file(presentation.packaging);
    match (presentation.packaging, single, track.segments.first()) {
        (Packaging::Cmaf, Some(file), _) => map_of(&mut text, &file.name, file.init_bytes),
        (Packaging::Cmaf, None, _) => map(&mut text, track),
        // The tables are the same in every segment, so one range serves all of them (§4.3.2.5).
        (Packaging::Ts, _, Some((_, file))) => map_of(&mut text, &file.name, TS_TABLES_BYTES),
        (Packaging::Ts, _, None) => {}
    }
    program_date_time(&mut text, presentation, track);
    for (file, key, duration) in track.key_frames() {
        line(&mut text, format_args!("#EXTINF:{},", seconds(duration, track)));
        line(&mut text, format_args!("#EXT-X-BYTERANGE:{}@{}", key.bytes, file.at.unwrap_or(0) + key.offset));
        line(&mut text, format_args!("{}", uri(&file.name)));
    }
    finish(presentation, text)
}

/// `EXT-X-MAP`, where the initialisation segment is a file of its own.
fn map(text: &mut String, track: &Track<'_>) {
    line(text, format_args!("#EXT-X-MAP:URI={}", quoted(&init_name(track.record.generation))));
}

/// `EXT-X-MAP`, where a file begins with so many bytes of it.
fn map_of(text: &mut String, file: &str, bytes: u64) {
    line(text, format_args!("#EXT-X-MAP:URI={},BYTERANGE=\"{bytes}@0\"", quoted(&uri(file))));
}

/// The time of day of the first segment, where one is asked for (§4.3.2.6); those that follow count on from it.
fn program_date_time(text: &mut String, presentation: &Presentation<'_>, track: &Track<'_>) {
    let (Some(zero), Some((first, _))) = (presentation.wishes.options.program_unix_ms, track.segments.first()) else {
        return;
    };
    let start_ms = scale_round(first.start, 1000, i64::from(track.record.timescale.max(1)));
    line(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", utc(zero.saturating_add(start_ms))));
}

/// What every playlist begins with. While it grows it is an `EVENT`, which players join at its end unless told otherwise:
/// this is no broadcast, so `EXT-X-START` (§4.3.5.2) names the beginning, or what was asked for once that is there.
fn head(presentation: &Presentation<'_>) -> String {
    let mut text = String::from("#EXTM3U\n");
    line(&mut text, format_args!("#EXT-X-VERSION:{}", version(presentation.packaging)));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", presentation.target_seconds));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:0"));
    line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:{}", if presentation.complete { "VOD" } else { "EVENT" }));
    line(&mut text, format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
    match presentation.start_us() {
        Some(start) => {
            let precise = if presentation.wishes.options.start_precise { ",PRECISE=YES" } else { "" };
            let offset = decimal_seconds(start, 1_000_000, 6);
            line(&mut text, format_args!("#EXT-X-START:TIME-OFFSET={offset}{precise}"));
        }
        None if !presentation.complete => line(&mut text, format_args!("#EXT-X-START:TIME-OFFSET=0")),
        None => {}
    }
    text
}

fn finish(presentation: &Presentation<'_>, mut text: String) -> String {
    if presentation.complete {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// A duration to the microsecond, from ticks.
fn seconds(ticks: i64, track: &Track<'_>) -> String {
    decimal_seconds(ticks, track.record.timescale, 6)
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string does not fail");
}
