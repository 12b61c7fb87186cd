//! What breaks on the way to a store and back is tried again, and costs neither bytes nor more than its own output.

use crate::bucket::{Place, is_segment, job};
use crate::daemon::{PATIENCE, end_of, output, submit};
use crate::media::{check_whole, clip, identities};
use reelmill::api::v1::{DeleteJobRequest, IfExists, JobState, OutputState, RetryJobRequest};
use reelmill_testkit::{Fault, Rule};
use std::collections::BTreeMap;

const SECONDS: usize = 6;

fn busy(retry_after: Option<u32>) -> Fault {
    Fault::Answer { status: 503, code: "SlowDown", retry_after }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_until_every_byte_is_right() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, SECONDS);
    place.upload("in.mp4", &source).await;
    for (fault, method, target) in [
        (busy(Some(1)), "HEAD", "in.mp4"),
        (busy(Some(1)), "GET", "in.mp4"),
        (Fault::ResetResponse(1000), "GET", "in.mp4"),
        (Fault::Truncate(2000), "GET", "in.mp4"),
        (Fault::Shorten(3000), "GET", "in.mp4"),
        (busy(Some(1)), "PUT", "cmaf/90p/init.mp4"),
        (busy(None), "PUT", "ts/90p/00000.ts"),
        (Fault::ResetRequest(700), "PUT", "ts/90p/00001.ts"),
        (Fault::CorruptRequest(500), "PUT", "ts/90p/00002.ts"),
        (Fault::LoseResponse, "PUT", "ts/90p/00003.ts"),
        (Fault::Refuse, "PUT", "ts/90p/00004.ts"),
        (Fault::Slow(20_000), "PUT", "ts/90p/00005.ts"),
        (busy(None), "PUT", "cmaf/master.m3u8"),
        (Fault::ResetRequest(10), "PUT", "manifest.mpd"),
        (Fault::LoseResponse, "PUT", "reelmill.json"),
        (busy(None), "PUT", ".reelmill-job"),
        (Fault::LoseResponse, "POST", "delete"),
        (Fault::Refuse, "GET", "list-type=2"),
    ] {
        place.proxy.fail(Rule::new(fault).method(method).target(target));
    }
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&place.uri("in.mp4"), &place.uri("out"))).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], SECONDS);
    let stored: u64 = place.below("out/").await.iter().map(|(_, size)| size).sum();
    assert_eq!(ended.outputs[0].stored_bytes, stored);
    place.clear().await;
}

#[tokio::test]
async fn a_store_that_stays_away_costs_its_own_output_and_a_retry_makes_only_what_is_missing() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let (source, local) = (daemon.path("in.mp4"), daemon.path("local"));
    clip(&source, SECONDS);
    let mut spec = job(source.to_str().unwrap(), &place.uri("out"));
    spec.outputs.push(output(local.to_str().unwrap(), &["90p"]));
    // From the fourth segment of the pictures on.
    for index in 3..SECONDS {
        place.proxy.fail(Rule::new(busy(None)).method("PUT").target(&format!("ts/90p/0000{index}.ts")).always());
    }
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    let problem = ended.outputs[0].problem.clone().unwrap();
    assert_eq!(problem.code, "output.unavailable");
    assert_eq!(ended.outputs[1].state(), OutputState::Ready);
    check_whole(&local, &["90p"], &["cmaf", "ts"], SECONDS);
    let before = identities(&local);
    let stored = place.below("out/").await;
    assert!(stored.iter().all(|(path, _)| is_segment(path) || path.ends_with("init.mp4") || path == ".reelmill-job"));
    let puts = |paths: Vec<String>| {
        paths.into_iter().filter(|path| is_segment(path)).fold(BTreeMap::new(), |mut counts, path| {
            *counts.entry(path).or_insert(0) += 1;
            counts
        })
    };
    let first: BTreeMap<String, usize> = puts(place.put_paths("out/"));
    place.proxy.clear();
    client.retry_job(RetryJobRequest { id: id.clone(), ..RetryJobRequest::default() }).await.unwrap();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], SECONDS);
    assert_eq!(identities(&local), before, "what is ready is not touched");
    let second = puts(place.put_paths("out/"));
    let again: Vec<_> = second.iter().filter(|(path, count)| first.get(*path).unwrap_or(&0) != *count).collect();
    let is_missing = |path: &str| {
        (3..SECONDS)
            .any(|index| path == format!("ts/90p/0000{index}.ts") || path == format!("cmaf/90p/{}.m4s", index * 25_000))
    };
    assert!(again.iter().all(|(path, _)| is_missing(path)), "{again:?}");
    assert!((3..SECONDS).all(|index| second[&format!("ts/90p/0000{index}.ts")]
        == first.get(&format!("ts/90p/0000{index}.ts")).unwrap_or(&0) + 1));
    place.clear().await;
}

#[tokio::test]
async fn a_place_is_free_again_when_the_job_that_failed_there_is_deleted() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut spec = job(source.to_str().unwrap(), &place.uri("out"));
    spec.outputs[0].if_exists = IfExists::Replace.into();
    place.proxy.fail(Rule::new(busy(None)).method("PUT").target("ts/90p/00001.ts").always());
    let mut client = daemon.jobs().await;
    let failed = submit(&mut client, spec.clone()).await;
    assert_eq!(end_of(&mut client, &failed).await.state(), JobState::Failed);
    place.proxy.clear();
    let id = submit(&mut client, spec.clone()).await;
    let refused = end_of(&mut client, &id).await.problem.unwrap();
    assert!(refused.code == "output.exists" && refused.message.contains(&failed), "{refused:?}");
    client.delete_job(DeleteJobRequest { id: failed }).await.unwrap();
    let began = std::time::Instant::now();
    // The embedded store fails to list what is being deleted.
    while place.bucket.any_under(&place.key("out")).await != Ok(false) {
        assert!(began.elapsed() < PATIENCE, "{:?}", place.below("out").await);
    }
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    place.clear().await;
}
