//! Several files as one: size, rate and sound of the first, the others at their times to the frame and to the sample.

use crate::tools::{ffmpeg, ffprobe, joined, reelmill, segments, transcode};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// A file of one colour; with a pulse in its sound, where it has any, half a second after its beginning.
fn part(dir: &Path, name: &str, picture: &str, sound: Option<(u32, &str)>) -> PathBuf {
    let path = dir.join(name);
    let mut arguments = vec!["-f".to_owned(), "lavfi".into(), "-i".into(), picture.into()];
    if let Some((rate, layout)) = sound {
        let pulse = format!("0.9*exp(-pow((n-{})/6\\,2))", rate / 2);
        let both = if layout == "stereo" { format!("{pulse}|{pulse}") } else { pulse };
        let source = format!("aevalsrc=exprs='{both}':s={rate}:c={layout}:d=2");
        arguments.extend(["-f".into(), "lavfi".into(), "-i".into(), source, "-c:a".into(), "pcm_s16le".into()]);
    }
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"];
    arguments.extend(codec.map(str::to_owned));
    arguments.push(path.to_str().unwrap().to_owned());
    ffmpeg(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    path
}

/// 2 s of red at 25 with mono, 1.5 s of green upright at 29.97 without sound, 2 s of blue 4:3 at 50 with stereo.
fn parts() -> (TempDir, [PathBuf; 3]) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let red = part(dir, "red.mov", "color=c=red:s=640x360:r=25:d=2", Some((44_100, "mono")));
    let green = part(dir, "green.mov", "color=c=lime:s=360x640:r=30000/1001:d=1.5", None);
    let blue = part(dir, "blue.mov", "color=c=blue:s=320x240:r=50:d=2", Some((48_000, "stereo")));
    (scratch, [red, green, blue])
}

fn transcode_all(files: &[&Path], out: &Path, options: &[&str]) -> Value {
    let more: Vec<&str> = files[1..].iter().flat_map(|file| ["--append", file.to_str().unwrap()]).collect();
    transcode(files[0], out, &[&more[..], options].concat())
}

/// Raw pictures of a file, RGB.
fn raw(path: &Path) -> Vec<Vec<u8>> {
    let arguments = ["-nostdin", "-v", "error", "-i", path.to_str().unwrap()];
    let size = format!("scale={WIDTH}:{HEIGHT}");
    let form = ["-fps_mode", "passthrough", "-vf", &size, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
    let ran = Command::new("ffmpeg").args(arguments).args(form).output().unwrap();
    assert!(ran.status.success());
    ran.stdout.chunks(WIDTH * HEIGHT * 3).map(<[u8]>::to_vec).collect()
}

/// The colour at a place: r, g, b or k for black.
fn colour(picture: &[u8], x: usize, y: usize) -> char {
    let at = (y * WIDTH + x) * 3;
    let names = ['r', 'g', 'b'];
    let high: Vec<usize> = (0..3).filter(|channel| picture[at + channel] > 120).collect();
    let low = (0..3).filter(|channel| picture[at + channel] < 60).count();
    match (&high[..], low) {
        ([], 3) => 'k',
        ([one], 2) => names[*one],
        _ => '?',
    }
}

/// Runs of one colour in the middle of pictures: colour and pictures.
fn runs(pictures: &[Vec<u8>], x: usize) -> Vec<(char, usize)> {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for picture in pictures {
        let seen = colour(picture, x, HEIGHT / 2);
        match runs.last_mut() {
            Some((last, count)) if *last == seen => *count += 1,
            _ => runs.push((seen, 1)),
        }
    }
    runs
}

/// Samples that an AAC encoder puts in front; the header takes them off again, which FFmpeg does not heed in fragments.
const PRIMING: usize = 1024;

/// Samples of a file's sound, mono, without so many in front.
fn samples(path: &Path, rate: u32, priming: usize) -> Vec<i32> {
    let arguments = ["-nostdin", "-v", "error", "-i", path.to_str().unwrap(), "-ac", "1", "-ar", &rate.to_string()];
    let ran = Command::new("ffmpeg").args(arguments).args(["-f", "s16le", "-"]).output().unwrap();
    assert!(ran.status.success());
    ran.stdout.chunks(2).skip(priming).map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]]))).collect()
}

/// The middles of pulses.
fn pulses(samples: &[i32]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(more) = samples[at..].iter().position(|sample| sample.abs() > 8_000) {
        let around = at + more - 40..at + more + 60;
        let weight = |i: &usize| i64::from(samples[*i]);
        let all: i64 = around.clone().map(|i| weight(&i)).sum();
        let moment: i64 = around.clone().map(|i| weight(&i) * i as i64).sum();
        found.push(((moment + all / 2) / all) as usize);
        at = around.end + 1000;
    }
    found
}

