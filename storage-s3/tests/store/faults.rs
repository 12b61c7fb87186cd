//! Everything that goes wrong on the way to a store becomes the kind of error that callers act on.

use crate::support::{PATIENCE, SILENCE, behind_proxy, bucket, pattern};
use bytes::Bytes;
use reelmill_s3::{Bucket, Credentials, ObjectOptions, S3Error, Settings, Store};
use reelmill_testkit::{Fault, FaultProxy, Rule, Target};
use std::time::{Duration, Instant};

const LENGTH: usize = 300_000;

/// A store with an object, a proxy before it, and a client that has little patience.
struct Scene {
    target: Target,
    proxy: FaultProxy,
    bucket: Bucket,
    key: String,
    bytes: Vec<u8>,
}

impl Scene {
    async fn set() -> Option<Scene> {
        let target = Target::start();
        let (proxy, _, behind) = behind_proxy(&target)?;
        let scene =
            Scene { key: format!("{}object", target.prefix()), bytes: pattern(LENGTH), target, proxy, bucket: behind };
        bucket(&scene.target)
            .put(&scene.key, Bytes::from(scene.bytes.clone()), &ObjectOptions::default())
            .await
            .unwrap();
        Some(scene)
    }

    async fn get(&self, fault: Fault) -> Result<(), S3Error> {
        self.proxy.fail(Rule::new(fault).method("GET"));
        self.read().await
    }

    async fn read(&self) -> Result<(), S3Error> {
        let read = self.bucket.get_range(&self.key, 0, LENGTH as u64, None).await?;
        assert!(read == self.bytes, "the object differs");
        Ok(())
    }

    async fn put(&self, fault: Fault) -> Result<(), S3Error> {
        self.proxy.fail(Rule::new(fault).method("PUT"));
        self.bucket.put(&self.key, Bytes::from(self.bytes.clone()), &ObjectOptions::default()).await
    }

    /// The object is still the one that was put there first, and the client has no lasting damage.
    async fn end(self) {
        self.read().await.unwrap();
        self.bucket.delete(&[&self.key]).await.unwrap();
    }
}

#[tokio::test]
async fn a_busy_store_says_how_long_to_wait() {
    let Some(scene) = Scene::set().await else { return };
    let busy = |retry_after| Fault::Answer { status: 503, code: "SlowDown", retry_after };
    let throttled = |seconds: u64| S3Error::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(scene.get(busy(Some(7))).await, Err(throttled(7)));
    assert_eq!(scene.put(busy(Some(8))).await, Err(throttled(8)));
    assert_eq!(scene.put(busy(None)).await, Err(S3Error::Throttled { retry_after: None }));
    let many = Fault::Answer { status: 429, code: "TooManyRequests", retry_after: Some(9) };
    assert_eq!(scene.get(many).await.map_err(|error| error.retry_after()), Err(Some(Duration::from_secs(9))));
    scene.proxy.fail(Rule::new(busy(Some(3))).method("HEAD"));
    assert_eq!(scene.bucket.head(&scene.key).await, Err(throttled(3)));
    // The caller backs off, not the SDK: each was asked for once.
    assert_eq!((scene.proxy.count("GET", ""), scene.proxy.count("PUT", "")), (2, 2));
    scene.end().await;
}

#[tokio::test]
async fn errors_of_the_store_may_pass() {
    let Some(scene) = Scene::set().await else { return };
    let broken = Fault::Answer { status: 500, code: "InternalError", retry_after: None };
    let error = scene.get(broken).await.unwrap_err();
    assert!(matches!(&error, S3Error::Rejected { status: 500, code, .. } if code == "InternalError"), "{error:?}");
    assert!(error.is_transient());
    let denied = Fault::Answer { status: 403, code: "AccessDenied", retry_after: None };
    let error = scene.get(denied).await.unwrap_err();
    assert!(matches!(&error, S3Error::Forbidden(_)) && !error.is_transient(), "{error:?}");
    scene.end().await;
}

#[tokio::test]
async fn bodies_that_end_early_are_errors() {
    let Some(scene) = Scene::set().await else { return };
    assert_eq!(scene.get(Fault::Truncate(100_000)).await, Err(S3Error::Truncated));
    assert_eq!(scene.get(Fault::Truncate(0)).await, Err(S3Error::Truncated));
    assert_eq!(scene.get(Fault::Shorten(100_000)).await, Err(S3Error::Truncated));
    assert!(S3Error::Truncated.is_transient());
    scene.end().await;
}

#[tokio::test]
async fn connections_that_break_are_errors_of_the_network() {
    let Some(scene) = Scene::set().await else { return };
    for fault in [Fault::ResetResponse(100_000), Fault::ResetResponse(0), Fault::Refuse, Fault::LoseResponse] {
        let error = scene.get(fault.clone()).await.err();
        assert!(matches!(error, Some(S3Error::Network(_))), "{fault:?}: {error:?}");
    }
    for fault in [Fault::ResetRequest(100_000), Fault::Refuse, Fault::LoseResponse] {
        let error = scene.put(fault.clone()).await.err();
        assert!(matches!(error, Some(S3Error::Network(_))), "{fault:?}: {error:?}");
    }
    scene.end().await;
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    let Some(scene) = Scene::set().await else { return };
    let began = Instant::now();
    for fault in [Fault::StallResponse(100_000), Fault::StallResponse(0), Fault::StallRequest(0)] {
        let error = scene.get(fault.clone()).await.err();
        assert!(matches!(error, Some(S3Error::Network(_))), "{fault:?}: {error:?}");
    }
    scene.proxy.fail(Rule::new(Fault::StallRequest(1000)).method("PUT"));
    let bytes = Bytes::from(scene.bytes[..50_000].to_vec());
    let error = scene.bucket.put(&scene.key, bytes, &ObjectOptions::default()).await.unwrap_err();
    assert!(matches!(error, S3Error::Network(_)), "{error:?}");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    scene.end().await;
}

#[tokio::test]
async fn slow_is_not_silent() {
    let Some(scene) = Scene::set().await else { return };
    let began = Instant::now();
    let slow = Fault::Slow(LENGTH as u64);
    scene.get(slow.clone()).await.unwrap();
    scene.put(slow).await.unwrap();
    assert!(began.elapsed() > SILENCE * 4, "it was not slow: {:?}", began.elapsed());
    scene.end().await;
}

#[tokio::test]
async fn bytes_that_change_on_their_way_to_the_store_are_refused() {
    let Some(scene) = Scene::set().await else { return };
    let error = scene.put(Fault::CorruptRequest(123_456)).await.unwrap_err();
    // The embedded store notices, but only says that something went wrong inside it.
    let known = matches!(error, S3Error::ChecksumMismatch(_) | S3Error::Rejected { status: 500, .. });
    assert!(known && error.is_transient(), "{error:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_store_that_is_not_there_is_an_error_of_the_network() {
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut settings = Settings::new(Some(format!("http://127.0.0.1:{port}")), Credentials::Anonymous);
    settings.connect_timeout = Duration::from_secs(2);
    let error = Store::connect(settings).bucket("bucket").check().await.unwrap_err();
    assert!(matches!(error, S3Error::Network(_)), "{error:?}");
}
