//! Rungs that are the source's own packets.

use crate::made::{Bytes, Recorder, facts, groups};
use reelmill::av::input::Interrupt;
use reelmill::av::{Input, Packet};
use reelmill::model::plan::SpanRange;
use reelmill::model::{Fault, Packaging, Plan, Speed, VideoCodec};
use reelmill::package::framing::{self, ParameterSets};
use reelmill::pipeline::{Control, FinishedSegment, video as span};
use reelmill::plan::{Node, Request, plan};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };

/// The plan for segments of 2 s of these renditions, copied where they can be.
fn planned(source: &Arc<Vec<u8>>, renditions: &str) -> Plan {
    let request = Request {
        renditions: renditions.split(',').map(|text| text.parse().unwrap()).collect(),
        speed: Speed::Fast,
        segment_ms: 2000,
        copy: true,
        ..Request::default()
    };
    plan(&facts(source), &request, &Node { threads: 2 }).unwrap()
}

/// The packets of a file's only stream, one after the other.
fn packets(data: &Arc<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut input = Input::open(Bytes::whole(data), Interrupt::default()).unwrap();
    input.find_stream_info().unwrap();
    let mut packet = Packet::new().unwrap();
    let mut packets = Vec::new();
    while input.read(&mut packet).unwrap() {
        packets.push(packet.data().to_vec());
    }
    packets
}

/// What is in the `mdat` boxes of a media segment.
fn media(segment: &[u8]) -> Vec<u8> {
    let (mut at, mut media) = (0, Vec::new());
    while at < segment.len() {
        let length = u32::from_be_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
        if &segment[at + 4..at + 8] == b"mdat" {
            media.extend_from_slice(&segment[at + 8..at + length]);
        }
        at += length;
    }
    media
}

fn file(segment: &FinishedSegment, packaging: Packaging) -> &[u8] {
    &segment.files.iter().find(|file| file.packaging == packaging).unwrap().bytes
}

#[test]
fn a_copied_rung_has_the_sources_packets_on_the_grid_of_the_rungs_beside_it() {
    let source = groups(110, 50, 40);
    let plan = planned(&source, "240p,144p");
    let video = plan.video.as_ref().unwrap();
    assert_eq!(video.renditions.iter().map(|r| r.copy).collect::<Vec<_>>(), [true, false], "{:?}", plan.notes);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();

    let two = 2 * i64::from(video.timescale);
    assert_eq!(recorder.shape("240p"), [(0, 0, two, 50), (1, two, two, 50), (2, 2 * two, two / 5, 10)]);
    assert_eq!(recorder.shape("240p"), recorder.shape("144p"));

    let segments = recorder.track("240p");
    let samples: Vec<u8> = segments.iter().flat_map(|segment| media(file(segment, Packaging::Cmaf))).collect();
    assert_eq!(samples, packets(&source).concat(), "samples in CMAF are the source's packets");

    let inits = recorder.inits.lock().unwrap();
    let init = inits.iter().find(|init| init.track == "240p").unwrap();
    let known = ParameterSets::from_init(&init.init_segment);
    let carried = segments.iter().flat_map(|segment| packets(&Arc::new(file(segment, Packaging::Ts).to_vec())));
    for (at, (from_ts, original)) in carried.zip(packets(&source)).enumerate() {
        let unit = framing::h264_access_unit(&from_ts).unwrap();
        assert!(unit.delimiter && unit.idr != unit.parameter_sets.is_empty(), "picture {at} can be started from");
        let units = framing::to_sample(VideoCodec::H264, &from_ts, &known).unwrap();
        assert_eq!(units.as_ref(), original, "picture {at} in the transport stream");
    }
    assert!(init.encoder.starts_with("copy ("), "{}", init.encoder);
}

