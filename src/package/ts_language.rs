//! The language of sound in transport streams: an `ISO_639_language_descriptor` in the program map (ISO/IEC 13818-1 §2.6.18).

use super::ts::{PACKET_BYTES, is_start, pid_of};
use crate::model::SoundRole;
use crate::model::language::three_letters;
use crate::model::ledger::TrackKind;

/// `TS_program_map_section` (§2.4.4.9), and the program association before it (§2.4.4.4).
const TABLE_MAP: u8 = 0x02;
const TABLE_ASSOCIATION: u8 = 0x00;
/// Tag and length of the descriptor, and the whole of it.
const TAG: u8 = 0x0a;
const BODY_BYTES: u8 = 4;
const BYTES: usize = 6;
/// What is behind a section of a packet (§2.4.4).
const STUFFING: u8 = 0xff;

/// What a program map says of a track of sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spoken {
    /// ISO 639-2, terminological.
    code: [u8; 3],
    /// `audio_type` (§2.6.19).
    kind: u8,
}

impl Spoken {
    /// What is said of a track; `None` where it is no sound, or nothing is known that has a code.
    pub fn of(track: &TrackKind) -> Option<Self> {
        let TrackKind::Audio { language: Some(language), descriptive, role, .. } = track else { return None };
        let code = three_letters(language)?.into_bytes().try_into().ok()?;
        let kind = match role {
            _ if *descriptive => 3,
            Some(SoundRole::EnhancedSpeech) => 2,
            _ => 0,
        };
        Some(Self { code, kind })
    }

    /// Writes it into every program map of a segment with one track, over stuffing, so that byte offsets stay. A map that
    /// says a language already, or that has no room or no track, stays as it is.
    pub fn tell(self, segment: &mut [u8]) {
        let mut map = None;
        for packet in segment.chunks_exact_mut(PACKET_BYTES).filter(|packet| is_start(packet)) {
            let pid = pid_of(packet);
            if pid == 0 {
                map = association(packet).or(map);
            } else if Some(pid) == map {
                // Nothing was written where there was no room.
                let _ = self.put(packet);
            }
        }
    }

    fn put(self, packet: &mut [u8]) -> Option<()> {
        let (start, end) = section(packet, TABLE_MAP)?;
        let body_end = end - 4;
        let word = |at: usize| Some(usize::from(*packet.get(at)? & 0x0f) << 8 | usize::from(*packet.get(at + 1)?));
        let stream = start + 12 + word(start + 10)?;
        let length = word(stream + 3)?;
        let (first, last) = (stream + 5, stream + 5 + length);
        let room = packet.get(end..end + BYTES)?.iter().all(|byte| *byte == STUFFING);
        if last > body_end || !room || has_language(&packet[first..last]) {
            return None;
        }
        packet.copy_within(last..body_end, last + BYTES);
        packet[last..last + 2].copy_from_slice(&[TAG, BODY_BYTES]);
        packet[last + 2..last + 5].copy_from_slice(&self.code);
        packet[last + 5] = self.kind;
        set_length(packet, stream + 3, length + BYTES);
        set_length(packet, start + 1, end - start - 3 + BYTES);
        let sum = crc(&packet[start..body_end + BYTES]);
        packet[body_end + BYTES..end + BYTES].copy_from_slice(&sum.to_be_bytes());
        Some(())
    }
}

/// Where the section of a table begins and ends that a packet holds whole, its checksum included.
fn section(packet: &[u8], table: u8) -> Option<(usize, usize)> {
    // Adaptation field, then the pointer (§2.4.3.3, §2.4.4.2).
    let payload = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
    let start = payload + 1 + usize::from(*packet.get(payload)?);
    let length = usize::from(*packet.get(start + 1)? & 0x0f) << 8 | usize::from(*packet.get(start + 2)?);
    let end = start + 3 + length;
    (packet[start] == table && length >= 13 && end <= packet.len()).then_some((start, end))
}

