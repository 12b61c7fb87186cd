//! The object store a suite runs against: the embedded one, or the one that the environment names.

use crate::store::S3Server;
use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where a suite's objects go.
///
/// With `REELMILL_TEST_S3_ENDPOINT` set, to that endpoint, into the existing bucket `REELMILL_TEST_S3_BUCKET`, with
/// `REELMILL_TEST_S3_ACCESS_KEY_ID`, `REELMILL_TEST_S3_SECRET_ACCESS_KEY` and `REELMILL_TEST_S3_REGION` (`us-east-1`
/// when it is not set); otherwise to an [`S3Server`] that is started for it.
pub struct Target {
    /// `http://host:port` or `https://host`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// A bucket that is there.
    pub bucket: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The embedded store, where that is what is used.
    pub embedded: Option<S3Server>,
}

impl Target {
    /// Finds or starts the store, and says on standard error which one it is.
    pub fn start() -> Target {
        let target = match env::var("REELMILL_TEST_S3_ENDPOINT") {
            Ok(endpoint) => Target::named(endpoint),
            Err(_) => Target::embedded(),
        };
        let kind = if target.embedded.is_some() { "embedded s3s-fs" } else { "named by REELMILL_TEST_S3_ENDPOINT" };
        eprintln!("object store: {} ({kind}), bucket {}", target.endpoint, target.bucket);
        target
    }

    /// `host:port`, for a proxy in front of it; none where the store speaks TLS, which a proxy cannot break into.
    pub fn plain_address(&self) -> Option<&str> {
        let address = self.endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        if address.is_none() {
            eprintln!("SKIPPED: {} speaks TLS, so no proxy can break what passes", self.endpoint);
        }
        address
    }

    /// A prefix that no other test uses, for stores that outlive one.
    pub fn prefix(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("reelmill-test/{}-{}/", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn named(endpoint: String) -> Target {
        let needed = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} must be set as well"));
        Target {
            endpoint,
            region: env::var("REELMILL_TEST_S3_REGION").unwrap_or_else(|_| S3Server::REGION.to_owned()),
            bucket: needed("REELMILL_TEST_S3_BUCKET"),
            access_key_id: needed("REELMILL_TEST_S3_ACCESS_KEY_ID"),
            secret_access_key: needed("REELMILL_TEST_S3_SECRET_ACCESS_KEY"),
            embedded: None,
        }
    }

    fn embedded() -> Target {
        let server = S3Server::start();
        let bucket = "reelmill-test";
        server.create_bucket(bucket);
        Target {
            endpoint: server.endpoint(),
            region: S3Server::REGION.to_owned(),
            bucket: bucket.to_owned(),
            access_key_id: S3Server::ACCESS_KEY_ID.to_owned(),
            secret_access_key: S3Server::SECRET_ACCESS_KEY.to_owned(),
            embedded: Some(server),
        }
    }
}
