//! Captions of line 21 (CTA-608-E, 47 CFR 15.119): four channels of letters and commands in two fields.
//!
//! The library knows what each pair of bytes means; here is what a receiver does with it: two memories of 15 rows of 32
//! letters, of which one is seen. Text mode and extended data services share the line and are passed over.

use super::screen::{Block, Cell, Screen, Seen, Style, indent, text};
use cea608_types::tables::{Channel, Code, Color, Control, MidRow, PreambleAddressCode};

const ROWS: usize = 15;
const COLUMNS: usize = 32;
/// Where the rows begin and how much they take of a picture's height, and columns of its width, percent.
const SAFE: (usize, usize) = (10, 80);

type Memory = [[Cell; COLUMNS]; ROWS];

/// What new letters do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// They are kept until they are shown together.
    PopOn,
    /// They are shown as they come.
    PaintOn,
    /// Likewise, in so many rows that move up.
    RollUp(usize),
    /// They are for another service.
    Text,
}

/// One field, with the screens of its two channels.
#[derive(Default, Debug)]
pub(crate) struct Field {
    channels: [Receiver; 2],
    current: Option<usize>,
    /// The last pair, if it was a command: commands are sent twice.
    repeated: Option<[u8; 2]>,
    /// Extended data are being sent (CTA-608-E §9.2), in the second field.
    extended: bool,
}

impl Field {
    /// Takes a pair of bytes that came with the picture at `now`, µs.
    pub(crate) fn push(&mut self, pair: [u8; 2], now: i64) {
        // A pair of wrong parity is lost; receivers show a block for it, which is no text.
        let Ok([first, second]) = Code::from_data(pair) else { return };
        if let Code::Control(control) = first {
            self.extended = false;
            if self.repeated.take() == Some(pair) {
                return;
            }
            self.repeated = Some(pair);
            let channel = usize::from(control.channel() == Channel::TWO);
            self.current = Some(channel);
            let letter = first.char().map(|letter| (letter, first.needs_backspace()));
            self.channels[channel].command(control.code(), letter, now);
            return;
        }
        match pair[0] & 0x7f {
            // Start or continuation of a packet, and its end.
            0x01..=0x0e => self.extended = true,
            0x0f => self.extended = false,
            _ if self.extended => {}
            // Padding stands between a command and its repetition where frames come more often than pairs.
            0 if pair[1] & 0x7f == 0 => {}
            _ => {
                self.repeated = None;
                let Some(channel) = self.current else { return };
                for letter in [first.char(), second.char()].into_iter().flatten() {
                    self.channels[channel].letter(letter, now);
                }
            }
        }
    }

    /// The receiver of the first or second channel.
    pub(crate) const fn channel(&mut self, second: bool) -> &mut Receiver {
        &mut self.channels[second as usize]
    }
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Receiver {
    mode: Option<Mode>,
    shown: Memory,
    hidden: Memory,
    row: usize,
    column: usize,
    style: Style,
    screen: Screen,
    /// Whether a letter came.
    has_text: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        let empty = [[None; COLUMNS]; ROWS];
        Self {
            mode: None,
            shown: empty,
            hidden: empty,
            row: ROWS - 1,
            column: 0,
            style: Style::default(),
            screen: Screen::default(),
            has_text: false,
        }
    }
}

impl Receiver {
    /// What was seen and is over.
    pub(crate) fn take(&mut self) -> Vec<Seen> {
        self.screen.take()
    }

    /// Before when nothing begins that is taken later, if something is seen now.
    pub(crate) fn open_since(&self) -> Option<i64> {
        self.shown.iter().flatten().any(Option::is_some).then_some(self.screen.since())
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
        self.screen.changes(now, || look(&self.shown));
    }

    fn command(&mut self, control: Control, letter: Option<(char, bool)>, now: i64) {
        match control {
            Control::ResumeCaptionLoading => self.mode = Some(Mode::PopOn),
            Control::ResumeDirectionCaptioning => self.mode = Some(Mode::PaintOn),
            Control::RollUp2 => self.roll_up(2, now),
            Control::RollUp3 => self.roll_up(3, now),
            Control::RollUp4 => self.roll_up(4, now),
            Control::TextRestart | Control::ResumeTextDisplay => self.mode = Some(Mode::Text),
            Control::EraseDisplayedMemory => {
                self.changes(now);
                self.shown = [[None; COLUMNS]; ROWS];
            }
            Control::EraseNonDisplayedMemory => self.hidden = [[None; COLUMNS]; ROWS],
            Control::EndOfCaption => {
                self.changes(now);
                std::mem::swap(&mut self.shown, &mut self.hidden);
                self.mode = Some(Mode::PopOn);
            }
            _ if matches!(self.mode, None | Some(Mode::Text)) => {}
            Control::CarriageReturn => self.carriage_return(now),
            Control::Backspace => {
                self.column = self.column.saturating_sub(1);
                self.write(None, now);
            }
            Control::DeleteToEndOfRow => {
                if self.mode != Some(Mode::PopOn) {
                    self.changes(now);
                }
                let (row, column) = (self.row, self.column);
                self.memory()[row][column..].fill(None);
            }
            Control::TabOffset1 => self.tab(1),
            Control::TabOffset2 => self.tab(2),
            Control::TabOffset3 => self.tab(3),
            Control::PreambleAddress(preamble) => self.address(preamble, now),
            Control::MidRow(change) => self.restyle(change, now),
            _ => {
                if let Some((letter, replaces)) = letter {
                    // It stands instead of the plain letter that older receivers show.
                    self.column -= usize::from(replaces && self.column > 0);
                    self.letter(letter, now);
                }
            }
        }
    }

