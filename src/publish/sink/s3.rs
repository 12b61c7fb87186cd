//! An output below a prefix of a bucket.
//!
//! Keys are the prefix, a slash, and the path; a prefix that ends with a slash brings its own, and an empty one has none.
//! While a job owns the prefix, an object named `.reelmill-job` says whose it is. A store has neither locks nor
//! conditional writes that could be relied on, so two jobs that claim one prefix in the same instant are not told apart;
//! the request checks that no two outputs of ours go to one place. What is replaced is deleted when the prefix is claimed,
//! manifests first, and cannot come back.

use super::claim::{Marker, is_report};
use super::objects::{ObjectError, ObjectErrorKind, ObjectOptions, ObjectStore};
use super::{Answer, Body, Claim, Kind, Leave, OURS, Progress, REPORT, Sink, SinkError, is_manifest};
use crate::model::spec::{IfExists, UploadOptions};
use crate::model::{JobId, Problem};
use crate::package::content_type;
use bytes::Bytes;
use std::sync::Arc;

/// Says whose the prefix is.
const MARKER: &str = ".reelmill-job";
/// Players ask for manifests again and again, and must see the new ones.
const MANIFEST_CACHE: &str = "no-cache";
/// A segment never changes under its name.
const SEGMENT_CACHE: &str = "public, max-age=31536000, immutable";
/// Largest report that is read to recognise an output.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// A prefix of a bucket as the destination of one output.
#[derive(Debug)]
pub struct S3Sink {
    store: Arc<dyn ObjectStore>,
    /// With the slash behind it, unless it is empty.
    prefix: String,
    job: JobId,
    upload: UploadOptions,
}

/// What a claim finds.
enum Standing {
    Free,
    Mine,
    /// A finished output of ours.
    Ours,
    Foreign(String),
}

impl S3Sink {
    /// A sink below `prefix`, for a job.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str, job: JobId, upload: UploadOptions) -> Self {
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        Self { store, prefix: format!("{prefix}{slash}"), job, upload }
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn options(&self, path: &str, kind: Kind) -> ObjectOptions {
        let (asked, usual) = match kind.changes() {
            true => (&self.upload.manifest_cache_control, MANIFEST_CACHE),
            false => (&self.upload.cache_control, SEGMENT_CACHE),
        };
        ObjectOptions {
            content_type: content_type(path),
            cache_control: asked.clone().unwrap_or_else(|| usual.to_owned()),
            acl: self.upload.acl.clone(),
            metadata: self.upload.metadata.clone(),
        }
    }

    /// A small object; `None` when there is no such.
    async fn small(&self, path: &str) -> Result<Option<Bytes>, SinkError> {
        let size = self.store.head(self.key(path)).await.map_err(|error| self.told(error))?;
        let Some(size) = size.filter(|size| *size <= REPORT_BYTES_MAX) else { return Ok(None) };
        self.store.get_range(self.key(path), 0, size).await.map(Some).map_err(|error| self.told(error))
    }

    async fn standing(&self) -> Result<Standing, SinkError> {
        if !self.store.any_under(self.prefix.clone()).await.map_err(|error| self.told(error))? {
            return Ok(Standing::Free);
        }
        let marker = self.small(MARKER).await?.and_then(|body| Marker::read(&body));
        if let Some(marker) = marker {
            if marker.job == self.job {
                return Ok(Standing::Mine);
            }
            return Ok(Standing::Foreign(format!("job {} is writing there, or has failed there", marker.job)));
        }
        match self.small(REPORT).await? {
            Some(report) if is_report(&report) => Ok(Standing::Ours),
            _ => Ok(Standing::Foreign("it holds something that reelmill did not make".to_owned())),
        }
    }

    /// What is there; `None` when nothing is to be made.
    async fn look(&self, if_exists: IfExists, resuming: bool, make: bool) -> Result<Option<Standing>, SinkError> {
        match self.store.check_bucket().await {
            Err(error) if error.kind == ObjectErrorKind::NoBucket && self.upload.create_bucket => {
                if !make {
                    return Ok(Some(Standing::Free));
                }
                self.store.create_bucket().await.map_err(|error| self.told(error))?;
            }
            checked => checked.map_err(|error| self.told(error))?,
        }
        match (self.standing().await?, if_exists) {
            (Standing::Mine, _) => Ok(Some(Standing::Mine)),
            _ if resuming => Err(self.lost("what an earlier attempt put there").into()),
            (Standing::Free, _) => Ok(Some(Standing::Free)),
            (_, IfExists::Skip) => Ok(None),
            (Standing::Ours, IfExists::Replace) => Ok(Some(Standing::Ours)),
            (Standing::Ours, IfExists::Fail) => {
                Err(self.exists("it holds an earlier output; name another place, or ask for it to be replaced").into())
            }
            (Standing::Foreign(why), _) => Err(self.exists(&why).into()),
        }
    }

    async fn abort_uploads(&self) -> Result<(), SinkError> {
        for directory in OURS {
            let aborted = self.store.abort_uploads(self.key(&format!("{directory}/"))).await;
            aborted.map_err(|error| self.told(error))?;
        }
        Ok(())
    }

