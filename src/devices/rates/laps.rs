//! Who works on a device at the same time: how long a piece of work took tells of the device only where nothing was beside it.

use super::Rates;
use crate::model::device::DeviceId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For each device how many pieces of work run, and how many were begun.
#[derive(Debug, Default)]
pub(super) struct Laps(Mutex<BTreeMap<DeviceId, (u32, u64)>>);

impl Laps {
    fn change<T>(&self, device: &DeviceId, change: impl FnOnce(&mut (u32, u64)) -> T) -> T {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(devices.entry(device.clone()).or_default())
    }
}

/// A piece of work on a device, until it is dropped.
#[derive(Debug)]
pub struct Lap {
    rates: Arc<Rates>,
    device: DeviceId,
    /// The count of those begun, this one among them; `None` where another ran already.
    alone_at: Option<u64>,
    began: Instant,
}

impl Lap {
    pub(super) fn begin(rates: Arc<Rates>, device: DeviceId) -> Self {
        let alone_at = rates.laps.change(&device, |(running, begun)| {
            *running += 1;
            *begun += 1;
            (*running == 1).then_some(*begun)
        });
        Self { rates, device, alone_at, began: Instant::now() }
    }

    /// Whether nothing ran beside it so far.
    pub fn is_alone(&self) -> bool {
        self.rates.laps.change(&self.device, |(_, begun)| self.alone_at == Some(*begun))
    }

    /// How long it takes so far.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Lap {
    fn drop(&mut self) {
        self.rates.laps.change(&self.device, |(running, _)| *running = running.saturating_sub(1));
    }
}
