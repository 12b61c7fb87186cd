//! Codecs, packagings and rate control, and the one table that says what fits in what.

use serde::{Deserialize, Serialize};

/// A video codec that an output can have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264 / AVC (ISO/IEC 14496-10).
    H264,
    /// H.265 / HEVC (ISO/IEC 23008-2).
    Hevc,
    /// AV1 (AOMedia).
    Av1,
    /// VP9 (VP9 Bitstream & Decoding Process Specification v0.6).
    Vp9,
}

/// An audio codec that an output can have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC-LC (ISO/IEC 14496-3).
    Aac,
    /// Opus (RFC 6716).
    Opus,
    /// MPEG-1 audio layer III (ISO/IEC 11172-3).
    Mp3,
    /// AC-3 (ETSI TS 102 366).
    Ac3,
    /// E-AC-3 (ETSI TS 102 366 Annex E).
    Eac3,
}

/// How segments are wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packaging {
    /// Fragmented MP4 (ISO/IEC 23000-19), named by an HLS master and a DASH MPD.
    Cmaf,
    /// MPEG-2 transport stream, named by an HLS master.
    Ts,
}

/// How much time the encoder may take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// x264 `veryfast` and its like.
    Fast,
    /// x264 `medium` and its like.
    #[default]
    Balanced,
    /// x264 `slow` and its like.
    Quality,
}

/// How bits are spent. Rates in bits a second, buffer in bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RateControl {
    /// An average, under a leaky bucket (ITU-T H.264 Annex C).
    Vbv {
        /// Average rate aimed at.
        bitrate: u64,
        /// Rate at which the bucket fills.
        max_rate: u64,
        /// Size of the bucket.
        buffer: u64,
    },
    /// An average under a leaky bucket, spent by what a first pass over the same pictures found out.
    TwoPass {
        /// Average rate aimed at.
        bitrate: u64,
        /// Rate at which the bucket fills.
        max_rate: u64,
        /// Size of the bucket.
        buffer: u64,
    },
    /// Constant quality under a leaky bucket.
    CappedCrf {
        /// The encoder's own constant rate factor.
        crf: u8,
        /// Rate at which the bucket fills.
        max_rate: u64,
        /// Size of the bucket.
        buffer: u64,
    },
    /// Constant quality, whatever it takes.
    Crf {
        /// The encoder's own constant rate factor.
        crf: u8,
    },
}

impl RateControl {
    /// The rate that a manifest declares while nothing has been measured yet, in bits a second.
    pub const fn declared_peak(self, fallback: u64) -> u64 {
        match self {
            Self::Vbv { max_rate, .. } | Self::TwoPass { max_rate, .. } | Self::CappedCrf { max_rate, .. } => max_rate,
            Self::Crf { .. } => fallback,
        }
    }

    /// Whether a first pass is made.
    pub const fn is_two_pass(self) -> bool {
        matches!(self, Self::TwoPass { .. })
    }
}

/// What one video codec can do here. New codecs are new rows, not new paths.
#[derive(Clone, Copy, Debug)]
pub struct VideoTraits {
    /// The row's key.
    pub codec: VideoCodec,
    /// The name in options, plans and file names.
    pub name: &'static str,
    /// FFmpeg's encoder.
    pub encoder: &'static str,
    /// MP4 sample entry (`hvc1`: parameter sets only in the sample entry).
    pub sample_entry: &'static str,
    /// Packagings that can carry it.
    pub packagings: &'static [Packaging],
    /// Smallest width and height the encoder takes.
    pub min_side: u32,
    /// Largest width and height.
    pub max_side: u32,
    /// Whether 10-bit pictures (and so HDR) are made.
    pub ten_bit: bool,
    /// Bit rate needed for the same look, in hundredths of H.264's.
    pub rate_percent: u64,
    /// What a coded picture starts with in the elementary stream.
    pub framing: Framing,
}

/// How an encoder's packets are framed, and so how they become MP4 samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Start codes (Annex B), length prefixes in MP4.
    AnnexB,
    /// Open bitstream units; temporal delimiters are dropped in MP4.
    Obu,
    /// As they are.
    Raw,
}

/// The table of video codecs.
pub const VIDEO_CODECS: [VideoTraits; 4] = [
    VideoTraits {
        codec: VideoCodec::H264,
        name: "h264",
        encoder: "libx264",
        sample_entry: "avc1",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        min_side: 2,
        max_side: 8192,
        ten_bit: false,
        rate_percent: 100,
        framing: Framing::AnnexB,
    },
    VideoTraits {
        codec: VideoCodec::Hevc,
        name: "hevc",
        encoder: "libx265",
        sample_entry: "hvc1",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        min_side: 32,
        max_side: 8192,
        ten_bit: true,
        rate_percent: 65,
        framing: Framing::AnnexB,
    },
    VideoTraits {
        codec: VideoCodec::Av1,
        name: "av1",
        encoder: "libsvtav1",
        sample_entry: "av01",
        packagings: &[Packaging::Cmaf],
        min_side: 64,
        max_side: 8192,
        ten_bit: true,
        rate_percent: 55,
        framing: Framing::Obu,
    },
    VideoTraits {
        codec: VideoCodec::Vp9,
        name: "vp9",
        encoder: "libvpx-vp9",
        sample_entry: "vp09",
        packagings: &[Packaging::Cmaf],
        min_side: 16,
        max_side: 8192,
        ten_bit: true,
        rate_percent: 70,
        framing: Framing::Raw,
    },
];

