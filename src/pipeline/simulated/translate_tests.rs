//! Each shape of graph that devices are given, and what software is given for it.

use super::*;
use DeviceKind::{Cuda, Vaapi};
use Memory::{Device, System};

type Row = (&'static str, DeviceKind, Memory, &'static str, Memory, u64, u64);

const ROWS: &[Row] = &[
    (
        "scale_cuda=1280:720:interp_algo=lanczos:format=nv12:passthrough=0",
        Cuda,
        Device,
        "scale=w=1280:h=720:flags=lanczos,format=yuv420p",
        Device,
        0,
        0,
    ),
    ("scale_cuda=w=640:h=360", Cuda, Device, "scale=w=640:h=360:flags=bicubic", Device, 0, 0),
    (
        "yadif_cuda=mode=send_frame:deint=interlaced,scale_cuda=640:360",
        Cuda,
        Device,
        "yadif=mode=send_frame:deint=interlaced,scale=w=640:h=360:flags=bicubic",
        Device,
        0,
        0,
    ),
    ("bwdif_cuda=mode=send_field", Cuda, Device, "bwdif=mode=send_field", Device, 0, 0),
    (
        "scale_cuda=1280:720:format=nv12,hwdownload,format=nv12,format=yuv420p",
        Cuda,
        Device,
        "scale=w=1280:h=720:flags=bicubic,format=yuv420p,format=nv12,format=yuv420p",
        System,
        0,
        1,
    ),
    (
        "format=nv12,hwupload,scale_cuda=640:360,setsar=1",
        Cuda,
        System,
        "format=nv12,format=yuv420p|yuv420p10le,scale=w=640:h=360:flags=bicubic,setsar=1",
        Device,
        1,
        0,
    ),
    (
        "scale_cuda=640:360:format=p010",
        Cuda,
        Device,
        "scale=w=640:h=360:flags=bicubic,format=yuv420p10le",
        Device,
        0,
        0,
    ),
    ("setsar=1", Cuda, Device, "setsar=1", Device, 0, 0),
    ("hwupload", Cuda, Device, "null", Device, 0, 0),
    ("", Cuda, System, "null", System, 0, 0),
    ("scale=640:360,setsar=1", Cuda, System, "scale=640:360,setsar=1", System, 0, 0),
    (
        "deinterlace_vaapi=rate=frame:auto=1,scale_vaapi=w=1280:h=720:format=nv12:extra_hw_frames=24",
        Vaapi,
        Device,
        "bwdif=mode=send_frame:deint=interlaced,scale=w=1280:h=720:flags=bicubic,format=yuv420p",
        Device,
        0,
        0,
    ),
    (
        "scale_cuda=w=640:h=360:interp_algo=bilinear:format=nv12,colorspace_cuda=range=tv,setsar=1",
        Cuda,
        Device,
        "scale=w=640:h=360:flags=bilinear,format=yuv420p,scale=out_range=tv,setsar=1",
        Device,
        0,
        0,
    ),
    ("hwmap=mode=read,format=nv12", Vaapi, Device, "format=nv12", System, 0, 1),
    (
        "crop='iw-2:ih',format=nv12,hwupload",
        Cuda,
        System,
        "crop='iw-2:ih',format=nv12,format=yuv420p|yuv420p10le",
        Device,
        1,
        0,
    ),
];

#[test]
fn each_graph_has_its_software() {
    for (text, kind, input, expected, output, uploads, downloads) in ROWS {
        let made = translate(text, *kind, *input).unwrap();
        assert_eq!(made.text, *expected, "{text}");
        assert_eq!((made.output, made.uploads, made.downloads), (*output, *uploads, *downloads), "{text}");
    }
}

#[test]
fn only_filters_of_the_device_cost_its_time() {
    assert!(!translate("setsar=1", Cuda, Device).unwrap().on_device);
    assert!(!translate("hwdownload,format=nv12", Cuda, Device).unwrap().on_device);
    assert!(translate("scale_cuda=640:360", Cuda, Device).unwrap().on_device);
    assert!(translate("hwupload", Cuda, System).unwrap().on_device);
}

#[test]
fn frames_in_the_wrong_memory_and_unknown_words_are_refused_as_ffmpeg_does() {
    let code = |text: &str, kind, input| translate(text, kind, input).unwrap_err().code;
    assert_eq!(code("scale_cuda=640:360", Cuda, System), averror::ENOSYS);
    assert_eq!(code("scale=640:360", Cuda, Device), averror::ENOSYS);
    assert_eq!(code("format=nv12", Cuda, Device), averror::ENOSYS);
    assert_eq!(code("hwdownload,format=nv12", Cuda, System), averror::ENOSYS);
    assert_eq!(code("scale_vaapi=w=640:h=360", Cuda, Device), averror::ENOSYS);
    assert_eq!(code("tonemap_cuda=x=1", Cuda, Device), averror::FILTER_NOT_FOUND);
    assert_eq!(code("scale_cuda=640:360:bogus=1", Cuda, Device), averror::OPTION_NOT_FOUND);
    let refusal = translate("scale_cuda=640:360:bogus=1", Cuda, Device).unwrap_err();
    assert_eq!(refusal.line, "Option 'bogus' not found");
}
