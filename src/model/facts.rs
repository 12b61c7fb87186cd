//! What is known of a source after probing, before anything is encoded.

use super::captions::CaptionChannel;
use super::labels::Tag;
use super::request::Crop;
use super::time::Ratio;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Facts about one source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MediaFacts {
    /// FFmpeg's name of the demuxer, for example `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// Bytes in the source.
    pub size_bytes: u64,
    /// Duration that the container declares, microseconds.
    pub duration_us: Option<i64>,
    /// Where the last packet read at the end of the file ends, microseconds on the container's own clock.
    pub media_end_us: Option<i64>,
    /// First timestamp of the container, microseconds.
    pub start_us: Option<i64>,
    /// Overall rate, bits a second.
    pub bit_rate: Option<u64>,
    /// Whether the file ends before the media that its own index or header promises.
    pub truncated: bool,
    /// Whether any instant can be reached by seeking with the same timestamps as by reading from the start.
    pub seekable: bool,
    /// The streams in container order.
    pub streams: Vec<StreamFacts>,
    /// Its chapters in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chapters: Vec<Chapter>,
    /// What it says of itself, each cut to the longest that files of ours say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Tag, String>,
    /// The closed captions that carry text, where they were looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<Vec<CaptionChannel>>,
}

/// A chapter of a source, or of what is made of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chapter {
    /// Where it begins, microseconds: of a source on the container's own clock, of an output from its zero.
    pub start_us: i64,
    /// Where it ends, on the same clock.
    pub end_us: i64,
    /// What it is called; empty where nothing says.
    pub title: String,
}

/// What a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Text or picture subtitles.
    Subtitle,
    /// Anything timed that is none of these.
    Data,
    /// A file inside the file: a font, a cover.
    Attachment,
    /// FFmpeg could not tell.
    Unknown,
}

/// What a track of sound is there for, other than the programme as it is or a description of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundRole {
    /// In another language than it was made in.
    Dub,
    /// Somebody comments on it.
    Commentary,
    /// Speech that is easier to understand, for viewers who are hard of hearing.
    EnhancedSpeech,
}

impl SoundRole {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dub, Self::Commentary, Self::EnhancedSpeech];

    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dub => "dub",
            Self::Commentary => "commentary",
            Self::EnhancedSpeech => "enhanced_speech",
        }
    }
}

/// Facts about one stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamFacts {
    /// Position in the container.
    pub index: u32,
    /// What it carries.
    pub kind: StreamKind,
    /// The programme that it belongs to, in containers that carry several (ISO/IEC 13818-1 §2.4.4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<u32>,
    /// FFmpeg's codec name; `unknown` where it has none.
    pub codec: String,
    /// FFmpeg's profile name.
    pub profile: Option<String>,
    /// Seconds a tick.
    pub time_base: Ratio,
    /// First timestamp that the container declares, ticks.
    pub start: Option<i64>,
    /// Declared duration, ticks.
    pub duration: Option<i64>,
    /// Declared rate, bits a second.
    pub bit_rate: Option<u64>,
    /// BCP 47 or ISO 639-2 code as the container has it.
    pub language: Option<String>,
    /// The track's title.
    pub title: Option<String>,
    /// Played unless the viewer chooses otherwise.
    pub default: bool,
    /// Shown even when subtitles are off.
    pub forced: bool,
    /// For viewers who cannot see: described sound.
    pub descriptive: bool,
    /// For viewers who cannot hear: subtitles that tell of sounds too. Sound has a role for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hearing_impaired: bool,
    /// What sound is there for beside that, where the container says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<SoundRole>,
    /// A still picture that belongs to the file, not a video.
    pub attached_picture: bool,
    /// Encrypted, so nothing can be decoded.
    pub encrypted: bool,
    /// Whether a decoder for it exists here and made at least one frame from it.
    pub decodable: bool,
    /// Present for video.
    pub video: Option<VideoFacts>,
    /// Present for audio.
    pub audio: Option<AudioFacts>,
}

/// Facts about pictures, from the first decoded frame where there is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VideoFacts {
    /// Coded width, pixels.
    pub width: u32,
    /// Coded height, pixels.
    pub height: u32,
    /// Width of one pixel over its height; 1/1 where unknown.
    pub sample_aspect: Ratio,
    /// Degrees clockwise by which pictures must be turned to stand upright: 0, 90, 180, 270.
    pub rotation: u32,
    /// Mirrored about the vertical axis, before the rotation.
    pub mirrored: bool,
    /// Width as shown: upright, square pixels.
    pub display_width: u32,
    /// Height as shown.
    pub display_height: u32,
    /// Frames a second; where variable, the mean.
    pub frame_rate: Ratio,
    /// Whether frame durations differ by more than rounding.
    pub variable_rate: bool,
    /// Scan of the pictures.
    pub scan: Scan,
    /// FFmpeg's name of the pixel format.
    pub pixel_format: String,
    /// Bits a sample.
    pub bit_depth: u32,
    /// Whether samples are RGB, not YUV.
    pub rgb: bool,
    /// Colour tags as decoded.
    pub color: ColorTags,
    /// High dynamic range, where there is any.
    pub hdr: Option<Hdr>,
    /// Timestamp of the first decoded frame, ticks; `None` where the container has no timestamps.
    pub first_pts: Option<i64>,
    /// Timestamps at which the container's index says that key frames stand, ticks, ascending. Exact at a constant
    /// rate. Empty where there is no exact index, where it lists too many, and where an edit list hides pictures from
    /// within a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_frames: Vec<i64>,
    /// What of the pictures is not black bars, in pixels as shown; all of them where there are none. `None`: nobody has
    /// looked, or it could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Crop>,
}

