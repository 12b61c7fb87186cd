//! Files become objects: in one request, in parts, with progress; and nothing stays of an upload that does not end well.

use crate::support::{PATIENCE, behind_proxy, bucket, file, never, pattern, settings};
use reelmill_s3::{Bucket, Multipart, ObjectOptions, S3Error, Store};
use reelmill_testkit::{Fault, FaultProxy, Request, Rule, Target};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const PARTS: Multipart = Multipart { threshold_bytes: 6 << 20, part_bytes: 5 << 20, concurrency: 2 };
/// Four parts, the last of which is short.
const LENGTH: usize = (15 << 20) + 17;

#[tokio::test]
async fn files_go_whole_or_in_parts_and_say_how_far_they_are() {
    let target = Target::start();
    let prefix = target.prefix();
    let Some(proxy) = target.plain_address().map(FaultProxy::start) else { return };
    let bucket = Store::connect(settings(&target, proxy.endpoint())).bucket(&target.bucket);
    let options = ObjectOptions {
        content_type: Some("video/mp4".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        acl: None,
        metadata: BTreeMap::from([("rung".to_owned(), "720p".to_owned())]),
    };
    let large = Multipart { threshold_bytes: 18 << 20, part_bytes: 17 << 20, concurrency: 2 };
    // The last two are too large to be held in memory: in one request, and in parts.
    let cases = [(0, PARTS, 0), (1, PARTS, 0), (6 << 20, PARTS, 0), ((6 << 20) + 1, PARTS, 2), (LENGTH, PARTS, 4)];
    for (length, multipart, parts) in cases.into_iter().chain([(18 << 20, large, 0), ((18 << 20) + 1, large, 2)]) {
        let bytes = pattern(length);
        let (_directory, path) = file(&bytes);
        let key = format!("{prefix}{length}.mp4");
        let steps = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&steps);
        let progress = move |bytes| seen.lock().unwrap().push(bytes);
        bucket.put_file(&key, &path, &options, &multipart, never, progress).await.unwrap();

        let info = bucket.head(&key).await.unwrap().unwrap();
        assert_eq!(info.size, length as u64);
        assert_eq!(
            (info.content_type, info.cache_control),
            (options.content_type.clone(), options.cache_control.clone())
        );
        assert_eq!(info.metadata, options.metadata);
        let stored = bucket.get_range(&key, 0, info.size, Some(&info.etag)).await.unwrap();
        assert!(stored == bytes, "the object of {length} bytes differs");
        let requests = proxy.requests();
        let sent = requests.iter().filter(|seen| seen.target.contains(&key) && seen.target.contains("partNumber="));
        assert_eq!(sent.count(), parts, "parts of {length} bytes");
        let steps = steps.lock().unwrap().clone();
        assert_eq!(steps.last().copied().unwrap_or_default(), length as u64);
        assert!(length < 1 << 20 || steps.len() > 10, "{} steps for {length} bytes", steps.len());
        bucket.delete(&[&key]).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_part_that_failed_is_sent_again() {
    let target = Target::start();
    let Some((proxy, _, bucket)) = behind_proxy(&target) else { return };
    let (_directory, path) = file(&pattern(LENGTH));
    let key = format!("{}file", target.prefix());
    proxy.fail(Rule::new(Fault::ResetRequest(100_000)).target("partNumber=2").times(2));
    let busy = Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(1) };
    proxy.fail(Rule::new(busy).target("partNumber=3"));
    let asked = Mutex::new(Vec::new());
    let retry = |error: &S3Error, tries: u32| {
        asked.lock().unwrap().push((error.clone(), tries));
        error.is_transient().then_some(Duration::from_millis(1))
    };
    let sent = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&sent);
    let progress = move |bytes| *seen.lock().unwrap() = bytes;
    bucket.put_file(&key, &path, &ObjectOptions::default(), &PARTS, retry, progress).await.unwrap();
    let size = bucket.head(&key).await.unwrap().unwrap().size;
    assert_eq!((size, *sent.lock().unwrap()), (LENGTH as u64, LENGTH as u64));
    let parts = ["1", "2", "3", "4"].map(|part| proxy.count("PUT", &format!("partNumber={part}")));
    assert_eq!(parts, [1, 3, 2, 1]);
    let asked = asked.into_inner().unwrap();
    assert!(asked.contains(&(S3Error::Throttled { retry_after: Some(Duration::from_secs(1)) }, 1)), "{asked:?}");
    assert_eq!(asked.iter().map(|(_, tries)| tries).max(), Some(&2));
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted() {
    let target = Target::start();
    let Some((proxy, store, bucket)) = behind_proxy(&target) else { return };
    let (_directory, path) = file(&pattern(LENGTH));
    let prefix = target.prefix();
    let key = format!("{prefix}file");
    let denied = Fault::Answer { status: 403, code: "AccessDenied", retry_after: None };
    proxy.fail(Rule::new(denied).target("partNumber=3"));
    let failed = put(&bucket, &key, &path).await;
    assert!(matches!(failed, Err(S3Error::Forbidden(_))), "{failed:?}");
    timeout(PATIENCE, store.settled()).await.unwrap();
    assert!(proxy.count("DELETE", "uploadId=") >= 1);
    assert_nothing_left(&target, &prefix).await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_while_it_begins_is_aborted() {
    dropped_when(Rule::new(Fault::Slow(1000)).method("POST"), |seen| count(seen, "uploads") == 1).await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_while_parts_are_sent_is_aborted() {
    let stall = Rule::new(Fault::StallRequest(1 << 20)).method("PUT").always();
    let sent = dropped_when(stall, |seen| count(seen, "partNumber=") == PARTS.concurrency).await;
    assert!(sent.is_none_or(|sent| sent == PARTS.concurrency), "{sent:?} parts at a time");
}

#[tokio::test]
async fn an_upload_that_is_dropped_when_some_parts_are_there_is_aborted() {
    let stall = Rule::new(Fault::StallRequest(0)).target("partNumber=").after(2).always();
    dropped_when(stall, |seen| count(seen, "partNumber=4") == 1).await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_before_it_completes_is_aborted() {
    let refuse = Rule::new(Fault::StallRequest(0)).method("POST").target("uploadId=");
    let completes = |seen: &[Request]| seen.iter().any(|r| r.method == "POST" && r.target.contains("uploadId="));
    dropped_when(refuse, completes).await;
}

#[tokio::test]
async fn an_upload_whose_last_answer_is_lost_is_found_to_be_done() {
    let target = Target::start();
    let Some((proxy, store, bucket)) = behind_proxy(&target) else { return };
    let (_directory, path) = file(&pattern(LENGTH));
    let key = format!("{}file", target.prefix());
    proxy.fail(Rule::new(Fault::LoseResponse).method("POST").target("uploadId="));
    let retry = |error: &S3Error, _| error.is_transient().then_some(Duration::from_millis(1));
    bucket.put_file(&key, &path, &ObjectOptions::default(), &PARTS, retry, |_| {}).await.unwrap();
    assert_eq!(bucket.head(&key).await.unwrap().unwrap().size, LENGTH as u64);
    timeout(PATIENCE, store.settled()).await.unwrap();
    assert_eq!(proxy.count("DELETE", "uploadId="), 0);
    bucket.delete(&[&key]).await.unwrap();
}

#[tokio::test]
async fn only_files_that_can_be_sent_are_sent() {
    let target = Target::start();
    let bucket = bucket(&target);
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("missing")] {
        let refused = put(&bucket, "key", &path).await;
        assert!(matches!(refused, Err(S3Error::File(_))), "{refused:?}");
    }
    let (_directory, path) = file(b"x");
    // Tasks send files: the future must be one that may move between threads.
    let (there, key, small) = (bucket.clone(), format!("{}small", target.prefix()), path.clone());
    let sent = tokio::spawn(async move {
        put(&there, &key, &small).await?;
        there.list(&key, 1).await?;
        there.delete(&[&key]).await
    });
    sent.await.unwrap().unwrap();
    let parts = Multipart { part_bytes: 1, ..PARTS };
    let refused = bucket.put_file("key", &path, &ObjectOptions::default(), &parts, never, |_| {}).await;
    assert!(matches!(refused, Err(S3Error::Invalid(_))), "{refused:?}");
}

/// Drops an upload as soon as the proxy has seen what it waits for, and looks at what stays on the server. Returns how
/// many parts were begun.
async fn dropped_when(rule: Rule, moment: impl Fn(&[Request]) -> bool) -> Option<usize> {
    let target = Target::start();
    let proxy = FaultProxy::start(target.plain_address()?);
    // This client is patient: only dropping the future can end the upload.
    let store = Store::connect(settings(&target, proxy.endpoint()));
    let bucket = store.bucket(&target.bucket);
    let (_directory, path) = file(&pattern(LENGTH));
    let prefix = target.prefix();
    let key = format!("{prefix}file");
    proxy.fail(rule);
    tokio::select! {
        ended = put(&bucket, &key, &path) => panic!("it should not have ended: {ended:?}"),
        seen = timeout(PATIENCE, proxy.until(|seen| moment(seen))) => seen.unwrap(),
    }
    timeout(PATIENCE, store.settled()).await.unwrap();
    let parts = proxy.count("PUT", "partNumber=");
    // Requests that it holds up are still open on the server.
    drop(proxy);
    assert_nothing_left(&target, &prefix).await;
    Some(parts)
}

fn count(seen: &[Request], part: &str) -> usize {
    seen.iter().filter(|request| request.target.contains(part)).count()
}

async fn put(bucket: &Bucket, key: &str, path: &Path) -> Result<(), S3Error> {
    bucket.put_file(key, path, &ObjectOptions::default(), &PARTS, never, |_| {}).await
}

/// Nothing of an upload is left, as far as this store can tell.
async fn assert_nothing_left(target: &Target, prefix: &str) {
    let bucket = bucket(target);
    match (&target.embedded, bucket.abort_uploads(prefix).await) {
        (Some(store), Ok(0)) => {
            // It removes the file of a request that breaks off some time after it has noticed.
            let began = Instant::now();
            while !store.unfinished_uploads().is_empty() {
                assert!(began.elapsed() < PATIENCE, "{:?}", store.unfinished_uploads());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        (None, Err(S3Error::Unsupported(_)) | Ok(0)) => {}
        (_, found) => panic!("{found:?}"),
    }
    assert!(!bucket.any_under(prefix).await.unwrap());
}

#[tokio::test]
async fn an_object_that_has_left_is_waited_for_when_nobody_wants_it_any_more() {
    let target = Target::start();
    let Some((proxy, store, bucket)) = behind_proxy(&target) else { return };
    let key = format!("{}late", target.prefix());
    proxy.fail(Rule::new(Fault::Late(200)).method("PUT"));
    let options = ObjectOptions::default();
    tokio::select! {
        ended = bucket.put(&key, bytes::Bytes::from_static(b"late"), &options) => panic!("it should not have ended: {ended:?}"),
        () = proxy.until(|seen| !seen.is_empty()) => {}
    }
    assert!(!bucket.any_under(&key).await.unwrap(), "it arrives later");
    timeout(PATIENCE, store.settled()).await.unwrap();
    assert!(bucket.any_under(&key).await.unwrap(), "it has arrived");
    bucket.delete(&[&key]).await.unwrap();
}
