//! The record of finished segments. Manifests are a pure function of it.

use super::captions::CaptionLabel;
use super::codec::{AudioCodec, Packaging, VideoCodec};
use super::facts::{HdrKind, SoundRole};
use super::loudness::LoudnessFigures;
use super::text::TextFormat;
use super::time::Ratio;
use serde::{Deserialize, Serialize};

/// All tracks of a job and their finished, stored segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Target duration of a segment, milliseconds.
    pub segment_ms: u32,
    /// Tracks in plan order, video before audio.
    pub tracks: Vec<TrackRecord>,
    /// Nothing more will come: manifests become final.
    pub complete: bool,
}

/// One rendition as made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackRecord {
    /// The rendition's id, and its directory under each packaging.
    pub id: String,
    /// Video or audio, with what manifests must say about it.
    pub kind: TrackKind,
    /// Ticks a second of every time in this record.
    pub timescale: u32,
    /// RFC 6381 codecs string read from the bitstream; empty until the first segment exists.
    pub codec_string: String,
    /// Rate declared while the job grows, bits a second.
    pub declared_peak: u64,
    /// SHA-256 of the CMAF initialisation segment, hexadecimal; `None` until it is stored or where there is no CMAF.
    pub init_sha256: Option<String>,
    /// What made it: encoder, version, parameters. One rendition has exactly one.
    pub encoder: String,
    /// How often it was begun: 1, and one more each time it was made again from its start by another encoder. Files of
    /// each have names of their own, since a name never changes its content.
    #[serde(default = "first_generation", skip_serializing_if = "is_first_generation")]
    pub generation: u32,
    /// Of sound whose loudness was changed: what was measured, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<LoudnessFigures>,
    /// Finished segments in order of time, with no gap between one and the next.
    pub segments: Vec<SegmentRecord>,
    /// The files that its segments lie in, where that is one for each packaging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub single: Vec<SingleFile>,
}

/// The generation of what was never begun again.
pub(crate) const fn first_generation() -> u32 {
    1
}

/// Whether this is the generation of what was never begun again, which is left unsaid.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(crate) const fn is_first_generation(generation: &u32) -> bool {
    *generation == 1
}

/// What a track carries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TrackKind {
    /// A rung.
    Video {
        /// Codec.
        codec: VideoCodec,
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// Frames a second; the mean where variable.
        frame_rate: Ratio,
        /// Kept high dynamic range, for `VIDEO-RANGE`.
        hdr: Option<HdrKind>,
        /// It has the closed captions of the source, if that has any: it is a copy of its bitstream, or they were kept.
        #[serde(default, alias = "copied", skip_serializing_if = "std::ops::Not::not")]
        carries_captions: bool,
        /// The closed captions that it carries, as players are told of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        captions: Vec<CaptionLabel>,
    },
    /// Sound.
    Audio {
        /// Codec.
        codec: AudioCodec,
        /// Samples a second.
        sample_rate: u32,
        /// Channels.
        channels: u32,
        /// Language code.
        language: Option<String>,
        /// What players show.
        title: String,
        /// Played unless the viewer chooses otherwise.
        default: bool,
        /// Described sound.
        descriptive: bool,
        /// What it is there for beside that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<SoundRole>,
    },
    /// Subtitles or captions.
    Text {
        /// What they are written as.
        format: TextFormat,
        /// Language code.
        language: Option<String>,
        /// What players show.
        title: String,
        /// Shown unless the viewer chooses otherwise.
        default: bool,
        /// Only what must be read by everybody.
        forced: bool,
        /// For viewers who cannot hear.
        hearing_impaired: bool,
    },
}

/// One finished segment of one track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Index on the grid. Indices may skip where the source shows one frame for longer than a segment.
    pub index: u32,
    /// Presentation time of the first frame, ticks.
    pub start: i64,
    /// Time to the first frame of the next segment, or to the end of the last frame, ticks.
    pub duration: i64,
    /// Frames (video) or packets (audio).
    pub frames: u32,
    /// The stored files, one for each packaging that this track has.
    pub files: Vec<StoredFile>,
}

/// One stored file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredFile {
    /// Which packaging it belongs to.
    pub packaging: Packaging,
    /// File name in the track's directory.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Where each key frame lies in it; for audio empty.
    pub key_frames: Vec<KeyFrame>,
    /// It is a range of the track's single file, which begins at this byte of it; `None`: a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// All of a track in one packaging as one file: initialisation segment, index, segments; of a transport stream segments
/// alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SingleFile {
    /// Which packaging.
    pub packaging: Packaging,
    /// File name in the track's directory.
    pub name: String,
    /// Bytes of the initialisation segment, which it begins with; 0 for a transport stream.
    pub init_bytes: u64,
    /// Bytes of the `sidx` box that follows (ISO/IEC 14496-12 §8.16.3); 0 for a transport stream.
    pub index_bytes: u64,
}

/// A byte range that, after the initialisation section, decodes to one key frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyFrame {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Presentation time, ticks of the track.
    pub time: i64,
}

/// A progressive MP4 file, made of stored segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProgressiveFile {
    /// The rung in it.
    pub track: String,
    /// The sound in it.
    pub audio: Option<String>,
    /// Path below the output directory.
    pub path: String,
    /// Size.
    pub bytes: u64,
}

impl SegmentRecord {
    /// The file of this segment in a packaging.
    pub fn file(&self, packaging: Packaging) -> Option<&StoredFile> {
        self.files.iter().find(|file| file.packaging == packaging)
    }

    /// Where the next segment starts, ticks.
    pub const fn end(&self) -> i64 {
        self.start + self.duration
    }
}

impl TrackRecord {
    /// Whether this track exists in a packaging, by its codec's row.
    pub fn in_packaging(&self, packaging: Packaging) -> bool {
        match &self.kind {
            TrackKind::Video { codec, .. } => codec.traits().packagings.contains(&packaging),
            TrackKind::Audio { codec, .. } => codec.traits().packagings.contains(&packaging),
            TrackKind::Text { format, .. } => format.packagings().contains(&packaging),
        }
    }

    /// The file that all of it lies in, in a packaging.
    pub fn single_file(&self, packaging: Packaging) -> Option<&SingleFile> {
        self.single.iter().find(|file| file.packaging == packaging)
    }

    /// Whether its segments are files of text, with no initialisation segment and nothing that runs on from one to the next.
    pub const fn is_plain(&self) -> bool {
        matches!(self.kind, TrackKind::Text { format: TextFormat::Vtt, .. })
    }

    /// Whether this is text.
    pub const fn is_text(&self) -> bool {
        matches!(self.kind, TrackKind::Text { .. })
    }

    /// Whether this is a rung.
    pub const fn is_video(&self) -> bool {
        matches!(self.kind, TrackKind::Video { .. })
    }

    /// Where the stored part of the track ends, ticks.
    pub fn end(&self) -> i64 {
        self.segments.last().map_or(0, SegmentRecord::end)
    }
}
