//! Taking an output directory, finding it again, and giving it back as it was.

use super::*;
use crate::publish::sink::REPORT;
use std::collections::BTreeMap;

const JOB: JobId = JobId::from_number(1);
const OTHER: JobId = JobId::from_number(2);

fn sink(out: &Path, job: JobId) -> LocalSink {
    LocalSink::new(out, job, Durability::Each)
}

/// Every path below `root`, with the content of files.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
                found.insert(path, None);
            } else {
                let body = fs::read(&path).unwrap();
                found.insert(path, Some(body));
            }
        }
    }
    found
}

async fn put(sink: &LocalSink, path: &str, body: &'static [u8], kind: Kind) {
    sink.put(path, Body::Bytes(Bytes::from_static(body)), kind, Progress::default()).await.unwrap();
}

/// Makes an output from end to end, but for the last step.
async fn fill(sink: &LocalSink, what: &'static [u8]) {
    put(sink, "cmaf/720p/0.m4s", what, Kind::Segment).await;
    put(sink, "cmaf/720p/media.m3u8", what, Kind::FinalManifest).await;
    put(sink, REPORT, br#"{"reelmill": "0"}"#, Kind::Report).await;
}

fn code<T>(result: Result<T, SinkError>) -> String {
    result.err().map(|error| error.problem.code).unwrap_or_default()
}

#[tokio::test]
async fn a_claim_that_a_kill_cut_off_stands_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    fs::create_dir_all(out.join(".reelmill-0123456789abcdef")).unwrap();
    let first = sink(&out, JOB);
    assert_eq!(first.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    fill(&first, b"x").await;
    first.keep().await.unwrap();
    assert!(tree(&out).keys().all(|path| !path.to_string_lossy().contains(".reelmill")), "{:?}", tree(&out));
}

#[tokio::test]
async fn what_was_made_for_a_job_goes_when_it_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("neighbour"), b"").unwrap();
    let before = tree(directory.path());
    let out = directory.path().join("new/deeper");
    let first = sink(&out, JOB);
    assert_eq!(first.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    fill(&first, b"x").await;
    first.abandon(Leave::Nothing).await.unwrap();
    assert_eq!(tree(directory.path()), before);
    let late = first.put("ts/late", Body::Bytes(Bytes::new()), Kind::Segment, Progress::default()).await;
    assert_eq!(code(late), "job.cancelled", "nothing appears after the end");
    fs::create_dir_all(&out).unwrap();
    let before = tree(directory.path());
    sink(&out, JOB).claim(IfExists::Fail, false).await.unwrap();
    sink(&out, JOB).abandon(Leave::Nothing).await.unwrap();
    assert_eq!(tree(directory.path()), before, "a directory that was there stays, also when another sink removes");
}

#[tokio::test]
async fn what_was_made_for_a_job_stays_when_it_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    for durability in [Durability::Each, Durability::AtEnd] {
        let out = directory.path().join(format!("{durability:?}"));
        let sink = LocalSink::new(&out, JOB, durability);
        sink.claim(IfExists::Fail, false).await.unwrap();
        fill(&sink, b"x").await;
        sink.settle().await.unwrap();
        sink.keep().await.unwrap();
        sink.keep().await.unwrap();
        let names: Vec<_> = tree(&out).into_keys().map(|p| p.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["cmaf", "720p", "0.m4s", "media.m3u8", REPORT]);
        assert_eq!(sink.read("cmaf/720p/0.m4s", 0, 1).await.unwrap(), "x");
        assert_eq!(code(sink.read("cmaf/720p/0.m4s", 0, 2).await), "output.lost");
        sink.remove(vec!["cmaf/720p/0.m4s".into(), "cmaf/720p/media.m3u8".into(), "absent".into()]).await.unwrap();
        assert_eq!(tree(&out).len(), 1, "empty directories go with the files");
    }
}

#[tokio::test]
async fn an_earlier_output_is_replaced_on_request_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let first = sink(&out, JOB);
    first.claim(IfExists::Fail, false).await.unwrap();
    fill(&first, b"old").await;
    first.keep().await.unwrap();
    let before = tree(directory.path());
    assert_eq!(code(sink(&out, OTHER).claim(IfExists::Fail, false).await), "output.exists");
    assert_eq!(sink(&out, OTHER).claim(IfExists::Skip, false).await.unwrap(), Claim::Skip);
    assert_eq!(sink(&out, OTHER).check(IfExists::Replace, false).await.unwrap(), Claim::Free);
    let second = sink(&out, OTHER);
    second.claim(IfExists::Replace, false).await.unwrap();
    fill(&second, b"new").await;
    second.abandon(Leave::Segments).await.unwrap();
    let media = || fs::read(out.join("cmaf/720p/media.m3u8")).ok();
    assert_eq!(media().as_deref(), Some(&b"old"[..]), "while the job waits for a retry, the old one is there");
    let third = sink(&out, OTHER);
    assert_eq!(third.claim(IfExists::Replace, true).await.unwrap(), Claim::Free);
    assert_eq!(media(), None);
    assert_eq!(third.read("cmaf/720p/0.m4s", 0, 3).await.unwrap(), "new");
    third.abandon(Leave::Nothing).await.unwrap();
    assert_eq!(tree(directory.path()), before);
    let last = sink(&out, OTHER);
    last.claim(IfExists::Replace, false).await.unwrap();
    fill(&last, b"new").await;
    last.keep().await.unwrap();
    assert_eq!(media().as_deref(), Some(&b"new"[..]));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the old output is gone");
}

