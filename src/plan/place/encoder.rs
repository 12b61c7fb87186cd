//! Options of encoders on devices, in a fixed order: part of the encoder identity that one rendition keeps, with the
//! encoder's name, FFmpeg's version and the device's model.
//!
//! Whatever has a default that differs between releases, or between presets, is said. B-frames are made by NVENC's H.264
//! alone, which every engine can, and only where FFmpeg gives them right decoding times (7.1); they are never referred
//! to, since not every engine can. VAAPI makes none: what its drivers can differs by chip.

use super::super::encoder::set_all;
use super::filters::FilterSet;
use crate::model::device::{DeviceInfo, DeviceKind};
use crate::model::request::encoders;
use crate::model::{RateControl, Speed, VideoCodec, VideoRendition};

/// B-frames in a row of NVENC's H.264.
const B_FRAMES: u32 = 3;
/// Surfaces that NVENC works with beyond lookahead and B-frames, as FFmpeg reckons them.
const SURFACES_OWN: u32 = 6;
/// Most surfaces that FFmpeg registers with NVENC.
const SURFACES_MAX: u32 = 64;
/// Frames that VAAPI works on side by side; what FFmpeg does by default from 5.1 on, said so that pools can count on it.
const ASYNC_DEPTH: u32 = 2;
/// Longest lookahead of any speed class, frames.
const LOOKAHEAD_MAX: u32 = 20;

const _: () = assert!(LOOKAHEAD_MAX + B_FRAMES + SURFACES_OWN <= SURFACES_MAX, "NVENC has so many surfaces");

/// FFmpeg's encoder.
pub(super) const fn name(codec: VideoCodec, kind: DeviceKind) -> &'static str {
    match (codec, kind) {
        // No device makes it here.
        (VideoCodec::Vp9, _) => "libvpx-vp9",
        (VideoCodec::H264, DeviceKind::Vaapi) => "h264_vaapi",
        (VideoCodec::Hevc, DeviceKind::Vaapi) => "hevc_vaapi",
        (VideoCodec::Av1, DeviceKind::Vaapi) => "av1_vaapi",
        (VideoCodec::H264, _) => "h264_nvenc",
        (VideoCodec::Hevc, _) => "hevc_nvenc",
        (VideoCodec::Av1, _) => "av1_nvenc",
    }
}

/// Whether the driver is Intel's media driver (iHD).
pub(super) fn is_intel(device: &DeviceInfo) -> bool {
    let driver = device.driver.to_ascii_lowercase();
    driver.contains("ihd") || driver.contains("intel")
}

/// The options, by FFmpeg's names. `gop` is the longest distance of key frames, frames.
pub(super) fn options(
    rung: &VideoRendition,
    deep: bool,
    gop: i64,
    device: &DeviceInfo,
    ffmpeg: FilterSet,
) -> Vec<(String, String)> {
    let mut options = Options(Vec::new());
    match device.kind {
        DeviceKind::Vaapi => vaapi(&mut options, rung, deep, gop, is_intel(device)),
        _ => nvenc(&mut options, rung, deep, gop, ffmpeg),
    }
    let (asked, _) = encoders::for_encoder(&rung.encoder_options, name(rung.codec, device.kind));
    set_all(&mut options.0, asked);
    options.0
}

struct Options(Vec<(String, String)>);

impl Options {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    fn bucket(&mut self, max_rate: u64, buffer: u64) {
        self.add("maxrate", max_rate);
        self.add("bufsize", buffer);
    }
}

fn nvenc(options: &mut Options, rung: &VideoRendition, deep: bool, gop: i64, ffmpeg: FilterSet) {
    let (preset, lookahead) = match rung.speed {
        Speed::Fast => ("p2", 0),
        Speed::Balanced => ("p4", 10),
        Speed::Quality => ("p6", LOOKAHEAD_MAX),
    };
    let lookahead = asked_lookahead(rung).unwrap_or(lookahead);
    let b_frames = if rung.codec == VideoCodec::H264 && ffmpeg.nvenc_is_whole() { B_FRAMES } else { 0 };
    options.add("preset", preset);
    options.add("tune", "hq");
    if let Some(profile) = profile(rung.codec, deep) {
        options.add("profile", profile);
    }
    options.add("rc", "vbr");
    options.add("multipass", "disabled");
    match rung.rate {
        // What is made in two passes is not placed on a device.
        RateControl::Vbv { bitrate, max_rate, buffer } | RateControl::TwoPass { bitrate, max_rate, buffer } => {
            options.add("b", bitrate);
            options.bucket(max_rate, buffer);
        }
        RateControl::CappedCrf { crf, max_rate, buffer } => {
            options.add("cq", cq(rung.codec, crf));
            options.add("b", 0);
            options.bucket(max_rate, buffer);
        }
        RateControl::Crf { crf } => {
            options.add("cq", cq(rung.codec, crf));
            options.add("b", 0);
        }
    }
    options.add("g", gop);
    options.add("bf", b_frames);
    options.add("b_ref_mode", "disabled");
    options.add("rc-lookahead", lookahead);
    options.add("spatial-aq", 1);
    options.add("temporal-aq", 0);
    options.add("surfaces", lookahead + b_frames + SURFACES_OWN);
    options.add("forced-idr", 1);
    options.add("no-scenecut", 1);
    options.add("strict_gop", 1);
}

