//! As much of HTTP/1.1 as a relay must understand: where a head ends, and how long a request's body is.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head that is accepted.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT` ….
    pub method: String,
    /// Path and query exactly as they were sent.
    pub target: String,
    /// Header fields in order; names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The first field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The path as the server understands it: without the query, percent-decoded.
    pub fn path(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default().as_bytes();
        let mut bytes = Vec::with_capacity(path.len());
        let mut at = 0;
        while at < path.len() {
            let hex = (path[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
            match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    at += 3;
                }
                None => {
                    bytes.push(path[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn parse(head: &[u8]) -> io::Result<Request> {
        let text = std::str::from_utf8(head).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other("not a request line"));
        };
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Ok(Request { method: method.to_owned(), target: target.to_owned(), headers })
    }

    /// Bytes of the body; none for a chunked one, which a client of these tests has no reason to send.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }
}

/// Reads up to the empty line. Returns the head with that line, and the bytes of the body that came with it; none when
/// the connection ends before a head begins.
pub(crate) async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("the head does not end"));
        }
        if from.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

/// The head with one field more, or another value of it: one request a connection keeps the relay simple.
pub(crate) fn with_header(head: &[u8], name: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let is_it = |line: &&str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
    let kept: Vec<&str> = text.trim_end_matches("\r\n").split("\r\n").filter(|line| !is_it(line)).collect();
    format!("{}\r\n{name}: {value}\r\n\r\n", kept.join("\r\n")).into_bytes()
}
