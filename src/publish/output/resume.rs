//! What the ledger says about where work goes on.

use crate::model::plan::{JobPlan, SpanRange};
use crate::store::{LedgerEntry, LedgerRow};
use std::collections::BTreeMap;

/// The first segment of a video span that some output in `outputs` lacks, by the rows of a job's ledger; `None` when
/// nothing of the span is missing in any of them, or none of them has pictures of this work. Sound always begins at its
/// start.
pub fn first_missing(
    plan: &JobPlan,
    rows: &[LedgerRow],
    outputs: &[usize],
    work: usize,
    span: SpanRange,
) -> Option<u32> {
    let rungs = plan.works.get(work)?.plan.video.as_ref()?;
    let mut next: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for output in outputs {
        let tracks = plan.outputs.get(*output).and_then(Option::as_ref).into_iter().flat_map(|output| &output.tracks);
        let is_rung = |rendition: &str| rungs.renditions.iter().any(|rung| rung.id == rendition);
        for track in tracks.filter(|track| track.work == work && is_rung(&track.rendition)) {
            next.insert((*output, track.id.as_str()), span.first);
        }
    }
    for row in rows {
        let LedgerEntry::Segment(segment) = &row.entry else { continue };
        let index = segment.record.index;
        if let Some(next) = next.get_mut(&(row.output, row.track.as_str()))
            && index >= span.first
            && span.end.is_none_or(|end| index < end)
        {
            // Indices may skip, so what follows the last one is missing, whatever its number.
            *next = (*next).max(index + 1);
        }
    }
    let first = next.into_values().min()?;
    span.end.is_none_or(|end| first < end).then_some(first)
}

/// Bytes that a row tells of.
pub(super) fn bytes(row: &LedgerRow) -> u64 {
    match &row.entry {
        LedgerEntry::Track(_) => 0,
        LedgerEntry::Segment(segment) => segment.record.files.iter().map(|file| file.bytes).sum(),
        LedgerEntry::Picture(picture) => picture.bytes,
    }
}