/// Frames that NVENC is asked to look ahead; its surfaces follow.
fn asked_lookahead(rung: &VideoRendition) -> Option<u32> {
    let (asked, _) = encoders::for_encoder(&rung.encoder_options, name(rung.codec, DeviceKind::Cuda));
    asked.into_iter().find(|option| option.name == "rc-lookahead")?.value.parse().ok()
}

/// NVENC's quality that looks like a constant rate factor: 7 above x264's, 5 above x265's; SVT-AV1's, whose scale ends
/// at 63, is cut at the 51 that `cq` has. From others' measurements, not ours.
fn cq(codec: VideoCodec, crf: u8) -> u8 {
    let offset = match codec {
        VideoCodec::H264 => 7,
        VideoCodec::Hevc => 5,
        VideoCodec::Av1 | VideoCodec::Vp9 => 0,
    };
    crf.saturating_add(offset).clamp(1, 51)
}

fn vaapi(options: &mut Options, rung: &VideoRendition, deep: bool, gop: i64, intel: bool) {
    if let Some(profile) = vaapi_profile(rung.codec, deep) {
        options.add("profile", profile);
    }
    // What the numbers mean is the driver's affair; these are Intel's, from 1 (best) to 7 (fastest).
    if intel {
        let level = match rung.speed {
            Speed::Fast => 7,
            Speed::Balanced => 4,
            Speed::Quality => 1,
        };
        options.add("compression_level", level);
    }
    match rung.rate {
        RateControl::Vbv { bitrate, max_rate, buffer } | RateControl::TwoPass { bitrate, max_rate, buffer } => {
            options.add("rc_mode", "VBR");
            options.add("b", bitrate);
            options.bucket(max_rate, buffer);
        }
        RateControl::CappedCrf { crf, max_rate, buffer } => {
            options.add("rc_mode", "QVBR");
            options.add("global_quality", quantiser(rung.codec, crf));
            options.add("b", max_rate);
            options.bucket(max_rate, buffer);
        }
        RateControl::Crf { crf } => {
            options.add("rc_mode", "CQP");
            options.add("global_quality", quantiser(rung.codec, crf));
        }
    }
    options.add("g", gop);
    options.add("bf", 0);
    options.add("idr_interval", 0);
    options.add("async_depth", ASYNC_DEPTH);
}

/// The quantiser that stands for a constant rate factor: the same number, which is about what x264 and x265 come to on
/// plain content; of AV1, whose index ends at 255 where SVT-AV1's factor ends at 63, four times it.
fn quantiser(codec: VideoCodec, crf: u8) -> u16 {
    match codec {
        VideoCodec::H264 | VideoCodec::Hevc => u16::from(crf.clamp(1, 51)),
        VideoCodec::Av1 | VideoCodec::Vp9 => (u16::from(crf) * 4).clamp(1, 255),
    }
}

/// The profile by name; NVENC's AV1 has one alone and no option for it.
const fn profile(codec: VideoCodec, deep: bool) -> Option<&'static str> {
    match (codec, deep) {
        (VideoCodec::H264, _) => Some("high"),
        (VideoCodec::Hevc, false) => Some("main"),
        (VideoCodec::Hevc, true) => Some("main10"),
        (VideoCodec::Av1 | VideoCodec::Vp9, _) => None,
    }
}

const fn vaapi_profile(codec: VideoCodec, deep: bool) -> Option<&'static str> {
    match codec {
        VideoCodec::Av1 => Some("main"),
        _ => profile(codec, deep),
    }
}
