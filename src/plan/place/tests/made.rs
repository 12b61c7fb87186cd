//! Devices and plans for the tests of placement.

use crate::model::device::{Ability, DeviceId, DeviceInfo, DeviceKind, Operation, Placement, Verdict};
use crate::model::facts::{HdrKind, MediaFacts, Scan, VideoFacts};
use crate::model::{Plan, Ratio, VideoCodec};
use crate::plan::place::FilterSet;
use crate::plan::testing::{hdr_video, movie, video};
use crate::plan::{Node, Request, plan};

/// FFmpeg of Debian 12, the first with AV1 on NVENC and `bwdif_cuda`, and that of Debian 13.
pub(super) const RELEASES: [(u32, u32); 3] = [(5, 1), (6, 1), (7, 1)];

/// What a release has.
pub(super) fn ffmpeg(release: (u32, u32)) -> FilterSet {
    FilterSet::of_release(release)
}

fn device(kind: DeviceKind, name: &str, abilities: Vec<Ability>) -> DeviceInfo {
    let driver = match name {
        "arc" => "Intel iHD driver 24.1",
        "radeon" => "Mesa Gallium radeonsi 24.2",
        _ => "550.54",
    };
    DeviceInfo {
        id: DeviceId(format!("{}:{name}", kind.name())),
        kind,
        name: name.into(),
        driver: driver.into(),
        address: if kind == DeviceKind::Vaapi { "/dev/dri/renderD128".into() } else { "0".into() },
        model: name.into(),
        memory_mib: 24_576,
        encode_engines: 1,
        decode_engines: 1,
        sessions_counted: false,
        threads: 0,
        simulated: false,
        built: None,
        abilities,
    }
}

/// An ability that works for all pictures from 146 by 50 up to 8K.
pub(super) fn works(operation: Operation, codec: &str, depth: u8) -> Ability {
    let (size_min, size_max) = ((146, 50), (8192, 8192));
    Ability { operation, codec: codec.into(), depth, verdict: Verdict::Works, size_min, size_max }
}

fn decodes() -> Vec<Ability> {
    let codecs = [("h264", 8), ("hevc", 8), ("hevc", 10), ("mpeg2video", 8), ("vp9", 8)];
    codecs.into_iter().map(|(codec, depth)| works(Operation::Decode, codec, depth)).collect()
}

fn encodes(codecs: &[(&str, u8)]) -> impl Iterator<Item = Ability> {
    codecs.iter().map(|(codec, depth)| works(Operation::Encode, codec, *depth))
}

const ALL: [(&str, u8); 5] = [("h264", 8), ("hevc", 8), ("hevc", 10), ("av1", 8), ("av1", 10)];

/// A card that does everything.
pub(super) fn l4() -> DeviceInfo {
    device(DeviceKind::Cuda, "l4", decodes().into_iter().chain(encodes(&ALL)).collect())
}

/// A card without encoders.
pub(super) fn h200() -> DeviceInfo {
    device(DeviceKind::Cuda, "h200", decodes())
}

/// Intel's graphics.
pub(super) fn arc() -> DeviceInfo {
    device(DeviceKind::Vaapi, "arc", decodes().into_iter().chain(encodes(&ALL)).collect())
}

/// AMD's graphics.
pub(super) fn radeon() -> DeviceInfo {
    device(DeviceKind::Vaapi, "radeon", decodes().into_iter().chain(encodes(&ALL[..3])).collect())
}

/// The plan of a request for a CPU of 8 threads.
pub(super) fn planned(facts: &MediaFacts, request: &Request) -> Plan {
    plan(facts, request, &Node { threads: 8 }).unwrap()
}

/// Ids of the rungs that are encoded.
pub(super) fn encoded(plan: &Plan) -> Vec<String> {
    let rungs = plan.video.iter().flat_map(|video| &video.renditions);
    rungs.filter(|rung| !rung.copy).map(|rung| rung.id.clone()).collect()
}

/// A placement on a device.
pub(super) fn on(device: &DeviceInfo, decode: bool, encode: &[String]) -> Placement {
    Placement { device: Some(device.id.clone()), decode, encode: encode.iter().cloned().collect() }
}

/// A movie in HEVC, which is what 10-bit sources are.
pub(super) fn hevc(video: VideoFacts) -> MediaFacts {
    let mut facts = movie(video);
    facts.streams[0].codec = "hevc".into();
    facts
}

pub(super) fn deep(width: u32, height: u32) -> VideoFacts {
    VideoFacts { pixel_format: "yuv420p10le".into(), bit_depth: 10, ..video(width, height, 25, 1) }
}

pub(super) fn turned() -> VideoFacts {
    VideoFacts { rotation: 90, display_width: 1080, display_height: 1920, ..video(1920, 1080, 25, 1) }
}

pub(super) fn full_range() -> VideoFacts {
    VideoFacts { pixel_format: "yuvj420p".into(), ..video(1920, 1080, 25, 1) }
}

/// A source of each kind.
pub(super) fn sources() -> Vec<(&'static str, MediaFacts)> {
    let of = |format: &str, bit_depth, rgb| VideoFacts {
        pixel_format: format.into(),
        bit_depth,
        rgb,
        ..video(1920, 1080, 25, 1)
    };
    let scan = |scan| VideoFacts { scan, ..video(1920, 1080, 25, 1) };
    let anamorphic = VideoFacts {
        sample_aspect: Ratio::new(64, 45),
        display_width: 1024,
        display_height: 576,
        scan: Scan::TopFirst,
        ..video(720, 576, 25, 1)
    };
    vec![
        ("plain", movie(video(1920, 1080, 25, 1))),
        ("uhd", movie(video(3840, 2160, 50, 1))),
        ("top field first", movie(scan(Scan::TopFirst))),
        ("bottom field first", movie(scan(Scan::BottomFirst))),
        ("anamorphic", movie(anamorphic)),
        ("full range", movie(full_range())),
        ("turned", movie(turned())),
        ("mirrored", movie(VideoFacts { mirrored: true, ..video(1280, 720, 25, 1) })),
        ("odd", movie(video(641, 363, 25, 1))),
        ("10 bit", hevc(deep(1920, 1080))),
        ("4:2:2", movie(of("yuv422p10le", 10, false))),
        ("grey", movie(of("gray", 8, false))),
        ("RGB", movie(of("gbrp", 8, true))),
        ("HDR10", hevc(hdr_video(3840, 2160, HdrKind::Pq))),
        ("HLG", hevc(hdr_video(1920, 1080, HdrKind::Hlg))),
    ]
}

/// H.264, HEVC and AV1 together, the way `request` asks.
pub(super) fn all_codecs(request: Request) -> Request {
    Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1], ..request }
}