fn near(found: &[usize], expected: &[usize]) {
    let close = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(close, "pulses at {found:?} instead of {expected:?}");
}

#[test]
fn parts_stand_at_their_times_to_the_frame_and_to_the_sample() {
    let (scratch, [red, green, blue]) = parts();
    let out = scratch.path().join("out");
    let options = ["--renditions", "360p,180p", "--speed", "fast", "--segment", "1s"];
    // Red again at the end: a jingle.
    let report = transcode_all(&[&red, &green, &blue, &red], &out, &options);
    assert_eq!(report["facts"]["container"], "concat");
    assert_eq!(report["plan"]["duration_us"], 7_520_000);
    assert_eq!(report["plan"]["video"]["parts"].as_array().unwrap().len(), 4);
    for track in ["360p", "180p"] {
        let video = joined(&out.join("cmaf").join(track), &scratch.path().join("video.mp4"));
        let pictures = raw(&video);
        let expected = [('r', 50), ('g', 38), ('b', 50), ('r', 50)];
        assert_eq!(runs(&pictures, WIDTH / 2), expected, "{track}");
        // The upright and the narrow one have black at their sides.
        assert_eq!(runs(&pictures, 4), [('r', 50), ('k', 88), ('r', 50)], "{track}");
        assert_eq!((colour(&pictures[60], 230, 2), colour(&pictures[60], 208, 2)), ('g', 'k'), "{track}");
        assert_eq!((colour(&pictures[100], 90, 2), colour(&pictures[100], 70, 2)), ('b', 'k'), "{track}");
        assert_eq!(segments(&out.join("cmaf").join(track).join("media.m3u8")).len(), 8, "{track}");
        assert_eq!(segments(&out.join("ts").join(track).join("media.m3u8")).len(), 8, "{track}");
    }
    assert_eq!(segments(&out.join("cmaf/audio-1/media.m3u8")).len(), 8);
    let sound = joined(&out.join("cmaf/audio-1"), &scratch.path().join("sound.mp4"));
    assert_eq!(ffprobe(&sound, "stream=sample_rate,channels"), ["44100,1"]);
    let samples = samples(&sound, 44_100, PRIMING);
    // Half a second into the red ones, which begin at 0 and 5.52 s, and into the blue one, which begins at 3.52 s.
    near(&pulses(&samples), &[22_050, 177_282, 265_482]);
    let quiet = samples[90_000..153_000].iter().map(|sample| sample.abs()).max().unwrap();
    assert!(quiet < 50, "the part without sound is silent, not {quiet}");
    assert!((331_632..331_632 + 1024).contains(&samples.len()), "{} samples", samples.len());
}

#[test]
fn spans_of_joined_parts_play_as_one() {
    let (scratch, [red, green, blue]) = parts();
    let path = |name: &str| scratch.path().join(name);
    let files = [&*blue, &*red, &*green, &*red];
    let options = ["--renditions", "240p", "--speed", "fast", "--segment", "500ms", "--packaging", "cmaf"];
    transcode_all(&files, &path("one"), &options);
    for (name, more) in [("four", &["--spans", "4"][..]), ("ranges", &["--spans", "3", "--transport", "socket"])] {
        transcode_all(&files, &path(name), &[&options[..], more].concat());
        let video = |name: &str| joined(&path(name).join("cmaf/240p"), &path("video.mp4"));
        let (one, several) = (raw(&video("one")), raw(&video(name)));
        // 50 frames a second now: 2 s, 2 s, 1.5015 s as 75, 2 s.
        assert_eq!(runs(&one, WIDTH / 2), [('b', 100), ('r', 100), ('g', 75), ('r', 100)]);
        assert_eq!(runs(&several, WIDTH / 2), runs(&one, WIDTH / 2), "{name}");
        assert_eq!(crate::tools::times(&video("one")), crate::tools::times(&video(name)), "{name}");
        for segment in segments(&path("one/cmaf/audio-1/media.m3u8")) {
            let same = path(name).join("cmaf/audio-1").join(segment.file_name().unwrap());
            assert_eq!(fs::read(&segment).unwrap(), fs::read(same).unwrap(), "sound of {name}");
        }
    }
    let sound = joined(&path("one/cmaf/audio-1"), &path("sound.mp4"));
    assert_eq!(ffprobe(&sound, "stream=sample_rate,channels"), ["48000,2"]);
    near(&pulses(&samples(&sound, 48_000, PRIMING)), &[24_000, 120_000, 288_000]);
}

