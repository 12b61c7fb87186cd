//! Teletext subtitles (ETSI EN 300 706) in a transport stream (ETSI EN 300 472), which FFmpeg reads and does not write.

use std::fs;
use std::path::{Path, PathBuf};

const PACKET: usize = 188;
/// Where FFmpeg puts the table of a programme and its pictures, and a place that it leaves free.
const TABLE: u16 = 0x1000;
const PICTURES: u16 = 0x100;
const TEXT: u16 = 0x104;
/// The subtitle page of tests.
const PAGE: [u8; 2] = [8, 8];
/// A page that there never is: its header ends the one before.
const NO_PAGE: [u8; 2] = [15, 15];

/// A transport stream that FFmpeg has made, with a track of teletext in German besides. Each page is shown from its time, in
/// 90,000ths of a second behind the first picture, until the next one; an empty one shows nothing.
pub(crate) fn with_teletext(stream: &Path, name: &str, pages: &[(u64, &str)]) -> PathBuf {
    let path = stream.with_file_name(name);
    let (mut made, mut first, mut left) = (Vec::new(), None, pages);
    let mut counter = 0;
    for packet in fs::read(stream).unwrap().chunks_exact(PACKET) {
        let begins = packet[1] & 0x40 != 0;
        match (u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff, begins) {
            (TABLE, true) => {
                made.extend(table(packet));
                continue;
            }
            (PICTURES, true) => {
                let now = time_of(packet);
                let zero = *first.get_or_insert(now);
                while let Some(((at, text), rest)) = left.split_first().filter(|((at, _), _)| now - zero >= *at) {
                    made.extend(packets(&shown(text, zero + at), &mut counter));
                    left = rest;
                }
            }
            _ => {}
        }
        made.extend(packet);
    }
    assert!(left.is_empty(), "the stream ends before the last page");
    fs::write(&path, made).unwrap();
    path
}

/// The table of the programme with another stream in it: private data with a descriptor of teletext (ETSI EN 300 468 §6.2.43),
/// subtitles in German on page 888.
fn table(packet: &[u8]) -> Vec<u8> {
    let more = [6, 0xe0 | (TEXT >> 8) as u8, TEXT as u8, 0xf0, 7, 0x56, 5, b'd', b'e', b'u', 0x10, 0x88];
    let length = usize::from(u16::from_be_bytes([packet[6], packet[7]]) & 0xfff);
    let mut section = packet[5..5 + 3 + length - 4].to_vec();
    section.extend(more);
    let [high, low] = ((length + more.len()) as u16).to_be_bytes();
    (section[1], section[2]) = (section[1] & 0xf0 | high, low);
    let sum = crc(&section);
    let mut made = packet[..5].to_vec();
    made.extend(section);
    made.extend(sum.to_be_bytes());
    made.resize(PACKET, 0xff);
    made
}

/// The sum of ISO/IEC 13818-1, annex A.
fn crc(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    bits.fold(u32::MAX, |sum, bit| sum << 1 ^ if sum >> 31 == bit { 0 } else { 0x04c1_1db7 })
}

/// The time of the packet of pictures that begins here.
fn time_of(packet: &[u8]) -> u64 {
    let header = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
    let at = |place: usize| u64::from(packet[header + place]);
    (at(9) >> 1 & 7) << 30 | at(10) << 22 | at(11) >> 1 << 15 | at(12) << 7 | at(13) >> 1
}

/// A packet of teletext: the page with a line of text, then the header of another, at which receivers show it.
fn shown(text: &str, time: u64) -> Vec<u8> {
    // The page is erased, it is subtitles, and its header is not shown.
    let mut units = vec![header(PAGE, [0, 8, 0, 8, 1, 0])];
    if !text.is_empty() {
        // In a box, which ends with the text.
        let line = format!("\u{b}\u{b}{text}\u{a}\u{a}");
        units.push(unit(20, &format!("{line:40}").bytes().map(odd).collect::<Vec<_>>()));
    }
    units.push(header(NO_PAGE, [0, 0, 0, 8, 1, 0]));
    units.resize(3, [vec![0xff, 0x2c], vec![0xff; 44]].concat());
    let bits = |from: u32, mask: u64| (time >> from & mask) as u8;
    let stamp =
        [0x21 | bits(30, 7) << 1, bits(22, 0xff), bits(15, 0x7f) << 1 | 1, bits(7, 0xff), bits(0, 0x7f) << 1 | 1];
    let body = [vec![0x84, 0x80, 0x24], stamp.to_vec(), vec![0xff; 0x24 - 5], vec![0x10], units.concat()].concat();
    [vec![0, 0, 1, 0xbd], (body.len() as u16).to_be_bytes().to_vec(), body].concat()
}

/// The header of a page of the eighth magazine, with its subcode and control bits.
fn header(page: [u8; 2], control: [u8; 6]) -> Vec<u8> {
    let numbers = page.into_iter().chain(control).map(hamming);
    unit(0, &numbers.chain([odd(b' '); 32]).collect::<Vec<_>>())
}

/// A data unit: one row of subtitles, in which the lowest bit is sent first.
fn unit(row: u8, data: &[u8]) -> Vec<u8> {
    let address = [hamming((row & 1) << 3), hamming(row >> 1)];
    let sent = address.iter().chain(data).map(|byte| byte.reverse_bits());
    [0x03, 0x2c, 0xe0 | row, 0xe4].into_iter().chain(sent).collect()
}

/// Four bits with four that protect them (ETSI EN 300 706 §8.2).
fn hamming(number: u8) -> u8 {
    let d = [0, 1, 2, 3].map(|bit| number >> bit & 1);
    let p = [1 ^ d[0] ^ d[2] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[2]];
    let last = 1 ^ p[0] ^ d[0] ^ p[1] ^ d[1] ^ p[2] ^ d[2] ^ d[3];
    let bits = [p[0], d[0], p[1], d[1], p[2], d[2], last, d[3]];
    bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)
}

/// Seven bits with one that makes their number odd.
fn odd(byte: u8) -> u8 {
    if byte.count_ones() % 2 == 1 { byte } else { byte | 0x80 }
}

/// Data in packets of the transport stream; the last one is filled up in front.
fn packets(data: &[u8], counter: &mut u8) -> Vec<u8> {
    let mut made = Vec::new();
    for (nth, piece) in data.chunks(PACKET - 4).enumerate() {
        let room = PACKET - 4 - piece.len();
        let begins = if nth == 0 { 0x40 } else { 0 };
        let fills = if room == 0 { 0x10 } else { 0x30 };
        made.extend([0x47, begins | (TEXT >> 8) as u8, TEXT as u8, fills | *counter]);
        *counter = (*counter + 1) & 15;
        let mut filling = vec![0xff; room];
        filling.iter_mut().zip([room.saturating_sub(1) as u8, 0]).for_each(|(byte, value)| *byte = value);
        made.extend(filling);
        made.extend(piece);
    }
    made
}
