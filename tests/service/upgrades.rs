//! A daemon is drained and replaced by another process on the same state, under load: no job is lost, none made twice.

use crate::daemon::{Daemon, Setup, changes, end_of, get, job, job_of, job_that, submit, until};
use crate::kills::{Identities, check_kept, recorded};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState};
use std::fs;
use std::path::PathBuf;

const SECONDS: usize = 12;
/// The first attempt at the first span says that it began, and waits for leave to go on; every attempt is noted.
const GATED: &str = "echo $part >> $DIR/begun
case $part in video-0-1) while [ ! -e $DIR/go ]; do sleep 0.05; done;; esac";

async fn node(daemon: &Daemon) -> v1::GetNodeResponse {
    daemon.node().await.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner()
}

#[tokio::test]
async fn handing_back_finishes_spans_that_run_and_begins_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let wrapper = Daemon::wrapper(directory.path(), GATED);
    let daemon = Setup::default().set("threads=1").env("REELMILL_WORKER", wrapper).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, SECONDS);
    let out = daemon.path("out");
    let mut spec = job(&source, &out);
    spec.outputs[0].spans = 3;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    daemon.worker_on(&id, "video-0").await;
    let begun = || {
        let text = fs::read_to_string(directory.path().join("begun")).unwrap();
        text.lines().filter(|line| line.starts_with("video-")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(daemon.command(&["drain", "--hand-back"]).unwrap().starts_with("no job is started any more"));
    let late = submit(&mut client, job(&source, &daemon.path("late"))).await;
    assert!(node(&daemon).await.drain.unwrap().hand_back);
    let before_go = begun();
    fs::write(directory.path().join("go"), "").unwrap();
    let waiting = job_that(&mut client, &id, |job| job.state() == JobState::Queued).await;
    assert_eq!(begun(), before_go, "no span begins while the node drains");
    // The job is told to wait again before the last process is gone and its leavings are.
    daemon.left_clean().await;
    let said = node(&daemon).await;
    let drain = said.drain.unwrap();
    assert_eq!((said.jobs_active, said.spans_running, drain.jobs_handed_back), (0, 0, 1), "{waiting:?}");
    assert_eq!(get(&mut client, &late).await.state(), JobState::Queued);
    let kept = identities(&out);
    // A third of the segments, in two rungs and two packagings, at the least.
    assert!(kept.len() >= SECONDS / 3 * 4, "{kept:?}");

    // Work is taken up again, and goes on from the ledger.
    daemon.command(&["drain", "--undo"]).unwrap();
    for id in [&id, &late] {
        let ended = end_of(&mut client, id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    }
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], SECONDS);
    check_kept(&kept);
    let again = begun();
    // The late job has one span, which is its first.
    assert_eq!(again.iter().filter(|part| part.starts_with("video-0-")).count(), 2, "{again:?}");
    assert!(!node(&daemon).await.draining);
}

#[tokio::test]
async fn an_upgrade_under_load_loses_no_job_and_makes_none_twice() {
    let setup = Setup::default()
        .set("sources.allow=127.0.0.1")
        .set("jobs.active_max=2")
        .set("threads=4")
        .set("shutdown.grace=0ms");
    let mut daemon = setup.start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    // One that runs and comes no further than half, with all threads; one that is active beside it; three that wait.
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let out = daemon.path("running");
    let mut jobs: Vec<(String, PathBuf)> = vec![(submit(&mut client, job_of(&slow.uri(), &out)).await, out)];
    job_that(&mut client, &jobs[0].0, |job| job.outputs[0].playable_time.is_some()).await;
    for number in 0..4 {
        let out = daemon.path(format!("queued-{number}"));
        let mut spec = job(&source, &out);
        spec.outputs[0].spans = 1 + number;
        jobs.push((submit(&mut client, spec).await, out));
    }
    job_that(&mut client, &jobs[1].0, |job| job.state() == JobState::Running).await;

    // In order: drained, then ended. One job comes meanwhile.
    let shown = daemon.command(&["drain", "--hand-back", "--deadline", "500ms", "--wait"]).unwrap();
    assert!(shown.lines().last().unwrap().starts_with("nothing runs any more, 2 handed back, 5 waiting"), "{shown}");
    let out = daemon.path("meanwhile");
    jobs.push((submit(&mut client, job(&source, &out)).await, out));
    assert!(daemon.terminate().await.success());
    let mut kept: Identities = recorded(&daemon).await;
    assert!(kept.len() >= 8, "{kept:?}");
    daemon.restart().await;
    assert!(!node(&daemon).await.draining, "a process that starts takes up work");

    // Without a word, right after the start and later: replaced as orchestrators do.
    for _ in 0..2 {
        assert!(daemon.terminate().await.success());
        kept.extend(recorded(&daemon).await);
        daemon.restart().await;
    }
    slow.release();
    let mut client = daemon.jobs().await;
    for (id, out) in &jobs {
        let ended = end_of(&mut client, id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
        check_whole(out, &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
        let ends = changes(&mut client, id)
            .await
            .into_iter()
            .filter(|change| change.subject == Some(v1::change::Subject::Job(JobState::Succeeded.into())));
        assert_eq!(ends.count(), 1, "it ends once");
    }
    check_kept(&kept);
    daemon.left_clean().await;
}

#[tokio::test]
async fn a_deadline_hands_back_what_still_runs_and_an_undone_drain_forgets_it() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;

    // Jobs that run go on to their end while nothing else is said, and a wish that was taken back does nothing.
    daemon.command(&["drain", "--deadline", "1h"]).unwrap();
    let text = daemon.command(&["node"]).unwrap();
    assert!(text.contains("draining: 1 job and 2 spans running, 0 handed back, 0 waiting; until "), "{text}");
    daemon.command(&["drain", "--undo"]).unwrap();
    assert!(!node(&daemon).await.draining);
    daemon.command(&["drain"]).unwrap();
    assert_eq!(node(&daemon).await.drain.unwrap().deadline_time, None);
    assert_eq!(get(&mut client, &id).await.state(), JobState::Running);

    let shown = daemon.command(&["drain", "--deadline", "0s", "--wait"]).unwrap();
    assert!(shown.lines().last().unwrap().starts_with("nothing runs any more, 1 handed back"), "{shown}");
    assert_eq!(get(&mut client, &id).await.state(), JobState::Queued);
    assert!(daemon.command(&["drain", "--deadline", "8d"]).unwrap_err().contains("request.duration"));
    slow.release();
    daemon.command(&["drain", "--undo"]).unwrap();
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Succeeded, 2), "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
}

#[tokio::test]
async fn with_nothing_running_it_ends_at_once_and_a_second_signal_ends_what_waits() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").set("shutdown.grace=1h").start().await;
    let shown = daemon.command(&["drain", "--wait", "--hand-back"]).unwrap();
    assert!(shown.starts_with("nothing runs any more, 0 handed back, 0 waiting"), "{shown}");
    assert!(daemon.terminate().await.success());
    daemon.restart().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;
    job_that(&mut client, &id, |job| job.outputs[0].playable_time.is_some()).await;

    // The first waits for the job; the second does not.
    let before = asked(&daemon);
    daemon.signal(libc::SIGTERM);
    until("the first signal to be heard", || (asked(&daemon) > before).then_some(())).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(130), "{status}");
    until("the workers to end with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let kept = recorded(&daemon).await;
    assert!(!kept.is_empty());
    slow.release();
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Succeeded, 2), "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    check_kept(&kept);
}

/// How often the daemon, in all its lives, has said that it was asked to end.
fn asked(daemon: &Daemon) -> usize {
    daemon.log().matches("asked to end").count()
}
