//! About how long a job would take on a node with nothing beside it, and how much CPU time. Pure, from the same figures that
//! admission goes by.

use super::needs::{self, Decoded, PerFrame};
use crate::devices::Rates;
use crate::model::device::{DeviceInfo, Operation, Placement, RateKey};
use crate::model::plan::Plan;
use std::collections::BTreeMap;

/// CPU time of a worker beside what is done for its frames: starting, reading, packaging, its log. µs.
const WORKER_US: u64 = 60_000;
/// Microseconds a second.
const MICROS: u128 = 1_000_000;

/// What all works of a job keep busy.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::dispatch) struct Load {
    /// Threads of the CPU, µs.
    cpu_us: u64,
    /// For each kind of device the time of its encode engines and of its decode engines, µs, with how many there are.
    engines: BTreeMap<(String, Operation), (u64, u64)>,
    /// What cannot be divided: the longest of the sessions that run one frame after the other, µs.
    longest_us: u64,
    /// Some duration is not known.
    unknown: bool,
}

/// The device of a way, and the engines of all that are like it.
#[derive(Clone, Copy, Debug)]
pub(in crate::dispatch) struct Alike<'a> {
    pub(in crate::dispatch) kind: &'a str,
    pub(in crate::dispatch) info: &'a DeviceInfo,
    /// How many devices there are of the kind.
    pub(in crate::dispatch) count: u64,
}

impl Load {
    /// The pictures of a work, by a placement.
    pub(in crate::dispatch) fn pictures(
        &mut self,
        plan: &Plan,
        source: &Decoded,
        placement: &Placement,
        device: Option<Alike<'_>>,
        cpu: &DeviceInfo,
        rates: &Rates,
    ) {
        let Some(video) = &plan.video else { return };
        self.unknown |= plan.duration_us.is_none();
        let (frames, spans) = (needs::frames(plan), plan.spans.len().max(1) as u64);
        let frame = needs::per_frame(&needs::steps(video, source, placement), device.map(|d| d.info), cpu, rates);
        let PerFrame { encode, longest, decode, cpu } = frame;
        self.cpu_us = self.cpu_us.saturating_add(frames.saturating_mul(cpu)).saturating_add(spans * WORKER_US);
        if let Some(Alike { kind, info, count }) = device {
            // More devices than spans are of no use.
            let of = |engines: u32| (u64::from(engines) * count.min(spans)).max(1);
            let all =
                [(Operation::Encode, encode, info.encode_engines), (Operation::Decode, decode, info.decode_engines)];
            for (operation, busy, engines) in all {
                let entry = self.engines.entry((kind.to_owned(), operation)).or_insert((0, 1));
                *entry = (entry.0.saturating_add(frames.saturating_mul(busy)), entry.1.max(of(engines)));
            }
            self.longest_us = self.longest_us.max(frames.saturating_mul(longest.max(decode)) / spans);
        }
    }

    /// The sound of a work.
    pub(in crate::dispatch) fn sound(&mut self, plan: &Plan, cpu: &DeviceInfo, rates: &Rates) {
        let mut all_us = 0_u64;
        for audio in plan.audio.iter().filter(|audio| !audio.copy) {
            let codec = audio.codec.traits().name.to_owned();
            let key = RateKey { operation: Operation::Encode, codec, depth: 0, speed: None };
            let samples = u128::from(audio.sample_rate) * u128::from(audio.channels);
            let samples = samples * u128::try_from(plan.duration_us.unwrap_or(0)).unwrap_or(0) / MICROS;
            let rate = u128::from(rates.rate(cpu, &key).unwrap_or(u64::MAX).max(1));
            all_us = all_us.saturating_add(u64::try_from(samples * MICROS / rate).unwrap_or(u64::MAX));
        }
        if !plan.audio.is_empty() {
            self.unknown |= plan.duration_us.is_none();
            self.cpu_us = self.cpu_us.saturating_add(all_us).saturating_add(WORKER_US);
            // One pass, of one thread.
            self.longest_us = self.longest_us.max(all_us);
        }
    }

    /// CPU time, ms; `None` where a duration is not known.
    pub(in crate::dispatch) fn cpu_ms(&self) -> Option<u64> {
        (!self.unknown).then_some(self.cpu_us.div_ceil(1000))
    }

    /// Time on a node with so many threads, ms; likewise. What is needed most decides: everything else runs beside it.
    pub(in crate::dispatch) fn time_ms(&self, threads: u32) -> Option<u64> {
        let by_cpu = self.cpu_us / u64::from(threads.max(1));
        let by_engines = self.engines.values().map(|(busy, engines)| busy / engines).max().unwrap_or(0);
        (!self.unknown).then_some(by_cpu.max(by_engines).max(self.longest_us).div_ceil(1000))
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
