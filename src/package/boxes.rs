//! A walker over ISO base media boxes (ISO/IEC 14496-12 §4.2) that never trusts a length.
//!
//! It hands out slices of what it was given, looks no deeper than it is told, and ends at the first box that does not fit:
//! hostile bytes give fewer boxes, never a panic or a loop.

/// One box: its four-character code and what follows its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Box4<'a> {
    /// Four-character code.
    pub(crate) kind: [u8; 4],
    /// Payload, without size, type and extended size.
    pub(crate) body: &'a [u8],
}

/// Boxes that stand one after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxes<'a> {
    rest: &'a [u8],
}

/// The boxes in a run of bytes.
pub(crate) const fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Box4<'a>;

    fn next(&mut self) -> Option<Box4<'a>> {
        let rest = std::mem::take(&mut self.rest);
        let kind = *rest.get(4..)?.first_chunk::<4>()?;
        let (header, size) = match read_u32(rest, 0)? {
            // To the end of the file (§4.2.2).
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*rest.get(8..)?.first_chunk::<8>()?)).ok()?),
            size => (8, usize::try_from(size).ok()?),
        };
        let body = rest.get(header..size)?;
        self.rest = rest.get(size..)?;
        Some(Box4 { kind, body })
    }
}

/// The first box of a kind in a run of bytes.
pub(crate) fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|found| found.kind == *kind).map(|found| found.body)
}

/// A sample entry (ISO/IEC 14496-12 §8.5.2): its code and the boxes after its fixed fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleEntry<'a> {
    /// The entry's code: `avc1`, `mp4a` …
    pub(crate) kind: [u8; 4],
    /// Its child boxes.
    pub(crate) children: &'a [u8],
}

/// Bytes before the child boxes of a `VisualSampleEntry` (§12.1.3): 8 of `SampleEntry`, 70 of its own.
const VISUAL_FIELDS: usize = 78;
/// Bytes before the child boxes of an `AudioSampleEntry` (§12.2.3): 8 and 20.
const AUDIO_FIELDS: usize = 28;

/// The first sample entry of the first track in an initialisation segment.
pub(crate) fn first_sample_entry(init_segment: &[u8]) -> Option<SampleEntry<'_>> {
    let mut bytes = init_segment;
    for kind in [b"moov", b"trak", b"mdia"] {
        bytes = find(bytes, kind)?;
    }
    let handler = find(bytes, b"hdlr")?.get(8..)?.first_chunk::<4>()?;
    for kind in [b"minf", b"stbl", b"stsd"] {
        bytes = find(bytes, kind)?;
    }
    // A full box: version and flags, then the count of entries.
    let entry = boxes(bytes.get(8..)?).next()?;
    let fields = if handler == b"vide" { VISUAL_FIELDS } else { AUDIO_FIELDS };
    Some(SampleEntry { kind: entry.kind, children: entry.body.get(fields..)? })
}

/// A big-endian 32-bit number at an offset.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|chunk| u32::from_be_bytes(*chunk))
}

/// A big-endian 16-bit number at an offset.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|chunk| u16::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_size_forms_are_read() {
        let mut bytes = vec![0, 0, 0, 9, b'a', b'b', b'c', b'd', 7];
        bytes.extend([0, 0, 0, 1, b'l', b'o', b'n', b'g', 0, 0, 0, 0, 0, 0, 0, 18, 1, 2]);
        bytes.extend([0, 0, 0, 0, b'r', b'e', b's', b't', 5, 6]);
        let found: Vec<_> = boxes(&bytes).map(|found| (found.kind, found.body.to_vec())).collect();
        assert_eq!(found, [(*b"abcd", vec![7]), (*b"long", vec![1, 2]), (*b"rest", vec![5, 6])]);
    }

    #[test]
    fn a_box_that_does_not_fit_ends_the_walk() {
        for bytes in [
            &[0, 0, 0][..],
            &[0, 0, 0, 8, b'a', b'b', b'c'],
            &[0, 0, 0, 7, b'a', b'b', b'c', b'd'],
            &[0, 0, 0, 9, b'a', b'b', b'c', b'd'],
            &[0, 0, 0, 1, b'a', b'b', b'c', b'd', 0, 0, 0, 0, 0, 0, 0, 15],
            &[0, 0, 0, 1, b'a', b'b', b'c', b'd', 255, 255, 255, 255, 255, 255, 255, 255, 0],
        ] {
            assert_eq!(boxes(bytes).count(), 0, "{bytes:?}");
        }
        assert_eq!(boxes(&[0, 0, 0, 8, b'a', b'b', b'c', b'd', 0, 0, 0, 99, 1, 2, 3, 4]).count(), 1);
    }
}
