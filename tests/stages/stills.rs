//! Single pictures: the ones that are meant, with as little decoding as that takes, and the same ones again.

use crate::made::{Bytes, facts, grey, timed};
use reelmill::model::request::{ImageFormat, Moment, SpriteOptions, StillsOptions};
use reelmill::model::{Plan, Problem};
use reelmill::pipeline::Control;
use reelmill::pipeline::stills::{self, FinishedPicture, Made, PictureOutlet};
use reelmill::plan::{Node, Request, plan};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// Records what is made and told.
#[derive(Default)]
struct Recorder {
    pictures: Mutex<Vec<FinishedPicture>>,
    notes: Mutex<Vec<(String, bool, String)>>,
}

impl PictureOutlet for Recorder {
    fn picture(&self, picture: FinishedPicture) -> Result<(), Problem> {
        self.pictures.lock().unwrap().push(picture);
        Ok(())
    }

    fn note(&self, set: &str, failed: bool, problem: Problem) {
        self.notes.lock().unwrap().push((set.to_owned(), failed, problem.code));
    }

    fn progress(&self, _set: &str, _pictures: u64, _media_us: i64) {}
}

pub(crate) fn planned(data: &Arc<Vec<u8>>, request: &Request) -> Plan {
    plan(&facts(data), request, &Node { threads: 1 }).unwrap()
}

/// An MP4 file of so many pictures, 25 a second, with a key frame each second.
fn clip_of(frames: i64) -> Arc<Vec<u8>> {
    let times: Vec<i64> = (0..frames).map(|at| at * 512).collect();
    timed(12_800, &times, 512, 25)
}

pub(crate) fn of_stills(stills: StillsOptions) -> Request {
    Request { stills: Some(StillsOptions { alone: true, ..stills }), ..Request::default() }
}

pub(crate) fn at(times_ms: &[i64]) -> StillsOptions {
    let times = times_ms.iter().map(|ms| Moment(ms * 1000)).collect();
    StillsOptions { times, format: ImageFormat::Png, ..StillsOptions::default() }
}

/// The pictures in order, what was told, and how many were decoded.
pub(crate) type Outcome = (Vec<FinishedPicture>, Vec<(String, bool, String)>, u64);

/// Makes those of a source.
pub(crate) fn made(data: &Arc<Vec<u8>>, plan: &Plan, have: &Made) -> Outcome {
    made_of(std::slice::from_ref(data), plan, have)
}

/// Makes those of a joined source, of which these are the inputs.
pub(crate) fn made_of(media: &[Arc<Vec<u8>>], plan: &Plan, have: &Made) -> Outcome {
    let (recorder, control) = (Recorder::default(), Control::default());
    stills::run(&|place| Ok(Bytes::whole(&media[place])), plan, have, &recorder, &control).unwrap();
    let mut pictures = recorder.pictures.into_inner().unwrap();
    pictures.sort_by_key(|picture| (picture.set.clone(), picture.number));
    (pictures, recorder.notes.into_inner().unwrap(), control.frames_decoded.load(Ordering::Relaxed))
}

pub(crate) fn times(pictures: &[FinishedPicture]) -> Vec<i64> {
    pictures.iter().map(|picture| picture.time_us / 1000).collect()
}

#[test]
fn the_picture_shown_at_an_instant_is_found_without_decoding_all() {
    let clip = clip_of(500);
    let plan = planned(&clip, &of_stills(at(&[19_999, 0, 39, 40, 5_020])));
    let (pictures, notes, decoded) = made(&clip, &plan, &Made::new());
    assert_eq!(times(&pictures), [19_960, 0, 0, 40, 5_000], "numbered as asked");
    assert!(notes.is_empty());
    assert!(decoded < 100, "{decoded} of 500 were decoded");
    let asked: Vec<_> = pictures.iter().filter_map(|picture| picture.asked_us).collect();
    assert_eq!(asked, [19_999_000, 0, 39_000, 40_000, 5_020_000]);
    assert_eq!((pictures[0].width, pictures[0].height), (320, 240));
    assert!(pictures.iter().all(|picture| picture.bytes.starts_with(b"\x89PNG")));
    assert_ne!(grey(0), grey(1));
    assert_eq!(pictures[1].bytes, pictures[2].bytes);
    assert_ne!(pictures[1].bytes, pictures[3].bytes);
}