/// Transcodes and expects a failure; gives what was said.
fn refused(files: &[&Path], out: &Path) -> String {
    let mut command = reelmill();
    command.arg("transcode").arg(files[0]).arg(out);
    for file in &files[1..] {
        command.arg("--append").arg(file);
    }
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!out.exists() || fs::read_dir(out).unwrap().next().is_none(), "nothing is left");
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[test]
fn parts_that_cannot_be_joined_are_named() {
    let (scratch, [red, green, _]) = parts();
    let path = |name: &str| scratch.path().join(name);
    let out = path("out");
    let sound = path("sound.wav");
    ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1", sound.to_str().unwrap()]);
    let said = refused(&[&red, &sound], &out);
    assert!(said.contains("[concat.no_video]") && said.contains("concat_source_ids[1]"), "{said}");
    let said = refused(&[&red, &path("absent.mov"), &green], &out);
    assert!(said.contains("[source.not_found]") && said.contains("absent.mov"), "{said}");
    fs::write(path("text.mov"), "this is no film").unwrap();
    let said = refused(&[&red, &path("text.mov")], &out);
    assert!(said.contains("[source.not_media]") && said.contains("sources[1]"), "{said}");
    let secret = path("secret.mp4");
    let key = "00112233445566778899aabbccddeeff";
    let encrypt = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key];
    let copy = ["-i", green.to_str().unwrap(), "-c", "copy"];
    ffmpeg(&[&copy[..], &encrypt, &[secret.to_str().unwrap()]].concat());
    let said = refused(&[&red, &secret], &out);
    assert!(said.contains("[source.encrypted]") && said.contains("sources[1]"), "{said}");
}

#[test]
fn sound_alone_is_joined_to_the_sample() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let pulse = |name: &str, rate: u32, duration: &str| {
        let source = format!("aevalsrc=exprs='0.9*exp(-pow((n-{})/6\\,2))':s={rate}:d={duration}", rate / 2);
        ffmpeg(&["-f", "lavfi", "-i", &source, "-c:a", "pcm_s16le", path(name).to_str().unwrap()]);
        path(name)
    };
    let (one, two) = (pulse("one.wav", 48_000, "1.2345"), pulse("two.wav", 44_100, "2"));
    let report = transcode_all(&[&one, &two, &one], &path("out"), &["--audio-codec", "aac,opus"]);
    // 59,256 samples, 2 s, 59,256 samples.
    assert_eq!(report["plan"]["duration_us"], 4_469_000);
    for (track, priming) in [("audio-1-aac", PRIMING), ("audio-1-opus", 0)] {
        let sound = joined(&path("out/cmaf").join(track), &path("sound.mp4"));
        near(&pulses(&samples(&sound, 48_000, priming)), &[24_000, 59_256 + 24_000, 59_256 + 96_000 + 24_000]);
    }
}

/// Makes a part of one grey with these options; gives its path.
fn grey(dir: &Path, name: &str, picture: &str, options: &[&str]) -> PathBuf {
    let path = dir.join(name);
    ffmpeg(&[&["-f", "lavfi", "-i", picture][..], options, &[path.to_str().unwrap()]].concat());
    path
}

/// Mean luma and both chromas of each of a file's pictures, as they are stored.
fn means(path: &Path) -> Vec<[i64; 3]> {
    let filter = "signalstats,metadata=print:file=-";
    let ran = ["-nostdin", "-v", "error", "-i", path.to_str().unwrap(), "-vf", filter, "-f", "null", "-"];
    let ran = Command::new("ffmpeg").args(ran).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let all = |key: &str| -> Vec<i64> {
        let key = format!("lavfi.signalstats.{key}=");
        text.lines().filter_map(|line| line.strip_prefix(&key)?.parse::<f64>().ok()).map(|mean| mean as i64).collect()
    };
    let (y, u, v) = (all("YAVG"), all("UAVG"), all("VAVG"));
    (0..y.len()).map(|at| [y[at], u[at], v[at]]).collect()
}

#[test]
fn colours_are_those_of_the_first_part() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4"];
    let make = |name: &str, colours: &str, tags: &[&str]| {
        let picture = format!("color=c=0x20C040:s=320x180:r=25:d=0.4,format=rgb24,{colours}");
        grey(dir, name, &picture, &[&x264[..], tags].concat())
    };
    let bt709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
    let bt601 = ["-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
    let full = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "pc"];
    let hd = make("709.mp4", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p", &bt709);
    let sd = make("601.mp4", "scale=out_color_matrix=smpte170m:out_range=tv,format=yuv420p", &bt601);
    let pc = make("full.mp4", "scale=out_color_matrix=bt709:out_range=pc,format=yuvj420p", &full);
    let options = ["--renditions", "180p@3M", "--speed", "fast", "--packaging", "cmaf"];
    for (name, files) in [("709", [&*hd, &*sd, &*pc]), ("601", [&*sd, &*pc, &*hd])] {
        let out = scratch.path().join(name);
        transcode_all(&files, &out, &options);
        let shown = means(&joined(&out.join("cmaf/180p"), &scratch.path().join("video.mp4")));
        assert_eq!(shown.len(), 30, "{name}");
        let first = means(files[0])[0];
        for (at, picture) in shown.iter().enumerate() {
            let off = picture.iter().zip(&first).map(|(a, b)| (a - b).abs()).max().unwrap();
            assert!(off <= 2, "{name}: picture {at} is {picture:?}, the first part is {first:?}");
        }
    }
}

