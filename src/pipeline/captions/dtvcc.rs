//! Captions of digital television (CTA-708-E): services that write into windows.
//!
//! Packets are put together here, leniently: what a broken one leaves over is lost, and the next is read. The library knows
//! the codes of a service. Of windows their place, text, visibility and scrolling are kept, of pens italics, underlining and
//! the colours that WebVTT names; borders, fonts, fading and delays are not.

use super::screen::{Block, Cell, Screen, Seen, Style, indent, text};
use cea708_types::tables::{Anchor, Code, Color, ColorValue, DefineWindowArgs, Ext1, Justify, WindowBits};

/// Most bytes of a packet: six bits count pairs, and zero is 64 of them (CTA-708-E §5).
const PACKET_BYTES_MAX: usize = 128;
const WINDOWS: usize = 8;
const ROWS_MAX: usize = 15;
const COLUMNS_MAX: usize = 42;
/// Steps of the grid of places across and down, for wide pictures (CTA-708-E §8.2).
const GRID: (usize, usize) = (210, 75);

/// Puts packets together of pairs of bytes.
#[derive(Default, Debug)]
pub(crate) struct Packets {
    bytes: Vec<u8>,
    wanted: usize,
}

impl Packets {
    /// Takes a pair, the first of a packet or another one, and gives a packet's service blocks, once it is whole: their
    /// numbers and codes.
    pub(crate) fn push(&mut self, starts: bool, pair: [u8; 2]) -> Vec<(u8, Vec<Code>)> {
        if starts {
            self.bytes.clear();
            self.wanted = match usize::from(pair[0] & 0x3f) {
                0 => PACKET_BYTES_MAX,
                pairs => pairs * 2,
            };
        }
        if self.wanted == 0 {
            return Vec::new();
        }
        self.bytes.extend(pair);
        if self.bytes.len() < self.wanted {
            return Vec::new();
        }
        self.wanted = 0;
        blocks(&self.bytes[1..])
    }
}

fn blocks(mut rest: &[u8]) -> Vec<(u8, Vec<Code>)> {
    let mut found = Vec::new();
    while let [header, behind @ ..] = rest {
        let (mut number, size) = (header >> 5, usize::from(header & 0x1f));
        rest = behind;
        if number == 7
            && size > 0
            && let [extended, behind @ ..] = rest
        {
            number = extended & 0x3f;
            rest = behind;
        }
        if number == 0 && size == 0 {
            // The null block, behind which is nothing but filling.
            break;
        }
        let Some(block) = rest.get(..size) else { break };
        rest = &rest[size..];
        if let Ok(codes) = Code::from_data(block) {
            found.push((number, codes));
        }
    }
    found
}

/// One service.
#[derive(Default, Debug)]
pub(crate) struct Service {
    windows: [Option<Window>; WINDOWS],
    current: usize,
    screen: Screen,
    has_text: bool,
}

#[derive(Debug)]
struct Window {
    place: DefineWindowArgs,
    visible: bool,
    justify: Justify,
    rows: Vec<Vec<Cell>>,
    row: usize,
    column: usize,
    style: Style,
}

