//! Placed plans as text against `tests/golden/place/`; re-recorded with `REELMILL_BLESS=1`.

use super::made::{arc, deep, encoded, ffmpeg, full_range, h200, hevc, l4, on, planned, turned};
use crate::model::device::{DeviceInfo, Memory, Placement};
use crate::model::facts::{HdrKind, MediaFacts, Scan, VideoFacts};
use crate::model::request::{FieldOrder, FieldRate, PictureOptions};
use crate::model::{Plan, Speed, VideoCodec};
use crate::plan::place::{place, reasons};
use crate::plan::testing::{hdr_video, movie, video};
use crate::plan::tests::{cases, check};
use crate::plan::{RateMode, Request};
use std::fmt::Write as _;

/// Name, source, request, device, whether it decodes, and how many rungs from the largest on it encodes.
type Case = (&'static str, MediaFacts, Request, DeviceInfo, bool, usize);

fn cases() -> Vec<Case> {
    let plain = || movie(video(1920, 1080, 25, 1));
    let interlaced = || movie(VideoFacts { scan: Scan::TopFirst, ..video(1920, 1080, 25, 1) });
    let hdr = || hevc(hdr_video(1920, 1080, HdrKind::Pq));
    let ask = cases::asking;
    let three = || ask("1080p,720p,360p");
    let deep_codecs = |text| Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1], ..ask(text) };
    let two = |text| Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc], ..ask(text) };
    let pictured = |text, picture| Request { picture, ..ask(text) };
    let fields = |text| {
        let (field_rate, field_order) = (FieldRate::Field, FieldOrder::BottomFirst);
        pictured(text, PictureOptions { field_rate, field_order, ..PictureOptions::default() })
    };
    let halved =
        |text| pictured(text, PictureOptions { frame_rate_max: "30".parse().ok(), ..PictureOptions::default() });
    let copies = Request { copy: true, ..ask("1080p,720p,480p") };
    let quality = Request { rate_mode: RateMode::CappedCrf { crf: None }, speed: Speed::Quality, ..three() };
    vec![
        ("cuda-all-1-to-3", plain(), three(), l4(), true, 9),
        ("cuda-all-ladder", plain(), Request::default(), l4(), true, 9),
        ("cuda-all-quality", plain(), quality.clone(), l4(), true, 9),
        ("cuda-all-interlaced", interlaced(), ask("1080p,540p"), l4(), true, 9),
        ("cuda-all-fields", interlaced(), fields("1080p,540p"), l4(), true, 9),
        ("cuda-all-halved", movie(video(1920, 1080, 60, 1)), halved("1080p,720p"), l4(), true, 9),
        ("cuda-all-10-bit", hevc(deep(1920, 1080)), deep_codecs("1080p,720p"), l4(), true, 9),
        ("cuda-all-full-range", movie(full_range()), ask("1080p,720p"), l4(), true, 9),
        ("cuda-decode-only", movie(video(3840, 2160, 25, 1)), ask("2160p,1080p,540p"), h200(), true, 0),
        ("cuda-decode-only-two-codecs", plain(), two("1080p,480p"), h200(), true, 0),
        ("cuda-encode-only", plain(), three(), l4(), false, 9),
        ("cuda-encode-only-one", plain(), three(), l4(), false, 1),
        ("cuda-encode-only-some", plain(), three(), l4(), false, 2),
        ("cuda-smallest-on-cpu", plain(), Request::default(), l4(), true, 3),
        ("cuda-turned", movie(turned()), ask("1080p,720p"), l4(), false, 9),
        ("cuda-hdr-tone-mapped", hdr(), ask("1080p,720p"), l4(), true, 9),
        ("cuda-hdr-both", hdr(), two("1080p,720p"), l4(), true, 9),
        ("cuda-odd", movie(video(641, 363, 25, 1)), ask("362p,240p"), l4(), true, 9),
        ("cuda-odd-encode-only", movie(video(641, 363, 25, 1)), ask("362p,240p"), l4(), false, 9),
        ("cuda-copy-beside", cases::grouped(1920, 1080, 4_200_000), copies, l4(), true, 9),
        ("vaapi-all", plain(), three(), arc(), true, 9),
        ("vaapi-all-quality", plain(), quality, arc(), true, 9),
        ("vaapi-all-interlaced", interlaced(), ask("1080p,540p"), arc(), true, 9),
        ("vaapi-all-fields", interlaced(), fields("1080p,540p"), arc(), true, 9),
        ("vaapi-all-10-bit", hevc(deep(1920, 1080)), two("1080p,720p"), arc(), true, 9),
        ("vaapi-all-full-range", movie(full_range()), ask("1080p,720p"), arc(), true, 9),
        ("vaapi-decode-only", plain(), three(), arc(), true, 0),
        ("vaapi-encode-only", plain(), three(), arc(), false, 9),
        ("vaapi-encode-only-one", plain(), three(), arc(), false, 1),
        ("vaapi-smallest-on-cpu", plain(), three(), arc(), true, 2),
        ("vaapi-hdr-tone-mapped", hdr(), ask("1080p,720p"), arc(), true, 9),
    ]
}

