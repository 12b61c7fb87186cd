//! Packets to segments, and the ledger to manifests. Pure functions: no IO, no clock, no FFmpeg.
//!
//! Worker side, bytes to bytes: `framing` makes encoders' packets MP4 samples, `fmp4` makes samples CMAF chunks, `ts` lets
//! transport stream segments that were muxed apart play as one, `codec_string` reads the codecs string from an
//! initialisation segment. Daemon side, ledger to text: `manifests` renders everything that a player reads, `verify` says
//! what is wrong with a ledger before its final manifests are published, `progressive` lays stored segments out as one MP4
//! file.

mod boxes;
pub mod codec_string;
pub mod content_type;
mod dash;
pub mod edit_list;
pub mod fmp4;
pub mod framing;
mod hls;
pub mod language;
pub mod light;
mod presentation;
pub mod progressive;
pub mod single;
pub mod sprites;
mod text;
pub mod ts;
pub mod ts_language;
pub mod verify;
pub mod vp9_level;
pub mod webvtt;

pub use codec_string::codec_string;
pub use content_type::content_type;
pub use verify::verify;

use crate::model::facts::Chapter;
use crate::model::request::ManifestOptions;
use crate::model::{Ledger, Packaging};
use presentation::Presentation;
use sprites::Sprites;

/// File name of the CMAF initialisation segment of a track's first generation in its directory; see [`init_name`].
pub const INIT: &str = "init.mp4";
/// Directory of progressive MP4 files in the output directory.
pub const PROGRESSIVE: &str = "mp4";
/// File name of the HLS master playlist in its packaging's directory.
pub const MASTER: &str = "master.m3u8";
/// File name of the DASH MPD in the directory of CMAF.
pub const MPD: &str = "manifest.mpd";

/// What tells the names of a generation of a track from those of the others; empty for the first one.
pub fn suffix(generation: u32) -> String {
    if generation > 1 { format!("-{generation}") } else { String::new() }
}

/// File name of the CMAF initialisation segment of a generation of a track.
pub fn init_name(generation: u32) -> String {
    if generation > 1 { format!("init-{generation}.mp4") } else { INIT.to_owned() }
}

/// A manifest, ready to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestFile {
    /// Path relative to the output directory, with `/` between its parts.
    pub path: String,
    /// UTF-8 text.
    pub body: String,
    /// Media type.
    pub content_type: &'static str,
}

/// The two instants that a growing MPD tells, milliseconds since 1970-01-01T00:00:00Z. Nothing else depends on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveClock {
    /// When the job began to publish; the same in every call for one job (`MPD@availabilityStartTime`).
    pub started_unix_ms: i64,
    /// Now (`MPD@publishTime`).
    pub now_unix_ms: i64,
}

/// What manifests say beside what there is to play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wishes<'a> {
    /// As asked.
    pub options: &'a ManifestOptions,
    /// The chapters to tell, on the output's timeline; empty for none.
    pub chapters: &'a [Chapter],
    /// Sprite sheets, once all of them are stored.
    pub sprites: Option<&'a Sprites>,
}

/// All manifests of a job as its ledger stands, in the order in which they must be stored: a manifest comes after all those
/// that it names, so media and I-frame playlists first, then chapters, then the master playlist and the MPD.
///
/// A packaging gives nothing as long as a track of it has no stored segment, no codecs string or, in CMAF, no stored
/// initialisation segment; so whatever is published plays. Equal arguments give equal bytes.
pub fn manifests(ledger: &Ledger, packagings: &[Packaging], wishes: Wishes<'_>, clock: LiveClock) -> Vec<ManifestFile> {
    let presentations = packagings.iter().filter_map(|packaging| Presentation::new(ledger, *packaging, wishes));
    presentations.flat_map(|presentation| of_packaging(&presentation, clock)).collect()
}

fn of_packaging(presentation: &Presentation<'_>, clock: LiveClock) -> Vec<ManifestFile> {
    let directory = presentation.packaging.name();
    let file = |name: String, body: String| {
        let path = format!("{directory}/{name}");
        let content_type = content_type(&path);
        ManifestFile { path, body, content_type }
    };
    let mut files = Vec::new();
    for track in presentation.tracks() {
        files.push(file(format!("{}/{}", track.record.id, hls::MEDIA), hls::media(presentation, track)));
        if track.record.is_video() {
            files.push(file(format!("{}/{}", track.record.id, hls::I_FRAMES), hls::i_frames(presentation, track)));
        }
    }
    for text in presentation.text.iter().filter(|text| text.track.record.is_plain()) {
        let name = format!("{}/{}", text.track.record.id, hls::MEDIA);
        files.push(file(name, hls::media(presentation, &text.track)));
    }
    if !presentation.wishes.chapters.is_empty() {
        files.push(file(hls::CHAPTERS.to_owned(), hls::chapters(presentation.wishes.chapters)));
    }
    files.push(file(MASTER.to_owned(), hls::master(presentation)));
    if presentation.packaging == Packaging::Cmaf {
        files.push(file(MPD.to_owned(), dash::mpd(presentation, clock)));
    }
    files
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod parsed_tests;
