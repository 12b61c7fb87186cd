//! Film in fields of television becomes film again, by numbers that are painted into its pictures.

use crate::numbered::{Made, made, numbered};
use crate::tools::reelmill;

const FILM: &str = "24000/1001";
const INVERSE: [&str; 2] = ["--deinterlace", "inverse-telecine"];
/// The usual pull-down, upper fields first, as interlaced frames.
const PULL_DOWN: &str = ",telecine=pattern=23:first_field=top,setfield=tff";

fn of(clip: &std::path::Path, more: &[&str]) -> Made {
    made(clip, &[&INVERSE[..], more].concat())
}

/// Each number once, in order.
fn counted(made: &Made, from: usize, count: usize) {
    assert_eq!(made.numbers(), (from..from + count).collect::<Vec<_>>());
    let times = made.times();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 1001), "{times:?}");
}

#[test]
fn four_of_five_frames_remain_whole_and_spans_leave_out_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", FILM, 5, PULL_DOWN);
    let whole = of(&clip, &[]);
    counted(&whole, 0, 120);
    let text = whole.manifests();
    assert!(text.contains("FRAME-RATE=23.976") && text.contains("frameRate=\"24000/1001\""), "{text}");
    let spans = of(&clip, &["--spans", "4"]);
    assert_eq!((spans.numbers(), spans.times()), (whole.numbers(), whole.times()));
    let untouched = made(&clip, &[]).numbers();
    assert_eq!(untouched.len(), 150, "without being asked nothing is left out");
    let halved = of(&clip, &["--frame-rate-max", "12"]);
    assert_eq!(halved.numbers(), (0..60).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn what_is_cut_out_begins_and_ends_within_a_five() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", FILM, 5, PULL_DOWN);
    // Frames 13 to 72 of television: film's pictures 11 (in both fields of frame 13) and on.
    let part = of(&clip, &["--from", "0.43377", "--to", "2.43577"]);
    let numbers = part.numbers();
    assert!((47..=49).contains(&numbers.len()), "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!((10..=11).contains(&numbers[0]), "{numbers:?}");
}

#[test]
fn fields_that_are_repeated_by_flags_alone_lose_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    // What a decoder gives of such a stream: whole pictures that last three fields and two in turn.
    let uneven = ",settb=1/90000,setpts='3003*(floor(N/2)*2.5+mod(N,2)*1.5)'";
    let clip = numbered(dir.path(), "a.mkv", FILM, 5, uneven);
    counted(&of(&clip, &[]), 0, 120);
    counted(&of(&clip, &["--spans", "3"]), 0, 120);
}

#[test]
fn sources_of_other_rates_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", "25", 1, "");
    let ran = reelmill().arg("transcode").arg(&clip).arg(dir.path().join("out")).args(INVERSE).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("request.deinterlace") && told.contains("this one has 25"), "{told}");
}
