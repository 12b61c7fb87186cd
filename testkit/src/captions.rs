//! Closed captions for sources of tests: ATSC A/53 messages in H.264, with what CTA-608-E and CTA-708-E say in them.

/// Captions of ATSC A/53 as H.264 carries them: a registered message of a country, a provider and `GA94`.
pub const CAPTIONS: &[u8] = b"\xb5\x00\x31GA94\x03";

/// One caption triplet: field or packet, and two bytes.
pub type Triplet = [u8; 3];

/// A supplemental message of H.264 with these captions. None of its bytes needs an escape.
fn message(triplets: &[Triplet]) -> Vec<u8> {
    let mut unit = b"\x00\x00\x00\x01\x06\x04".to_vec();
    unit.push((CAPTIONS.len() + 3 + 3 * triplets.len()) as u8);
    unit.extend(CAPTIONS);
    unit.extend([0xc0 | triplets.len() as u8, 0xff]);
    unit.extend(triplets.iter().flatten());
    unit.extend([0xff, 0x80]);
    unit
}

/// H.264 of one slice a picture with captions at each, by its number.
pub fn marked(plain: &[u8], triplets: impl Fn(usize) -> Vec<Triplet>) -> Vec<u8> {
    let (mut all, mut picture) = (Vec::new(), 0);
    let starts: Vec<usize> = (0..plain.len() - 3).filter(|at| plain[*at..].starts_with(b"\x00\x00\x01")).collect();
    for (place, start) in starts.iter().enumerate() {
        if matches!(plain[start + 3] & 0x1f, 1 | 5) {
            all.extend(message(&triplets(picture)));
            picture += 1;
        }
        all.extend(&plain[*start..starts.get(place + 1).copied().unwrap_or(plain.len())]);
    }
    all
}

/// A pair of line 21 in a field, with its parity.
pub fn pair(field: u8, bytes: [u8; 2]) -> Triplet {
    let odd = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte };
    [0xfc | field, odd(bytes[0]), odd(bytes[1])]
}

/// What each picture carries: in CC1 a caption that pops on at 1 s and is erased at 2 s, in CC3 lines that roll up, and in
/// the first service a window that is seen from 0.4 s to 3 s.
pub fn said(picture: usize) -> Vec<Triplet> {
    // Resume caption loading, row 15 at column 4, and words; then end of caption, and erase displayed memory.
    let load = [[0x14, 0x20], [0x14, 0x20], [0x14, 0x72], [0x14, 0x72], *b"Hi", *b" <", *b"a>"];
    let first = match picture {
        25 => Some([0x14, 0x2f]),
        50 => Some([0x14, 0x2c]),
        picture => load.get(picture).copied(),
    };
    // Two rows that roll up, carriage return, words.
    let roll = [[0x15, 0x25], [0x15, 0x25], [0x15, 0x2d], [0x15, 0x2d], *b"on", *b"e\0"];
    let second = match picture {
        37 => Some([0x15, 0x2d]),
        38 => Some(*b"tw"),
        39 => Some(*b"o\0"),
        picture => roll.get(picture).copied(),
    };
    let mut all = vec![pair(0, first.unwrap_or([0, 0])), pair(1, second.unwrap_or([0, 0]))];
    let window: &[Triplet] = match picture {
        // A packet of 14 bytes with a block of 12: the window 0, seen, two rows of 32, hung up at its lower middle; words.
        10 => &[
            [0xff, 0x07, 0x2c],
            [0xfe, 0x98, 0x20],
            [0xfe, 0xda, 0x32],
            [0xfe, 0x71, 0x1f],
            [0xfe, 0x09, b'N'],
            [0xfe, b'e', b'w'],
            [0xfe, b's', b'!'],
        ],
        75 => &[[0xff, 0x02, 0x22], [0xfe, 0x8a, 0x01]],
        _ => &[],
    };
    all.extend(window);
    all
}

/// Options of libx264 for pictures that [`marked`] takes: one slice each, in the order in which they are shown.
pub const PLAIN_H264: [&str; 12] = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-crf",
    "40",
    "-bf",
    "0",
    "-g",
    "25",
    "-x264-params",
    "sliced-threads=0:slices=1",
];
