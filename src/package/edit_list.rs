//! An edit list in an initialisation segment: what lies before time zero in the media is not shown.

/// Puts an edit list (ISO/IEC 14496-12 §8.6.6) into the only track of an initialisation segment, so that presentation
/// starts at `media_time` (ticks of the track) of its media. Nothing changes for zero, or where there is no track.
///
/// Audio needs it for the encoder's priming samples. Video needs it for the delay between decoding and presentation:
/// composition offsets stay positive, which every demuxer reads alike, while `tfdt` stays on the segment grid.
pub fn with_edit_list(init_segment: &[u8], media_time: u32) -> Vec<u8> {
    let mut bytes = init_segment.to_vec();
    if media_time == 0 {
        return bytes;
    }
    let Some(moov) = find(&bytes, 0, bytes.len(), b"moov") else { return bytes };
    let Some(trak) = find(&bytes, moov + 8, moov + size(&bytes, moov), b"trak") else { return bytes };
    let Some(tkhd) = find(&bytes, trak + 8, trak + size(&bytes, trak), b"tkhd") else { return bytes };
    let at = tkhd + size(&bytes, tkhd);
    let edit = edts(media_time);
    for container in [moov, trak] {
        let grown = (size(&bytes, container) + edit.len()) as u32;
        bytes[container..container + 4].copy_from_slice(&grown.to_be_bytes());
    }
    bytes.splice(at..at, edit);
    bytes
}

/// Everything up to the end of `moov`: the initialisation segment at the head of a fragmented file. Empty where there is no
/// `moov`.
pub fn initialisation(file: &[u8]) -> &[u8] {
    find(file, 0, file.len(), b"moov").map_or(&[], |moov| &file[..moov + size(file, moov)])
}

/// `edts` with one `elst` entry: all of the media from `media_time` on. A duration of zero covers fragments to come.
fn edts(media_time: u32) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&36_u32.to_be_bytes());
    bytes[4..8].copy_from_slice(b"edts");
    bytes[8..12].copy_from_slice(&28_u32.to_be_bytes());
    bytes[12..16].copy_from_slice(b"elst");
    bytes[20..24].copy_from_slice(&1_u32.to_be_bytes());
    bytes[28..32].copy_from_slice(&media_time.to_be_bytes());
    bytes[32..34].copy_from_slice(&1_u16.to_be_bytes());
    bytes
}

/// Offset of the first box of a kind between two offsets.
pub(super) fn find(bytes: &[u8], from: usize, to: usize, kind: &[u8; 4]) -> Option<usize> {
    let mut at = from;
    while at + 8 <= to.min(bytes.len()) {
        let length = size(bytes, at);
        if length < 8 || at + length > bytes.len() {
            return None;
        }
        if &bytes[at + 4..at + 8] == kind {
            return Some(at);
        }
        at += length;
    }
    None
}

/// The size that a box tells.
pub(super) fn size(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = ((body.len() + 8) as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn the_edit_stands_behind_the_track_header_and_sizes_agree() {
        let trak = boxed(b"trak", &[boxed(b"tkhd", &[7; 4]), boxed(b"mdia", &[8; 4])].concat());
        let init = [boxed(b"ftyp", b"isom"), boxed(b"moov", &[boxed(b"mvhd", &[1; 4]), trak].concat())].concat();
        let edited = with_edit_list(&init, 1024);
        assert_eq!(edited.len(), init.len() + 36);
        let moov = find(&edited, 0, edited.len(), b"moov").unwrap();
        assert_eq!(moov + size(&edited, moov), edited.len());
        let trak = find(&edited, moov + 8, edited.len(), b"trak").unwrap();
        let edts = find(&edited, trak + 8, edited.len(), b"edts").unwrap();
        assert_eq!(&edited[edts + 28..edts + 32], &1024_u32.to_be_bytes());
        assert!(find(&edited, trak + 8, edited.len(), b"mdia").unwrap() > edts);
    }

    #[test]
    fn the_head_of_a_file_ends_with_its_movie_box() {
        let head = [boxed(b"ftyp", b"isom"), boxed(b"moov", b"abcd")].concat();
        let file = [head.clone(), boxed(b"moof", b"efgh"), boxed(b"mdat", b"ij")].concat();
        assert_eq!(initialisation(&file), head);
        assert!(initialisation(&file[..head.len() - 1]).is_empty());
        assert!(initialisation(b"moov").is_empty());
    }

    #[test]
    fn hostile_sizes_change_nothing() {
        for bytes in [&b""[..], b"moov", &[0, 0, 0, 0, b'm', b'o', b'o', b'v'], &[0xff; 64]] {
            assert_eq!(with_edit_list(bytes, 5), bytes);
        }
    }
}
