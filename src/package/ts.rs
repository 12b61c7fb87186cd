//! Continuity of MPEG-2 transport stream segments that were muxed apart (ISO/IEC 13818-1 §2.4.3).

use std::collections::BTreeMap;

/// Bytes in a transport stream packet (§2.4.3.2).
pub const PACKET_BYTES: usize = 188;
const SYNC_BYTE: u8 = 0x47;
const PID_COUNT: usize = 0x2000;
/// Null packets: their counter is undefined (§2.4.3.3).
const PID_NULL: usize = 0x1fff;
/// No packet with payload seen yet.
const UNSEEN: u8 = 0xff;

/// Why bytes are not a transport stream segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TsError {
    /// Packets are cut.
    #[error("{bytes} bytes are not a whole number of transport stream packets")]
    Length {
        /// Length of the segment.
        bytes: usize,
    },
    /// A packet does not begin as it must.
    #[error("transport stream packet {packet} does not begin with a sync byte")]
    Sync {
        /// Its number in the segment.
        packet: usize,
    },
}

/// The counter that each PID stands at. Segments given to `renumber` in order play as one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Continuity {
    last: Box<[u8]>,
}

impl Default for Continuity {
    fn default() -> Self {
        Self { last: vec![UNSEEN; PID_COUNT].into_boxed_slice() }
    }
}

impl Continuity {
    /// The counters as [`Continuity::counters`] gave them. What is no PID or no counter is left out.
    pub fn at(counters: &BTreeMap<u16, u8>) -> Self {
        let mut continuity = Self::default();
        for (pid, counter) in counters.iter().filter(|(_, counter)| **counter < 16) {
            if let Some(last) = continuity.last.get_mut(usize::from(*pid)) {
                *last = *counter;
            }
        }
        continuity
    }

    /// The last counter of each PID that was met.
    pub fn counters(&self) -> BTreeMap<u16, u8> {
        let met = self.last.iter().enumerate().filter(|(_, counter)| **counter != UNSEEN);
        met.map(|(pid, counter)| (pid as u16, *counter)).collect()
    }

    /// Rewrites the counters of a segment so that they go on where the segment before ended. Nothing else changes, so byte
    /// offsets stay. Only packets with a payload count (§2.4.3.3); a PID not met before keeps its first counter.
    ///
    /// # Errors
    /// `TsError` when the bytes are not whole packets with sync bytes; then neither they nor the counters are changed.
    pub fn renumber(&mut self, segment: &mut [u8]) -> Result<(), TsError> {
        check(segment)?;
        for packet in segment.chunks_exact_mut(PACKET_BYTES) {
            let pid = pid_of(packet);
            if pid == PID_NULL {
                continue;
            }
            let own = packet[3] & 0x0f;
            let has_payload = packet[3] & 0x10 != 0;
            let counter = match (self.last[pid], has_payload) {
                (UNSEEN, _) => own,
                (last, true) => (last + 1) & 0x0f,
                (last, false) => last,
            };
            packet[3] = packet[3] & 0xf0 | counter;
            if has_payload {
                self.last[pid] = counter;
            }
        }
        Ok(())
    }

    /// Takes over the counters at which a segment already published ends, so that the next one goes on from there.
    ///
    /// # Errors
    /// As `renumber`.
    pub fn observe(&mut self, segment: &[u8]) -> Result<(), TsError> {
        check(segment)?;
        for packet in segment.chunks_exact(PACKET_BYTES).filter(|packet| packet[3] & 0x10 != 0) {
            self.last[pid_of(packet)] = packet[3] & 0x0f;
        }
        Ok(())
    }
}

pub(super) fn pid_of(packet: &[u8]) -> usize {
    usize::from(packet[1] & 0x1f) << 8 | usize::from(packet[2])
}

/// Whether a packet begins a section or a packet of a stream (§2.4.3.3).
pub(super) fn is_start(packet: &[u8]) -> bool {
    packet[0] == SYNC_BYTE && packet[1] & 0x40 != 0
}

