//! What jobs teach of speed changes what is planned, and outlives a daemon that is killed.

use crate::daemon::{Daemon, end_of, job, submit};
use crate::media::clip;
use reelmill::api::v1::{self, JobState};
use reelmill::devices::Rates;
use reelmill::dispatch::cpu_alone;
use reelmill::model::Speed;
use reelmill::model::device::{Operation, RateKey};

/// Pixels a second that an earlier version is said to have measured of encoding: far too few for any CPU, so that the
/// pictures of the test are believed to take long.
const BELIEVED: u64 = 1_000_000;

/// CPU time that the plan of a job expects, ms.
async fn expected_ms(daemon: &Daemon, asked: v1::JobSpec) -> i64 {
    let plan = daemon.media().await.plan_job(v1::PlanJobRequest { job: Some(asked) }).await.unwrap().into_inner();
    let time = plan.estimated_cpu_time.unwrap();
    time.seconds * 1000 + i64::from(time.nanos / 1_000_000)
}

#[tokio::test]
async fn what_a_job_took_changes_what_the_next_one_is_expected_to_take_also_after_a_kill() {
    let mut daemon = Daemon::start().await;
    daemon.kill();
    let rates = Rates::load(&daemon.state_dir());
    let key = |speed| RateKey { operation: Operation::Encode, codec: "h264".to_owned(), depth: 8, speed: Some(speed) };
    let measured = [Speed::Fast, Speed::Balanced, Speed::Quality].map(|speed| (key(speed), BELIEVED));
    for cpu in cpu_alone(2) {
        rates.measured(&cpu, "FFmpeg", &measured);
    }
    rates.keep_now();
    daemon.restart().await;

    let (source, out) = (daemon.path("in.mp4"), daemon.path("out"));
    clip(&source, 4);
    let before = expected_ms(&daemon, job(&source, &daemon.path("other"))).await;
    assert!(before > 2_000, "{before} ms");
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &out)).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let after = expected_ms(&daemon, job(&source, &daemon.path("other"))).await;
    // It took far less than believed; one job moves what is believed by a part of the way.
    assert!(after < before * 9 / 10 && after > before / 4, "{before} ms before, {after} ms after");
    daemon.kill();
    daemon.restart().await;
    let later = expected_ms(&daemon, job(&source, &daemon.path("other"))).await;
    assert_eq!(later, after, "{before} ms at first");
}
