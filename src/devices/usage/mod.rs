//! What work costs of devices: engine time, memory, energy, by span and rendition; and how loaded devices are.
//!
//! A [`Meter`] a node. Work on a device is announced with [`Meter::begin`]; its [`Lap`] is told what was made and tells
//! what that has cost so far. Behind it, while there is work or somebody who asks, `sampler` reads what a device tells of
//! itself (`reading`: `nvml`, `simulated`) about once a second, `book` keeps who did what, and `estimate`, which is pure,
//! shares measured use out. The method, its error and what stays unknown: docs/USAGE.md, "Devices".

mod book;
mod estimate;
mod memory;
mod nvml;
mod reading;
mod regress;
mod sampler;
mod simulated;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth_tests;

pub use memory::Surfaces;
pub use reading::{Gauge, ProcessUse, Reading};

use super::Rates;
use crate::model::device::{DeviceId, DeviceInfo, Operation, RateKey};
use crate::model::usage::Figure;
use crate::simulate::Host;
use book::Book;
use sampler::Sampler;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One kind of work that a span does on a device, picture by picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    /// Rendition that it is done for; empty: for all of them.
    pub rendition: String,
    /// What is done.
    pub key: RateKey,
    /// Pixels of a picture.
    pub pixels: u64,
    /// Pixels a second of one engine; `None`: nobody knows.
    pub rate: Option<u64>,
    /// The rate was measured on this node; else it is believed from tables, and is good for comparing work, not for
    /// figures.
    pub measured: bool,
}

impl Work {
    /// Work with the rate that is known of it.
    pub fn on(device: &DeviceInfo, rates: &Rates, rendition: &str, key: RateKey, pixels: u64) -> Self {
        let measured = rates.measurements(device).iter().any(|(known, _)| *known == key);
        Self { rendition: rendition.to_owned(), rate: rates.rate(device, &key), measured, key, pixels }
    }
}

/// What one rendition has cost of a device so far. A figure that is absent is not known; what was not done has cost 0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DeviceUse {
    /// Busy time of decode engines, µs.
    pub decode_us: Option<Figure>,
    /// Busy time of what filters, µs.
    pub filter_us: Option<Figure>,
    /// Busy time of encode engines, µs.
    pub encode_us: Option<Figure>,
    /// Most memory of the device that was held at a time, bytes.
    pub memory_bytes: Option<Figure>,
    /// Energy above what the device draws when it is idle, mJ.
    pub energy_mj: Option<Figure>,
}

/// How loaded a device is, as of its last reading; of one that was not read for some seconds nothing is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Load {
    /// Which.
    pub device: DeviceId,
    /// Encode engines, thousandths of the time of all of them.
    pub encode_permille: Option<u32>,
    /// Decode engines.
    pub decode_permille: Option<u32>,
    /// What filters and computes.
    pub filter_permille: Option<u32>,
    /// Encode sessions of all processes.
    pub encode_sessions: Option<u32>,
    /// Memory in use, by all processes, bytes.
    pub memory_used_bytes: Option<u64>,
    /// What it draws, mW.
    pub power_mw: Option<u64>,
    /// Energy since the node began to watch it, idle or not, mJ.
    pub energy_mj: Option<u64>,
    /// Busy time that could not be put down to anybody, µs since the start, by operation. What was not measured is not in it.
    pub unattributed_us: BTreeMap<Operation, u64>,
    /// Busy time of others than this node's workers, µs since the start, where the driver tells it apart.
    pub foreign_us: BTreeMap<Operation, u64>,
    /// Spans that work on it now.
    pub spans: u32,
}

/// Measures what work costs of devices. Clones measure together; the default one has nothing to read from until work
/// begins, and starts no thread before.
#[derive(Clone, Default)]
pub struct Meter(Arc<Shared>);

/// What all clones share.
#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    sampler: Sampler,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter with something else to read from than what devices tell of themselves, for tests; it is read when
    /// [`Meter::read`] is called, not by itself.
    pub fn reading(gauge: Box<dyn Gauge>) -> Self {
        Self(Arc::new(Shared { book: Mutex::default(), sampler: Sampler::by_hand(gauge) }))
    }

    /// Simulated devices are read from this host.
    pub fn simulated(&self, host: Option<&Arc<Host>>) {
        self.0.sampler.simulated(host);
    }

    /// The devices that there are now: their load is told even when nothing of ours works on them.
    pub fn devices(&self, devices: &[DeviceInfo]) {
        self.0.book().devices(devices);
    }

    /// A span begins on a device; `span` names it to people who read the log. The work of a rendition is given by
    /// operation, `surfaces` say what it holds of the device's memory.
    pub fn begin(&self, device: &DeviceInfo, span: &str, work: Vec<Work>, surfaces: Vec<Surfaces>) -> Lap {
        let id = self.0.book().begin(device, work, surfaces);
        tracing::debug!(device = %device.id, span, lap = id, "metering");
        Sampler::wake(&self.0);
        Lap { meter: self.clone(), id }
    }

    /// How loaded devices are. Asking keeps them watched for a minute: the first answer may know nothing.
    pub fn loads(&self) -> Vec<Load> {
        self.0.sampler.asked();
        Sampler::wake(&self.0);
        let now = self.0.sampler.now();
        self.0.book().loads(now)
    }

    /// Reads all devices now. Blocks for as long as drivers take.
    pub fn read(&self) {
        sampler::read(&self.0);
    }
}

/// A span on a device, until it is dropped.
#[derive(Debug)]
pub struct Lap {
    meter: Meter,
    id: u64,
}

impl Lap {
    /// Who does it: the worker's process, and its number where the device is simulated.
    pub fn worker(&self, pid: Option<u32>, simulated: Option<u64>) {
        self.meter.0.book().worker(self.id, pid, simulated);
    }

    /// So many pictures of a rendition are made, in all.
    pub fn made(&self, rendition: &str, pictures: u64) {
        self.meter.0.book().made(self.id, rendition, pictures);
    }

    /// So many pictures are decoded, in all.
    pub fn decoded(&self, pictures: u64) {
        self.meter.0.book().made(self.id, "", pictures);
    }

    /// What it has cost so far, by rendition; under the empty name what all of them share. Each answer replaces the one
    /// before, and may be less than it: what was not measured yet is taken at the rate that was found so far.
    pub fn so_far(&self) -> BTreeMap<String, DeviceUse> {
        let shared = &self.meter.0;
        let truth = shared.sampler.truth();
        shared.book().so_far(self.id, truth.as_deref())
    }
}

impl Drop for Lap {
    fn drop(&mut self) {
        self.meter.0.book().end(self.id);
    }
}
