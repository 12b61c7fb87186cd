//! In and out points: a part of the source, exact to the picture and the sample.

use crate::made::{Bytes, RATE, Recorder, facts, grey, groups, silence, timed};
use reelmill::av::input::Interrupt;
use reelmill::av::{Decoder, Frame, Input, Packet, Polled};
use reelmill::model::plan::SpanRange;
use reelmill::model::{Packaging, Plan, Ratio, Speed};
use reelmill::pipeline::{Control, Outlet, audio, video as span};
use reelmill::plan::{Node, Request, plan};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };

fn planned(source: &Arc<Vec<u8>>, request: Request) -> Plan {
    let request = Request { speed: Speed::Fast, segment_ms: 2000, ..request };
    plan(&facts(source), &request, &Node { threads: 2 }).unwrap()
}

fn rungs(text: &str) -> Request {
    Request { renditions: text.split(',').map(|text| text.parse().unwrap()).collect(), ..Request::default() }
}

/// Cuts the plan's pictures: from this source timestamp to this output tick.
fn cut(plan: &mut Plan, from: i64, end: Option<i64>) {
    let video = plan.video.as_mut().unwrap();
    (video.origin, video.in_point, video.end) = (from, true, end);
}

fn run(source: &Arc<Vec<u8>>, plan: &Plan, span: SpanRange, outlet: &dyn Outlet) -> u64 {
    let control = Control::default();
    span::run(Bytes::whole(source), plan, span, outlet, &control).unwrap();
    control.frames_decoded.load(Ordering::Relaxed)
}

/// Greys of all pictures of a track, in the order in which they are shown.
fn greys(recorder: &Recorder, track: &str) -> Vec<u8> {
    let mut file = recorder.inits.lock().unwrap().iter().find(|i| i.track == track).unwrap().init_segment.clone();
    for segment in recorder.track(track) {
        let cmaf = segment.files.iter().find(|file| file.packaging == Packaging::Cmaf).unwrap();
        file.extend_from_slice(&cmaf.bytes);
    }
    let mut input = Input::open(Bytes::whole(&Arc::new(file)), Interrupt::default()).unwrap();
    input.find_stream_info().unwrap();
    let info = input.stream_info(0).unwrap();
    let mut decoder = Decoder::open(&info.params, info.time_base, 1).unwrap();
    let (mut packet, mut frame, mut greys) = (Packet::new().unwrap(), Frame::new().unwrap(), Vec::new());
    loop {
        let more = input.read(&mut packet).unwrap();
        decoder.send(more.then_some(&packet)).unwrap();
        while decoder.receive(&mut frame).unwrap() == Polled::Ready {
            greys.push(frame.painted(0).unwrap());
        }
        if !more {
            return greys;
        }
    }
}

pub(crate) fn assert_shows(recorder: &Recorder, track: &str, expected: impl Iterator<Item = usize>) {
    let (seen, expected): (Vec<u8>, Vec<u8>) = (greys(recorder, track), expected.map(grey).collect());
    assert_eq!(seen.len(), expected.len());
    for (at, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        assert!(seen.abs_diff(expected) <= 6, "picture {at} of {track} is {seen} instead of {expected}");
    }
}

/// 2.0 s to 7.3 s of a source with a key frame each 10 s.
#[test]
fn a_cut_at_a_constant_rate_has_its_pictures_and_ends_to_the_tick() {
    // (frames a second, the first picture of the cut, pictures in it, pictures of the last, short segment)
    let cases = [(Ratio::new(25, 1), 50, 133, 33), (Ratio::new(30_000, 1001), 60, 159, 39)];
    for (rate, first, pictures, last) in cases {
        let timescale = rate.num as u32 * if rate.den == 1 { 1000 } else { 1 };
        let frame = i64::from(timescale) * rate.den / rate.num;
        let times: Vec<i64> = (0..400).map(|at| at * frame).collect();
        let source = timed(timescale, &times, frame, 250);
        let mut plan = planned(&source, rungs("240p,144p"));
        let ticks = i64::from(plan.video.as_ref().unwrap().timescale);
        assert_eq!(plan.video.as_ref().unwrap().frame_ticks.map(i64::from), Some(ticks * rate.den / rate.num));
        let time_base = plan.video.as_ref().unwrap().time_base;
        let end = 53 * ticks / 10;
        cut(&mut plan, 2 * time_base.den / time_base.num, Some(end));
        let whole = Recorder::default();
        run(&source, &plan, WHOLE, &whole);
        for track in ["240p", "144p"] {
            let shape = whole.shape(track);
            assert_eq!(shape[0].1, 0);
            assert_eq!(shape.iter().map(|s| s.3).sum::<u32>(), pictures, "{rate}: pictures of {track}: {shape:?}");
            assert_eq!(shape.last().map(|s| (s.0, s.1 + s.2, s.3)), Some((2, end, last)), "{rate}: {shape:?}");
            assert_shows(&whole, track, first..first + pictures as usize);
        }
        let apart = Recorder::default();
        for (first, end) in [(2, None), (0, Some(1)), (1, Some(2))] {
            run(&source, &plan, SpanRange { first, end }, &apart);
        }
        assert_eq!(whole.shape("240p"), apart.shape("240p"));
        assert_shows(&apart, "240p", first..first + pictures as usize);
    }
}

