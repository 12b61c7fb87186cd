//! Styled text as FFmpeg's decoders give it (one event of Advanced SubStation Alpha) to the text of a WebVTT cue: italics,
//! bold, underlining, the eight colours that WebVTT names, and the corner it stands in are kept, everything else is flattened.

use std::fmt::Write;

/// Longest text of a cue, bytes; the rest is cut off. Two lines of 42 characters are what is read.
const TEXT_BYTES_MAX: usize = 2048;
/// Fields of an event before its text: ReadOrder, Layer, Style, Name, three margins, Effect.
const FIELDS: usize = 8;
/// Colours that WebVTT has classes for (W3C WebVTT §5.1), as red, green and blue.
const COLORS: [(&str, u32); 7] = [
    ("lime", 0x00ff00),
    ("cyan", 0x00ffff),
    ("red", 0xff0000),
    ("yellow", 0xffff00),
    ("magenta", 0xff00ff),
    ("blue", 0x0000ff),
    ("black", 0x000000),
];

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Style {
    italic: bool,
    bold: bool,
    underlined: bool,
    color: Option<&'static str>,
}

/// Settings and text of a cue, of an event as libavcodec writes it; `None` where nothing is to be read.
pub fn from_ass(event: &str) -> Option<(String, String)> {
    let text = event.splitn(FIELDS + 1, ',').nth(FIELDS)?;
    let mut flat = Flat::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('N' | 'n') => flat.line(),
                Some('h') => flat.character('\u{a0}'),
                // What FFmpeg escapes itself.
                Some(c @ ('{' | '}' | '\\')) => flat.character(c),
                Some(other) => {
                    flat.character('\\');
                    flat.character(other);
                }
                None => flat.character('\\'),
            },
            '{' => {
                let block: String = rest.by_ref().take_while(|c| *c != '}').collect();
                flat.overrides(&block);
            }
            '\n' | '\r' => flat.line(),
            c => flat.character(c),
        }
    }
    flat.finish()
}

#[derive(Default)]
struct Flat {
    lines: Vec<String>,
    current: String,
    wanted: Style,
    /// What is open in the current line.
    open: Style,
    /// Text is a drawing.
    drawing: bool,
    bytes: usize,
    alignment: u32,
}

impl Flat {
    fn character(&mut self, c: char) {
        if self.drawing || self.bytes > TEXT_BYTES_MAX || (c.is_control() && c != '\t') {
            return;
        }
        if self.open != self.wanted {
            self.close();
            self.begin();
        }
        let before = self.current.len();
        match c {
            '&' => self.current.push_str("&amp;"),
            '<' => self.current.push_str("&lt;"),
            '>' => self.current.push_str("&gt;"),
            c => self.current.push(c),
        }
        self.bytes += self.current.len() - before;
    }

    /// A line that would be empty ends a cue (W3C WebVTT §4.1), so it is left out.
    fn line(&mut self) {
        self.close();
        let line = std::mem::take(&mut self.current);
        if !plain(&line).trim().is_empty() {
            self.lines.push(line.trim().to_owned());
        }
    }

    fn begin(&mut self) {
        let Style { italic, bold, underlined, color } = self.wanted;
        if let Some(color) = color {
            write!(self.current, "<c.{color}>").expect("writing to a string does not fail");
        }
        for (on, tag) in [(italic, "<i>"), (bold, "<b>"), (underlined, "<u>")] {
            self.current.push_str(if on { tag } else { "" });
        }
        self.open = self.wanted;
    }

    fn close(&mut self) {
        let Style { italic, bold, underlined, color } = std::mem::take(&mut self.open);
        for (on, tag) in [(underlined, "</u>"), (bold, "</b>"), (italic, "</i>"), (color.is_some(), "</c>")] {
            self.current.push_str(if on { tag } else { "" });
        }
    }

