//! What cannot be placed, and how that is said.

use super::made::{arc, deep, encoded, ffmpeg, full_range, h200, hevc, l4, on, planned, radeon, turned, works};
use crate::model::device::{DeviceId, DeviceInfo, Operation, Verdict};
use crate::model::facts::{HdrKind, MediaFacts, VideoFacts};
use crate::model::request::{PictureOptions, Strength};
use crate::model::{Plan, VideoCodec};
use crate::plan::place::{FilterSet, place};
use crate::plan::place::{candidates, reasons};
use crate::plan::testing::{hdr_video, movie, video};
use crate::plan::tests::cases::asking;
use crate::plan::{RateMode, Request};

/// What is unmet of everything on the device.
fn unmet(plan: &Plan, device: &DeviceInfo, ffmpeg: FilterSet) -> Vec<String> {
    let placement = on(device, true, &encoded(plan));
    let unmet = place(plan, &placement, Some(device), ffmpeg).err().unwrap_or_default();
    unmet.into_iter().map(|one| format!("{}: {}", one.track, one.sentence)).collect()
}

fn in_codec(facts: &MediaFacts, codec: VideoCodec) -> Plan {
    planned(facts, &Request { codecs: vec![codec], ..asking("720p") })
}

#[test]
fn a_missing_engine_is_named_with_the_rendition() {
    let plan = in_codec(&hevc(deep(1920, 1080)), VideoCodec::Hevc);
    assert_eq!(unmet(&plan, &h200(), ffmpeg((5, 1))), ["720p: needs NVENC HEVC 10-bit; no engine here can"]);
    let h264 = movie(VideoFacts { bit_depth: 10, pixel_format: "yuv420p10le".into(), ..video(1920, 1080, 25, 1) });
    let plan = in_codec(&h264, VideoCodec::H264);
    assert_eq!(unmet(&plan, &l4(), ffmpeg((5, 1))), ["decode: needs NVDEC H.264 10-bit; no engine here can"]);
    let mut tried = l4();
    let mut no = works(Operation::Encode, "h264", 8);
    no.verdict =
        Verdict::No { code: "device.no_engine".into(), reason: "the driver is too old.".into(), remedy: String::new() };
    tried.abilities.retain(|ability| (ability.operation, ability.codec.as_str()) != (Operation::Encode, "h264"));
    tried.abilities.push(no);
    let plan = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::H264);
    assert_eq!(unmet(&plan, &tried, ffmpeg((5, 1))), ["720p: needs NVENC H.264: the driver is too old"]);
}

#[test]
fn sizes_outside_of_what_an_engine_takes_are_said() {
    let mut device = l4();
    for ability in &mut device.abilities {
        (ability.size_min, ability.size_max) = ((1300, 50), (1900, 1900));
    }
    let plan = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::H264);
    let said = unmet(&plan, &device, ffmpeg((5, 1)));
    assert_eq!(said[0], "decode: needs NVDEC H.264 at 1920x1080; it takes 1900x1900 and smaller");
    assert_eq!(said[1], "720p: needs NVENC H.264 at 1280x720; it takes 1300x50 and larger");
}

#[test]
fn what_the_filters_of_a_device_cannot_do_keeps_the_decode_on_the_cpu() {
    let plain = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::H264);
    let without = FilterSet::new((7, 1), ["h264_nvenc", "hwupload", "hwdownload"]);
    assert_eq!(
        unmet(&plain, &l4(), without),
        ["decode: needs scale_cuda and hwupload; this FFmpeg or device has not both of them"]
    );
    for (facts, why) in [
        (movie(turned()), "needs pictures turned upright; no filter of the device does that"),
        (
            movie(full_range()),
            "needs pictures of full range brought to limited range; no filter of the device does that",
        ),
        (
            movie(VideoFacts { pixel_format: "yuv422p".into(), ..video(1920, 1080, 25, 1) }),
            "needs NVDEC H.264 for yuv422p pictures; devices decode 4:2:0 pictures of 8 or 10 bits alone",
        ),
    ] {
        assert_eq!(unmet(&in_codec(&facts, VideoCodec::H264), &l4(), ffmpeg((5, 1))), [format!("decode: {why}")]);
    }
    assert_eq!(unmet(&in_codec(&movie(full_range()), VideoCodec::H264), &l4(), ffmpeg((7, 1))), [""; 0]);
}

