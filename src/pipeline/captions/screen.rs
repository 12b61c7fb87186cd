//! What is seen on the screen of captions, as cues of WebVTT: text with its styles and where it stands, and from when to when.

use crate::model::limits::CAPTION_SHOWN_US_MAX;
use std::fmt::Write;

/// Letters that come further apart than this are not one line being written, µs.
const PAUSE_US: i64 = 1_000_000;
/// What is seen between the end of a line and the first letter of the next is not a cue of its own when it is seen for at
/// most so long, µs: lines roll up at once, and letters follow.
const BREATH_US: i64 = 500_000;
/// Longest that a screen counts as being written, µs.
const WRITING_US_MAX: i64 = 5_000_000;

/// How a letter looks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Style {
    pub italic: bool,
    pub underlined: bool,
    /// A class of WebVTT (W3C WebVTT §5.1), nothing for white.
    pub color: Option<&'static str>,
}

/// A letter in its place; nothing where the picture shows through.
pub(crate) type Cell = Option<(char, Style)>;

/// Text in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    /// Cue settings (W3C WebVTT §4.4).
    pub settings: String,
    /// Its lines, escaped and tagged.
    pub text: String,
}

/// What was to be seen from when to when, µs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub start: i64,
    pub end: i64,
    pub block: Block,
}

/// Turns changes of a screen into what was seen on it.
///
/// Captions that are written as they are seen change with each pair of letters. Their cue begins with the first letter and
/// has all of what is written until something else happens: the line is finished, or erased, or nothing comes for a while.
#[derive(Default, Debug)]
pub(crate) struct Screen {
    since: i64,
    written: Option<i64>,
    seen: Vec<Seen>,
}

impl Screen {
    /// Something that is seen changes now. `look` gives what was seen until now.
    pub(crate) fn changes(&mut self, now: i64, look: impl FnOnce() -> Vec<Block>) {
        self.close(now, look());
        self.written = None;
    }

    /// A letter is added now to what is seen.
    pub(crate) fn writes(&mut self, now: i64, look: impl FnOnce() -> Vec<Block>) {
        let goes_on = |last: i64| now - last <= PAUSE_US && now - self.since <= WRITING_US_MAX;
        if !self.written.is_some_and(goes_on) {
            let seen = look();
            if self.written.is_some() || seen.is_empty() || now - self.since > BREATH_US {
                self.close(now, seen);
            }
        }
        self.written = Some(now);
    }

    fn close(&mut self, now: i64, blocks: Vec<Block>) {
        let (start, end) = (self.since, now.min(self.since.saturating_add(CAPTION_SHOWN_US_MAX)));
        self.since = now;
        if end > start {
            self.seen.extend(blocks.into_iter().map(|block| Seen { start, end, block }));
        }
    }

    /// Since when there is what is seen now: nothing that is taken later begins before.
    pub(crate) const fn since(&self) -> i64 {
        self.since
    }

    /// What was seen and is over.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

/// The text of lines of letters: without what is blank around them, escaped, with tags; empty lines are left out, since
/// they would end a cue. Nothing where there is nothing to read.
pub(crate) fn text<'a>(lines: impl Iterator<Item = &'a [Cell]>) -> String {
    let lines: Vec<String> = lines.map(line).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Where the first letter of a line stands.
pub(crate) fn indent(cells: &[Cell]) -> Option<usize> {
    cells.iter().position(is_read)
}

fn is_read(cell: &Cell) -> bool {
    cell.is_some_and(|(letter, _)| !letter.is_whitespace())
}

fn line(cells: &[Cell]) -> String {
    let (Some(first), Some(last)) = (indent(cells), cells.iter().rposition(is_read)) else { return String::new() };
    let mut text = String::new();
    let mut open = Style::default();
    for cell in &cells[first..=last] {
        let (letter, style) = cell.unwrap_or((' ', open));
        if style != open {
            close(&mut text, open);
            begin(&mut text, style);
            open = style;
        }
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            letter => text.push(letter),
        }
    }
    close(&mut text, open);
    text
}

fn begin(text: &mut String, style: Style) {
    if let Some(color) = style.color {
        let _ = write!(text, "<c.{color}>");
    }
    text.push_str(if style.italic { "<i>" } else { "" });
    text.push_str(if style.underlined { "<u>" } else { "" });
}

fn close(text: &mut String, style: Style) {
    text.push_str(if style.underlined { "</u>" } else { "" });
    text.push_str(if style.italic { "</i>" } else { "" });
    text.push_str(if style.color.is_some() { "</c>" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(plain: &str) -> Vec<Cell> {
        plain.chars().map(|letter| (letter != '_').then_some((letter, Style::default()))).collect()
    }

    fn block(text: &str) -> Vec<Block> {
        vec![Block { settings: String::new(), text: text.to_owned() }]
    }

    #[test]
    fn text_is_escaped_and_tagged_without_what_is_blank() {
        let mut styled = cells("__a<b>_&c _");
        for cell in &mut styled[2..5] {
            *cell = cell.map(|(letter, _)| (letter, Style { italic: true, underlined: true, color: Some("yellow") }));
        }
        let lines = [styled, cells("____"), cells("   "), cells("two")];
        let made = text(lines.iter().map(Vec::as_slice));
        assert_eq!(made, "<c.yellow><i><u>a&lt;b</u></i></c>&gt; &amp;c\ntwo");
        assert_eq!(indent(&lines[0]), Some(2));
        assert_eq!(indent(&lines[2]), None);
    }

    #[test]
    fn what_is_written_letter_by_letter_is_one_cue() {
        let mut screen = Screen::default();
        screen.writes(1_000_000, Vec::new);
        screen.writes(1_033_000, || block("he"));
        screen.writes(1_066_000, || block("hell"));
        screen.changes(3_000_000, || block("hello"));
        // Another line, after what is left was seen alone for a while.
        screen.writes(4_000_000, || block("hello"));
        screen.writes(4_100_000, || block("hello\nyo"));
        screen.changes(4_200_000, || block("hello\nyou"));
        let seen: Vec<_> = screen.take().into_iter().map(|seen| (seen.start, seen.end, seen.block.text)).collect();
        let expected =
            [(1_000_000, 3_000_000, "hello"), (3_000_000, 4_000_000, "hello"), (4_000_000, 4_200_000, "hello\nyou")];
        assert_eq!(seen, expected.map(|(start, end, text)| (start, end, text.to_owned())));
        assert_eq!(screen.since(), 4_200_000);
    }

    #[test]
    fn writing_ends_with_a_pause_and_what_nobody_erases_ends_too() {
        let mut screen = Screen::default();
        screen.writes(0, Vec::new);
        screen.writes(2_000_000, || block("a"));
        screen.changes(60_000_000, || block("a b"));
        let seen: Vec<_> = screen.take().into_iter().map(|seen| (seen.start, seen.end)).collect();
        assert_eq!(seen, [(0, 2_000_000), (2_000_000, 2_000_000 + CAPTION_SHOWN_US_MAX)]);
    }
}
