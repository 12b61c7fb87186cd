//! How loud sound was found to be: told by its worker when all of it is made, and kept beside the job from then on, so that an
//! attempt that need not make the sound again knows it too.

use super::{Broken, Job};
use crate::model::{LoudnessFigures, Measured};
use crate::wire::v1;
use std::collections::BTreeMap;

/// The document that holds it.
const DOCUMENT: &str = "loudness";

/// What is known, by work and rendition.
pub(super) type Known = BTreeMap<usize, BTreeMap<String, LoudnessFigures>>;

impl Job {
    /// Takes over what earlier attempts have found.
    pub(super) async fn load_loudness(&mut self) -> Result<(), Broken> {
        let stored = self.settings.store.document(self.keeper.record.id, DOCUMENT).await?;
        self.loudness = stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        Ok(())
    }

    /// A worker has told how loud a rendition was and is.
    pub(super) fn heard_loudness(&mut self, work: usize, told: v1::Loudness) {
        let measured = |one: v1::LoudnessMeasured| Measured {
            integrated: one.integrated,
            range: one.range,
            true_peak: one.true_peak,
        };
        let figures = LoudnessFigures { before: told.before.map(measured), after: told.after.map(measured) };
        for output in self.outputs_with(work, &told.track) {
            output.loudness(work, told.track.clone(), figures);
        }
        self.loudness.entry(work).or_default().insert(told.track, figures);
    }

    /// Keeps what was found, before it is stored that the sound is made.
    pub(super) async fn store_loudness(&self) -> Result<(), Broken> {
        if self.loudness.is_empty() {
            return Ok(());
        }
        let json = serde_json::to_vec(&self.loudness).unwrap_or_default();
        let record = &self.keeper.record;
        Ok(self.settings.store.put_document(record.id, record.attempt, DOCUMENT, json).await?)
    }

    /// Tells the outputs of a work what an earlier attempt has found.
    pub(super) fn tell_loudness(&self, work: usize) {
        for (rendition, figures) in self.loudness.get(&work).into_iter().flatten() {
            for output in self.outputs_with(work, rendition) {
                output.loudness(work, rendition.clone(), *figures);
            }
        }
    }
}
