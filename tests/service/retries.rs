//! What fails is tried again where that may help, and nothing that is finished is made twice.

use crate::daemon::{Daemon, Setup, end_of, job, job_of, job_that, output, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::{self, JobState, OutputState};
use reelmill_testkit::{Fault, FaultProxy, Rule, S3Server};
use std::fs;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Attempts in all, and the first wait.
fn policy(attempts_max: u32, first_ms: i32) -> Option<v1::RetryPolicy> {
    let delay = |ms: i32| Some(prost_types::Duration { seconds: 0, nanos: ms * 1_000_000 });
    Some(v1::RetryPolicy { attempts_max, first_delay: delay(first_ms), max_delay: delay(900) })
}

async fn retry(client: &mut JobServiceClient<Channel>, id: &str, outputs: &[&str]) -> Result<v1::Job, Status> {
    let output_ids = outputs.iter().map(|id| (*id).to_owned()).collect();
    let answer = client.retry_job(v1::RetryJobRequest { id: id.into(), output_ids }).await?;
    Ok(answer.into_inner().job.unwrap())
}

/// A daemon whose workers are started by a script, which may write to the directory that comes with it.
async fn scripted(script: &str) -> (Daemon, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Setup::default().env("REELMILL_WORKER", Daemon::wrapper(directory.path(), script)).start().await;
    (daemon, directory)
}

#[tokio::test]
async fn a_worker_that_crashes_once_is_tried_again_after_a_wait() {
    let script = "date +%s%3N > $DIR/$part; case $part in video-0-1) kill -ABRT $$;; esac";
    let (daemon, directory) = scripted(script).await;
    let source = daemon.path("in.mp4");
    clip(&source, 3);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, v1::JobSpec { retry: policy(3, 600), ..job(&source, &daemon.path("out")) }).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], 3);
    let began = |part: &str| fs::read_to_string(directory.path().join(part)).unwrap().trim().parse::<i64>().unwrap();
    // Half of a wait is random.
    assert!(began("video-0-2") - began("video-0-1") >= 300, "it is tried again after a wait");
    assert!(!directory.path().join("video-0-3").exists() && !directory.path().join("audio-2").exists());
}

#[tokio::test]
async fn a_worker_that_dies_after_its_last_segment_costs_nothing() {
    let script = "case $part in video-0-1|audio-1) \"$WORKER\" \"$@\"; exit 9;; esac";
    let (daemon, _directory) = scripted(script).await;
    let source = daemon.path("in.mp4");
    clip(&source, 3);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, v1::JobSpec { retry: policy(3, 50), ..job(&source, &daemon.path("out")) }).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], 3);
}

#[tokio::test]
async fn a_worker_that_always_crashes_fails_its_outputs_with_the_reason() {
    let (daemon, directory) = scripted("echo x >> $DIR/$part; case $part in video-*) kill -ABRT $$;; esac").await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, v1::JobSpec { retry: policy(5, 50), ..job(&source, &daemon.path("out")) }).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.outputs[0].state()), (JobState::Failed, OutputState::Failed));
    crate::states::check_sums(&ended);
    let problem = ended.outputs[0].problem.clone().unwrap();
    assert_eq!((problem.fault(), problem.code.as_str()), (v1::Fault::Device, "worker.crashed"));
    assert!(problem.message.contains("SIGABRT"), "{problem:?}");
    let attempts = fs::read_dir(directory.path()).unwrap().flatten();
    let attempts = attempts.filter(|entry| entry.file_name().to_string_lossy().starts_with("video-0")).count();
    assert_eq!(attempts, 2, "it dies of the media or of the code: more attempts are no use");
    assert!(daemon.spooled().is_empty(), "{:?}", daemon.spooled());
}

#[tokio::test]
async fn one_output_fails_and_the_others_go_on_or_stop_as_asked() {
    let daemon = Daemon::start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 3);
    let mut client = daemon.jobs().await;
    let modes = [v1::OnOutputFailure::Continue, v1::OnOutputFailure::StopJob];
    for (number, mode) in modes.into_iter().enumerate() {
        for place in ["unwritable", "unplannable"] {
            let out = daemon.path(format!("{place}-{number}"));
            let mut spec = v1::JobSpec { retry: policy(1, 50), on_output_failure: mode.into(), ..job(&source, &out) };
            let mut bad = output(daemon.path(format!("{place}-bad-{number}")).to_str().unwrap(), &["90p"]);
            if place == "unwritable" {
                bad.destination = format!("{}/out", source.display());
            } else {
                // Found out once the source is known and destinations are claimed: nothing is left of it after its begin.
                let start = Some(prost_types::Duration { seconds: 100, nanos: 0 });
                let cut = v1::SourceSpec { start, id: "cut".into(), ..spec.sources[0].clone() };
                spec.sources[0].id = "whole".into();
                spec.outputs[0].source_id = "whole".into();
                spec.sources.push(cut);
                bad.source_id = "cut".into();
            }
            spec.outputs.push(bad);
            let id = submit(&mut client, spec).await;
            let ended = end_of(&mut client, &id).await;
            crate::states::check_sums(&ended);
            assert_eq!(ended.outputs[1].state(), OutputState::Failed, "{place} {mode:?}: {ended:?}");
            assert!(!daemon.path(format!("unplannable-bad-{number}")).exists());
            if mode == v1::OnOutputFailure::Continue {
                assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
                check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], 3);
            } else {
                assert_eq!((ended.state(), ended.outputs[0].state()), (JobState::Failed, OutputState::Stopped));
                assert_eq!(ended.outputs[0].problem.as_ref().unwrap().code, "job.output_failed");
                assert!(!out.exists(), "{place}: {:?}", crate::daemon::everything_below(&out));
            }
        }
    }
}