    fn letter(&mut self, letter: char, now: i64) {
        if matches!(self.mode, None | Some(Mode::Text)) {
            return;
        }
        self.has_text |= !letter.is_whitespace();
        self.write(Some((letter, self.style)), now);
        self.tab(1);
    }

    fn write(&mut self, cell: Cell, now: i64) {
        if self.mode != Some(Mode::PopOn) {
            self.screen.writes(now, || look(&self.shown));
        }
        let (row, column) = (self.row, self.column);
        self.memory()[row][column] = cell;
    }

    /// The memory that letters go to.
    fn memory(&mut self) -> &mut Memory {
        if self.mode == Some(Mode::PopOn) { &mut self.hidden } else { &mut self.shown }
    }

    fn tab(&mut self, columns: usize) {
        self.column = (self.column + columns).min(COLUMNS - 1);
    }

    fn roll_up(&mut self, rows: usize, now: i64) {
        match self.mode {
            Some(Mode::RollUp(before)) if before == rows => return,
            Some(Mode::RollUp(_)) => {
                self.changes(now);
                let first = (self.row + 1).saturating_sub(rows);
                self.shown[..first].fill([None; COLUMNS]);
            }
            _ => {
                self.changes(now);
                self.shown = [[None; COLUMNS]; ROWS];
                self.hidden = self.shown;
                (self.row, self.column) = (ROWS - 1, 0);
            }
        }
        self.mode = Some(Mode::RollUp(rows));
    }

    fn carriage_return(&mut self, now: i64) {
        let Some(Mode::RollUp(rows)) = self.mode else { return };
        self.changes(now);
        let first = (self.row + 1).saturating_sub(rows);
        self.shown[first..=self.row].rotate_left(1);
        self.shown[self.row] = [None; COLUMNS];
        self.column = 0;
        self.style = Style::default();
    }

    fn address(&mut self, preamble: PreambleAddressCode, now: i64) {
        let row = usize::from(preamble.row()).min(ROWS - 1);
        if let Some(Mode::RollUp(rows)) = self.mode
            && row != self.row
        {
            // All rows go with the lowest.
            self.changes(now);
            let first = (self.row + 1).saturating_sub(rows);
            let moved = self.shown[first..=self.row].to_vec();
            self.shown = [[None; COLUMNS]; ROWS];
            for (up, cells) in moved.iter().rev().enumerate().take(row + 1) {
                self.shown[row - up] = *cells;
            }
        }
        self.row = row;
        self.column = usize::from(preamble.column());
        let (italic, underlined) = (preamble.italics(), preamble.underline());
        self.style = Style { italic, underlined, color: class(preamble.color()) };
    }

    /// A change of style takes the place of a letter, and looks like a space.
    fn restyle(&mut self, change: MidRow, now: i64) {
        self.style.underlined = change.underline();
        self.style.italic = change.italics();
        if let Some(color) = change.color() {
            self.style.color = class(color);
        }
        self.write(Some((' ', Style::default())), now);
        self.tab(1);
    }
}

const fn class(color: Color) -> Option<&'static str> {
    match color {
        Color::White => None,
        Color::Green => Some("lime"),
        Color::Blue => Some("blue"),
        Color::Cyan => Some("cyan"),
        Color::Red => Some("red"),
        Color::Yellow => Some("yellow"),
        Color::Magenta => Some("magenta"),
    }
}

/// What is seen: rows that stand below each other are one block.
fn look(memory: &Memory) -> Vec<Block> {
    let mut blocks = Vec::new();
    let is_read = |row: &[Cell; COLUMNS]| indent(row).is_some();
    let mut at = 0;
    for rows in memory.chunk_by(|above, below| is_read(above) == is_read(below)) {
        if is_read(&rows[0]) {
            let column = rows.iter().filter_map(|row| indent(row)).min().unwrap_or(0);
            let place = |at: usize, of: usize| SAFE.0 + at * SAFE.1 / of;
            let settings = format!("line:{}% position:{}% align:start", place(at, ROWS), place(column, COLUMNS));
            blocks.push(Block { settings, text: text(rows.iter().map(|row| row.as_slice())) });
        }
        at += rows.len();
    }
    blocks
}

#[cfg(test)]
#[path = "line21_tests.rs"]
mod tests;
