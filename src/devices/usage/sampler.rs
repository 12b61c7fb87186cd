//! The thread that reads devices.
//!
//! Receives: a wake when work begins or somebody asks. Sends: readings to the book. Owns: what devices are read with.
//! Bound: one thread a meter, one reading a second. Ends: when nothing works on devices and nobody has asked for a while,
//! or when the meter is gone; the next wake starts it again.

use super::nvml::NvmlGauge;
use super::reading::Gauge;
use super::simulated::SimulatedGauge;
use super::{Reading, Shared};
use crate::model::device::{DeviceInfo, DeviceKind};
use crate::simulate::Host;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Between readings.
const PERIOD: Duration = Duration::from_secs(1);
/// After the last work: what an idle device draws is seen then.
const LINGER: Duration = Duration::from_secs(10);
/// After somebody has asked: scrapers come back within a minute.
const ASKED: Duration = Duration::from_secs(75);

/// When to read, and with what.
#[derive(Default)]
pub(super) struct Sampler {
    state: Mutex<State>,
    gauges: Mutex<Gauges>,
    host: OnceLock<Arc<Host>>,
    began: OnceLock<Instant>,
}

#[derive(Default)]
struct State {
    running: bool,
    by_hand: bool,
    asked: Option<Instant>,
    worked: Option<Instant>,
}

#[derive(Default)]
struct Gauges {
    nvml: NvmlGauge,
    simulated: SimulatedGauge,
    /// In the place of all others.
    instead: Option<Box<dyn Gauge>>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}

impl Sampler {
    pub(super) fn by_hand(gauge: Box<dyn Gauge>) -> Self {
        let sampler = Self::default();
        sampler.state().by_hand = true;
        sampler.gauges().instead = Some(gauge);
        sampler
    }

    pub(super) fn simulated(&self, host: Option<&Arc<Host>>) {
        if let Some(host) = host {
            // The first one stays: a node has one.
            let _ = self.host.set(Arc::clone(host));
        }
    }

    /// The host whose word is to be taken, where it is.
    pub(super) fn truth(&self) -> Option<Arc<Host>> {
        self.host.get().filter(|host| host.tells_truth()).cloned()
    }

    pub(super) fn asked(&self) {
        self.state().asked = Some(Instant::now());
    }

    pub(super) fn now(&self) -> Duration {
        self.began.get_or_init(Instant::now).elapsed()
    }

    /// Starts the thread, unless it runs.
    pub(super) fn wake(shared: &Arc<Shared>) {
        let mut state = shared.sampler.state();
        if state.running || state.by_hand || shared.book().to_read(true).is_empty() {
            return;
        }
        state.worked = Some(Instant::now());
        let weak = Arc::downgrade(shared);
        let started = thread::Builder::new().name("device-usage".to_owned()).spawn(move || run(&weak));
        match started {
            Ok(_) => state.running = true,
            Err(error) => tracing::warn!(%error, "use of devices is not measured: no thread could be started"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauges(&self) -> MutexGuard<'_, Gauges> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to go on; if not, it is noted that nobody does.
    fn goes_on(&self, is_busy: bool) -> bool {
        let mut state = self.state();
        if is_busy {
            state.worked = Some(Instant::now());
        }
        let within = |at: Option<Instant>, most| at.is_some_and(|at| at.elapsed() <= most);
        state.running = within(state.worked, LINGER) || within(state.asked, ASKED);
        state.running
    }

    fn is_asked(&self) -> bool {
        self.state().asked.is_some_and(|at| at.elapsed() <= ASKED)
    }
}

fn run(shared: &Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        read(&shared);
        let is_busy = shared.book().is_busy();
        if !shared.sampler.goes_on(is_busy) {
            shared.sampler.gauges().nvml.release();
            return;
        }
        drop(shared);
        thread::sleep(PERIOD);
    }
}

/// Reads all devices that are to be read.
pub(super) fn read(shared: &Shared) {
    let sampler = &shared.sampler;
    let devices = shared.book().to_read(sampler.is_asked());
    for device in devices {
        let reading = sampler.gauges().read(&device, sampler.host.get());
        let now = sampler.now();
        shared.book().read(&device.id, reading, now);
    }
}

impl Gauges {
    fn read(&mut self, device: &DeviceInfo, host: Option<&Arc<Host>>) -> Option<Reading> {
        match &mut self.instead {
            Some(gauge) => gauge.read(device),
            None if device.simulated => self.simulated.of(host?).read(device),
            None if device.kind == DeviceKind::Cuda => self.nvml.read(device),
            // The worker that has it open tells what it did.
            None => None,
        }
    }
}
