//! Writes manifests in the order in which `package` gives them: a master never names a playlist that is not there.

use super::disk;
use super::place::Place;
use crate::model::{Ledger, Packaging, Problem};
use crate::package::{self, LiveClock};
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
        for file in package::manifests(ledger, packagings, clock) {
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
