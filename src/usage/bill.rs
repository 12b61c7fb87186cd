//! What was used, shared out to the outputs that it was for.

use super::accounts::{Accounts, Entry, Own};
use super::price::Prices;
use super::split::split;
use crate::model::bill::{Cost, JobUsage, OutputUsage, SharedUsage, StageUsage};
use crate::model::usage::{Figure, Method, Stage};

/// What the daemon knows of an output beside what was used for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// Bytes that are stored of it now; `None` where that is not known.
    pub stored_bytes: Option<u64>,
    /// Media published, over all tracks, µs.
    pub media_us: u64,
    /// The same weighted, thousandths of a minute.
    pub normalised_milliminutes: u64,
}

/// Millionths in a whole.
const MILLION: u64 = 1_000_000;

impl Accounts {
    /// What each output has cost by now, `outputs` in the order of the job's.
    pub fn bill(&self, outputs: &[Told], prices: Option<&Prices>) -> JobUsage {
        let mut bills: Vec<OutputUsage> = outputs.iter().map(bare).collect();
        let none = Own::default();
        for (output, bill) in bills.iter_mut().enumerate() {
            self.own(self.own.get(&output).unwrap_or(&none), bill);
        }
        let mut seconds: Vec<Vec<(Vec<String>, Figure)>> = vec![Vec::new(); outputs.len()];
        for entry in &self.entries {
            self.share(entry, &mut bills, &mut seconds);
        }
        for (bill, seconds) in bills.iter_mut().zip(&seconds) {
            bill.stages.sort_by_key(|stage| stage.stage);
            bill.cost = prices.map(|prices| prices.cost(bill, seconds));
        }
        let cpu_us = self.cpu_us();
        let own = self.own.values().map(|own| own.package_us.saturating_add(own.publish_us));
        let attributed = own.fold(self.attributed_us(), u64::saturating_add);
        let remainder = |all: Figure| Figure::new(all.value.saturating_sub(attributed), Method::Process);
        let costs = bills.iter().filter_map(|bill| bill.cost.clone());
        let cost = costs.reduce(|one, two| Cost {
            micros: one.micros.saturating_add(two.micros),
            measured: one.measured && two.measured,
            currency: one.currency,
        });
        JobUsage { shared: self.shared(outputs), outputs: bills, cpu_us, cpu_remainder_us: cpu_us.map(remainder), cost }
    }

    /// What an output has to itself, and which figures of it are not known.
    fn own(&self, own: &Own, bill: &mut OutputUsage) {
        let clock = |us| Some(Figure::new(us, Method::ThreadClock));
        let is_cpu = own.on_device == 0;
        let nothing = Some(Figure::new(0, Method::Counted));
        bill.wall_us = Some(Figure::new(own.wall_us, Method::Clock));
        bill.memory_peak_bytes = own.memory_peak_bytes;
        bill.device_memory_bytes = if is_cpu { nothing } else { own.device_memory_bytes };
        bill.device_memory_bytes = bill.device_memory_bytes.filter(|_| own.untold_device_memory == 0);
        bill.energy_mj = nothing.filter(|_| is_cpu);
        bill.read_bytes = nothing.filter(|_| own.untold == 0);
        bill.made_bytes = nothing;
        bill.wasted_cpu_us = nothing.filter(|_| own.untold == 0);
        bill.wasted_device_us = nothing.filter(|_| own.untold_device == 0);
        if own.untold > 0 {
            let unknown = |stage| StageUsage { stage, cpu_us: None, device_us: nothing.filter(|_| is_cpu) };
            bill.stages.extend([Stage::Decode, Stage::Filter, Stage::Encode].map(unknown));
        } else if own.untold_device > 0 {
            let unknown = |stage| StageUsage { stage, cpu_us: clock(0), device_us: None };
            bill.stages.extend([Stage::Decode, Stage::Filter, Stage::Encode].map(unknown));
        }
        for (stage, us) in [(Stage::Package, own.package_us), (Stage::Publish, own.publish_us)] {
            if us > 0 {
                bill.stages.push(StageUsage { stage, cpu_us: clock(us), device_us: nothing });
            }
        }
    }

