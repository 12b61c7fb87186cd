//! Whole spans on the driver: decoded, scaled and encoded there, with rungs that fail.

use crate::child::{device, fault, on_fake_device};
use crate::made::{Bytes, Recorder, facts, video};
use reelmill::model::device::{DeviceFault, Memory};
use reelmill::model::plan::SpanRange;
use reelmill::model::{Plan, Problem, Speed};
use reelmill::pipeline::{Control, video as span};
use reelmill::plan::{Node, Request, plan};
use std::sync::Arc;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };
const LADDER: [&str; 3] = ["480p", "240p", "144p"];

/// 100 pictures, 25 a second.
fn source() -> Arc<Vec<u8>> {
    video(640, 480, &(0..100).map(|at| at * 40).collect::<Vec<_>>())
}

/// A chain of three rungs of 1 s segments, all by the CPU.
fn by_cpu(source: &Arc<Vec<u8>>) -> Plan {
    let renditions = LADDER.iter().map(|text| text.parse().unwrap()).collect();
    let request = Request { renditions, speed: Speed::Fast, segment_ms: 1000, ..Request::default() };
    plan(&facts(source), &request, &Node { threads: 2 }).unwrap()
}

/// The same, decoded by the device; 480p is encoded there as it comes, 240p is scaled and encoded there, and 144p is
/// scaled there and encoded by the CPU.
fn placed(source: &Arc<Vec<u8>>) -> Plan {
    let mut plan = by_cpu(source);
    let video = plan.video.as_mut().unwrap();
    video.accelerator = Some(device(true));
    video.memory = Memory::Device;
    let graphs = ["", "scale_vaapi=w=320:h=240", "scale_vaapi=w=192:h=144,hwdownload,format=nv12,format=yuv420p"];
    for (rung, graph) in video.renditions.iter_mut().zip(graphs) {
        graph.clone_into(&mut rung.graph);
    }
    for rung in &mut video.renditions[..2] {
        (rung.memory, rung.on_device) = (Memory::Device, true);
        "h264_vaapi".clone_into(&mut rung.encoder);
        "nv12".clone_into(&mut rung.pixel_format);
        rung.options = [("rc_mode", "CQP"), ("qp", "26"), ("g", "25"), ("bf", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec();
    }
    plan
}

/// What became of a span: what was recorded, and of what it failed.
struct Ran {
    recorder: Recorder,
    control: Control,
    result: Result<(), Problem>,
}

impl Ran {
    fn of(source: &Arc<Vec<u8>>, plan: &Plan) -> Self {
        let (recorder, control) = (Recorder::default(), Control::default());
        // Every key frame of the driver is the same one.
        control.trust_device();
        let result = span::run(Bytes::whole(source), plan, WHOLE, &recorder, &control);
        Self { recorder, control, result }
    }

    /// Tracks that failed, with how and at what.
    fn failures(&self) -> Vec<(String, DeviceFault, String)> {
        let failures = self.recorder.failures.lock().unwrap();
        let mut list: Vec<_> =
            failures.iter().map(|f| (f.track.clone(), f.trouble.fault, f.trouble.ability.clone())).collect();
        list.sort();
        list
    }

    fn frames(&self, track: &str) -> u32 {
        self.recorder.shape(track).iter().map(|segment| segment.3).sum()
    }
}

fn failed(track: &str, fault: DeviceFault, ability: &str) -> (String, DeviceFault, String) {
    (track.to_owned(), fault, ability.to_owned())
}

#[test]
fn a_span_on_the_device_has_the_segments_of_one_by_the_cpu() {
    on_fake_device("span::child_is_whole", "");
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_is_whole() {
    let source = source();
    let whole = Ran::of(&source, &by_cpu(&source));
    let ran = Ran::of(&source, &placed(&source));
    ran.result.as_ref().unwrap();
    assert_eq!(ran.failures(), []);
    for track in LADDER {
        assert_eq!(ran.recorder.shape(track), whole.recorder.shape(track), "{track}");
        assert_eq!(ran.frames(track), 100);
    }
    let inits = ran.recorder.inits.lock().unwrap();
    let maker = |track: &str| inits.iter().find(|init| init.track == track).unwrap().encoder.clone();
    assert!(maker("240p").contains("h264_vaapi") && maker("144p").contains("libx264"));
}

#[test]
fn a_rung_that_its_device_fails_is_told_of_and_the_others_are_whole() {
    let cases = ["encoder:1:once", "encode:60:once", "scale:30", "encode:60"];
    cases.into_iter().for_each(|fault| on_fake_device("span::child_loses_a_rung", fault));
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_loses_a_rung() {
    let source = source();
    let mut plan = placed(&source);
    if fault().starts_with("scale") {
        // One graph on the device, so that it is known which one fails.
        "hwdownload,format=nv12,scale=w=192:h=144,format=yuv420p"
            .clone_into(&mut plan.video.as_mut().unwrap().renditions[2].graph);
    }
    let ran = Ran::of(&source, &plan);
    ran.result.as_ref().unwrap();
    let failures = ran.failures();
    let encoder = |fault| LADDER[..2].iter().map(|track| failed(track, fault, "encode.h264")).collect::<Vec<_>>();
    match fault().as_str() {
        // Which of the two encoders comes first is not told.
        "encoder:1:once" | "encode:60:once" => {
            let wanted = if fault().starts_with("encoder") { DeviceFault::OutOfMemory } else { DeviceFault::Lost };
            assert!(failures.len() == 1 && encoder(wanted).contains(&failures[0]), "{failures:?}");
        }
        "encode:60" => {
            let mut wanted = encoder(DeviceFault::Lost);
            wanted.sort();
            assert_eq!(failures, wanted);
        }
        // The rung that is made from its pictures is lost with it.
        _ => {
            let wanted = ["144p", "240p"].map(|track| failed(track, DeviceFault::Lost, "filter"));
            assert_eq!(failures, wanted);
        }
    }
    for track in LADDER.iter().filter(|track| !failures.iter().any(|(failed, ..)| failed == *track)) {
        assert_eq!(ran.frames(track), 100, "{track}");
    }
    for (track, ..) in &failures {
        assert!(ran.frames(track) < 100, "{track} ends where it failed");
    }
}

#[test]
fn a_span_without_its_device_fails_and_says_at_what() {
    let cases = ["decoder:1", "surfaces:1", "decode:30", "encode:1 and no other rung"];
    cases.into_iter().for_each(|fault| on_fake_device("span::child_loses_all", fault));
}

#[test]
#[ignore = "needs the driver that its parent sets up"]
fn child_loses_all() {
    let source = source();
    let mut plan = placed(&source);
    let (wanted, ability) = match fault().as_str() {
        // FFmpeg would have gone on in software, and its log says why.
        "decoder:1" => (DeviceFault::Unsupported, "decode.h264"),
        "surfaces:1" => (DeviceFault::OutOfMemory, "decode.h264"),
        "decode:30" => (DeviceFault::Lost, "decode.h264"),
        // Of whose renditions none is left.
        _ => {
            plan.video.as_mut().unwrap().renditions.truncate(2);
            (DeviceFault::Lost, "encode.h264")
        }
    };
    let ran = Ran::of(&source, &plan);
    let problem = ran.result.as_ref().unwrap_err();
    assert_eq!(problem.code, "device.failed", "{problem}");
    assert_eq!(ran.control.device_fault(), Some((wanted, ability.to_owned())), "{problem}");
}