#[test]
fn placed_plans_are_as_recorded() {
    let recorded = |(name, facts, request, device, decode, count): Case| {
        let plan = planned(&facts, &request);
        let ids = encoded(&plan);
        let placement = on(&device, decode, &ids[..count.min(ids.len())]);
        let old = described(&plan, &placement, &device, (5, 1));
        let new = described(&plan, &placement, &device, (7, 1));
        let text = if old == new {
            format!("# FFmpeg 5.1 and 7.1\n{old}")
        } else {
            format!("# FFmpeg 5.1\n{old}\n# FFmpeg 7.1\n{new}")
        };
        (format!("{name}.txt"), text)
    };
    check("tests/golden/place/plans", cases().into_iter().map(recorded).collect());
}

fn described(plan: &Plan, placement: &Placement, device: &DeviceInfo, release: (u32, u32)) -> String {
    let mut text = String::new();
    match place(plan, placement, Some(device), ffmpeg(release)) {
        Ok(placed) => describe(&placed, &mut text),
        Err(unmet) => {
            for one in unmet {
                writeln!(text, "unmet: {}: {}", one.track, one.sentence).unwrap();
            }
        }
    }
    for reason in reasons(plan, placement, Some(device), ffmpeg(release)) {
        let (stage, track, device, why) = (reason.stage.name(), reason.track, reason.device, reason.reason);
        writeln!(text, "why: {stage} {track} on {device}: {why}").unwrap();
    }
    text
}

fn describe(plan: &Plan, text: &mut String) {
    let video = plan.video.as_ref().unwrap();
    let memory = |memory: Memory| if memory == Memory::Device { "device" } else { "system" };
    let accelerator = video.accelerator.as_ref().unwrap();
    let decode = if accelerator.decode { "device" } else { "cpu" };
    let (threads, extra) = (video.decode_threads, accelerator.extra_frames);
    writeln!(text, "decode: {decode}, {threads} threads, {extra} extra frames").unwrap();
    writeln!(text, "prepare: [{}] {}", memory(video.memory), video.prepare).unwrap();
    for rung in &video.renditions {
        if rung.copy {
            writeln!(text, "{}: copy", rung.id).unwrap();
            continue;
        }
        let from = rung.parent.map_or("source", |parent| &video.renditions[parent].id);
        let coder = if rung.on_device { "device" } else { "cpu" };
        let (id, format) = (&rung.id, &rung.pixel_format);
        writeln!(text, "{id}: from {from}, [{}] {format}, {} on {coder}", memory(rung.memory), rung.encoder).unwrap();
        writeln!(text, "  graph: {}", rung.graph).unwrap();
        let options: Vec<String> = rung.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(text, "  options: {}", options.join(" ")).unwrap();
    }
}
