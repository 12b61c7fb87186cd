//! What the suites of this crate share: a store to run against, and clients of it.

use reelmill_s3::{Bucket, Credentials, S3Error, Settings, Store};
use reelmill_testkit::{FaultProxy, Target};
use std::path::PathBuf;
use std::time::Duration;

/// Enough for a machine that is busy; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long the clients of these tests wait for a byte.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);

/// How the target is reached, by way of an endpoint.
pub(crate) fn settings(target: &Target, endpoint: String) -> Settings {
    let mut settings = Settings::new(
        Some(endpoint),
        Credentials::Static {
            access_key_id: target.access_key_id.clone(),
            secret_access_key: target.secret_access_key.clone(),
            session_token: None,
        },
    );
    settings.region = Some(target.region.clone());
    settings
}

/// The target's bucket.
pub(crate) fn bucket(target: &Target) -> Bucket {
    Store::connect(settings(target, target.endpoint.clone())).bucket(&target.bucket)
}

/// The target's bucket behind a proxy; the client has little patience. None where there can be no proxy.
pub(crate) fn behind_proxy(target: &Target) -> Option<(FaultProxy, Store, Bucket)> {
    let proxy = FaultProxy::start(target.plain_address()?);
    let mut settings = settings(target, proxy.endpoint());
    settings.read_timeout = SILENCE;
    let store = Store::connect(settings);
    let bucket = store.bucket(&target.bucket);
    Some((proxy, store, bucket))
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A file with these bytes.
pub(crate) fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// The rule of a caller that never tries again.
pub(crate) fn never(_: &S3Error, _: u32) -> Option<Duration> {
    None
}
