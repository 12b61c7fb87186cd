//! Media playlists and I-frame playlists (RFC 8216 §4.3.2, §4.3.3).

use super::version;
use crate::model::Packaging;
use crate::model::time::decimal_seconds;
use crate::package::init_name;
use crate::package::presentation::{Presentation, Track};
use crate::package::text::{quoted, uri};
use std::fmt::Write;

/// Bytes of SDT, PAT and PMT, a packet each, that every transport stream segment begins with.
const TS_TABLES_BYTES: u64 = 3 * crate::package::ts::PACKET_BYTES as u64;

/// The media playlist of a track, to stand in the track's directory.
pub(in crate::package) fn media(presentation: &Presentation<'_>, track: &Track<'_>) -> String {
    let mut text = head(presentation);
    if presentation.packaging == Packaging::Cmaf {
        line(&mut text, format_args!("#EXT-X-MAP:URI={}", quoted(&init_name(track.record.generation))));
    }
    for (segment, file) in &track.segments {
        line(&mut text, format_args!("#EXTINF:{},", seconds(segment.duration, track)));
        line(&mut text, format_args!("{}", uri(&file.name)));
    }
    finish(presentation, text)
}

/// The I-frame playlist of a rung: every key frame as a byte range of the segments (RFC 8216 §4.3.3.6). Each lasts until the
/// next.
pub(in crate::package) fn i_frames(presentation: &Presentation<'_>, track: &Track<'_>) -> String {
    let mut text = head(presentation);
    line(&mut text, format_args!("#EXT-X-I-FRAMES-ONLY"));
    match (presentation.packaging, track.segments.first()) {
        (Packaging::Cmaf, _) => {
            line(&mut text, format_args!("#EXT-X-MAP:URI={}", quoted(&init_name(track.record.generation))));
        }
        // The tables are the same in every segment, so one range serves all of them (§4.3.2.5).
        (Packaging::Ts, Some((_, file))) => {
            let name = quoted(&uri(&file.name));
            line(&mut text, format_args!("#EXT-X-MAP:URI={name},BYTERANGE=\"{TS_TABLES_BYTES}@0\""));
        }
        (Packaging::Ts, None) => {}
    }
    for (file, key, duration) in track.key_frames() {
        line(&mut text, format_args!("#EXTINF:{},", seconds(duration, track)));
        line(&mut text, format_args!("#EXT-X-BYTERANGE:{}@{}", key.bytes, key.offset));
        line(&mut text, format_args!("{}", uri(&file.name)));
    }
    finish(presentation, text)
}

/// What every playlist begins with. While it grows it is an `EVENT`, which players join at its end unless told otherwise:
/// this is no broadcast, so `EXT-X-START` (§4.3.5.2) names the beginning.
fn head(presentation: &Presentation<'_>) -> String {
    let mut text = String::from("#EXTM3U\n");
    line(&mut text, format_args!("#EXT-X-VERSION:{}", version(presentation.packaging)));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", presentation.target_seconds));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:0"));
    line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:{}", if presentation.complete { "VOD" } else { "EVENT" }));
    line(&mut text, format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
    if !presentation.complete {
        line(&mut text, format_args!("#EXT-X-START:TIME-OFFSET=0"));
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
