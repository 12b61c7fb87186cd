//! What progressive files say of themselves, as asked.

use crate::model::labels::{TAG_CHARS_MAX, Tag, numbered};
use crate::model::{Locator, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags and a cover for progressive files.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileMetadata {
    /// Tags that are written instead of the source's; an empty one is left out of the files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Tag, String>,
    /// Tags of the source are not taken over.
    pub omit_source_tags: bool,
    /// An image that becomes the cover of every file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<Locator>,
    /// A picture that is attached to the source is not taken over.
    pub omit_source_cover: bool,
}

impl FileMetadata {
    /// Whether nothing is asked.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it whatever the source is, by the fields of `reelmill.v1.FileMetadata`.
    pub fn check(&self, progressive: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |field: &str, message: String| {
            problems.push(Problem::input("request.file_metadata", message).at(format!("file_metadata{field}")));
        };
        if !progressive && !self.is_usual() {
            let message = "only progressive files have tags and a cover: ask for those too, with progressive_mp4";
            refuse("", message.to_owned());
        }
        for (tag, text) in &self.tags {
            let (name, field) = (tag.name(), format!(".tags[{}]", tag.name()));
            if text.chars().count() > TAG_CHARS_MAX || text.chars().any(char::is_control) {
                let message =
                    format!("the tag `{name}` has at most {TAG_CHARS_MAX} characters, none of them control characters");
                refuse(&field, message);
            } else if tag.is_number() && !text.is_empty() && numbered(text).is_none() {
                refuse(&field, format!("the tag `{name}` is a number from 1 to 65535, or one of so many as in 3/12"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_cannot_say_is_refused() {
        let of = |tag: Tag, text: &str| -> Vec<String> {
            let asked = FileMetadata { tags: BTreeMap::from([(tag, text.to_owned())]), ..FileMetadata::default() };
            asked.check(true).into_iter().map(|problem| problem.field).collect()
        };
        for (tag, text) in
            [(Tag::Title, "Für \"Elise\""), (Tag::Title, ""), (Tag::Track, "3/12"), (Tag::Disc, "1"), (Tag::Track, "")]
        {
            assert!(of(tag, text).is_empty(), "{tag:?} {text}");
        }
        assert_eq!(of(Tag::Title, "a\nb"), ["file_metadata.tags[title]"]);
        assert_eq!(of(Tag::Comment, &"x".repeat(1001)), ["file_metadata.tags[comment]"]);
        for text in ["0", "three", "3/", "3/x", "65536", "-1"] {
            assert_eq!(of(Tag::Track, text), ["file_metadata.tags[track]"], "{text}");
        }
        let asked = FileMetadata { omit_source_cover: true, ..FileMetadata::default() };
        assert_eq!(asked.check(false)[0].field, "file_metadata");
        assert!(FileMetadata::default().check(false).is_empty());
    }
}
