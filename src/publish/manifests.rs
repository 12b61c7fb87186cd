//! Writes manifests: media playlists first, so that a master never names one that is not there.

use super::disk;
use super::place::Place;
use crate::model::{Ledger, Packaging, Problem};
use crate::package::{self, LiveClock, ManifestFile};
use std::collections::BTreeMap;

/// What has been written, so that what has not changed is left alone.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    written: BTreeMap<String, String>,
}

impl Manifests {
    /// Renders the ledger and writes what differs from what is there. Each file is replaced as a whole.
    pub(super) fn write(
        &mut self,
        place: &Place,
        ledger: &Ledger,
        packagings: &[Packaging],
        clock: LiveClock,
    ) -> Result<(), Problem> {
        for file in in_order(package::manifests(ledger, packagings, clock)) {
            let hash = disk::sha256(file.body.as_bytes());
            if ledger.complete || self.written.get(&file.path) != Some(&hash) {
                place.replace_file(&file.path, file.body.as_bytes(), ledger.complete)?;
                self.written.insert(file.path, hash);
            }
        }
        Ok(())
    }

    /// The manifests that exist, by path below the output directory.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.written.keys().map(String::as_str)
    }
}

/// Deeper files first: `cmaf/720p/media.m3u8` before `cmaf/master.m3u8`.
fn in_order(mut files: Vec<ManifestFile>) -> Vec<ManifestFile> {
    files.sort_by_key(|file| std::cmp::Reverse(file.path.matches('/').count()));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_come_last() {
        let paths = ["cmaf/master.m3u8", "cmaf/720p/media.m3u8", "cmaf/manifest.mpd", "ts/720p/media.m3u8"];
        let file = |path: &str| ManifestFile { path: path.into(), body: String::new(), content_type: "" };
        let ordered = in_order(paths.map(file).into());
        let ordered: Vec<_> = ordered.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(ordered, ["cmaf/720p/media.m3u8", "ts/720p/media.m3u8", "cmaf/master.m3u8", "cmaf/manifest.mpd"]);
    }
}
