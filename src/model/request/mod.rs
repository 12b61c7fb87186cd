//! What a client asks for, and how it is written in text.

mod captions;
pub mod encoders;
mod manifests;
mod metadata;
mod picture;
mod sound;
mod stills;
mod text;
mod timing;
mod watermark;

pub use captions::{CaptionChoice, CaptionForm, CaptionOptions};
pub use encoders::EncoderOption;
pub use manifests::ManifestOptions;
pub use metadata::FileMetadata;
pub use picture::{Color, Crop, DynamicRange, Pad, PictureOptions, Shape, Strength, ToneMap};
pub use sound::{ChannelChoice, JOINED_LAYOUTS, JoinMono, Loudness, SoundOptions, TITLE_CHARS_MAX, TrackChoice};
pub(crate) use stills::micros;
pub use stills::{IMAGE_SIDE_MAX, INTERVAL_US_MIN, ImageFormat, Moment, STILLS_MAX, SpriteOptions, StillsOptions};
pub use text::{BurnIn, Sidecar, TextChoice, TextLabels, TextOptions};
pub use timing::{Deinterlace, FieldOrder, FieldRate, FrameRate, Timing};
pub use watermark::{
    IMAGE_SIZE_DEFAULT, MARGIN_DEFAULT, Millis, PERIOD_MS_DEFAULT, Path, Position, Share, SizeOf, TEXT_SIZE_DEFAULT,
    Timecode, WATERMARKS_MAX, Watermark,
};

use super::limits::{SEGMENT_MS_MAX, SEGMENT_MS_MIN};
use super::{AudioCodec, Packaging, Problem, Speed, VideoCodec};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Target duration of a segment when none is asked, milliseconds: what a player loads before it starts, against how
/// often an IDR is paid for.
pub const SEGMENT_MS_DEFAULT: u32 = 4000;
/// Largest side that can be asked for, pixels: above every codec's own limit, so that the codec's message is shown.
const SIDE_MAX: u32 = 16_384;
/// Lowest rate that can be asked for, bits a second: below it not even the headers of small pictures fit.
const BITRATE_MIN: u64 = 10_000;
/// Highest rate that can be asked for, bits a second: the most that H.264 level 6.2 allows.
const BITRATE_MAX: u64 = 800_000_000;

/// What to make. An empty list means "the usual": a ladder from the source, H.264, AAC, and every packaging that fits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Rungs of the ladder; empty for a ladder made from the source's size, rate and content.
    pub renditions: Vec<RenditionSpec>,
    /// Video codecs, each of which gets the whole ladder; empty for H.264.
    pub codecs: Vec<VideoCodec>,
    /// Audio codecs, each of which gets every audio track; empty for AAC.
    pub audio_codecs: Vec<AudioCodec>,
    /// Packagings; empty for CMAF and TS, as far as the codecs fit them.
    pub packagings: Vec<Packaging>,
    /// How much time the encoders may take.
    pub speed: Speed,
    /// How bits are spent.
    pub rate_mode: RateMode,
    /// Target duration of a segment, milliseconds.
    pub segment_ms: u32,
    /// Runs of segments that are made side by side.
    pub spans: u32,
    /// Rungs may be larger than the source.
    pub allow_upscale: bool,
    /// Tracks that already are what is asked may be taken over without encoding.
    pub copy: bool,
    /// What becomes of sound with more than two channels.
    pub channels: Channels,
    /// A progressive MP4 file is made of each rung too, out of its CMAF segments.
    pub progressive: bool,
    /// Only sound is made, whatever pictures the source has.
    pub omit_video: bool,
    /// How manifests are written.
    pub manifests: ManifestOptions,
    /// What is done to pictures beside scaling.
    pub picture: PictureOptions,
    /// Which sound is made.
    pub sound: SoundOptions,
    /// Options of encoders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encoder_options: Vec<EncoderOption>,
    /// What is drawn over pictures, the later ones over the earlier ones.
    pub watermarks: Vec<Watermark>,
    /// Single pictures that are made too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stills: Option<StillsOptions>,
    /// Sheets of small pictures that are made too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sprites: Option<SpriteOptions>,
    /// Which text is made.
    pub text: TextOptions,
    /// What progressive files say of themselves.
    #[serde(skip_serializing_if = "FileMetadata::is_usual")]
    pub file_metadata: FileMetadata,
}

/// What is looked for in a source, beside what is known of every source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Looks {
    /// Black bars around its pictures.
    pub bars: bool,
    /// Closed captions.
    pub captions: bool,
}

impl Request {
    /// What is to be looked for in its source.
    pub const fn looks(&self) -> Looks {
        Looks { bars: self.picture.crop_bars, captions: self.text.captions.looks() }
    }

