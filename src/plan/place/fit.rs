//! What a device cannot do for a plan, in sentences.

use super::super::graph;
use super::filters::FilterSet;
use super::{DECODE, Unmet, encoder};
use crate::model::device::{DeviceInfo, DeviceKind, Operation, Verdict};
use crate::model::facts::Hdr;
use crate::model::plan::{SourcePictures, VideoPlan};
use crate::model::{RateControl, VideoCodec, VideoRendition};

/// Pictures that decoders on devices give: 4:2:0, 8 or 10 bits. Others, before the newest engines, are the CPU's.
const DECODED: [&str; 5] = ["yuv420p", "yuvj420p", "nv12", "yuv420p10le", "p010le"];

/// All that a placement asks and the device cannot do.
pub(super) fn unmet(
    video: &VideoPlan,
    decode: bool,
    on_device: &[bool],
    device: &DeviceInfo,
    ffmpeg: FilterSet,
) -> Vec<Unmet> {
    let Some(source) = &video.source else {
        let sentence = match video.parts.is_empty() {
            true => "the plan does not say what its source is: submit the job again",
            false => "pictures of a joined source are decoded, fitted and encoded by the CPU alone",
        };
        return vec![Unmet { track: DECODE.to_owned(), sentence: sentence.to_owned() }];
    };
    let mut unmet = Vec::new();
    if let Some(sentence) = decode_refusal(video, source, device, ffmpeg).filter(|_| decode) {
        unmet.push(Unmet { track: DECODE.to_owned(), sentence });
    }
    for (rung, _) in video.renditions.iter().zip(on_device).filter(|(_, on)| **on) {
        if let Some(sentence) = encode_refusal(rung, device, ffmpeg) {
            unmet.push(Unmet { track: rung.id.clone(), sentence });
        }
    }
    unmet
}

/// Why the device cannot decode the source into frames that it can go on with; `None`: it can.
pub(super) fn decode_refusal(
    video: &VideoPlan,
    source: &SourcePictures,
    device: &DeviceInfo,
    ffmpeg: FilterSet,
) -> Option<String> {
    let pictures = &source.video;
    if video.renditions.iter().any(|rung| !rung.picture.is_plain()) {
        return Some("needs pictures in the host's memory; only the CPU makes them as asked".to_owned());
    }
    if video.fields.is_some_and(|fields| fields.telecine.is_some()) {
        return Some("needs fields of film put together again; only the CPU does that".to_owned());
    }
    let (engine, codec) = (engine(device.kind, Operation::Decode), codec_name(&source.codec));
    if !DECODED.contains(&pictures.pixel_format.as_str()) {
        return Some(format!(
            "needs {engine} {codec} for {} pictures; devices decode 4:2:0 pictures of 8 or 10 bits alone",
            pictures.pixel_format
        ));
    }
    let depth = if pictures.bit_depth > 8 { 10 } else { 8 };
    let size = (pictures.width, pictures.height);
    if let Some(sentence) = ability_refusal(device, Operation::Decode, &source.codec, depth, size) {
        return Some(sentence);
    }
    if !has_filters(device, ffmpeg) {
        return Some(format!("needs {} and hwupload; this FFmpeg or device has not both of them", scaler(device.kind)));
    }
    if pictures.rotation != 0 || pictures.mirrored {
        return Some("needs pictures turned upright; no filter of the device does that".to_owned());
    }
    if graph::parity(pictures).is_some() && !deinterlacers(device.kind).iter().any(|f| has_filter(device, ffmpeg, f)) {
        return Some(format!("needs {}; this FFmpeg or device does not have it", deinterlacers(device.kind)[0]));
    }
    // Its kernels are for 8 bits.
    let full = video.color.range.as_deref() == Some("pc") && device.kind == DeviceKind::Cuda;
    let deep = || video.renditions.iter().any(|rung| !rung.copy && is_deep(rung));
    if full && (!has_filter(device, ffmpeg, "colorspace_cuda") || deep() || depth > 8) {
        return Some(
            "needs pictures of full range brought to limited range; no filter of the device does that".to_owned(),
        );
    }
    None
}

