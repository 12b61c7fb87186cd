//! What is done to the pictures of an output beside scaling them, as asked.

use super::timing::{Deinterlace, FieldOrder, FieldRate, FrameRate};
use crate::model::Problem;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most that one side of a shape may be of the other: beyond it hardly anything of the picture is left to see.
const SHAPE_MAX: u32 = 10;
/// Largest number in a shape: what is written as pixels of a screen fits.
const SHAPE_SIDE_MAX: u32 = 16_384;

/// What becomes of pictures on their way from the source to an output's rungs, in the order in which it is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PictureOptions {
    /// What is kept of the picture; `None`: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Black bars around the picture are left out instead, as far as the source has any.
    #[serde(skip_serializing_if = "is_usual")]
    pub crop_bars: bool,
    /// The shape that it gets by bars at two sides; `None`: its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<Pad>,
    /// How much noise is taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denoise: Option<Strength>,
    /// By which curve high dynamic range becomes standard.
    pub tone_map: ToneMap,
    /// Whether high dynamic range is kept.
    pub dynamic_range: DynamicRange,
    /// How much edges are raised, at each rung's own size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharpen: Option<Strength>,
    /// Whether fields become whole pictures; before all else.
    #[serde(skip_serializing_if = "is_usual")]
    pub deinterlace: Deinterlace,
    /// How many become of a frame.
    #[serde(skip_serializing_if = "is_usual")]
    pub field_rate: FieldRate,
    /// Which field is first.
    #[serde(skip_serializing_if = "is_usual")]
    pub field_order: FieldOrder,
    /// Pictures are left out and repeated to be exactly so many a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<FrameRate>,
    /// Pictures are left out to be at most so many a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate_max: Option<FrameRate>,
}

/// A rectangle in pixels of the picture as shown: upright, with square pixels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Columns to the left of it.
    #[serde(default)]
    pub x: u32,
    /// Lines above it.
    #[serde(default)]
    pub y: u32,
    /// Width, at least 2.
    pub width: u32,
    /// Height, at least 2.
    pub height: u32,
}

/// Bars around a picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// The shape with the bars.
    pub shape: Shape,
    /// Their colour.
    #[serde(default)]
    pub color: Color,
}

/// Width to height, in square pixels. Written `16:9`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shape {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// Red, green and blue (sRGB), 8 bits each; black unless said. Written `#1a2b3c`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color(pub [u8; 3]);

/// How much of a filter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Hardly seen.
    Light,
    /// Seen in a comparison.
    Medium,
    /// Plainly seen; fine texture goes too.
    Strong,
}

/// A curve that brings linear light of high dynamic range into standard range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToneMap {
    /// Hable's: details in shadows and highlights stay, the whole becomes somewhat darker.
    #[default]
    Hable,
    /// Möbius transform: colours within standard range hardly change, highlights are rolled off.
    Mobius,
    /// Reinhard's: brightness is kept overall, highlights are flattened.
    Reinhard,
    /// What is brighter than standard white is white.
    Clip,
}

/// What becomes of high dynamic range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynamicRange {
    /// Kept by codecs with 10 bits, tone-mapped for others.
    #[default]
    Auto,
    /// Tone-mapped for all codecs.
    Sdr,
}

/// Whether it is what plans leave unsaid.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl PictureOptions {
    /// Whether pictures are made as they are without options.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it whatever the source is, by the fields of `reelmill.v1.PictureSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.crop.is_some_and(|crop| crop.width.min(crop.height) < 2) {
            let message = "nothing would be left of the picture: keep at least 2x2 pixels";
            problems.push(Problem::input("request.crop", message).at("picture.crop"));
        }
        if self.crop.is_some() && self.crop_bars {
            let message = "either name what is kept of the picture, or have its black bars left out";
            problems.push(Problem::input("request.crop", message).at("picture.crop_bars"));
        }
        problems.extend(self.check_timing());
        problems
    }
}

impl ToneMap {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hable, Self::Mobius, Self::Reinhard, Self::Clip];

    /// Its name, which is FFmpeg's too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hable => "hable",
            Self::Mobius => "mobius",
            Self::Reinhard => "reinhard",
            Self::Clip => "clip",
        }
    }
}

impl FromStr for Crop {
    type Err = Problem;

