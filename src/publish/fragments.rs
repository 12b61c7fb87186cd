//! Finds the movie fragments in a stored segment file without reading the media in it.

use crate::package::progressive::{Fragment, ProgressiveError};
use std::io::{self, Read, Seek, SeekFrom};

/// Largest `moof` that is read: a million samples of sixteen bytes.
const MOOF_BYTES_MAX: u64 = 16 << 20;

/// Why a walk through a file ended before its end.
#[derive(Debug)]
pub(super) enum WalkError {
    /// The disk's fault.
    Io(io::Error),
    /// The content's.
    Content(ProgressiveError),
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ProgressiveError> for WalkError {
    fn from(error: ProgressiveError) -> Self {
        Self::Content(error)
    }
}

/// Calls `found` with each `moof` and the `mdat` that follows it (ISO/IEC 14496-12 §4.2, §8.8.4). `length` is the
/// file's. Only the boxes' headers and the content of `moof` are read.
pub(super) fn each_fragment(
    file: &mut (impl Read + Seek),
    length: u64,
    mut found: impl FnMut(&Fragment<'_>) -> Result<(), ProgressiveError>,
) -> Result<(), WalkError> {
    let mut moof: Option<(u64, Vec<u8>)> = None;
    let mut at = 0;
    while at < length {
        let (kind, header, size) = header(file, at, length)?;
        let payload = at + header..at + size;
        match &kind {
            b"moof" => {
                let bytes = payload.end - payload.start;
                if moof.is_some() || bytes > MOOF_BYTES_MAX {
                    return Err(ProgressiveError::Malformed("moof").into());
                }
                let mut body = vec![0; bytes as usize];
                file.read_exact(&mut body)?;
                moof = Some((at, body));
            }
            b"mdat" => {
                let (offset, body) = moof.take().ok_or(ProgressiveError::Malformed("mdat"))?;
                found(&Fragment { moof: &body, moof_offset: offset, data: payload })?;
            }
            _ => {}
        }
        at += size;
    }
    match moof {
        Some(_) => Err(ProgressiveError::Malformed("mdat").into()),
        None => Ok(()),
    }
}

/// Type, length of the header, and length of the box at `at`; leaves the file behind the header.
fn header(file: &mut (impl Read + Seek), at: u64, length: u64) -> Result<([u8; 4], u64, u64), WalkError> {
    let room = length - at;
    let cut_short = WalkError::Content(ProgressiveError::Malformed("segment"));
    if room < 8 {
        return Err(cut_short);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut word = [0; 8];
    file.read_exact(&mut word)?;
    let [a, b, c, d, kind @ ..] = word;
    let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, room),
        1 if room >= 16 => {
            file.read_exact(&mut word)?;
            (16, u64::from_be_bytes(word))
        }
        size => (8, u64::from(size)),
    };
    if size < header || size > room { Err(cut_short) } else { Ok((kind, header, size)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::fmp4;
    use std::io::Cursor;

    fn walk(bytes: &[u8]) -> Result<Vec<(u64, std::ops::Range<u64>)>, WalkError> {
        let mut found = Vec::new();
        each_fragment(&mut Cursor::new(bytes), bytes.len() as u64, |fragment| {
            found.push((fragment.moof_offset, fragment.data.clone()));
            Ok(())
        })?;
        Ok(found)
    }

    fn segment() -> Vec<u8> {
        let sample = fmp4::Sample { data: b"abc", duration: 5, composition_offset: 0, key: true };
        let chunk = fmp4::chunk(1, 1, 0, &[sample]).bytes;
        [&fmp4::styp()[..], &chunk, &chunk].concat()
    }

    #[test]
    fn every_fragment_of_a_segment_is_found_where_it_lies() {
        let bytes = segment();
        let found = walk(&bytes).unwrap();
        assert_eq!(found.len(), 2);
        for (moof, data) in found {
            assert_eq!(&bytes[moof as usize + 4..moof as usize + 8], b"moof");
            assert_eq!(&bytes[data.start as usize..data.end as usize], b"abc");
        }
    }

    #[test]
    fn a_segment_cut_anywhere_or_with_wild_sizes_is_refused() {
        let bytes = segment();
        let ends = [24, 24 + (bytes.len() - 24) / 2, bytes.len()];
        for length in 1..bytes.len() {
            assert_eq!(walk(&bytes[..length]).is_ok(), ends.contains(&length), "{length}");
        }
        for wild in
            [&[0, 0, 0, 7, b'm', b'o', b'o', b'f'][..], &[255; 16], b"\0\0\0\x01moof\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert!(matches!(walk(wild), Err(WalkError::Content(_))), "{wild:?}");
        }
        assert!(walk(b"").unwrap().is_empty());
        assert!(walk(b"\0\0\0\x08mdat").is_err(), "media that no moof describes");
    }
}
