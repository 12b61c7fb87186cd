//! A daemon that dies while it uploads, and what the next one makes of it.

use crate::bucket::{Place, is_segment, job};
use crate::daemon::{end_of, submit};
use crate::media::{check_whole, clip};
use reelmill::api::v1::JobState;
use reelmill_testkit::{Fault, Rule};
use std::collections::BTreeSet;

const SECONDS: usize = 12;

#[tokio::test]
async fn after_a_kill_in_the_middle_of_uploads_nothing_recorded_is_sent_again() {
    let Some(place) = Place::open() else { return };
    let mut daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, SECONDS);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(source.to_str().unwrap(), &place.uri("out"))).await;
    // Some that are through, and one that is on its way.
    place.proxy.fail(Rule::new(Fault::Slow(2_000)).method("PUT").target("00006.ts").always());
    place.proxy.until(|seen| seen.iter().any(|request| request.path().ends_with("ts/90p/00006.ts"))).await;
    crate::daemon::job_that(&mut client, &id, |job| job.outputs[0].playable_time.is_some()).await;
    daemon.kill();
    place.proxy.clear();
    // Manifests name what is recorded, and nothing else.
    let copy = daemon.path("growing");
    place.download("out/", &copy).await;
    let recorded = named(&copy);
    assert!(recorded.len() >= 4, "{recorded:?}");
    let before = place.put_paths("out/").len();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let again: BTreeSet<_> = place.put_paths("out/").into_iter().skip(before).filter(|path| is_segment(path)).collect();
    assert_eq!(again.intersection(&recorded).collect::<Vec<_>>(), Vec::<&String>::new());
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], SECONDS);
    assert!(place.proxy.count("GET", "uploads") > 0, "unfinished uploads were looked for");
    place.clear().await;
}

/// The segments that the playlists of an output name, as paths below it.
fn named(out: &std::path::Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for track in ["cmaf/90p", "cmaf/audio-1", "ts/90p", "ts/audio-1"] {
        let text = std::fs::read_to_string(out.join(track).join("media.m3u8")).unwrap_or_default();
        let names = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        found.extend(names.map(|name| format!("{track}/{name}")));
    }
    found
}
