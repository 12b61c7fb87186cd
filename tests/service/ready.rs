//! A job from the first call to its end, and what is there afterwards.

use crate::daemon::{Daemon, end_of, job, submit};
use crate::media::{check_whole, clip};
use reelmill::api::v1::{JobState, OutputState};

#[tokio::test]
async fn a_job_is_accepted_made_and_told_of() {
    let daemon = Daemon::start().await;
    let (source, out) = (daemon.path("in.mp4"), daemon.path("out"));
    clip(&source, 4);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &out)).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert_eq!(ended.outputs[0].state(), OutputState::Ready);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], 4);
    assert!(daemon.workers().is_empty());
    assert!(daemon.spooled().is_empty(), "{:?}", daemon.spooled());
}
