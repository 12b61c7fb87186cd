//! Static HDR metadata in an initialisation segment, where players look before they decode anything, and the only place
//! that VP9 has for it.

use crate::model::facts::Hdr;

/// The boxes on the way to the sample description, each with the bytes between its header and its first child.
const WAY: [(&[u8; 4], usize); 6] =
    [(b"moov", 0), (b"trak", 0), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 8)];
/// Bytes of a visual sample entry before its boxes, behind its header (ISO/IEC 14496-12 §12.1.3).
const VISUAL_ENTRY: usize = 78;

/// Puts `mdcv` and `clli` (ISO/IEC 14496-12 §12.1.6, §12.1.7) into the only sample entry of an initialisation segment of
/// pictures, as far as they are known and not there yet. Nothing changes where there is no such entry.
pub fn with_light(init_segment: &[u8], hdr: &Hdr) -> Vec<u8> {
    let mut bytes = init_segment.to_vec();
    let Some(boxes) = way(&bytes) else { return bytes };
    let Some(entry) = boxes.last().copied() else { return bytes };
    let children = entry + 8 + VISUAL_ENTRY;
    let mut more = Vec::new();
    let absent = |kind: &[u8; 4]| find(init_segment, children, entry + size(init_segment, entry), kind).is_none();
    if let Some(mastering) = hdr.mastering.as_ref().filter(|_| absent(b"mdcv")) {
        let mut body = Vec::with_capacity(24);
        for (x, y) in [mastering.green, mastering.blue, mastering.red, mastering.white] {
            body.extend([x, y].map(|n| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes()).concat());
        }
        body.extend([mastering.max_luminance, mastering.min_luminance].map(u32::to_be_bytes).concat());
        push(&mut more, b"mdcv", &body);
    }
    if let Some(max_cll) = hdr.max_cll.filter(|_| absent(b"clli")) {
        let levels = [max_cll, hdr.max_fall.unwrap_or(0)];
        push(&mut more, b"clli", &levels.map(|n| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes()).concat());
    }
    for at in &boxes {
        let grown = (size(&bytes, *at) + more.len()) as u32;
        bytes[*at..*at + 4].copy_from_slice(&grown.to_be_bytes());
    }
    let end = entry + size(init_segment, entry);
    bytes.splice(end..end, more);
    bytes
}

/// Where each box on the way begins, the sample entry last.
fn way(bytes: &[u8]) -> Option<Vec<usize>> {
    let (mut from, mut to) = (0, bytes.len());
    let mut boxes = Vec::with_capacity(WAY.len() + 1);
    for (kind, skipped) in WAY {
        let at = find(bytes, from, to, kind)?;
        boxes.push(at);
        (from, to) = (at + 8 + skipped, at + size(bytes, at));
    }
    let entry = from;
    let fits =
        entry + 8 + VISUAL_ENTRY <= to && entry + size(bytes, entry) <= to && size(bytes, entry) >= 8 + VISUAL_ENTRY;
    boxes.push(entry);
    fits.then_some(boxes)
}

fn push(bytes: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    bytes.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(body);
}

/// Offset of the first box of a kind between two offsets.
fn find(bytes: &[u8], from: usize, to: usize, kind: &[u8; 4]) -> Option<usize> {
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

fn size(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::{HdrKind, MasteringDisplay};

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, kind, body);
        bytes
    }

    fn init() -> Vec<u8> {
        let entry = boxed(b"vp09", &[&[0; VISUAL_ENTRY][..], &boxed(b"vpcC", &[1; 12])].concat());
        let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
        let stbl = boxed(b"stbl", &[stsd, boxed(b"stts", &[0; 8])].concat());
        let trak = boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &stbl)));
        [boxed(b"ftyp", b"isom"), boxed(b"moov", &[trak, boxed(b"mvex", &[0; 4])].concat())].concat()
    }

    #[test]
    fn both_boxes_stand_at_the_end_of_the_entry_once_and_sizes_agree() {
        let point = (13_250, 34_500);
        let mastering = MasteringDisplay {
            red: (34_000, 16_000),
            green: point,
            blue: (7500, 3000),
            white: (15_635, 16_450),
            min_luminance: 50,
            max_luminance: 10_000_000,
        };
        let hdr = Hdr { kind: HdrKind::Pq, mastering: Some(mastering), max_cll: Some(1000), max_fall: Some(400) };
        let made = with_light(&init(), &hdr);
        assert_eq!(made.len(), init().len() + 32 + 12);
        let boxes = way(&made).unwrap();
        let entry = boxes[6];
        let mdcv = find(&made, entry + 86, entry + size(&made, entry), b"mdcv").unwrap();
        assert_eq!(&made[mdcv + 8..mdcv + 12], &[0x33, 0xc2, 0x86, 0xc4], "green comes first");
        assert_eq!(&made[mdcv + 24..mdcv + 28], &10_000_000_u32.to_be_bytes());
        assert_eq!(&made[mdcv + 32..mdcv + 44], b"\0\0\0\x0cclli\x03\xe8\x01\x90");
        assert!(find(&made, boxes[4] + 8, boxes[4] + size(&made, boxes[4]), b"stts").is_some());
        assert!(find(&made, boxes[0] + 8, made.len(), b"mvex").is_some());
        assert_eq!(with_light(&made, &hdr), made, "what is there is not put there again");
    }

    #[test]
    fn nothing_is_put_where_nothing_is_known_or_the_header_is_broken() {
        let none = Hdr { kind: HdrKind::Hlg, mastering: None, max_cll: None, max_fall: None };
        assert_eq!(with_light(&init(), &none), init());
        let some = Hdr { max_cll: Some(1), ..none };
        for length in 0..init().len() {
            let cut = &init()[..length];
            assert_eq!(with_light(cut, &some), cut, "{length}");
        }
    }
}
