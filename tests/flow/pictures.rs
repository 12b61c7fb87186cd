//! Picture options, looked at in the pixels that come out.

use crate::tools::{clip_of, ffmpeg, ffprobe, joined, transcode};
use std::path::{Path, PathBuf};
use std::process::Command;

const TONE: &str = "sine=frequency=440:duration=2";
const COMMON: [&str; 6] = ["--packaging", "cmaf", "--speed", "fast", "--segment", "1s"];

/// Makes one rung of a clip and gives it as a file.
fn made(clip: &Path, scratch: &Path, name: &str, rung: &str, options: &[&str]) -> PathBuf {
    let out = scratch.join(name);
    transcode(clip, &out, &[&COMMON[..], &["--renditions", rung], options].concat());
    joined(&out.join("cmaf").join(rung), &scratch.join(format!("{name}.mp4")))
}

/// Red, green and blue of one place of the first picture.
fn color(file: &Path, x: u32, y: u32) -> [u8; 3] {
    let filter = format!("crop=w=2:h=2:x={x}:y={y},scale=w=1:h=1:flags=area,format=rgb24");
    let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", &filter, "-frames:v", "1"];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "rawvideo", "-"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout[..3].try_into().unwrap()
}

/// Luma and both differences, in 8 bits, a few pixels from the corner (both ways).
fn codes(file: &Path, at: u32, wanted: [u8; 3]) {
    let filter = format!("crop=w=2:h=2:x={at}:y=if(gt(iw\\,ih)\\,90\\,{at}),format=yuv420p");
    let arguments = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-vf", &filter, "-frames:v", "1"];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "rawvideo", "-"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let got = [ran.stdout[0], ran.stdout[4], ran.stdout[5]];
    assert!(got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3), "{got:?} is not {wanted:?}");
}

fn near(got: [u8; 3], wanted: [u8; 3]) {
    assert!(got.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 30), "{got:?} is not {wanted:?}");
}

/// The mean luma of pictures after a filter.
fn mean(file: &Path, filter: &str) -> f64 {
    let filter = format!("{filter},signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-");
    let text = ffmpeg(&["-i", file.to_str().unwrap(), "-an", "-vf", &filter, "-f", "null", "-"]);
    let values: Vec<f64> = text.lines().filter_map(|line| line.split_once("YAVG=")?.1.parse().ok()).collect();
    assert!(!values.is_empty(), "{text}");
    values.iter().sum::<f64>() / values.len() as f64
}

/// How much pixels stand out from the four around them (Laplace).
fn edges(file: &Path) -> f64 {
    mean(file, "format=gray,convolution=0 -1 0 -1 4 -1 0 -1 0")
}

/// Four quarters: red and green above blue and white.
const QUARTERS: &str = "color=red:size=320x180:rate=25:duration=2[a];color=lime:size=320x180:rate=25:duration=2[b];\
    color=blue:size=320x180:rate=25:duration=2[c];color=white:size=320x180:rate=25:duration=2[d];\
    [a][b]hstack[e];[c][d]hstack[f];[e][f]vstack,format=yuv420p";

#[test]
fn a_crop_shows_the_right_part_and_the_ladder_follows_it() {
    let (scratch, clip) = clip_of(QUARTERS, TONE);
    let part = made(&clip, scratch.path(), "part", "180p", &["--crop", "320x180+320+0"]);
    assert_eq!(ffprobe(&part, "stream=width,height,sample_aspect_ratio"), ["320,180,1:1"]);
    for (x, y) in [(2, 2), (316, 2), (2, 176), (316, 176)] {
        near(color(&part, x, y), [0, 255, 0]);
    }
    let high = made(&clip, scratch.path(), "high", "180p", &["--crop", "180x320+230+20"]);
    assert_eq!(ffprobe(&high, "stream=width,height"), ["180,320"], "a crop has a shape of its own");
    near(color(&high, 2, 2), [255, 0, 0]);
    near(color(&high, 176, 316), [255, 255, 255]);
}

#[test]
fn bars_have_their_colour_and_the_picture_keeps_its_shape() {
    let (scratch, clip) = clip_of(QUARTERS, TONE);
    let high = made(&clip, scratch.path(), "high", "360p", &["--pad", "9:16", "--pad-color", "#808080"]);
    assert_eq!(ffprobe(&high, "stream=width,height,sample_aspect_ratio"), ["360,640,1:1"]);
    for y in [4, 200, 440, 632] {
        near(color(&high, 180, y), [128, 128, 128]);
    }
    // 203 lines in the middle are the picture.
    near(color(&high, 20, 240), [255, 0, 0]);
    near(color(&high, 340, 400), [255, 255, 255]);
}

#[test]
fn bars_have_their_colour_by_the_matrix_of_the_pictures() {
    let (scratch, clip) = clip_of("color=gray:size=1280x720:rate=25:duration=1,format=yuv420p", TONE);
    let wide = made(&clip, scratch.path(), "wide", "180p", &["--pad", "3:1", "--pad-color", "#ff8000"]);
    assert_eq!(ffprobe(&wide, "stream=width,height,color_space"), ["540,180,bt709"]);
    for x in [8, 530] {
        codes(&wide, x, [141, 59, 189]);
    }
    near(color(&wide, 270, 90), [128; 3]);
}

