//! Devices: what this box has, and what each can really do.
//!
//! - [`discover`] looks, without touching a driver that could crash: NVML, the kernel's files, the processor.
//! - [`prove`] tries a device in a worker process: real pictures, compared. What fails gets a reason and a remedy
//!   (`verdict`); what crashes is named.
//! - [`ready`] is both, for a node that starts; what was proven before is remembered (`cache`) by device, driver and build.

mod cache;
mod cgroup;
mod chips;
mod cpu;
mod discover;
mod drm;
mod nvidia;
mod prove;
pub mod rates;
mod trials;
mod verdict;

#[cfg(test)]
mod tests;

pub use discover::{Discovery, Note, Roots, discover, discover_at};
pub use prove::{Proof, prove};
pub use trials::{Trial, trials};

use crate::model::device::{DeviceInfo, DeviceKind};
use crate::model::{DeviceChoice, Problem};
use crate::simulate;
use discover::clean;
use std::path::{Path, PathBuf};

/// What the node may use, proven: found, tried or remembered. The CPU is first, and always there. May take a while: the
/// first time some seconds a device.
///
/// # Errors
/// `simulation.*` for a file of simulated devices; `worker.not_started`. A device that fails is no error: its abilities
/// say so.
pub async fn ready(choice: DeviceChoice, state_dir: PathBuf, worker: PathBuf) -> Result<Vec<DeviceInfo>, Problem> {
    let found = found(&choice).await?;
    for note in &found.notes {
        tracing::warn!(
            code = note.code,
            device = note.device.as_ref().map(tracing::field::display),
            "{}",
            note.message
        );
    }
    let mut proven = Vec::new();
    for device in found.devices {
        proven.push(remembered_or_proven(device, &state_dir, &worker).await?);
    }
    Ok(proven)
}

/// What there is by a choice, simulated devices included; nothing is tried.
///
/// # Errors
/// `simulation.*`.
pub async fn found(choice: &DeviceChoice) -> Result<Discovery, Problem> {
    let choice = choice.clone();
    let panicked = |_| Err(Problem::bug("internal.panic", "looking for devices panicked; report this with the log"));
    let looked = tokio::task::spawn_blocking(move || {
        let mut found = discover(&choice);
        if let DeviceChoice::Simulated(file) = &choice {
            // They can do what their file says.
            found.devices.extend(simulate::load(file)?.devices());
        }
        Ok(found)
    });
    looked.await.unwrap_or_else(panicked)
}

async fn remembered_or_proven(mut device: DeviceInfo, state: &Path, worker: &Path) -> Result<DeviceInfo, Problem> {
    if device.simulated {
        return Ok(device);
    }
    let trials = trials(device.kind);
    // What FFmpeg is built with is a worker's to say; it does so without touching the device.
    let build = prove(worker, &device, &[]).await?.ffmpeg;
    let key = cache::Key::of(&device, &build);
    if let Some(abilities) = cache::read(state, &key, &trials) {
        device.abilities = abilities;
        return Ok(device);
    }
    let proof = prove(worker, &device, &trials).await?;
    device.abilities = proof.abilities;
    let works =
        device.abilities.iter().filter(|ability| ability.verdict == crate::model::device::Verdict::Works).count();
    tracing::info!(device = %device.id, name = device.name, works, of = device.abilities.len(), "device tried");
    if let (true, Err(error)) = (proof.lasting, cache::write(state, &key, &device.abilities)) {
        tracing::warn!(%error, "what the device can do could not be kept; it is tried again at the next start");
    }
    Ok(device)
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
