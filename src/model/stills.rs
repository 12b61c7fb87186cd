//! Single pictures as they are planned, and as they were made.

use super::plan::VideoPlan;
use super::request::ImageFormat;
use serde::{Deserialize, Serialize};

/// Directory of stills below the destination.
pub const STILLS: &str = "stills";
/// Directory of sprite sheets, and of what tells of them.
pub const SPRITES: &str = "sprites";

/// Where pictures come from, and which are made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StillsPlan {
    /// The pictures of the source, without renditions.
    pub video: VideoPlan,
    /// What is made of them; at least one.
    pub sets: Vec<PictureSet>,
}

/// Pictures of one kind for one output: all its stills, or all its sheets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PictureSet {
    /// Unique in the work, also among renditions.
    pub id: String,
    /// Which pictures.
    pub pick: Pick,
    /// Tiles of a sheet; `None` for stills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Sheet>,
    /// Only key frames are decoded: each time gets the last one at or before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_frames: bool,
    /// Filter graph from prepared pictures to 8-bit 4:2:0 ones in limited range, of this width and height to a pixel.
    pub graph: String,
    /// FFmpeg's name of the matrix that those have.
    pub matrix: String,
    /// Width of a still or tile, pixels.
    pub width: u32,
    /// Height of a still or tile, pixels.
    pub height: u32,
    /// What they are stored as.
    pub format: ImageFormat,
    /// 1 to 100.
    pub quality: u8,
}

/// How tiles lie in a sheet: row by row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sheet {
    /// Side by side.
    pub columns: u32,
    /// One above the other.
    pub rows: u32,
}

impl Sheet {
    /// Tiles of a sheet.
    pub const fn tiles(self) -> u32 {
        self.columns * self.rows
    }
}

/// Which pictures, by instants of the output, µs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum Pick {
    /// At these, in this order. One past the end fails the set, or with `clamp` gets the last picture.
    Times {
        /// The instants.
        times: Vec<i64>,
        /// The last picture stands for what is past the end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        clamp: bool,
    },
    /// One each so long, from zero to the end.
    Every {
        /// The distance.
        interval: i64,
        /// More than so many fail the set.
        most: u32,
    },
    /// So many good ones among those at these.
    Best {
        /// The candidates, in order of time.
        times: Vec<i64>,
        /// How many of them.
        count: u32,
        /// Filter graph from prepared pictures to those that are measured, of this width and height.
        graph: String,
    },
}

/// A picture that is stored at its destination.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PictureRecord {
    /// Its place in the set, from 1.
    pub number: u32,
    /// Its name in the directory of the set.
    pub name: String,
    /// Where it was asked for, µs; of a sheet, its first tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_us: Option<i64>,
    /// When the picture that it is begins to be shown, µs; of a sheet, its first tile.
    pub time_us: i64,
    /// Where what it stands for ends, µs: its last tile. Of a still, `time_us`.
    pub end_us: i64,
    /// Tiles that are pictures; 1 for a still.
    pub tiles: u32,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The name of a picture in its directory: its place, with five digits.
pub fn picture_name(number: u32, format: ImageFormat) -> String {
    format!("{number:05}.{}", format.extension())
}

/// A still as it is told: beside the pictures, in the report and by the API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PictureSummary {
    /// Path below the destination.
    pub path: String,
    /// Where it was asked for, µs; nothing where the pictures were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_us: Option<i64>,
    /// When the picture that it is begins to be shown, µs; of a sheet, its first tile.
    pub time_us: i64,
    /// Tiles of a sheet that are pictures; nothing for a still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<u32>,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Size.
    pub bytes: u64,
}