    /// One block of overrides, without its braces.
    fn overrides(&mut self, block: &str) {
        for tag in block.split('\\').skip(1).map(str::trim) {
            let number = |name: &str| tag.strip_prefix(name).and_then(|rest| rest.parse::<u32>().ok());
            if let Some(color) = ["c&H", "1c&H"].iter().find_map(|name| tag.strip_prefix(name)) {
                self.wanted.color = named(color);
            } else if tag == "c" || tag == "1c" {
                self.wanted.color = None;
            } else if let Some(at) = number("an") {
                self.alignment = at;
            } else if let Some(on) = number("i") {
                self.wanted.italic = on != 0;
            } else if let Some(weight) = number("b") {
                self.wanted.bold = weight == 1 || weight >= 600;
            } else if let Some(on) = number("u") {
                self.wanted.underlined = on != 0;
            } else if let Some(scale) = number("p") {
                self.drawing = scale > 0;
            } else if tag.starts_with('r') {
                self.wanted = Style::default();
            }
        }
    }

    fn finish(mut self) -> Option<(String, String)> {
        self.line();
        if self.lines.is_empty() {
            return None;
        }
        // Numbered as the keys of a keypad are; 2, at the bottom in the middle, is what players do by themselves.
        let side = match self.alignment {
            1 | 4 | 7 => "align:start position:0%",
            3 | 6 | 9 => "align:end position:100%",
            _ => "",
        };
        let height = match self.alignment {
            7..=9 => "line:0",
            4..=6 => "line:50%",
            _ => "",
        };
        let settings: Vec<&str> = [height, side].into_iter().filter(|text| !text.is_empty()).collect();
        Some((settings.join(" "), self.lines.join("\n")))
    }
}

/// The name of a colour, written as blue, green and red in hexadecimal.
fn named(text: &str) -> Option<&'static str> {
    let digits: String = text.chars().take_while(char::is_ascii_hexdigit).collect();
    let bgr = u32::from_str_radix(&digits, 16).ok()? & 0x00ff_ffff;
    let rgb = (bgr & 0xff) << 16 | bgr & 0xff00 | bgr >> 16;
    COLORS.iter().find(|(_, value)| *value == rgb).map(|(name, _)| *name)
}

/// A line without its tags.
fn plain(line: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        inside = (inside || *c == '<') && *c != '>';
        !inside && *c != '>'
    };
    line.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ass: &str) -> String {
        from_ass(&format!("0,0,Default,,0,0,0,,{ass}")).map(|(_, text)| text).unwrap_or_default()
    }

    #[test]
    fn styles_become_tags_and_everything_else_is_escaped() {
        assert_eq!(text("a, b"), "a, b");
        assert_eq!(text("{\\i1}a{\\i0} b"), "<i>a</i> b");
        assert_eq!(text("{\\i1}a{\\b1}b{\\i0}c"), "<i>a</i><i><b>b</b></i><b>c</b>");
        assert_eq!(text("{\\u1}a\\Nb"), "<u>a</u>\n<u>b</u>");
        assert_eq!(text("1 < 2 & 3 --> 4"), "1 &lt; 2 &amp; 3 --&gt; 4");
        assert_eq!(text("{\\c&H00FFFF&}a{\\c}b"), "<c.yellow>a</c>b");
        assert_eq!(text("{\\c&H123456&}a{\\fnArial\\fs20}b"), "ab");
        assert_eq!(text("\\{x\\} C:\\temp"), "{x} C:\\temp");
        assert_eq!(text("{\\i1}a{\\r}b"), "<i>a</i>b");
    }

    #[test]
    fn a_cue_has_no_empty_line_and_no_drawing() {
        assert_eq!(text("a\\N\\N \\Nb"), "a\nb");
        assert_eq!(text("{\\p1}m 0 0 l 100 100{\\p0}a"), "a");
        assert_eq!(from_ass("0,0,Default,,0,0,0,, "), None);
        assert_eq!(from_ass("no event"), None);
        assert_eq!(text("{unclosed"), "");
        assert!(text(&"x".repeat(9000)).len() <= TEXT_BYTES_MAX + 1);
    }

    #[test]
    fn the_corner_is_kept() {
        let settings = |ass: &str| from_ass(&format!("0,0,Default,,0,0,0,,{ass}")).map(|(settings, _)| settings);
        assert_eq!(settings("{\\an8}a").as_deref(), Some("line:0"));
        assert_eq!(settings("{\\an1}a").as_deref(), Some("align:start position:0%"));
        assert_eq!(settings("{\\an9}a").as_deref(), Some("line:0 align:end position:100%"));
        assert_eq!(settings("a").as_deref(), Some(""));
    }
}
