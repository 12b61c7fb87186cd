//! Stills over the API: told one by one, made once although the daemon is killed, and late ones fail alone.

use crate::daemon::{Setup, end_of, everything_below, job_of, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState, OutputState};
use reelmill::store::{LedgerEntry, Sqlite, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn output(destination: &Path, stills: v1::StillsSpec) -> v1::OutputSpec {
    v1::OutputSpec {
        destination: destination.to_str().unwrap().into(),
        stills: Some(v1::StillsSpec { alone: Some(true), ..stills }),
        ..v1::OutputSpec::default()
    }
}

fn every_second() -> v1::StillsSpec {
    let every = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    v1::StillsSpec { every, format: v1::ImageFormat::Jpeg.into(), ..v1::StillsSpec::default() }
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = everything_below(directory).into_iter().filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn a_late_still_fails_its_output_alone_and_a_kill_changes_nothing() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let late = v1::StillsSpec { times: vec!["1:39".into()], ..v1::StillsSpec::default() };
    let outputs = vec![output(&daemon.path("out"), every_second()), output(&daemon.path("late"), late)];
    let id = submit(&mut client, v1::JobSpec { outputs, ..job_of(&slow.uri(), &daemon.path("out")) }).await;
    let made = |daemon: &crate::daemon::Daemon| identities(&daemon.path("out/stills")).len();
    until("some of the stills", || (made(&daemon) >= 5).then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let mut before = BTreeMap::new();
    let store = Sqlite::open(&daemon.state_dir()).unwrap();
    for waiting in store.unfinished().await.unwrap() {
        for row in store.ledger(waiting.id).await.unwrap() {
            let LedgerEntry::Picture(picture) = row.entry else { continue };
            let path = daemon.path("out/stills").join(&picture.name);
            let identity = identities(&daemon.path("out/stills"))[&path];
            before.insert(path, identity);
        }
    }
    drop(store);
    assert!(!before.is_empty());
    daemon.restart().await;
    slow.release();

    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
    assert_eq!(ended.outputs[1].problem.as_ref().unwrap().code, "still.past_end");
    let after = identities(&daemon.path("out/stills"));
    assert!(before.iter().all(|(path, identity)| after[path] == *identity), "what was recorded is not made again");
    let told = &ended.outputs[0];
    assert_eq!((told.state(), told.pictures.len()), (OutputState::Ready, HEAVY_SECONDS));
    for (second, picture) in told.pictures.iter().enumerate() {
        assert_eq!(picture.asked.unwrap().seconds, second as i64);
        assert_eq!(picture.time, picture.asked);
        assert_eq!((picture.width, picture.height, picture.tiles), (320, 180, 0));
        assert_eq!(fs::metadata(&picture.uri).unwrap().len(), picture.size_bytes);
    }
    assert!(told.stored_bytes > told.pictures.iter().map(|picture| picture.size_bytes).sum());

    let whole = v1::JobSpec {
        outputs: vec![output(&daemon.path("whole"), every_second())],
        ..job_of(source.to_str().unwrap(), &daemon.path("whole"))
    };
    let id = submit(&mut client, whole).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    assert_eq!(contents(&daemon.path("out/stills")), contents(&daemon.path("whole/stills")));
}
