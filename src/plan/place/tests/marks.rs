//! Watermarks on devices: scaling and encoding stay there, and what is drawn on is brought down and up again.

use super::made::{arc, encoded, ffmpeg, l4, on, planned};
use crate::model::device::{Memory, Operation};
use crate::model::mark::{Mark, MarkContent};
use crate::model::request::{Position, Watermark};
use crate::plan::Request;
use crate::plan::place::{place, reasons};
use crate::plan::testing::{movie, video};
use crate::plan::tests::cases::asking;
use std::fs;
use std::path::Path;

#[test]
fn devices_decode_scale_and_encode_and_the_cpu_draws() {
    let mark = Watermark { text: Some("x".into()), ..Watermark::default() };
    let request = Request { watermarks: vec![mark], ..asking("1080p,360p") };
    let facts = movie(video(1920, 1080, 25, 1));
    let (plan, clean) = (planned(&facts, &request), planned(&facts, &asking("1080p,360p")));
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/place/strings/graphs.txt");
    let recorded = fs::read_to_string(recorded).unwrap();
    for device in [l4(), arc()] {
        let placement = on(&device, true, &encoded(&plan));
        let placed = place(&plan, &placement, Some(&device), ffmpeg((7, 1))).unwrap();
        let without = place(&clean, &placement, Some(&device), ffmpeg((7, 1))).unwrap();
        let (rungs, others) = (&placed.video.unwrap().renditions, &without.video.unwrap().renditions);
        for (rung, other) in rungs.iter().zip(others) {
            assert_eq!((&rung.graph, rung.memory, rung.on_device), (&other.graph, Memory::Device, true));
            assert!(other.mark_graphs.is_none());
            let (down, up) = rung.mark_graphs.as_ref().unwrap();
            assert_eq!((down.as_str(), up.as_str()), ("hwdownload,format=nv12,format=yuv420p", "format=nv12,hwupload"));
            assert!(
                [down, up].iter().all(|text| recorded.lines().any(|line| line == text.as_str())),
                "parsed by no test"
            );
        }
        let told = reasons(&plan, &placement, Some(&device), ffmpeg((7, 1)));
        let of_filters: Vec<_> = told.iter().filter(|reason| reason.stage == Operation::Filter).collect();
        assert!(of_filters.iter().all(|reason| reason.reason.contains("watermarks are drawn by the CPU")), "{told:?}");
    }
}

#[test]
fn what_is_drawn_is_told_by_its_name() {
    let mark = Watermark { text: Some("x".into()), ..Watermark::default() };
    let request = Request { watermarks: vec![mark], ..asking("360p") };
    let marked = planned(&movie(video(1920, 1080, 25, 1)), &request);
    let watermark = marked.video.as_ref().unwrap().renditions[0].marks[0].clone();
    let subtitles = Mark { content: MarkContent::Subtitles { stream: 2, origin_us: 0 }, ..watermark.clone() };
    let subtitles = Mark { position: Position::TopLeft, ..subtitles };
    let told = |marks: Vec<Mark>| {
        let mut plan = marked.clone();
        plan.video.as_mut().unwrap().renditions[0].marks = marks;
        let of = |placement| {
            let reasons = reasons(&plan, &placement, Some(&l4()), ffmpeg((7, 1)));
            reasons.into_iter().find(|reason| reason.stage == Operation::Filter).unwrap().reason
        };
        (of(on(&l4(), true, &encoded(&plan))), of(on(&l4(), true, &[])))
    };
    let all = [
        (vec![watermark.clone()], "watermarks"),
        (vec![subtitles.clone()], "burned-in subtitles"),
        (vec![subtitles, watermark], "burned-in subtitles and watermarks"),
    ];
    for (marks, name) in all {
        let (apart, here) = told(marks);
        assert!(apart.contains(&format!("; {name} are drawn by the CPU, whose look")), "{apart}");
        assert!(here.ends_with(&format!("; the CPU draws the {name} there")), "{here}");
    }
    let (clean, _) = told(Vec::new());
    assert!(!clean.contains("draw"), "{clean}");
}