#[test]
fn primaries_are_converted_to_those_of_the_first_part() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-color_range", "tv"];
    // One colour, by its red, green and blue between primaries of each kind at a display's gamma of 2.4 (ITU-R BT.1886).
    let make = |name: &str, colour: &str, [primaries, transfer, matrix]: [&str; 3]| {
        let tags = ["-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix];
        let by = if matrix == "bt2020nc" { "bt2020" } else { matrix };
        let picture = format!(
            "color=c={colour}:s=320x180:r=25:d=0.4,format=rgb24,scale=out_color_matrix={by}:out_range=tv,format=yuv420p"
        );
        grey(dir, name, &picture, &[&x264[..], &tags].concat())
    };
    let hd = make("709.mp4", "0xC05050", ["bt709"; 3]);
    let sd = make("525.mp4", "0xC54B50", ["smpte170m"; 3]);
    let wide = make("2020.mp4", "0xA35F54", ["bt2020", "bt2020-10", "bt2020nc"]);
    let off = |a: &[i64; 3], b: &[i64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).max().unwrap();
    let relabelled = dir.join("relabelled.mp4");
    let matrix = ["-vf", "scale=in_color_matrix=bt2020:out_color_matrix=bt709"];
    ffmpeg(&[&["-i", wide.to_str().unwrap()][..], &matrix, &x264, &[relabelled.to_str().unwrap()]].concat());
    assert!(off(&means(&relabelled)[0], &means(&hd)[0]) > 8, "the matrix alone does not make them alike");
    for (name, files) in [("hd", [&*hd, &*sd, &*wide]), ("sd", [&*sd, &*wide, &*hd]), ("wide", [&*wide, &*hd, &*sd])] {
        let out = dir.join(name);
        transcode_all(&files, &out, &["--renditions", "180p@3M", "--speed", "fast", "--packaging", "cmaf"]);
        let file = joined(&out.join("cmaf/180p"), &dir.join("video.mp4"));
        let (shown, first) = (means(&file), means(files[0])[0]);
        assert_eq!(shown.len(), 30, "{name}");
        assert_eq!(ffprobe(&file, "stream=color_primaries"), ffprobe(files[0], "stream=color_primaries"), "{name}");
        for (at, picture) in shown.iter().enumerate() {
            assert!(off(picture, &first) <= 3, "{name}: picture {at} is {picture:?}, the first part is {first:?}");
        }
    }
}

#[test]
fn parts_in_high_dynamic_range_stay_so_together_and_are_tone_mapped_beside_others() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let tags =
        ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-color_range", "tv"];
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1"];
    // A grey at about 100 cd/m² in PQ, and the same in BT.709.
    let picture = "color=c=gray:s=320x180:r=25:d=0.4,format=yuv420p10le";
    let pq = grey(dir, "pq.mp4", picture, &[&x265[..], &tags].concat());
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast"];
    let sdr = grey(dir, "sdr.mp4", "color=c=gray:s=180x320:r=50:d=0.4,format=yuv420p", &x264);
    let options = ["--renditions", "180p", "--codec", "hevc", "--speed", "fast", "--packaging", "cmaf"];
    let transfer = |files: &[&Path], name: &str| {
        let report = transcode_all(files, &dir.join(name), &options);
        let video = joined(&dir.join(name).join("cmaf/180p"), &dir.join("video.mp4"));
        let warned = report["warnings"].as_array().unwrap().iter().any(|note| note["code"] == "concat.tone_mapped");
        (ffprobe(&video, "stream=pix_fmt,color_transfer").remove(0), means(&video).len(), warned)
    };
    assert_eq!(transfer(&[&pq, &pq], "both"), ("yuv420p10le,smpte2084".to_owned(), 20, false));
    assert_eq!(transfer(&[&pq, &sdr, &pq], "first"), ("yuv420p,bt709".to_owned(), 30, true));
    assert_eq!(transfer(&[&sdr, &pq], "later"), ("yuv420p,bt709".to_owned(), 40, true));
}