#[test]
fn of_key_frames_one_is_decoded_for_each() {
    let clip = clip_of(500);
    let options = StillsOptions { key_frames: true, ..at(&[999, 1_000, 10_500, 19_999]) };
    let (pictures, _, decoded) = made(&clip, &planned(&clip, &of_stills(options)), &Made::new());
    assert_eq!(times(&pictures), [0, 1_000, 10_000, 19_000]);
    assert!(decoded <= 6, "{decoded} were decoded for four");
}

#[test]
fn a_time_past_the_end_ends_its_set_alone() {
    let clip = clip_of(50);
    let late = plan(&facts(&clip), &of_stills(at(&[2_500])), &Node { threads: 1 }).unwrap_err();
    assert_eq!((late[0].code.as_str(), late[0].field.as_str()), ("still.past_end", "outputs[0].stills.times[0]"));
    // What the container says is believed only so far: this is left to whoever looks.
    let mut plan = planned(&clip, &of_stills(at(&[1_960, 2_050])));
    let sprites = Some(SpriteOptions { interval: Some(Moment(500_000)), alone: true, ..SpriteOptions::default() });
    let both = planned(&clip, &Request { sprites, ..Request::default() });
    plan.stills.as_mut().unwrap().sets.extend(both.stills.unwrap().sets);
    let (pictures, notes, _) = made(&clip, &plan, &Made::new());
    assert_eq!(notes, [("stills-0".to_owned(), true, "still.past_end".to_owned())]);
    assert_eq!(pictures.iter().filter(|picture| picture.set == "sprites-0").count(), 1);
}

#[test]
fn sheets_are_full_but_for_the_last_and_are_made_again_alike() {
    let clip = clip_of(100);
    let sprites = SpriteOptions {
        columns: Some(2),
        rows: Some(2),
        tile_width: Some(64),
        interval: Some(Moment(500_000)),
        exact: true,
        alone: true,
        ..SpriteOptions::default()
    };
    let plan = planned(&clip, &Request { sprites: Some(sprites), ..Request::default() });
    let (sheets, _, _) = made(&clip, &plan, &Made::new());
    let shape = |sheet: &FinishedPicture| (sheet.number, sheet.tiles, sheet.time_us, sheet.end_us);
    let shapes: Vec<_> = sheets.iter().map(shape).collect();
    assert_eq!(shapes, [(1, 4, 0, 2_000_000), (2, 4, 2_000_000, 4_000_000)]);
    assert!(
        sheets.iter().all(|sheet| (sheet.width, sheet.height) == (128, 96) && sheet.bytes.starts_with(b"\xff\xd8"))
    );
    let (rest, _, _) = made(&clip, &plan, &BTreeMap::from([("sprites-0".to_owned(), [1].into())]));
    assert_eq!(rest, sheets[1..]);
    let (none, _, _) = made(&clip, &plan, &BTreeMap::from([("sprites-0".to_owned(), [1, 2].into())]));
    assert!(none.is_empty());
    let odd = clip_of(90);
    let shapes: Vec<_> = made(&odd, &plan, &Made::new()).0.iter().map(shape).collect();
    assert_eq!(shapes, [(1, 4, 0, 2_000_000), (2, 4, 2_000_000, 3_600_000)]);
}

#[test]
fn every_and_evenly_keep_to_the_output() {
    let clip = clip_of(100);
    let every = StillsOptions { times: Vec::new(), every: Some(Moment(1_500_000)), ..at(&[]) };
    assert_eq!(times(&made(&clip, &planned(&clip, &of_stills(every)), &Made::new()).0), [0, 1_480, 3_000]);
    let evenly = StillsOptions { evenly: Some(2), ..at(&[]) };
    assert_eq!(times(&made(&clip, &planned(&clip, &of_stills(evenly)), &Made::new()).0), [1_000, 3_000]);
}

#[test]
fn grey_pictures_are_no_good_ones_but_one_is_given() {
    let clip = clip_of(100);
    let best = StillsOptions { best: Some(3), ..at(&[]) };
    let (pictures, notes, _) = made(&clip, &planned(&clip, &of_stills(best)), &Made::new());
    assert_eq!(pictures.len(), 1);
    assert_eq!(notes, [("stills-0".to_owned(), false, "still.fewer".to_owned())]);
}
