//! Text in the parts of joined sources through the service: it is published as parts are read, and survives a kill.

use crate::daemon::{Setup, end_of, job_of, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_named, check_whole, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use crate::texts::{subtitled, texts};
use reelmill::api::v1::{JobState, SourceSpec};
use std::fs;
use std::path::PathBuf;

#[tokio::test]
async fn text_of_parts_grows_with_them_and_is_whole_after_a_kill() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (video, film, advert) = (daemon.path("in.mp4"), daemon.path("film.mp4"), daemon.path("advert.mp4"));
    heavy_clip(&video);
    subtitled(&video, &film);
    clip(&advert, 4);
    let slow = SlowFile::start(&film, HALF).await;
    let out = daemon.path("out");
    let part = |id: &str, uri: &str| SourceSpec { id: id.into(), uri: uri.into(), ..SourceSpec::default() };
    let at = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let advert = SourceSpec { start: at(1), end: at(3), ..part("advert", advert.to_str().unwrap()) };
    let concat_source_ids = ["advert", "film", "advert"].map(str::to_owned).to_vec();
    let programme = SourceSpec { id: "programme".into(), concat_source_ids, ..SourceSpec::default() };
    let mut spec = job_of(&slow.uri(), &out);
    spec.sources = vec![programme, advert, part("film", &slow.uri())];
    spec.outputs[0].source_id = "programme".into();
    let id = submit(&mut daemon.jobs().await, spec).await;
    let made: PathBuf = out.join("cmaf/text-1-wvtt");
    // Two of them are the advert's, which has no text.
    until("segments of text behind the first joint", || (identities(&made).len() >= 4).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let before: Vec<_> = identities(&made).into_keys().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let all = HEAVY_SECONDS + 4;
    assert!(before.len() < all, "it was killed too late");
    slow.release();
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.attempt > 1);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], all);
    for (bytes, path) in before {
        assert_eq!(fs::read(&path).unwrap(), bytes, "{} was published and has changed", path.display());
    }
    for packaging in ["cmaf", "ts"] {
        let playlist = out.join(packaging).join("text-1/media.m3u8");
        check_named(&playlist);
        let texts = texts(&playlist);
        assert_eq!(texts.len(), all);
        for (second, text) in texts.iter().enumerate() {
            // Each cue of the film comes two seconds later, and over the next boundary.
            let there = (1..HEAVY_SECONDS - 1).filter(|cue| second == cue + 2 || second == cue + 3);
            let cues: Vec<String> = there.map(|cue| format!("cue {cue}")).collect();
            assert_eq!(text.lines().filter(|line| line.starts_with("cue ")).collect::<Vec<_>>(), cues, "{second}");
        }
    }
    daemon.left_clean().await;
}
