//! From a locator to an open source, under the operator's rules.

use super::{BlockCache, HttpRanges, RemoteRanges, Source, file};
use crate::model::{BackOff, Locator, Problem};
use crate::net::{Client, Target};
use futures_util::future::BoxFuture;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The size of an object, bytes, and what reads it.
pub type OpenObject = (u64, Arc<dyn RemoteRanges>);

/// Opens objects in buckets.
pub trait S3Open: Send + Sync + Debug {
    /// The size of an object, and its bytes.
    ///
    /// # Errors
    /// `source.*`: `source.not_found`, `source.forbidden`, `source.unavailable` …
    fn open<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<OpenObject, Problem>>;
}

/// What sources may be, and how they are read.
#[derive(Clone, Debug)]
pub struct OpenerOptions {
    /// Directories that local sources must lie in, links resolved; empty for anywhere.
    pub roots: Vec<PathBuf>,
    /// Reads over HTTP, under its rules about addresses.
    pub http: Client,
    /// Where blocks of remote sources are kept while they are read. Asked for when the first one is opened.
    pub cache_dir: PathBuf,
    /// Most bytes of that cache, all sources together; at least [`super::CACHE_BYTES_MIN`].
    pub cache_bytes_max: u64,
    /// How failed reads over HTTP are tried again; [`Opener::RETRY`] is a good choice.
    pub retry: BackOff,
    /// Opens objects in buckets, where that is configured.
    pub s3: Option<Arc<dyn S3Open>>,
}

/// Opens sources. Cheap to clone; clones share the cache.
#[derive(Clone, Debug)]
pub struct Opener {
    options: Arc<OpenerOptions>,
    cache: Arc<Mutex<Option<Arc<BlockCache>>>>,
}

impl Opener {
    /// Back-off for reading: a job's worker waits meanwhile, so it ends within some seconds; then the job's own begins.
    pub const RETRY: BackOff = BackOff { first_ms: 200, factor: 2, max_ms: 5_000, attempts_max: 5, jitter_percent: 50 };

    /// An opener. Touches nothing yet.
    pub fn new(options: OpenerOptions) -> Self {
        Self { options: Arc::new(options), cache: Arc::default() }
    }

    /// Opens a source.
    ///
    /// # Errors
    /// `source.*` and `request.locator`, as `docs/SPECIFICATION.md` lists them.
    pub async fn open(&self, locator: &Locator) -> Result<Source, Problem> {
        match locator {
            Locator::File(path) => self.open_file(path.clone()).await,
            Locator::Http(address) => self.open_http(address).await,
            Locator::S3 { bucket, key } => self.open_s3(bucket, key, &locator.to_string()).await,
        }
    }

    async fn open_file(&self, path: PathBuf) -> Result<Source, Problem> {
        let options = Arc::clone(&self.options);
        // File systems over a network may take their time.
        blocking(move || Source::of_file(&path, file::open_under(&path, &options.roots)?)).await
    }

    async fn open_http(&self, address: &str) -> Result<Source, Problem> {
        let target = Target::parse(address).map_err(|failure| {
            // The address itself is not repeated: there may be a password in it.
            Problem::input("request.locator", format!("the address of the source is none ({failure}); check it"))
        })?;
        let (ranges, first) = HttpRanges::open(&self.options.http, target, self.options.retry).await?;
        let (name, size_bytes) = (ranges.name().to_owned(), ranges.size_bytes());
        let source = Source::remote(&name, size_bytes, Arc::new(ranges), &self.cache().await?)?;
        source.seed(first).await;
        Ok(source)
    }

    async fn open_s3(&self, bucket: &str, key: &str, name: &str) -> Result<Source, Problem> {
        let Some(s3) = &self.options.s3 else {
            let message = format!("{name} cannot be read: no S3 endpoint is configured here; configure one");
            return Err(Problem::input("source.unsupported_scheme", message));
        };
        let (size_bytes, ranges) = s3.open(bucket, key).await?;
        Source::remote(name, size_bytes, ranges, &self.cache().await?)
    }

    async fn cache(&self) -> Result<Arc<BlockCache>, Problem> {
        let (shared, options) = (Arc::clone(&self.cache), Arc::clone(&self.options));
        blocking(move || {
            let mut cache = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cache) = &*cache {
                return Ok(Arc::clone(cache));
            }
            let made = BlockCache::new(&options.cache_dir, options.cache_bytes_max)?;
            Ok(Arc::clone(cache.insert(made)))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let lost = |_| Problem::bug("internal.panic", "opening the source ended early; report this with the log");
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

/// Whether a path without links lies in one of the directories.
pub(super) fn lies_in(path: &Path, roots: &[PathBuf]) -> bool {
    roots.is_empty() || roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| path.starts_with(root))
}
