//! Messages between the daemon and its workers (`proto/worker/v1`): a little-endian 32-bit length, then protobuf.

use crate::model::limits::MESSAGE_BYTES_MAX;
use prost::Message;
use std::io::{self, Read, Write};

/// The generated message types.
#[expect(missing_docs, reason = "generated; documented in the .proto file")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/reelmill.worker.v1.rs"));
}

/// A message with its length in front.
pub fn encode(message: &impl Message) -> io::Result<Vec<u8>> {
    let length = message.encoded_len();
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("message of {length} bytes is over the limit"),
        ));
    }
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    message.encode(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The length that a frame header announces, refused above the limit.
pub fn frame_length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("peer announced a message of {length} bytes")));
    }
    Ok(length)
}

/// Writes one message, blocking.
pub fn write_blocking(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// Reads one message, blocking; `None` when the peer has closed between messages.
pub fn read_blocking<M: Message + Default>(from: &mut impl Read) -> io::Result<Option<M>> {
    let mut header = [0; 4];
    match from.read(&mut header)? {
        0 => return Ok(None),
        read => from.read_exact(&mut header[read..])?,
    }
    let mut body = vec![0; frame_length(header)?];
    from.read_exact(&mut body)?;
    M::decode(body.as_slice()).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_way() {
        let sent = v1::Released { bytes: 7 };
        let mut pipe = Vec::new();
        write_blocking(&mut pipe, &sent).unwrap();
        let mut from = pipe.as_slice();
        assert_eq!(read_blocking::<v1::Released>(&mut from).unwrap(), Some(sent));
        assert_eq!(read_blocking::<v1::Released>(&mut from).unwrap(), None);
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused_before_it_is_allocated() {
        let mut from: &[u8] = &[0xff, 0xff, 0xff, 0xff];
        assert_eq!(read_blocking::<v1::Released>(&mut from).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_message_cut_short_is_an_error_not_an_end() {
        let bytes =
            encode(&v1::Failed { fault: "bug".into(), code: "x".into(), message: "y".into(), ..v1::Failed::default() })
                .unwrap();
        let mut from = &bytes[..bytes.len() - 1];
        assert!(read_blocking::<v1::Failed>(&mut from).is_err());
    }
}
