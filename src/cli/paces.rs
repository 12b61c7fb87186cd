//! `reelmill doctor --measure`: how fast each device is, kept for a daemon where that is asked for.

use super::tables::plain;
use crate::devices::{Rates, measure};
use crate::model::device::{DeviceInfo, RateKey};
use crate::model::{DeviceChoice, Problem, Speed};
use crate::report::text::table;
use crate::simulate;
use serde::Serialize;
use std::path::Path;

/// Pixels of a 1080p frame.
const FRAME_1080: u64 = 1920 * 1080;

/// How fast a device does something.
#[derive(Serialize)]
pub(super) struct Pace {
    device: String,
    operation: &'static str,
    codec: String,
    depth: u8,
    speed: &'static str,
    /// Of one engine, or of one thread of the CPU.
    pixels_per_second: u64,
}

/// Measures devices, one after the other; simulated ones say so themselves.
///
/// # Errors
/// `worker.not_started`, `simulation.*`.
pub(super) async fn of(
    worker: &Path,
    choice: &DeviceChoice,
    devices: &[DeviceInfo],
    state: Option<&Path>,
) -> Result<Vec<Pace>, Problem> {
    let rates = state.map_or_else(Rates::default, Rates::load);
    if let DeviceChoice::Simulated(file) = choice {
        rates.simulated(simulate::Host::of_file(file.clone()).await?.as_ref());
    }
    let mut paces = Vec::new();
    for device in devices {
        if !device.simulated {
            let measured = measure(worker, device, &Rates::default()).await?;
            rates.measured(device, &measured.ffmpeg, &measured.rates);
        }
        paces.extend(rates.measurements(device).into_iter().map(|(key, rate)| pace(device, key, rate)));
    }
    rates.keep_now();
    Ok(paces)
}

fn pace(device: &DeviceInfo, key: RateKey, rate: u64) -> Pace {
    Pace {
        device: device.id.to_string(),
        operation: key.operation.name(),
        codec: if key.codec.is_empty() { "scale".to_owned() } else { key.codec },
        depth: key.depth,
        speed: match key.speed {
            None => "",
            Some(Speed::Fast) => "fast",
            Some(Speed::Balanced) => "balanced",
            Some(Speed::Quality) => "quality",
        },
        pixels_per_second: rate,
    }
}

/// A line for each.
pub(super) fn shown(paces: &[Pace]) -> String {
    let mut rows = vec![["device", "does", "codec", "bits", "speed", "Mpx/s", "1080p/s"].map(str::to_owned).to_vec()];
    for pace in paces {
        let speed = if pace.speed.is_empty() { "-" } else { pace.speed };
        let rate = pace.pixels_per_second;
        let (mega, frames) = (rate / 1_000_000, rate * 10 / FRAME_1080);
        let (depth, mega, frames) =
            (pace.depth.to_string(), mega.to_string(), format!("{}.{}", frames / 10, frames % 10));
        let cells = [&pace.device, pace.operation, &pace.codec, &depth, speed, &mega, &frames];
        rows.push(cells.map(plain).to_vec());
    }
    table(&rows)
}
