//! Video spans.

use crate::made::{Bytes, Recorder, planned, video};
use reelmill::model::plan::SpanRange;
use reelmill::model::{Fault, Packaging, Problem};
use reelmill::pipeline::{Control, video as span};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WHOLE: SpanRange = SpanRange { first: 0, end: None };

fn even(frames: i64) -> Vec<i64> {
    (0..frames).map(|at| at * 40).collect()
}

#[test]
fn every_rung_has_the_same_segments_and_every_frame() {
    let source = video(320, 240, &even(110));
    let plan = planned(&source, 2000, 1);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
    let timescale = i64::from(plan.video.as_ref().unwrap().timescale);
    let two = 2 * timescale;
    let expected = [(0, 0, two, 50), (1, two, two, 50), (2, 2 * two, 10 * timescale / 25, 10)];
    for track in ["240p", "144p"] {
        assert_eq!(recorder.shape(track), expected, "{track}");
        for segment in recorder.track(track) {
            let packagings: Vec<Packaging> = segment.files.iter().map(|file| file.packaging).collect();
            assert_eq!(packagings, [Packaging::Cmaf, Packaging::Ts]);
            for file in &segment.files {
                assert_eq!(
                    file.key_frames[0].time, segment.start,
                    "{track} {} starts with its key frame",
                    segment.index
                );
                let last = file.key_frames.last().unwrap();
                assert!(last.offset + last.bytes <= file.bytes.len() as u64);
            }
        }
    }
    assert_eq!(recorder.inits.lock().unwrap().len(), 2);
}

#[test]
fn each_rendition_is_wrapped_in_its_own_packagings() {
    let source = video(320, 240, &even(60));
    let mut plan = planned(&source, 2000, 1);
    plan.video.as_mut().unwrap().renditions[0].packagings = vec![Packaging::Ts];
    plan.video.as_mut().unwrap().renditions[1].packagings = vec![Packaging::Cmaf];
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
    for (track, packaging) in [("240p", Packaging::Ts), ("144p", Packaging::Cmaf)] {
        for segment in recorder.track(track) {
            assert_eq!(segment.files.iter().map(|file| file.packaging).collect::<Vec<_>>(), [packaging]);
        }
        let inits = recorder.inits.lock().unwrap();
        let init = inits.iter().find(|init| init.track == track).unwrap();
        assert_eq!(init.init_segment.is_empty(), packaging == Packaging::Ts, "only CMAF begins with one");
        assert!(init.codec_string.starts_with("avc1."), "{}", init.codec_string);
    }
}

#[test]
fn a_picture_that_stands_longer_than_a_segment_leaves_no_gap_in_time() {
    let times: Vec<i64> = even(30).into_iter().chain([5000, 5040, 5080]).collect();
    let source = video(320, 240, &times);
    let plan = planned(&source, 1000, 1);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape("240p");
    assert_eq!(shape.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1, 5], "segments without a picture are not made");
    assert_eq!(shape.iter().map(|s| s.3).sum::<u32>(), 33);
    for pair in shape.windows(2) {
        assert_eq!(pair[0].1 + pair[0].2, pair[1].1, "one segment ends where the next starts");
    }
}

#[test]
fn spans_made_apart_are_what_an_unbroken_run_makes() {
    let source = video(320, 240, &even(200));
    let plan = planned(&source, 1000, 3);
    assert_eq!(plan.spans.len(), 3);
    let whole = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &whole, &Control::default()).unwrap();
    let apart = Recorder::default();
    for range in plan.spans.iter().rev() {
        span::run(Bytes::whole(&source), &plan, *range, &apart, &Control::default()).unwrap();
    }
    for track in ["240p", "144p"] {
        assert_eq!(whole.shape(track), apart.shape(track));
    }
    let inits = apart.inits.lock().unwrap();
    for init in inits.iter() {
        let same = whole.inits.lock().unwrap().iter().any(|other| other == init);
        assert!(same, "{} has the same header in every span", init.track);
    }
}

#[test]
fn a_source_that_fails_in_the_middle_finalises_nothing_after_it() {
    let source = video(320, 240, &even(2000));
    let plan = planned(&source, 1000, 1);
    let recorder = Recorder::default();
    let broken = Box::new(Bytes { data: Arc::clone(&source), fails_at: source.len() as u64 / 2 });
    let problem = span::run(broken, &plan, WHOLE, &recorder, &Control::default()).unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Sink, "source.unreadable"));
    let shape = recorder.shape("240p");
    assert!(shape.iter().all(|s| s.3 == 25), "only whole segments are given out: {shape:?}");
    assert!(shape.len() < 79);
}

#[test]
fn a_stop_is_quick_and_says_so() {
    let source = video(640, 480, &even(3000));
    let plan = planned(&source, 1000, 1);
    let control = Arc::new(Control::default());
    let stopper = Arc::clone(&control);
    let recorder = Recorder {
        at_segment: Some(Box::new(move |_| {
            stopper.cancel();
            Ok(())
        })),
        ..Recorder::default()
    };
    let began = Instant::now();
    let problem = span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &control).unwrap_err();
    assert_eq!(problem.fault, Fault::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(recorder.shape("240p").len() < 60);
}

#[test]
fn what_the_outlet_refuses_fails_the_span_with_its_own_reason() {
    let source = video(320, 240, &even(100));
    let plan = planned(&source, 1000, 1);
    let recorder = Recorder {
        at_segment: Some(Box::new(|segment| {
            if segment.index == 1 { Err(Problem::sink("output.full", "no room")) } else { Ok(()) }
        })),
        ..Recorder::default()
    };
    let problem = span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap_err();
    assert_eq!(problem.code, "output.full");
}

#[test]
fn one_picture_is_one_segment() {
    let source = video(320, 240, &[0]);
    let plan = planned(&source, 2000, 1);
    let recorder = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape("240p");
    assert_eq!(shape.len(), 1);
    assert_eq!((shape[0].0, shape[0].1, shape[0].3), (0, 0, 1));
    assert!(shape[0].2 > 0);
}
