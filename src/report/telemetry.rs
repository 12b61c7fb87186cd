//! What a node tells of itself beside the records of its jobs: what is counted for Prometheus, what is traced.

use super::metrics::Metrics;

/// Handles to all of it; clones tell the same. The default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// What is counted for Prometheus.
    pub metrics: Metrics,
}
