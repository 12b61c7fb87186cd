//! The language of a track in its initialisation segment.

use super::edit_list::{find, size};
use super::fmp4::put_full_box;
use crate::model::language::{self, three_letters};

/// Writes a language (RFC 5646 or ISO 639-2) into the only track of an initialisation segment: packed into the media header
/// (ISO/IEC 14496-12 §8.4.2), and where that does not say all of it as an extended language tag too (`elng`, §8.4.6). Nothing
/// changes where nothing is known of the language, or there is no track.
pub fn with_language(init_segment: &[u8], language: &str) -> Vec<u8> {
    let mut bytes = with_packed_language(init_segment, language);
    let tag = language::tag(language).filter(|tag| tag.contains('-') || three_letters(language).is_none());
    if let (Some(tag), Some([moov, trak, mdia, mdhd])) = (tag, path(&bytes)) {
        let mut extended = Vec::new();
        put_full_box(&mut extended, b"elng", 0, 0, |out| out.extend([tag.as_bytes(), b"\0"].concat()));
        let at = mdhd + size(&bytes, mdhd);
        for container in [moov, trak, mdia] {
            let grown = (size(&bytes, container) + extended.len()) as u32;
            bytes[container..container + 4].copy_from_slice(&grown.to_be_bytes());
        }
        bytes.splice(at..at, extended);
    }
    bytes
}

/// As [`with_language`], in the media header alone.
pub fn with_packed_language(init_segment: &[u8], language: &str) -> Vec<u8> {
    let mut bytes = init_segment.to_vec();
    if let (Some(code), Some(at)) = (three_letters(language), place(&bytes)) {
        let letters = code.bytes().fold(0_u16, |packed, letter| packed << 5 | u16::from(letter - b'a' + 1));
        bytes[at..at + 2].copy_from_slice(&letters.to_be_bytes());
    }
    bytes
}

/// Where the language stands: behind times, ticks and duration, which are longer in version 1.
fn place(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, mdhd] = path(bytes)?;
    let at = mdhd + if *bytes.get(mdhd + 8)? == 0 { 28 } else { 40 };
    (at + 2 <= mdhd + size(bytes, mdhd)).then_some(at)
}

/// Where the media header begins, behind those of the boxes that it lies in: `moov`, `trak`, `mdia`.
fn path(bytes: &[u8]) -> Option<[usize; 4]> {
    let moov = find(bytes, 0, bytes.len(), b"moov")?;
    let trak = find(bytes, moov + 8, moov + size(bytes, moov), b"trak")?;
    let mdia = find(bytes, trak + 8, trak + size(bytes, trak), b"mdia")?;
    Some([moov, trak, mdia, find(bytes, mdia + 8, mdia + size(bytes, mdia), b"mdhd")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::boxes;
    use crate::package::progressive::tests::init;

    #[test]
    fn the_language_is_packed_into_the_media_header() {
        let plain = init(b"soun", 48_000, 0);
        let at = place(&plain).unwrap();
        // Five bits a letter: d is 4, e is 5, u is 21.
        for (language, packed) in [("deu", 0x10b5_u16), ("ger", 0x10b5), ("de", 0x10b5)] {
            let told = with_language(&plain, language);
            assert_eq!(told[at..at + 2], packed.to_be_bytes(), "{language}");
            assert_eq!((told.len(), &told[..at], &told[at + 2..]), (plain.len(), &plain[..at], &plain[at + 2..]));
        }
    }

    #[test]
    fn what_three_letters_do_not_say_stands_in_a_box_behind_the_media_header() {
        let plain = init(b"soun", 48_000, 0);
        for (language, tag) in [("por-BR", "pt-BR"), ("zh-Hant-TW", "zh-Hant-TW"), ("qaaa", "qaaa")] {
            let told = with_language(&plain, language);
            let down = |bytes, kind| boxes::find(bytes, kind).unwrap();
            let mdia = down(down(down(&told, b"moov"), b"trak"), b"mdia");
            let kinds: Vec<_> = boxes::boxes(mdia).map(|found| found.kind).take(2).collect();
            assert_eq!(kinds, [*b"mdhd", *b"elng"]);
            assert_eq!(down(mdia, b"elng"), [b"\0\0\0\0", tag.as_bytes(), b"\0"].concat(), "{language}");
            assert_eq!(boxes::boxes(&told).map(|found| found.kind).collect::<Vec<_>>(), [*b"ftyp", *b"moov"]);
            assert_eq!(told.len(), plain.len() + 8 + 4 + tag.len() + 1);
        }
        let at = place(&plain).unwrap();
        assert_eq!(with_language(&plain, "por-BR")[at..at + 2], 0x41f2_u16.to_be_bytes());
    }

    #[test]
    fn what_has_no_code_or_no_place_changes_nothing() {
        let plain = init(b"soun", 48_000, 0);
        for language in ["", "x-klingon", "1234", "und"] {
            assert_eq!(with_language(&plain, language), plain, "{language}");
        }
        for length in 0..plain.len() {
            assert_eq!(with_language(&plain[..length], "deu"), plain[..length]);
        }
    }
}
