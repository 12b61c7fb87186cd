//! How fast devices are: measured where that was done, believed from tables where not, and corrected by what jobs take.
//!
//! One [`Rates`] a node, shared by all that plan and all that report. What is decided is in `table`, which is pure; what is
//! kept over a restart in `file`; what is believed before anything is known in `prior`.

mod file;
mod laps;
mod prior;
mod table;

#[cfg(test)]
mod tests;

pub use laps::Lap;
pub(super) use table::worth_measuring;

use crate::model::device::{DeviceInfo, RateKey};
use crate::simulate;
use laps::Laps;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use table::Table;

/// Corrections are written so often at most: they are small, and one that is lost is found again.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// What is known of speeds, for many readers.
#[derive(Debug, Default)]
pub struct Rates {
    table: Mutex<Table>,
    laps: Laps,
    /// Where it is kept; `None`: nowhere.
    file: Option<PathBuf>,
    /// When it was last written, if anything has changed since.
    written: Mutex<Option<Instant>>,
}

impl Rates {
    /// As kept in a state directory. A file that cannot be read is as good as none, which is told to the log.
    pub fn load(state: &Path) -> Self {
        let file = file::path(state);
        let table = file::read(&file).unwrap_or_else(|why| {
            tracing::warn!(file = %file.display(), why, "rates of devices cannot be read; they are found anew");
            Table::default()
        });
        Self { table: Mutex::new(table), file: Some(file), ..Self::default() }
    }

    /// Pixels a second of one engine, or of one thread of the CPU (of sound: samples of all channels); `None` for what the
    /// device cannot do, as far as anybody knows.
    pub fn rate(&self, device: &DeviceInfo, key: &RateKey) -> Option<u64> {
        self.table().rate(device, key)
    }

    /// A piece of work is done: for each kind of it the pixels, and how long the engines, or threads of the CPU, were busy
    /// with all of it, ms. What is too short to tell anything is left out.
    pub fn observe(&self, device: &DeviceInfo, work: &[(RateKey, u64)], busy_ms: u64) {
        self.table().observe(device, work, busy_ms);
    }

    /// What measuring found, by the FFmpeg that it was done with. Replaces what was measured before, and corrections of it.
    pub fn measured(&self, device: &DeviceInfo, ffmpeg: &str, rates: &[(RateKey, u64)]) {
        self.table().measured(device, ffmpeg, rates);
    }

    /// Takes over what simulated devices say of themselves.
    pub fn simulated(&self, host: &simulate::Host) {
        for (device, rates) in host.rates() {
            self.measured(&device, "", &rates);
        }
    }

    /// Whether a device was measured, as it is now, by this FFmpeg and this version of ours.
    pub fn is_measured(&self, device: &DeviceInfo, ffmpeg: &str) -> bool {
        self.table().is_measured(device, ffmpeg)
    }

    /// What was measured of a device.
    pub fn measurements(&self, device: &DeviceInfo) -> Vec<(RateKey, u64)> {
        self.table().measurements(device)
    }

    /// A piece of work begins on a device.
    pub fn begin(self: &Arc<Self>, device: &DeviceInfo) -> Lap {
        Lap::begin(Arc::clone(self), device.id.clone())
    }

    /// Writes what is known, unless that was done a moment ago. Blocks.
    pub fn keep(&self) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.is_none_or(|at| at.elapsed() >= WRITE_EVERY) {
            *written = Some(Instant::now());
            drop(written);
            self.keep_now();
        }
    }

    /// Writes what is known. Blocks. One that cannot be written is told to the log alone: what it holds is found again.
    pub fn keep_now(&self) {
        let Some(file) = &self.file else { return };
        let text = file::text(&self.table());
        if let Err(error) = file::write(file, &text) {
            tracing::warn!(file = %file.display(), %error, "rates of devices could not be kept; they are found anew");
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