#[tokio::test]
async fn a_failed_output_is_made_once_its_cause_is_mended_and_the_others_are_left_alone() {
    let daemon = Daemon::start().await;
    let (source, second) = (daemon.path("in.mp4"), daemon.path("second.mp4"));
    clip(&source, 3);
    let place = daemon.path("place");
    fs::write(&place, "in the way").unwrap();
    let mut spec = v1::JobSpec { retry: policy(1, 50), ..job(&source, &daemon.path("good")) };
    spec.sources[0].id = "first".into();
    spec.sources.push(v1::SourceSpec {
        id: "second".into(),
        uri: second.to_str().unwrap().into(),
        ..v1::SourceSpec::default()
    });
    spec.outputs[0].source_id = "first".into();
    let blocked = output(place.join("out").to_str().unwrap(), &["90p"]);
    spec.outputs.push(v1::OutputSpec { id: "blocked".into(), source_id: "first".into(), ..blocked });
    let absent = output(daemon.path("absent").to_str().unwrap(), &["180p"]);
    spec.outputs.push(v1::OutputSpec { id: "absent".into(), source_id: "second".into(), ..absent });
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    let states: Vec<_> = ended.outputs.iter().map(v1::Output::state).collect();
    assert_eq!(states, [OutputState::Ready, OutputState::Failed, OutputState::Failed], "{ended:?}");
    let before = identities(&daemon.path("good"));

    // Nothing is mended: it fails for the same reasons.
    retry(&mut client, &id, &[]).await.unwrap();
    let again = end_of(&mut client, &id).await;
    for (first, second) in ended.outputs.iter().zip(&again.outputs) {
        let code = |output: &v1::Output| output.problem.as_ref().map(|problem| problem.code.clone());
        assert_eq!((code(first), first.state()), (code(second), second.state()));
    }

    fs::remove_file(&place).unwrap();
    clip(&second, 2);
    retry(&mut client, &id, &["blocked"]).await.unwrap();
    let ended = end_of(&mut client, &id).await;
    let states: Vec<_> = ended.outputs.iter().map(v1::Output::state).collect();
    assert_eq!(states, [OutputState::Ready, OutputState::Ready, OutputState::Failed], "{ended:?}");
    assert_eq!(ended.state(), JobState::Partial);
    retry(&mut client, &id, &[]).await.unwrap();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    crate::states::check_sums(&ended);
    check_whole(&place.join("out"), &["90p"], &["cmaf", "ts"], 3);
    check_whole(&daemon.path("absent"), &["180p"], &["cmaf", "ts"], 2);
    assert_eq!(identities(&daemon.path("good")), before, "what was ready is left alone");
    let refused = retry(&mut client, &id, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("nothing to try again"), "{refused}");
}

#[tokio::test]
async fn a_retry_uploads_what_is_missing_and_no_more() {
    let store = S3Server::start();
    store.create_bucket("published");
    let proxy = FaultProxy::start(&store.address().to_string());
    let daemon = Setup::default()
        .set("sources.allow=127.0.0.1")
        .set(format!("s3.endpoint={}", proxy.endpoint()))
        .env("REELMILL_S3__ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID)
        .env("REELMILL_S3__SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY)
        .start()
        .await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut spec = v1::JobSpec { retry: policy(1, 50), ..job_of(&slow.uri(), &daemon.path("local")) };
    spec.outputs[0].renditions.truncate(1);
    spec.outputs.push(output("s3://published/film", &["90p"]));
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    job_that(&mut client, &id, |job| job.outputs[1].playable_time.is_some()).await;
    until("the reader to be held", || (proxy.count("PUT", "/ts/90p/") >= 10).then_some(())).await;
    // Manifests are refused from now on, so the output fails; its segments so far are all recorded.
    let denied = Fault::Answer { status: 403, code: "AccessDenied", retry_after: None };
    proxy.fail(Rule::new(denied).method("PUT").target("m3u8").always());
    slow.allow(85);
    job_that(&mut client, &id, |job| job.outputs[1].state() == OutputState::Failed).await;
    slow.release();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    assert_eq!(ended.outputs[1].problem.as_ref().unwrap().code, "output.forbidden");
    check_whole(&daemon.path("local"), &["180p"], &["cmaf", "ts"], HEAVY_SECONDS);
    let bucket = store.directory().join("published/film");
    let left = identities(&bucket);
    assert!(
        !left.is_empty() && !bucket.join("ts/master.m3u8").exists(),
        "segments stay for the retry, manifests do not"
    );

    proxy.clear();
    let before = proxy.requests().len();
    retry(&mut client, &id, &[]).await.unwrap();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&bucket, &["90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    let again: Vec<_> = proxy.requests().split_off(before);
    let video = |path: &str| path.contains("/90p/") && (path.ends_with(".m4s") || path.ends_with(".ts"));
    let uploads = again.iter().filter(|request| request.method == "PUT" && video(&request.path())).count();
    // How many were recorded before depends on the machine; those that were are not made again.
    assert!(uploads < 2 * HEAVY_SECONDS, "{uploads} of {} segments were uploaded again", 2 * HEAVY_SECONDS);
}

#[tokio::test]
async fn a_stopped_job_can_be_tried_again_and_one_that_runs_cannot() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 4).then_some(())).await;
    let refused = retry(&mut client, &id, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    crate::daemon::stop(&mut client, &[&id]).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Stopped);
    slow.release();
    let queued = retry(&mut client, &id, &[]).await.unwrap();
    assert_eq!((queued.state(), queued.outputs[0].state()), (JobState::Queued, OutputState::Pending));
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
}
