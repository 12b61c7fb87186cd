//! The daemon is killed, in the middle of anything; what it had accepted is made all the same, and nothing twice.

use crate::daemon::{Daemon, Setup, changes, end_of, get, is_over, job, job_of, job_that, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, check_whole, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, InputState, JobState, OutputState};
use reelmill::store::{LedgerEntry, Sqlite, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Which file each segment is.
pub(crate) type Identities = BTreeMap<PathBuf, (u64, i64, i64)>;

/// What the ledgers of a daemon that is dead name, and which files those are. Each must be there.
pub(crate) async fn recorded(daemon: &Daemon) -> Identities {
    let store = Sqlite::open(&daemon.state_dir()).unwrap();
    let mut found = Identities::new();
    for waiting in store.unfinished().await.unwrap() {
        let record = store.get(waiting.id).await.unwrap().unwrap().record;
        for row in store.ledger(waiting.id).await.unwrap() {
            let LedgerEntry::Segment(segment) = row.entry else { continue };
            let root = record.spec.outputs[row.output].destination.path().unwrap().to_owned();
            let all = identities(&root);
            for file in segment.record.files {
                let path = root.join(file.packaging.name()).join(&row.track).join(&file.name);
                let identity = all.get(&path).unwrap_or_else(|| panic!("{} is in the ledger alone", path.display()));
                found.insert(path, *identity);
            }
        }
    }
    found
}

/// Kills the daemon, sees its workers off, and starts it again; gives what was in the ledgers.
async fn kill_and_restart(daemon: &mut Daemon) -> Identities {
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let before = recorded(daemon).await;
    daemon.restart().await;
    before
}

/// Checks that files are still the same ones.
pub(crate) fn check_kept(before: &Identities) {
    for (path, identity) in before {
        let now = identities(path.parent().unwrap());
        assert_eq!(now.get(path), Some(identity), "{} was made again", path.display());
    }
}

#[tokio::test]
async fn killed_while_it_waits_reads_encodes_and_finishes() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").set("jobs.active_max=1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, 0).await;
    let mut client = daemon.jobs().await;
    let spec = job_of(&slow.uri(), &daemon.path("read"));
    let read = submit(&mut client, v1::JobSpec { priority: v1::Priority::High.into(), ..spec }).await;
    let queued = submit(&mut client, job(&source, &daemon.path("queued"))).await;
    slow.is_waited_for().await;

    // Right after the answer, in the queue, and while a source is looked at.
    let late = submit(&mut client, job(&source, &daemon.path("late"))).await;
    assert!(kill_and_restart(&mut daemon).await.is_empty());
    let mut client = daemon.jobs().await;
    assert_eq!(get(&mut client, &read).await.inputs.len(), 1);
    job_that(&mut client, &read, |job| job.inputs[0].state() == InputState::Checking).await;
    assert_eq!(get(&mut client, &late).await.state(), JobState::Queued);

    // While it encodes: the source gives about half.
    slow.allow(HALF);
    let named = |daemon: &Daemon| identities(&daemon.path("read")).len();
    until("half of the segments", || (named(&daemon) >= 8).then_some(())).await;
    job_that(&mut client, &read, |job| job.outputs[0].playable_time.is_some()).await;
    let before = kill_and_restart(&mut daemon).await;
    assert!(!before.is_empty());
    slow.release();

    // While it finishes: told of it, it is killed.
    let mut client = daemon.jobs().await;
    let finishing = |job: &v1::Job| job.outputs[0].state() != OutputState::Running && job.attempt > 2;
    job_that(&mut client, &read, |job| finishing(job) && job.state() == JobState::Running || is_over(job.state()))
        .await;
    let also = kill_and_restart(&mut daemon).await;

    let mut client = daemon.jobs().await;
    for (id, out) in [(&read, "read"), (&queued, "queued"), (&late, "late")] {
        let ended = end_of(&mut client, id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
        check_whole(&daemon.path(out), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    }
    check_kept(&before);
    check_kept(&also);
    daemon.left_clean().await;
}

#[tokio::test]
async fn killed_at_random_instants() {
    let mut daemon = Setup::default().set("shutdown.grace=0ms").start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 12);
    let mut random = fastrand::Rng::with_seed(3);
    let mut jobs: Vec<(String, PathBuf)> = Vec::new();
    let mut kept = Identities::new();
    for round in 0..8 {
        let mut client = daemon.jobs().await;
        if round % 2 == 0 {
            for number in 0..2 {
                let out = daemon.path(format!("out-{round}-{number}"));
                let mut spec = job(&source, &out);
                spec.outputs[0].spans = 1 + number;
                spec.outputs[0].progressive_mp4 = Some(number == 0);
                jobs.push((submit(&mut client, spec).await, out));
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..1200))).await;
        if random.u8(0..4) == 0 {
            daemon.terminate().await;
            assert!(daemon.workers().is_empty(), "a daemon that ends in order leaves no worker");
            daemon.restart().await;
        } else {
            kept.extend(kill_and_restart(&mut daemon).await);
        }
    }
    let mut client = daemon.jobs().await;
    for (id, out) in &jobs {
        let ended = end_of(&mut client, id).await;
        assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
        crate::states::check_sums(&ended);
        check_whole(out, &["180p", "90p"], &["cmaf", "ts"], 12);
        assert!(!changes(&mut client, id).await.is_empty());
    }
    check_kept(&kept);
    daemon.left_clean().await;
}

