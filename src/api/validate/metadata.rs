//! What progressive files say of themselves, as asked over the API.

use super::found::Found;
use super::source::locator;
use crate::api::settings::Rules;
use crate::api::v1;
use crate::model::labels::Tag;
use crate::model::request::FileMetadata;

/// What of it can be read. What no file can say is refused by `plan::check`.
pub(super) fn file_metadata(
    field: &str,
    asked: Option<&v1::FileMetadata>,
    rules: &Rules,
    found: &mut Found,
) -> FileMetadata {
    let Some(asked) = asked else { return FileMetadata::default() };
    let at = |name: &str| format!("{field}.{name}");
    let cover = (!asked.cover_uri.is_empty()).then(|| locator(&asked.cover_uri, rules));
    let mut metadata = FileMetadata {
        omit_source_tags: asked.omit_source_tags.unwrap_or_default(),
        cover: cover.and_then(|read| found.take(&at("cover_uri"), read)),
        omit_source_cover: asked.omit_source_cover.unwrap_or_default(),
        ..FileMetadata::default()
    };
    for (name, text) in &asked.tags {
        match Tag::from_name(name) {
            Some(tag) => _ = metadata.tags.insert(tag, text.clone()),
            None => {
                let shown: String = name.chars().take(64).collect();
                let known = Tag::ALL.map(Tag::name).join(", ");
                let message = format!("there is no tag `{}`: use {known}", shown.escape_debug());
                found.add(at("tags"), "request.file_metadata", message);
            }
        }
    }
    metadata
}
