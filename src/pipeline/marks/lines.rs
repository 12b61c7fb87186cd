//! Lines of text cut into pieces of one font and one direction, each of which is shaped by itself and placed behind the one
//! that is seen before it. usvg would shape all of a line in each of its fonts and take glyphs over by their place, so that
//! letters are lost where fonts make different glyphs of them (docs/QUIRKS.md).

use super::fonts::Fonts;
use crate::model::Problem;
use crate::model::mark::TextStyle;
use std::ops::Range;
use unicode_bidi::{BidiInfo, Level};

/// A part of a line.
pub(super) struct Piece {
    pub(super) family: String,
    pub(super) text: String,
    /// From where the line begins at its left, pixels.
    pub(super) x: f32,
}

/// The pieces of a line from left to right, and how wide all are. A line in one font is one piece, whose width is not
/// asked for.
///
/// # Errors
/// `watermark.font`, `watermark.glyph`.
pub(super) fn pieces(line: &str, style: &TextStyle, fonts: &Fonts) -> Result<(Vec<Piece>, f32), Problem> {
    let runs = fonts.runs(line, &style.font)?;
    if let [] | [_] = &runs[..] {
        let whole = |(family, text): (String, &str)| Piece { family, text: text.to_owned(), x: 0.0 };
        return Ok((runs.into_iter().map(whole).collect(), 0.0));
    }
    let mut end = 0;
    let by_font = runs.into_iter().map(|(family, text)| {
        end += text.len();
        (family, end - text.len()..end)
    });
    let by_font: Vec<(String, Range<usize>)> = by_font.collect();
    let (mut pieces, mut x) = (Vec::new(), 0.0);
    for (level, seen) in directions(line) {
        let part = |(family, font): &(String, Range<usize>)| {
            let (from, to) = (font.start.max(seen.start), font.end.min(seen.end));
            (from < to).then(|| (family.clone(), directed(&line[from..to], level)))
        };
        let mut parts: Vec<(String, String)> = by_font.iter().filter_map(part).collect();
        if level.is_rtl() {
            parts.reverse();
        }
        for (family, text) in parts {
            let piece = Piece { family, text, x };
            x += advance(&piece, style, fonts)?;
            pieces.push(piece);
        }
    }
    Ok((pieces, x))
}

/// Where a line has which direction, from left to right (Unicode Standard Annex #9; paragraphs begin at the left, as
/// for lines in one font).
fn directions(line: &str) -> Vec<(Level, Range<usize>)> {
    let info = BidiInfo::new(line, Some(Level::ltr()));
    let of = |paragraph| {
        let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
        runs.into_iter().map(move |run| (levels[run.start], run))
    };
    info.paragraphs.iter().flat_map(of).collect()
}

/// A text that is read in one direction wherever it stands: what has none of its own would be read from left to right. A
/// mark of direction stands behind it, as spaces at the end of a line go to where the line ends (rule L1).
fn directed(text: &str, level: Level) -> String {
    let is_mark = |letter: &char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let bare: String = text.chars().filter(|letter| !is_mark(letter)).collect();
    if level.is_rtl() { format!("\u{202e}{bare}\u{200f}\u{202c}") } else { bare }
}

/// How far the next piece is from the beginning of one, pixels.
fn advance(piece: &Piece, style: &TextStyle, fonts: &Fonts) -> Result<f32, Problem> {
    let width = |text: String| {
        let measured = Piece { family: piece.family.clone(), text, x: 0.0 };
        let element = super::letters::element(&measured, style, (0.0, 0), "start");
        // The box of a text is as wide as its letters reach, by the font's own measures, spaces included.
        Ok(fonts.read(&super::letters::drawing(&element))?.root().bounding_box().width())
    };
    // Nothing is laid out where nothing is seen: spaces alone are measured between two that are.
    if piece.text.chars().all(char::is_whitespace) {
        return Ok(width(format!(".{}.", piece.text))? - width("..".to_owned())?);
    }
    width(piece.text.clone())
}
