//! Stops, ends and deaths of the daemon while it uploads, and what is left at the store.

use crate::bucket::{Place, is_segment, job};
use crate::daemon::{Daemon, end_of, job_that, submit, until};
use crate::heavy::{copied, noisy};
use crate::media::{RATE, check_whole, clip, frames};
use reelmill::api::v1::{JobSpec, JobState, StopJobsRequest};
use reelmill_testkit::{Fault, Rule};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

const SECONDS: usize = 12;
const MIB: u64 = 1 << 20;
/// A stop is done within this.
const STOPPED_WITHIN: Duration = Duration::from_secs(2);

/// A daemon that uploads whatever has more than 5 MiB in parts.
async fn in_parts(place: &Place) -> Daemon {
    place.setup().set("upload.threshold_bytes=5MiB").set("upload.part_bytes=5MiB").start().await
}

/// A job whose output ends with a file of five parts, each of which takes its time.
fn large(daemon: &Daemon, place: &Place) -> JobSpec {
    let source = daemon.path("in.mp4");
    noisy(&source, RATE);
    let mut spec = copied(source.to_str().unwrap(), &place.uri("out"));
    spec.outputs[0].progressive_mp4 = Some(true);
    place.proxy.fail(Rule::new(Fault::Slow(8 * MIB)).method("PUT").target("partNumber=").always());
    spec
}

/// Waits until parts are on their way.
async fn sending_parts(place: &Place) {
    place.proxy.until(|seen| seen.iter().filter(|request| request.target.contains("partNumber=")).count() >= 3).await;
}

/// Waits until the store holds nothing of any upload.
async fn aborted(place: &Place) {
    if let Some(store) = &place.target.embedded {
        until("uploads to be aborted", || store.unfinished_uploads().is_empty().then_some(())).await;
    }
    assert_eq!(place.bucket.abort_uploads(&place.prefix).await, Ok(0), "nothing was left to abort");
}

async fn check_large(daemon: &Daemon, place: &Place) {
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["320x180"], &["cmaf", "ts"], SECONDS);
    assert_eq!(frames(&copy.join("mp4/320x180.mp4")), SECONDS * RATE);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_an_upload_in_parts_leaves_nothing() {
    let Some(place) = Place::open() else { return };
    let daemon = in_parts(&place).await;
    let spec = large(&daemon, &place);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec.clone()).await;
    sending_parts(&place).await;
    let began = Instant::now();
    client.stop_jobs(StopJobsRequest { ids: vec![id.clone()] }).await.unwrap();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Stopped, "{ended:?}");
    assert_eq!(place.below("out").await, []);
    aborted(&place).await;
    assert!(began.elapsed() < STOPPED_WITHIN, "{:?}", began.elapsed());
    assert!(daemon.spooled().is_empty() && daemon.workers().is_empty());
    // The same, let through, is one file in the right pieces.
    place.proxy.clear();
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_large(&daemon, &place).await;
    place.clear().await;
}

#[tokio::test]
async fn a_stop_at_any_moment_leaves_nothing_below_the_prefix() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 20);
    let mut client = daemon.jobs().await;
    for (at, puts) in [1, 2, 3, 5, 8, 13, 21, 34].into_iter().enumerate() {
        let name = format!("out-{at}");
        let id = submit(&mut client, job(source.to_str().unwrap(), &place.uri(&name))).await;
        place
            .proxy
            .until(|seen| seen.iter().filter(|r| r.method == "PUT" && r.path().contains(&name)).count() >= puts)
            .await;
        let began = Instant::now();
        client.stop_jobs(StopJobsRequest { ids: vec![id.clone()] }).await.unwrap();
        let ended = end_of(&mut client, &id).await;
        assert!(began.elapsed() < STOPPED_WITHIN, "{:?}", began.elapsed());
        assert_eq!(ended.state(), JobState::Stopped, "{ended:?}");
        assert_eq!(place.below(&name).await, [], "after {puts} objects");
    }
    // Nor does anything come later.
    assert_eq!(place.below("out").await, []);
    place.clear().await;
}

#[tokio::test]
async fn objects_that_are_on_their_way_when_a_job_is_stopped_do_not_stay() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 20);
    // As far away as other continents are.
    place.proxy.fail(Rule::new(Fault::Late(300)).method("PUT").always());
    let mut client = daemon.jobs().await;
    for (name, last) in [("out-1", ".reelmill-job"), ("out-2", "90p/00003.ts"), ("out-3", "cmaf/master.m3u8")] {
        let id = submit(&mut client, job(source.to_str().unwrap(), &place.uri(name))).await;
        let seen = |path: &str| path.contains(name) && path.ends_with(last);
        place.proxy.until(|all| all.iter().any(|request| request.method == "PUT" && seen(&request.path()))).await;
        let began = Instant::now();
        client.stop_jobs(StopJobsRequest { ids: vec![id.clone()] }).await.unwrap();
        let ended = end_of(&mut client, &id).await;
        assert!(began.elapsed() < STOPPED_WITHIN, "{:?}", began.elapsed());
        assert_eq!(ended.state(), JobState::Stopped, "{ended:?}");
        until("everything to arrive", || (place.proxy.open_connections() == 0).then_some(())).await;
        assert_eq!(place.below(name).await, [], "stopped at {last}");
    }
    place.clear().await;
}

#[tokio::test]
async fn a_daemon_that_is_asked_to_end_aborts_what_it_was_sending_and_goes_on_at_the_next_start() {
    let Some(place) = Place::open() else { return };
    let setup = place.setup().set("upload.threshold_bytes=5MiB").set("upload.part_bytes=5MiB");
    let mut daemon = setup.set("shutdown.grace=0ms").start().await;
    let spec = large(&daemon, &place);
    let id = submit(&mut daemon.jobs().await, spec).await;
    sending_parts(&place).await;
    daemon.terminate().await;
    aborted(&place).await;
    place.proxy.clear();
    let before = place.put_paths("out/");
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let again: Vec<_> = place.put_paths("out/").split_off(before.len());
    assert!(!again.iter().any(|path| is_segment(path)), "{again:?}");
    check_large(&daemon, &place).await;
    place.clear().await;
}

#[tokio::test]
async fn what_a_killed_daemon_was_sending_is_aborted_by_the_next_one() {
    let Some(place) = Place::open() else { return };
    let mut daemon = in_parts(&place).await;
    let spec = large(&daemon, &place);
    let id = submit(&mut daemon.jobs().await, spec).await;
    sending_parts(&place).await;
    daemon.kill();
    place.proxy.clear();
    if let Some(store) = &place.target.embedded {
        assert!(!store.unfinished_uploads().is_empty(), "it was killed too late");
    }
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    aborted(&place).await;
    check_large(&daemon, &place).await;
    place.clear().await;
}

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
    job_that(&mut client, &id, |job| job.outputs[0].playable_time.is_some()).await;
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
    place.clear().await;
}

/// The segments that the playlists of an output name, as paths below it.
fn named(out: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for track in ["cmaf/90p", "cmaf/audio-1", "ts/90p", "ts/audio-1"] {
        let text = std::fs::read_to_string(out.join(track).join("media.m3u8")).unwrap_or_default();
        let names = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        found.extend(names.map(|name| format!("{track}/{name}")));
    }
    found
}
