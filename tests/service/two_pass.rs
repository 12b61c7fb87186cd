//! A daemon that is killed in either of two passes: what is stored stays as it is, and the rest follows it.

use crate::daemon::{Setup, end_of, job_of, job_that, submit, until};
use crate::kills::{check_kept, recorded};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{Job, JobState, RateControl, rate_control::Mode};

#[tokio::test]
async fn killed_in_either_pass_it_goes_on_from_what_is_stored() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, 0).await;
    let mut client = daemon.jobs().await;
    let mut spec = job_of(&slow.uri(), &daemon.path("out"));
    spec.outputs[0].rate_control = Some(RateControl { mode: Mode::TwoPass.into(), crf: 0 });
    let id = submit(&mut client, spec).await;
    slow.is_waited_for().await;

    // In the first: the source gives half, so that nothing can be made yet, and progress tells of it all the same.
    slow.allow(HALF);
    let done = |job: &Job| Some(job.progress.as_ref()?.outputs.first()?.media_done.as_ref()?.seconds);
    let told = job_that(&mut client, &id, |job| done(job).is_some_and(|seconds| seconds > 0)).await;
    assert!(done(&told).is_some_and(|seconds| seconds < HEAVY_SECONDS as i64 / 2), "{told:?}");
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    assert!(recorded(&daemon).await.keys().all(|path| path.to_string_lossy().contains("audio")));
    daemon.restart().await;

    // In the second: some segments of pictures are stored.
    slow.release();
    let pictures = || identities(&daemon.path("out/cmaf/180p")).len();
    until("some segments", || (pictures() >= 4).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let before = recorded(&daemon).await;
    assert!(before.keys().any(|path| path.to_string_lossy().contains("180p")), "{before:?}");
    daemon.restart().await;

    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    check_kept(&before);
    daemon.left_clean().await;
}
