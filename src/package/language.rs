//! The language of a track in its initialisation segment.

use super::edit_list::{find, size};
use super::text::three_letters;

/// Writes a language (RFC 5646 or ISO 639-2) into the media header of the only track of an initialisation segment, packed as
/// ISO/IEC 14496-12 §8.4.2 has it. Nothing changes where the language has no code of three letters, or there is no track.
pub fn with_language(init_segment: &[u8], language: &str) -> Vec<u8> {
    let mut bytes = init_segment.to_vec();
    if let (Some(code), Some(at)) = (three_letters(language), place(&bytes)) {
        let letters = code.bytes().fold(0_u16, |packed, letter| packed << 5 | u16::from(letter - b'a' + 1));
        bytes[at..at + 2].copy_from_slice(&letters.to_be_bytes());
    }
    bytes
}

/// Where the language stands: behind times, ticks and duration, which are longer in version 1.
fn place(bytes: &[u8]) -> Option<usize> {
    let moov = find(bytes, 0, bytes.len(), b"moov")?;
    let trak = find(bytes, moov + 8, moov + size(bytes, moov), b"trak")?;
    let mdia = find(bytes, trak + 8, trak + size(bytes, trak), b"mdia")?;
    let mdhd = find(bytes, mdia + 8, mdia + size(bytes, mdia), b"mdhd")?;
    let at = mdhd + if *bytes.get(mdhd + 8)? == 0 { 28 } else { 40 };
    (at + 2 <= mdhd + size(bytes, mdhd)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::progressive::tests::init;

    #[test]
    fn the_language_is_packed_into_the_media_header() {
        let plain = init(b"soun", 48_000, 0);
        let at = place(&plain).unwrap();
        // Five bits a letter: d is 4, e is 5, u is 21.
        for (language, packed) in [("deu", 0x10b5_u16), ("ger", 0x10b5), ("de", 0x10b5), ("de-AT", 0x10b5)] {
            let told = with_language(&plain, language);
            assert_eq!(told[at..at + 2], packed.to_be_bytes(), "{language}");
            assert_eq!((told.len(), &told[..at], &told[at + 2..]), (plain.len(), &plain[..at], &plain[at + 2..]));
        }
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
