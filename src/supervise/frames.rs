//! The protocol's framing on tokio: a little-endian 32-bit length, then one message.

use crate::wire;
use prost::Message;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Reads messages. Nothing is lost when a read is given up half-way: what has come stays in the buffer.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// The next message; `None` when the peer has closed between messages.
    pub(super) async fn next<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a message was cut short")),
                };
            }
        }
    }

    fn take<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        let Some(header) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let end = 4 + wire::frame_length(*header)?;
        if self.buffer.len() < end {
            self.buffer.reserve(end - self.buffer.len());
            return Ok(None);
        }
        let message = M::decode(&self.buffer[4..end]).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.buffer.drain(..end);
        Ok(Some(message))
    }
}

/// Writes what comes on `messages` until the senders or the peer are gone. The peer being gone is not reported here:
/// whoever reads from it learns that, and why.
pub(super) async fn write_all<M, W>(mut messages: mpsc::Receiver<M>, mut to: W)
where
    M: Message,
    W: AsyncWrite + Unpin,
{
    while let Some(message) = messages.recv().await {
        let Ok(bytes) = wire::encode(&message) else { return };
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::{LogLine, Released};

    #[tokio::test]
    async fn messages_that_arrive_in_pieces_are_whole() {
        let line = LogLine { level: "info".into(), track: String::new(), text: "x".repeat(1000) };
        let mut bytes = wire::encode(&line).unwrap();
        bytes.extend(wire::encode(&line).unwrap());
        let (mut ours, theirs) = tokio::io::duplex(7);
        tokio::spawn(async move { ours.write_all(&bytes).await });
        let mut reader = FrameReader::new(theirs);
        assert_eq!(reader.next().await.unwrap(), Some(line.clone()));
        assert_eq!(reader.next().await.unwrap(), Some(line));
        assert_eq!(reader.next::<LogLine>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_cut_message_and_an_endless_one_are_errors() {
        let bytes = wire::encode(&Released { bytes: 7 }).unwrap();
        let mut cut = FrameReader::new(&bytes[..bytes.len() - 1]);
        assert_eq!(cut.next::<Released>().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut endless = FrameReader::new(&[0xff_u8; 8][..]);
        assert_eq!(endless.next::<Released>().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_read_that_was_given_up_loses_nothing() {
        let bytes = wire::encode(&Released { bytes: 7 }).unwrap();
        let (mut ours, theirs) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(theirs);
        ours.write_all(&bytes[..3]).await.unwrap();
        let patience = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(patience, reader.next::<Released>()).await.is_err());
        ours.write_all(&bytes[3..]).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(Released { bytes: 7 }));
    }
}
