//! Single pictures of an output, as asked: stills, and sprite sheets of small ones.

use super::decimal;
use crate::model::Problem;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most stills of an output: each is a file, and is told in the job's record.
pub const STILLS_MAX: usize = 2000;
/// Largest side of a still or a sheet, pixels: what graphics processors decode, and within what JPEG and WebP can say
/// (65,535 and 16,383).
pub const IMAGE_SIDE_MAX: u32 = 16_383;
/// Most columns or rows of a sheet.
const TILES_A_SIDE_MAX: u32 = 100;
/// Widths of a tile.
const TILE_WIDTH: std::ops::RangeInclusive<u32> = 16..=1920;
/// Shortest distance of stills or tiles, µs: closer ones are a video.
pub const INTERVAL_US_MIN: i64 = 100_000;
/// Farthest time that can be asked for: a day, which is the longest output, and longest distance.
const TIME_US_MAX: i64 = 24 * 3600 * 1_000_000;

/// An instant, or a distance of instants, µs. Written as FFmpeg does (`ffmpeg-utils`, "Time duration").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(pub i64);

/// A time as FFmpeg writes it (`ffmpeg-utils`, "Time duration"): `90`, `90s`, `1500ms`, `250us`, `1:30`, `0:01:30.5`, each
/// with a `-` for below zero; µs.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let units = [("us", 1), ("ms", 1000), ("s", 1_000_000), ("", 1_000_000)];
    let (number, unit) = units.iter().find_map(|(ending, unit)| Some((text.strip_suffix(ending)?, *unit)))?;
    let mut parts = number.split(':').rev();
    let seconds = decimal(parts.next()?, unit)?;
    let places = [60, 3600];
    let mut total = seconds;
    let colons = number.matches(':').count();
    for (part, place) in parts.zip(places) {
        let whole: u64 = decimal(part, 1).filter(|_| !part.contains('.'))?;
        total = total.checked_add(whole.checked_mul(place * 1_000_000)?)?;
    }
    let formed = colons <= places.len() && (colons == 0 || text == number && seconds < 60_000_000);
    i64::try_from(total).ok().filter(|_| formed).map(|us| sign * us)
}

impl FromStr for Moment {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        micros(text.trim()).map(Self).ok_or_else(|| {
            let message = format!("`{}` is no time: write 1:02.5, 62.5 or 62500ms", text.escape_debug());
            Problem::input("request.still_time", message)
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}ms", self.0 / 1000) } else { write!(f, "{}us", self.0) }
    }
}

/// What a picture is stored as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// JPEG (JFIF: full range, BT.601).
    #[default]
    Jpeg,
    /// PNG, sRGB.
    Png,
    /// WebP, lossy.
    Webp,
}

impl ImageFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::Webp];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// How file names end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// The quality when none is asked.
    pub const fn usual_quality(self) -> u8 {
        match self {
            Self::Jpeg => 85,
            Self::Png => 100,
            Self::Webp => 80,
        }
    }
}

/// Stills: exactly one of `times`, `every`, `evenly` and `best` says which.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StillsOptions {
    /// At these instants of the output, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Moment>,
    /// One each so long, from zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Moment>,
    /// So many: one in the middle of each of as many equal parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evenly: Option<u32>,
    /// So many good ones: not black, not blurred, not alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<u32>,
    /// At most so wide, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// At most so high, pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// They may be larger than the source.
    pub upscale: bool,
    /// What they are stored as.
    pub format: ImageFormat,
    /// 1 to 100, more is better; not for PNG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Only key frames are decoded: each time gets the last one at or before it.
    pub key_frames: bool,
    /// The output is pictures alone: nothing is encoded or packaged.
    pub alone: bool,
}

/// Sprite sheets. Left out means "the usual".
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpriteOptions {
    /// Tiles side by side; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<u32>,
    /// Tiles one above the other; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u32>,
    /// Width of a tile, pixels; 160. Its height follows from the picture's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile_width: Option<u32>,
    /// Time from one tile to the next; a hundredth of the output in whole seconds, 1 s to 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Moment>,
    /// What sheets are stored as: JPEG or WebP.
    pub format: ImageFormat,
    /// 1 to 100, more is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Each tile is the picture shown at its time. Otherwise only key frames are decoded.
    pub exact: bool,
    /// The output is pictures alone: nothing is encoded or packaged.
    pub alone: bool,
}

impl StillsOptions {
    /// What is wrong with it, by the fields of `reelmill.v1.StillsSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String| {
            problems.push(Problem::input("request.stills", message).at(format_args!("stills{field}")));
        };
        let ways = usize::from(!self.times.is_empty())
            + [self.every.is_some(), self.evenly.is_some(), self.best.is_some()].map(usize::from).iter().sum::<usize>();
        if ways != 1 {
            wrong("", "say which stills in one way: `times`, `every`, `evenly` or `best`".to_owned());
        }
        if self.times.len() > STILLS_MAX {
            wrong(".times", format!("{} stills are more than {STILLS_MAX}: ask for fewer", self.times.len()));
        }
        if self.every.is_some_and(|every| !(INTERVAL_US_MIN..=TIME_US_MAX).contains(&every.0)) {
            wrong(".every", "stills lie 0.1 s to a day apart: ask for another distance".to_owned());
        }
        for (field, count) in [(".evenly", self.evenly), (".best", self.best)] {
            if count.is_some_and(|count| count == 0 || count as usize > STILLS_MAX) {
                wrong(field, format!("ask for 1 to {STILLS_MAX} stills"));
            }
        }
        for (field, side) in [(".width", self.width), (".height", self.height)] {
            if side.is_some_and(|side| !(1..=IMAGE_SIDE_MAX).contains(&side)) {
                wrong(field, format!("a side is 1 to {IMAGE_SIDE_MAX} pixels"));
            }
        }
        problems.extend(quality(self.format, self.quality).map(|problem| problem.at("stills.quality")));
        for (nth, time) in self.times.iter().enumerate().take(STILLS_MAX) {
            if !(0..=TIME_US_MAX).contains(&time.0) {
                let message =
                    format!("there is no picture at {time}: a time counts from the output's zero, up to a day");
                problems.push(Problem::input("request.still_time", message).at(format_args!("stills.times[{nth}]")));
            }
        }
        problems
    }
}

