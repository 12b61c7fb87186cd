//! Files of text alone: read whole, and turned into UTF-8 before any parser sees them.

use crate::av::ByteSource;
use crate::model::Problem;
use crate::model::limits::SIDECAR_BYTES_MAX;
use encoding_rs::{Encoding, UTF_8};
use std::io;

/// Bytes in memory.
struct Memory(Vec<u8>);

impl ByteSource for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// The text of a file in UTF-8. Its byte order mark says what it is, else `encoding` does (a label of the WHATWG Encoding
/// Standard), else it is UTF-8.
///
/// # Errors
/// `text.too_large`; `text.encoding` where the encoding is unknown, or the bytes are not of it.
pub fn sidecar(mut source: Box<dyn ByteSource>, encoding: &str) -> Result<Box<dyn ByteSource>, Problem> {
    let size = source.size();
    if size > SIDECAR_BYTES_MAX {
        let message = format!("a file of text has at most {SIDECAR_BYTES_MAX} bytes, and this one has {size}");
        return Err(Problem::input("text.too_large", message));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        let unreadable = |error: io::Error| super::faults::unreadable(&error.to_string());
        match source.read_at(filled as u64, &mut bytes[filled..]).map_err(unreadable)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(Box::new(Memory(utf8(&bytes, encoding)?.into_bytes())))
}

fn utf8(bytes: &[u8], label: &str) -> Result<String, Problem> {
    let problem = |message: String| Err(Problem::input("text.encoding", message));
    let marked = Encoding::for_bom(bytes);
    let named = Encoding::for_label(label.as_bytes());
    let (encoding, mark) = match (marked, named) {
        (Some((encoding, mark)), _) => (encoding, mark),
        (None, _) if label.is_empty() => (UTF_8, 0),
        (None, Some(encoding)) => (encoding, 0),
        (None, None) => {
            return problem(format!("`{label}` is no encoding that is known: write one such as windows-1252"));
        }
    };
    let body = &bytes[mark..];
    if encoding == UTF_8
        && let Err(error) = std::str::from_utf8(body)
    {
        let at = mark + error.valid_up_to();
        return problem(format!(
            "the file is not UTF-8 from byte {at} on: say its encoding, such as windows-1252, or convert it"
        ));
    }
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Ok(text.into_owned()),
        None => problem(format!("the file is not all of {}: say its right encoding", encoding.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_then_labels_then_it_is_utf8() {
        assert_eq!(utf8("ä".as_bytes(), "").unwrap(), "ä");
        assert_eq!(utf8(b"\xef\xbb\xbfa", "windows-1252").unwrap(), "a");
        assert_eq!(utf8(b"\xff\xfea\0\xe4\0", "").unwrap(), "aä");
        assert_eq!(utf8(b"\xfe\xff\0a", "").unwrap(), "a");
        assert_eq!(utf8(b"\xe4", "windows-1252").unwrap(), "ä");
        assert_eq!(utf8(b"\x83\x65", "shift_jis").unwrap(), "テ");
    }

    #[test]
    fn what_is_not_its_encoding_is_refused_with_the_place() {
        let error = utf8(b"abc\xe4def", "").unwrap_err();
        assert_eq!(error.code, "text.encoding");
        assert!(error.message.contains("byte 3 "), "{}", error.message);
        let marked = utf8(b"\xef\xbb\xbfab\xe4", "").unwrap_err();
        assert!(marked.message.contains("byte 5 "), "{}", marked.message);
        assert_eq!(utf8(b"a", "klingon-8").unwrap_err().code, "text.encoding");
        assert_eq!(utf8(b"\xff", "shift_jis").unwrap_err().code, "text.encoding");
    }
}
