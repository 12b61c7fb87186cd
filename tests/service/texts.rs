//! Text through the service: the daemon is killed while it is made, and nothing of it is lost, doubled or changed.

use crate::daemon::{Setup, end_of, job_of, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_named, check_whole, ffmpeg, heavy_clip, identities, named};
use crate::slow::SlowFile;
use reelmill::api::v1::JobState;
use std::fs;
use std::path::{Path, PathBuf};

/// A cue each second that is shown over the next boundary.
fn subtitled(video: &Path, to: &Path) {
    let cue =
        |second: usize| format!("{second}\n00:00:{second:02},500 --> 00:00:{:02},200\ncue {second}\n\n", second + 1);
    let srt = to.with_extension("srt");
    fs::write(&srt, (1..HEAVY_SECONDS - 1).map(cue).collect::<String>()).unwrap();
    let inputs = ["-i", video.to_str().unwrap(), "-i", srt.to_str().unwrap(), "-map", "0", "-map", "1", "-c", "copy"];
    ffmpeg(&[&inputs[..], &["-c:s", "mov_text", "-movflags", "+faststart", to.to_str().unwrap()]].concat());
}

/// What the segments of a playlist of text hold.
fn texts(playlist: &Path) -> Vec<String> {
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