/// Why the device cannot encode a rung; `None`: it can.
pub(super) fn encode_refusal(rung: &VideoRendition, device: &DeviceInfo, ffmpeg: FilterSet) -> Option<String> {
    if !rung.picture.is_plain() {
        return Some(
            "needs pictures cropped, padded, filtered or tone-mapped as asked; only the CPU does that".to_owned(),
        );
    }
    if rung.codec == VideoCodec::Vp9 {
        return Some("needs VP9 with key frames where they are asked for; libvpx on the CPU makes it here".to_owned());
    }
    if rung.rate.is_two_pass() {
        return Some("needs two passes over the pictures; encoders on the CPU alone make them here".to_owned());
    }
    let name = encoder::name(rung.codec, device.kind);
    if !ffmpeg.has(name) {
        let (major, minor) = ffmpeg.release();
        return Some(format!("needs the encoder {name}; FFmpeg {major}.{minor} here does not have it"));
    }
    let depth = if is_deep(rung) { 10 } else { 8 };
    let size = (rung.width, rung.height);
    if let Some(sentence) = ability_refusal(device, Operation::Encode, rung.codec.traits().name, depth, size) {
        return Some(sentence);
    }
    if device.kind == DeviceKind::Vaapi && !has_filters(device, ffmpeg) {
        return Some("needs scale_vaapi and hwupload; this FFmpeg or device has not both of them".to_owned());
    }
    if rung.hdr.as_ref().is_some_and(has_static_metadata) && !writes_hdr(rung.codec, device.kind, ffmpeg) {
        return Some(format!("needs HDR metadata in the stream; {name} of this FFmpeg does not write it"));
    }
    let capped = matches!(rung.rate, RateControl::CappedCrf { .. });
    if capped && device.kind == DeviceKind::Vaapi && !encoder::is_intel(device) {
        return Some("needs constant quality under a cap; VAAPI has that with Intel's driver alone".to_owned());
    }
    None
}

/// Whether a rung has 10 bits a sample.
pub(super) fn is_deep(rung: &VideoRendition) -> bool {
    rung.pixel_format == "yuv420p10le"
}

/// Whether frames can be scaled on the device, and uploaded to it.
pub(super) fn has_filters(device: &DeviceInfo, ffmpeg: FilterSet) -> bool {
    has_filter(device, ffmpeg, scaler(device.kind)) && ffmpeg.has("hwupload") && ffmpeg.has("hwdownload")
}

/// FFmpeg has it, and no try showed that the device cannot run it.
fn has_filter(device: &DeviceInfo, ffmpeg: FilterSet, name: &str) -> bool {
    let tried = || device.abilities.iter().filter(|a| a.operation == Operation::Filter && a.codec == name);
    ffmpeg.has(name) && !tried().any(|ability| matches!(ability.verdict, Verdict::No { .. }))
}

const fn scaler(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Vaapi => "scale_vaapi",
        _ => "scale_cuda",
    }
}

const fn deinterlacers(kind: DeviceKind) -> &'static [&'static str] {
    match kind {
        DeviceKind::Vaapi => &["deinterlace_vaapi"],
        _ => &["yadif_cuda", "bwdif_cuda"],
    }
}

const fn has_static_metadata(hdr: &Hdr) -> bool {
    hdr.mastering.is_some() || hdr.max_cll.is_some()
}

fn writes_hdr(codec: VideoCodec, kind: DeviceKind, ffmpeg: FilterSet) -> bool {
    match kind {
        DeviceKind::Vaapi => codec == VideoCodec::Hevc,
        _ => ffmpeg.nvenc_is_whole(),
    }
}

/// Whether one of the device's engines can, as far as is known.
fn ability_refusal(
    device: &DeviceInfo,
    operation: Operation,
    codec: &str,
    depth: u8,
    size: (u32, u32),
) -> Option<String> {
    let bits = if depth > 8 { format!(" {depth}-bit") } else { String::new() };
    let what = format!("{} {}{bits}", engine(device.kind, operation), codec_name(codec));
    let none = || Some(format!("needs {what}; no engine here can"));
    let Some(ability) = device.ability(operation, codec, depth) else { return none() };
    if let Verdict::No { reason, .. } = &ability.verdict {
        let reason = reason.trim_end_matches('.');
        return if reason.is_empty() { none() } else { Some(format!("needs {what}: {reason}")) };
    }
    let (least, most) = (ability.size_min, ability.size_max);
    let (width, height) = size;
    if width < least.0 || height < least.1 {
        return Some(format!("needs {what} at {width}x{height}; it takes {}x{} and larger", least.0, least.1));
    }
    if width > most.0 || height > most.1 {
        return Some(format!("needs {what} at {width}x{height}; it takes {}x{} and smaller", most.0, most.1));
    }
    None
}

const fn engine(kind: DeviceKind, operation: Operation) -> &'static str {
    match (kind, operation) {
        (DeviceKind::Cuda, Operation::Decode) => "NVDEC",
        (DeviceKind::Cuda, Operation::Encode) => "NVENC",
        (DeviceKind::Vaapi, Operation::Decode) => "VAAPI decoding of",
        (DeviceKind::Vaapi, Operation::Encode) => "VAAPI encoding of",
        _ => "a device for",
    }
}

/// A codec as people write it.
fn codec_name(codec: &str) -> &str {
    match codec {
        "h264" => "H.264",
        "hevc" => "HEVC",
        "av1" => "AV1",
        "vp8" => "VP8",
        "vp9" => "VP9",
        "mpeg2video" => "MPEG-2",
        "mpeg4" => "MPEG-4",
        "vc1" => "VC-1",
        other => other,
    }
}