impl SpriteOptions {
    /// Columns and rows of a sheet.
    pub fn grid(&self) -> (u32, u32) {
        (self.columns.unwrap_or(10), self.rows.unwrap_or(10))
    }

    /// Width of a tile, pixels.
    pub fn tile_width(&self) -> u32 {
        self.tile_width.unwrap_or(160)
    }

    /// What is wrong with it, by the fields of `reelmill.v1.SpritesSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |field: &str, message: String| {
            problems.push(Problem::input("request.sprites", message).at(format_args!("sprites{field}")));
        };
        let (columns, rows) = self.grid();
        for (field, count) in [(".columns", columns), (".rows", rows)] {
            if !(1..=TILES_A_SIDE_MAX).contains(&count) {
                wrong(field, format!("a sheet has 1 to {TILES_A_SIDE_MAX} tiles each way"));
            }
        }
        let width = self.tile_width();
        if !TILE_WIDTH.contains(&width) || width % 2 == 1 {
            let message =
                format!("a tile is {} to {} pixels wide, an even number", TILE_WIDTH.start(), TILE_WIDTH.end());
            wrong(".tile_width", message);
        } else if columns.saturating_mul(width) > IMAGE_SIDE_MAX {
            let message =
                format!("{columns} tiles of {width} pixels are wider than {IMAGE_SIDE_MAX}: ask for fewer columns");
            wrong(".columns", message);
        }
        if self.interval.is_some_and(|every| !(INTERVAL_US_MIN..=TIME_US_MAX).contains(&every.0)) {
            wrong(".interval", "tiles lie 0.1 s to a day apart: ask for another distance".to_owned());
        }
        if self.format == ImageFormat::Png {
            wrong(".format", "sheets are JPEG or WebP: as PNG they would be many times as large".to_owned());
        }
        problems.extend(quality(self.format, self.quality).map(|problem| problem.at("sprites.quality")));
        problems
    }
}

fn quality(format: ImageFormat, quality: Option<u8>) -> Option<Problem> {
    let message = match (format, quality?) {
        (ImageFormat::Png, _) => "PNG loses nothing, so it has no quality: leave it out",
        (_, 1..=100) => return None,
        _ => "a quality is 1 to 100",
    };
    Some(Problem::input("request.image_quality", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_ffmpeg_reads_them() {
        for (text, us) in [
            ("90", 90_000_000),
            ("90s", 90_000_000),
            ("1.5s", 1_500_000),
            ("1500ms", 1_500_000),
            ("250us", 250),
            ("1:30", 90_000_000),
            ("01:00:30.25", 3_630_250_000),
            ("-0:05", -5_000_000),
            ("100:00:00", 360_000_000_000),
        ] {
            assert_eq!(micros(text), Some(us), "{text}");
            let moment = Moment(us);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        for text in
            ["", "-", "s", "1:", ":30", "1:60", "1:30s", "1:2:3:4", "1.5:30", "1e3", "--5", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Moment>().unwrap_err().code, "request.still_time", "{text}");
        }
    }

    #[test]
    fn stills_are_asked_for_in_one_way() {
        let at = |us: i64| StillsOptions { times: vec![Moment(us)], ..StillsOptions::default() };
        assert!(at(0).check().is_empty());
        let wrong = [
            (StillsOptions::default(), "request.stills stills"),
            (StillsOptions { best: Some(3), ..at(0) }, "request.stills stills"),
            (at(-1), "request.still_time stills.times[0]"),
            (StillsOptions { evenly: Some(0), ..StillsOptions::default() }, "request.stills stills.evenly"),
            (StillsOptions { every: Some(Moment(0)), ..StillsOptions::default() }, "request.stills stills.every"),
            (StillsOptions { width: Some(20_000), ..at(0) }, "request.stills stills.width"),
            (StillsOptions { quality: Some(101), ..at(0) }, "request.image_quality stills.quality"),
            (
                StillsOptions { format: ImageFormat::Png, quality: Some(9), ..at(0) },
                "request.image_quality stills.quality",
            ),
        ];
        for (options, told) in wrong {
            let problems = options.check();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(format!("{} {}", problems[0].code, problems[0].field), told);
        }
    }

    #[test]
    fn a_sheet_stays_within_what_players_decode() {
        let usual = SpriteOptions::default();
        assert!(usual.check().is_empty());
        let field = |options: SpriteOptions| options.check().into_iter().map(|p| p.field).collect::<Vec<_>>().join(" ");
        assert_eq!(field(SpriteOptions { columns: Some(0), ..usual.clone() }), "sprites.columns");
        let wide = SpriteOptions { columns: Some(100), tile_width: Some(320), ..usual.clone() };
        assert_eq!(field(wide), "sprites.columns");
        assert_eq!(field(SpriteOptions { tile_width: Some(161), ..usual.clone() }), "sprites.tile_width");
        assert_eq!(field(SpriteOptions { interval: Some(Moment(1)), ..usual.clone() }), "sprites.interval");
        assert_eq!(field(SpriteOptions { format: ImageFormat::Png, ..usual }), "sprites.format");
    }
}