/// What one audio codec can do here.
#[derive(Clone, Copy, Debug)]
pub struct AudioTraits {
    /// The row's key.
    pub codec: AudioCodec,
    /// The name in options, plans and file names.
    pub name: &'static str,
    /// FFmpeg's encoder.
    pub encoder: &'static str,
    /// The codec's name in FFmpeg's media facts, for `copy`.
    pub source_name: &'static str,
    /// The sample format the encoder takes, by FFmpeg's name.
    pub sample_format: &'static str,
    /// Packagings that can carry it.
    pub packagings: &'static [Packaging],
    /// Sample rates the encoder takes, Hz, preferred first.
    pub rates: &'static [u32],
    /// Bits a second by the number of channels, from one up, at the default quality. As long as most channels there are.
    pub bit_rates: &'static [u64],
    /// It is there for surround, which it keeps unless something else is asked.
    pub surround: bool,
}

impl AudioTraits {
    /// Most channels that are made.
    pub const fn channels_max(&self) -> u32 {
        self.bit_rates.len() as u32
    }

    /// Bits a second for so many channels.
    pub fn bit_rate(&self, channels: u32) -> u64 {
        let place = channels.clamp(1, self.channels_max()) as usize - 1;
        self.bit_rates[place]
    }
}

/// The table of audio codecs.
pub const AUDIO_CODECS: [AudioTraits; 5] = [
    AudioTraits {
        codec: AudioCodec::Aac,
        name: "aac",
        encoder: "aac",
        source_name: "aac",
        sample_format: "fltp",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        rates: &[48_000, 44_100, 32_000],
        bit_rates: &[64_000, 128_000, 192_000, 256_000, 320_000, 384_000, 448_000, 512_000],
        surround: false,
    },
    AudioTraits {
        codec: AudioCodec::Opus,
        name: "opus",
        encoder: "libopus",
        source_name: "opus",
        sample_format: "flt",
        packagings: &[Packaging::Cmaf],
        rates: &[48_000],
        bit_rates: &[48_000, 96_000, 144_000, 192_000, 240_000, 288_000, 336_000, 384_000],
        surround: false,
    },
    AudioTraits {
        codec: AudioCodec::Mp3,
        name: "mp3",
        encoder: "libmp3lame",
        source_name: "mp3",
        sample_format: "fltp",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        rates: &[48_000, 44_100, 32_000],
        bit_rates: &[64_000, 128_000],
        surround: false,
    },
    AudioTraits {
        codec: AudioCodec::Ac3,
        name: "ac3",
        encoder: "ac3",
        source_name: "ac3",
        sample_format: "fltp",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        rates: &[48_000, 44_100, 32_000],
        // Rates that the format has (ETSI TS 102 366 table 4.13): usual ones for mono, stereo and 5.1.
        bit_rates: &[96_000, 192_000, 256_000, 320_000, 384_000, 448_000],
        surround: true,
    },
    AudioTraits {
        codec: AudioCodec::Eac3,
        name: "eac3",
        encoder: "eac3",
        source_name: "eac3",
        sample_format: "fltp",
        packagings: &[Packaging::Cmaf, Packaging::Ts],
        rates: &[48_000, 44_100, 32_000],
        bit_rates: &[96_000, 192_000, 224_000, 256_000, 320_000, 384_000],
        surround: true,
    },
];

impl VideoCodec {
    /// The codec's row.
    pub fn traits(self) -> &'static VideoTraits {
        match self {
            Self::H264 => &VIDEO_CODECS[0],
            Self::Hevc => &VIDEO_CODECS[1],
            Self::Av1 => &VIDEO_CODECS[2],
            Self::Vp9 => &VIDEO_CODECS[3],
        }
    }

    /// The codec with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        VIDEO_CODECS.iter().find(|row| row.name == name).map(|row| row.codec)
    }
}

impl AudioCodec {
    /// The codec's row.
    pub fn traits(self) -> &'static AudioTraits {
        match self {
            Self::Aac => &AUDIO_CODECS[0],
            Self::Opus => &AUDIO_CODECS[1],
            Self::Mp3 => &AUDIO_CODECS[2],
            Self::Ac3 => &AUDIO_CODECS[3],
            Self::Eac3 => &AUDIO_CODECS[4],
        }
    }

    /// The codec with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        AUDIO_CODECS.iter().find(|row| row.name == name).map(|row| row.codec)
    }
}

impl Packaging {
    /// The directory under the output that holds this packaging.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cmaf => "cmaf",
            Self::Ts => "ts",
        }
    }

    /// The file name ending of its segments.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Cmaf => "m4s",
            Self::Ts => "ts",
        }
    }

    /// The packaging with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cmaf, Self::Ts].into_iter().find(|p| p.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_key() {
        for row in &VIDEO_CODECS {
            assert_eq!(row.codec.traits().name, row.name);
            assert_eq!(VideoCodec::from_name(row.name), Some(row.codec));
        }
        for row in &AUDIO_CODECS {
            assert_eq!(row.codec.traits().name, row.name);
            assert_eq!(AudioCodec::from_name(row.name), Some(row.codec));
        }
    }
}
