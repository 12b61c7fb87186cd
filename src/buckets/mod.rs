//! Buckets by the names that locators have for them: to which store they belong, and how sources and outputs use them.
//! The seam to `reelmill-s3`; nothing else depends on it.

mod output;
mod source;

use crate::dispatch::Buckets;
use crate::input::{OpenObject, S3Open};
use crate::model::{BackOff, Problem};
use crate::publish::sink::ObjectStore;
use futures_util::future::BoxFuture;
use reelmill_s3::{Bucket, Multipart, Settings, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tries of one part before the upload as a whole counts as failed, and is tried again by the publisher.
const PART_ATTEMPTS_MAX: u32 = 3;

/// What is configured of buckets.
#[derive(Clone, Debug)]
pub struct BucketOptions {
    /// The store in which buckets are that have no alias.
    pub store: Settings,
    /// Aliases: name in locators, bucket, and the store in which it is.
    pub aliases: Vec<(String, String, Settings)>,
    /// How files are sent.
    pub multipart: Multipart,
    /// How reads are tried again.
    pub retry: BackOff,
}

/// All buckets that this node can reach. Cheap to clone; connects when it is used.
#[derive(Clone, Debug)]
pub struct AllBuckets {
    store: Store,
    /// Those of aliases.
    stores: Arc<Vec<Store>>,
    aliases: Arc<BTreeMap<String, Bucket>>,
    multipart: Multipart,
    retry: BackOff,
}

impl AllBuckets {
    /// Prepares connections; none is made yet.
    pub fn new(options: BucketOptions) -> Self {
        let mut stores = Vec::new();
        let alias = |(name, bucket, settings): (String, String, Settings)| {
            let store = Store::connect(settings);
            stores.push(store.clone());
            (name, store.bucket(&bucket))
        };
        let aliases = options.aliases.into_iter().map(alias).collect();
        Self {
            store: Store::connect(options.store),
            stores: Arc::new(stores),
            aliases: Arc::new(aliases),
            multipart: options.multipart,
            retry: options.retry,
        }
    }

    /// Answers when uploads that were given up have been aborted at their stores: before the process ends.
    pub async fn settled(&self) {
        self.store.settled().await;
        for store in self.stores.iter() {
            store.settled().await;
        }
    }

    fn find(&self, name: &str) -> Bucket {
        self.aliases.get(name).cloned().unwrap_or_else(|| self.store.bucket(name))
    }
}

impl Buckets for AllBuckets {
    fn bucket(&self, name: &str) -> Result<Arc<dyn ObjectStore>, Problem> {
        let retry = BackOff { attempts_max: self.retry.attempts_max.min(PART_ATTEMPTS_MAX), ..self.retry };
        let (name, bucket) = (name.to_owned(), self.find(name));
        Ok(Arc::new(output::Objects { name, bucket, multipart: self.multipart, retry }))
    }
}

impl S3Open for AllBuckets {
    fn open<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<OpenObject, Problem>> {
        Box::pin(source::open(self.find(bucket), bucket, key, self.retry))
    }
}
