//! Options of the encoders of the CPU.

use super::Values::{Decimal, Pair, Whole, Word};
use super::{EncoderTraits, OptionTraits, SWITCH, ffmpeg, own};
use crate::model::VideoCodec;

/// The encoders of the CPU.
pub(super) const ENCODERS: [EncoderTraits; 4] = [
    EncoderTraits { name: "libx264", codec: VideoCodec::H264, params: Some("x264-params"), options: &X264 },
    EncoderTraits { name: "libx265", codec: VideoCodec::Hevc, params: Some("x265-params"), options: &X265 },
    EncoderTraits { name: "libsvtav1", codec: VideoCodec::Av1, params: Some("svtav1-params"), options: &SVT_AV1 },
    EncoderTraits { name: "libvpx-vp9", codec: VideoCodec::Vp9, params: None, options: &VP9 },
];

/// Most frames that x264 and x265 look ahead, more than any of their presets: each is a picture in memory.
const LOOKAHEAD_MAX: i32 = 60;
/// Farthest that motion is searched for, pixels: beyond it exhaustive searches take minutes a frame.
const RANGE_MAX: i32 = 64;

/// Of x264.
const X264: [OptionTraits; 33] = [
    own("8x8dct", SWITCH),
    own("aq-mode", Whole(0, 3)),
    own("aq-strength", Decimal(0, 3000)),
    own("b-adapt", Whole(0, 2)),
    own("b-bias", Whole(-100, 100)),
    own("b-pyramid", Word(&["none", "strict", "normal"])),
    own("bframes", Whole(0, 16)),
    own("cabac", SWITCH),
    own("chroma-qp-offset", Whole(-12, 12)),
    own("deadzone-inter", Whole(0, 32)),
    own("deadzone-intra", Whole(0, 32)),
    own("deblock", Pair(-6000, 6000)),
    own("direct", Word(&["none", "spatial", "temporal", "auto"])),
    own("fast-pskip", SWITCH),
    own("ipratio", Decimal(1000, 10_000)),
    ffmpeg(
        "level",
        Word(&["1", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5", "5.1", "5.2"]),
    ),
    own("mbtree", SWITCH),
    own("me", Word(&["dia", "hex", "umh", "esa", "tesa"])),
    own("merange", Whole(4, RANGE_MAX)),
    own("mixed-refs", SWITCH),
    own("nr", Whole(0, 1000)),
    own("pbratio", Decimal(1000, 10_000)),
    ffmpeg("profile", Word(&["baseline", "main", "high"])),
    own("psy-rd", Pair(0, 10_000)),
    own("qcomp", Decimal(0, 1000)),
    own("qpmax", Whole(10, 51)),
    own("qpmin", Whole(0, 40)),
    own("rc-lookahead", Whole(0, LOOKAHEAD_MAX)),
    own("ref", Whole(1, 16)),
    own("subme", Whole(0, 11)),
    own("trellis", Whole(0, 2)),
    ffmpeg("tune", Word(&["film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode"])),
    own("weightp", Whole(0, 2)),
];

/// Of x265.
const X265: [OptionTraits; 38] = [
    own("amp", SWITCH),
    own("aq-mode", Whole(0, 4)),
    own("aq-motion", SWITCH),
    own("aq-strength", Decimal(0, 3000)),
    own("b-adapt", Whole(0, 2)),
    own("b-intra", SWITCH),
    own("b-pyramid", SWITCH),
    own("bframes", Whole(0, 16)),
    own("cbqpoffs", Whole(-12, 12)),
    own("crqpoffs", Whole(-12, 12)),
    own("ctu", Word(&["32", "64"])),
    own("cutree", SWITCH),
    own("deblock", Pair(-6000, 6000)),
    own("early-skip", SWITCH),
    own("ipratio", Decimal(1000, 10_000)),
    own("limit-modes", SWITCH),
    own("limit-refs", Whole(0, 3)),
    own("max-merge", Whole(1, 5)),
    own("me", Word(&["dia", "hex", "umh", "star"])),
    own("merange", Whole(4, RANGE_MAX)),
    own("min-cu-size", Word(&["8", "16", "32"])),
    own("nr-inter", Whole(0, 2000)),
    own("nr-intra", Whole(0, 2000)),
    own("pbratio", Decimal(1000, 10_000)),
    own("psy-rd", Decimal(0, 5000)),
    own("psy-rdoq", Decimal(0, 50_000)),
    own("qcomp", Decimal(500, 1000)),
    own("rc-lookahead", Whole(17, LOOKAHEAD_MAX)),
    own("rd", Whole(1, 6)),
    own("rdoq-level", Whole(0, 2)),
    own("rect", SWITCH),
    own("ref", Whole(1, 6)),
    own("sao", SWITCH),
    own("strong-intra-smoothing", SWITCH),
    own("subme", Whole(0, 7)),
    own("tskip", SWITCH),
    ffmpeg("tune", Word(&["psnr", "ssim", "grain", "fastdecode", "animation"])),
    own("weightp", SWITCH),
];

/// Of SVT-AV1, as its releases 1.4 to 2.3 have them.
const SVT_AV1: [OptionTraits; 12] = [
    own("aq-mode", Whole(0, 2)),
    own("enable-cdef", SWITCH),
    own("enable-dlf", SWITCH),
    own("enable-qm", SWITCH),
    own("enable-restoration", SWITCH),
    own("enable-tf", SWITCH),
    own("fast-decode", SWITCH),
    own("film-grain", Whole(0, 50)),
    own("film-grain-denoise", SWITCH),
    own("lookahead", Whole(17, LOOKAHEAD_MAX)),
    own("scm", Whole(0, 2)),
    own("tune", Whole(0, 1)),
];

/// Of libvpx, as FFmpeg names them.
const VP9: [OptionTraits; 11] = [
    ffmpeg("aq-mode", Word(&["none", "variance", "complexity", "cyclic"])),
    ffmpeg("arnr-maxframes", Whole(0, 15)),
    ffmpeg("arnr-strength", Whole(0, 6)),
    ffmpeg("auto-alt-ref", SWITCH),
    ffmpeg("enable-tpl", SWITCH),
    ffmpeg("frame-parallel", SWITCH),
    ffmpeg("lag-in-frames", Whole(0, 25)),
    ffmpeg("noise-sensitivity", Whole(0, 4)),
    ffmpeg("sharpness", Whole(0, 7)),
    ffmpeg("tile-rows", Whole(0, 2)),
    ffmpeg("tune-content", Word(&["default", "screen", "film"])),
];
