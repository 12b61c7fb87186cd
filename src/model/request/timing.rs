//! Which fields and frames become pictures, and how many a second, as asked.

use super::picture::PictureOptions;
use crate::model::{Problem, Ratio};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most pictures a second that can be asked for: what the fastest screens show.
const RATE_MAX: i64 = 240;
/// Largest numbers of a rate: every one in use fits, and ticks that divide its frames stay countable.
const RATE_NUM_MAX: i64 = 240_000;
/// Rates of television that are usually written rounded, by what is written.
const ROUNDED: [(&str, i64); 6] = [
    ("23.976", 24_000),
    ("23.98", 24_000),
    ("29.97", 30_000),
    ("59.94", 60_000),
    ("47.952", 48_000),
    ("119.88", 120_000),
];

/// Whether fields become whole pictures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deinterlace {
    /// Where the source is interlaced.
    #[default]
    Auto,
    /// Never: frames are taken as they are.
    Off,
    /// Always: also where the source says that it is progressive.
    Force,
    /// Film that was put into 59.94 or 60 fields a second (2:3 pull-down) becomes film again, 23.976 or 24 pictures a second:
    /// fields that belong together are put together, and the repeated one of five frames is left out.
    InverseTelecine,
}

/// How many pictures become of a frame of two fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRate {
    /// One: the rate of frames stays.
    #[default]
    Frame,
    /// Two: motion is as smooth as in the source, at twice its frame rate.
    Field,
}

/// Which field of a frame is the earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOrder {
    /// As the source says; the upper one where it says nothing.
    #[default]
    Auto,
    /// The upper one.
    TopFirst,
    /// The lower one.
    BottomFirst,
}

/// Pictures a second, reduced. Written `25`, `30000/1001` or `29.97`, which is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FrameRate {
    num: u32,
    den: u32,
}

/// Everything about fields and rates: what outputs that share a decode have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timing {
    /// Whether fields become whole pictures.
    pub deinterlace: Deinterlace,
    /// How many.
    pub field_rate: FieldRate,
    /// Which field is first.
    pub field_order: FieldOrder,
    /// Exactly so many pictures a second.
    pub frame_rate: Option<FrameRate>,
    /// At most so many.
    pub frame_rate_max: Option<FrameRate>,
}

impl Timing {
    /// The same for single pictures, which have no rate.
    pub fn of_stills(self) -> Self {
        Self { field_rate: FieldRate::Frame, frame_rate: None, frame_rate_max: None, ..self }
    }
}

impl PictureOptions {
    /// The part of it that is about time.
    pub const fn timing(&self) -> Timing {
        Timing {
            deinterlace: self.deinterlace,
            field_rate: self.field_rate,
            field_order: self.field_order,
            frame_rate: self.frame_rate,
            frame_rate_max: self.frame_rate_max,
        }
    }

    /// The rest of it.
    pub fn untimed(&self) -> Self {
        Self {
            deinterlace: Deinterlace::default(),
            field_rate: FieldRate::default(),
            field_order: FieldOrder::default(),
            frame_rate: None,
            frame_rate_max: None,
            ..*self
        }
    }

    /// What of it contradicts itself.
    pub(super) fn check_timing(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.frame_rate.is_some() && self.frame_rate_max.is_some() {
            let message = "an exact frame rate needs no limit: give frame_rate or frame_rate_max, not both";
            problems.push(Problem::input("request.frame_rate", message).at("picture.frame_rate_max"));
        }
        let fields = [
            (self.field_rate != FieldRate::default(), "field_rate"),
            (self.field_order != FieldOrder::default(), "field_order"),
        ];
        for (_, name) in fields.iter().filter(|(said, _)| *said && self.deinterlace == Deinterlace::Off) {
            let message = format!("fields are left as they are with `deinterlace` off, so leave `{name}` out");
            problems.push(Problem::input("request.deinterlace", message).at(format!("picture.{name}")));
        }
        if self.deinterlace == Deinterlace::InverseTelecine && self.field_rate == FieldRate::Field {
            let message = "film has no fields that could become pictures: leave `field_rate` out";
            problems.push(Problem::input("request.deinterlace", message).at("picture.field_rate"));
        }
        problems
    }
}

impl FrameRate {
    /// As a fraction.
    pub const fn ratio(self) -> Ratio {
        Ratio::new(self.num as i64, self.den as i64)
    }
}

impl FromStr for FrameRate {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let trimmed = text.trim();
        let side = |text: &str| super::whole(text).and_then(|n| i64::try_from(n).ok());
        let rounded = ROUNDED.iter().find(|(name, _)| *name == trimmed).map(|(_, num)| (*num, 1001));
        let written = match trimmed.split_once('/') {
            Some((num, den)) => side(num).zip(side(den)),
            None => side(trimmed).map(|num| (num, 1)),
        };
        let sane = |(num, den): &(i64, i64)| {
            *num > 0 && *den > 0 && *num <= RATE_NUM_MAX && *num >= *den && *num <= den.saturating_mul(RATE_MAX)
        };
        let (num, den) = rounded.or(written).filter(sane).ok_or_else(|| {
            let help = format!("write 25, 30000/1001 or 29.97, from 1 to {RATE_MAX}");
            Problem::input("request.frame_rate", format!("`{}` is no frame rate: {help}", text.escape_debug()))
        })?;
        let Ratio { num, den } = Ratio::new(num, den).reduced();
        // Neither is more than RATE_NUM_MAX.
        Ok(Self { num: num as u32, den: den as u32 })
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

impl TryFrom<String> for FrameRate {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<FrameRate> for String {
    fn from(rate: FrameRate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        let rate = |text: &str| text.parse::<FrameRate>().map(|rate| rate.to_string()).map_err(|p| p.code);
        for (text, read) in [("25", "25"), ("50/2", "25"), ("30000/1001", "30000/1001"), ("29.97", "30000/1001")] {
            assert_eq!(rate(text), Ok(read.to_owned()));
        }
        for text in ["", "0", "241", "1/2", "25.5", "-25", "25/0", "1000000/10000", "99999999999999999999"] {
            assert_eq!(rate(text), Err("request.frame_rate".to_owned()), "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let rate = "25".parse().ok();
        let both = PictureOptions { frame_rate: rate, frame_rate_max: rate, ..PictureOptions::default() };
        assert_eq!(both.check()[0].field, "picture.frame_rate_max");
        let off = PictureOptions { deinterlace: Deinterlace::Off, field_rate: FieldRate::Field, ..both.untimed() };
        assert_eq!(off.check()[0].field, "picture.field_rate");
        assert_eq!(off.untimed(), PictureOptions::default());
    }
}