    /// `1280x720` or `1280x720+320+180`: size, then columns to the left and lines above.
    fn from_str(text: &str) -> Result<Self, Problem> {
        let refuse = || {
            let help = "write a size and where it lies, as in 1280x720+320+180";
            Problem::input("request.crop", format!("`{}` is no part of a picture: {help}", text.escape_debug()))
        };
        let mut parts = text.trim().split('+');
        let (width, height) = parts.next().and_then(|size| size.split_once('x')).ok_or_else(refuse)?;
        let places: Vec<&str> = parts.collect();
        let [x, y] = match places[..] {
            [] => ["0", "0"],
            [x, y] => [x, y],
            _ => return Err(refuse()),
        };
        let numbers = [x, y, width, height].map(|number| super::whole(number).and_then(|n| u32::try_from(n).ok()));
        match numbers {
            [Some(x), Some(y), Some(width), Some(height)] => Ok(Self { x, y, width, height }),
            _ => Err(refuse()),
        }
    }
}

impl FromStr for Shape {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let side = |text: &str| super::whole(text).and_then(|n| u32::try_from(n).ok());
        let sides = text.trim().split_once(':').and_then(|(width, height)| Some((side(width)?, side(height)?)));
        let fits = |(width, height): &(u32, u32)| {
            let (small, large) = (*width.min(height), *width.max(height));
            small > 0 && large <= SHAPE_SIDE_MAX && large <= small * SHAPE_MAX
        };
        let (width, height) = sides.filter(fits).ok_or_else(|| {
            let help = format!("write width and height, as in 16:9, from 1:{SHAPE_MAX} to {SHAPE_MAX}:1");
            Problem::input("request.pad", format!("`{}` is no shape: {help}", text.escape_debug()))
        })?;
        Ok(Self { width, height })
    }
}

impl FromStr for Color {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let digits = text.trim().strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| {
            let help = "write red, green and blue in hexadecimal, as in #1a2b3c";
            Problem::input("request.color", format!("`{}` is no colour: {help}", text.escape_debug()))
        })?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.width, self.height)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

macro_rules! as_text {
    ($($type:ty),+) => { $(
        impl TryFrom<String> for $type {
            type Error = Problem;

            fn try_from(text: String) -> Result<Self, Problem> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )+ };
}

as_text!(Shape, Color);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let crop = |text: &str| text.parse::<Crop>().map(|c| (c.x, c.y, c.width, c.height)).map_err(|p| p.code);
        assert_eq!(crop("1280x720+320+180"), Ok((320, 180, 1280, 720)));
        assert_eq!(crop("640x360"), Ok((0, 0, 640, 360)));
        for text in ["", "640", "640x", "640x360+1", "640x360+1+2+3", "640x360-1-2", "640x99999999999"] {
            assert_eq!(crop(text), Err("request.crop".to_owned()), "{text}");
        }
        for text in ["16:9", "1:1", "10:1"] {
            assert_eq!(text.parse::<Shape>().unwrap().to_string(), text);
        }
        for text in ["", "16", "16:0", "0:9", "11:1", "16:9:1", "16385:16384", "-1:1"] {
            assert_eq!(text.parse::<Shape>().unwrap_err().code, "request.pad", "{text}");
        }
        assert_eq!("#1A2b3c".parse::<Color>().unwrap().to_string(), "#1a2b3c");
        for text in ["red", "#fff", "1a2b3c", "#1a2b3g", "#+12345"] {
            assert_eq!(text.parse::<Color>().unwrap_err().code, "request.color", "{text}");
        }
    }

    #[test]
    fn nothing_said_is_nothing_done_and_typos_are_refused() {
        let read = serde_json::from_str::<PictureOptions>;
        assert!(read("{}").unwrap().is_plain());
        assert!(read(r#"{"cropp": null}"#).is_err());
        let pad = read(r##"{"pad": {"shape": "4:3", "color": "#ffffff"}, "denoise": "light"}"##).unwrap();
        assert_eq!(pad.pad.unwrap().color, Color([255; 3]));
        let nothing = Crop { x: 0, y: 0, width: 1, height: 9 };
        assert_eq!(PictureOptions { crop: Some(nothing), ..pad }.check()[0].field, "picture.crop");
    }
}
