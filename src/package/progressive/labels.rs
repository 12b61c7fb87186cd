//! `udta` of a movie as players of music read it: metadata by the handler `mdir`, its items in `ilst`. The form is that of
//! Apple (QuickTime File Format, "Metadata Structure"); the box is that of ISO/IEC 14496-12 §8.11.1.

use crate::model::labels::{Cover, CoverFormat, Tag, numbered};
use crate::package::fmp4::{put_box, put_full_box};
use std::collections::BTreeMap;

/// Well-known types of values: no type, UTF-8 without a terminator, JPEG, PNG.
const IMPLICIT: u32 = 0;
const UTF8: u32 = 1;
const JPEG: u32 = 13;
const PNG: u32 = 14;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    /// Tags; `None` for none.
    pub tags: Option<&'a BTreeMap<Tag, String>>,
    /// Its cover.
    pub cover: Option<&'a Cover>,
}

impl Labels<'_> {
    /// Writes them; nothing where there are none.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut items = Vec::new();
        for (tag, text) in self.tags.into_iter().flatten().filter(|(_, text)| !text.is_empty()) {
            put_tag(&mut items, *tag, text);
        }
        if let Some(Cover { format, bytes }) = self.cover {
            let kind = match format {
                CoverFormat::Jpeg => JPEG,
                CoverFormat::Png => PNG,
            };
            put_item(&mut items, b"covr", kind, bytes);
        }
        if items.is_empty() {
            return;
        }
        put_box(out, b"udta", |udta| {
            put_full_box(udta, b"meta", 0, 0, |meta| {
                // A handler without a name (§8.4.3).
                put_full_box(meta, b"hdlr", 0, 0, |out| out.extend(b"\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0"));
                put_box(meta, b"ilst", |ilst| ilst.extend(items));
            });
        });
    }
}

fn put_tag(out: &mut Vec<u8>, tag: Tag, text: &str) {
    let name = match tag {
        Tag::Title => b"\xa9nam",
        Tag::Artist => b"\xa9ART",
        Tag::Album => b"\xa9alb",
        Tag::AlbumArtist => b"aART",
        Tag::Composer => b"\xa9wrt",
        Tag::Genre => b"\xa9gen",
        Tag::Date => b"\xa9day",
        Tag::Comment => b"\xa9cmt",
        Tag::Description => b"desc",
        Tag::Copyright => b"cprt",
        Tag::Track => b"trkn",
        Tag::Disc => b"disk",
    };
    if !tag.is_number() {
        return put_item(out, name, UTF8, text.as_bytes());
    }
    let Some((number, of)) = numbered(text) else { return };
    let mut value = vec![0, 0];
    value.extend([number.to_be_bytes(), of.to_be_bytes()].concat());
    // The number of a track has two bytes behind it that nobody uses, that of a disc has not.
    value.resize(if tag == Tag::Track { 8 } else { 6 }, 0);
    put_item(out, name, IMPLICIT, &value);
}

/// One item with one value, in no language.
fn put_item(out: &mut Vec<u8>, name: &[u8; 4], kind: u32, value: &[u8]) {
    put_box(out, name, |item| {
        put_box(item, b"data", |data| {
            data.extend([kind.to_be_bytes(), [0; 4]].concat());
            data.extend_from_slice(value);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::boxes::{boxes, find};

    #[test]
    fn every_tag_is_an_item_with_its_value() {
        let tags: BTreeMap<Tag, String> = Tag::ALL
            .into_iter()
            .map(|tag| (tag, if tag.is_number() { "3/12".to_owned() } else { format!("<{}>", tag.name()) }))
            .collect();
        let cover = Cover { format: CoverFormat::Png, bytes: b"png".to_vec() };
        let mut out = Vec::new();
        Labels { tags: Some(&tags), cover: Some(&cover) }.put(&mut out);
        let meta = find(find(&out, b"udta").unwrap(), b"meta").unwrap();
        let hdlr = find(&meta[4..], b"hdlr").unwrap();
        assert_eq!(&hdlr[8..16], b"mdirappl");
        let ilst = find(&meta[4..], b"ilst").unwrap();
        let items: Vec<_> = boxes(ilst).map(|item| (item.kind, find(item.body, b"data").unwrap().to_vec())).collect();
        assert_eq!(items.len(), 13);
        let of = |name: &[u8; 4]| items.iter().find(|(kind, _)| kind == name).unwrap().1.clone();
        assert_eq!(of(b"\xa9nam"), b"\0\0\0\x01\0\0\0\0<title>");
        assert_eq!(of(b"aART"), b"\0\0\0\x01\0\0\0\0<album_artist>");
        assert_eq!(of(b"trkn"), b"\0\0\0\0\0\0\0\0\0\0\0\x03\0\x0c\0\0");
        assert_eq!(of(b"disk"), b"\0\0\0\0\0\0\0\0\0\0\0\x03\0\x0c");
        assert_eq!(of(b"covr"), b"\0\0\0\x0e\0\0\0\0png");
    }

    #[test]
    fn nothing_to_say_is_no_box() {
        let (empty, mut out) = (BTreeMap::from([(Tag::Title, String::new())]), Vec::new());
        Labels { tags: Some(&empty), cover: None }.put(&mut out);
        assert!(out.is_empty());
    }
}
