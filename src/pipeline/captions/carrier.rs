//! Where closed captions lie in coded pictures: `cc_data` of ATSC A/53 Part 4 §6.2.3 (CTA-708-E §4.4), as user data of MPEG-2
//! pictures (ISO/IEC 13818-2 §6.2.2.2.2) and as SEI messages of H.264 (ISO/IEC 14496-10 §D.1.6) and HEVC (ISO/IEC 23008-2
//! §D.2.6), or as samples of a track of its own in QuickTime.
//!
//! Bytes of a source: nothing that stands in them is believed, and what does not fit is left out.

/// One `cc_data_pkt`: whose it is, and two bytes.
pub(crate) type Triplet = [u8; 3];

/// Country code of the United States and provider code of ATSC (ITU-T T.35), then what stands before `cc_data`.
const SEI_PREFIX: &[u8] = &[0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];
/// The last of it, which is all that MPEG-2 has.
const USER_DATA_PREFIX: &[u8] = b"GA94\x03";
/// `payloadType` of registered user data.
const REGISTERED: usize = 4;
/// `nal_unit_type` of supplemental enhancement information.
const H264_SEI: u8 = 6;
/// Likewise; that which stands before a picture.
const HEVC_SEI: u8 = 39;
/// Most triplets of one message: five bits count them.
const MESSAGE_TRIPLETS: usize = 31;
/// Most triplets of one picture: that of a third of a second, and fewer at any rate of television.
const TRIPLETS_MAX: usize = 200;

/// A way in which captions can come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carrier {
    /// MPEG-2 video.
    Mpeg2,
    /// H.264; how long the lengths before its NAL units are, nothing where start codes part them.
    H264(Option<usize>),
    /// HEVC, likewise.
    Hevc(Option<usize>),
    /// A track of captions.
    Track,
}

impl Carrier {
    /// That of a codec, by FFmpeg's name and its set-up bytes.
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Option<Self> {
        // `avcC` and `hvcC` begin with their version; start codes with zero.
        let length = |at: usize| {
            let is_record = extradata.first() == Some(&1);
            extradata.get(at).filter(|_| is_record).map(|byte| usize::from(byte & 3) + 1)
        };
        match codec {
            "mpeg2video" => Some(Self::Mpeg2),
            "h264" => Some(Self::H264(length(4))),
            "hevc" => Some(Self::Hevc(length(21))),
            "eia_608" => Some(Self::Track),
            _ => None,
        }
    }

    /// Where the first slice of a packet with start codes begins, its start code with it.
    pub(super) fn first_picture(data: &[u8], is_hevc: bool) -> Option<usize> {
        let is_slice = |header: u8| if is_hevc { header >> 1 & 0x3f < 32 } else { (1..=5).contains(&(header & 0x1f)) };
        let unit = units(data).find(|unit| unit.first().is_some_and(|header| is_slice(*header)))?;
        let at = unit.as_ptr() as usize - data.as_ptr() as usize - 3;
        // A zero before the start code belongs to it.
        Some(if at > 0 && data[at - 1] == 0 { at - 1 } else { at })
    }

    /// The captions of a packet, in the order in which they stand there.
    pub(crate) fn triplets(self, data: &[u8]) -> Vec<Triplet> {
        let mut found = Vec::new();
        match self {
            Self::Track => found.extend(data.chunks_exact(3).map(|triplet| [triplet[0], triplet[1], triplet[2]])),
            Self::Mpeg2 => units(data).for_each(|unit| {
                if let Some(user) = unit.strip_prefix(&[0xb2]).and_then(|user| user.strip_prefix(USER_DATA_PREFIX)) {
                    cc_data(user, &mut found);
                }
            }),
            Self::H264(length) => each_unit(data, length, |unit| {
                if unit.first().is_some_and(|header| header & 0x1f == H264_SEI) {
                    messages(&unit[1..], &mut found);
                }
            }),
            Self::Hevc(length) => each_unit(data, length, |unit| {
                if unit.len() > 2 && unit[0] >> 1 & 0x3f == HEVC_SEI {
                    messages(&unit[2..], &mut found);
                }
            }),
        }
        found.truncate(TRIPLETS_MAX);
        found
    }
}

/// What stands between start codes.
fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(data);
    std::iter::from_fn(move || {
        let unit = rest?;
        rest = after_start_code(unit);
        // The next start code, and zeros before it, end the unit.
        let end = rest.map_or(unit.len(), |next| unit.len() - next.len() - 3);
        Some(&unit[..end])
    })
}

fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    let at = data.windows(3).position(|three| three == [0, 0, 1])?;
    Some(&data[at + 3..])
}

fn each_unit(data: &[u8], length: Option<usize>, mut each: impl FnMut(&[u8])) {
    let Some(bytes) = length else { return units(data).for_each(each) };
    let mut rest = data;
    while rest.len() > bytes {
        let (size, behind) = rest.split_at(bytes);
        let size = size.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let Some(unit) = behind.get(..size) else { return };
        each(unit);
        rest = &behind[size..];
    }
}

/// The messages of an SEI unit, behind its header.
fn messages(unit: &[u8], found: &mut Vec<Triplet>) {
    let payload = unescaped(unit);
    let mut rest = payload.as_slice();
    // A message takes two bytes and more; the last byte is the trailing one.
    while rest.len() > 2 {
        let Some((kind, size, behind)) = long(rest).and_then(|(kind, behind)| {
            let (size, behind) = long(behind)?;
            Some((kind, size, behind))
        }) else {
            return;
        };
        let Some(message) = behind.get(..size) else { return };
        if let Some(data) = message.strip_prefix(SEI_PREFIX).filter(|_| kind == REGISTERED) {
            cc_data(data, found);
        }
        rest = &behind[size..];
    }
}

