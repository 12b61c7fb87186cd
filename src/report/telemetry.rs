//! What a node tells of itself beside the records of its jobs: what is counted for Prometheus, what is traced.

use super::metrics::Metrics;
use super::traces::Traces;
use crate::devices::usage::Meter;
use crate::usage::Prices;
use std::sync::Arc;

/// Handles to all of it; clones tell the same. The default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// What is counted for Prometheus.
    pub metrics: Metrics,
    /// Where traces of jobs go.
    pub traces: Traces,
    /// What work costs of devices, and how loaded they are.
    pub meter: Meter,
    /// What things cost; `None` where nothing is priced.
    pub prices: Option<Arc<Prices>>,
}

impl Telemetry {
    /// The same, with a price table.
    #[must_use]
    pub fn priced(mut self, prices: Option<Prices>) -> Self {
        self.prices = prices.map(Arc::new);
        self
    }
}
