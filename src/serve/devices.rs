//! The devices of a node that serves: the CPU at once, accelerators once each has been tried, and again when one that was
//! lost is back.
//!
//! A task of its own. Receives: nothing but time. Sends: the list of devices to the engine, whenever it has changed.
//! Ends: when it is told to, or at once where the choice leaves nothing to look for.

use crate::api::Appliance;
use crate::devices::{self, Rates, Trial};
use crate::dispatch::{Engine, cpu_alone};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind, Operation, Verdict};
use crate::model::{DeviceChoice, Problem};
use crate::simulate;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether devices came, went or returned.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How fast devices are, as far as that was kept; simulated ones say so themselves.
pub(super) async fn rates(state: &Path, simulated: Option<&simulate::Host>) -> Result<Arc<Rates>, Problem> {
    let state = state.to_owned();
    let lost = |_| Problem::bug("internal.panic", "reading rates of devices panicked; report this with the log");
    let rates = tokio::task::spawn_blocking(move || Rates::load(&state)).await.map_err(lost)?;
    if let Some(host) = simulated {
        rates.simulated(host);
    }
    Ok(Arc::new(rates))
}

/// What looks for devices.
pub(super) struct Lookout {
    pub(super) engine: Engine,
    pub(super) choice: DeviceChoice,
    pub(super) state_dir: PathBuf,
    pub(super) worker: PathBuf,
    pub(super) threads: u32,
    pub(super) rates: Arc<Rates>,
    /// What was not measured may be, while nothing runs.
    pub(super) measures: bool,
    pub(super) simulated: Option<Arc<simulate::Host>>,
}

impl Lookout {
    /// Looks now, and again and again until it is told to end.
    pub(super) async fn run(self, mut quitting: watch::Receiver<bool>) {
        if self.choice == DeviceChoice::Cpu {
            return;
        }
        let mut seen = BTreeSet::new();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = quitting.wait_for(|quit| *quit) => return,
            }
            tokio::select! {
                looked = self.look(&mut seen) => if let Err(problem) = looked {
                    tracing::warn!(%problem, "devices could not be looked for; they are in a minute");
                },
                _ = quitting.wait_for(|quit| *quit) => return,
            }
        }
    }

    async fn look(&self, seen: &mut BTreeSet<DeviceId>) -> Result<(), Problem> {
        let found = match &self.simulated {
            Some(host) => host.devices(),
            None => devices::found(&self.choice).await?.devices,
        };
        let known: BTreeMap<_, _> =
            self.engine.status().devices.into_iter().map(|device| (DeviceId(device.id), device.info)).collect();
        let mut usable = Vec::new();
        for device in found.into_iter().filter(|device| device.kind != DeviceKind::Cpu) {
            if let Some(info) = known.get(&device.id).cloned().flatten() {
                usable.push(info);
                continue;
            }
            // One that was there before was lost: it has to prove itself anew, whatever is remembered of it.
            let is_new = seen.insert(device.id.clone());
            if is_new || self.simulated.is_some() || self.works_again(&device).await? {
                usable.push(devices::proven(device, &self.state_dir, &self.worker).await?);
            }
        }
        let now: BTreeSet<_> = usable.iter().map(|device| device.id.clone()).collect();
        let up = known.keys().filter(|id| id.0 != DeviceKind::Cpu.name());
        if up.ne(&now) {
            let mut all = cpu_alone(self.threads);
            all.extend(usable.iter().cloned());
            self.engine.set_devices(all);
        }
        for device in usable.iter().filter(|device| self.measures && !device.simulated) {
            self.measure(device).await?;
        }
        Ok(())
    }

    /// Measures a device, where that was not done and nothing runs that would make it slow, or be slowed down by it.
    async fn measure(&self, device: &DeviceInfo) -> Result<(), Problem> {
        let is_idle = || self.engine.status().jobs_active + self.engine.status().jobs_queued == 0;
        let has_some = !self.rates.measurements(device).is_empty();
        if !is_idle() || (has_some && self.rates.is_measured(device, &devices::build(&self.worker, device).await?)) {
            return Ok(());
        }
        let measured = devices::measure(&self.worker, device, &self.rates).await?;
        if is_idle() && !measured.rates.is_empty() {
            self.rates.measured(device, &measured.ffmpeg, &measured.rates);
            let rates = Arc::clone(&self.rates);
            // Fails only by a panic; what was measured holds all the same.
            let _ = tokio::task::spawn_blocking(move || rates.keep_now()).await;
            tracing::info!(device = %device.id, of = measured.rates.len(), "device measured");
        }
        Ok(())
    }

    async fn works_again(&self, device: &DeviceInfo) -> Result<bool, Problem> {
        let trial = Trial { operation: Operation::Decode, codec: "h264", depth: 8 };
        let proof = devices::prove(&self.worker, device, &[trial]).await?;
        Ok(proof.abilities.iter().all(|ability| ability.verdict == Verdict::Works))
    }
}
