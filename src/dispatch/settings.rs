//! What a node has to work with.

use super::sinks::Sinks;
use crate::devices::Rates;
use crate::input::{Opener, Transport};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};
use crate::model::{BackOff, DeviceChoice, Problem};
use crate::report::Telemetry;
use crate::simulate::Host;
use crate::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What a node has to work with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where jobs are kept.
    pub store: Arc<dyn Store>,
    /// Told when there is something new in the store's outbox.
    pub effects: Arc<Notify>,
    /// How sources are opened.
    pub opener: Arc<Opener>,
    /// How destinations are opened.
    pub sinks: Sinks,
    /// How workers get local sources.
    pub transport: Transport,
    /// The worker's program; see [`crate::supervise::find_program`].
    pub worker: PathBuf,
    /// Threads that jobs may keep busy.
    pub threads: u32,
    /// Devices, the CPU among them.
    pub devices: Vec<DeviceInfo>,
    /// How fast they are.
    pub rates: Arc<Rates>,
    /// What simulated ones of them share.
    pub simulated: Option<Arc<Host>>,
    /// Without a word of a worker for so long it counts as hung, and is ended.
    pub silence: Duration,
    /// Where segments wait until they are published; emptied at the start. `None`: inside each job's first local
    /// destination, so that publishing is a rename.
    pub spool: Option<PathBuf>,
    /// Bytes that may wait there before no more work is started.
    pub spool_bytes_max: u64,
    /// Transfers at a time for each output.
    pub uploads: usize,
    /// How transfers are tried again.
    pub upload_retry: BackOff,
    /// Jobs of one class, and of higher ones, that are prepared, run or are published at the same time.
    pub active_max: usize,
    /// Jobs that may wait before no more are accepted.
    pub queue_max: u64,
    /// What a failed output left is kept for a retry; else it is removed at once.
    pub keep_failed: bool,
    /// Where the node tells of itself.
    pub telemetry: Telemetry,
}

/// The CPU, as long as nothing else was looked for.
pub fn cpu_alone(threads: u32) -> Vec<DeviceInfo> {
    vec![cpu(threads)]
}

/// What there is before anything was tried: the CPU, and what is only simulated.
///
/// # Errors
/// `simulation.*` for a file of simulated devices that cannot be used.
pub async fn before_trials(
    choice: &DeviceChoice,
    threads: u32,
) -> Result<(Vec<DeviceInfo>, Option<Arc<Host>>), Problem> {
    let mut all = cpu_alone(threads);
    let DeviceChoice::Simulated(file) = choice.clone() else { return Ok((all, None)) };
    let host = Host::of_file(file).await?;
    all.extend(host.devices());
    Ok((all, Some(host)))
}

/// The CPU by itself.
pub(super) fn cpu(threads: u32) -> DeviceInfo {
    DeviceInfo {
        id: DeviceId("cpu".to_owned()),
        kind: DeviceKind::Cpu,
        name: "CPU".to_owned(),
        driver: String::new(),
        address: String::new(),
        model: "cpu".to_owned(),
        memory_mib: 0,
        encode_engines: 0,
        decode_engines: 0,
        sessions_counted: false,
        threads,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}
