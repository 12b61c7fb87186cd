//! Fields and rates, by numbers that are painted into pictures: which are shown, when, and the same ones in spans.

use crate::numbered::{Made, made, numbered};
use crate::tools::{ffmpeg, ffprobe, joined, transcode};
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn under_a_limit_every_second_picture_is_left_out_and_spans_show_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", "60000/1001", 5, "");
    let whole = made(&clip, &["--frame-rate-max", "30"]);
    let numbers = whole.numbers();
    assert_eq!(numbers, (0..numbers.len()).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(numbers.len(), 150);
    let text = whole.manifests();
    assert!(text.contains("FRAME-RATE=29.970") && text.contains("frameRate=\"30000/1001\""), "{text}");
    let spans = made(&clip, &["--frame-rate-max", "30", "--spans", "3"]);
    assert_eq!((spans.numbers(), spans.times()), (numbers, whole.times()));
    assert_eq!(made(&clip, &["--frame-rate-max", "60"]).numbers().len(), 300, "a limit that is kept changes nothing");
}

#[test]
fn an_exact_rate_leaves_out_and_repeats_whole_pictures_in_spans_too() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", "25", 5, "");
    for (rate, count, told) in [("30000/1001", 150, "29.970"), ("50", 250, "50.000"), ("24", 120, "24.000")] {
        let whole = made(&clip, &["--frame-rate", rate]);
        let numbers = whole.numbers();
        assert_eq!(numbers.len(), count, "{rate}");
        let distinct = numbers.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
        assert!(numbers.is_sorted() && distinct == count.min(125), "{rate}: {numbers:?}");
        // No picture is off by more than one of either rate.
        let seconds = |n: usize| n as f64 * 5.0 / count as f64;
        assert!(numbers.iter().enumerate().all(|(n, shown)| (seconds(n) - *shown as f64 / 25.0).abs() < 0.05));
        assert!(whole.manifests().contains(&format!("FRAME-RATE={told}")));
        let spans = made(&clip, &["--frame-rate", rate, "--spans", "4"]);
        assert_eq!((spans.numbers(), spans.times()), (numbers, whole.times()), "{rate}");
    }
}

#[test]
fn what_is_cut_begins_with_the_picture_that_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let clip = numbered(dir.path(), "a.mp4", "50", 5, "");
    let part = made(&clip, &["--frame-rate-max", "25", "--from", "1.02", "--to", "3.02"]);
    assert_eq!(part.numbers(), (0..50).map(|n| 51 + 2 * n).collect::<Vec<_>>());
    let more = made(&clip, &["--frame-rate", "100", "--from", "1.02", "--to", "2.02", "--spans", "2"]);
    assert_eq!(more.numbers(), (0..100).map(|n| 51 + n / 2).collect::<Vec<_>>());
}

#[test]
fn varying_rates_stay_under_a_limit_or_become_constant() {
    let dir = tempfile::tempdir().unwrap();
    let irregular = ",settb=1/1000,setpts='(0.031*N+0.013*mod(N,3)*mod(N,2))/TB'";
    let clip = numbered(dir.path(), "a.mkv", "30", 6, irregular);
    let limited = made(&clip, &["--frame-rate-max", "20"]);
    let (times, numbers) = (limited.times(), limited.numbers());
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 90_000 / 20), "{times:?}");
    assert!(times.windows(2).any(|pair| pair[1] - pair[0] != times[1]), "not made constant: {times:?}");
    assert!(numbers.is_sorted() && numbers.last() == Some(&179) && (90..=115).contains(&numbers.len()), "{numbers:?}");
    let spans = made(&clip, &["--frame-rate-max", "20", "--spans", "3"]);
    assert_eq!((spans.numbers(), spans.times()), (numbers, times));
    let exact = made(&clip, &["--frame-rate", "25"]);
    let (times, numbers) = (exact.times(), exact.numbers());
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == times[1]), "{times:?}");
    assert!((138..=142).contains(&numbers.len()), "{}", numbers.len());
    let spans = made(&clip, &["--frame-rate", "25", "--spans", "3"]);
    assert_eq!((spans.numbers(), spans.times()), (numbers, times));
}

#[test]
fn parts_of_many_rates_are_shown_at_the_one_that_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let slow = numbered(dir.path(), "a.mp4", "25", 2, "");
    let fast = numbered(dir.path(), "b.mp4", "50", 2, "");
    let more = ["--append", fast.to_str().unwrap(), "--frame-rate", "50"];
    let both = made(&slow, &more);
    let wanted: Vec<usize> = (0..100).map(|n| n / 2).chain(0..100).collect();
    let off = both.numbers().iter().zip(&wanted).filter(|(a, b)| a.abs_diff(**b) > 1).count();
    assert_eq!((off, both.numbers().len()), (0, 200), "{:?}", both.numbers());
    assert_eq!(both.numbers()[100..], wanted[100..]);
    let spans = made(&slow, &[&more[..], &["--spans", "3"]].concat());
    assert_eq!((spans.numbers(), spans.times()), (both.numbers(), both.times()));
}