    /// Every key of ours: manifests first, so that nobody begins to play what goes away.
    async fn ours(&self) -> Result<Vec<String>, SinkError> {
        let mut keys = vec![self.key(REPORT)];
        for directory in OURS {
            let below = self.store.list(self.key(&format!("{directory}/"))).await;
            keys.extend(below.map_err(|error| self.told(error))?);
        }
        keys.sort_by_key(|key| !is_manifest(key));
        Ok(keys)
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), SinkError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.store.delete(keys).await.map_err(|error| self.told(error))
    }

    async fn remove_all(&self) -> Result<(), SinkError> {
        let (manifests, rest): (Vec<_>, Vec<_>) = self.ours().await?.into_iter().partition(|key| is_manifest(key));
        self.delete(manifests).await?;
        self.delete(rest).await
    }

    fn lost(&self, what: &str) -> Problem {
        let place = format!("{}/{}", self.store.name(), self.prefix);
        Problem::sink("output.lost", format!("{what} is gone from {place}; run the job anew"))
    }

    fn exists(&self, why: &str) -> Problem {
        let place = format!("{}/{}", self.store.name(), self.prefix);
        Problem::input("output.exists", format!("{place} cannot be written to: {why}"))
    }

    fn told(&self, error: ObjectError) -> SinkError {
        let ObjectError { kind, message, retry_after } = error;
        let name = self.store.name();
        let problem = match kind {
            ObjectErrorKind::NoBucket => {
                let remedy = "make it, correct its name, or ask for it to be made";
                Problem::input("output.bucket_missing", format!("there is no bucket {name}: {remedy}"))
            }
            ObjectErrorKind::Forbidden => {
                let remedy = "check credentials and permissions";
                Problem::input("output.forbidden", format!("{name} may not be used ({message}): {remedy}"))
            }
            ObjectErrorKind::NotFound => self.lost("an object"),
            ObjectErrorKind::Unavailable => Problem::sink(
                "output.unavailable",
                format!("{name} cannot be reached now ({message}): try again later"),
            ),
            ObjectErrorKind::Rejected => {
                Problem::sink("output.rejected", format!("{name} refused a request: {message}; check its settings"))
            }
            ObjectErrorKind::File => {
                Problem::sink("output.unwritable", format!("a spooled file cannot be read ({message}); check the disk"))
            }
        };
        SinkError { problem, transient: kind == ObjectErrorKind::Unavailable, retry_after }
    }
}

impl Sink for S3Sink {
    fn name(&self) -> String {
        format!("{}/{}", self.store.name(), self.prefix)
    }

    fn check(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim> {
        Box::pin(async move {
            let free = self.look(if_exists, resuming, false).await?.is_some();
            Ok(if free { Claim::Free } else { Claim::Skip })
        })
    }

    fn claim(&self, if_exists: IfExists, resuming: bool) -> Answer<'_, Claim> {
        Box::pin(async move {
            let Some(standing) = self.look(if_exists, resuming, true).await? else { return Ok(Claim::Skip) };
            // Before anything goes: who dies in the middle finds his own marker.
            let (body, options) = (Marker::new(self.job).write(), self.options(REPORT, Kind::Report));
            self.store.put(self.key(MARKER), body.into(), options).await.map_err(|error| self.told(error))?;
            match standing {
                // What a process that died was sending.
                Standing::Mine if resuming => self.abort_uploads().await?,
                // Without rows in the ledger, what lies there is the rest of a claim or of an attempt that got nowhere.
                Standing::Mine => {
                    self.abort_uploads().await?;
                    self.remove_all().await?;
                }
                Standing::Ours => self.remove_all().await?,
                Standing::Free | Standing::Foreign(_) => {}
            }
            Ok(Claim::Free)
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Body, kind: Kind, progress: Progress) -> Answer<'a, ()> {
        Box::pin(async move {
            let options = self.options(path, kind);
            let (key, bytes) = (self.key(path), body.bytes());
            let put = match body {
                Body::Bytes(body) => self.store.put(key, body, options).await,
                Body::File { path, .. } => self.store.put_file(key, &path, options, progress.clone()).await,
            };
            progress.set(if put.is_ok() { bytes } else { 0 });
            put.map_err(|error| self.told(error))
        })
    }

    fn read<'a>(&'a self, path: &'a str, offset: u64, length: u64) -> Answer<'a, Bytes> {
        Box::pin(
            async move { self.store.get_range(self.key(path), offset, length).await.map_err(|error| self.told(error)) },
        )
    }

    fn remove(&self, paths: Vec<String>) -> Answer<'_, ()> {
        Box::pin(self.delete(paths.iter().map(|path| self.key(path)).collect()))
    }

    fn settle(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn keep(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.small(MARKER).await?.and_then(|body| Marker::read(&body)) {
                Some(marker) if marker.job == self.job => self.delete(vec![self.key(MARKER)]).await,
                _ => Ok(()),
            }
        })
    }

    fn abandon(&self, leave: Leave) -> Answer<'_, ()> {
        Box::pin(async move {
            if leave != Leave::Everything {
                // What is on its way would otherwise arrive after everything else was removed.
                self.store.settled().await.map_err(|error| self.told(error))?;
            }
            let marker = self.small(MARKER).await?.and_then(|body| Marker::read(&body));
            if marker.is_none_or(|marker| marker.job != self.job) {
                return Ok(());
            }
            self.abort_uploads().await?;
            match leave {
                Leave::Everything => Ok(()),
                Leave::Segments => {
                    let mut keys = self.ours().await?;
                    keys.retain(|key| is_manifest(key) || *key == self.key(REPORT));
                    self.delete(keys).await
                }
                Leave::Nothing => {
                    self.remove_all().await?;
                    self.delete(vec![self.key(MARKER)]).await
                }
            }
        })
    }
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
