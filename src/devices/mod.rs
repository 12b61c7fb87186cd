//! Devices: what this box has, and what each can really do.
//!
//! - [`discover`] looks, without touching a driver that could crash: NVML, the kernel's files, the processor.
//! - [`prove`] tries a device in a worker process: real pictures, compared. What fails gets a reason and a remedy
//!   (`verdict`); what crashes is named.
//! - [`measure`] finds how fast a device is, and [`Rates`] knows it, from then on and over restarts.
//! - [`usage`] measures what work costs of devices, and how loaded they are.
//! - [`proven`] is for a node that starts: what was proven before is remembered (`cache`) by device, driver and build.

mod cache;
mod cgroup;
mod chips;
mod cpu;
mod discover;
mod drm;
mod measure;
mod nvidia;
mod prove;
mod rates;
mod trials;
pub mod usage;
mod verdict;

#[cfg(test)]
mod tests;

pub use discover::{Discovery, Note, Roots, discover, discover_at};
pub use measure::{Measured, measure};
pub use prove::{Proof, prove};
pub use rates::{Lap, Rates};
pub use trials::{Trial, trials};

use crate::model::device::{DeviceInfo, DeviceKind};
use crate::model::{DeviceChoice, Problem};
use crate::simulate;
use discover::clean;
use std::path::Path;

/// What there is by a choice, simulated devices included; nothing is tried.
///
/// # Errors
/// `simulation.*`.
pub async fn found(choice: &DeviceChoice) -> Result<Discovery, Problem> {
    let choice = choice.clone();
    let panicked = |_| Err(Problem::bug("internal.panic", "looking for devices panicked; report this with the log"));
    let looked = tokio::task::spawn_blocking(move || {
        let mut found = discover(&choice);
        for note in &found.notes {
            let device = note.device.as_ref().map(tracing::field::display);
            tracing::debug!(code = note.code, device, "{}", note.message);
        }
        if let DeviceChoice::Simulated(file) = &choice {
            // They can do what their file says.
            found.devices.extend(simulate::load(file)?.devices());
        }
        Ok(found)
    });
    looked.await.unwrap_or_else(panicked)
}

/// A device with what it can really do, tried or remembered. May take some seconds the first time. One that fails is no
/// error: its abilities say so.
///
/// # Errors
/// `worker.not_started`.
pub async fn proven(mut device: DeviceInfo, state: &Path, worker: &Path) -> Result<DeviceInfo, Problem> {
    if device.simulated {
        return Ok(device);
    }
    let trials = trials(device.kind);
    // What FFmpeg is built with is a worker's to say; it does so without touching the device.
    let build = build(worker, &device).await?;
    let key = cache::Key::of(&device, &build);
    if let Some((abilities, built)) = cache::read(state, &key, &trials) {
        (device.abilities, device.built) = (abilities, Some(built));
        return Ok(device);
    }
    let proof = prove(worker, &device, &trials).await?;
    (device.abilities, device.built) = (proof.abilities, proof.built);
    let works =
        device.abilities.iter().filter(|ability| ability.verdict == crate::model::device::Verdict::Works).count();
    tracing::info!(device = %device.id, name = device.name, works, of = device.abilities.len(), "device tried");
    if let (true, Some(built)) = (proof.lasting, &device.built)
        && let Err(error) = cache::write(state, &key, &device.abilities, built)
    {
        tracing::warn!(%error, "what the device can do could not be kept; it is tried again at the next start");
    }
    Ok(device)
}

/// What FFmpeg a worker for this device is built with; opens nothing.
///
/// # Errors
/// `worker.not_started`.
pub async fn build(worker: &Path, device: &DeviceInfo) -> Result<String, Problem> {
    Ok(prove(worker, device, &[]).await?.ffmpeg)
}

/// What trying an ability of a device showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Soundness {
    /// All trials of it pass.
    Sound,
    /// One does not, or could not be made.
    Failing,
    /// No trial is made of it, so nothing is known.
    Untried,
}

impl Soundness {
    /// Whether work may be given to it again. Of what is untried the next piece of work is the proof: it was set aside for
    /// a time, which doubles with each failure.
    #[must_use]
    pub const fn lets_go_on(self) -> bool {
        matches!(self, Self::Sound | Self::Untried)
    }
}

/// Whether a device can now do what the scheduler calls an ability (`encode.h264`, `filter`).
pub async fn is_sound(worker: &Path, device: &DeviceInfo, ability: &str) -> Soundness {
    use crate::model::device::Verdict;
    let (operation, codec) = ability.split_once('.').unwrap_or((ability, ""));
    let known = |trial: &Trial| {
        let claimed = device.ability(trial.operation, trial.codec, trial.depth);
        claimed.is_none_or(|ability| !matches!(ability.verdict, Verdict::No { .. }))
    };
    let same = |trial: &Trial| trial.operation.name() == operation && (codec.is_empty() || trial.codec == codec);
    let trials: Vec<_> = trials(device.kind).into_iter().filter(|trial| same(trial) && known(trial)).collect();
    if trials.is_empty() {
        return Soundness::Untried;
    }
    match prove(worker, device, &trials).await {
        Ok(proof) if proof.abilities.iter().all(|ability| ability.verdict == Verdict::Works) => Soundness::Sound,
        Ok(_) => Soundness::Failing,
        Err(problem) => {
            tracing::warn!(device = %device.id, %problem, "a device could not be tried");
            Soundness::Failing
        }
    }
}

/// Whether a device does enough to be of use: the CPU encodes and decodes H.264; any other does anything at all.
pub fn is_of_use(device: &DeviceInfo) -> bool {
    use crate::model::device::{Operation, Verdict};
    let works =
        |operation| device.ability(operation, "h264", 8).is_some_and(|ability| ability.verdict == Verdict::Works);
    match device.kind {
        DeviceKind::Cpu => works(Operation::Encode) && works(Operation::Decode),
        _ => device.abilities.iter().any(|ability| ability.verdict == Verdict::Works) || device.simulated,
    }
}
