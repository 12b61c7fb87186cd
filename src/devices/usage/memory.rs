//! What a rendition holds of a device's memory: a measured whole is shared out by how many surfaces each holds.

use crate::model::usage::{Figure, Method};
use std::collections::BTreeMap;

/// Surfaces that a span holds of a device's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surfaces {
    /// Rendition that they are held for; empty: for all of them.
    pub rendition: String,
    /// Bytes of all of them, by the size of pictures alone.
    pub bytes: u64,
}

/// A worker's memory of a device, shared out to its renditions in proportion to their surfaces.
pub(super) fn shared(peak_bytes: u64, surfaces: &[Surfaces]) -> BTreeMap<String, Figure> {
    let total: u128 = surfaces.iter().map(|held| u128::from(held.bytes)).sum();
    let whole = Figure::new(peak_bytes, Method::UtilisationShare);
    let mut shares: BTreeMap<String, Figure> = BTreeMap::new();
    for held in surfaces {
        let part = whole.share(u128::from(held.bytes), total);
        shares.entry(held.rendition.clone()).and_modify(|sum| *sum = sum.plus(part)).or_insert(part);
    }
    shares
}