    /// Whether nothing but single pictures is made.
    pub fn is_pictures_alone(&self) -> bool {
        self.stills.as_ref().is_some_and(|stills| stills.alone)
            || self.sprites.as_ref().is_some_and(|sheets| sheets.alone)
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            renditions: Vec::new(),
            codecs: Vec::new(),
            audio_codecs: Vec::new(),
            packagings: Vec::new(),
            speed: Speed::Balanced,
            rate_mode: RateMode::Vbv,
            segment_ms: SEGMENT_MS_DEFAULT,
            spans: 1,
            allow_upscale: false,
            copy: false,
            channels: Channels::ByCodec,
            progressive: false,
            omit_video: false,
            manifests: ManifestOptions::default(),
            picture: PictureOptions::default(),
            sound: SoundOptions::default(),
            encoder_options: Vec::new(),
            watermarks: Vec::new(),
            stills: None,
            sprites: None,
            text: TextOptions::default(),
            file_metadata: FileMetadata::default(),
        }
    }
}

/// How bits are spent, before rates are known. The constant rate factor is on the encoder's own scale; `None` for the
/// factor that this planner takes for the codec.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RateMode {
    /// An average under a leaky bucket.
    #[default]
    Vbv,
    /// An average under a leaky bucket, spent by what a first pass over the same pictures found out.
    TwoPass,
    /// Constant quality under a leaky bucket that the rung's rate fills.
    CappedCrf {
        /// Constant rate factor.
        #[serde(default)]
        crf: Option<u8>,
    },
    /// Constant quality, whatever it takes.
    Crf {
        /// Constant rate factor.
        #[serde(default)]
        crf: Option<u8>,
    },
}

impl RateMode {
    /// The constant rate factor that was asked for.
    pub const fn crf(self) -> Option<u8> {
        match self {
            Self::Vbv | Self::TwoPass => None,
            Self::CappedCrf { crf } | Self::Crf { crf } => crf,
        }
    }
}

/// What becomes of sound with more than two channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// By the codec: kept as 5.1 in AC-3 and E-AC-3, which are there for that, mixed down to stereo in all others.
    #[default]
    ByCodec,
    /// Mixed down to stereo, which every device plays.
    Stereo,
    /// Kept as 5.1, the one surround layout that every player with surround knows, in codecs that have it.
    Keep,
}

/// One rung as asked: `1080p`, `4K`, `640x360`, `720p@2.5M`. Written and read as that text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenditionSpec {
    /// How large.
    pub size: SizeSpec,
    /// Bits a second, the same for every codec; `None` for a rate from size, frame rate, codec and source.
    pub bitrate: Option<u64>,
}

/// The size of a rung as asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SizeSpec {
    /// A named quality: the short side of the picture as shown, pixels.
    Short(u32),
    /// A box in pixels that the picture is fitted into, keeping its shape.
    Box {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
}

impl RenditionSpec {
    /// Whether a side that is asked for is odd, which 4:2:0 pictures cannot have.
    pub const fn is_odd(&self) -> bool {
        match self.size {
            SizeSpec::Short(side) => side % 2 == 1,
            SizeSpec::Box { width, height } => width % 2 == 1 || height % 2 == 1,
        }
    }
}

impl FromStr for RenditionSpec {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let refuse = || {
            let help =
                "write a quality such as 1080p or 4K, or a size such as 640x360, with an optional rate as in 720p@2.5M";
            Problem::input("request.rendition", format!("`{text}` is not a rendition: {help}"))
        };
        let lower = text.trim().to_ascii_lowercase();
        let (size, rate) = match lower.split_once('@') {
            Some((size, rate)) => (size, Some(rate)),
            None => (lower.as_str(), None),
        };
        let size = parse_size(size).ok_or_else(refuse)?;
        let bitrate = rate.map(|rate| parse_bitrate(rate).ok_or_else(refuse)).transpose()?;
        Ok(Self { size, bitrate })
    }
}

impl TryFrom<String> for RenditionSpec {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<RenditionSpec> for String {
    fn from(spec: RenditionSpec) -> Self {
        spec.to_string()
    }
}

impl fmt::Display for RenditionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            SizeSpec::Short(side) => write!(f, "{side}p")?,
            SizeSpec::Box { width, height } => write!(f, "{width}x{height}")?,
        }
        match self.bitrate {
            Some(rate) if rate.is_multiple_of(1000) => write!(f, "@{}k", rate / 1000),
            Some(rate) => write!(f, "@{rate}"),
            None => Ok(()),
        }
    }
}

