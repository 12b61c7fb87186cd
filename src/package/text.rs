//! Making text of unknown origin safe inside manifests: titles, language codes, names in URIs.

/// Characters of a title that a manifest carries; players show one line.
const TITLE_CHARS_MAX: usize = 200;

/// A title in one line: control characters and line separators become spaces, characters that XML 1.0 §2.2 cannot hold go,
/// runs of spaces become one, and what is too long is cut.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let allowed = text.chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{feff}'));
    for c in allowed.take(TITLE_CHARS_MAX) {
        let space = c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
        match (space, line.ends_with(' ') || line.is_empty()) {
            (true, true) => {}
            (true, false) => line.push(' '),
            (false, _) => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// A quoted string of an HLS attribute list, which can hold neither line breaks nor double quotes and has no escapes
/// (RFC 8216 §4.2).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('"', "'"))
}

/// A path segment with everything but the unreserved characters percent-encoded (RFC 3986 §2.1, §2.3).
pub(super) fn uri(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_stay_in_one_line_whatever_they_hold() {
        assert_eq!(quoted("Director's \"cut\"\r\n#EXT-X-ENDLIST\0\u{2028}x"), "\"Director's 'cut' #EXT-X-ENDLIST x\"");
        assert_eq!(one_line(" \t a \u{85}\u{ffff}\u{feff} b \u{7f}"), "a b");
        assert_eq!(one_line("Français 日本語 🎬"), "Français 日本語 🎬");
        assert_eq!(one_line(&"é".repeat(5000)).chars().count(), TITLE_CHARS_MAX);
        assert_eq!(one_line("\u{1}\u{2}"), "");
    }

    #[test]
    fn names_are_encoded_byte_by_byte() {
        assert_eq!(uri("640x360-h264_1.m4s~"), "640x360-h264_1.m4s~");
        assert_eq!(uri("a b/%é\"?#:"), "a%20b%2F%25%C3%A9%22%3F%23%3A");
    }
}
