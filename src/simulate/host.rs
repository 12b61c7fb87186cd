//! The simulated devices of this host, for all its workers.

use super::spec::Simulated;
use super::spec::Tells;
use super::state::{State, Used};
use super::telemetry::Shown;
use crate::model::Problem;
use crate::model::device::{DeviceId, DeviceInfo, Operation, RateKey};
use crate::model::simulated::{Call, Reply};
use crate::wire::v1;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One for the daemon.
#[derive(Debug)]
pub struct Host {
    state: Mutex<State>,
    began: Instant,
    /// The time since the start, where somebody turns it; else it passes by itself.
    turned: Mutex<Option<Duration>>,
    workers: AtomicU64,
}

impl Host {
    /// The devices, with nothing open; their time begins now.
    pub fn new(simulated: Simulated) -> Arc<Self> {
        let state = Mutex::new(State::new(simulated));
        Arc::new(Self { state, began: Instant::now(), turned: Mutex::new(None), workers: AtomicU64::new(0) })
    }

    /// The devices of a file.
    ///
    /// # Errors
    /// `simulation.*`, as of [`super::load`].
    pub async fn of_file(file: PathBuf) -> Result<Arc<Self>, Problem> {
        let lost =
            |_| Err(Problem::bug("internal.panic", "reading simulated devices panicked; report this with the log"));
        Ok(Self::new(tokio::task::spawn_blocking(move || super::load(&file)).await.unwrap_or_else(lost)?))
    }

    /// What discovery would find.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        self.state().spec().devices()
    }

    /// What measuring would find: pixels a second of one engine, of each device.
    pub fn rates(&self) -> Vec<(DeviceInfo, Vec<(RateKey, u64)>)> {
        let state = self.state();
        let rates = state.spec().rates();
        let of = |device: DeviceInfo| {
            let own = rates.iter().filter(|(id, ..)| *id == device.id).map(|(_, key, rate)| (key.clone(), *rate));
            (device.clone(), own.collect())
        };
        state.spec().devices().into_iter().map(of).collect()
    }

    /// One more worker, for as long as the result lives.
    pub fn attach(self: &Arc<Self>) -> Attached {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed) + 1;
        Attached { host: Arc::clone(self), worker }
    }

    /// The ground truth: what engines did, by worker (as [`Attached::worker`] tells it), device, operation and track.
    pub fn used(&self) -> BTreeMap<(u64, DeviceId, Operation, String), Used> {
        self.state().used().clone()
    }

    /// The same of one worker.
    pub fn used_by(&self, worker: u64) -> BTreeMap<(u64, DeviceId, Operation, String), Used> {
        self.state().used_by(worker)
    }

    /// What a driver's library would show of a device, of the windows that ended after `since`; `None` when the device
    /// is not there.
    pub fn shown(&self, device: &DeviceId, since: Duration) -> Option<Shown> {
        let now = self.now();
        self.state().shown(device, since, now)
    }

    /// Whether the devices tell what was really used of them.
    pub fn tells_truth(&self) -> bool {
        self.state().spec().tells == Tells::Truth
    }

    /// Encode sessions that are open on devices that count them.
    pub fn counted_sessions(&self) -> u32 {
        self.state().counted()
    }

    /// Sessions that are open at all: decoders, graphs, encoders.
    pub fn open_sessions(&self) -> usize {
        self.state().open_sessions()
    }

    /// Sets the time since the start, for tests; from then on it stands still between calls.
    pub fn turn(&self, to: Duration) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    fn now(&self) -> Duration {
        let turned = *self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        turned.unwrap_or_else(|| self.began.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker as the devices see it. Dropped when its process is gone: everything it held is given back.
#[derive(Debug)]
pub struct Attached {
    host: Arc<Host>,
    worker: u64,
}

impl Attached {
    /// The worker's number.
    pub const fn worker(&self) -> u64 {
        self.worker
    }

    /// Answers a call. Never blocks: who called waits for itself.
    pub fn call(&self, call: Call) -> Reply {
        self.host.state().call(self.worker, call, self.host.now())
    }

    /// Answers a call that came as a message. An error says why it cannot be meant honestly.
    pub(crate) fn answer(&self, message: &v1::SimulatedCall) -> Result<v1::SimulatedReply, String> {
        let call = serde_json::from_slice(&message.call_json).map_err(|error| error.to_string())?;
        let reply_json = serde_json::to_vec(&self.call(call)).map_err(|error| error.to_string())?;
        Ok(v1::SimulatedReply { id: message.id, reply_json })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.host.state().leave(self.worker);
    }
}