#[test]
fn releases_of_ffmpeg_gate_av1_and_hdr_metadata() {
    let av1 = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::Av1);
    assert_eq!(
        unmet(&av1, &l4(), ffmpeg((5, 1))),
        ["720p: needs the encoder av1_nvenc; FFmpeg 5.1 here does not have it"]
    );
    assert_eq!(unmet(&av1, &l4(), ffmpeg((6, 1))), [""; 0]);
    let hdr = in_codec(&hevc(hdr_video(1920, 1080, HdrKind::Pq)), VideoCodec::Hevc);
    let why = "720p: needs HDR metadata in the stream; hevc_nvenc of this FFmpeg does not write it";
    assert_eq!(unmet(&hdr, &l4(), ffmpeg((6, 1))), [why]);
    assert_eq!(unmet(&hdr, &l4(), ffmpeg((7, 1))), [""; 0]);
    assert_eq!(unmet(&hdr, &arc(), ffmpeg((5, 1))), [""; 0]);
}

#[test]
fn quality_under_a_cap_is_for_intels_driver() {
    let request = Request { rate_mode: RateMode::CappedCrf { crf: None }, ..asking("720p") };
    let plan = planned(&movie(video(1920, 1080, 25, 1)), &request);
    let why = "720p: needs constant quality under a cap; VAAPI has that with Intel's driver alone";
    assert_eq!(unmet(&plan, &radeon(), ffmpeg((7, 1))), [why]);
    assert_eq!(unmet(&plan, &arc(), ffmpeg((7, 1))), [""; 0]);
}

#[test]
fn plans_that_do_not_say_their_source_and_foreign_devices_are_refused() {
    let mut plan = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::H264);
    let placement = on(&l4(), true, &encoded(&plan));
    let mut other = l4();
    other.id = DeviceId("cuda:other".into());
    assert!(place(&plan, &placement, Some(&other), ffmpeg((7, 1))).is_err());
    plan.video.as_mut().unwrap().source = None;
    assert!(unmet(&plan, &l4(), ffmpeg((7, 1)))[0].contains("submit the job again"));
}

#[test]
fn a_device_is_planned_for_with_what_its_worker_told_and_with_what_all_have_before() {
    use crate::model::device::Built;
    let mut device = l4();
    assert_eq!(FilterSet::of_device(&device), ffmpeg((5, 1)));
    let plan = in_codec(&movie(video(1920, 1080, 25, 1)), VideoCodec::H264);
    let said = |device: &DeviceInfo| unmet(&plan, device, FilterSet::of_device(device));
    assert_eq!(said(&device), [""; 0]);
    device.built = Some(Built { release: (7, 1), names: vec!["h264_nvenc".to_owned(), "hwupload".to_owned()] });
    assert!(said(&device)[0].contains("scale_cuda"), "left out of that build: {:?}", said(&device));
    assert!(FilterSet::of_device(&device).nvenc_is_whole());
    device.built = Some(Built { release: (0, 0), names: Vec::new() });
    assert_eq!(FilterSet::of_device(&device).release(), (5, 1), "one of no known release is taken for the oldest");
}

#[test]
fn pictures_that_are_filtered_are_the_cpus_and_it_is_said_why() {
    let picture = PictureOptions { denoise: Some(Strength::Light), ..PictureOptions::default() };
    let plan = planned(&movie(video(1920, 1080, 25, 1)), &Request { picture, ..asking("720p") });
    assert_eq!(
        unmet(&plan, &l4(), ffmpeg((7, 1))),
        [
            "decode: needs pictures in the host's memory; only the CPU makes them as asked",
            "720p: needs pictures cropped, padded, filtered or tone-mapped as asked; only the CPU does that",
        ]
    );
    assert!(candidates(&plan, &l4(), ffmpeg((7, 1))).is_empty());
    let told = reasons(&plan, &on(&l4(), false, &[]), Some(&l4()), ffmpeg((7, 1)));
    assert!(told.iter().any(|one| one.reason.contains("only the CPU does that")), "{told:?}");
}
