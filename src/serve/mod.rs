//! `reelmill serve`: wires the daemon together by its configuration, and runs it to its end. The one file that does.
//!
//! In the order of a start: the store is opened, jobs that it holds are taken up, the outbox goes on, listeners are bound,
//! clients are served. In the order of an end: clients are sent away, jobs are suspended, and what is stored is enough to
//! go on from.

mod devices;
mod http;
mod measured;
mod remover;
mod wiring;

use crate::api::{self, Appliance};
use crate::config::Config;
use crate::dispatch::{Drain, Engine};
use crate::model::{Fault, Problem};
use crate::outbox::Outbox;
use crate::report::Telemetry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long stores may take to abort uploads that were given up.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether jobs have come to an end, and whether records have expired.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Records that are deleted in one go.
const EXPIRED_MAX: usize = 100;
/// Bills that are deleted in one go: more than a node makes in the time between two.
const BILLS_MAX: usize = 10_000;
/// How often expired records are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

/// Runs the daemon until it is asked to end, by SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, or made it end.
pub async fn run(config: Config) -> Result<(), Vec<Problem>> {
    let stop = stop_signal().map_err(|problem| vec![problem])?;
    let telemetry = wiring::telemetry(&config).map_err(|problem| vec![problem])?;
    let settings = wiring::api_settings(&config, &telemetry)?;
    serve(config, settings, telemetry, stop).await.map_err(|problem| vec![problem])
}

async fn serve(
    config: Config,
    settings: api::ApiSettings,
    telemetry: Telemetry,
    stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let grpc = bind("grpc.listen", config.grpc.listen).await?;
    let web = bind("http.listen", config.http.listen).await?;
    // As they are, not as they were asked for: the system chooses where a port of 0 was.
    let addresses = (local(&grpc, config.grpc.listen), local(&web, config.http.listen));
    let (node, buckets) = wiring::node(&config, &telemetry).await?;
    let (store, sinks, effects) = (Arc::clone(&node.store), node.sinks.clone(), Arc::clone(&node.effects));
    let (worker, threads, simulated) = (node.worker.clone(), node.threads, node.simulated.clone());
    let rates = Arc::clone(&node.rates);
    let (engine, ended) = Engine::start(node, None).await?;
    let (quit, quitting) = watch::channel(false);
    let remover = Arc::new(remover::Remover::new(sinks));
    let outbox =
        Outbox::new(store, wiring::outbox_settings(&config, &telemetry)?, remover)?.start(effects, quitting.clone());
    let expiry = tokio::spawn(expire(engine.clone(), config.usage.keep, quitting.clone()));
    let (choice, state_dir) = (config.devices.clone(), config.state_dir.clone());
    let lookout = devices::Lookout {
        engine: engine.clone(),
        choice,
        state_dir,
        worker,
        threads,
        rates: Arc::clone(&rates),
        measures: config.measure,
        simulated,
    };
    let lookout = tokio::spawn(lookout.run(quitting.clone()));
    let appliance: Arc<dyn Appliance> = Arc::new(engine.clone());
    let served = tokio::spawn(http::serve(web, Arc::clone(&appliance), telemetry.clone(), told(stop.clone())));
    tracing::info!(grpc = %addresses.0, http = %addresses.1, "ready");
    let api = api::serve(grpc, appliance, settings, told(stop)).await;
    wind_up(&engine, ended, config.shutdown.grace).await;
    // The one receiver that may be gone is that of a task that has ended by itself.
    let _ = quit.send(true);
    for task in [outbox, expiry, lookout] {
        let _ = task.await;
    }
    let _ = served.await;
    // Fails only by a panic; what is lost is found again.
    let _ = tokio::task::spawn_blocking(move || rates.keep_now()).await;
    telemetry.traces.close().await;
    if tokio::time::timeout(SETTLE_MAX, buckets.settled()).await.is_err() {
        tracing::warn!("uploads that were given up may be left at a store; the next attempt aborts them");
    }
    api
}

/// Lets running jobs go on for the grace period, then suspends them.
async fn wind_up(engine: &Engine, ended: JoinHandle<()>, grace: Duration) {
    // One that drains already goes on as it was told to, for as long as the grace lasts.
    if engine.status().drain.is_none() {
        engine.drain(Some(Drain::default()));
    }
    let patience = async {
        while engine.status().jobs_active > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let _ = tokio::time::timeout(grace, patience).await;
    engine.shut_down();
    if ended.await.is_err() {
        tracing::error!("the node's loop ended by a panic; what is stored is gone on from at the next start");
    }
}

/// Deletes records and bills whose time has come, until it is told to end.
async fn expire(engine: Engine, bills_kept: Duration, mut quitting: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(EXPIRE_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = quitting.wait_for(|quit| *quit) => return,
        }
        let keep_ms = i64::try_from(bills_kept.as_millis()).unwrap_or(i64::MAX);
        let before = crate::dispatch::now_unix_ms().saturating_sub(keep_ms);
        if let Err(error) = engine.store().forget_usage(before, BILLS_MAX).await {
            tracing::error!(%error, "old bills could not be deleted");
        }
        let expired = match engine.store().expired(crate::dispatch::now_unix_ms(), EXPIRED_MAX).await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::error!(%error, "expired records could not be looked for");
                continue;
            }
        };
        for id in expired {
            if let Err(problem) = engine.delete(id).await {
                tracing::warn!(job = %id, %problem, "an expired record could not be deleted");
            }
        }
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("{setting} {address} cannot be listened on: {error}; choose a free one");
        Problem::new(Fault::Input, "serve.listen", message)
    })
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// Turns true at the first signal that asks the process to end. A second one ends it at once: nothing is lost by that.
fn stop_signal() -> Result<watch::Receiver<bool>, Problem> {
    let failed = |error: std::io::Error| {
        let message = format!("the system lets no signal be waited for: {error}; raise its limits");
        Problem::new(Fault::Capacity, "capacity.signals", message)
    };
    let (mut term, mut int) =
        (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if again {
                std::process::exit(i32::from(Fault::Cancelled.exit_code()));
            }
            tracing::info!("asked to end");
            let _ = tell.send(true);
        }
    });
    Ok(told)
}

async fn told(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left who could ask: then there is no end.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
