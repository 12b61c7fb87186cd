//! A track as one file: what stands before its segments, so that players find each of them as a range of bytes.

use super::boxes::{find, read_u32};
use super::fmp4::put_full_box;
use crate::model::Packaging;
use crate::model::ledger::TrackRecord;

/// Segments that an index can list: it counts them in 16 bits. Nine hours at the shortest duration.
pub const SEGMENTS_MAX: usize = u16::MAX as usize;
/// Bytes of a `sidx` box of version 1 without references, and of each of these (ISO/IEC 14496-12 §8.16.3.2).
const INDEX_HEAD_BYTES: usize = 40;
const REFERENCE_BYTES: usize = 12;
/// `starts_with_SAP` 1 and `SAP_type` 1: each segment begins with an IDR, or with a packet of sound.
const STARTS_WITH_SAP: u32 = 0x9000_0000;
/// Largest `referenced_size` and `subsegment_duration`.
const SIZE_MAX: u64 = (1 << 31) - 1;

/// File name of a generation of a track in a packaging.
pub fn name(packaging: Packaging, suffix: &str) -> String {
    match packaging {
        Packaging::Cmaf => format!("media{suffix}.mp4"),
        Packaging::Ts => format!("media{suffix}.ts"),
    }
}

/// Bytes of the index of so many segments.
pub const fn index_bytes(segments: usize) -> u64 {
    (INDEX_HEAD_BYTES + segments * REFERENCE_BYTES) as u64
}

/// The `sidx` box of a track in CMAF, to stand between its initialisation segment `init` and its segments. Its times are
/// those of the output, edit lists applied. `None` where it cannot be written: `init` names no track, there are more than
/// [`SEGMENTS_MAX`] segments, or one of them is larger than 2 GiB.
pub fn index(init: &[u8], track: &TrackRecord) -> Option<Vec<u8>> {
    let files: Vec<_> = track.segments.iter().map(|s| Some((s, s.file(Packaging::Cmaf)?))).collect::<Option<_>>()?;
    if files.len() > SEGMENTS_MAX {
        return None;
    }
    let mut references = Vec::with_capacity(files.len() * REFERENCE_BYTES);
    for (segment, file) in &files {
        let size = u32::try_from(Some(file.bytes).filter(|bytes| *bytes <= SIZE_MAX)?).ok()?;
        // Not set: `reference_type`, as it is media that follows.
        references.extend(size.to_be_bytes());
        references.extend(u32::try_from(segment.duration).ok()?.to_be_bytes());
        references.extend(STARTS_WITH_SAP.to_be_bytes());
    }
    let start = u64::try_from(files.first()?.0.start).ok()?;
    let (id, count) = (track_id(init)?, files.len() as u32);
    let mut index = Vec::with_capacity(INDEX_HEAD_BYTES + references.len());
    put_full_box(&mut index, b"sidx", 1, 0, |out| {
        out.extend(id.to_be_bytes());
        out.extend(track.timescale.to_be_bytes());
        out.extend(start.to_be_bytes());
        // `first_offset`: the first segment follows at once.
        out.extend(0_u64.to_be_bytes());
        // 16 reserved bits, and the count in the other 16.
        out.extend(count.to_be_bytes());
        out.extend(references);
    });
    Some(index)
}

/// `track_ID` (§8.3.2) of the one track of an initialisation segment.
fn track_id(init: &[u8]) -> Option<u32> {
    let header = find(find(find(init, b"moov")?, b"trak")?, b"tkhd")?;
    // Behind version, flags and two times, which version 1 writes in 64 bits.
    let at = if *header.first()? == 1 { 20 } else { 12 };
    read_u32(header, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::fixtures::usual;
    use crate::package::fmp4::put_box;

    fn init(version: u8) -> Vec<u8> {
        let mut init = Vec::new();
        put_box(&mut init, b"moov", |moov| {
            put_box(moov, b"trak", |trak| {
                put_full_box(trak, b"tkhd", version, 7, |out| {
                    out.extend(vec![0; if version == 1 { 16 } else { 8 }]);
                    out.extend(7_u32.to_be_bytes());
                });
            });
        });
        init
    }

    #[test]
    fn an_index_lists_every_segment_with_its_size_and_duration() {
        let ledger = usual(true);
        let track = &ledger.tracks[0];
        for version in [0, 1] {
            let index = index(&init(version), track).unwrap();
            assert_eq!(index.len() as u64, index_bytes(track.segments.len()));
            let word = |at: usize| u32::from_be_bytes(index[at..at + 4].try_into().unwrap());
            assert_eq!((word(0) as usize, &index[4..8], word(8)), (index.len(), &b"sidx"[..], 1 << 24));
            assert_eq!((word(12), word(16), word(36)), (7, track.timescale, track.segments.len() as u32));
            let listed = |nth: usize| (u64::from(word(40 + nth * 12)), i64::from(word(44 + nth * 12)));
            for (nth, segment) in track.segments.iter().enumerate() {
                let bytes = segment.file(Packaging::Cmaf).unwrap().bytes;
                assert_eq!(listed(nth), (bytes, segment.duration));
            }
        }
    }

    #[test]
    fn what_an_index_cannot_say_has_none() {
        let mut ledger = usual(true);
        assert_eq!(index(b"no boxes", &ledger.tracks[0]), None);
        let of_cmaf = |file: &&mut crate::model::ledger::StoredFile| file.packaging == Packaging::Cmaf;
        ledger.tracks[0].segments[0].files.iter_mut().find(of_cmaf).unwrap().bytes = 1 << 31;
        assert_eq!(index(&init(0), &ledger.tracks[0]), None);
    }
}
