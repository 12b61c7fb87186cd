//! One worker's running totals, turned into what was added since the last ones.

use super::accounts::Accounts;
use super::audience::Audience;
use crate::model::usage::{Figure, Method, Stage};
use crate::wire::v1;
use std::collections::BTreeMap;

/// Accounts that are listened to in one message: a worker parses hostile bytes.
const ACCOUNTS_MAX: usize = 1024;

/// What a worker has told so far.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Kind and model of its device; empty for the CPU alone.
    device: Vec<String>,
    cpu: BTreeMap<(String, Stage), u64>,
    busy: BTreeMap<(String, Stage), u64>,
    read: Vec<u64>,
    /// CPU time of its process that was counted already.
    process_us: u64,
    /// CPU time in its accounts.
    attributed_us: u64,
    told: bool,
    told_process: bool,
    told_device: bool,
    told_device_memory: bool,
    /// What was added to which entry since a segment was kept: CPU, device.
    since: BTreeMap<usize, (u64, Option<Figure>)>,
}

impl Attempt {
    /// A worker that begins, on a device of this kind and model (most special name first), or on the CPU alone.
    pub fn new(device: Vec<String>) -> Self {
        Self { device, ..Self::default() }
    }

    /// Names of its device.
    pub fn device(&self) -> &[String] {
        &self.device
    }

    /// The worker told what it has used since it began. Gives what it has read more of each of its sources, bytes.
    pub fn heard(&mut self, accounts: &mut Accounts, audience: &Audience, usage: &v1::Usage) -> Vec<u64> {
        self.told = true;
        for account in usage.accounts.iter().take(ACCOUNTS_MAX) {
            let Some(stage) = Stage::from_name(&account.stage) else { continue };
            let more = grown(self.cpu.entry((account.track.clone(), stage)).or_default(), account.cpu_us);
            if more > 0 {
                let at = accounts.entry(audience, &account.track, stage, &self.device);
                accounts.entries[at].cpu_us = accounts.entries[at].cpu_us.saturating_add(more);
                let since = self.since.entry(at).or_default();
                since.0 = since.0.saturating_add(more);
                self.attributed_us = self.attributed_us.saturating_add(more);
            }
        }
        for account in usage.device.iter().take(ACCOUNTS_MAX) {
            let known = Stage::from_name(&account.operation).zip(Method::from_name(&account.method));
            let Some((stage, method)) = known else { continue };
            let more = grown(self.busy.entry((account.track.clone(), stage)).or_default(), account.busy_us);
            self.device_used(accounts, audience, &account.track, stage, Figure::new(more, method));
        }
        if let Some(us) = usage.cpu_us {
            self.told_process = true;
            self.process(accounts, us);
        }
        // Who told of the device's engines told of its memory too.
        let told = usage.device.iter().find_map(|account| Method::from_name(&account.method));
        let device =
            usage.device_memory_peak_bytes.map(|bytes| Figure::new(bytes, told.unwrap_or(Method::DeviceEngine)));
        self.peaks(accounts, audience, usage.memory_peak_bytes, device);
        self.reads(accounts, audience, &usage.read_bytes)
    }

    /// The worker's device was busy so much longer, µs, for a rendition, or for all of the order where `track` is empty; as
    /// the worker told, or as the daemon has found out.
    pub fn device_used(
        &mut self,
        accounts: &mut Accounts,
        audience: &Audience,
        track: &str,
        stage: Stage,
        figure: Figure,
    ) {
        self.told_device = true;
        let at = accounts.entry(audience, track, stage, &self.device);
        let entry = &mut accounts.entries[at];
        entry.device_us = Some(entry.device_us.map_or(figure, |before| before.plus(figure)));
        let since = self.since.entry(at).or_default();
        since.1 = Some(since.1.map_or(figure, |before| before.plus(figure)));
    }

    /// Energy of the worker's device above idle that was used for the order, mJ.
    pub fn energy_used(&self, accounts: &mut Accounts, audience: &Audience, figure: Figure) {
        let at = accounts.entry(audience, "", Stage::Encode, &self.device);
        let entry = &mut accounts.entries[at];
        entry.energy_mj = Some(entry.energy_mj.map_or(figure, |before| before.plus(figure)));
    }

    /// So much of the device's memory was held for the order at one time, bytes.
    pub fn device_memory(&mut self, accounts: &mut Accounts, audience: &Audience, figure: Figure) {
        self.peaks(accounts, audience, None, Some(figure));
    }

    /// Segments up to here are kept, so that the work for them was not in vain.
    pub fn kept(&mut self) {
        self.since.clear();
    }

    /// What the kernel says of the process once it is gone: CPU time, µs, and most resident memory, bytes.
    pub fn gone(&mut self, accounts: &mut Accounts, audience: &Audience, cpu_us: u64, memory_peak: Option<u64>) {
        self.told_process = true;
        self.process(accounts, cpu_us);
        self.peaks(accounts, audience, memory_peak, None);
    }

    /// The worker is gone; `in_vain` when what it had begun is made again or not at all.
    pub fn ended(self, accounts: &mut Accounts, audience: &Audience, in_vain: bool) {
        accounts.workers_unknown += u32::from(!self.told_process);
        if in_vain {
            for (at, (cpu_us, device_us)) in self.since {
                let entry = &mut accounts.entries[at];
                entry.wasted_cpu_us = entry.wasted_cpu_us.saturating_add(cpu_us);
                if let Some(figure) = device_us {
                    entry.wasted_device_us = Some(entry.wasted_device_us.map_or(figure, |before| before.plus(figure)));
                }
            }
        }
        let on_device = !self.device.is_empty();
        for output in audience.outputs() {
            let own = accounts.own.entry(output).or_default();
            // One that died before its first word is in the remainder, and what it did in nobody's account.
            own.untold += u32::from(!self.told && !in_vain);
            own.untold_device += u32::from(on_device && !self.told_device && !in_vain);
            own.untold_device_memory += u32::from(on_device && !self.told_device_memory && !in_vain);
            own.on_device += u32::from(on_device);
        }
    }

    /// The process's CPU time so far. What the threads' clocks say together is never more than the whole, whatever the
    /// two clocks' grains.
    fn process(&mut self, accounts: &mut Accounts, us: u64) {
        let us = us.max(self.attributed_us);
        accounts.workers_us = accounts.workers_us.saturating_add(grown(&mut self.process_us, us));
    }

    fn peaks(&mut self, accounts: &mut Accounts, audience: &Audience, memory: Option<u64>, device: Option<Figure>) {
        self.told_device_memory |= device.is_some();
        let memory = memory.map(|bytes| Figure::new(bytes, Method::Process));
        accounts.peaks(&audience.outputs(), memory, device);
    }

    fn reads(&mut self, accounts: &mut Accounts, audience: &Audience, read: &[u64]) -> Vec<u64> {
        let read = &read[..read.len().min(ACCOUNTS_MAX)];
        self.read.resize(self.read.len().max(read.len()), 0);
        let more: Vec<u64> = read.iter().zip(&mut self.read).map(|(now, before)| grown(before, *now)).collect();
        let sum = more.iter().copied().fold(0, u64::saturating_add);
        if sum > 0 {
            let at = accounts.entry(audience, "", Stage::Decode, &self.device);
            accounts.entries[at].read_bytes = accounts.entries[at].read_bytes.saturating_add(sum);
        }
        more
    }
}

/// By how much a running total has grown. One that falls is a worker's mistake, and counts for nothing.
fn grown(before: &mut u64, now: u64) -> u64 {
    let more = now.saturating_sub(*before);
    *before = (*before).max(now);
    more
}