#[tokio::test]
async fn a_killed_worker_costs_one_retry_and_disturbs_nobody() {
    let daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let (slow, other) = (SlowFile::start(&source, HALF).await, SlowFile::start(&source, HALF).await);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;
    let audio = daemon.worker_on(&id, "audio").await;
    let video = daemon.worker_on(&id, "video-0").await;
    let before = identities(&daemon.path("out"));
    video.signal(libc::SIGKILL);
    until("another worker", || {
        let mut workers = daemon.workers_of(&id).into_iter();
        workers.find(|worker| worker.part() == video.part() && worker.pid != video.pid)
    })
    .await;
    let sound = daemon.worker_on(&id, "audio").await;
    assert_eq!(sound.pid, audio.pid, "the sound goes on undisturbed");
    slow.release();
    other.release();
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.attempt, ended.outputs[0].attempts), (JobState::Succeeded, 1, 1), "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    check_kept(&before);
    let report = std::fs::read(daemon.path("out/reelmill.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["retries"], 1);
}

#[tokio::test]
async fn a_killed_probe_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let script = "case $part in reelmill-probe-*) [ -e $DIR/killed ] || { : > $DIR/killed; kill -KILL $$; };; esac";
    let wrapper = Daemon::wrapper(directory.path(), script);
    let daemon = Setup::default().env("REELMILL_WORKER", wrapper).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
    let ended = end_of(&mut client, &id).await;
    assert!(directory.path().join("killed").exists());
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
}

#[tokio::test]
async fn asked_to_end_it_suspends_and_goes_on_later() {
    let setup = Setup::default().set("sources.allow=127.0.0.1").set("shutdown.grace=0ms");
    let mut daemon = setup.start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;
    let ended = daemon.terminate().await;
    assert!(ended.success(), "{ended}");
    assert!(daemon.workers().is_empty(), "{:?}", daemon.workers());
    let before = recorded(&daemon).await;
    let store = Sqlite::open(&daemon.state_dir()).unwrap();
    let waiting = store.unfinished().await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].state, reelmill::model::state::JobState::Queued, "it is put back in order");
    drop(store);
    slow.release();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Succeeded, 2), "{ended:?}");
    check_whole(&daemon.path("out"), &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS);
    check_kept(&before);
}

#[tokio::test]
async fn a_source_that_was_replaced_meanwhile_is_noticed_even_where_its_size_is_the_same() {
    let mut daemon = Daemon::start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
    job_that(&mut client, &id, |job| job.inputs[0].state() == InputState::Ready).await;
    let worker = daemon.worker_on(&id, "video-0").await;
    worker.signal(libc::SIGSTOP);
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    // The same bytes, so that only the time tells.
    std::fs::write(&source, std::fs::read(&source).unwrap()).unwrap();
    daemon.restart().await;
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!((ended.state(), ended.problem.unwrap().code.as_str()), (JobState::Failed, "source.changed"));
}