impl Service {
    /// What was seen and is over.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        self.screen.take()
    }

    /// Before when nothing begins that is taken later, if something is seen now.
    pub(crate) fn open_since(&self) -> Option<i64> {
        let is_seen = |window: &Window| window.visible && !window.is_empty();
        self.windows.iter().flatten().any(is_seen).then_some(self.screen.since())
    }

    /// Whether it carries text.
    pub(crate) const fn has_text(&self) -> bool {
        self.has_text
    }

    /// The captions end now.
    pub(crate) fn finish(&mut self, now: i64) {
        self.changes(now);
    }

    fn changes(&mut self, now: i64) {
        self.screen.changes(now, || look(&self.windows));
    }

    /// Takes what stands in a block that came with the picture at `now`, µs.
    pub(crate) fn push(&mut self, codes: &[Code], now: i64) {
        for code in codes {
            self.take_code(code, now);
        }
    }

    fn take_code(&mut self, code: &Code, now: i64) {
        match code {
            Code::DefineWindow(place) => {
                self.changes(now);
                self.current = usize::from(place.window_id) % WINDOWS;
                let slot = &mut self.windows[self.current];
                match slot {
                    Some(window) => window.define(*place),
                    None => *slot = Some(Window::new(*place)),
                }
            }
            Code::ClearWindows(which) => self.each(*which, now, |slot| slot.iter_mut().for_each(Window::clear)),
            Code::DeleteWindows(which) => self.each(*which, now, |slot| *slot = None),
            Code::DisplayWindows(which) => self.show(*which, now, |_| true),
            Code::HideWindows(which) => self.show(*which, now, |_| false),
            Code::ToggleWindows(which) => self.show(*which, now, |visible| !visible),
            Code::Reset => self.each(WindowBits::from(u8::MAX), now, |slot| *slot = None),
            Code::FF | Code::CR | Code::HCR | Code::BS => {
                if self.windows[self.current].as_ref().is_some_and(|window| window.visible) {
                    self.changes(now);
                }
                if let Some(window) = &mut self.windows[self.current] {
                    window.move_pen(code);
                }
            }
            code => match selected(code) {
                Some(current) => self.current = current,
                None => self.write(code, now),
            },
        }
    }

    /// Letters, and what says how and where they are written.
    fn write(&mut self, code: &Code, now: i64) {
        let letter = letter(code);
        let Some(window) = &mut self.windows[self.current] else { return };
        if let Some(letter) = letter {
            self.has_text |= !letter.is_whitespace();
            if window.visible {
                self.screen.writes(now, || look(&self.windows));
            }
            if let Some(window) = &mut self.windows[self.current] {
                window.write(letter);
            }
            return;
        }
        match code {
            Code::SetPenLocation(place) => {
                window.row = usize::from(place.row).min(window.rows.len() - 1);
                window.column = usize::from(place.column).min(window.columns() - 1);
            }
            Code::SetPenAttributes(pen) => {
                (window.style.italic, window.style.underlined) = (pen.italics, pen.underline);
            }
            Code::SetPenColor(pen) => window.style.color = class(pen.foreground_color),
            Code::SetWindowAttributes(attributes) => window.justify = attributes.justify,
            _ => {}
        }
    }

    fn each(&mut self, which: WindowBits, now: i64, change: impl Fn(&mut Option<Window>)) {
        self.changes(now);
        let bits = u8::from(which);
        self.windows.iter_mut().enumerate().filter(|(at, _)| bits >> at & 1 == 1).for_each(|(_, slot)| change(slot));
    }

    fn show(&mut self, which: WindowBits, now: i64, visible: impl Fn(bool) -> bool) {
        self.each(which, now, |slot| {
            if let Some(window) = slot {
                window.visible = visible(window.visible);
            }
        });
    }
}

/// The window that a code makes the current one.
const fn selected(code: &Code) -> Option<usize> {
    Some(match code {
        Code::SetCurrentWindow0 => 0,
        Code::SetCurrentWindow1 => 1,
        Code::SetCurrentWindow2 => 2,
        Code::SetCurrentWindow3 => 3,
        Code::SetCurrentWindow4 => 4,
        Code::SetCurrentWindow5 => 5,
        Code::SetCurrentWindow6 => 6,
        Code::SetCurrentWindow7 => 7,
        _ => return None,
    })
}

/// The letter that a code writes.
fn letter(code: &Code) -> Option<char> {
    match code {
        // Letters of the table behind the extension, which the library does not turn into letters.
        Code::Ext1(extended) => Some(match extended {
            Ext1::TransparentSpace | Ext1::NonBreakingTransparentSpace => ' ',
            Ext1::HorizontalElipses => '\u{2026}',
            Ext1::LatinCapitalSWithCaron => '\u{160}',
            Ext1::LatinCapitalLigatureOE => '\u{152}',
            Ext1::FullBlock => '\u{2588}',
            Ext1::SingleOpenQuote => '\u{2018}',
            Ext1::SingleCloseQuote => '\u{2019}',
            Ext1::DoubleOpenQuote => '\u{201c}',
            Ext1::DoubleCloseQuote => '\u{201d}',
            Ext1::SolidDot => '\u{2022}',
            Ext1::TradeMarkSign => '\u{2122}',
            Ext1::LatinLowerSWithCaron => '\u{161}',
            Ext1::LatinLowerLigatureOE => '\u{153}',
            Ext1::LatinCapitalYWithDiaeresis => '\u{178}',
            Ext1::Fraction18 => '\u{215b}',
            Ext1::Fraction38 => '\u{215c}',
            Ext1::Fraction58 => '\u{215d}',
            Ext1::Fraction78 => '\u{215e}',
            Ext1::VerticalBorder => '\u{2502}',
            Ext1::UpperRightBorder => '\u{2510}',
            Ext1::LowerLeftBorder => '\u{2514}',
            Ext1::HorizontalBorder => '\u{2500}',
            Ext1::LowerRightBorder => '\u{2518}',
            Ext1::UpperLeftBorder => '\u{250c}',
            // No letter of Unicode has this sign.
            Ext1::ClosedCaptionSign | Ext1::Unknown(_) => return None,
        }),
        Code::P16(unit) => char::from_u32(u32::from(*unit)).filter(|letter| !letter.is_control()),
        code => code.char().filter(|letter| !letter.is_control()),
    }
}