#[test]
fn presentation_times_in_cmaf_are_the_sources() {
    let source = groups(60, 25, 40);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &planned(&source, "240p"), WHOLE, &recorder, &Control::default()).unwrap();
    let mut whole = recorder.inits.lock().unwrap()[0].init_segment.clone();
    for segment in recorder.track("240p") {
        whole.extend_from_slice(file(&segment, Packaging::Cmaf));
    }
    let mut input = Input::open(Bytes::whole(&Arc::new(whole)), Interrupt::default()).unwrap();
    input.find_stream_info().unwrap();
    let tick = input.stream_info(0).unwrap().time_base;
    let mut packet = Packet::new().unwrap();
    let mut shown = Vec::new();
    while input.read(&mut packet).unwrap() {
        assert!(packet.dts() <= packet.pts());
        shown.push(packet.pts().unwrap());
    }
    shown.sort_unstable();
    let expected: Vec<i64> = (0..60).map(|frame| frame * tick.den / tick.num / 25).collect();
    assert_eq!(shown, expected);
}

#[test]
fn with_only_copied_rungs_nothing_is_decoded() {
    let source = groups(110, 50, 40);
    let (recorder, control) = (Recorder::default(), Control::default());
    span::run(Bytes::whole(&source), &planned(&source, "240p"), WHOLE, &recorder, &control).unwrap();
    assert_eq!(recorder.shape("240p").iter().map(|s| s.3).sum::<u32>(), 110);
    assert_eq!(control.frames_decoded.load(Ordering::Relaxed), 0);
}

#[test]
fn key_frames_in_the_facts_are_presentation_times() {
    let facts = facts(&groups(110, 50, 40));
    let (stream, video) = facts.main_video().unwrap();
    let seconds = |pts: &i64| pts * stream.time_base.num * 1000 / stream.time_base.den;
    assert_eq!(video.first_pts, Some(0));
    assert_eq!(video.key_frames.iter().map(seconds).collect::<Vec<_>>(), [0, 2000, 4000]);
}

#[test]
fn a_source_with_key_frames_elsewhere_is_encoded_and_says_why() {
    let source = groups(110, 40, 40);
    let plan = planned(&source, "240p,144p");
    assert!(plan.video.as_ref().unwrap().renditions.iter().all(|r| !r.copy));
    let note = plan.notes.iter().find(|note| note.code == "copy.not_possible").unwrap();
    assert!(note.message.contains("2.000 s"), "{}", note.message);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
    assert_eq!(recorder.shape("240p").iter().map(|s| s.3).sum::<u32>(), 110);
}

#[test]
fn a_source_that_hides_a_picture_which_others_need_is_encoded() {
    let plan = planned(&groups(110, 50, 0), "240p");
    assert!(!plan.video.as_ref().unwrap().renditions[0].copy);
    assert!(plan.notes.iter().any(|note| note.message.contains("hides pictures")), "{:?}", plan.notes);
}

#[test]
fn a_source_that_leaves_the_grid_after_planning_is_refused() {
    let source = groups(160, 40, 40);
    let mut plan = planned(&source, "240p,144p");
    let video = plan.video.as_mut().unwrap();
    video.renditions[0].copy = true;
    video.renditions[1].parent = None;
    let recorder = Recorder::default();
    let problem = span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "copy.not_aligned"));
    assert!(problem.message.contains("2.000 s") && problem.message.contains("--copy"), "{problem}");
    assert!(recorder.shape("240p").is_empty(), "the segment before it is not known to be whole");
}

#[test]
fn a_span_in_the_middle_copies_its_own_segments() {
    let source = groups(250, 50, 40);
    let plan = planned(&source, "240p,144p");
    let (whole, middle) = (Recorder::default(), Recorder::default());
    span::run(Bytes::whole(&source), &plan, WHOLE, &whole, &Control::default()).unwrap();
    let range = SpanRange { first: 2, end: Some(4) };
    span::run(Bytes::whole(&source), &plan, range, &middle, &Control::default()).unwrap();
    assert_eq!(middle.shape("240p"), whole.shape("240p")[2..4]);
    assert_eq!(middle.shape("240p"), middle.shape("144p"));
    assert_eq!(middle.track("240p"), whole.track("240p")[2..4], "to the byte");
}
