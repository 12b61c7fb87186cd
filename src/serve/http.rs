//! The node's HTTP side: `/healthz` for whoever restarts it, `/metrics` for Prometheus.
//!
//! Receives: requests on one listener. Owns: nothing; what is told is counted elsewhere. Ends: when told to.

use crate::api::Appliance;
use crate::devices::usage::{Load, Meter};
use crate::report::Telemetry;
use crate::report::metrics::{Capacity, DeviceLoad, Metrics, Scraped, TEXT_FORMAT};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What is shown.
struct Shown {
    appliance: Arc<dyn Appliance>,
    metrics: Metrics,
    meter: Meter,
}

impl Shown {
    async fn text(&self) -> Result<String, String> {
        let jobs = self.appliance.store().counts().await.map_err(|error| error.to_string())?;
        let status = self.appliance.status();
        self.metrics.loads(self.meter.loads().iter().flat_map(loads).collect());
        let mut capacity = Vec::new();
        for device in status.devices {
            let of_device = |(dimension, total, held)| Capacity { device: device.id.clone(), dimension, total, held };
            capacity.extend(device.capacity.into_iter().map(of_device));
        }
        self.metrics.text(&Scraped { jobs, draining: status.drain.is_some(), capacity })
    }
}

/// Serves until `shutdown` resolves.
///
/// # Errors
/// Those of the listener.
pub(super) async fn serve(
    listener: TcpListener,
    appliance: Arc<dyn Appliance>,
    telemetry: Telemetry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shown = Arc::new(Shown { appliance, metrics: telemetry.metrics, meter: telemetry.meter });
    let router = Router::new().route("/healthz", get(health)).route("/metrics", get(told)).with_state(shown);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// What is known of how busy a device is.
fn loads(load: &Load) -> Vec<DeviceLoad> {
    let engines =
        [("encode", load.encode_permille), ("decode", load.decode_permille), ("compute", load.filter_permille)];
    let known = |(engine, busy): (&str, Option<u32>)| {
        let (device, engine) = (load.device.0.clone(), engine.to_owned());
        busy.map(|busy_permille| DeviceLoad { device, engine, busy_permille })
    };
    engines.into_iter().filter_map(known).collect()
}

/// Healthy is who can read the store.
async fn health(State(shown): State<Arc<Shown>>) -> Response {
    match shown.appliance.store().counts().await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn told(State(shown): State<Arc<Shown>>) -> Response {
    match shown.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