    /// Gives each output its part of an entry.
    fn share(&self, entry: &Entry, bills: &mut [OutputUsage], seconds: &mut [Vec<(Vec<String>, Figure)>]) {
        let device = entry.device_us.unwrap_or(Figure::new(0, Method::Counted));
        let energy = entry.energy_mj.map(|figure| (figure.method, parts(entry, figure.value, bills.len())));
        let wasted = entry.wasted_device_us.unwrap_or(Figure::new(0, Method::Counted));
        let of = |amount| parts(entry, amount, bills.len());
        let (cpu, busy, read, made) = (of(entry.cpu_us), of(device.value), of(entry.read_bytes), of(entry.made_bytes));
        let (in_vain, in_vain_device) = (of(entry.wasted_cpu_us), of(wasted.value));
        let bears = bearing(entry, bills.len());
        for (output, bill) in bills.iter_mut().enumerate().filter(|(output, _)| bears[*output]) {
            let cpu = Figure::new(cpu[output], Method::ThreadClock);
            let busy = Figure::new(busy[output], device.method);
            if entry.cpu_us > 0 || entry.device_us.is_some() {
                match bill.stages.iter_mut().find(|stage| stage.stage == entry.stage) {
                    Some(stage) => {
                        stage.cpu_us = stage.cpu_us.map(|before| before.plus(cpu));
                        stage.device_us = stage.device_us.map(|before| before.plus(busy));
                    }
                    None => {
                        let (cpu_us, device_us) = (Some(cpu), Some(busy));
                        bill.stages.push(StageUsage { stage: entry.stage, cpu_us, device_us });
                    }
                }
            }
            if entry.device_us.is_some() {
                seconds[output].push((entry.device.clone(), busy));
            }
            if let Some((method, energy)) = &energy {
                let part = Figure::new(energy[output], *method);
                bill.energy_mj = Some(bill.energy_mj.map_or(part, |before| before.plus(part)));
            }
            let add = |to: &mut Option<Figure>, value: u64, method| {
                *to = to.map(|before| before.plus(Figure::new(value, method)));
            };
            add(&mut bill.read_bytes, read[output], Method::Counted);
            add(&mut bill.made_bytes, made[output], Method::Counted);
            add(&mut bill.wasted_cpu_us, in_vain[output], Method::ThreadClock);
            add(&mut bill.wasted_device_us, in_vain_device[output], wasted.method);
        }
    }

    /// What more than one output or rendition bears, whole.
    fn shared(&self, outputs: &[Told]) -> Vec<SharedUsage> {
        let mut shared: Vec<(SharedUsage, Vec<u64>)> = Vec::new();
        let is_shared =
            |entry: &&Entry| entry.bearers.len() > 1 || entry.bearers.iter().any(|one| one.outputs.len() > 1);
        for entry in self.entries.iter().filter(is_shared).filter(|entry| entry.cpu_us > 0 || entry.device_us.is_some())
        {
            let device = entry.device_us.unwrap_or(Figure::new(0, Method::Counted));
            let basis = parts(entry, entry.cpu_us.saturating_add(device.value), outputs.len());
            let cpu = Figure::new(entry.cpu_us, Method::ThreadClock);
            match shared.iter_mut().find(|(one, _)| one.stage == entry.stage && one.what == entry.what) {
                Some((one, sum)) => {
                    one.cpu_us = one.cpu_us.map(|before| before.plus(cpu));
                    one.device_us = one.device_us.map(|before| before.plus(device));
                    sum.iter_mut().zip(basis).for_each(|(sum, part)| *sum = sum.saturating_add(part));
                }
                None => {
                    let (what, stage) = (entry.what.clone(), entry.stage);
                    let (cpu_us, device_us) = (Some(cpu), Some(device));
                    shared.push((SharedUsage { what, stage, cpu_us, device_us, shares: Vec::new() }, basis));
                }
            }
        }
        let told = shared.into_iter().map(|(mut one, sum)| {
            let ppm = split(MILLION, &sum);
            let shares = outputs.iter().zip(&sum).zip(ppm).filter(|((_, sum), _)| **sum > 0);
            one.shares = shares.map(|((told, _), ppm)| (told.id.clone(), ppm as u32)).collect();
            one
        });
        told.collect()
    }
}

/// A bill with what the daemon counts.
fn bare(told: &Told) -> OutputUsage {
    let counted = |value| Some(Figure::new(value, Method::Counted));
    OutputUsage {
        output: told.id.clone(),
        stored_bytes: told.stored_bytes.and_then(counted),
        media_us: counted(told.media_us),
        normalised_milliminutes: counted(told.normalised_milliminutes),
        ..OutputUsage::default()
    }
}

/// An amount of an entry by output: first by rendition, then in equal parts by the outputs that have it.
fn parts(entry: &Entry, amount: u64, outputs: usize) -> Vec<u64> {
    let mut sums = vec![0_u64; outputs];
    let weights: Vec<u64> = entry.bearers.iter().map(|bearer| bearer.weight).collect();
    for (bearer, part) in entry.bearers.iter().zip(split(amount, &weights)) {
        for (output, part) in bearer.outputs.iter().zip(split(part, &vec![1; bearer.outputs.len()])) {
            if let Some(sum) = sums.get_mut(*output) {
                *sum = sum.saturating_add(part);
            }
        }
    }
    sums
}

/// Which outputs bear something of an entry.
fn bearing(entry: &Entry, outputs: usize) -> Vec<bool> {
    let has = |output: usize| entry.bearers.iter().any(|bearer| bearer.outputs.contains(&output));
    (0..outputs).map(has).collect()
}
