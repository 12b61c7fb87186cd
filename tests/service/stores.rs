//! Several stores, buckets that are there or not, and outputs that stand there already.

use crate::bucket::{Place, job, quick};
use crate::daemon::{Daemon, Setup, end_of, output, submit};
use crate::media::{check_whole, clip};
use reelmill::api::v1::{self, IfExists, Job, JobState, OutputState, UploadOptions};
use reelmill_testkit::{S3Server, Target};
use std::time::{Duration, Instant};

/// What can be said at once is said within seconds, whatever the policy of trying again.
const SECONDS: Duration = Duration::from_secs(5);

/// Aliases `films` and `wrong` of the target's bucket, the second with another secret, and `made` of a bucket of another
/// store; what has no alias leads nowhere.
fn aliases(target: &Target, other: &S3Server) -> Setup {
    let nowhere = Setup::default().set("s3.endpoint=http://127.0.0.1:9").set("s3.access_key_id=nobody");
    let mut setup = nowhere.env("REELMILL_S3__SECRET_ACCESS_KEY", "nothing");
    let own = (target.endpoint.clone(), target.bucket.as_str(), target.access_key_id.as_str());
    let wrong = "not the secret of anybody";
    for (alias, (endpoint, bucket, key), secret) in [
        ("films", own.clone(), target.secret_access_key.as_str()),
        ("wrong", own, wrong),
        ("made", (other.endpoint(), "published-eu", S3Server::ACCESS_KEY_ID), S3Server::SECRET_ACCESS_KEY),
    ] {
        setup = setup
            .set(format!("s3.buckets.{alias}.endpoint={endpoint}"))
            .set(format!("s3.buckets.{alias}.region={}", target.region))
            .set(format!("s3.buckets.{alias}.bucket={bucket}"))
            .env(&format!("REELMILL_S3__BUCKETS__{}__ACCESS_KEY_ID", alias.to_uppercase()), key)
            .env(&format!("REELMILL_S3__BUCKETS__{}__SECRET_ACCESS_KEY", alias.to_uppercase()), secret);
    }
    setup
}

async fn run(daemon: &Daemon, spec: v1::JobSpec) -> Job {
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    end_of(&mut client, &id).await
}

fn code(problem: &Option<v1::Problem>) -> &str {
    problem.as_ref().map_or("", |problem| problem.code.as_str())
}

#[tokio::test]
async fn a_job_goes_from_one_store_to_another_by_their_aliases() {
    let Some(place) = Place::open() else { return };
    let other = S3Server::start();
    other.create_bucket("published-eu");
    let daemon = aliases(&place.target, &other).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    place.upload("in.mp4", &source).await;
    let mut spec = job(&format!("s3://films/{}", place.key("in.mp4")), "s3://made/by/alias");
    spec.outputs.push(output(&format!("s3://films/{}", place.key("out")), &["90p"]));
    let ended = run(&daemon, spec).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&other.directory().join("published-eu/by/alias"), &["90p"], &["cmaf", "ts"], 2);
    assert_eq!(ended.outputs[0].destination, "s3://made/by/alias");
    assert!(ended.outputs[0].files[0].uri.starts_with("s3://made/by/alias/"));
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], 2);
    place.clear().await;
}