/// Progressive, or interlaced and which field comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// Whole pictures.
    Progressive,
    /// Top field first.
    TopFirst,
    /// Bottom field first.
    BottomFirst,
}

/// Colour description by FFmpeg's names (ISO/IEC 23091-2); `None` is unspecified.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ColorTags {
    /// `tv` or `pc`.
    pub range: Option<String>,
    /// Primaries, for example `bt709`.
    pub primaries: Option<String>,
    /// Transfer, for example `smpte2084`.
    pub transfer: Option<String>,
    /// Matrix, for example `bt2020nc`.
    pub matrix: Option<String>,
}

/// High dynamic range: kind and static metadata.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hdr {
    /// Which transfer.
    pub kind: HdrKind,
    /// SMPTE ST 2086 mastering display, where present.
    pub mastering: Option<MasteringDisplay>,
    /// CTA-861.3 maximum content light level, cd/m².
    pub max_cll: Option<u32>,
    /// CTA-861.3 maximum frame-average light level, cd/m².
    pub max_fall: Option<u32>,
}

/// The two families in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HdrKind {
    /// Perceptual quantiser (SMPTE ST 2084).
    Pq,
    /// Hybrid log-gamma (ARIB STD-B67).
    Hlg,
}

/// SMPTE ST 2086 in its own units: chromaticity in 1/50000, luminance in 1/10000 cd/m².
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MasteringDisplay {
    /// Red x, y.
    pub red: (u32, u32),
    /// Green x, y.
    pub green: (u32, u32),
    /// Blue x, y.
    pub blue: (u32, u32),
    /// White point x, y.
    pub white: (u32, u32),
    /// Darkest.
    pub min_luminance: u32,
    /// Brightest.
    pub max_luminance: u32,
}

/// Facts about sound.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AudioFacts {
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
    /// FFmpeg's name of the layout, for example `5.1(side)`.
    pub layout: String,
    /// Timestamp of the first decoded frame, ticks.
    pub first_pts: Option<i64>,
}

impl MediaFacts {
    /// Notes what of the main video is not black bars.
    pub fn set_area(&mut self, area: Option<Crop>) {
        let Some(main) = self.main_video().map(|(stream, _)| stream.index) else { return };
        for stream in self.streams.iter_mut().filter(|stream| stream.index == main) {
            stream.video.iter_mut().for_each(|video| video.area = area);
        }
    }

    /// The video that a job means when it names none: not a cover, decodable, default first, then the largest picture.
    pub fn main_video(&self) -> Option<(&StreamFacts, &VideoFacts)> {
        let mut best: Option<(&StreamFacts, &VideoFacts)> = None;
        for stream in self.streams.iter().filter(|s| s.decodable && !s.attached_picture) {
            let Some(video) = &stream.video else { continue };
            let better = best.is_none_or(|(b, v)| {
                let area = |v: &VideoFacts| u64::from(v.width) * u64::from(v.height);
                (stream.default, area(video)) > (b.default, area(v))
            });
            if better {
                best = Some((stream, video));
            }
        }
        best
    }

    /// The stream that closed captions come with: for line 21 a track of their own, where there is one, else the main video,
    /// where its codec is one that they are read from.
    pub fn caption_stream(&self, channel: CaptionChannel) -> Option<&StreamFacts> {
        let is_line21 = matches!(channel, CaptionChannel::Line21(_));
        let is_track =
            |stream: &&StreamFacts| is_line21 && stream.codec == "eia_608" && self.is_of_main_programme(stream);
        let video = || self.main_video().map(|(stream, _)| stream);
        let carries = |stream: &&StreamFacts| ["mpeg2video", "h264", "hevc"].contains(&stream.codec.as_str());
        self.streams.iter().find(is_track).or_else(|| video().filter(carries))
    }

    /// Whether a stream belongs to the main video's programme, or to none.
    pub fn is_of_main_programme(&self, stream: &StreamFacts) -> bool {
        let program = self.main_video().and_then(|(video, _)| video.program);
        program.is_none() || stream.program.is_none() || stream.program == program
    }

    /// Every audio stream that can be decoded and belongs to the main video's programme, in container order.
    pub fn audio_streams(&self) -> impl Iterator<Item = (&StreamFacts, &AudioFacts)> {
        let related = |stream: &&StreamFacts| stream.decodable && self.is_of_main_programme(stream);
        self.streams.iter().filter(related).filter_map(|s| s.audio.as_ref().map(|a| (s, a)))
    }
}
