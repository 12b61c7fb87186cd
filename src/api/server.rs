//! The server: all services on one port, with TLS where it is configured, until it is told to close.

use super::gate::{self, Gate};
use super::jobs::Jobs;
use super::media::Media;
use super::node::Node;
use super::settings::{ApiSettings, Tls};
use super::shared::Shared;
use super::usage::Usage;
use super::v1;
use crate::dispatch::Appliance;
use crate::model::{Fault, Problem};
use axum::Router;
use axum::middleware;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::server::HealthReporter;
use v1::job_service_server::JobServiceServer;
use v1::media_service_server::MediaServiceServer;
use v1::node_service_server::NodeServiceServer;
use v1::usage_service_server::UsageServiceServer;

/// Streams on one connection: a client may watch a thousand jobs over it.
const STREAMS_MAX: u32 = 2048;
/// A connection is asked whether it lives so often, and has so long to answer: a client that is gone without a word frees
/// its watchers within a minute.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_WAIT: Duration = Duration::from_secs(20);
/// Time for a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Largest headers of a call, bytes: metadata, and a token.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Calls that run when the server is told to close have so long to end.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// All services as routes, behind the check of tokens and limits. `closing` turns true when watchers are to be sent away.
///
/// # Errors
/// `internal.plan` when the descriptors that reflection answers from cannot be read, which is an error of the build.
pub fn routes(
    appliance: Arc<dyn Appliance>,
    settings: ApiSettings,
    closing: watch::Receiver<bool>,
) -> Result<(Router, HealthReporter), Problem> {
    let bytes_max = settings.message_bytes_max;
    let gate = Arc::new(Gate::new(&settings));
    let watchers = Arc::new(Semaphore::new(settings.watchers_max));
    let shared = Arc::new(Shared { appliance, settings, closing, watchers });
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(JobServiceServer::new(Jobs(Arc::clone(&shared))).max_decoding_message_size(bytes_max))
        .add_service(MediaServiceServer::new(Media(Arc::clone(&shared))).max_decoding_message_size(bytes_max))
        .add_service(NodeServiceServer::new(Node(Arc::clone(&shared))).max_decoding_message_size(bytes_max))
        .add_service(UsageServiceServer::new(Usage(shared)).max_decoding_message_size(bytes_max))
        .add_service(health);
    let unreadable = |error: tonic_reflection::server::Error| {
        Problem::bug("internal.plan", format!("the API's own description cannot be read: {error}; report this"))
    };
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The details of errors, so that a client that knows the API by reflection alone can read them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = routes
        .add_service(described().build_v1().map_err(unreadable)?)
        .add_service(described().build_v1alpha().map_err(unreadable)?);
    let router = routes.into_axum_router().layer(middleware::from_fn_with_state(gate, gate::pass));
    Ok((router, reporter))
}

/// Serves the API on `listener` until `shutdown` is there and the calls in flight have ended, at most 5 s later.
/// Watchers are sent away at once, with the advice to resume.
///
/// # Errors
/// `api.tls` when a certificate or key cannot be used; `api.failed` when the server ends by itself.
pub async fn serve(
    listener: TcpListener,
    appliance: Arc<dyn Appliance>,
    settings: ApiSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Problem> {
    let (close, closing) = watch::channel(false);
    let mut server = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WAIT))
        .http2_max_header_list_size(HEADER_BYTES_MAX);
    if let Some(tls) = &settings.tls {
        server = server.tls_config(tls_config(tls)?).map_err(|error| tls_problem(&error))?;
    }
    let (router, reporter) = routes(appliance, settings, closing.clone())?;
    serving(&reporter, true).await;
    let told = async move {
        shutdown.await;
        serving(&reporter, false).await;
        // Nobody listens when there is no watcher.
        let _ = close.send(true);
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = server.add_routes(Routes::from(router)).serve_with_incoming_shutdown(incoming, told);
    let mut closing = closing;
    let too_late = async {
        let _ = closing.wait_for(|closing| *closing).await;
        time::sleep(CLOSING_MAX).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(|error| {
            Problem::new(Fault::Sink, "api.failed", format!("the server of the API failed: {}; see the log", told_of(&error)))
        }),
        () = too_late => Ok(()),
    }
}

async fn serving(reporter: &HealthReporter, yes: bool) {
    use tonic_health::ServingStatus::{NotServing, Serving};
    let status = if yes { Serving } else { NotServing };
    for service in ["", "JobService", "MediaService", "NodeService", "UsageService"] {
        let service = if service.is_empty() { String::new() } else { format!("reelmill.v1.{service}") };
        reporter.set_service_status(service, status).await;
    }
}

fn tls_config(tls: &Tls) -> Result<ServerTlsConfig, Problem> {
    for (what, pem) in [("certificate", &tls.cert), ("key", &tls.key)] {
        if !pem.contains("-----BEGIN ") {
            return Err(Problem::input("api.tls", format!("the {what} of the API is no PEM text: check its file")));
        }
    }
    let config = ServerTlsConfig::new().identity(Identity::from_pem(&tls.cert, &tls.key)).timeout(HANDSHAKE_MAX);
    Ok(match &tls.client_ca {
        Some(ca) => config.client_ca_root(Certificate::from_pem(ca)),
        None => config,
    })
}

fn tls_problem(error: &tonic::transport::Error) -> Problem {
    let message = format!("the certificate or key of the API cannot be used ({}): check their files", told_of(error));
    Problem::input("api.tls", message)
}

/// An error with what caused it.
fn told_of(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
