//! Tracks that are dropped while they are made: they end, and nobody else notices.

use crate::made::{Bytes, Recorder, facts, groups, sound, video};
use reelmill::av::{Encoder, Frame, Packet, Polled, VideoEncoderSpec};
use reelmill::model::VideoCodec::{Av1, H264, Hevc};
use reelmill::model::plan::SpanRange;
use reelmill::model::request::Watermark;
use reelmill::model::{AudioCodec, Fault, Plan, Problem, Speed};
use reelmill::pipeline::{Control, audio, video as span};
use reelmill::plan::{Node, Request, plan};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };
const LADDER: [&str; 3] = ["480p", "240p", "144p"];

/// 240 pictures, 25 a second.
fn source() -> Arc<Vec<u8>> {
    video(640, 480, &(0..240).map(|at| at * 40).collect::<Vec<_>>())
}

/// The plan for segments of 1 s, with encoders that make the same bytes each time.
fn planned(source: &Arc<Vec<u8>>, request: Request) -> Plan {
    let request = Request { speed: Speed::Fast, segment_ms: 1000, ..request };
    let mut plan = plan(&facts(source), &request, &Node { threads: 2 }).unwrap();
    for rendition in plan.video.iter_mut().flat_map(|video| &mut video.renditions) {
        for (name, value) in &mut rendition.options {
            if name == "threads" {
                "1".clone_into(value);
            }
        }
    }
    plan
}

fn rungs(texts: &[&str]) -> Request {
    Request { renditions: texts.iter().map(|text| text.parse().unwrap()).collect(), ..Request::default() }
}

/// Runs a span in which `drops` are dropped when `at` gives out its segment 1, and tells how it ended.
fn run_dropping(
    source: &Arc<Vec<u8>>,
    plan: &Plan,
    at: &'static str,
    drops: &'static [&'static str],
) -> (Recorder, Arc<Control>, Result<(), Problem>) {
    let control = Arc::new(Control::default());
    let told = Arc::clone(&control);
    let recorder = Recorder {
        at_segment: Some(Box::new(move |segment| {
            if segment.track == at && segment.index == 1 {
                told.drop_tracks(drops.iter().map(|track| (*track).to_owned()));
            }
            Ok(())
        })),
        ..Recorder::default()
    };
    let result = span::run(Bytes::whole(source), plan, WHOLE, &recorder, &control);
    (recorder, control, result)
}

#[test]
fn a_dropped_rung_ends_and_the_others_are_made_to_the_byte() {
    let source = source();
    let plan = planned(&source, rungs(&LADDER));
    let parents: Vec<_> = plan.video.as_ref().unwrap().renditions.iter().map(|r| r.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(1)], "a chain, so that each is needed by the next");
    let whole = Recorder::default();
    span::run(Bytes::whole(&source), &plan, WHOLE, &whole, &Control::default()).unwrap();
    let cases: [&'static [&'static str]; 5] = [&["144p"], &["240p"], &["480p"], &["240p", "480p"], &["144p", "240p"]];
    for drops in cases {
        let (recorder, _, result) = run_dropping(&source, &plan, drops[0], drops);
        result.unwrap();
        for track in LADDER {
            if !drops.contains(&track) {
                assert_eq!(recorder.track(track), whole.track(track), "{track} without {drops:?}");
            }
        }
        let made = recorder.shape(drops[0]);
        assert_eq!(made, whole.shape(drops[0])[..2], "{} ends with the segment that was on its way", drops[0]);
    }
}

#[test]
fn a_rung_that_is_dropped_before_it_begins_is_never_opened() {
    let source = source();
    let plan = planned(&source, rungs(&LADDER));
    let (recorder, control) = (Recorder::default(), Control::default());
    control.drop_tracks(["480p".to_owned(), "no such track".to_owned()]);
    span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &control).unwrap();
    let inits: Vec<_> = recorder.inits.lock().unwrap().iter().map(|init| init.track.clone()).collect();
    assert!(inits.len() == 2 && !inits.contains(&"480p".to_owned()), "{inits:?}");
    assert_eq!(recorder.shape("144p").len(), 10);
    assert!(recorder.shape("480p").is_empty());
}

