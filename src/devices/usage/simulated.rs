//! What simulated devices tell: as a driver's library would show it, and as it really was.

use super::nvml::mean_permille;
use super::reading::{Gauge, ProcessUse, Reading};
use super::{DeviceUse, Figure};
use crate::model::device::{DeviceId, DeviceInfo, Operation};
use crate::model::usage::Method;
use crate::simulate::{Host, Used};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Reads a host's devices as NVML would show them.
#[derive(Default)]
pub(super) struct SimulatedGauge {
    /// For each device the end of the last window that was seen.
    seen: BTreeMap<DeviceId, Duration>,
}

/// The gauge with the host that it is for.
pub(super) struct OfHost<'a>(&'a mut SimulatedGauge, &'a Arc<Host>);

impl SimulatedGauge {
    pub(super) fn of<'a>(&'a mut self, host: &'a Arc<Host>) -> OfHost<'a> {
        OfHost(self, host)
    }
}

impl Gauge for OfHost<'_> {
    fn read(&mut self, device: &DeviceInfo) -> Option<Reading> {
        let since = self.0.seen.get(&device.id).copied().unwrap_or_default();
        let shown = self.1.shown(&device.id, since)?;
        self.0.seen.insert(device.id.clone(), shown.until);
        Some(reading(&shown))
    }
}

/// What is shown, as a reading.
pub(super) fn reading(shown: &crate::simulate::Shown) -> Reading {
    let mean = |operation: usize| {
        mean_permille(&shown.windows.iter().map(|window| u32::from(window[operation])).collect::<Vec<_>>())
    };
    let processes = shown.workers.iter().map(|(worker, windows)| {
        let mean = |operation: usize| {
            let all = windows.iter().map(|window| u32::from(window[operation])).collect::<Vec<_>>();
            mean_permille(&all).unwrap_or(0)
        };
        ProcessUse {
            pid: u32::try_from(*worker).unwrap_or(0),
            decode_permille: mean(0),
            filter_permille: mean(1),
            encode_permille: mean(2),
        }
    });
    let held = shown.memory_bytes.iter().map(|(worker, bytes)| (u32::try_from(*worker).unwrap_or(0), *bytes));
    Reading {
        decode_permille: mean(0),
        filter_permille: mean(1),
        encode_permille: mean(2),
        processes: Some(processes.collect()),
        energy_mj: Some(shown.energy_mj),
        power_mw: Some(shown.power_mw),
        memory_used_bytes: Some(shown.memory_bytes.values().sum()),
        memory_by_process: Some(held.collect()),
        encode_sessions: Some(shown.encode_sessions),
    }
}

/// What a worker really used of a device, by rendition.
pub(super) fn truth(
    host: &Host,
    worker: u64,
    device: &DeviceId,
    renditions: &BTreeSet<&str>,
) -> BTreeMap<String, DeviceUse> {
    let used = host.used_by(worker);
    let of = |rendition: &str| {
        let part = |operation| {
            let account = (worker, device.clone(), operation, rendition.to_owned());
            used.get(&account).cloned().unwrap_or_default()
        };
        let [decode, filter, encode] = [Operation::Decode, Operation::Filter, Operation::Encode].map(part);
        let figure = |value: u64| Some(Figure::new(value, Method::Simulated));
        let us = |used: &Used| figure(u64::try_from(used.engine.as_micros()).unwrap_or(u64::MAX));
        let all = [&decode, &filter, &encode];
        DeviceUse {
            decode_us: us(&decode),
            filter_us: us(&filter),
            encode_us: us(&encode),
            memory_bytes: figure(all.iter().map(|used| used.memory_bytes).sum()),
            energy_mj: figure(all.iter().map(|used| used.energy_uj).sum::<u64>() / 1000),
        }
    };
    // What the simulation has under another name is not lost.
    let others = used.keys().filter(|(_, on, ..)| on == device).map(|(.., rendition)| rendition.as_str());
    let all: BTreeSet<&str> = renditions.iter().copied().chain(others).collect();
    all.into_iter().map(|rendition| (rendition.to_owned(), of(rendition))).collect()
}
