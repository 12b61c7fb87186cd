//! Which job comes first, when, and only once.

use crate::daemon::{Setup, end_of, get, job, job_of, job_that, submit};
use crate::media::{HALF, clip, heavy_clip};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState};
use std::time::{Duration, SystemTime};
use tonic::Code;

/// Time of day of a message, ns since 1970.
fn nanos(time: Option<prost_types::Timestamp>) -> i128 {
    let time = time.unwrap();
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

#[tokio::test]
async fn high_comes_before_normal_and_that_before_batch_also_after_a_restart() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").set("jobs.active_max=1").start().await;
    let (source, large) = (daemon.path("in.mp4"), daemon.path("large.mp4"));
    clip(&source, 1);
    heavy_clip(&large);
    let slow = SlowFile::start(&large, HALF).await;
    let mut client = daemon.jobs().await;
    // Holds the only place for the time in which the others come, in the order in which they are not to begin.
    let first = job_of(&slow.uri(), &daemon.path("first"));
    let first = submit(&mut client, v1::JobSpec { priority: v1::Priority::High.into(), ..first }).await;
    job_that(&mut client, &first, |job| job.state() == JobState::Running).await;
    let mut ids = Vec::new();
    for (round, priority) in [v1::Priority::Batch, v1::Priority::Normal, v1::Priority::High, v1::Priority::Unspecified]
        .into_iter()
        .enumerate()
    {
        let spec = job(&source, &daemon.path(format!("out-{round}")));
        ids.push(submit(&mut client, v1::JobSpec { priority: priority.into(), ..spec }).await);
    }
    daemon.kill();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    job_that(&mut client, &first, |job| job.state() == JobState::Running).await;
    for id in &ids {
        assert_eq!(get(&mut client, id).await.state(), JobState::Queued, "there is no room yet");
    }
    slow.release();
    let mut began = Vec::new();
    for id in &ids {
        let ended = end_of(&mut client, id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
        began.push(nanos(ended.begin_time));
    }
    assert!(began[2] < began[1] && began[1] < began[3] && began[3] < began[0], "{began:?}");
}

#[tokio::test]
async fn a_job_does_not_start_before_its_time_also_after_a_restart() {
    let mut daemon = Setup::default().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 1);
    let mut client = daemon.jobs().await;
    let at = SystemTime::now() + Duration::from_secs(3);
    let later = v1::JobSpec { start_time: Some(at.into()), ..job(&source, &daemon.path("later")) };
    let later = submit(&mut client, later).await;
    let now = submit(&mut client, job(&source, &daemon.path("now"))).await;
    assert_eq!(end_of(&mut client, &now).await.state(), JobState::Succeeded);
    daemon.kill();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &later).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let wanted = nanos(Some(at.into())) / 1_000_000;
    let began = nanos(ended.begin_time) / 1_000_000;
    assert!((wanted..wanted + 2_000).contains(&began), "it began {} ms after its time", began - wanted);
}

#[tokio::test]
async fn a_request_that_is_repeated_makes_one_job_also_after_a_restart() {
    let mut daemon = Setup::default().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 1);
    let spec = job(&source, &daemon.path("out"));
    let request = |spec: &v1::JobSpec| v1::CreateJobRequest { job: Some(spec.clone()), idempotency_key: "once".into() };
    let mut client = daemon.jobs().await;
    let first = client.create_job(request(&spec)).await.unwrap().into_inner();
    assert!(!first.existed);
    let id = first.job.unwrap().id;
    for _ in 0..2 {
        let again = client.create_job(request(&spec)).await.unwrap().into_inner();
        assert_eq!((again.existed, again.job.unwrap().id), (true, id.clone()));
        let other = v1::JobSpec { reference_id: "another".into(), ..spec.clone() };
        let refused = client.create_job(request(&other)).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        daemon.kill();
        daemon.restart().await;
        client = daemon.jobs().await;
    }
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let all = client.list_jobs(v1::ListJobsRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.jobs.len(), 1);
}