fn check(segment: &[u8]) -> Result<(), TsError> {
    if !segment.len().is_multiple_of(PACKET_BYTES) {
        return Err(TsError::Length { bytes: segment.len() });
    }
    match segment.chunks_exact(PACKET_BYTES).position(|packet| packet[0] != SYNC_BYTE) {
        Some(packet) => Err(TsError::Sync { packet }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `adaptation_field_control`: 1 payload, 2 adaptation field, 3 both.
    fn packet(pid: u16, control: u8, counter: u8) -> Vec<u8> {
        let mut bytes = vec![0xa5; PACKET_BYTES];
        bytes[..4].copy_from_slice(&[0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0xc0 | control << 4 | counter]);
        bytes
    }

    fn counters(segment: &[u8]) -> Vec<u8> {
        segment.chunks_exact(PACKET_BYTES).map(|packet| packet[3] & 0x0f).collect()
    }

    #[test]
    fn counters_run_on_for_each_pid_and_wrap() {
        let mut continuity = Continuity::default();
        let segment = || [packet(0, 1, 0), packet(256, 3, 0), packet(256, 1, 1), packet(256, 1, 2)].concat();
        let mut seen = Vec::new();
        for _ in 0..7 {
            let mut bytes = segment();
            continuity.renumber(&mut bytes).unwrap();
            seen.push(counters(&bytes));
        }
        assert_eq!(seen[0], [0, 0, 1, 2]);
        assert_eq!(seen[1], [1, 3, 4, 5]);
        assert_eq!(seen[5], [5, 15, 0, 1]);
        assert_eq!(seen[6], [6, 2, 3, 4]);
    }

    #[test]
    fn packets_without_payload_repeat_and_null_packets_are_left_alone() {
        let mut continuity = Continuity::default();
        let mut bytes =
            [packet(256, 1, 9), packet(256, 2, 3), packet(0x1fff, 1, 7), packet(256, 1, 0), packet(300, 2, 5)].concat();
        let before = bytes.clone();
        continuity.renumber(&mut bytes).unwrap();
        assert_eq!(counters(&bytes), [9, 9, 7, 10, 5]);
        for (index, (now, then)) in bytes.iter().zip(&before).enumerate() {
            assert!(now == then || index % PACKET_BYTES == 3 && now & 0xf0 == then & 0xf0, "byte {index}");
        }
    }

    #[test]
    fn what_was_published_before_can_be_taken_over() {
        let mut published = [packet(0, 1, 3), packet(256, 1, 14), packet(256, 2, 14)].concat();
        let mut first = Continuity::default();
        first.renumber(&mut published).unwrap();
        let mut resumed = Continuity::default();
        resumed.observe(&published).unwrap();
        assert_eq!(resumed, first);
        assert_eq!(first.counters(), BTreeMap::from([(0, 3), (256, 14)]));
        assert_eq!(Continuity::at(&first.counters()), first);
        let wild = BTreeMap::from([(0x1fff, 16), (0x2000, 1), (u16::MAX, 0)]);
        assert_eq!(Continuity::at(&wild), Continuity::default());
    }

    #[test]
    fn anything_but_whole_packets_is_refused_untouched() {
        let mut continuity = Continuity::default();
        let fresh = continuity.clone();
        let mut cut = packet(256, 1, 1);
        cut.pop();
        assert_eq!(continuity.renumber(&mut cut), Err(TsError::Length { bytes: 187 }));
        let mut broken = [packet(256, 1, 1), packet(256, 1, 9)].concat();
        broken[PACKET_BYTES] = 0x46;
        let before = broken.clone();
        assert_eq!(continuity.renumber(&mut broken), Err(TsError::Sync { packet: 1 }));
        assert_eq!(continuity.observe(&broken), Err(TsError::Sync { packet: 1 }));
        assert_eq!((broken, continuity.clone()), (before, fresh));
        assert_eq!(continuity.renumber(&mut []), Ok(()));
    }
}
