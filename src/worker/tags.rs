//! What a source says of itself.

use super::probe::Stream;
use crate::av::Input;
use crate::model::facts::StreamKind;
use crate::model::labels::{TAG_CHARS_MAX, Tag};
use std::collections::BTreeMap;

/// The tags of the container. Ogg has them with its streams (RFC 7845 §5.2), of which sound alone has one.
pub(super) fn of(input: &Input, streams: &[Stream]) -> BTreeMap<Tag, String> {
    let mut sounds = streams.iter().filter(|stream| stream.kind == StreamKind::Audio);
    let only = match (sounds.next(), sounds.next()) {
        (Some(sound), None) if input.format_name() == "ogg" => Some(sound.index),
        _ => None,
    };
    let said = |tag: Tag| input.tag(None, tag.name()).or_else(|| input.tag(Some(only?), tag.name()));
    Tag::ALL.into_iter().filter_map(|tag| Some((tag, clean(&said(tag)?)?))).collect()
}

/// On one line, and no longer than files of ours say.
fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text: String = text.trim().chars().take(TAG_CHARS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_one_line_of_bounded_length() {
        assert_eq!(clean(" a\r\nb "), Some("a  b".to_owned()));
        assert_eq!(clean("\n"), None);
        assert_eq!(clean(&"é".repeat(5000)).map(|text| text.chars().count()), Some(TAG_CHARS_MAX));
    }
}
