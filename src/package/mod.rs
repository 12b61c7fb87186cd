//! STAND-IN until packaging is merged: same names. Drop this commit when merging.
pub mod ts;
pub mod verify;

use crate::model::{Ledger, Packaging};

/// Stand-in.
#[derive(Clone, Copy, Debug)]
pub struct LiveClock {
    /// Start.
    pub started_unix_ms: i64,
    /// Now.
    pub now_unix_ms: i64,
}

/// Stand-in.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// Below the output directory.
    pub path: String,
    /// Text.
    pub body: String,
    /// Type.
    pub content_type: &'static str,
}

/// Stand-in.
pub fn manifests(ledger: &Ledger, packagings: &[Packaging], _clock: LiveClock) -> Vec<ManifestFile> {
    let mut files = Vec::new();
    for packaging in packagings {
        let mut master = format!("#EXTM3U complete={}\n", ledger.complete);
        for track in ledger.tracks.iter().filter(|track| track.in_packaging(*packaging)) {
            let mut body = String::from("#EXTM3U\n");
            for file in track.segments.iter().filter_map(|segment| segment.file(*packaging)) {
                body.push_str(&file.name);
                body.push('\n');
            }
            if ledger.complete {
                body.push_str("#EXT-X-ENDLIST\n");
            }
            master.push_str(&format!("{}/media.m3u8\n", track.id));
            let path = format!("{}/{}/media.m3u8", packaging.name(), track.id);
            files.push(ManifestFile { path, body, content_type: "application/vnd.apple.mpegurl" });
        }
        let path = format!("{}/master.m3u8", packaging.name());
        files.push(ManifestFile { path, body: master, content_type: "application/vnd.apple.mpegurl" });
    }
    files
}
