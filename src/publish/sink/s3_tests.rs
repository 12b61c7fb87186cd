//! Claiming a prefix, keys and headers, and what is left.

use super::super::MemoryObjects;
use super::*;

const JOB: JobId = JobId::from_number(1);
const OTHER: JobId = JobId::from_number(2);
const OLD_REPORT: &[u8] = br#"{"reelmill":"0.1.0"}"#;

fn sink(store: &Arc<MemoryObjects>, job: JobId) -> S3Sink {
    S3Sink::new(Arc::clone(store) as Arc<dyn ObjectStore>, "a b/out", job, UploadOptions::default())
}

async fn put(sink: &S3Sink, path: &str, kind: Kind) {
    sink.put(path, Body::Bytes(Bytes::from_static(b"x")), kind, Progress::default()).await.unwrap();
}

fn code<T: std::fmt::Debug>(result: Result<T, SinkError>) -> String {
    result.unwrap_err().problem.code
}

#[tokio::test]
async fn keys_are_exact_and_headers_are_right() {
    let store = MemoryObjects::new();
    let ours = sink(&store, JOB);
    assert_eq!(ours.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    put(&ours, "cmaf/720p/0.m4s", Kind::Segment).await;
    put(&ours, "cmaf/master.m3u8", Kind::GrowingManifest).await;
    ours.keep().await.unwrap();
    assert_eq!(store.keys(), ["a b/out/cmaf/720p/0.m4s", "a b/out/cmaf/master.m3u8"]);
    let segment = store.options("a b/out/cmaf/720p/0.m4s");
    assert_eq!((segment.content_type, segment.cache_control.as_str()), ("video/iso.segment", SEGMENT_CACHE));
    let master = store.options("a b/out/cmaf/master.m3u8");
    assert_eq!((master.content_type, master.cache_control.as_str()), ("application/vnd.apple.mpegurl", "no-cache"));
    let upload =
        UploadOptions { cache_control: Some("private".into()), acl: Some("public-read".into()), ..Default::default() };
    for (prefix, key) in [("", "ts/a.ts"), ("p/", "p/ts/a.ts"), ("p", "p/ts/a.ts"), ("../'\"", "../'\"/ts/a.ts")] {
        let store = MemoryObjects::new();
        let sink = S3Sink::new(Arc::clone(&store) as Arc<dyn ObjectStore>, prefix, JOB, upload.clone());
        put(&sink, "ts/a.ts", Kind::Segment).await;
        assert_eq!(store.keys(), [key]);
        let options = store.options(key);
        assert_eq!((options.cache_control.as_str(), options.acl.as_deref()), ("private", Some("public-read")));
    }
}

#[tokio::test]
async fn a_bucket_is_checked_and_made_only_when_asked() {
    let store = MemoryObjects::without_bucket();
    assert_eq!(code(sink(&store, JOB).check(IfExists::Fail, false).await), "output.bucket_missing");
    assert_eq!(code(sink(&store, JOB).claim(IfExists::Fail, false).await), "output.bucket_missing");
    let upload = UploadOptions { create_bucket: true, ..UploadOptions::default() };
    let making = S3Sink::new(Arc::clone(&store) as Arc<dyn ObjectStore>, "out", JOB, upload);
    assert_eq!(making.check(IfExists::Fail, false).await.unwrap(), Claim::Free);
    assert!(!store.log().contains(&"create".to_owned()), "a check makes nothing");
    assert_eq!(making.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    assert!(store.log().contains(&"create".to_owned()));
    for (kind, expected, transient) in [
        (ObjectErrorKind::Forbidden, "output.forbidden", false),
        (ObjectErrorKind::Unavailable, "output.unavailable", true),
        (ObjectErrorKind::Rejected, "output.rejected", false),
    ] {
        store.fail("check", kind, 1);
        let error = sink(&store, JOB).claim(IfExists::Fail, false).await.unwrap_err();
        assert_eq!((error.problem.code.as_str(), error.transient), (expected, transient));
    }
}

#[tokio::test]
async fn what_lies_there_decides_with_the_request() {
    let store = MemoryObjects::new();
    store.insert("a b/out2/x", b"a neighbour whose name begins the same");
    assert_eq!(sink(&store, JOB).check(IfExists::Fail, false).await.unwrap(), Claim::Free);
    store.insert("a b/out/x", b"not ours");
    assert_eq!(code(sink(&store, JOB).claim(IfExists::Fail, false).await), "output.exists");
    assert_eq!(code(sink(&store, JOB).claim(IfExists::Replace, false).await), "output.exists");
    assert_eq!(sink(&store, JOB).claim(IfExists::Skip, false).await.unwrap(), Claim::Skip);
    store.insert("a b/out/reelmill.json", OLD_REPORT);
    for key in ["ts/master.m3u8", "ts/v/0.ts", "cmaf/manifest.mpd"] {
        store.insert(&format!("a b/out/{key}"), b"old");
    }
    assert_eq!(code(sink(&store, JOB).claim(IfExists::Fail, false).await), "output.exists");
    assert_eq!(sink(&store, JOB).check(IfExists::Replace, false).await.unwrap(), Claim::Free);
    assert!(store.keys().contains(&"a b/out/ts/v/0.ts".to_owned()), "a check touches nothing");
    assert_eq!(sink(&store, JOB).claim(IfExists::Replace, false).await.unwrap(), Claim::Free);
    assert_eq!(store.keys(), ["a b/out/.reelmill-job", "a b/out/x", "a b/out2/x"]);
    let deleted: Vec<_> = store.log().into_iter().filter(|line| line.starts_with("delete")).collect();
    assert_eq!(deleted[0], "delete a b/out/cmaf/manifest.mpd a b/out/ts/master.m3u8", "manifests first");
}

#[tokio::test]
async fn a_prefix_belongs_to_the_job_until_it_is_kept_or_removed() {
    let store = MemoryObjects::new();
    assert_eq!(code(sink(&store, JOB).claim(IfExists::Fail, true).await), "output.lost");
    let first = sink(&store, JOB);
    first.claim(IfExists::Fail, false).await.unwrap();
    put(&first, "ts/v/0.ts", Kind::Segment).await;
    put(&first, "ts/v/media.m3u8", Kind::GrowingManifest).await;
    assert_eq!(code(sink(&store, OTHER).claim(IfExists::Replace, false).await), "output.exists");
    sink(&store, OTHER).abandon(Leave::Nothing).await.unwrap();
    first.abandon(Leave::Everything).await.unwrap();
    assert_eq!(store.keys().len(), 3);
    assert!(store.log().contains(&"abort a b/out/ts/".to_owned()));
    let again = sink(&store, JOB);
    assert_eq!(again.claim(IfExists::Fail, true).await.unwrap(), Claim::Free);
    again.abandon(Leave::Segments).await.unwrap();
    assert_eq!(store.keys(), ["a b/out/.reelmill-job", "a b/out/ts/v/0.ts"]);
    assert_eq!(sink(&store, JOB).claim(IfExists::Fail, true).await.unwrap(), Claim::Free);
    sink(&store, JOB).abandon(Leave::Nothing).await.unwrap();
    assert!(store.keys().is_empty());
}

#[tokio::test]
async fn progress_counts_what_has_gone_out() {
    let (store, total) = (MemoryObjects::new(), Arc::default());
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    std::fs::write(&path, [0; 10]).unwrap();
    let body = Body::File { path, bytes: 10, link: true };
    store.fail("put", ObjectErrorKind::Unavailable, 1);
    let ours = sink(&store, JOB);
    assert!(ours.put("ts/a", body.clone(), Kind::Segment, Progress::of(&total)).await.is_err());
    assert_eq!(total.load(std::sync::atomic::Ordering::Relaxed), 0);
    ours.put("ts/a", body, Kind::Segment, Progress::of(&total)).await.unwrap();
    assert_eq!(total.load(std::sync::atomic::Ordering::Relaxed), 10);
    assert_eq!(ours.read("ts/a", 2, 3).await.unwrap().len(), 3);
    assert_eq!(code(ours.read("ts/a", 8, 3).await), "output.lost");
}
