//! What is drawn over the pictures of an output, as asked: images, texts, timecodes.

use super::{Color, decimal};
use crate::model::{Locator, Problem};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most watermarks of an output: a logo, a notice, a timecode, and as much again.
pub const WATERMARKS_MAX: usize = 8;
/// Longest text, characters: what can be read in passing.
const TEXT_CHARS_MAX: usize = 400;
/// Most lines of a text.
const LINES_MAX: usize = 8;
/// Longest name of a font family, characters.
const FONT_CHARS_MAX: usize = 100;
/// Longest time that can be said, ms: eleven days, longer than any source.
const MILLIS_MAX: u64 = 1_000_000_000;
/// How long a motion to the other side and back takes where that is not said, ms.
pub const PERIOD_MS_DEFAULT: u64 = 20_000;
/// Shortest period, ms: what goes faster flickers.
const PERIOD_MS_MIN: u64 = 500;
/// Size of an image, thousandths of the picture's width, where none is asked.
pub const IMAGE_SIZE_DEFAULT: Share = Share(120);
/// Size of letters, thousandths of the picture's height, where none is asked.
pub const TEXT_SIZE_DEFAULT: Share = Share(45);
/// Distance to the edges, thousandths of the picture's short side, where none is asked.
pub const MARGIN_DEFAULT: Share = Share(30);

/// One watermark. Exactly one of `image`, `text` and `timecode` is there. Times count from the beginning of the output.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watermark {
    /// An image: PNG, JPEG, WebP or SVG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Locator>,
    /// A text, in lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The time of each picture, counted from this one at the beginning of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timecode: Option<Timecode>,
    /// Family of the font; `None` for DejaVu Sans, of timecodes DejaVu Sans Mono.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub font: Option<String>,
    /// Colour of letters; `None` for white.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// Colour of a line around letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outline: Option<Color>,
    /// Colour of a box behind letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Color>,
    /// Size: of an image one of its sides, of letters their height; `None`: [`IMAGE_SIZE_DEFAULT`] or [`TEXT_SIZE_DEFAULT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Share>,
    /// What the size is a share of; `None`: of an image the width, of letters the height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_of: Option<SizeOf>,
    /// How much of it is seen; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opacity: Option<Share>,
    /// Distance to the left and right edge, of the picture's short side; `None`: [`MARGIN_DEFAULT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_x: Option<Share>,
    /// Distance to the upper and lower edge, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_y: Option<Share>,
    /// Where it stands.
    pub position: Position,
    /// How it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motion: Option<Path>,
    /// How long a motion to the other side and back takes; `None`: [`PERIOD_MS_DEFAULT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Millis>,
    /// When it is first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Millis>,
    /// When it is no longer seen; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// How long it takes to appear, from `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_in: Option<Millis>,
    /// How long it takes to vanish, until `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fade_out: Option<Millis>,
}

/// Thousandths of something. Written `12.5%`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(pub u32);

/// A duration, ms. Written `4s`, `2.5s` or `400ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Millis(pub u64);

/// What a size is a share of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeOf {
    /// The picture's width: that of an image.
    Width,
    /// The picture's height: that of an image.
    Height,
    /// The shorter side of the picture: the longer one of an image, so that it is as large in upright pictures.
    Short,
}

/// One of nine places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Upper left corner.
    TopLeft,
    /// Upper edge.
    Top,
    /// Upper right corner.
    TopRight,
    /// Left edge.
    Left,
    /// Middle.
    Center,
    /// Right edge.
    Right,
    /// Lower left corner.
    BottomLeft,
    /// Lower edge.
    Bottom,
    /// Lower right corner.
    #[default]
    BottomRight,
}

/// Where a watermark moves, to and fro between the margins, evenly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// From the left to the right, on the line of its position.
    LeftRight,
    /// From the top to the bottom, in the column of its position.
    TopBottom,
    /// From the upper left corner to the lower right one.
    Diagonal,
}