#[test]
fn bars_in_hdr_are_no_brighter_than_white_on_paper() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = scratch.path().join("hdr.mp4");
    let x265 = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited";
    let grey = "color=gray:size=320x180:rate=25:duration=1,format=yuv420p10le";
    let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
    ffmpeg(&[&["-f", "lavfi", "-i", grey][..], &codec, &[clip.to_str().unwrap()]].concat());
    let high =
        made(&clip, scratch.path(), "high", "180p", &["--pad", "1:1", "--pad-color", "#ffffff", "--codec", "hevc"]);
    assert_eq!(ffprobe(&high, "stream=width,height,color_transfer"), ["180,180,smpte2084"]);
    // 203 cd/m² (ITU-R BT.2408) is 573 in 10 bits.
    for y in [8, 170] {
        codes(&high, y, [143, 128, 128]);
    }
    let plain = made(&clip, scratch.path(), "sdr", "180p", &["--pad", "1:1", "--pad-color", "#ff8000"]);
    let [red, green, blue] = color(&plain, 90, 8);
    assert!(red > 180 && (60..190).contains(&green) && blue < 60, "{red} {green} {blue} is no orange");
}

#[test]
fn pictures_that_change_their_size_in_mid_stream_are_cropped_and_padded_alike() {
    let scratch = tempfile::tempdir().unwrap();
    let [small, large, both] = ["small.ts", "large.ts", "both.ts"].map(|name| scratch.path().join(name));
    for (file, size) in [(&large, "640x360"), (&small, "320x180")] {
        let quarters = QUARTERS.replace("320x180", size);
        let coded = ["-c:v", "mpeg2video", "-b:v", "4M", "-f", "mpegts", file.to_str().unwrap()];
        ffmpeg(&[&["-f", "lavfi", "-i", &quarters][..], &coded].concat());
    }
    std::fs::write(&both, [std::fs::read(&large).unwrap(), std::fs::read(&small).unwrap()].concat()).unwrap();
    // The last quarter, where pictures of half the size have nothing.
    let made = made(
        &both,
        scratch.path(),
        "made",
        "360p",
        &["--crop", "640x360+640+360", "--pad", "1:1", "--pad-color", "#ffff00"],
    );
    let end = scratch.path().join("end.mkv");
    let last = ["-sseof", "-0.5", "-i", made.to_str().unwrap(), "-c", "copy", "-an", end.to_str().unwrap()];
    ffmpeg(&last);
    for file in [&made, &end] {
        near(color(file, 180, 180), [255, 255, 255]);
        near(color(file, 180, 10), [255, 255, 0]);
    }
}

#[test]
fn noise_is_taken_away_and_edges_are_raised() {
    let noisy = clip_of("color=gray:size=320x180:rate=25:duration=2,noise=alls=5:allf=t", TONE);
    let soft = clip_of("testsrc2=size=320x180:rate=25:duration=2,boxblur=2", TONE);
    let of = |(scratch, clip): &(tempfile::TempDir, PathBuf), name: &str, options: &[&str]| {
        let all = [&["--crf", "12", "--rate-control", "crf"][..], options].concat();
        edges(&made(clip, scratch.path(), name, "180p", &all))
    };
    let noise = [of(&noisy, "plain", &[]), of(&noisy, "light", &["--denoise", "light"])];
    let less = of(&noisy, "strong", &["--denoise", "strong"]);
    assert!(noise[0] > noise[1] * 1.05 && noise[1] > less * 1.05, "{noise:?} {less}");
    let sharp = [of(&soft, "plain", &[]), of(&soft, "light", &["--sharpen", "light"])];
    let more = of(&soft, "strong", &["--sharpen", "strong"]);
    assert!(sharp[1] > sharp[0] * 1.02 && more > sharp[1] * 1.02, "{sharp:?} {more}");
}

#[test]
fn the_curve_decides_how_bright_hdr_becomes_and_sdr_is_for_every_codec() {
    let scratch = tempfile::tempdir().unwrap();
    let clip = scratch.path().join("hdr.mp4");
    let hdr = "gradients=size=320x180:rate=25:duration=1:c0=black:c1=white:n=2:x0=0:y0=0:x1=319:y1=179:seed=1:speed=0.00001,format=yuv420p10le";
    let x265 = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited";
    let codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
    ffmpeg(&[&["-f", "lavfi", "-i", hdr][..], &codec, &[clip.to_str().unwrap()]].concat());
    let of = |curve: &str| mean(&made(&clip, scratch.path(), curve, "180p", &["--tone-map", curve]), "null");
    let means: Vec<f64> = ["hable", "mobius", "reinhard", "clip"].map(of).to_vec();
    for (i, a) in means.iter().enumerate() {
        assert!(means[i + 1..].iter().all(|b| (a - b).abs() > 1.0), "{means:?}");
    }
    let kept = made(&clip, scratch.path(), "kept", "180p", &["--codec", "hevc"]);
    let tags = "stream=pix_fmt,color_transfer";
    assert_eq!(ffprobe(&kept, tags), ["yuv420p10le,smpte2084"]);
    let sdr = made(&clip, scratch.path(), "sdr", "180p", &["--codec", "hevc", "--dynamic-range", "sdr"]);
    assert_eq!(ffprobe(&sdr, tags), ["yuv420p,bt709"]);
}