/// The class of WebVTT whose colour is nearest: what is at least two thirds of red, green and blue.
const fn class(color: Color) -> Option<&'static str> {
    const fn is_on(value: ColorValue) -> bool {
        matches!(value, ColorValue::TwoThirds | ColorValue::Full)
    }
    match (is_on(color.r), is_on(color.g), is_on(color.b)) {
        (true, true, true) => None,
        (true, true, false) => Some("yellow"),
        (true, false, true) => Some("magenta"),
        (true, false, false) => Some("red"),
        (false, true, true) => Some("cyan"),
        (false, true, false) => Some("lime"),
        (false, false, true) => Some("blue"),
        (false, false, false) => Some("black"),
    }
}

impl Window {
    fn new(place: DefineWindowArgs) -> Self {
        let (rows, columns) = size(&place);
        let pen = place.pen_attributes();
        let style =
            Style { italic: pen.italics, underlined: pen.underline, color: class(place.pen_color().foreground_color) };
        let justify = place.window_attributes().justify;
        let rows = vec![vec![None; columns]; rows];
        Self { place, visible: place.visible, justify, rows, row: 0, column: 0, style }
    }

    /// One that is there keeps its text, as far as there is room for it.
    fn define(&mut self, place: DefineWindowArgs) {
        let (rows, columns) = size(&place);
        self.rows.resize(rows, Vec::new());
        self.rows.iter_mut().for_each(|row| row.resize(columns, None));
        self.row = self.row.min(rows - 1);
        self.column = self.column.min(columns - 1);
        (self.place, self.visible) = (place, place.visible);
    }

    fn columns(&self) -> usize {
        self.rows.first().map_or(1, Vec::len)
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| indent(row).is_none())
    }

    fn clear(&mut self) {
        self.rows.iter_mut().for_each(|row| row.fill(None));
    }

    fn write(&mut self, letter: char) {
        let (row, column) = (self.row, self.column);
        self.rows[row][column] = Some((letter, self.style));
        self.column = (column + 1).min(self.columns() - 1);
    }

    fn move_pen(&mut self, code: &Code) {
        match code {
            Code::FF => {
                self.clear();
                (self.row, self.column) = (0, 0);
            }
            Code::HCR => {
                self.rows[self.row].fill(None);
                self.column = 0;
            }
            Code::BS => {
                self.column = self.column.saturating_sub(1);
                self.rows[self.row][self.column] = None;
            }
            _ => {
                self.column = 0;
                if self.row + 1 < self.rows.len() {
                    self.row += 1;
                } else {
                    self.rows.rotate_left(1);
                    self.rows[self.row].fill(None);
                }
            }
        }
    }

    fn block(&self) -> Option<Block> {
        let first = self.rows.iter().position(|row| indent(row).is_some())?;
        let column = self.rows.iter().filter_map(|row| indent(row)).min()?;
        let (rows, columns) = (self.rows.len(), self.columns());
        let place = &self.place;
        let share = |at: u8, of: usize| usize::from(at) * 100 / if place.relative_positioning { 100 } else { of };
        // Percent of the height that a row takes in the safe area, and of the width that a column does.
        let (height, width) = (rows * 80 / ROWS_MAX, columns * 80 / COLUMNS_MAX);
        let (across, down) = anchored(place.anchor_point);
        let top = share(place.anchor_vertical, GRID.1).saturating_sub(height * down / 2) + first * 80 / ROWS_MAX;
        let left = share(place.anchor_horizontal, GRID.0).saturating_sub(width * across / 2);
        let (at, align) = match self.justify {
            Justify::Center => (left + width / 2, "center"),
            Justify::Right => (left + width, "end"),
            Justify::Left | Justify::Full => (left + column * 80 / COLUMNS_MAX, "start"),
        };
        let settings = format!("line:{}% position:{}% align:{align}", top.min(95), at.min(100));
        Some(Block { settings, text: text(self.rows.iter().map(Vec::as_slice)) })
    }
}

fn size(place: &DefineWindowArgs) -> (usize, usize) {
    let rows = usize::from(place.row_count) + 1;
    (rows.min(ROWS_MAX), (usize::from(place.column_count) + 1).min(COLUMNS_MAX))
}

/// How many halves of a window lie before the point that it is hung up at: across and down.
const fn anchored(anchor: Anchor) -> (usize, usize) {
    match anchor {
        Anchor::TopMiddle => (1, 0),
        Anchor::TopRight => (2, 0),
        Anchor::CenterLeft => (0, 1),
        Anchor::CenterMiddle => (1, 1),
        Anchor::CenterRight => (2, 1),
        Anchor::BottomLeft => (0, 2),
        Anchor::BottomMiddle => (1, 2),
        Anchor::BottomRight => (2, 2),
        _ => (0, 0),
    }
}

/// What is seen, the most important windows first.
fn look(windows: &[Option<Window>]) -> Vec<Block> {
    let mut seen: Vec<&Window> = windows.iter().flatten().filter(|window| window.visible).collect();
    seen.sort_by_key(|window| window.place.priority);
    seen.into_iter().filter_map(Window::block).collect()
}

#[cfg(test)]
#[path = "dtvcc_tests.rs"]
pub(super) mod tests;
