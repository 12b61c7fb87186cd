//! Fields and rates in plans: who shares a decode, what is refused, and what stills and watermarks make of it.

use super::cases::{asking, grouped};
use super::jobs::{hd, job};
use crate::model::facts::{Scan, VideoFacts};
use crate::model::mark::Mark;
use crate::model::request::{Deinterlace, FieldRate, PictureOptions, StillsOptions, Watermark};
use crate::model::{MediaFacts, Ratio};
use crate::plan::testing::{movie, video};
use crate::plan::{Node, Request, plan};

fn limited(most: &str) -> Request {
    let picture = PictureOptions { frame_rate_max: most.parse().ok(), ..PictureOptions::default() };
    Request { picture, ..asking("720p") }
}

fn fast() -> MediaFacts {
    movie(video(1280, 720, 50, 1))
}

fn fields() -> MediaFacts {
    movie(VideoFacts { scan: Scan::TopFirst, ..video(1920, 1080, 25, 1) })
}

fn with(picture: PictureOptions) -> Request {
    Request { picture, ..asking("720p") }
}

#[test]
fn another_rate_is_another_decode_and_sound_is_made_once() {
    let requests = [asking("720p"), limited("60"), limited("25"), Request { omit_video: true, ..Request::default() }];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1]] {
        let asked = order.map(|n: usize| requests[n].clone()).to_vec();
        let plan = job(vec![fast()], asked).planned().plan;
        let works: Vec<_> = plan.works.iter().map(|work| &work.plan).collect();
        let mut rates: Vec<Ratio> = works.iter().filter_map(|w| w.video.as_ref()).map(|v| v.frame_rate).collect();
        rates.sort_by_key(|rate| rate.num);
        assert_eq!(rates, [Ratio::new(25, 1), Ratio::new(50, 1)], "a limit that is kept changes nothing");
        assert_eq!(works.iter().map(|work| work.audio.len()).sum::<usize>(), 1, "{order:?}");
        let of_sound = |output: usize| plan.outputs[output].as_ref().unwrap().tracks.last().unwrap().clone();
        assert!((1..4).all(|n| (of_sound(n).work, of_sound(n).rendition) == (of_sound(0).work, of_sound(0).rendition)));
        let told = plan.outputs.iter().flatten().flat_map(|output| &output.notes);
        assert_eq!(told.filter(|note| note.code == "work.other_rate").count(), 1);
    }
}

#[test]
fn pictures_at_another_rate_or_with_their_fields_left_alone_are_no_copies() {
    let copy = |request: Request| Request { copy: true, renditions: asking("1080p").renditions, ..request };
    let mut source = grouped(1920, 1080, 4_000_000);
    assert!(plan(&source, &copy(limited("30")), &Node { threads: 4 }).unwrap().video.unwrap().renditions[0].copy);
    assert!(!plan(&source, &copy(limited("20")), &Node { threads: 4 }).unwrap().video.unwrap().renditions[0].copy);
    let off = with(PictureOptions { deinterlace: Deinterlace::Off, ..PictureOptions::default() });
    source.streams[0].video.as_mut().unwrap().scan = Scan::TopFirst;
    assert!(!plan(&source, &copy(off), &Node { threads: 4 }).unwrap().video.unwrap().renditions[0].copy);
}

#[test]
fn what_is_said_of_fields_of_a_joined_source_is_refused() {
    let picture = PictureOptions { field_rate: FieldRate::Field, ..PictureOptions::default() };
    let mut job = job(vec![hd(), hd(), hd()], vec![with(picture), limited("20")]);
    job.spec.sources[2].locator = None;
    job.spec.sources[2].concat = vec![0, 1];
    for output in &mut job.spec.outputs {
        output.source = 2;
    }
    let planned = job.planned();
    let problem = &planned.problems[0].1[0];
    assert_eq!(
        (problem.code.as_str(), problem.field.as_str()),
        ("request.deinterlace", "outputs[0].picture.field_rate")
    );
    let video = planned.plan.works[0].plan.video.as_ref().unwrap();
    assert_eq!((video.frame_rate, video.cadence), (Ratio::new(20, 1), None), "parts bring their own rates");
    let frame = i64::from(video.frame_ticks.unwrap());
    assert!(video.parts.iter().all(|part| part.start % frame == 0 && part.end.unwrap_or(0) % frame == 0));
}

#[test]
fn film_in_television_becomes_film_on_the_cpu_at_four_fifths_of_the_rate() {
    let film = PictureOptions { deinterlace: Deinterlace::InverseTelecine, ..PictureOptions::default() };
    let of = |num, den, varies, picture: PictureOptions| {
        let source = movie(VideoFacts { variable_rate: varies, ..video(720, 480, num, den) });
        plan(&source, &with(picture), &Node { threads: 4 }).map(|plan| plan.video.unwrap())
    };
    let ntsc = of(30_000, 1001, false, film).unwrap();
    assert_eq!((ntsc.frame_rate, ntsc.frame_ticks, ntsc.timescale), (Ratio::new(24_000, 1001), Some(1001), 24_000));
    assert_eq!(ntsc.fields.unwrap().telecine, Some(Ratio::new(30_000, 1001)));
    assert_eq!(of(30, 1, false, film).unwrap().frame_rate, Ratio::new(24, 1));
    let by_flags = of(25_000, 1001, true, film).unwrap();
    assert_eq!((by_flags.frame_rate, by_flags.frame_ticks), (Ratio::new(24_000, 1001), Some(1001)));
    let most = |rate: &str| PictureOptions { frame_rate_max: rate.parse().ok(), ..film };
    assert_eq!(of(30_000, 1001, false, most("24")).unwrap().frame_rate, Ratio::new(24_000, 1001));
    assert_eq!(of(30_000, 1001, false, most("12")).unwrap().frame_rate, Ratio::new(12_000, 1001));
    for (num, den) in [(25, 1), (24_000, 1001), (60, 1)] {
        let problem = of(num, den, false, film).unwrap_err().remove(0);
        assert_eq!(
            (problem.code.as_str(), problem.field.as_str()),
            ("request.deinterlace", "outputs[0].picture.deinterlace")
        );
    }
}

#[test]
fn stills_are_deinterlaced_as_said_and_have_the_sources_clock() {
    let stills = StillsOptions { evenly: Some(3), ..StillsOptions::default() };
    let picture =
        PictureOptions { field_rate: FieldRate::Field, frame_rate_max: "30".parse().ok(), ..PictureOptions::default() };
    let made = plan(&fields(), &Request { stills: Some(stills), ..with(picture) }, &Node { threads: 4 }).unwrap();
    let (video, of_stills) = (made.video.unwrap(), made.stills.unwrap().video);
    assert_eq!((video.frame_rate, video.fields.unwrap().each), (Ratio::new(25, 1), true));
    assert_eq!((of_stills.frame_rate, of_stills.fields, of_stills.cadence), (Ratio::new(25, 1), None, None));
    assert!(video.prepare.contains("send_field") && of_stills.prepare.contains("send_frame"));
}

#[test]
fn timecodes_count_by_the_rate_that_is_shown() {
    let mark = Watermark { timecode: "00:00:00:00".parse().ok(), ..Watermark::default() };
    let request = Request { watermarks: vec![mark], ..limited("30") };
    let made = plan(&movie(video(1280, 720, 60, 1)), &request, &Node { threads: 4 }).unwrap();
    let video = made.video.unwrap();
    let marks: &[Mark] = &video.renditions[0].marks;
    assert_eq!((marks.len(), video.renditions[0].frame_rate), (1, Ratio::new(30, 1)));
}
