//! An object store for a daemon, with a proxy before it that sees every request and breaks some.
//!
//! It is the embedded one, or one that the environment names: `REELMILL_TEST_S3_ENDPOINT` (`http://…`, so that a proxy can
//! stand before it), `REELMILL_TEST_S3_BUCKET` (which exists), `REELMILL_TEST_S3_ACCESS_KEY_ID`,
//! `REELMILL_TEST_S3_SECRET_ACCESS_KEY` and, where it is not `us-east-1`, `REELMILL_TEST_S3_REGION`. Objects of the tests
//! lie below `reelmill-test/` there, and are removed.

use crate::daemon::{Setup, output};
use bytes::Bytes;
use reelmill::api::v1;
use reelmill_s3::{Bucket, Credentials, ObjectOptions, Settings, Store};
use reelmill_testkit::{FaultProxy, Request, Target};
use std::fs;
use std::path::Path;

/// More objects than any test makes.
const KEYS_MAX: usize = 10_000;

/// A store, the proxy before it, and a prefix of the test's own.
pub(crate) struct Place {
    pub(crate) target: Target,
    pub(crate) proxy: FaultProxy,
    /// Past the proxy.
    pub(crate) bucket: Bucket,
    pub(crate) prefix: String,
}

impl Place {
    /// One of the test's own; `None` where no proxy can stand before the store that the environment names.
    pub(crate) fn open() -> Option<Self> {
        let target = Target::start();
        let proxy = FaultProxy::start(target.plain_address()?);
        let bucket = Store::connect(settings(&target)).bucket(&target.bucket);
        let prefix = target.prefix();
        Some(Self { target, proxy, bucket, prefix })
    }

    /// A daemon that reaches the store by way of the proxy, and does not wait long before it tries again.
    pub(crate) fn setup(&self) -> Setup {
        let setup = Setup::default()
            .set(format!("s3.endpoint={}", self.proxy.endpoint()))
            .set(format!("s3.region={}", self.target.region))
            .env("REELMILL_S3__ACCESS_KEY_ID", &self.target.access_key_id)
            .env("REELMILL_S3__SECRET_ACCESS_KEY", &self.target.secret_access_key);
        quick(setup)
    }

    /// A key below the test's prefix.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The locator of a key below the test's prefix.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("s3://{}/{}", self.target.bucket, self.key(name))
    }

    /// Stores a local file.
    pub(crate) async fn upload(&self, name: &str, file: &Path) {
        let bytes = Bytes::from(fs::read(file).unwrap());
        self.bucket.put(&self.key(name), bytes, &ObjectOptions::default()).await.unwrap();
    }

    /// What lies below a name, by the rest of its key, with its size.
    pub(crate) async fn below(&self, name: &str) -> Vec<(String, u64)> {
        let prefix = self.key(name);
        let found = self.bucket.list(&prefix, KEYS_MAX).await.unwrap();
        found.into_iter().map(|object| (object.key[prefix.len()..].to_owned(), object.size)).collect()
    }

    /// Copies what lies below a name into a directory.
    pub(crate) async fn download(&self, name: &str, to: &Path) {
        for (path, size) in self.below(name).await {
            let bytes = self.bucket.get_range(&format!("{}{path}", self.key(name)), 0, size, None).await.unwrap();
            let file = to.join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }

    /// Every object that was put below a name, in the order in which the store was asked to.
    pub(crate) fn puts(&self, name: &str) -> Vec<Request> {
        let root = format!("/{}/{}", self.target.bucket, self.key(name));
        let mut puts = self.proxy.requests();
        puts.retain(|request| request.method == "PUT" && request.path().starts_with(&root));
        puts
    }

    /// The same, as paths below the name.
    pub(crate) fn put_paths(&self, name: &str) -> Vec<String> {
        let root = format!("/{}/{}", self.target.bucket, self.key(name));
        self.puts(name).iter().map(|request| request.path()[root.len()..].to_owned()).collect()
    }

    /// Removes what the test stored.
    pub(crate) async fn clear(&self) {
        let found = self.bucket.list(&self.prefix, KEYS_MAX).await.unwrap();
        let keys: Vec<&str> = found.iter().map(|object| object.key.as_str()).collect();
        self.bucket.delete(&keys).await.unwrap();
    }
}

/// How the store is reached past the proxy.
pub(crate) fn settings(target: &Target) -> Settings {
    let credentials = Credentials::Static {
        access_key_id: target.access_key_id.clone(),
        secret_access_key: target.secret_access_key.clone(),
        session_token: None,
    };
    Settings { region: Some(target.region.clone()), ..Settings::new(Some(target.endpoint.clone()), credentials) }
}

/// Waits between tries that tests can wait for.
pub(crate) fn quick(setup: Setup) -> Setup {
    let setup = setup.set("upload.retry.first_ms=50").set("upload.retry.max_ms=200");
    setup.set("retry.first_ms=50").set("retry.max_ms=200")
}

/// A job from one place to another: one small rung, CMAF and TS.
pub(crate) fn job(source: &str, destination: &str) -> v1::JobSpec {
    v1::JobSpec {
        sources: vec![v1::SourceSpec { uri: source.into(), ..v1::SourceSpec::default() }],
        outputs: vec![output(destination, &["90p"])],
        ..v1::JobSpec::default()
    }
}

/// Whether a path is that of a media segment.
pub(crate) fn is_segment(path: &str) -> bool {
    path.ends_with(".m4s") || path.ends_with(".ts")
}

/// Whether a path is that of a manifest.
pub(crate) fn is_manifest(path: &str) -> bool {
    path.ends_with(".m3u8") || path.ends_with(".mpd")
}