/// Hours, minutes, seconds and frames (SMPTE ST 12-1). Written `01:00:00:00`; with `;` before the frames it drops numbers
/// of frames, so that at 29.97 and 59.94 frames a second it keeps up with the clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timecode {
    /// Hours, at most 23.
    pub hours: u8,
    /// Minutes.
    pub minutes: u8,
    /// Seconds.
    pub seconds: u8,
    /// Frames.
    pub frames: u8,
    /// Numbers are dropped.
    pub drop: bool,
}

impl Watermark {
    /// What is wrong with it whatever the source is; fields by their names in `reelmill.v1.WatermarkSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add =
            |field: &str, message: String| problems.push(Problem::input("request.watermark", message).at(field));
        let kinds =
            [self.image.is_some(), self.text.is_some(), self.timecode.is_some()].into_iter().filter(|is| *is).count();
        if kinds != 1 {
            add("", "a watermark is an image, a text or a timecode: say exactly one of them".to_owned());
        }
        if let Some(text) = &self.text {
            let visible = text.chars().any(|c| !c.is_whitespace());
            let controls = text.chars().any(|c| c.is_control() && c != '\n');
            if !visible || controls || text.chars().count() > TEXT_CHARS_MAX || text.lines().count() > LINES_MAX {
                let most = format!("at most {TEXT_CHARS_MAX} characters in {LINES_MAX} lines");
                add("text", format!("the text is empty, too long, or has control characters: write {most}"));
            }
        }
        if let Some(font) = &self.font
            && (font.trim().is_empty() || font.chars().count() > FONT_CHARS_MAX || font.chars().any(char::is_control))
        {
            add("font", "this is no name of a font family: write one such as DejaVu Serif".to_owned());
        }
        let letters = [self.font.is_some(), self.color.is_some(), self.outline.is_some(), self.background.is_some()];
        if self.image.is_some() && letters.contains(&true) {
            add("image_uri", "font and colours go with texts and timecodes only: leave them out".to_owned());
        }
        let shares = [
            ("size_permille", self.size, 1),
            ("opacity_permille", self.opacity, 0),
            ("margin_x_permille", self.margin_x, 0),
            ("margin_y_permille", self.margin_y, 0),
        ];
        for (field, share, least) in shares {
            if share.is_some_and(|share| !(least..=1000).contains(&share.0)) {
                add(
                    field,
                    format!("{}% cannot be used: ask for up to 100%", share.unwrap_or(Share(0))).replace("%%", "%"),
                );
            }
        }
        self.check_times(&mut add);
        problems
    }

    fn check_times(&self, add: &mut impl FnMut(&str, String)) {
        let times = [self.period, self.start, self.end, self.fade_in, self.fade_out];
        if times.into_iter().flatten().any(|time| time.0 > MILLIS_MAX) {
            add("", format!("a time of the watermark is too long: at most {} s", MILLIS_MAX / 1000));
        }
        if self.period.is_some_and(|period| period.0 < PERIOD_MS_MIN) {
            add("period", format!("the period is too short: at least {PERIOD_MS_MIN} ms"));
        }
        if self.period.is_some() && self.motion.is_none() {
            add("period", "a period goes with a motion only: choose one, or leave the period out".to_owned());
        }
        let (start, ms) = (self.start.unwrap_or_default().0, |time: Option<Millis>| time.unwrap_or_default().0);
        match self.end {
            Some(end) if end.0 <= start => {
                add("end", "the watermark ends before it begins: give an end after its start".to_owned());
            }
            Some(end) if ms(self.fade_in) + ms(self.fade_out) > end.0 - start => {
                add("fade_out", "the watermark fades for longer than it is seen: give shorter fades".to_owned());
            }
            None if ms(self.fade_out) > 0 => {
                add("fade_out", "a watermark without an end never fades out: give its end".to_owned());
            }
            _ => {}
        }
    }
}

impl FromStr for Share {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let number = text.trim().strip_suffix('%').and_then(|number| decimal(number, 10));
        number.and_then(|number| u32::try_from(number).ok()).map(Self).ok_or_else(|| {
            let message = format!("`{}` is no share: write a percentage such as 12.5%", text.escape_debug());
            Problem::input("request.watermark", message)
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}%", self.0 / 10),
            tenths => write!(f, "{}.{tenths}%", self.0 / 10),
        }
    }
}

