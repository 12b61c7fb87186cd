//! What a worker process writes to stderr by itself: a panic, a library's last words. Bounded in lines and length.

use super::exit::cleaned;
use crate::model::limits::LOG_LINE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines kept of one process: enough for a panic with its backtrace, not for a library gone mad.
const LINES_MAX: usize = 200;

/// Reads until the end and hands over each line. What is over the limits is read and dropped, so that the process never
/// blocks on a full pipe.
pub(super) async fn read_lines(mut from: impl AsyncRead + Unpin, mut on_line: impl AsyncFnMut(String)) {
    let mut chunk = [0; 4096];
    let mut line = Vec::new();
    let mut lines = 0;
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        for &byte in &chunk[..read] {
            if byte != b'\n' {
                if line.len() < LOG_LINE_BYTES_MAX {
                    line.push(byte);
                }
            } else if !line.is_empty() {
                if lines < LINES_MAX {
                    on_line(cleaned(&String::from_utf8_lossy(&line))).await;
                }
                lines += 1;
                line.clear();
            }
        }
    }
    if !line.is_empty() && lines < LINES_MAX {
        on_line(cleaned(&String::from_utf8_lossy(&line))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        read_lines(bytes, async |line| lines.push(line)).await;
        lines
    }

    #[tokio::test]
    async fn lines_are_bounded_in_number_and_length() {
        assert_eq!(lines(b"one\n\ntwo\x07\xff\nlast").await, ["one", "two \u{fffd}", "last"]);
        let long = lines(&[b'x'; 10_000]).await;
        assert_eq!((long.len(), long[0].len()), (1, LOG_LINE_BYTES_MAX));
        assert_eq!(lines("x\n".repeat(10_000).as_bytes()).await.len(), LINES_MAX);
    }
}
