//! Ways to single pictures: parts of joined sources, and groups of pictures that are left out. What is found is what is shown.

use crate::joined::{Media, Part, constant, nearest, planned_as};
use crate::made::{Bytes, grey, open_groups, timed};
use crate::stills::{made, made_of, of_stills, planned, times};
use reelmill::av::input::Interrupt;
use reelmill::av::{Decoder, Frame, Input, Packet, Polled};
use reelmill::model::plan::Work;
use reelmill::model::request::{ImageFormat, Moment, SpriteOptions, StillsOptions};
use reelmill::pipeline::stills::{FinishedPicture, Made};
use reelmill::plan::Request;
use std::sync::Arc;

/// The grey of an image.
fn grey_of(picture: &FinishedPicture) -> u8 {
    let mut input = Input::open(Bytes::whole(&Arc::new(picture.bytes.clone())), Interrupt::default()).unwrap();
    input.find_stream_info().unwrap();
    let info = input.stream_info(0).unwrap();
    let mut decoder = Decoder::open(&info.params, info.time_base, 1).unwrap();
    let (mut packet, mut frame) = (Packet::new().unwrap(), Frame::new().unwrap());
    assert!(input.read(&mut packet).unwrap());
    decoder.send(Some(&packet)).unwrap();
    decoder.send(None).unwrap();
    assert_eq!(decoder.receive(&mut frame).unwrap(), Polled::Ready);
    frame.painted(0).unwrap()
}

/// Stills at these times, in the format that keeps a grey as it was.
fn at(times_ms: &[i64]) -> StillsOptions {
    StillsOptions { format: ImageFormat::Webp, quality: Some(100), ..crate::stills::at(times_ms) }
}

/// They show these pictures of their sources.
fn assert_are(pictures: &[FinishedPicture], expected: impl IntoIterator<Item = usize>) {
    let expected: Vec<usize> = expected.into_iter().collect();
    assert_eq!(pictures.len(), expected.len());
    for (picture, at) in pictures.iter().zip(expected) {
        let seen = grey_of(picture);
        assert!(seen.abs_diff(grey(at)) <= 6, "{} is {seen}, not {} of picture {at}", picture.number, grey(at));
    }
}

/// Stills of a joined source at the beginning of each of so many frames of 25 a second, and right before the next one.
fn at_frames(frames: i64) -> StillsOptions {
    let times = (0..frames).flat_map(|at| [Moment(at * 40_000), Moment(at * 40_000 + 39_999)]).collect();
    StillsOptions { times, width: Some(32), ..at(&[]) }
}

