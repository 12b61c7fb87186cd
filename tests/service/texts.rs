//! Text through the service: the daemon is killed while it is made, and nothing of it is lost, doubled or changed.

use crate::daemon::{Setup, end_of, job_of, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, RATE, check_named, check_whole, ffmpeg, heavy_clip, identities, named};
use crate::slow::SlowFile;
use reelmill::api::v1::{CaptionForm, CaptionTrack, CaptionsSpec, JobState, TextSpec};
use reelmill_testkit::captions::{self, Triplet, pair};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A cue each second that is shown over the next boundary.
pub(crate) fn subtitled(video: &Path, to: &Path) {
    let cue =
        |second: usize| format!("{second}\n00:00:{second:02},500 --> 00:00:{:02},200\ncue {second}\n\n", second + 1);
    let srt = to.with_extension("srt");
    fs::write(&srt, (1..HEAVY_SECONDS - 1).map(cue).collect::<String>()).unwrap();
    let inputs = ["-i", video.to_str().unwrap(), "-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-c", "copy"];
    ffmpeg(&[&inputs[..], &["-c:s", "mov_text", "-movflags", "+faststart", to.to_str().unwrap()]].concat());
}

/// What the segments of a playlist of text hold.
pub(crate) fn texts(playlist: &Path) -> Vec<String> {
    named(playlist).iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[tokio::test]
async fn text_is_whole_after_a_kill_in_the_middle_of_it() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (video, film) = (daemon.path("in.mp4"), daemon.path("film.mp4"));
    heavy_clip(&video);
    subtitled(&video, &film);
    let slow = SlowFile::start(&film, HALF).await;
    let out = daemon.path("out");
    let id = submit(&mut daemon.jobs().await, job_of(&slow.uri(), &out)).await;
    let made: PathBuf = out.join("cmaf/text-1-wvtt");
    until("some segments of text", || (identities(&made).len() >= 2).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let before: Vec<_> = identities(&made).into_keys().map(|path| (fs::read(&path).unwrap(), path)).collect();
    assert!(before.len() < HEAVY_SECONDS, "it was killed too late");
    slow.release();
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.attempt > 1);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    for (bytes, path) in before {
        assert_eq!(fs::read(&path).unwrap(), bytes, "{} was published and has changed", path.display());
    }
    assert_eq!(identities(&made).len(), HEAVY_SECONDS);
    for packaging in ["cmaf", "ts"] {
        let playlist = out.join(packaging).join("text-1/media.m3u8");
        check_named(&playlist);
        let texts = texts(&playlist);
        assert_eq!(texts.len(), HEAVY_SECONDS);
        for (second, text) in texts.iter().enumerate() {
            for cue in 1..HEAVY_SECONDS - 1 {
                let is_there = usize::from(cue == second || cue + 1 == second);
                assert_eq!(text.lines().filter(|line| *line == format!("cue {cue}")).count(), is_there, "{second}");
            }
        }
    }
    daemon.left_clean().await;
}

/// Says a number each second: it is written into the hidden memory, and pops on with the last picture of the second.
fn numbered(picture: usize) -> Vec<Triplet> {
    let number = picture / RATE;
    let [tens, ones] = [number / 10, number % 10].map(|digit| b'0' + digit as u8);
    // Resume caption loading, erase what is hidden, row 15, the number; end of caption.
    let said = match picture % RATE {
        0 => [0x14, 0x20],
        1 => [0x14, 0x2e],
        2 => [0x14, 0x70],
        3 => [tens, ones],
        24 => [0x14, 0x2f],
        _ => [0, 0],
    };
    vec![pair(0, said), pair(1, [0, 0])]
}

/// A heavy clip with closed captions.
fn captioned(video: &Path, to: &Path) {
    let (plain, marked) = (to.with_extension("plain.h264"), to.with_extension("marked.h264"));
    let every = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "1", "-qp", "26", "-threads", "1"];
    ffmpeg(&[&["-i", video.to_str().unwrap(), "-an"], &every[..], &[plain.to_str().unwrap()]].concat());
    fs::write(&marked, captions::marked(&fs::read(&plain).unwrap(), numbered)).unwrap();
    let inputs =
        ["-r", "25", "-i", marked.to_str().unwrap(), "-i", video.to_str().unwrap(), "-map", "0:v", "-map", "1:a"];
    ffmpeg(&[&inputs[..], &["-c", "copy", "-movflags", "+faststart", to.to_str().unwrap()]].concat());
}

/// The numbers that a track of text shows, each once, with when.
fn numbers(playlist: &Path) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for text in texts(playlist) {
        for block in text.split("\n\n").skip(1) {
            let (times, number) = block.trim().split_once('\n').unwrap();
            let cue = (times[..12].to_owned(), number.to_owned());
            if !all.contains(&cue) {
                all.push(cue);
            }
        }
    }
    all
}

#[tokio::test]
async fn captions_are_whole_as_text_and_in_the_pictures_after_a_kill_in_the_middle_of_them() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (video, film) = (daemon.path("in.mp4"), daemon.path("film.mp4"));
    heavy_clip(&video);
    captioned(&video, &film);
    let slow = SlowFile::start(&film, HALF).await;
    let out = daemon.path("out");
    let mut job = job_of(&slow.uri(), &out);
    let channel = CaptionTrack { channel: "CC1".into(), language: "eng".into(), ..Default::default() };
    let form = CaptionForm::Both.into();
    let captions = CaptionsSpec { channels: vec![channel], form, ..CaptionsSpec::default() };
    job.outputs[0].text = Some(TextSpec { captions: Some(captions), ..TextSpec::default() });
    let made: PathBuf = out.join("cmaf/text-1-wvtt");
    let id = submit(&mut daemon.jobs().await, job).await;
    until("some segments of text", || (identities(&made).len() >= 2).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    assert!(identities(&made).len() < HEAVY_SECONDS, "it was killed too late");
    slow.release();
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.attempt > 1);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    // The last one pops on with the last picture, and is seen for no time.
    let expected: Vec<_> =
        (0..HEAVY_SECONDS - 1).map(|number| (format!("00:00:{number:02}.960"), format!("{number:02}"))).collect();
    assert_eq!(numbers(&out.join("cmaf/text-1/media.m3u8")), expected);
    let master = fs::read_to_string(out.join("cmaf/master.m3u8")).unwrap();
    assert!(master.contains("INSTREAM-ID=\"CC1\"") && master.contains("CLOSED-CAPTIONS=\"captions\""), "{master}");
    // What stays in the pictures says the same.
    let (stream, read) = (daemon.path("made.ts"), daemon.path("read"));
    let parts = named(&out.join("ts/90p/media.m3u8"));
    fs::write(&stream, parts.iter().flat_map(|part| fs::read(part).unwrap()).collect::<Vec<_>>()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_reelmill"))
        .args(["transcode", stream.to_str().unwrap(), read.to_str().unwrap(), "--captions", "CC1"])
        .args(["--renditions", "90p", "--speed", "fast", "--packaging", "cmaf"])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(numbers(&read.join("cmaf/text-1/media.m3u8")), expected);
    daemon.left_clean().await;
}
