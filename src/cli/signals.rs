//! Ctrl-C and its like as a wish to stop.

use crate::model::{Fault, Problem};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Turns true at the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at once: then something is stuck,
/// and what the job wrote may stay.
///
/// # Errors
/// `capacity.signals` when the system has no room for the handlers.
pub(super) fn cancellation() -> Result<watch::Receiver<bool>, Problem> {
    let failed = |error: std::io::Error| {
        Problem::new(Fault::Capacity, "capacity.signals", format!("signals cannot be handled: {error}; try again"))
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let (cancel, cancelled) = watch::channel(false);
    tokio::spawn(async move {
        any(&mut interrupt, &mut terminate, &mut hangup).await;
        let _ = cancel.send(true);
        any(&mut interrupt, &mut terminate, &mut hangup).await;
        std::process::exit(Fault::Cancelled.exit_code().into());
    });
    Ok(cancelled)
}

async fn any(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