fn joined(parts: &[Part<'_>], stills: StillsOptions) -> (Work, Vec<Media>) {
    planned_as(parts, of_stills(stills))
}

fn twice(shown: impl IntoIterator<Item = usize>) -> Vec<usize> {
    shown.into_iter().flat_map(|at| [at, at]).collect()
}

#[test]
fn on_each_frame_of_a_joined_source_is_the_picture_that_its_renditions_have_there() {
    let (usual, slow) = (constant(25_000, 1000, 30), constant(12_000, 1000, 18));
    let (fast, ntsc) = (constant(50_000, 1000, 75), constant(30_000, 1001, 45));
    let parts =
        [(&usual, None, None), (&fast, None, None), (&ntsc, None, None), (&slow, None, None), (&usual, None, None)];
    let (work, media) = joined(&parts, at_frames(174));
    let shown: Vec<usize> = (nearest(30, 25, 1, 30))
        .chain(nearest(75, 50, 1, 38))
        .chain(nearest(45, 30_000, 1001, 38))
        .chain(nearest(18, 12, 1, 38))
        .chain(nearest(30, 25, 1, 30))
        .collect();
    let (pictures, notes, _) = made_of(&media, &work.plan, &Made::new());
    assert!(notes.is_empty(), "{notes:?}");
    assert_are(&pictures, twice(shown));
    assert!(pictures.iter().all(|picture| picture.time_us <= picture.asked_us.unwrap()));
}

#[test]
fn parts_are_cut_and_only_what_is_wanted_of_them_is_decoded() {
    let (long, other) = (constant(25_000, 1000, 750), constant(25_000, 1000, 500));
    let parts = [(&long, Some(2_000), Some(4_000)), (&other, Some(10_000), Some(11_000)), (&long, Some(28_000), None)];
    let (work, media) = joined(&parts, at_frames(125));
    let shown = (50..100).chain(250..275).chain(700..750);
    assert_are(&made_of(&media, &work.plan, &Made::new()).0, twice(shown));
    let (work, media) = joined(&parts, at(&[4_960, 0, 2_999, 1_000]));
    let (pictures, _, decoded) = made_of(&media, &work.plan, &Made::new());
    assert_are(&pictures, [749, 50, 274, 75]);
    assert!(decoded < 80, "{decoded} pictures were decoded for 4");
    let keys = StillsOptions { key_frames: true, ..at(&[100, 2_100, 4_990]) };
    let (work, media) = joined(&parts, keys);
    let (pictures, _, decoded) = made_of(&media, &work.plan, &Made::new());
    assert_are(&pictures, [50, 250, 740]);
    assert!(decoded <= 6, "{decoded} were decoded for three");
}

#[test]
fn the_last_picture_of_a_part_stands_until_the_next_one_and_that_of_all_for_its_time() {
    let gaps: Vec<i64> = (0..50).filter(|at| !(6..40).contains(at)).map(|at| at * 1000).collect();
    let paused = timed(25_000, &gaps, 1000, 10);
    let usual = constant(25_000, 1000, 25);
    let parts = [(&usual, None, None), (&paused, None, Some(1_400)), (&usual, None, None)];
    let (work, media) = joined(&parts, at_frames(85));
    let shown = (0..25).chain(0..6).chain(std::iter::repeat_n(5, 29)).chain(0..25);
    assert_are(&made_of(&media, &work.plan, &Made::new()).0, twice(shown));
    // What the plan takes for the end is not believed of the last part: whoever looks tells.
    let (mut late, _) = joined(&parts, at(&[3_399]));
    let sets = &mut late.plan.stills.as_mut().unwrap().sets;
    let reelmill::model::stills::Pick::Times { times, .. } = &mut sets[0].pick else { panic!("{sets:?}") };
    times.push(3_400_000);
    let (_, notes, _) = made_of(&media, &late.plan, &Made::new());
    assert_eq!(notes, [("stills-0".to_owned(), true, "still.past_end".to_owned())]);
}

#[test]
fn sheets_of_a_joined_source_go_through_its_joints() {
    let usual = constant(25_000, 1000, 30);
    let sprites = SpriteOptions {
        columns: Some(2),
        rows: Some(2),
        tile_width: Some(64),
        interval: Some(Moment(500_000)),
        exact: true,
        alone: true,
        ..SpriteOptions::default()
    };
    let parts = [(&usual, None, None), (&usual, None, None)];
    let (work, media) = planned_as(&parts, Request { sprites: Some(sprites), ..Request::default() });
    let (sheets, notes, _) = made_of(&media, &work.plan, &Made::new());
    assert!(notes.is_empty(), "{notes:?}");
    let shape = |sheet: &FinishedPicture| (sheet.number, sheet.tiles, sheet.time_us, sheet.end_us);
    assert_eq!(sheets.iter().map(shape).collect::<Vec<_>>(), [(1, 4, 0, 2_000_000), (2, 1, 2_000_000, 2_400_000)]);
}

#[test]
fn groups_are_left_out_without_an_index_and_the_pictures_are_the_same() {
    for (container, encoder) in
        [("mpegts", "libx264"), ("mpegts", "libx265"), ("mpegts", "mpeg2video"), ("mp4", "libx264"), ("mp4", "libx265")]
    {
        let name = format!("{encoder} in {container}");
        let clip = open_groups(container, encoder, 300);
        let every: Vec<i64> = (0..300).map(|frame| frame * 40 + 20).collect();
        let (all, notes, decoded) = made(&clip, &planned(&clip, &of_stills(at(&every))), &Made::new());
        assert!(notes.is_empty() && decoded >= 300, "{name}: {notes:?} {decoded}");
        assert_are(&all, 0..300);
        // First and last ones of groups, B-frames before a key frame, and some that lie far on.
        let wanted = [3, 24, 99, 100, 101, 147, 148, 149, 226, 299];
        let some: Vec<i64> = wanted.iter().map(|frame| frame * 40 + 20).collect();
        let (few, _, decoded) = made(&clip, &planned(&clip, &of_stills(at(&some))), &Made::new());
        for (picture, frame) in few.iter().zip(wanted) {
            assert!(picture.bytes == all[frame as usize].bytes, "{name}: picture {frame} is another one");
        }
        assert_eq!(times(&few), wanted.map(|frame| frame * 40), "{name}");
        assert!(decoded < 210, "{name}: {decoded} of 300 were decoded");
        // One far on costs its group alone.
        let (one, _, decoded) = made(&clip, &planned(&clip, &of_stills(at(&[10_220]))), &Made::new());
        assert!(one[0].bytes == all[255].bytes, "{name}");
        assert!(decoded < 40, "{name}: {decoded} were decoded for one");
        let keys = StillsOptions { key_frames: true, ..at(&[0, 860, 3_020, 11_980]) };
        let (keys, _, decoded) = made(&clip, &planned(&clip, &of_stills(keys)), &Made::new());
        for (key, frame) in keys.iter().zip([0, 21, 75, 299]) {
            // Where they are is for the encoder to say; a group has at most 25 pictures.
            let at = (key.time_us / 40_000) as usize;
            assert!(key.bytes == all[at].bytes, "{name}: not picture {at}");
            assert!((0..25).contains(&(frame - at as i64)), "{name}: {at} for {frame}");
        }
        assert!(decoded <= 4, "{name}: {decoded} key frames were decoded for three");
    }
}
