//! `WatchJob`: a job as it changes, to its end.
//!
//! Receives changes from the store's broadcast and, where that was missed, from its history; progress from the appliance's
//! watch channel. Sends when the client's window has room: nothing is queued for it. A reader that is too slow for the
//! broadcast reads the history instead, and of progress it gets the latest. Owns a place among the watchers. Ends after the
//! change with which the job is over, when the client is gone, when the job's record is, and when the node closes.
//!
//! Changes are converted for each watcher: that costs as much as copying a converted one would.

use super::gate::Caller;
use super::shared::{Shared, failed};
use super::status::{refused, status};
use super::validate::Found;
use super::{convert, v1};
use crate::model::job::{Change, Subject};
use crate::model::{Fault, JobId, Problem, Revision};
use crate::report::JobProgress;
use crate::store::{StoreError, Told};
use futures_util::Stream;
use futures_util::stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use v1::watch_job_response::Event;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Changes that are read from the history at once.
const HISTORY_AT_ONCE: usize = 256;

/// What a watcher gets.
pub(super) type Changes = Pin<Box<dyn Stream<Item = Result<v1::WatchJobResponse, Status>> + Send>>;

/// Begins to watch. Subscribes before it reads, so that nothing falls between.
pub(super) async fn open(
    shared: Arc<Shared>,
    caller: &Caller,
    request: v1::WatchJobRequest,
) -> Result<Changes, Status> {
    let places = Arc::clone(&shared.watchers);
    let place = places.try_acquire_owned().map_err(|_| {
        let message = format!("{} watchers are connected already: try again later", shared.settings.watchers_max);
        status(&Problem::new(Fault::Capacity, "capacity.watchers", message))
    })?;
    let id: JobId = request.id.parse().map_err(|problem| status(&problem))?;
    let live = shared.store().subscribe(id);
    let stored = shared.job(&request.id, caller).await?;
    if request.after_revision > stored.revision {
        let mut found = Found::default();
        let message = format!("the job is at revision {}: resume from one that it told", stored.revision);
        found.add("after_revision", "request.revision", message);
        return Err(refused(&found.problems));
    }
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = Watcher {
        id,
        names: convert::Names::of(&stored.record),
        told: request.after_revision,
        first: None,
        waiting: VecDeque::new(),
        behind: true,
        done: false,
        live,
        progress: None,
        ticks: (!request.omit_progress).then_some(ticks),
        closing: shared.closing.clone(),
        shared,
        _place: place,
    };
    watcher.read_history().await?;
    watcher.done = stored.record.state().is_over() && watcher.waiting.is_empty();
    let job = watcher.shared.shown(&stored).await?;
    watcher.first = Some(v1::WatchJobResponse { event: Some(Event::Job(job)), last: watcher.done });
    Ok(Box::pin(stream::unfold(watcher, |mut watcher| async {
        let item = watcher.next().await?;
        Some((item, watcher))
    })))
}

struct Watcher {
    shared: Arc<Shared>,
    id: JobId,
    names: convert::Names,
    /// Changes up to this one were told.
    told: Revision,
    first: Option<v1::WatchJobResponse>,
    /// Read from the history, not told yet.
    waiting: VecDeque<Change>,
    /// There may be more in the history than was read.
    behind: bool,
    done: bool,
    live: broadcast::Receiver<Arc<Told>>,
    progress: Option<watch::Receiver<Arc<JobProgress>>>,
    ticks: Option<Interval>,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// What a watcher waits for.
enum Heard {
    Closing,
    Change(Result<Arc<Told>, broadcast::error::RecvError>),
    Tick,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<v1::WatchJobResponse, Status>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while !self.done {
            match self.step().await {
                Ok(None) => {}
                Ok(Some(response)) => return Some(Ok(response)),
                Err(status) => {
                    self.done = true;
                    return Some(Err(status));
                }
            }
        }
        None
    }

    /// Does one thing; `None` when there is nothing to tell because of it.
    async fn step(&mut self) -> Result<Option<v1::WatchJobResponse>, Status> {
        if let Some(change) = self.waiting.pop_front() {
            return self.tell_old(&change).await.map(Some);
        }
        if self.behind {
            self.read_history().await?;
            return Ok(None);
        }
        match self.hear().await {
            Heard::Closing => {
                let message = "the node is being shut down: connect again with the revision of the last change";
                Err(status(&Problem::new(Fault::Capacity, "node.closing", message)))
            }
            // One that was read from the history already comes again here.
            Heard::Change(Ok(told)) if told.change.revision <= self.told => Ok(None),
            Heard::Change(Ok(told)) => {
                self.done = told.last;
                Ok(Some(self.response(&told.change)))
            }
            Heard::Change(Err(broadcast::error::RecvError::Lagged(_))) => {
                self.behind = true;
                Ok(None)
            }
            Heard::Change(Err(broadcast::error::RecvError::Closed)) => Err(self.gone().await),
            Heard::Tick => Ok(self.tell_progress()),
        }
    }

    async fn hear(&mut self) -> Heard {
        let closing = async {
            if self.closing.wait_for(|closing| *closing).await.is_err() {
                // Nobody can close any more.
                std::future::pending::<()>().await;
            }
        };
        let tick = async {
            match &mut self.ticks {
                Some(ticks) => drop(ticks.tick().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            told = self.live.recv() => Heard::Change(told),
            () = closing => Heard::Closing,
            () = tick => Heard::Tick,
        }
    }

    /// Reads what follows in the history; nothing there means that the live changes go on from here.
    async fn read_history(&mut self) -> Result<(), Status> {
        let changes = self.shared.store().history(self.id, self.told, HISTORY_AT_ONCE).await.map_err(failed)?;
        self.behind = !changes.is_empty();
        self.waiting.extend(changes);
        Ok(())
    }

    /// Tells a change from the history. It is the last one when the job was over with it and nothing followed.
    async fn tell_old(&mut self, change: &Change) -> Result<v1::WatchJobResponse, Status> {
        let mut response = self.response(change);
        if matches!(change.subject, Subject::Job(state) if state.is_over()) && self.waiting.is_empty() {
            self.read_history().await?;
            self.done = self.waiting.is_empty();
            response.last = self.done;
        }
        Ok(response)
    }

    fn response(&mut self, change: &Change) -> v1::WatchJobResponse {
        self.told = change.revision;
        v1::WatchJobResponse { event: Some(Event::Change(convert::change(change, &self.names))), last: self.done }
    }

    /// The latest progress, when it is another than before.
    fn tell_progress(&mut self) -> Option<v1::WatchJobResponse> {
        if self.progress.as_ref().is_none_or(|progress| progress.has_changed().is_err()) {
            // None yet, or that of an attempt that has ended.
            self.progress = self.shared.appliance.progress(self.id);
            self.progress.as_mut()?.mark_changed();
        }
        let progress = self.progress.as_mut()?;
        if !progress.has_changed().unwrap_or(false) {
            return None;
        }
        let latest = Arc::clone(&progress.borrow_and_update());
        let event = Event::Progress(convert::progress(&latest, &self.names));
        Some(v1::WatchJobResponse { event: Some(event), last: false })
    }

    /// Why the store tells no changes any more.
    async fn gone(&self) -> Status {
        match self.shared.store().get(self.id).await {
            Ok(None) | Err(StoreError::NotFound) => failed(StoreError::NotFound),
            Ok(Some(_)) => failed(StoreError::Broken("it tells no changes any more".into())),
            Err(error) => failed(error),
        }
    }
}