/// A number that is written as a sum of bytes, of which all but the last are 255.
fn long(data: &[u8]) -> Option<(usize, &[u8])> {
    let full = data.iter().take_while(|byte| **byte == 0xff).count();
    let last = data.get(full)?;
    Some((full * 255 + usize::from(*last), &data[full + 1..]))
}

/// Without the bytes that keep start codes away (`emulation_prevention_three_byte`).
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
    }
    bytes
}

/// `cc_data()` behind its identifiers: flags and a count, a byte of no use, triplets.
fn cc_data(data: &[u8], found: &mut Vec<Triplet>) {
    let Some(flags) = data.first().filter(|flags| *flags & 0x40 != 0) else { return };
    let count = usize::from(flags & 0x1f);
    let triplets = data.get(2..).unwrap_or_default().chunks_exact(3).take(count);
    // `cc_valid`
    found.extend(triplets.filter(|triplet| triplet[0] & 4 != 0).map(|triplet| [triplet[0], triplet[1], triplet[2]]));
}

/// Captions as an SEI unit behind a start code: a message for each 31 of them.
pub(super) fn sei(triplets: &[Triplet], is_hevc: bool) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1];
    unit.extend(if is_hevc { &[HEVC_SEI << 1, 1][..] } else { &[H264_SEI][..] });
    let mut payload = Vec::new();
    for some in triplets.chunks(MESSAGE_TRIPLETS) {
        // `itu_t_t35_…`, `cc_data`, and the marker behind it.
        let size = SEI_PREFIX.len() + 2 + some.len() * 3 + 1;
        payload.extend([REGISTERED as u8, size as u8]);
        payload.extend(SEI_PREFIX);
        payload.extend([0xc0 | some.len() as u8, 0xff]);
        payload.extend(some.iter().flatten());
        payload.push(0xff);
    }
    payload.push(0x80);
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SEI unit of H.264 with captions, behind a start code.
    fn unit(triplets: &[Triplet]) -> Vec<u8> {
        sei(triplets, false)
    }

    const PAIRS: [Triplet; 2] = [[0xfc, 0x14, 0x20], [0xfd, 0x15, 0x2c]];

    #[test]
    fn captions_are_found_in_all_that_carries_them() {
        let mut mpeg2 = vec![0, 0, 1, 0xb3, 9, 9, 0, 0, 1, 0, 5, 0, 0, 0, 1, 0xb2];
        mpeg2.extend(b"GA94\x03\x42\xff\xfc\x14\x20\xfd\x15\x2c\xff");
        mpeg2.extend([0, 0, 1, 1, 7, 7]);
        assert_eq!(Carrier::of("mpeg2video", &[]).unwrap().triplets(&mpeg2), PAIRS);
        let parted = [vec![0, 0, 0, 1, 9, 0x10], unit(&PAIRS), vec![0, 0, 1, 0x65, 1, 2]].concat();
        assert_eq!(Carrier::of("h264", &[0, 0, 0, 1]).unwrap().triplets(&parted), PAIRS);
        let plain = &unit(&PAIRS)[4..];
        let mut counted = vec![0, 0, 0, 2, 9, 0x10, 0, 0, 0, plain.len() as u8];
        counted.extend(plain);
        assert_eq!(Carrier::of("h264", &[1, 100, 0, 31, 0xff]).unwrap().triplets(&counted), PAIRS);
        let hevc = [sei(&PAIRS, true), vec![0, 0, 1, 2, 1, 9]].concat();
        assert_eq!(Carrier::of("hevc", &[]).unwrap().triplets(&hevc), PAIRS);
        assert_eq!(Carrier::of("eia_608", &[]).unwrap().triplets(&PAIRS.concat()), PAIRS);
        assert_eq!(Carrier::of("vp9", &[]), None);
    }

    #[test]
    fn escapes_are_undone_and_what_is_not_valid_is_left_out() {
        let padded = [[0xfc, 0x80, 0x80], [0xfa, 0, 0], [0, 0, 0], [0xfe, 0, 0], [0xfc, 0, 1]];
        let unit = unit(&padded);
        assert!(unit.windows(3).any(|three| three == [0, 0, 3]), "the test has something to undo");
        let valid = [[0xfc, 0x80, 0x80], [0xfe, 0, 0], [0xfc, 0, 1]];
        assert_eq!(Carrier::H264(None).triplets(&unit), valid);
    }

    #[test]
    fn damage_and_lies_give_nothing_and_never_fail() {
        let whole = unit(&PAIRS);
        for end in 0..whole.len() {
            let _ = Carrier::H264(None).triplets(&whole[..end]);
            let _ = Carrier::H264(Some(4)).triplets(&whole[..end]);
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            for carrier in [Carrier::Mpeg2, Carrier::H264(None), Carrier::H264(Some(2)), Carrier::Hevc(None)] {
                assert!(carrier.triplets(&bytes).len() <= TRIPLETS_MAX);
            }
        }
        let long = unit(&[PAIRS[0]; 62]).repeat(8);
        assert_eq!(Carrier::H264(None).triplets(&long).len(), TRIPLETS_MAX);
    }
}