impl FromStr for Millis {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => decimal(number, 1),
            (None, Some(number)) => decimal(number, 1000),
            (None, None) => None,
        };
        millis.map(Self).ok_or_else(|| {
            let message = format!("`{}` is no duration: write one such as 4s or 400ms", text.escape_debug());
            Problem::input("request.watermark", message)
        })
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}

impl FromStr for Timecode {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let refuse = || {
            let message = format!("`{}` is no timecode: write one such as 01:00:00:00", text.escape_debug());
            Problem::input("request.watermark", message)
        };
        let bytes = text.as_bytes();
        let number = |at: usize| {
            let (tens, ones) = (bytes.get(at)?, bytes.get(at + 1)?);
            (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0')
        };
        let separators = bytes.len() == 11 && bytes[2] == b':' && bytes[5] == b':' && b":;".contains(&bytes[8]);
        let numbers = (number(0), number(3), number(6), number(9));
        match numbers {
            (Some(hours @ 0..24), Some(minutes @ 0..60), Some(seconds @ 0..60), Some(frames)) if separators => {
                Ok(Self { hours, minutes, seconds, frames, drop: bytes[8] == b';' })
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Timecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.drop { ';' } else { ':' };
        write!(f, "{:02}:{:02}:{:02}{separator}{:02}", self.hours, self.minutes, self.seconds, self.frames)
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {
        $(
            impl TryFrom<String> for $name {
                type Error = Problem;

                fn try_from(text: String) -> Result<Self, Problem> {
                    text.parse()
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.to_string()
                }
            }
        )+
    };
}
as_text!(Share, Millis, Timecode);

macro_rules! named {
    ($name:ident, $($variant:ident => $text:literal),+) => {
        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in options.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}
named!(SizeOf, Width => "width", Height => "height", Short => "short");
named!(Position, TopLeft => "top-left", Top => "top", TopRight => "top-right", Left => "left", Center => "center",
    Right => "right", BottomLeft => "bottom-left", Bottom => "bottom", BottomRight => "bottom-right");
named!(Path, LeftRight => "left-right", TopBottom => "top-bottom", Diagonal => "diagonal");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_times_and_timecodes_are_written_as_they_are_read() {
        for text in ["0%", "12.5%", "100%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for (text, ms) in [("4s", 4000), ("400ms", 400), ("2.5s", 2500)] {
            assert_eq!(text.parse::<Millis>().unwrap().0, ms);
        }
        for text in ["01:02:03:04", "00:00:00;29"] {
            assert_eq!(text.parse::<Timecode>().unwrap().to_string(), text);
        }
        for text in ["24:00:00:00", "1:00:00:00", "00:60:00:00", "00:00:00.00", "é0:00:00:0"] {
            assert_eq!(text.parse::<Timecode>().unwrap_err().code, "request.watermark", "{text}");
        }
        assert!("10".parse::<Share>().is_err() && "10".parse::<Millis>().is_err() && "-1s".parse::<Millis>().is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_field() {
        let text = || Watermark { text: Some("x".into()), ..Watermark::default() };
        let fields = |mark: Watermark| mark.check().into_iter().map(|problem| problem.field).collect::<Vec<_>>();
        let ms = |ms| Some(Millis(ms));
        assert!(fields(text()).is_empty());
        assert_eq!(fields(Watermark::default()), [""]);
        assert_eq!(fields(Watermark { text: Some(" \n".into()), ..text() }), ["text"]);
        assert_eq!(fields(Watermark { size: Some(Share(1001)), ..text() }), ["size_permille"]);
        assert_eq!(fields(Watermark { period: ms(5000), ..text() }), ["period"]);
        assert_eq!(fields(Watermark { start: ms(5), end: ms(5), ..text() }), ["end"]);
        assert_eq!(fields(Watermark { fade_out: ms(5), ..text() }), ["fade_out"]);
        assert_eq!(fields(Watermark { end: ms(9), fade_in: ms(5), fade_out: ms(5), ..text() }), ["fade_out"]);
        let image = Watermark { image: Some("/a.png".parse().unwrap()), ..Watermark::default() };
        assert_eq!(fields(Watermark { color: Some(Color([1, 2, 3])), ..image }), ["image_uri"]);
    }
}
