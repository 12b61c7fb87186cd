//! What progressive files say of themselves, as the API tells it.

use super::shown;
use crate::api::v1;
use crate::model::Locator;
use crate::model::request::FileMetadata;

/// What is asked, whole, for a daemon.
pub(crate) fn file_metadata(asked: &FileMetadata) -> v1::FileMetadata {
    told(asked, ToString::to_string)
}

/// What is asked, without what could be a credential.
pub(super) fn file_metadata_shown(asked: &FileMetadata) -> v1::FileMetadata {
    told(asked, shown::locator)
}

fn told(asked: &FileMetadata, cover: impl Fn(&Locator) -> String) -> v1::FileMetadata {
    v1::FileMetadata {
        tags: asked.tags.iter().map(|(tag, text)| (tag.name().to_owned(), text.clone())).collect(),
        omit_source_tags: Some(asked.omit_source_tags),
        cover_uri: asked.cover.as_ref().map(cover).unwrap_or_default(),
        omit_source_cover: Some(asked.omit_source_cover),
    }
}
