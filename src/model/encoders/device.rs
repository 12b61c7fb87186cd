//! Options of the encoders of devices: those that every engine of a kind has, or that a driver ignores where it has not.

use super::Values::{Whole, Word};
use super::{EncoderTraits, OptionTraits, SWITCH, ffmpeg};
use crate::model::VideoCodec;

/// The encoders of devices.
pub(super) const ENCODERS: [EncoderTraits; 6] = [
    EncoderTraits { name: "h264_nvenc", codec: VideoCodec::H264, params: None, options: &H264_NVENC },
    EncoderTraits { name: "hevc_nvenc", codec: VideoCodec::Hevc, params: None, options: &HEVC_NVENC },
    EncoderTraits { name: "av1_nvenc", codec: VideoCodec::Av1, params: None, options: &AV1_NVENC },
    EncoderTraits { name: "h264_vaapi", codec: VideoCodec::H264, params: None, options: &H264_VAAPI },
    EncoderTraits { name: "hevc_vaapi", codec: VideoCodec::Hevc, params: None, options: &HEVC_VAAPI },
    EncoderTraits { name: "av1_vaapi", codec: VideoCodec::Av1, params: None, options: &AV1_VAAPI },
];

/// Most frames that NVENC looks ahead: with B-frames and what FFmpeg adds they are the surfaces that a rung's share of the
/// device's memory is reckoned with.
const LOOKAHEAD_MAX: i32 = 30;
/// Passes over each picture.
const MULTIPASS: [&str; 3] = ["disabled", "qres", "fullres"];
const LEVELS: [&str; 8] = ["3", "3.1", "4", "4.1", "4.2", "5", "5.1", "5.2"];
const LEVELS_HEVC: [&str; 8] = ["3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6"];
const TIERS: [&str; 2] = ["main", "high"];

const H264_NVENC: [OptionTraits; 9] = [
    ffmpeg("aq-strength", Whole(1, 15)),
    ffmpeg("coder", Word(&["cabac", "cavlc"])),
    ffmpeg("level", Word(&LEVELS)),
    ffmpeg("multipass", Word(&MULTIPASS)),
    ffmpeg("profile", Word(&["main", "high"])),
    ffmpeg("rc-lookahead", Whole(0, LOOKAHEAD_MAX)),
    ffmpeg("spatial-aq", SWITCH),
    ffmpeg("temporal-aq", SWITCH),
    ffmpeg("tune", Word(&["hq", "ll", "ull"])),
];
const HEVC_NVENC: [OptionTraits; 7] = [
    ffmpeg("aq-strength", Whole(1, 15)),
    ffmpeg("level", Word(&LEVELS_HEVC)),
    ffmpeg("multipass", Word(&MULTIPASS)),
    ffmpeg("rc-lookahead", Whole(0, LOOKAHEAD_MAX)),
    ffmpeg("spatial-aq", SWITCH),
    ffmpeg("tier", Word(&TIERS)),
    ffmpeg("tune", Word(&["hq", "ll", "ull"])),
];
const AV1_NVENC: [OptionTraits; 5] = [
    ffmpeg("aq-strength", Whole(1, 15)),
    ffmpeg("multipass", Word(&MULTIPASS)),
    ffmpeg("rc-lookahead", Whole(0, LOOKAHEAD_MAX)),
    ffmpeg("spatial-aq", SWITCH),
    ffmpeg("tune", Word(&["hq", "ll", "ull"])),
];
const H264_VAAPI: [OptionTraits; 3] = [
    ffmpeg("coder", Word(&["cabac", "cavlc"])),
    ffmpeg("level", Word(&LEVELS)),
    ffmpeg("profile", Word(&["constrained_baseline", "main", "high"])),
];
const HEVC_VAAPI: [OptionTraits; 2] = [ffmpeg("level", Word(&LEVELS_HEVC)), ffmpeg("tier", Word(&TIERS))];
const AV1_VAAPI: [OptionTraits; 1] = [ffmpeg("tier", Word(&TIERS))];