/// A bar that moves by two columns a field, as frames of two fields.
fn interlaced(dir: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let bar = "color=black:size=320x180:rate=50:duration=3,format=gray,geq=lum='if(between(X,2*N,2*N+16),235,16)',tinterlace=mode=interleave_top,setfield=tff,format=yuv420p";
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", "25"];
    ffmpeg(&[&["-f", "lavfi", "-i", bar][..], &codec, flags, &[path.to_str().unwrap()]].concat());
    path
}

/// Where the bar is in each picture, in hundredths of a column of the source.
fn bars(made: &Made) -> Vec<u64> {
    let form = ["-fps_mode", "passthrough", "-vf", "scale=w=160:h=1:flags=area,format=gray", "-f", "rawvideo", "-"];
    let arguments = [&["-nostdin", "-v", "error", "-i", made.file.to_str().unwrap()][..], &form].concat();
    let ran = Command::new("ffmpeg").args(arguments).output().unwrap();
    let place = |row: &[u8]| {
        let lit = || row.iter().enumerate().map(|(x, luma)| (x as u64, u64::from(luma.saturating_sub(40))));
        lit().map(|(x, weight)| x * 200 * weight).sum::<u64>() / lit().map(|(_, weight)| weight).sum::<u64>().max(1)
    };
    ran.stdout.chunks(160).map(place).collect()
}

#[test]
fn each_field_becomes_a_picture_in_order_and_spans_show_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let clip = interlaced(dir.path(), "a.mp4", &["-flags", "+ildct+ilme", "-top", "1"]);
    let usual = made(&clip, &[]);
    assert_eq!((bars(&usual).len(), usual.manifests().contains("FRAME-RATE=25.000")), (75, true));
    let smooth = made(&clip, &["--field-rate", "field"]);
    let places = bars(&smooth);
    assert_eq!(places.len(), 150);
    assert!(smooth.manifests().contains("FRAME-RATE=50.000") && smooth.manifests().contains("frameRate=\"50\""));
    assert!(places.windows(2).all(|pair| (100..=300).contains(&(pair[1].saturating_sub(pair[0])))), "{places:?}");
    let spans = made(&clip, &["--field-rate", "field", "--spans", "3"]);
    assert_eq!(smooth.times(), spans.times());
    assert!(bars(&spans).iter().zip(&places).all(|(a, b)| a.abs_diff(*b) < 60), "{places:?}");
    let wrong = bars(&made(&clip, &["--field-rate", "field", "--field-order", "bottom"]));
    assert!(wrong.windows(2).any(|pair| pair[1] < pair[0]), "the order of fields is turned: {wrong:?}");
    let both = made(&clip, &["--field-rate", "field", "--frame-rate-max", "30"]);
    assert_eq!(bars(&both).len(), 75, "a limit counts pictures, not frames");
}

#[test]
fn fields_are_left_alone_or_taken_apart_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let told = interlaced(dir.path(), "a.mp4", &["-flags", "+ildct+ilme", "-top", "1"]);
    let untold = interlaced(dir.path(), "b.mp4", &[]);
    // What differs between neighbouring lines.
    let comb = |made: &Made| {
        let filter =
            "format=gray,convolution=0 -1 0 0 2 0 0 -1 0,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-";
        let text = ffmpeg(&["-i", made.file.to_str().unwrap(), "-an", "-vf", filter, "-f", "null", "-"]);
        text.lines().filter_map(|line| line.split_once("YAVG=")?.1.parse::<f64>().ok()).sum::<f64>()
    };
    let whole = ["--renditions", "180p"];
    let of = |clip: &Path, options: &[&str]| {
        let scratch = tempfile::tempdir().unwrap();
        let out = scratch.path().join("out");
        let base = ["--packaging", "cmaf", "--speed", "fast", "--rate-control", "crf", "--crf", "14"];
        let report = transcode(clip, &out, &[&base[..], &whole, options].concat());
        let file = joined(&out.join("cmaf/180p"), &scratch.path().join("all.mp4"));
        Made { scratch, file, report }
    };
    let [auto, off] = [of(&told, &[]), of(&told, &["--deinterlace", "off"])].map(|made| comb(&made));
    assert!(off > auto * 2.0, "{off} {auto}");
    let untouched = of(&untold, &["--field-rate", "field"]);
    assert!(comb(&untouched) > auto * 2.0);
    assert!(untouched.report.to_string().contains("source.no_fields"), "{}", untouched.report);
    let forced = of(&untold, &["--deinterlace", "force", "--field-rate", "field"]);
    assert_eq!(ffprobe(&forced.file, "stream=avg_frame_rate"), ["50/1"]);
    assert!(comb(&forced) < comb(&untouched));
}
