//! A job of several files: parts of one, what stands around it, sound and rungs of others; looked at in its pictures and
//! samples.

use crate::sound::frequency;
use crate::tools::{ffmpeg, ffprobe, joined, reelmill, transcode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const FAST: [&str; 6] = ["--speed", "fast", "--segment", "1s", "--packaging", "cmaf"];

/// Pictures of a luma that grows by 2 each from 40, 25 a second, with a tone of a frequency; a key frame each second.
fn ramp(dir: &Path, name: &str, seconds: u32, frequency: u32) -> PathBuf {
    let picture = format!("color=black:s=320x180:r=25:d={seconds},format=yuv420p,geq=lum='40+2*N':cb=128:cr=128");
    let tone = format!("sine=frequency={frequency}:sample_rate=48000:duration={seconds}");
    let codecs = ["-c:v", "libx264", "-crf", "1", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le"];
    let path = dir.join(name);
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone];
    ffmpeg(&[&inputs[..], &codecs, &[path.to_str().unwrap()]].concat());
    path
}

/// A white file without sound.
fn plain(dir: &Path, size: &str, seconds: u32, rate: u32) -> PathBuf {
    let path = dir.join(format!("white-{size}-{seconds}-{rate}.mov"));
    let picture = format!("color=white:s={size}:r={rate}:d={seconds}");
    ffmpeg(&["-f", "lavfi", "-i", &picture, "-c:v", "libx264", "-pix_fmt", "yuv420p", path.to_str().unwrap()]);
    path
}

/// Mean luma of each picture of a rung.
fn lumas(out: &Path, rung: &str, scratch: &TempDir) -> Vec<u8> {
    lumas_of(&joined(&out.join("cmaf").join(rung), &scratch.path().join("whole.mp4")))
}

/// Mean luma of each picture of a file.
fn lumas_of(file: &Path) -> Vec<u8> {
    let form = ["-vf", "scale=1:1:flags=area,format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-"];
    let ran = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(file).args(form).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// That pictures are those of the source, one by one: each is brighter than the one before by more than what is let pass.
fn close(got: &[u8], wanted: &[u8]) {
    let off = got.iter().zip(wanted).filter(|(a, b)| a.abs_diff(**b) > 1).count();
    assert!(got.len() == wanted.len() && off == 0, "{got:?} is not {wanted:?}");
}

#[test]
fn a_part_begins_and_ends_at_its_frame() {
    let scratch = tempfile::tempdir().unwrap();
    let source = ramp(scratch.path(), "ramp.mov", 4, 440);
    let out = scratch.path().join("out");
    // Between key frames, and not at a whole segment.
    let part = ["--from", "0.52", "--to", "0:02.2", "--renditions", "180p"];
    let report = transcode(&source, &out, &[&FAST[..], &part].concat());
    assert_eq!(report["plan"]["duration_us"], 1_680_000);
    close(&lumas(&out, "180p", &scratch), &lumas_of(&source)[13..55]);
}

#[test]
fn what_stands_before_and_behind_is_there_to_the_frame() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let (source, white) = (ramp(dir, "ramp.mov", 2, 440), plain(dir, "160x120", 1, 50));
    let (out, jingle) = (dir.join("out"), white.to_str().unwrap());
    let around = ["--prepend", jingle, "--append", jingle, "--from", "1", "--renditions", "180p"];
    transcode(&source, &out, &[&FAST[..], &around].concat());
    // The film decides size and rate, not the jingle before it, which has bars at its sides.
    let whole = joined(&out.join("cmaf/180p"), &dir.join("whole.mp4"));
    assert_eq!(ffprobe(&whole, "stream=width,height,r_frame_rate"), ["320,180,25/1"]);
    let lumas = lumas(&out, "180p", &scratch);
    assert_eq!(lumas.len(), 75);
    close(&lumas[25..50], &lumas_of(&source)[25..]);
    assert!(lumas[..25].iter().chain(&lumas[50..]).all(|luma| (170..245).contains(luma)), "{lumas:?}");
}

#[test]
fn sound_of_other_files_is_heard_instead() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let source = ramp(dir, "ramp.mov", 3, 440);
    let (first, second) = (ramp(dir, "first.mov", 3, 1000), ramp(dir, "second.mov", 3, 3000));
    let out = dir.join("out");
    let others = ["--audio", first.to_str().unwrap(), "--audio", second.to_str().unwrap(), "--renditions", "180p"];
    transcode(&source, &out, &[&FAST[..], &others].concat());
    for (track, expected) in [("audio-1", 1000), ("audio-2", 3000)] {
        let heard = frequency(&out.join("cmaf").join(track), dir);
        assert!((heard - expected).abs() <= 5, "{track}: {heard} Hz");
    }
    close(&lumas(&out, "180p", &scratch), &lumas_of(&source));
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert_eq!(master.matches("TYPE=AUDIO").count(), 2, "{master}");
}

#[test]
fn a_rung_shows_its_own_source() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let (source, white) = (ramp(dir, "ramp.mov", 2, 440), plain(dir, "320x180", 2, 25));
    let out = dir.join("out");
    let mapping = format!("90p={}", white.display());
    let rungs = ["--renditions", "180p,90p", "--rendition-source", &mapping];
    transcode(&source, &out, &[&FAST[..], &rungs].concat());
    close(&lumas(&out, "180p", &scratch), &lumas_of(&source));
    let small = lumas(&out, "90p", &scratch);
    assert!(small.len() == 50 && small.iter().all(|luma| *luma > 250), "{small:?}");
    let whole = joined(&out.join("cmaf/90p"), &dir.join("whole.mp4"));
    assert_eq!(ffprobe(&whole, "stream=width,height"), ["160,90"]);
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_made() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let source = ramp(dir, "ramp.mov", 2, 440);
    let (short, fast) = (plain(dir, "320x180", 1, 25), plain(dir, "320x180", 2, 30));
    let out = dir.join("out");
    let of = |file: &Path| format!("90p={}", file.display());
    let (short_rung, fast_rung) = (of(&short), of(&fast));
    for (options, words) in [
        (["--rendition-source", &short_rung], "give both sources the same length"),
        (["--rendition-source", &fast_rung], "both need the same constant frame rate"),
        (["--audio", short.to_str().unwrap()], "the source that is named for sound has none"),
        (["--from", "7"], "nothing of it lies behind 7.000 s"),
    ] {
        let rungs = ["--renditions", "180p,90p"];
        let ran = reelmill().arg("transcode").args([&source, &out]).args(rungs).args(options).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{options:?}: {said}");
        assert!(!out.exists(), "{options:?}");
    }
}