#[test]
fn a_span_whose_rungs_are_all_dropped_stops_and_counts_as_cancelled() {
    let source = video(320, 240, &(0..3000).map(|at| at * 40).collect::<Vec<_>>());
    let plan = planned(&source, rungs(&["240p", "144p"]));
    let (recorder, control, result) = run_dropping(&source, &plan, "144p", &["240p", "144p"]);
    assert_eq!(result.unwrap_err().fault, Fault::Cancelled);
    assert!(control.problem().is_none(), "no stage failed");
    assert_eq!(recorder.shape("144p").len(), 2);
    assert!(control.frames_decoded.load(Ordering::Relaxed) < 1000, "decoding has stopped");
}

#[test]
fn with_only_a_copy_left_nothing_is_decoded_any_more() {
    let source = groups(1500, 25, 40);
    let plan = planned(&source, Request { copy: true, ..rungs(&["240p", "144p"]) });
    assert!(plan.video.as_ref().unwrap().renditions[0].copy, "{:?}", plan.notes);
    let (recorder, control, result) = run_dropping(&source, &plan, "144p", &["144p"]);
    result.unwrap();
    assert_eq!(recorder.shape("240p").iter().map(|s| s.3).sum::<u32>(), 1500);
    assert_eq!(recorder.shape("144p").len(), 2);
    assert!(control.frames_decoded.load(Ordering::Relaxed) < 1000, "decoding has stopped");

    let (recorder, _, result) = run_dropping(&source, &plan, "240p", &["240p"]);
    result.unwrap();
    assert_eq!(recorder.shape("240p").len(), 2, "a copy ends as soon");
    assert_eq!(recorder.shape("144p").iter().map(|s| s.3).sum::<u32>(), 1500);
}

/// The code of a refusal, and a plan in which only these rungs have a letter on them that no font has: as after a font
/// was removed.
fn without_font(source: &Arc<Vec<u8>>, marked: &[&str]) -> (String, Plan) {
    let mark = Watermark { text: Some("\u{10fffd}".into()), ..Watermark::default() };
    let mut plan = planned(source, Request { watermarks: vec![mark], ..rungs(&LADDER) });
    let rungs = plan.video.iter_mut().flat_map(|video| &mut video.renditions);
    rungs.filter(|rung| !marked.contains(&&*rung.id)).for_each(|rung| rung.marks.clear());
    ("watermark.glyph".to_owned(), plan)
}

#[test]
fn a_rung_whose_watermark_cannot_be_drawn_fails_alone() {
    let source = source();
    let whole = Recorder::default();
    let clean = planned(&source, rungs(&LADDER));
    span::run(Bytes::whole(&source), &clean, WHOLE, &whole, &Control::default()).unwrap();
    for marked in [&["480p"][..], &["144p"], &["480p", "240p"]] {
        let (code, plan) = without_font(&source, marked);
        let recorder = Recorder::default();
        span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &Control::default()).unwrap();
        let mut refusals = recorder.refusals.lock().unwrap().clone();
        refusals.sort_by_key(|(track, _)| LADDER.iter().position(|rung| rung == track));
        assert_eq!(refusals, marked.iter().map(|rung| ((*rung).to_owned(), code.clone())).collect::<Vec<_>>());
        assert!(recorder.failures.lock().unwrap().is_empty(), "no device is to blame");
        for rung in LADDER {
            let expected = if marked.contains(&rung) { Vec::new() } else { whole.track(rung) };
            assert_eq!(recorder.track(rung), expected, "{rung} without {marked:?}");
        }
    }
    let (code, plan) = without_font(&source, &LADDER);
    let problem =
        span::run(Bytes::whole(&source), &plan, WHOLE, &Recorder::default(), &Control::default()).unwrap_err();
    assert_eq!((problem.fault, problem.code), (Fault::Input, code), "none is left");
}

