//! What is counted for Prometheus: one handle that everything counts with, and the text that a scrape gets.
//!
//! Every metric is declared once, in `families`, which says its name, its kind, its labels and what each label can be;
//! docs/METRICS.md is made from that. Labels are bounded: what comes from outside passes through `bounded`, which lets so
//! many values in and calls the rest `other`. No job and no owner is a label, but for owners where the operator sets a
//! limit. Counting takes some tens of nanoseconds and never fails.

mod bounded;
mod count;
mod families;
mod kinds;
mod page;
mod process;
#[cfg(test)]
mod tests;

pub use count::{EffectOutcome, EncodedSegment, PartEnd, PartRun, Refusal};
pub use families::DECLARED;
pub use kinds::{Declared, Kind, Label, Values};
pub use page::page;

use crate::model::spec::Priority;
use crate::model::state::JobState;
use bounded::Bounded;
use families::Families;
use prometheus::{Registry, TextEncoder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The content type of what [`Metrics::text`] gives.
pub use prometheus::TEXT_FORMAT;

/// Counts; clones count together. The default one is looked at by nobody.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    bounded: Bounded,
    /// Owners that get series of their own; 0: none, and no series by owner at all.
    owners_max: usize,
    /// Bytes in the spool, as the engine counts them.
    spooled: OnceLock<Arc<AtomicU64>>,
    /// What the engine last said of itself.
    node: Mutex<NodeFigures>,
    /// What is known of the load of devices.
    loads: Mutex<Vec<DeviceLoad>>,
    /// One scrape at a time: gauges are set for it.
    scrape: Mutex<()>,
}

/// What the engine says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeFigures {
    /// Jobs that wait, by class, in the order of [`Priority::ALL`].
    pub queued: [u64; 3],
    /// Jobs that are active, likewise.
    pub active: [u64; 3],
    /// Device, ability and where its breaker stands: 0 in use, 1 asked to prove itself, 2 set aside. Only abilities that
    /// ever failed.
    pub breakers: Vec<(String, String, u8)>,
}

/// How busy something of a device is, as it says itself or as it is estimated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceLoad {
    /// The device's id.
    pub device: String,
    /// `encode`, `decode`, `compute`, `memory`.
    pub engine: String,
    /// Thousandths of all of it.
    pub busy_permille: u32,
}

/// How much there is of something, and how much is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// The device's id; `cpu` for what the host has.
    pub device: String,
    /// What: `cpu.threads`.
    pub dimension: String,
    /// How much.
    pub total: u64,
    /// How much of it work that runs holds.
    pub held: u64,
}

/// What is only looked up when somebody asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scraped {
    /// Stored jobs by state.
    pub jobs: BTreeMap<JobState, u64>,
    /// No work is taken up.
    pub draining: bool,
    /// All dimensions of all devices that are there.
    pub capacity: Vec<Capacity>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(0)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Counts from zero. The first `owners_max` owners get series of their own, the others one together; 0 for no series
    /// by owner.
    pub fn new(owners_max: usize) -> Self {
        let registry = Registry::new();
        let families = Families::new(&registry);
        families.build_info.set(&[env!("CARGO_PKG_VERSION")], 1.0);
        // What alerts look at is there before it happens: a series that begins with 1 has not increased.
        for dimension in ["jobs.queued", "calls.in_flight"] {
            families.admission_refusals.add(&[dimension, "refused"], 0.0);
        }
        Self(Arc::new(Inner {
            registry,
            families,
            bounded: Bounded::default(),
            owners_max,
            spooled: OnceLock::new(),
            node: Mutex::default(),
            loads: Mutex::default(),
            scrape: Mutex::default(),
        }))
    }

    /// Where bytes that wait in the spool are counted, and how many may. The first one stays.
    pub fn watch_spool(&self, spooled: Arc<AtomicU64>, bytes_max: u64) {
        // Refused where an engine has told of its own already.
        let _ = self.0.spooled.set(spooled);
        self.0.families.spool_bytes_max.set(&[], bytes_max as f64);
    }

    /// What the engine is doing now.
    pub fn node(&self, figures: NodeFigures) {
        *self.0.node.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// How busy devices are now; what is not among it is not known.
    pub fn loads(&self, loads: Vec<DeviceLoad>) {
        *self.0.loads.lock().unwrap_or_else(PoisonError::into_inner) = loads;
    }

    /// Everything, in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    /// What the encoder says; none is known.
    pub fn text(&self, scraped: &Scraped) -> Result<String, String> {
        let _alone = self.0.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(scraped);
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).map_err(|error| error.to_string())
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.0.registry.gather().iter().map(|family| family.get_metric().len()).sum()
    }

    /// Sets the gauges.
    fn look(&self, scraped: &Scraped) {
        let (all, bounded) = (&self.0.families, &self.0.bounded);
        for state in JobState::ALL {
            all.jobs.set(&[state.as_str()], scraped.jobs.get(state).copied().unwrap_or(0) as f64);
        }
        all.draining.set(&[], f64::from(u8::from(scraped.draining)));
        for gauge in [&all.capacity, &all.capacity_held, &all.capacity_headroom] {
            gauge.clear();
        }
        for one in &scraped.capacity {
            let (device, dimension) = (bounded.device(&one.device), bounded.dimension(&one.dimension));
            let labels = [device.as_str(), dimension.as_str()];
            all.capacity.set(&labels, one.total as f64);
            all.capacity_held.set(&labels, one.held as f64);
            all.capacity_headroom.set(&labels, one.total.saturating_sub(one.held) as f64);
        }
        let node = self.0.node.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((class, queued), active) in Priority::ALL.into_iter().zip(node.queued).zip(node.active) {
            all.jobs_queued.set(&[class.name()], queued as f64);
            all.jobs_active.set(&[class.name()], active as f64);
        }
        all.breaker_state.clear();
        for (device, ability, state) in &node.breakers {
            all.breaker_state.set(&[&bounded.device(device), &bounded.ability(ability)], f64::from(*state));
        }
        all.device_busy.clear();
        for load in self.0.loads.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = [bounded.device(&load.device), bounded.dimension(&load.engine)];
            all.device_busy.set(&[&labels[0], &labels[1]], f64::from(load.busy_permille) / 1000.0);
        }
        let spooled = self.0.spooled.get().map_or(0, |spooled| spooled.load(Ordering::Relaxed));
        all.spool_bytes.set(&[], spooled as f64);
        process::look(all);
    }
}
