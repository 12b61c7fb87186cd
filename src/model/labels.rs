//! What a progressive file says of itself: tags, and a cover.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest tag, characters: a paragraph. Players show less.
pub const TAG_CHARS_MAX: usize = 1000;
/// Largest cover, bytes: it stands in front of the media, so it is loaded before anything is played; and it crosses from
/// worker to daemon as one message.
pub const COVER_BYTES_MAX: u64 = 3 << 20;
/// Longest side of a cover, pixels: twice what any screen shows it at.
pub const COVER_SIDE_MAX: u32 = 4096;

const _: () = assert!(
    COVER_BYTES_MAX + 1024 < super::limits::MESSAGE_BYTES_MAX as u64,
    "a cover must fit into a message with its header"
);

/// What a tag says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// What it is called.
    Title,
    /// Who made it.
    Artist,
    /// What it is a part of.
    Album,
    /// Who made that.
    AlbumArtist,
    /// Who composed it.
    Composer,
    /// What kind it is.
    Genre,
    /// The year, or the day (ISO 8601).
    Date,
    /// What somebody says of it.
    Comment,
    /// What it is about.
    Description,
    /// Whose it is.
    Copyright,
    /// Which one of the album: a number, or `3/12`.
    Track,
    /// On which disc: a number, or `1/2`.
    Disc,
}

impl Tag {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 12] = [
        Self::Title,
        Self::Artist,
        Self::Album,
        Self::AlbumArtist,
        Self::Composer,
        Self::Genre,
        Self::Date,
        Self::Comment,
        Self::Description,
        Self::Copyright,
        Self::Track,
        Self::Disc,
    ];

    /// Its name in options, and FFmpeg's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Artist => "artist",
            Self::Album => "album",
            Self::AlbumArtist => "album_artist",
            Self::Composer => "composer",
            Self::Genre => "genre",
            Self::Date => "date",
            Self::Comment => "comment",
            Self::Description => "description",
            Self::Copyright => "copyright",
            Self::Track => "track",
            Self::Disc => "disc",
        }
    }

    /// The tag of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.name() == name)
    }

    /// Whether it is a number, perhaps of so many.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Track | Self::Disc)
    }
}

/// `3` or `3/12` as the number and of how many, 0 where that is not said.
pub fn numbered(text: &str) -> Option<(u16, u16)> {
    let (number, of) = text.split_once('/').unwrap_or((text, "0"));
    Some((number.trim().parse().ok().filter(|number| *number > 0)?, of.trim().parse().ok()?))
}

/// What the progressive files of an output say of themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileLabels {
    /// Tags; none of them empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Tag, String>,
    /// Their cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<CoverUse>,
}

impl FileLabels {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a cover is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct CoverUse {
    /// Index of the source in the job.
    pub source: usize,
    /// The stream that is a picture attached to that; `None` where the source is the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
}

/// What a cover is written as; it is never written anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CoverFormat {
    /// ITU-T T.81.
    Jpeg,
    /// ISO/IEC 15948.
    Png,
}

impl CoverFormat {
    /// FFmpeg's name of the codec.
    pub const fn codec(self) -> &'static str {
        match self {
            Self::Jpeg => "mjpeg",
            Self::Png => "png",
        }
    }

    /// The format of this codec.
    pub fn of_codec(name: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|format| format.codec() == name)
    }
}

/// A cover that was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cover {
    /// What it is written as.
    pub format: CoverFormat,
    /// The file.
    pub bytes: Vec<u8>,
}
