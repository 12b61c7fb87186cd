//! The node's HTTP side: `/healthz` for whoever restarts it, `/metrics` for Prometheus.
//!
//! Receives: requests on one listener. Owns: the registry. Ends: when told to.

use crate::api::Appliance;
use crate::model::state::JobState;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What is shown.
struct Shown {
    appliance: Arc<dyn Appliance>,
    registry: Registry,
    jobs: IntGaugeVec,
    active: IntGauge,
    queued: IntGauge,
    draining: IntGauge,
    capacity: IntGaugeVec,
    held: IntGaugeVec,
}

impl Shown {
    fn new(appliance: Arc<dyn Appliance>) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let jobs = IntGaugeVec::new(Opts::new("reelmill_jobs", "Stored jobs by state."), &["state"])?;
        let active = IntGauge::new("reelmill_jobs_active", "Jobs that are prepared, run or are being stopped.")?;
        let queued = IntGauge::new("reelmill_jobs_queued", "Jobs that wait for their time or for room.")?;
        let draining = IntGauge::new("reelmill_draining", "1 while no job is taken up.")?;
        let capacity = Opts::new("reelmill_capacity", "How much there is of each dimension.");
        let capacity = IntGaugeVec::new(capacity, &["dimension"])?;
        let held = Opts::new("reelmill_capacity_held", "How much of each dimension is held by work that runs.");
        let held = IntGaugeVec::new(held, &["dimension"])?;
        let build = IntGaugeVec::new(Opts::new("reelmill_build_info", "Always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        for gauge in [&active, &queued, &draining] {
            registry.register(Box::new(gauge.clone()))?;
        }
        for gauges in [&jobs, &capacity, &held] {
            registry.register(Box::new(gauges.clone()))?;
        }
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { appliance, registry, jobs, active, queued, draining, capacity, held })
    }

    async fn text(&self) -> Result<String, String> {
        let counts = self.appliance.store().counts().await.map_err(|error| error.to_string())?;
        for state in JobState::ALL {
            self.jobs.with_label_values(&[state.as_str()]).set(signed(counts.get(state).copied().unwrap_or(0)));
        }
        let status = self.appliance.status();
        self.active.set(signed(status.jobs_active));
        self.queued.set(signed(status.jobs_queued));
        self.draining.set(i64::from(status.drain.is_some()));
        for (dimension, total, held) in status.devices.iter().flat_map(|device| &device.capacity) {
            self.capacity.with_label_values(&[dimension]).set(signed(*total));
            self.held.with_label_values(&[dimension]).set(signed(*held));
        }
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| error.to_string())
    }
}

/// Serves until `shutdown` resolves.
///
/// # Errors
/// Those of the listener.
pub(super) async fn serve(
    listener: TcpListener,
    appliance: Arc<dyn Appliance>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shown = Arc::new(Shown::new(appliance).map_err(io::Error::other)?);
    let router = Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(shown);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Healthy is who can read the store.
async fn health(State(shown): State<Arc<Shown>>) -> Response {
    match shown.appliance.store().counts().await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    match shown.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
