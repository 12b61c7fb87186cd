//! What an ASF header promises and FFmpeg keeps to itself.

/// The File Properties Object's identifier (Advanced Systems Format 3.2), as it stands in a file.
const FILE_PROPERTIES: [u8; 16] =
    [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65];
/// From the identifier to the file's size: the identifier itself, the object's size, the file's identifier.
const TO_FILE_SIZE: usize = 16 + 8 + 16;
/// Bytes of a file in which its header lies.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// The size that a file says it has, bytes, from its first [`HEAD_BYTES`]; `None` where they hold no such header.
pub(super) fn promised_size(head: &[u8]) -> Option<u64> {
    let at = head.windows(FILE_PROPERTIES.len()).position(|window| window == FILE_PROPERTIES)?;
    let size = head.get(at + TO_FILE_SIZE..at + TO_FILE_SIZE + 8)?;
    Some(u64::from_le_bytes(size.try_into().ok()?)).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_stands_behind_the_identifiers() {
        let mut head = vec![0; 30];
        head.extend_from_slice(&FILE_PROPERTIES);
        head.extend_from_slice(&[0; 24]);
        head.extend_from_slice(&3_581_941_u64.to_le_bytes());
        assert_eq!(promised_size(&head), Some(3_581_941));
        assert_eq!(promised_size(&head[..60]), None);
        assert_eq!(promised_size(b""), None);
    }
}
