//! What is asked to stop is gone within two seconds, wherever it stood, and what is not goes on.

use crate::daemon::{Daemon, Setup, end_of, everything_below, get, job, job_of, job_that, output, stop, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::stop_result::Outcome;
use reelmill::api::v1::{self, InputState, JobState, OutputState};
use reelmill_testkit::{Fault, FaultProxy, Rule, S3Server};
use std::path::Path;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// Within so long nothing of a stopped job is left.
const STOPPED_WITHIN: Duration = Duration::from_secs(2);

/// Asks for the stop of a job, and checks that within two seconds it is stopped, nothing of it runs or is spooled, and its
/// destination is as it was.
async fn check_stopped(daemon: &Daemon, client: &mut JobServiceClient<Channel>, id: &str, out: &Path, what: &str) {
    let began = Instant::now();
    assert_eq!(stop(client, &[id]).await, [Outcome::Stopping], "{what}");
    let stopped = end_of(client, id).await;
    let spool = daemon.state_dir().join("spool").join(id);
    until("its workers and its spool to go", || (daemon.workers_of(id).is_empty() && !spool.exists()).then_some(()))
        .await;
    assert!(began.elapsed() < STOPPED_WITHIN, "{what}: {:?}", began.elapsed());
    assert_eq!(stopped.state(), JobState::Stopped, "{what}: {stopped:?}");
    assert!(stopped.outputs.iter().all(|output| output.state() == OutputState::Stopped), "{what}: {stopped:?}");
    assert_eq!(stopped.problem.as_ref().unwrap().code, "job.cancelled", "{what}");
    crate::states::check_sums(&stopped);
    assert!(!out.exists(), "{what}: {:?}", everything_below(out));
}

#[tokio::test]
async fn stopped_in_the_queue_while_it_reads_and_while_it_encodes() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").set("jobs.active_max=1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let out = |name: &str| daemon.path(name).join("out");
    let mut client = daemon.jobs().await;

    let slow = SlowFile::start(&source, 0).await;
    let reading = submit(&mut client, job_of(&slow.uri(), &out("reading"))).await;
    let queued = submit(&mut client, job(&source, &out("queued"))).await;
    slow.is_waited_for().await;
    job_that(&mut client, &reading, |job| job.inputs[0].state() == InputState::Checking).await;
    assert_eq!(get(&mut client, &queued).await.state(), JobState::Queued);
    check_stopped(&daemon, &mut client, &queued, &out("queued"), "in the queue").await;
    check_stopped(&daemon, &mut client, &reading, &out("reading"), "while it reads").await;
    until("the probe to go", || daemon.workers().is_empty().then_some(())).await;

    let slow = SlowFile::start(&source, HALF).await;
    let encoding = submit(&mut client, job_of(&slow.uri(), &out("encoding"))).await;
    until("some segments", || (identities(&out("encoding")).len() >= 8).then_some(())).await;
    check_stopped(&daemon, &mut client, &encoding, &out("encoding"), "while it encodes").await;

    // One whose worker does not even hear that it is asked.
    let deaf = submit(&mut client, job_of(&slow.uri(), &out("deaf"))).await;
    until("some segments", || (identities(&out("deaf")).len() >= 8).then_some(())).await;
    daemon.worker_on(&deaf, "video-0").await.signal(libc::SIGSTOP);
    check_stopped(&daemon, &mut client, &deaf, &out("deaf"), "with a worker that is stuck").await;
    assert!(daemon.spooled().is_empty(), "{:?}", daemon.spooled());
}