#[tokio::test]
async fn a_wrong_secret_is_told_within_seconds_and_never_shown() {
    let Some(place) = Place::open() else { return };
    let other = S3Server::start();
    let daemon = aliases(&place.target, &other).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    place.upload("in.mp4", &source).await;
    let (films, wrong) = (format!("s3://films/{}", place.key("in.mp4")), format!("s3://wrong/{}", place.key("x")));
    for (from, to, expected) in [(&wrong, &films, "source.forbidden"), (&films, &wrong, "output.forbidden")] {
        let began = Instant::now();
        let to = format!("{to}-out");
        let ended = run(&daemon, job(from, &to)).await;
        assert_eq!((ended.state(), code(&ended.problem)), (JobState::Failed, expected), "{ended:?}");
        assert!(began.elapsed() < SECONDS, "{:?}", began.elapsed());
        assert!(ended.problem.unwrap().message.contains("credentials"));
    }
    assert!(!daemon.log().contains("the secret of anybody"));
    place.clear().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_object_is_told_within_seconds() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let (empty, text) = (daemon.path("empty"), daemon.path("text"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&text, "this is no film\n".repeat(1000)).unwrap();
    place.upload("empty", &empty).await;
    place.upload("text", &text).await;
    let nowhere = "s3://reelmill-no-such-bucket/in.mp4".to_owned();
    for (uri, expected) in [
        (place.uri("missing"), "source.not_found"),
        (nowhere, "source.not_found"),
        (place.uri("empty"), "source.empty"),
        (place.uri("text"), "source.not_media"),
    ] {
        let began = Instant::now();
        let ended = run(&daemon, job(&uri, &place.uri("out"))).await;
        assert_eq!((ended.state(), code(&ended.problem)), (JobState::Failed, expected), "{uri}: {ended:?}");
        assert_eq!(ended.inputs[0].state(), v1::InputState::Failed);
        assert!(began.elapsed() < SECONDS, "{uri}: {:?}", began.elapsed());
        assert_eq!(place.below("out").await, [], "{uri}");
    }
    place.clear().await;
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_named_or_made() {
    // In a store of its own: buckets of others are not made and left.
    let server = S3Server::start();
    let daemon = quick(Setup::default().set(format!("s3.endpoint={}", server.endpoint())))
        .env("REELMILL_S3__ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID)
        .env("REELMILL_S3__SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY)
        .start()
        .await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut spec = job(source.to_str().unwrap(), "s3://not-there-yet/out");
    let began = Instant::now();
    let failed = run(&daemon, spec.clone()).await;
    assert_eq!((failed.state(), code(&failed.problem)), (JobState::Failed, "output.bucket_missing"), "{failed:?}");
    assert!(began.elapsed() < SECONDS && !server.directory().join("not-there-yet").exists());
    spec.outputs[0].upload = Some(UploadOptions { create_bucket: Some(true), ..UploadOptions::default() });
    let made = run(&daemon, spec).await;
    assert_eq!(made.state(), JobState::Succeeded, "{made:?}");
    check_whole(&server.directory().join("not-there-yet/out"), &["90p"], &["cmaf", "ts"], 2);
}

#[tokio::test]
async fn what_stands_there_is_left_replaced_or_a_reason_to_fail() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 4);
    let spec = |if_exists: IfExists| {
        let mut spec = job(source.to_str().unwrap(), &place.uri("out"));
        spec.outputs[0].if_exists = if_exists.into();
        spec
    };
    assert_eq!(run(&daemon, spec(IfExists::Fail)).await.state(), JobState::Succeeded);
    let first = place.below("out/").await;
    let puts = place.puts("out/").len();
    let failed = run(&daemon, spec(IfExists::Fail)).await;
    assert_eq!((failed.state(), code(&failed.problem)), (JobState::Failed, "output.exists"), "{failed:?}");
    let skipped = run(&daemon, spec(IfExists::Skip)).await;
    assert_eq!((skipped.state(), skipped.outputs[0].state()), (JobState::Succeeded, OutputState::Skipped));
    assert_eq!((place.below("out/").await, place.puts("out/").len()), (first, puts), "nothing was touched");
    // Shorter, so that what the first one left over would show.
    clip(&source, 2);
    let replaced = run(&daemon, spec(IfExists::Replace)).await;
    assert_eq!(replaced.state(), JobState::Succeeded, "{replaced:?}");
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], 2);
    // What is not ours is never replaced.
    place.upload("foreign/notes.txt", &source).await;
    let mut spec = spec(IfExists::Replace);
    spec.outputs[0].destination = place.uri("foreign");
    let refused = run(&daemon, spec).await;
    assert_eq!(code(&refused.problem), "output.exists", "{refused:?}");
    assert_eq!(place.below("foreign/").await.len(), 1);
    place.clear().await;
}
