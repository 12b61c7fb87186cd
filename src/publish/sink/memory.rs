//! A bucket in memory for tests, which fails, holds requests up, and remembers what was asked of it.

use super::Progress;
use super::objects::{ObjectAnswer, ObjectError, ObjectErrorKind, ObjectOptions, ObjectStore};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

/// See the module.
#[derive(Debug)]
pub(crate) struct MemoryObjects {
    state: Mutex<State>,
    /// Requests about keys with this in them wait.
    held: watch::Sender<Option<String>>,
    /// How many wait.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    bucket: bool,
    objects: BTreeMap<String, (Bytes, ObjectOptions)>,
    log: Vec<String>,
    faults: Vec<(String, ObjectErrorKind, u32)>,
}

impl MemoryObjects {
    pub(crate) fn new() -> Arc<Self> {
        let state = Mutex::new(State { bucket: true, ..State::default() });
        Arc::new(Self { state, held: watch::channel(None).0, waiting: watch::channel(0).0 })
    }

    pub(crate) fn without_bucket() -> Arc<Self> {
        let store = Self::new();
        store.state().bucket = false;
        store
    }

    /// The next `times` requests whose log line has `pattern` in it fail.
    pub(crate) fn fail(&self, pattern: &str, kind: ObjectErrorKind, times: u32) {
        self.state().faults.push((pattern.to_owned(), kind, times));
    }

    /// Requests whose log line has `pattern` in it wait; with `None`, none do any more.
    pub(crate) fn hold(&self, pattern: Option<&str>) {
        self.held.send_replace(pattern.map(str::to_owned));
    }

    /// Waits until so many requests wait.
    pub(crate) async fn waiting(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting == count).await.unwrap();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub(crate) fn body(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|(body, _)| body.clone())
    }

    pub(crate) fn options(&self, key: &str) -> ObjectOptions {
        self.state().objects[key].1.clone()
    }

    /// What was asked and done, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    pub(crate) fn insert(&self, key: &str, body: &[u8]) {
        self.state().objects.insert(key.to_owned(), (Bytes::copy_from_slice(body), ObjectOptions::default()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One request: waits, fails or is done, as the test has it.
    fn request<'a, T: 'a>(
        &'a self,
        line: String,
        work: impl FnOnce(&mut State) -> Result<T, ObjectError> + Send + 'a,
    ) -> ObjectAnswer<'a, T> {
        Box::pin(async move {
            {
                let wait = Waiting::begin(self, &line);
                let mut held = self.held.subscribe();
                let free = |held: &Option<String>| held.as_ref().is_none_or(|pattern| !line.contains(pattern));
                held.wait_for(free).await.unwrap();
                wait.end();
            }
            let mut state = self.state();
            let fault =
                state.faults.iter_mut().find(|(pattern, _, times)| *times > 0 && line.contains(pattern.as_str()));
            if let Some((_, kind, times)) = fault {
                *times -= 1;
                let kind = *kind;
                state.log.push(format!("fail {line}"));
                return Err(error(kind));
            }
            state.log.push(line);
            work(&mut state)
        })
    }
}

/// A request that waits, counted for as long as it does.
struct Waiting<'a> {
    store: &'a MemoryObjects,
    line: Option<String>,
}

impl<'a> Waiting<'a> {
    fn begin(store: &'a MemoryObjects, line: &str) -> Self {
        let held = store.held.borrow().as_ref().is_some_and(|pattern| line.contains(pattern));
        if held {
            store.waiting.send_modify(|waiting| *waiting += 1);
        }
        Self { store, line: held.then(|| line.to_owned()) }
    }

    fn end(mut self) {
        if self.line.take().is_some() {
            self.store.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.store.waiting.send_modify(|waiting| *waiting -= 1);
            self.store.state().log.push(format!("drop {line}"));
        }
    }
}

fn error(kind: ObjectErrorKind) -> ObjectError {
    ObjectError { kind, message: "as the test wants it".into(), retry_after: Some(Duration::from_millis(1)) }
}

impl ObjectStore for MemoryObjects {
    fn name(&self) -> String {
        "s3://memory".into()
    }

    fn check_bucket(&self) -> ObjectAnswer<'_, ()> {
        self.request("check".into(), |state| if state.bucket { Ok(()) } else { Err(error(ObjectErrorKind::NoBucket)) })
    }

    fn create_bucket(&self) -> ObjectAnswer<'_, ()> {
        self.request("create".into(), |state| {
            state.bucket = true;
            Ok(())
        })
    }

    fn put(&self, key: String, body: Bytes, options: ObjectOptions) -> ObjectAnswer<'_, ()> {
        self.request(format!("put {key}"), move |state| {
            state.objects.insert(key, (body, options));
            Ok(())
        })
    }

    fn put_file<'a>(
        &'a self,
        key: String,
        file: &'a Path,
        options: ObjectOptions,
        progress: Progress,
    ) -> ObjectAnswer<'a, ()> {
        progress.set(1);
        self.request(format!("put {key}"), move |state| {
            let body = std::fs::read(file).map_err(|_| error(ObjectErrorKind::File))?;
            state.objects.insert(key, (body.into(), options));
            Ok(())
        })
    }

    fn get_range(&self, key: String, offset: u64, length: u64) -> ObjectAnswer<'_, Bytes> {
        self.request(format!("get {key}"), move |state| {
            let (body, _) = state.objects.get(&key).ok_or_else(|| error(ObjectErrorKind::NotFound))?;
            let range = offset as usize..(offset + length) as usize;
            if range.end > body.len() { Err(error(ObjectErrorKind::NotFound)) } else { Ok(body.slice(range)) }
        })
    }

    fn head(&self, key: String) -> ObjectAnswer<'_, Option<u64>> {
        self.request(format!("head {key}"), move |state| Ok(state.objects.get(&key).map(|(body, _)| body.len() as u64)))
    }

    fn list(&self, prefix: String) -> ObjectAnswer<'_, Vec<String>> {
        self.request(format!("list {prefix}"), move |state| {
            Ok(state.objects.keys().filter(|key| key.starts_with(&prefix)).cloned().collect())
        })
    }

    fn any_under(&self, prefix: String) -> ObjectAnswer<'_, bool> {
        self.request(format!("any {prefix}"), move |state| Ok(state.objects.keys().any(|key| key.starts_with(&prefix))))
    }

    fn delete(&self, keys: Vec<String>) -> ObjectAnswer<'_, ()> {
        self.request(format!("delete {}", keys.join(" ")), move |state| {
            for key in keys {
                state.objects.remove(&key);
            }
            Ok(())
        })
    }

    fn settled(&self) -> ObjectAnswer<'_, ()> {
        self.request("settled".to_owned(), |_| Ok(()))
    }

    fn abort_uploads(&self, prefix: String) -> ObjectAnswer<'_, ()> {
        self.request(format!("abort {prefix}"), |_| Ok(()))
    }
}