#[test]
fn what_lies_outside_the_cut_is_not_decoded() {
    let times: Vec<i64> = (0..1500).map(|at| at * 1000).collect();
    let source = timed(25_000, &times, 1000, 25);
    let mut plan = planned(&source, rungs("144p"));
    let time_base = plan.video.as_ref().unwrap().time_base;
    cut(&mut plan, 30 * time_base.den / time_base.num, Some(2 * 25_000));
    let recorder = Recorder::default();
    let decoded = run(&source, &plan, WHOLE, &recorder);
    assert_shows(&recorder, "144p", 750..800);
    assert!(decoded < 300, "{decoded} pictures were decoded for 50");
}

#[test]
fn a_picture_that_stands_at_the_in_point_is_shown_there() {
    // Pictures at 0, 1, 5, 6 and 9 s.
    let times = [0, 90_000, 450_000, 540_000, 810_000];
    let source = timed(90_000, &times, 90_000, 250);
    let cases = [(2, 7, vec![1, 2, 3]), (5, 10, vec![2, 3, 4]), (2, 2, vec![1]), (7, 1, vec![3])];
    for (from, seconds, shown) in cases {
        let mut plan = planned(&source, rungs("240p"));
        let video = plan.video.as_mut().unwrap();
        // Whatever the planner makes of five pictures, here their rate varies.
        (video.timescale, video.frame_ticks) = (90_000, None);
        let time_base = video.time_base;
        cut(&mut plan, from * time_base.den / time_base.num, Some(seconds * 90_000));
        let recorder = Recorder::default();
        run(&source, &plan, WHOLE, &recorder);
        let shape = recorder.shape("240p");
        assert_eq!(shape[0].1, 0);
        let end = shape.last().map(|s| s.1 + s.2).unwrap();
        let source_end = (10 - from) * 90_000;
        assert_eq!(end, (seconds * 90_000).min(source_end), "{from} s to {seconds} s later: {shape:?}");
        assert_shows(&recorder, "240p", shown.into_iter());
    }
}

#[test]
fn a_copy_ends_with_the_pictures_that_are_needed() {
    let source = groups(250, 50, 40);
    for (from, end, pictures) in [(0, 4 * 25_000, 100), (50, 4 * 25_000, 100), (50, 81_000, 81)] {
        let mut plan = planned(&source, Request { copy: true, ..rungs("240p") });
        assert!(plan.video.as_ref().unwrap().renditions[0].copy, "{:?}", plan.notes);
        let time_base = plan.video.as_ref().unwrap().time_base;
        cut(&mut plan, from * time_base.den / time_base.num / 25, Some(end));
        let recorder = Recorder::default();
        run(&source, &plan, WHOLE, &recorder);
        let shape = recorder.shape("240p");
        let made: u32 = shape.iter().map(|s| s.3).sum();
        assert!((pictures..=pictures + 3).contains(&made), "{made} pictures for {pictures}");
        let media_end = shape.last().map(|s| s.1 + s.2).unwrap();
        assert!((end..end + 4 * 1000).contains(&media_end), "{media_end} for {end}");
        assert_eq!(greys(&recorder, "240p").len(), made as usize, "all of them can be decoded");
    }
}

/// Samples of a plan's only rendition of sound, from zero on.
fn samples(source: &Arc<Vec<u8>>, plan: &Plan) -> i64 {
    let recorder = Recorder::default();
    audio::run(Bytes::whole(source), plan, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape(&plan.audio[0].id);
    assert_eq!(shape[0].1, 0);
    assert!(shape.windows(2).all(|pair| pair[0].1 + pair[0].2 == pair[1].1), "no gap: {shape:?}");
    assert!(shape.iter().all(|s| s.2 > 1), "no segment of nothing but padding: {shape:?}");
    shape.last().map(|s| s.1 + s.2).unwrap()
}

#[test]
fn sound_is_cut_to_the_sample() {
    let rate = i64::from(RATE);
    let source = silence("mp4", &[(0, 10 * rate)]);
    let mut plan = planned(&source, Request::default());
    assert_eq!(plan.audio[0].time_base, Ratio::new(1, rate));
    let whole = samples(&source, &plan);
    let origin = plan.audio[0].origin;
    for (from, end) in [(2 * rate, 53 * rate / 10), (12_345, 8 * rate), (1, 1000), (3 * rate + 7, 2 * rate + 1)] {
        let rendition = &mut plan.audio[0];
        (rendition.origin, rendition.in_point, rendition.end) = (origin + from, true, None);
        assert_eq!(samples(&source, &plan), whole - from, "from {from} on");
        plan.audio[0].end = Some(end);
        assert_eq!(samples(&source, &plan), end, "from {from} to {end}");
    }
    plan.audio[0].end = Some(20 * rate);
    assert!(samples(&source, &plan) < 10 * rate, "a source that ends sooner is not filled up");
}

#[test]
fn copied_sound_is_cut_by_the_header_and_the_last_duration() {
    let rate = i64::from(RATE);
    let source = silence("mp4", &[(0, 10 * rate)]);
    let mut plan = planned(&source, Request { copy: true, ..Request::default() });
    assert!(plan.audio[0].copy);
    let origin = plan.audio[0].origin;
    for (from, end) in [(2 * rate, 53 * rate / 10), (12_345, 8 * rate), (3 * rate + 7, 2 * rate + 1)] {
        let rendition = &mut plan.audio[0];
        (rendition.origin, rendition.in_point, rendition.end) = (origin + from, true, Some(end));
        assert_eq!(samples(&source, &plan), end, "from {from} to {end}");
    }
}