#[tokio::test]
async fn stopped_while_it_uploads() {
    let store = S3Server::start();
    store.create_bucket("published");
    let proxy = FaultProxy::start(&store.address().to_string());
    let daemon = Setup::default()
        .set(format!("s3.endpoint={}", proxy.endpoint()))
        .env("REELMILL_S3__ACCESS_KEY_ID", S3Server::ACCESS_KEY_ID)
        .env("REELMILL_S3__SECRET_ACCESS_KEY", S3Server::SECRET_ACCESS_KEY)
        .start()
        .await;
    let source = daemon.path("in.mp4");
    clip(&source, 4);
    proxy.fail(Rule::new(Fault::StallRequest(100)).method("PUT").target("/180p/").after(4).always());
    let mut client = daemon.jobs().await;
    let mut spec = job(&source, Path::new("/"));
    spec.outputs[0].destination = "s3://published/film".into();
    let id = submit(&mut client, spec).await;
    until("uploads that stand still", || (proxy.count("PUT", "/180p/") > 5).then_some(())).await;
    check_stopped(&daemon, &mut client, &id, &daemon.path("nowhere"), "while it uploads").await;
    // The store's directories stay; there are none in a bucket.
    let left = everything_below(&store.directory().join("published"));
    let left: Vec<_> = left.iter().filter(|path| path.is_file()).collect();
    assert!(left.is_empty(), "the bucket is not empty again: {left:?}");
    // Bodies that the proxy holds back are the store's own matter until the connection ends.
    let uploads = store.unfinished_uploads().into_iter().filter(|name| name.starts_with(".upload"));
    assert_eq!(uploads.collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn unknown_jobs_and_those_that_are_over_are_told_apart_and_stopping_twice_is_fine() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (source, large) = (daemon.path("in.mp4"), daemon.path("large.mp4"));
    clip(&source, 2);
    heavy_clip(&large);
    let slow = SlowFile::start(&large, HALF).await;
    let mut client = daemon.jobs().await;
    let done = submit(&mut client, job(&source, &daemon.path("done"))).await;
    assert_eq!(end_of(&mut client, &done).await.state(), JobState::Succeeded);
    let running = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 4).then_some(())).await;
    let unknown = "0123456789abcdef0123456789abcdef";
    let outcomes = stop(&mut client, &[&done, unknown, &running, &running]).await;
    assert_eq!(outcomes[..3], [Outcome::AlreadyEnded, Outcome::NotFound, Outcome::Stopping]);
    assert!(matches!(outcomes[3], Outcome::Stopping | Outcome::AlreadyEnded), "{outcomes:?}");
    assert_eq!(end_of(&mut client, &running).await.state(), JobState::Stopped);
    assert_eq!(stop(&mut client, &[&running]).await, [Outcome::AlreadyEnded]);
    check_whole(&daemon.path("done"), &["180p", "90p"], &["cmaf", "ts"], 2);
}

#[tokio::test]
async fn one_output_is_stopped_and_the_other_does_not_notice() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let (first, second) = (daemon.path("first"), daemon.path("second"));
    let mut spec = job_of(&slow.uri(), &first);
    // Its first rung costs many times what the shared one does.
    let dear = output(first.to_str().unwrap(), &["720p", "180p"]);
    spec.outputs[0] = v1::OutputSpec { id: "both".into(), allow_upscale: Some(true), ..dear };
    spec.outputs.push(v1::OutputSpec { id: "one".into(), ..output(second.to_str().unwrap(), &["180p"]) });
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    // Eleven of thirteen that there can be until more is given out.
    until("segments of both", || (identities(&first).len() >= 66 && identities(&second).len() >= 44).then_some(()))
        .await;
    let (video, audio) = (daemon.worker_on(&id, "video-0").await, daemon.worker_on(&id, "audio").await);
    let before = identities(&second);

    let output_ids = vec!["both".to_owned(), "absent".to_owned()];
    let refused = client.stop_outputs(v1::StopOutputsRequest { id: id.clone(), output_ids }).await;
    let result = refused.map(|answer| answer.into_inner().results).unwrap_or_default();
    if result.is_empty() {
        let output_ids = vec!["both".to_owned()];
        client.stop_outputs(v1::StopOutputsRequest { id: id.clone(), output_ids }).await.unwrap();
    } else {
        assert_eq!(result[1].outcome(), Outcome::NotFound);
    }
    let began = Instant::now();
    job_that(&mut client, &id, |job| job.outputs[0].state() == OutputState::Stopped).await;
    assert!(began.elapsed() < STOPPED_WITHIN, "{:?}", began.elapsed());
    assert!(!first.exists(), "{:?}", everything_below(&first));
    assert_eq!(daemon.worker_on(&id, "video-0").await, video, "its worker goes on");
    assert_eq!(daemon.worker_on(&id, "audio").await, audio, "so does that of the sound");
    assert_eq!(get(&mut client, &id).await.state(), JobState::Running);

    let (before_release, mut ticks) = (video.cpu_ticks(), video.cpu_ticks());
    slow.release();
    until("the worker's end", || {
        ticks = video.cpu_ticks().max(ticks);
        daemon.workers().is_empty().then_some(())
    })
    .await;
    let after_release = ticks - before_release;
    let share = "two thirds of the source were made for both and a third for one";
    assert!(after_release * 4 < before_release, "{share}: {before_release} and {after_release} ticks of CPU time");
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.outputs[1].state()), (JobState::Succeeded, OutputState::Ready), "{ended:?}");
    crate::states::check_sums(&ended);
    check_whole(&second, &["180p"], &["cmaf", "ts"], HEAVY_SECONDS);
    let after = identities(&second);
    assert!(before.iter().all(|(path, identity)| after.get(path) == Some(identity)), "nothing was made again");
    assert!(!first.exists());
}

