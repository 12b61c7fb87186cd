//! Tracks that are put together of channels: a click in each at a time of its own, looked for in what is made.

use crate::tools::{ffmpeg, ffprobe, joined, reelmill, transcode};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a channel clicks, samples at 48 kHz.
const fn click(channel: usize) -> usize {
    12_000 + 6_100 * channel
}

/// Two seconds of eight mono tracks, each with its click; the sixth at 44.1 kHz, the eighth half as long.
fn eight_monos(dir: &Path) -> PathBuf {
    let path = dir.join("eight.mov");
    let mut arguments: Vec<String> = Vec::new();
    for channel in 0..8 {
        let (rate, seconds) = (if channel == 5 { 44_100 } else { 48_000 }, if channel == 7 { 1.5 } else { 2.0 });
        let at = (click(channel) * rate).div_ceil(48_000);
        let sound = format!("aevalsrc=0.9*eq(n\\,{at}):s={rate}:d={seconds}");
        arguments.extend(["-f", "lavfi", "-i", &sound].map(str::to_owned));
    }
    arguments.extend((0..8).flat_map(|channel| ["-map".to_owned(), channel.to_string()]));
    arguments.extend(["-c:a", "pcm_s24le", path.to_str().unwrap()].map(str::to_owned));
    ffmpeg(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    path
}

/// Where each channel of a track is loudest, by the samples from time zero on.
fn loudest(track: &Path, scratch: &Path, channels: usize) -> Vec<usize> {
    let whole = joined(track, &scratch.join("whole.mp4"));
    assert_eq!(ffprobe(&whole, "stream=channels"), [channels.to_string()]);
    let raw = scratch.join("whole.f32");
    let timed = ["-af", "aresample=async=1:first_pts=0", "-f", "f32le", raw.to_str().unwrap()];
    ffmpeg(&[&["-copyts", "-i", whole.to_str().unwrap()][..], &timed].concat());
    let bytes = fs::read(raw).unwrap();
    let samples: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert!((96_000..99_000).contains(&(samples.len() / channels)), "{} samples", samples.len() / channels);
    let of = |channel: usize| {
        let all = (0..samples.len() / channels).map(|at| samples[at * channels + channel].abs());
        all.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    };
    (0..channels).map(of).collect()
}

/// Whether channels click where these of the source do, to the sample, to two after another sample rate. Low frequencies
/// have no click left.
fn check(heard: &[usize], expected: &[usize]) {
    assert_eq!(heard.len(), expected.len());
    for (place, (heard, channel)) in heard.iter().zip(expected).enumerate() {
        let far = if *channel == 5 { 2 } else { 0 };
        let low = place == 3 && expected.len() > 2;
        assert!(low || heard.abs_diff(click(*channel)) <= far, "{place}: {heard} is not {}", click(*channel));
    }
}

#[test]
fn eight_mono_tracks_become_surround_and_stereo_in_step() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (eight_monos(dir.path()), dir.path().join("out"));
    let tracks = ["--audio-track", "0+1+2+3+4+5:title=Surround:lang=deu:default", "--audio-track", "6+7:title=Stereo"];
    transcode(&source, &out, &[&tracks[..], &["--audio-codec", "aac,ac3"]].concat());
    for codec in ["aac", "ac3"] {
        let track = |n: usize| out.join(format!("cmaf/audio-{n}-{codec}"));
        check(&loudest(&track(1), dir.path(), 6), &[0, 1, 2, 3, 4, 5]);
        check(&loudest(&track(2), dir.path(), 2), &[6, 7]);
    }
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("NAME=\"Surround\",LANGUAGE=\"de\",DEFAULT=YES"), "{master}");
    assert!(master.contains("CHANNELS=\"6\"") && master.contains("CHANNELS=\"2\""), "{master}");
}

#[test]
fn eight_mono_tracks_become_one_of_seven_and_one_and_stereo_where_that_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let source = eight_monos(dir.path());
    let all = ["--audio-track", "7+6+5+4+3+2+1+0"];
    let out = dir.path().join("wide");
    transcode(&source, &out, &[&all[..], &["--audio-codec", "aac,opus", "--packaging", "cmaf"]].concat());
    for codec in ["aac", "opus"] {
        check(&loudest(&out.join(format!("cmaf/audio-1-{codec}")), dir.path(), 8), &[7, 6, 5, 4, 3, 2, 1, 0]);
    }
    let mpd = fs::read_to_string(out.join("cmaf/manifest.mpd")).unwrap();
    assert!(mpd.contains("urn:mpeg:mpegB:cicp:ChannelConfiguration\" value=\"12\""), "{mpd}");
    let out = dir.path().join("narrow");
    let report = transcode(&source, &out, &[&all[..], &["--audio-codec", "aac", "--channels", "stereo"]].concat());
    assert!(report.to_string().contains("sound of 8 channels is mixed down to stereo"), "{report}");
    loudest(&out.join("cmaf/audio-1"), dir.path(), 2);
}