/// A segment duration in text, to milliseconds: `4s`, `2500ms`, `6`, `2.5s`. Fails with `request.segment`.
pub fn parse_segment(text: &str) -> Result<u32, Problem> {
    let lower = text.trim().to_ascii_lowercase();
    let millis = match (lower.strip_suffix("ms"), lower.strip_suffix('s')) {
        (Some(number), _) => decimal(number, 1),
        (None, Some(number)) => decimal(number, 1000),
        (None, None) => decimal(&lower, 1000),
    };
    let millis = millis.and_then(|ms| u32::try_from(ms).ok());
    millis.filter(|ms| (SEGMENT_MS_MIN..=SEGMENT_MS_MAX).contains(ms)).ok_or_else(|| segment_problem(text))
}

/// The refusal of a segment duration, as it was written.
pub(crate) fn segment_problem(text: &str) -> Problem {
    Problem::input(
        "request.segment",
        format!(
            "segment duration `{text}` cannot be used: ask for {SEGMENT_MS_MIN}ms to {}s, as in 4s or 2500ms",
            SEGMENT_MS_MAX / 1000
        ),
    )
}

fn parse_size(text: &str) -> Option<SizeSpec> {
    let side = |text: &str| whole(text).and_then(|n| u32::try_from(n).ok()).filter(|n| (2..=SIDE_MAX).contains(n));
    match text {
        "2k" => return Some(SizeSpec::Short(1440)),
        "4k" => return Some(SizeSpec::Short(2160)),
        _ => {}
    }
    if let Some(short) = text.strip_suffix('p') {
        return side(short).map(SizeSpec::Short);
    }
    let (width, height) = text.split_once('x')?;
    Some(SizeSpec::Box { width: side(width)?, height: side(height)? })
}

fn parse_bitrate(text: &str) -> Option<u64> {
    let rate = match (text.strip_suffix('k'), text.strip_suffix('m')) {
        (Some(number), _) => decimal(number, 1000),
        (None, Some(number)) => decimal(number, 1_000_000),
        (None, None) => decimal(text, 1),
    };
    rate.filter(|rate| (BITRATE_MIN..=BITRATE_MAX).contains(rate))
}

/// A decimal number of `unit`s as a whole number, without floats: `decimal("2.5", 1000)` is 2500. Digits finer than
/// one are cut off.
pub(crate) fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole_part, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(fraction.len() as u32);
    whole(whole_part)?.checked_mul(unit)?.checked_add(whole(fraction)?.checked_mul(unit)? / scale)
}

/// Digits and nothing else: `u64::from_str` alone would take a plus sign.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_are_read_as_written_and_written_as_read() {
        let read = |text: &str| text.parse::<RenditionSpec>().map(|spec| spec.to_string());
        for (text, canonical) in [
            ("1080p", "1080p"),
            ("144P", "144p"),
            ("2k", "1440p"),
            ("4K", "2160p"),
            ("640x360", "640x360"),
            ("640X360@700k", "640x360@700k"),
            (" 720p@2.5M ", "720p@2500k"),
            ("720p@1500500", "720p@1500500"),
        ] {
            assert_eq!(read(text).unwrap(), canonical, "{text}");
            assert_eq!(read(canonical).unwrap(), canonical);
        }
    }

    #[test]
    fn what_is_no_rendition_is_refused_with_an_example() {
        for text in [
            "",
            "p",
            "1080",
            "1080i",
            "0p",
            "+5p",
            "1x1",
            "640x",
            "x360",
            "640x360@",
            "720p@0",
            "720p@2.5.1M",
            "99999p",
            "720p@1e6",
            "720p@9999M",
        ] {
            let problem = text.parse::<RenditionSpec>().unwrap_err();
            assert_eq!(problem.code, "request.rendition", "{text}");
            assert!(problem.message.contains("1080p"), "{text}");
        }
    }

    #[test]
    fn segments_are_read_in_seconds_and_milliseconds() {
        for (text, ms) in [("4s", 4000), ("2500ms", 2500), ("6", 6000), ("2.5S", 2500), ("0.5", 500), ("30s", 30_000)] {
            assert_eq!(parse_segment(text).unwrap(), ms, "{text}");
        }
        for text in ["", "s", "0", "499ms", "31s", "-4s", "4m", "4 s", "99999999999999999999s"] {
            assert_eq!(parse_segment(text).unwrap_err().code, "request.segment", "{text}");
        }
    }

    #[test]
    fn an_empty_object_is_the_default_request_and_typos_are_refused() {
        assert_eq!(serde_json::from_str::<Request>("{}").unwrap(), Request::default());
        assert!(serde_json::from_str::<Request>(r#"{"rendition": []}"#).is_err());
        let request: Request =
            serde_json::from_str(r#"{"renditions": ["720p@2M"], "rate_mode": {"mode": "capped_crf"}}"#).unwrap();
        assert_eq!(request.renditions[0].bitrate, Some(2_000_000));
        assert_eq!(request.rate_mode, RateMode::CappedCrf { crf: None });
    }
}
