//! Two passes, looked at in sizes, times and pictures.

use crate::tools::{clip_of, ffmpeg, ffprobe, joined, pictures, reelmill, segments, ssim, times, transcode};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const TONE: &str = "sine=frequency=440:duration=12";
/// Six seconds that are easy to encode, six that are not.
const UNEVEN: &str = "testsrc2=size=320x180:rate=25:duration=6[a];mandelbrot=size=320x180:rate=25,trim=duration=6[b];\
                      [a][b]concat";
const OPTIONS: [&str; 8] = ["--speed", "fast", "--segment", "2s", "--renditions", "180p@200k", "--packaging", "cmaf"];

/// Bits a second of the pictures of a track.
fn rate(track: &Path) -> u64 {
    let bytes: u64 = segments(&track.join("media.m3u8")).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    bytes * 8 / 12
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn two_pass(input: &Path, out: &Path, more: &[&str]) -> Value {
    transcode(input, out, &[&OPTIONS[..], &["--rate-control", "two-pass"], more].concat())
}

#[test]
fn an_average_is_hit_where_one_pass_misses_it_and_hard_pictures_get_more_of_it() {
    let (scratch, clip) = clip_of(UNEVEN, TONE);
    for codec in ["h264", "hevc", "vp9"] {
        let [one, two] = ["one", "two"].map(|name| scratch.path().join(format!("{codec}-{name}")));
        transcode(&clip, &one, &[&OPTIONS[..], &["--codec", codec]].concat());
        two_pass(&clip, &two, &["--codec", codec]);
        let [before, after] = [&one, &two].map(|out| rate(&out.join("cmaf/180p")));
        assert!((190_000..=215_000).contains(&after), "{codec}: {after} b/s, and {before} in one pass");
        let look = |out: &Path| {
            let whole = joined(&out.join("cmaf/180p"), &scratch.path().join("whole.mp4"));
            assert_eq!(pictures(&["-i", whole.to_str().unwrap()]), 300, "{codec}");
            ssim(&whole, &clip, scratch.path())
        };
        let (one, two) = (look(&one), look(&two));
        assert!(mean(&two[150..]) > mean(&one[150..]), "{codec}: hard pictures look better");
    }
}

#[test]
fn spans_in_two_passes_join_as_those_in_one_do() {
    let (scratch, clip) = clip_of(UNEVEN, TONE);
    for codec in ["h264", "hevc", "vp9"] {
        let [whole, apart] = ["whole", "apart"].map(|name| scratch.path().join(format!("{codec}-{name}")));
        two_pass(&clip, &whole, &["--codec", codec]);
        two_pass(&clip, &apart, &["--codec", codec, "--spans", "3"]);
        let file = |out: &Path| joined(&out.join("cmaf/180p"), &out.join("joined.mp4"));
        let (whole, apart) = (file(&whole), file(&apart));
        assert_eq!(times(&whole), times(&apart), "{codec}");
        assert_eq!(pictures(&["-xerror", "-i", apart.to_str().unwrap()]), 300, "{codec}");
        let (keys, worst) = (ffprobe(&apart, "packet=flags"), ssim(&apart, &clip, scratch.path()));
        assert!(keys.iter().filter(|flags| flags.starts_with('K')).count() >= 6, "{codec}");
        let joint = |at: usize| mean(&worst[at..at + 5]) > 0.8 * mean(&worst[at - 5..at]).min(1.0);
        assert!(joint(100) && joint(200), "{codec}: {:?} {:?}", &worst[95..105], &worst[195..205]);
        let left = Command::new("find").arg(scratch.path()).args(["-name", "first-pass*"]).output().unwrap();
        assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
    }
}

#[test]
fn only_rungs_in_two_passes_and_their_parents_are_looked_at_first() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=4", TONE);
    let out = scratch.path().join("out");
    // Ten-bit parents, marks and a part of the source go through both passes alike.
    let options =
        ["--renditions", "180p,90p", "--from", "1", "--to", "3", "--watermark-text", "Draft", "--codec", "h264,vp9"];
    transcode(
        &clip,
        &out,
        &[&["--rate-control", "two-pass", "--speed", "fast", "--segment", "1s"][..], &options].concat(),
    );
    for rung in ["180p-h264", "90p-h264", "180p-vp9", "90p-vp9"] {
        let whole = joined(&out.join("cmaf").join(rung), &scratch.path().join("whole.mp4"));
        assert_eq!(pictures(&["-xerror", "-i", whole.to_str().unwrap()]), 50, "{rung}");
    }
}

#[test]
fn parts_of_a_joined_source_are_looked_at_first_too() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=2", "sine=frequency=440:duration=2");
    let (out, other) = (scratch.path().join("out"), scratch.path().join("other.mp4"));
    let picture = ["-f", "lavfi", "-i", "mandelbrot=size=320x180:rate=25", "-t", "2", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&picture[..], &[other.to_str().unwrap()]].concat());
    two_pass(&clip, &out, &["--append", other.to_str().unwrap()]);
    let whole = joined(&out.join("cmaf/180p"), &scratch.path().join("whole.mp4"));
    assert_eq!(pictures(&["-xerror", "-i", whole.to_str().unwrap()]), 100);
}

#[test]
fn av1_in_two_passes_is_refused() {
    let (scratch, clip) = clip_of("testsrc2=size=320x180:rate=25:duration=1", TONE);
    let out = scratch.path().join("out");
    let asked = ["--rate-control", "two-pass", "--codec", "h264,av1"];
    let ran = reelmill().arg("transcode").args([&clip, &out]).args(asked).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(2) && said.contains("[request.rate_control]") && said.contains("av1"), "{said}");
}
