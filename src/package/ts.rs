//! STAND-IN.
use std::collections::BTreeMap;

/// Stand-in.
#[derive(Debug, Default)]
pub struct Continuity(BTreeMap<u16, u8>);

impl Continuity {
    /// Stand-in.
    pub fn renumber(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        if !bytes.len().is_multiple_of(188) {
            return Err("not whole packets".into());
        }
        for packet in bytes.chunks_exact_mut(188) {
            let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
            let counter = self.0.entry(pid).or_insert(15);
            if packet[3] & 0x10 != 0 {
                *counter = (*counter + 1) & 15;
            }
            packet[3] = packet[3] & 0xf0 | *counter;
        }
        Ok(())
    }
}
