//! Manifests that follow the ledger, in the order in which `package` gives them: a master never names a playlist that is
//! not there. One rendering is put at a time, so there are never two transfers of one manifest.

use super::{Context, Told};
use crate::model::facts::Chapter;
use crate::model::hash::sha256;
use crate::model::plan::OutputPlan;
use crate::model::request::ManifestOptions;
use crate::model::{Ledger, Packaging, Problem};
use crate::package::sprites::Sprites;
use crate::package::{self, LiveClock, Wishes};
use crate::publish::meter::{self, For};
use crate::publish::retry::put_patiently;
use crate::publish::sink::{Body, Kind, Progress};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Time between two renderings of growing manifests: players ask for them about once a segment.
const REFRESH: Duration = Duration::from_millis(500);
/// While every track has at most so many segments, manifests follow each one: players wait for the first ones.
const EAGER_SEGMENTS: usize = 3;

type Rendering = Pin<Box<dyn Future<Output = Result<Vec<(String, String)>, Problem>> + Send>>;

/// What has been put, and what is on its way.
pub(super) struct Manifests {
    context: Arc<Context>,
    packagings: Vec<Packaging>,
    options: ManifestOptions,
    chapters: Vec<Chapter>,
    /// Told by the final ones alone: then all sheets are there.
    sprites: Option<Sprites>,
    started_unix_ms: i64,
    /// Hashes by path, so that what has not changed is left alone.
    put: BTreeMap<String, String>,
    rendering: Option<Rendering>,
    refreshed: Option<Instant>,
    dirty: bool,
    /// When there were manifests for the first time.
    playable: Option<Instant>,
}

impl Manifests {
    pub(super) fn new(context: Arc<Context>, output: &OutputPlan, started_unix_ms: i64) -> Self {
        Self {
            context,
            packagings: output.packagings.clone(),
            options: output.manifests.clone(),
            chapters: output.chapters.clone(),
            sprites: None,
            started_unix_ms,
            put: BTreeMap::new(),
            rendering: None,
            refreshed: None,
            dirty: false,
            playable: None,
        }
    }

    /// Since when the output can be played.
    pub(super) const fn playable(&self) -> Option<Instant> {
        self.playable
    }

    /// The ledger has grown.
    pub(super) const fn ledger_grew(&mut self) {
        self.dirty = true;
    }

    /// Begins to put growing manifests when there is something new and the last time is long enough ago.
    pub(super) fn refresh(&mut self, ledger: &Ledger) {
        let fewest = ledger.tracks.iter().map(|track| track.segments.len()).min().unwrap_or(0);
        let recent = self.refreshed.is_some_and(|last| last.elapsed() < REFRESH);
        if !self.options.grows()
            || !self.dirty
            || fewest == 0
            || self.rendering.is_some()
            || (recent && fewest > EAGER_SEGMENTS)
        {
            return;
        }
        self.dirty = false;
        self.refreshed = Some(Instant::now());
        self.rendering = Some(self.render(ledger, Kind::GrowingManifest));
    }

    /// Resolves when there is something to do: a rendering was put (true when it was the first), or it is time for one.
    pub(super) async fn next(&mut self) -> Result<bool, Problem> {
        match &mut self.rendering {
            Some(rendering) => {
                let put = rendering.await;
                self.rendering = None;
                let put = put?;
                let first = self.playable.is_none() && !put.is_empty();
                if first {
                    self.playable = Some(Instant::now());
                }
                self.put.extend(put);
                Ok(first)
            }
            None => {
                match self.refreshed.filter(|_| self.dirty) {
                    Some(last) => tokio::time::sleep_until(last + REFRESH).await,
                    None => std::future::pending().await,
                }
                Ok(false)
            }
        }
    }

    /// Puts the final manifests, after a growing rendering that is on its way; gives each one's path and size.
    pub(super) async fn finish(
        &mut self,
        ledger: &Ledger,
        sprites: Option<Sprites>,
    ) -> Result<Vec<(String, u64)>, Problem> {
        // An output of single pictures has nothing to be played.
        let mut first = self.playable.is_none() && !self.packagings.is_empty();
        if self.rendering.is_some() && self.next().await? {
            self.context.tell(Told::Playable).await;
            first = false;
        }
        self.put.clear();
        self.sprites = sprites;
        self.render(ledger, Kind::FinalManifest).await?;
        if first {
            self.playable = Some(Instant::now());
            self.context.tell(Told::Playable).await;
        }
        let files = package::manifests(ledger, &self.packagings, self.wishes(), self.clock());
        Ok(files.into_iter().map(|file| (file.path, file.body.len() as u64)).collect())
    }

    fn render(&self, ledger: &Ledger, kind: Kind) -> Rendering {
        let mut files = Vec::new();
        let (clock, packagings, wishes) = (self.clock(), &self.packagings, self.wishes());
        let made = meter::blocking(For::Package, || package::manifests(ledger, packagings, wishes, clock))();
        for file in made {
            let hash = sha256(file.body.as_bytes());
            if self.put.get(&file.path) != Some(&hash) {
                files.push((file.path, Bytes::from(file.body), hash));
            }
        }
        let context = Arc::clone(&self.context);
        Box::pin(async move {
            let mut put = Vec::with_capacity(files.len());
            for (path, body, hash) in files {
                let (sink, name) = (&context.sink, path.as_str());
                // Manifests count as no progress: how many there are depends on the clock.
                let once = || sink.put(name, Body::Bytes(body.clone()), kind, Progress::default());
                put_patiently(context.retry, once).await?;
                put.push((path, hash));
            }
            Ok(put)
        })
    }

    fn wishes(&self) -> Wishes<'_> {
        Wishes { options: &self.options, chapters: &self.chapters, sprites: self.sprites.as_ref() }
    }

    fn clock(&self) -> LiveClock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LiveClock { started_unix_ms: self.started_unix_ms, now_unix_ms: since.as_millis() as i64 }
    }
}
