//! Who watches a job sees every change once and its end, also across a death of the daemon.

use crate::daemon::{Daemon, PATIENCE, Setup, changes, end_of, is_over, job_of, submit, until};
use crate::media::{HALF, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::change::Subject;
use reelmill::api::v1::watch_job_response::Event;
use reelmill::api::v1::{self, JobState};

/// What a watcher heard.
#[derive(Debug, Default)]
struct Heard {
    changes: Vec<v1::Change>,
    progress: usize,
    last: bool,
}

/// Watches after a revision until the end, or until the daemon goes away.
async fn watch(daemon: &Daemon, id: &str, after_revision: u64) -> tokio::task::JoinHandle<Heard> {
    let mut client = daemon.jobs().await;
    let request = v1::WatchJobRequest { id: id.into(), after_revision, omit_progress: false };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    tokio::spawn(async move {
        let mut heard = Heard::default();
        while let Ok(Some(response)) = stream.message().await {
            assert!(!heard.last, "nothing follows the last one");
            heard.last = response.last;
            match response.event.unwrap() {
                Event::Change(change) => heard.changes.push(change),
                Event::Progress(_) => heard.progress += 1,
                Event::Job(_) => {}
            }
        }
        heard
    })
}

#[tokio::test]
async fn watchers_that_resume_miss_nothing_and_hear_nothing_twice() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    let (first, second) = (watch(&daemon, &id, 0).await, watch(&daemon, &id, 0).await);
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;
    daemon.kill();
    let first = tokio::time::timeout(PATIENCE, first).await.unwrap().unwrap();
    let cut = tokio::time::timeout(PATIENCE, second).await.unwrap().unwrap();
    assert!(!first.last && !first.changes.is_empty() && first.progress > 0, "{first:?}");
    daemon.restart().await;
    let seen = first.changes.last().unwrap().revision;
    let (resumed, whole) = (watch(&daemon, &id, seen).await, watch(&daemon, &id, 0).await);
    slow.release();
    let mut client = daemon.jobs().await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let resumed = tokio::time::timeout(PATIENCE, resumed).await.unwrap().unwrap();
    let whole = tokio::time::timeout(PATIENCE, whole).await.unwrap().unwrap();

    let all = changes(&mut client, &id).await;
    let joined: Vec<_> = first.changes.iter().chain(&resumed.changes).cloned().collect();
    assert_eq!(joined, all, "what the one who resumed saw is the history");
    assert!(cut.changes.len() <= all.len() && all.starts_with(&cut.changes));
    assert!(resumed.last && whole.last);
    // Who begins to watch gets the job as it is, and from there on every change.
    assert!(all.ends_with(&whole.changes), "{whole:?}");
    let Some(Subject::Job(state)) = all.last().unwrap().subject else { panic!("the job's end is the last change") };
    assert!(is_over(JobState::try_from(state).unwrap()));

    // And who comes after the end hears of it at once.
    let late = watch(&daemon, &id, 0).await;
    assert!(tokio::time::timeout(PATIENCE, late).await.unwrap().unwrap().last);
}