#[tokio::test]
async fn stopping_the_last_output_stops_the_job() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut spec = job_of(&slow.uri(), &daemon.path("first"));
    spec.outputs.push(output(daemon.path("second").to_str().unwrap(), &["90p"]));
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    until("segments", || (!identities(&daemon.path("first")).is_empty()).then_some(())).await;
    for index in [1, 0] {
        let running = get(&mut client, &id).await;
        let output_ids = vec![running.outputs[index].id.clone()];
        let answer = client.stop_outputs(v1::StopOutputsRequest { id: id.clone(), output_ids }).await.unwrap();
        assert_eq!(answer.into_inner().results[0].outcome(), Outcome::Stopping);
    }
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Stopped, "{ended:?}");
    crate::states::check_sums(&ended);
    until("its workers to go", || daemon.workers().is_empty().then_some(())).await;
    assert!(!daemon.path("first").exists() && !daemon.path("second").exists());
}

#[tokio::test]
async fn a_stop_outlives_the_daemon_and_does_not_wait_for_room() {
    let setup = Setup::default().set("sources.allow=127.0.0.1").set("jobs.active_max=1");
    let mut daemon = setup.start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let begun = submit(&mut client, job_of(&slow.uri(), &daemon.path("begun"))).await;
    until("some segments", || (identities(&daemon.path("begun")).len() >= 8).then_some(())).await;
    // It is asked to stop, and dies before it can: the stuck worker keeps it busy for a moment.
    daemon.worker_on(&begun, "video-0").await.signal(libc::SIGSTOP);
    assert_eq!(stop(&mut client, &[&begun]).await, [Outcome::Stopping]);
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    assert_eq!(end_of(&mut client, &begun).await.state(), JobState::Stopped);
    assert!(!daemon.path("begun").exists());

    // One that has begun, and waits behind another after the restart, is stopped at once all the same.
    let behind = submit(&mut client, job_of(&slow.uri(), &daemon.path("behind"))).await;
    until("some segments", || (identities(&daemon.path("behind")).len() >= 8).then_some(())).await;
    let first = job_of(&slow.uri(), &daemon.path("first"));
    let first = submit(&mut client, v1::JobSpec { priority: v1::Priority::High.into(), ..first }).await;
    job_that(&mut client, &first, |job| job.state() != JobState::Queued).await;
    daemon.kill();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    job_that(&mut client, &first, |job| job.state() == JobState::Running).await;
    let waiting = get(&mut client, &behind).await;
    assert!(waiting.attempt == 1 && waiting.state() != JobState::Stopped, "{waiting:?}");
    check_stopped(&daemon, &mut client, &behind, &daemon.path("behind"), "behind another").await;
    slow.release();
    assert_eq!(end_of(&mut client, &first).await.state(), JobState::Succeeded);
}
