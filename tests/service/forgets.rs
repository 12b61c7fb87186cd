//! Records vanish when they are deleted or expire, and with them what failed outputs left.

use crate::daemon::{Daemon, Setup, end_of, job_of, stop, submit, until};
use crate::media::{HALF, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::{self, JobState};
use reelmill::store::{Sqlite, Store};
use std::path::Path;
use tonic::Code;
use tonic::transport::Channel;

/// A job that fails after it has published something.
async fn failed(daemon: &Daemon, client: &mut JobServiceClient<Channel>, source: &str, out: &Path) -> String {
    let id = submit(client, job_of(source, out)).await;
    until("some segments", || (identities(out).len() >= 8).then_some(())).await;
    let first = daemon.worker_on(&id, "video-0").await;
    first.signal(libc::SIGKILL);
    // The second death at the same place is the last.
    let second = || daemon.workers_of(&id).into_iter().find(|w| w.part() == first.part() && w.pid != first.pid);
    until("another worker", second).await.signal(libc::SIGKILL);
    let ended = end_of(client, &id).await;
    assert_eq!(ended.state(), JobState::Failed, "{ended:?}");
    assert!(!identities(out).is_empty(), "what a retry can go on from is kept");
    assert!(!out.join("cmaf/master.m3u8").exists(), "and nobody is given it to play");
    id
}

async fn is_gone(client: &mut JobServiceClient<Channel>, id: &str) -> bool {
    match client.get_job(v1::GetJobRequest { id: id.into() }).await {
        Ok(_) => false,
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound, "{status}");
            true
        }
    }
}

#[tokio::test]
async fn deleted_and_expired_jobs_are_gone_with_their_leavings() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let (deleted_at, expired_at) = (daemon.path("first/deleted"), daemon.path("second/expired"));
    let deleted = failed(&daemon, &mut client, &slow.uri(), &deleted_at).await;
    let expired = failed(&daemon, &mut client, &slow.uri(), &expired_at).await;

    let running = submit(&mut client, job_of(&slow.uri(), &daemon.path("running"))).await;
    let refused = client.delete_job(v1::DeleteJobRequest { id: running.clone() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    stop(&mut client, &[&running]).await;
    assert_eq!(end_of(&mut client, &running).await.state(), JobState::Stopped);

    client.delete_job(v1::DeleteJobRequest { id: deleted.clone() }).await.unwrap();
    assert!(is_gone(&mut client, &deleted).await);
    until("its leavings to go", || (!deleted_at.exists()).then_some(())).await;
    let again = client.delete_job(v1::DeleteJobRequest { id: deleted }).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound, "{again}");

    // An hour is not waited for: the record is made to have expired while nobody holds it.
    daemon.terminate().await;
    let store = Sqlite::open(&daemon.state_dir()).unwrap();
    let stored = store.get(expired.parse().unwrap()).await.unwrap().unwrap();
    let mut record = stored.record;
    record.spec.expire_after_s = 0;
    store.save(stored.revision, record, Vec::new()).await.unwrap();
    drop(store);
    daemon.restart().await;
    until("the leavings of the expired one to go", || (!expired_at.exists()).then_some(())).await;
    let mut client = daemon.jobs().await;
    assert!(is_gone(&mut client, &expired).await);
    assert!(!is_gone(&mut client, &running).await, "others stay");
    for made in ["first", "second"] {
        assert!(!daemon.path(made).exists(), "directories that were made for them are gone too");
    }
}
