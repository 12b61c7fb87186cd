//! Parts one after another: which picture is shown when, and spans that are made apart.

use crate::made::{Bytes, Recorder, facts, groups, silence, timed};
use crate::trim::assert_shows;
use reelmill::av::ByteSource;
use reelmill::model::plan::{SpanRange, Work};
use reelmill::model::spec::{IfExists, JobSpec, OutputSpec, SourceSpec, UploadOptions};
use reelmill::model::{Problem, Speed};
use reelmill::pipeline::{Control, Outlet, joined};
use reelmill::plan::{Node, Request, plan_job};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };

pub(crate) type Media = Arc<Vec<u8>>;
/// A part: its source, and where it is cut, ms.
pub(crate) type Part<'a> = (&'a Media, Option<i64>, Option<i64>);

/// The work that makes these parts in segments of a second, and the sources in the worker's order.
fn planned(parts: &[Part<'_>], renditions: &str) -> (Work, Vec<Media>) {
    let renditions = renditions.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().unwrap()).collect();
    planned_as(parts, Request { speed: Speed::Fast, segment_ms: 1000, renditions, ..Request::default() })
}

/// The same for whatever is asked.
pub(crate) fn planned_as(parts: &[Part<'_>], request: Request) -> (Work, Vec<Media>) {
    let mut sources: Vec<SourceSpec> = (parts.iter().enumerate())
        .map(|(i, (_, start, end))| SourceSpec {
            id: format!("part-{i}"),
            locator: Some(format!("/in/{i}").parse().unwrap()),
            start_us: start.map(|ms| ms * 1000),
            end_us: end.map(|ms| ms * 1000),
            ..SourceSpec::default()
        })
        .collect();
    let concat = (0..parts.len()).collect();
    sources.push(SourceSpec { id: "joined".into(), concat, ..SourceSpec::default() });
    let output = OutputSpec {
        id: "output".into(),
        destination: "/out".parse().unwrap(),
        if_exists: IfExists::Fail,
        source: parts.len(),
        audio_sources: Vec::new(),
        rendition_sources: Default::default(),
        request,
        upload: UploadOptions::default(),
    };
    let spec = JobSpec::new(sources, vec![output]);
    let known: Vec<_> = parts.iter().map(|(media, ..)| Some(facts(media))).collect();
    let planning = plan_job(&known, &spec, &Node { threads: 2 });
    assert!(planning.problems.is_empty(), "{:?}", planning.problems);
    let work = planning.plan.works.into_iter().next().unwrap();
    let media = work.inputs.iter().map(|index| Arc::clone(parts[*index].0)).collect();
    (work, media)
}

fn run(work: &Work, media: &[Media], span: SpanRange, outlet: &dyn Outlet, control: &Control) -> Result<(), Problem> {
    let open = |place: usize| Ok(Bytes::whole(&media[place]) as Box<dyn ByteSource>);
    joined::video(&open, &work.plan, span, outlet, control)
}

/// Pictures at a constant rate, a key frame each 10.
pub(crate) fn constant(timescale: u32, ticks: i64, pictures: i64) -> Media {
    timed(timescale, &(0..pictures).map(|at| at * ticks).collect::<Vec<_>>(), ticks, 10)
}

/// Which picture of a part of `pictures` is shown on each of `count` frames of 25 a second.
pub(crate) fn nearest(pictures: i64, num: i64, den: i64, count: i64) -> impl Iterator<Item = usize> {
    // The last picture whose time, to the nearest frame, is not behind it.
    let slot = move |at: i64| (2 * at * 25 * den + num) / (2 * num);
    (0..count).map(move |frame| (0..pictures).rev().find(|at| slot(*at) <= frame).unwrap() as usize)
}

#[test]
fn pictures_of_other_rates_are_left_out_or_repeated() {
    let (usual, slow) = (constant(25_000, 1000, 30), constant(12_000, 1000, 18));
    let (fast, ntsc) = (constant(50_000, 1000, 75), constant(30_000, 1001, 45));
    let parts =
        [(&usual, None, None), (&fast, None, None), (&ntsc, None, None), (&slow, None, None), (&usual, None, None)];
    let (work, media) = planned(&parts, "240p,144p");
    // 1.2 s, 1.5 s as 38 frames, 1.5015 s as 38, 1.5 s as 38, 1.2 s.
    let counts = [30, 38, 38, 38, 30];
    let shown: Vec<usize> = (nearest(30, 25, 1, counts[0]))
        .chain(nearest(75, 50, 1, counts[1]))
        .chain(nearest(45, 30_000, 1001, counts[2]))
        .chain(nearest(18, 12, 1, counts[3]))
        .chain(nearest(30, 25, 1, counts[4]))
        .collect();
    let whole = Recorder::default();
    run(&work, &media, WHOLE, &whole, &Control::default()).unwrap();
    for track in ["240p", "144p"] {
        assert_shows(&whole, track, shown.iter().copied());
        let shape = whole.shape(track);
        assert!(shape[..6].iter().all(|segment| segment.3 == 25), "{track}: {shape:?}");
        assert_eq!(shape.last().map(|s| (s.0, s.1 + s.2)), Some((6, 174_000)), "{track}: {shape:?}");
    }
    assert_eq!(whole.shape("240p"), whole.shape("144p"));
    // Spans that begin in the middle of a part, and end in another one, with two joints inside.
    let apart = Recorder::default();
    for (first, end) in [(5, None), (0, Some(1)), (4, Some(5)), (1, Some(4))] {
        run(&work, &media, SpanRange { first, end }, &apart, &Control::default()).unwrap();
    }
    assert_eq!(whole.shape("240p"), apart.shape("240p"));
    assert_shows(&apart, "240p", shown.iter().copied());
}

#[test]
fn parts_are_cut_to_the_picture_and_spans_read_no_more_than_they_need() {
    let (long, other) = (constant(25_000, 1000, 750), constant(25_000, 1000, 500));
    let parts = [(&long, Some(2_000), Some(4_000)), (&other, Some(10_000), Some(11_000)), (&long, Some(28_000), None)];
    let (work, media) = planned(&parts, "240p");
    let shown: Vec<usize> = (50..100).chain(250..275).chain(700..750).collect();
    let (whole, control) = (Recorder::default(), Control::default());
    run(&work, &media, WHOLE, &whole, &control).unwrap();
    assert_shows(&whole, "240p", shown.iter().copied());
    let decoded = control.frames_decoded.load(Ordering::Relaxed);
    assert!(decoded < 350, "{decoded} pictures were decoded for 125");
    let (apart, control) = (Recorder::default(), Control::default());
    run(&work, &media, SpanRange { first: 2, end: Some(3) }, &apart, &control).unwrap();
    assert_eq!(apart.shape("240p"), whole.shape("240p")[2..3], "the middle part is a span of its own");
    let decoded = control.frames_decoded.load(Ordering::Relaxed);
    assert!(decoded < 100, "{decoded} pictures were decoded for 25");
}

#[test]
fn the_last_picture_of_a_part_stands_until_the_next_one_begins() {
    // Pictures for 1 s in a part that is asked to last for 1.4 s of its 2 s, and whose sixth picture stands for that long.
    let times: Vec<i64> = (0..50).filter(|at| !(6..40).contains(at)).map(|at| at * 1000).collect();
    let paused = timed(25_000, &times, 1000, 10);
    let usual = constant(25_000, 1000, 25);
    let (work, media) = planned(&[(&usual, None, None), (&paused, None, Some(1_400)), (&usual, None, None)], "240p");
    let video = work.plan.video.as_ref().unwrap();
    assert_eq!(video.frame_ticks, Some(1000));
    let end = video.parts[1].end.unwrap() / 1000;
    let standing = std::iter::repeat_n(5, end as usize - 25 - 6);
    let shown = (0..25).chain(0..6).chain(standing).chain(0..25);
    let recorder = Recorder::default();
    run(&work, &media, WHOLE, &recorder, &Control::default()).unwrap();
    assert_shows(&recorder, "240p", shown);
}

#[test]
fn pictures_at_a_varying_rate_keep_their_times() {
    let (first, second) = (timed(90_000, &[0, 9_000, 31_500, 36_000, 117_000], 18_000, 1), constant(25_000, 1000, 25));
    let (mut work, media) = planned(&[(&first, None, None), (&second, None, None)], "240p");
    let video = work.plan.video.as_mut().unwrap();
    // Whatever the planner makes of five pictures, here their rate varies: the second part begins at 1.5 s.
    (video.timescale, video.frame_ticks) = (90_000, None);
    (video.parts[0].start, video.parts[0].end, video.parts[1].start) = (0, Some(135_000), 135_000);
    let recorder = Recorder::default();
    run(&work, &media, WHOLE, &recorder, &Control::default()).unwrap();
    assert_shows(&recorder, "240p", (0..5).chain(0..25));
    let shape = recorder.shape("240p");
    assert_eq!(
        shape.iter().map(|s| (s.1, s.3)).collect::<Vec<_>>(),
        [(0, 4), (117_000, 1 + 13), (181_800, 12)],
        "{shape:?}"
    );
    let apart = Recorder::default();
    for (first, end) in [(1, None), (0, Some(1))] {
        run(&work, &media, SpanRange { first, end }, &apart, &Control::default()).unwrap();
    }
    assert_eq!(shape, apart.shape("240p"));
}

#[test]
fn a_part_that_breaks_is_named() {
    let (good, mut bad) = (groups(50, 25, 40), groups(50, 25, 40).to_vec());
    let (work, mut media) = planned(&[(&good, None, None), (&Arc::new(bad.clone()), None, None)], "240p");
    let data = bad.windows(4).position(|window| window == b"mdat").unwrap();
    let end = bad.windows(4).position(|window| window == b"moov").unwrap();
    let (from, to) = if data < end { (data + 4, end - 4) } else { (data + 4, bad.len()) };
    bad[from..to].fill(0);
    media[1] = Arc::new(bad);
    let problem = run(&work, &media, WHOLE, &Recorder::default(), &Control::default()).unwrap_err();
    assert_eq!(problem.code, "source.undecodable");
    assert!(problem.message.starts_with("part 2 of the joined source: "), "{}", problem.message);
}

#[test]
fn a_track_that_nobody_wants_any_more_ends_alone() {
    let usual = constant(25_000, 1000, 50);
    let (work, media) = planned(&[(&usual, None, None), (&usual, None, None)], "240p,144p");
    let control = Control::default();
    control.drop_tracks(["144p".to_owned()]);
    let recorder = Recorder::default();
    run(&work, &media, WHOLE, &recorder, &control).unwrap();
    assert_eq!((recorder.shape("240p").len(), recorder.shape("144p").len()), (4, 0));
    control.drop_tracks(["240p".to_owned()]);
    let problem = run(&work, &media, WHOLE, &Recorder::default(), &control).unwrap_err();
    assert_eq!(problem.code, "job.cancelled");
}

#[test]
fn sound_is_one_row_of_samples_whatever_the_parts_hold() {
    let (long, short) = (silence("mp4", &[(0, 144_000)]), silence("mp4", &[(0, 30_720)]));
    let parts = [(&long, Some(500), Some(1_500)), (&short, None, None), (&long, Some(2_000), Some(2_500))];
    let (work, media) = planned(&parts, "");
    let rendition = &work.plan.audio[0];
    let places: Vec<_> = rendition.parts.iter().map(|part| (part.start, part.end)).collect();
    assert_eq!((places[0], places[2].1.map(|end| end - places[2].0)), ((0, Some(48_000)), Some(24_000)));
    let recorder = Recorder::default();
    let open = |place: usize| Ok(Bytes::whole(&media[place]) as Box<dyn ByteSource>);
    joined::audio(&open, &work.plan, &recorder, &Control::default()).unwrap();
    let shape = recorder.shape(&rendition.id);
    assert_eq!(shape[0].1, 0);
    assert!(shape.windows(2).all(|pair| pair[0].1 + pair[0].2 == pair[1].1), "no gap: {shape:?}");
    assert_eq!(shape.last().map(|s| s.1 + s.2), places[2].1, "{shape:?}");
}