#[test]
fn one_track_of_eight_channels_is_split_and_measured_in_two_passes() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("one.wav");
    let clicks: Vec<String> = (0..8).map(|channel| format!("0.9*eq(n\\,{})", click(channel))).collect();
    let sound = format!("aevalsrc={}:c=7.1:s=48000:d=2", clicks.join("|"));
    ffmpeg(&["-f", "lavfi", "-i", &sound, "-c:a", "pcm_s24le", source.to_str().unwrap()]);
    let out = dir.path().join("out");
    let tracks = ["--audio-track", "0.0+0.1+0.2+0.3+0.4+0.5", "--audio-track", "0.6+0.7"];
    let loud = ["--loudness", "-30", "--loudness-passes", "2"];
    let report = transcode(&source, &out, &[&tracks[..], &["--audio-codec", "aac"], &loud].concat());
    check(&loudest(&out.join("cmaf/audio-1"), dir.path(), 6), &[0, 1, 2, 3, 4, 5]);
    check(&loudest(&out.join("cmaf/audio-2"), dir.path(), 2), &[6, 7]);
    assert!(report["tracks"][1]["loudness"]["after"].is_object(), "{report}");
}

#[test]
fn channels_that_cannot_be_put_together_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let source = eight_monos(dir.path());
    let stereo = dir.path().join("stereo.wav");
    ffmpeg(&["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo:d=1", stereo.to_str().unwrap()]);
    for (source, track, reason) in [
        (&source, "0+9", "the source has no stream 9"),
        (&source, "0+1.1", "has no channel 1"),
        (&source, "0+0", "stands here already"),
        (&source, "0+1+2", "1, 2, 6 or 8 channels"),
        (&stereo, "0+0.1", "is not mono, it has 2 channels"),
    ] {
        let out = dir.path().join("out");
        let ran = reelmill().arg("transcode").arg(source).arg(&out).args(["--audio-track", track]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.code() == Some(2) && said.contains(reason), "{track}: {said}");
    }
}

#[test]
fn mono_tracks_are_put_together_by_their_order_where_one_flag_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = eight_monos(dir.path());
    let out = dir.path().join("usual");
    transcode(&source, &out, &["--join-mono"]);
    check(&loudest(&out.join("cmaf/audio-1"), dir.path(), 6), &[0, 1, 2, 3, 4, 5]);
    check(&loudest(&out.join("cmaf/audio-2"), dir.path(), 2), &[6, 7]);
    assert!(!out.join("cmaf/audio-3").exists());
    // Side before back in the file, back before side in the layout.
    let out = dir.path().join("wide");
    transcode(&source, &out, &["--join-mono=7.1"]);
    check(&loudest(&out.join("cmaf/audio-1"), dir.path(), 8), &[0, 1, 2, 3, 6, 7, 4, 5]);
    for (count, layouts) in [(2, vec![vec![0, 1]]), (6, vec![vec![0, 1, 2, 3, 4, 5]])] {
        let fewer = dir.path().join(format!("{count}.mov"));
        let maps: Vec<String> = (0..count).flat_map(|nth| ["-map".to_owned(), format!("0:{nth}")]).collect();
        let maps: Vec<&str> = maps.iter().map(String::as_str).collect();
        let (from, to) = (source.to_str().unwrap(), fewer.to_str().unwrap());
        ffmpeg(&[&["-i", from][..], &maps, &["-c", "copy", to]].concat());
        let out = dir.path().join(format!("out-{count}"));
        transcode(&fewer, &out, &["--join-mono"]);
        for (nth, layout) in layouts.iter().enumerate() {
            check(&loudest(&out.join(format!("cmaf/audio-{}", nth + 1)), dir.path(), layout.len()), layout);
        }
    }
}

#[test]
fn mono_tracks_that_are_too_few_or_too_many_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let source = eight_monos(dir.path());
    let seven = dir.path().join("seven.mov");
    let (from, to) = (source.to_str().unwrap(), seven.to_str().unwrap());
    ffmpeg(&["-i", from, "-map", "0", "-map", "-0:7", "-c", "copy", to]);
    for (file, flag, words) in [
        (&seven, "--join-mono", "has 7 mono tracks, and auto is put together of 2, 6 or 8"),
        (&source, "--join-mono=5.1", "has 8 mono tracks, and 5.1 is put together of 6"),
        (&seven, "--join-mono=5.1+stereo", "has 7 mono tracks, and 5.1+stereo is put together of 8"),
    ] {
        let out = dir.path().join("out");
        let ran = reelmill().arg("transcode").args([file, &out]).arg(flag).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.code() == Some(2) && said.contains(words) && said.contains("[sound.join]"), "{said}");
        assert!(!out.exists());
    }
    let both = ["--join-mono", "--audio-track", "0+1"];
    let ran = reelmill().arg("transcode").args([&source, &dir.path().join("out")]).args(both).output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("leave one of them out"));
}