/// The PID of the first program map.
fn association(packet: &[u8]) -> Option<usize> {
    let (start, end) = section(packet, TABLE_ASSOCIATION)?;
    let programs = packet[start + 8..end - 4].chunks_exact(4);
    let first = programs.into_iter().find(|row| row[..2] != [0, 0])?;
    Some(usize::from(first[2] & 0x1f) << 8 | usize::from(first[3]))
}

fn has_language(mut descriptors: &[u8]) -> bool {
    while let [tag, length, rest @ ..] = descriptors {
        if *tag == TAG {
            return true;
        }
        descriptors = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    false
}

/// Twelve bits behind four others, which stay.
fn set_length(packet: &mut [u8], at: usize, length: usize) {
    packet[at] = packet[at] & 0xf0 | (length >> 8) as u8;
    packet[at + 1] = length as u8;
}

/// The checksum of sections (§2.4.4.10, annex A).
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8)
            .fold(sum ^ u32::from(*byte) << 24, |sum, _| if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, section: &[u8]) -> Vec<u8> {
        let sum = crc(section).to_be_bytes();
        let head = [0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10, 0];
        let mut bytes = [&head[..], section, &sum].concat();
        bytes.resize(PACKET_BYTES, STUFFING);
        bytes
    }

    /// One program, whose map is at 0x1000, with AAC at 0x100; `descriptors` of the stream.
    fn stream(descriptors: &[u8]) -> Vec<u8> {
        let table = packet(0, &[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
        let head = [2, 0xb0, 18 + descriptors.len() as u8, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0];
        let entry = [0x0f, 0xe1, 0, 0xf0, descriptors.len() as u8];
        let map = packet(0x1000, &[&head[..], &entry, descriptors].concat());
        [table, map, packet(0x100, &[7; 60])].concat()
    }

    const GERMAN: Spoken = Spoken { code: *b"deu", kind: 3 };

    #[test]
    fn the_language_stands_behind_other_descriptors_and_the_sum_is_right() {
        for before in [&b""[..], b"\x05\x04AC-3"] {
            let plain = stream(before);
            let mut told = plain.clone();
            GERMAN.tell(&mut told);
            assert_eq!(told.len(), plain.len());
            assert_eq!(told[..188], plain[..188]);
            assert_eq!(told[376..], plain[376..]);
            let map = &told[188..376];
            let (start, end) = section(map, TABLE_MAP).unwrap();
            // Annex A: over a whole section with its checksum nothing is left.
            assert_eq!(crc(&map[start..end]), 0);
            assert_eq!(usize::from(map[start + 16]), before.len() + 6);
            assert_eq!(map[start + 17..end - 4], [before, b"\x0a\x04deu\x03"].concat());
            assert!(map[end..].iter().all(|byte| *byte == STUFFING));
            let again = told.clone();
            GERMAN.tell(&mut told);
            assert_eq!(told, again, "it is told once");
        }
    }

    #[test]
    fn what_has_no_room_or_is_no_map_stays() {
        let full = stream(&[&[0x80, 155][..], &[0; 155]].concat());
        let mut cut = stream(b"");
        cut[188 + 7] = 0xff;
        for plain in [full, cut, vec![0x47; 188 * 3], vec![0xff; 188], Vec::new()] {
            let mut told = plain.clone();
            GERMAN.tell(&mut told);
            assert!(told == plain);
        }
    }

    #[test]
    fn what_a_track_is_there_for_is_its_audio_type() {
        let track = |language: &str, descriptive, role| {
            let kind = serde_json::json!({"type": "audio", "codec": "aac", "sample_rate": 48000, "channels": 2,
                "language": language, "title": "", "default": true, "descriptive": descriptive, "role": role});
            Spoken::of(&serde_json::from_value(kind).unwrap())
        };
        assert_eq!(track("de-AT", false, None), Some(Spoken { code: *b"deu", kind: 0 }));
        assert_eq!(track("ger", true, Some("enhanced_speech")), Some(GERMAN));
        assert_eq!(track("en", false, Some("enhanced_speech")), Some(Spoken { code: *b"eng", kind: 2 }));
        assert_eq!(track("und", false, None), None);
    }
}