/// Encoders are closed in the middle of their streams, without a flush.
#[test]
fn rungs_of_other_codecs_can_be_dropped_too() {
    let source = video(320, 240, &(0..120).map(|at| at * 40).collect::<Vec<_>>());
    let plan = planned(&source, Request { codecs: vec![H264, Av1, Hevc], ..rungs(&["240p"]) });
    let ids: Vec<_> = plan.video.as_ref().unwrap().renditions.iter().map(|r| r.id.clone()).collect();
    assert_eq!(ids, ["240p-h264", "240p-av1", "240p-hevc"]);
    let (recorder, _, result) = run_dropping(&source, &plan, "240p-h264", &["240p-av1", "240p-hevc"]);
    result.unwrap();
    assert_eq!(recorder.inits.lock().unwrap().len(), 3, "all of them had begun");
    assert_eq!(recorder.shape("240p-h264").len(), 5);
    assert!(recorder.shape("240p-av1").len() < 5 && recorder.shape("240p-hevc").len() < 5);
}

#[test]
fn encoders_can_be_closed_at_any_moment_after_their_first_frame() {
    let source = video(320, 240, &(0..25).map(|at| at * 40).collect::<Vec<_>>());
    let plan = planned(&source, Request { codecs: vec![H264, Av1, Hevc], ..rungs(&["240p"]) });
    let timescale = plan.video.as_ref().unwrap().timescale;
    for rendition in &plan.video.as_ref().unwrap().renditions {
        for frames in [1, 2, 7, 40] {
            let mut encoder = Encoder::video(&VideoEncoderSpec {
                encoder: &rendition.encoder,
                width: rendition.width,
                height: rendition.height,
                pixel_format: &rendition.pixel_format,
                timescale,
                frame_rate: rendition.frame_rate,
                color: &rendition.color,
                options: &rendition.options,
            })
            .unwrap();
            let format = reelmill::av::names::pixel_format(&rendition.pixel_format).unwrap();
            let mut packet = Packet::new().unwrap();
            for at in 0..frames {
                let mut frame = Frame::picture(rendition.width, rendition.height, format).unwrap();
                frame.set_pts(Some(at * i64::from(timescale) / 25));
                assert_eq!(encoder.send(Some(&frame)).unwrap(), Polled::Ready);
                while encoder.receive(&mut packet).unwrap() == Polled::Ready {}
            }
            drop(encoder);
        }
    }
}

#[test]
fn a_dropped_rendition_of_sound_ends_alone_and_the_last_one_ends_the_pass() {
    let source = sound(&[(0, 60 * 48_000)]);
    let plan =
        planned(&source, Request { audio_codecs: vec![AudioCodec::Aac, AudioCodec::Opus], ..Request::default() });
    let (kept, dropped) = (plan.audio[0].id.clone(), plan.audio[1].id.clone());
    let whole = Recorder::default();
    audio::run(Bytes::whole(&source), &plan, &whole, &Control::default()).unwrap();
    for all in [false, true] {
        let control = Arc::new(Control::default());
        let (told, kept_id, dropped_id) = (Arc::clone(&control), kept.clone(), dropped.clone());
        let recorder = Recorder {
            at_segment: Some(Box::new(move |segment| {
                if segment.track == dropped_id && segment.index == 1 {
                    told.drop_tracks([dropped_id.clone()].into_iter().chain(all.then(|| kept_id.clone())));
                }
                Ok(())
            })),
            ..Recorder::default()
        };
        let result = audio::run(Bytes::whole(&source), &plan, &recorder, &control);
        assert_eq!(recorder.track(&dropped), whole.track(&dropped)[..2]);
        if all {
            assert_eq!(result.unwrap_err().fault, Fault::Cancelled);
            assert!(recorder.track(&kept).len() < 30);
        } else {
            result.unwrap();
            assert_eq!(recorder.track(&kept), whole.track(&kept));
        }
    }
}