#[tokio::test]
async fn what_is_not_ours_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"mine").unwrap();
    for if_exists in [IfExists::Fail, IfExists::Replace] {
        assert_eq!(code(sink(directory.path(), JOB).claim(if_exists, false).await), "output.exists");
        assert_eq!(code(sink(&file, JOB).claim(if_exists, false).await), "output.unwritable");
        assert_eq!(code(sink(&file.join("below"), JOB).claim(if_exists, false).await), "output.unwritable");
    }
    fs::write(directory.path().join(REPORT), b"{}").unwrap();
    assert_eq!(code(sink(directory.path(), JOB).claim(IfExists::Replace, false).await), "output.exists");
    sink(directory.path(), JOB).abandon(Leave::Nothing).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(tree(directory.path()).len(), 2);
}

#[tokio::test]
async fn one_job_at_a_time_and_the_same_one_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let running = sink(&out, JOB);
    running.claim(IfExists::Fail, false).await.unwrap();
    put(&running, "ts/v/0.ts", b"x", Kind::Segment).await;
    fs::write(out.join(".reelmill/99"), b"half a file").unwrap();
    for job in [JOB, OTHER] {
        assert_eq!(code(sink(&out, job).claim(IfExists::Replace, false).await), "output.exists", "it runs");
    }
    // As when the process dies: nothing is said, the lock is gone.
    drop(running);
    assert_eq!(code(sink(&out, OTHER).claim(IfExists::Fail, false).await), "output.exists");
    let again = sink(&out, JOB);
    again.claim(IfExists::Fail, true).await.unwrap();
    assert_eq!(again.read("ts/v/0.ts", 0, 1).await.unwrap(), "x");
    assert!(!out.join(".reelmill/99").exists());
    again.abandon(Leave::Everything).await.unwrap();
    assert!(out.join("ts/v/0.ts").exists());
    // Another job may have the remains of one that does not run.
    let other = sink(&out, OTHER);
    other.claim(IfExists::Replace, false).await.unwrap();
    assert_eq!(code(sink(&out, JOB).claim(IfExists::Replace, true).await), "output.lost");
    other.keep().await.unwrap();
    assert_eq!(code(sink(&out, JOB).claim(IfExists::Fail, true).await), "output.lost");
}

#[tokio::test]
async fn spooled_files_are_linked_or_copied_and_stay() {
    let directory = tempfile::tempdir().unwrap();
    let spooled = directory.path().join("spooled");
    fs::write(&spooled, vec![7; 3 << 20]).unwrap();
    let sink = sink(&directory.path().join("out"), JOB);
    sink.claim(IfExists::Fail, false).await.unwrap();
    for (name, link) in [("ts/linked", true), ("ts/copied", false), ("ts/linked", true)] {
        let body = Body::File { path: spooled.clone(), bytes: 3 << 20, link };
        sink.put(name, body, Kind::Segment, Progress::default()).await.unwrap();
    }
    use std::os::unix::fs::MetadataExt;
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    let out = directory.path().join("out/ts");
    assert_eq!(inode(out.join("linked")), inode(spooled.clone()));
    assert_ne!(inode(out.join("copied")), inode(spooled.clone()));
    assert_eq!(fs::read(out.join("copied")).unwrap(), fs::read(&spooled).unwrap());
    assert_eq!(fs::read_dir(directory.path().join("out/.reelmill")).unwrap().count(), 1, "only the claim");
}

#[tokio::test]
async fn a_spool_on_another_file_system_is_copied_from() {
    use std::os::unix::fs::MetadataExt;
    let (directory, shared_memory) = (tempfile::tempdir().unwrap(), Path::new("/dev/shm"));
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    // Where there is but one file system, the copy is what the test above sees.
    let spool = match device(shared_memory) {
        Some(other) if Some(other) != device(directory.path()) => tempfile::tempdir_in(shared_memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    };
    let spooled = spool.path().join("spooled");
    fs::write(&spooled, b"segment").unwrap();
    let sink = sink(&directory.path().join("out"), JOB);
    sink.claim(IfExists::Fail, false).await.unwrap();
    let body = Body::File { path: spooled.clone(), bytes: 7, link: true };
    sink.put("ts/a", body, Kind::Segment, Progress::default()).await.unwrap();
    assert_eq!(fs::read(directory.path().join("out/ts/a")).unwrap(), b"segment");
    assert!(spooled.exists());
}
