//! What progressive files say of themselves: what is asked, over what the source says.

use super::notes::Notes;
use super::output::Draft;
use super::source::Source;
use crate::model::labels::{CoverUse, FileLabels};

/// The labels of an output's files. A picture that is attached to the source becomes the cover where there are no others; a
/// cover that is asked for does everywhere.
pub(super) fn labels(draft: &Draft<'_>, source: Option<&Source<'_>>, notes: &mut Notes) -> FileLabels {
    let asked = &draft.request.file_metadata;
    let source = source.map(|source| source.facts);
    let mut tags = source.filter(|_| !asked.omit_source_tags).map(|facts| facts.tags.clone()).unwrap_or_default();
    tags.extend(asked.tags.clone());
    tags.retain(|_, text| !text.is_empty());
    let pictures = source.into_iter().flat_map(|facts| &facts.streams).filter(|stream| stream.attached_picture);
    let attached = pictures.map(|stream| CoverUse { source: draft.labels_source, stream: Some(stream.index) }).next();
    let attached = attached.filter(|_| !asked.omit_source_cover);
    let cover = match (draft.cover, attached) {
        (Some(source), _) => Some(CoverUse { source, stream: None }),
        (None, Some(attached)) if draft.rungs.is_empty() => Some(attached),
        (None, Some(_)) => {
            let message =
                "the picture that is attached to the source is left out of files with pictures; ask for a cover";
            notes.add("cover.left_out", message);
            None
        }
        (None, None) => None,
    };
    FileLabels { tags, cover }
}
