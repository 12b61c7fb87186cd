//! What a part's device did, put down to its outputs; and what outputs have used, counted for Prometheus.

use super::Job;
use super::parts::Running;
use super::usage::Spending;
use crate::devices::usage::DeviceUse;
use crate::model::bill::JobUsage;
use crate::model::device::Operation;
use crate::model::usage::{Figure, Stage};
use crate::usage::Accounts;
use reelmill_scheduler::SpanId;
use std::collections::BTreeMap;

/// What was taken over of a device's running totals.
#[derive(Debug, Default)]
pub(super) struct Taken {
    busy: BTreeMap<(String, Operation), u64>,
    energy_mj: u64,
}

/// What is new since the last time.
#[derive(Debug, Default)]
struct More {
    busy_us: BTreeMap<Operation, u64>,
    energy_mj: u64,
}

impl Job {
    /// Puts down to those who want something of a part what its device has done for it since the last time. Where the
    /// worker tells that by itself, that is what counts.
    pub(super) fn bill_device(&mut self, index: usize) {
        let used = self.parts[index].observed.as_ref().map(super::observe::Observed::device_use).unwrap_or_default();
        let Some(Running { spending, .. }) = self.running.get_mut(&SpanId(index as u32)) else { return };
        if used.is_empty() || spending.told_of_device {
            return;
        }
        let more = spending.device(&mut self.spent.accounts, &used);
        let Some(ran) = &self.parts[index].ran else { return };
        let metrics = &self.settings.telemetry.metrics;
        for (operation, us) in more.busy_us {
            metrics.device_used(&ran.id.0, operation.name(), us);
        }
        if more.energy_mj > 0 {
            metrics.device_energy(&ran.id.0, more.energy_mj);
        }
    }

    /// Counts what a bill has more than the one before.
    pub(super) fn count_usage(&mut self, bill: &JobUsage) {
        let metrics = &self.settings.telemetry.metrics;
        let mut all = 0;
        for (stage, us) in by_stage(bill) {
            let counted = self.spent.counted.entry(stage).or_default();
            let more = us.saturating_sub(*counted);
            *counted = us.max(*counted);
            if more > 0 {
                metrics.used(stage, more);
                all += more;
            }
        }
        if all > 0 {
            metrics.owner_used(&self.keeper.record.spec.owner, all);
        }
    }
}

impl Spending {
    /// Takes over what a device has done so far, by rendition.
    fn device(&mut self, accounts: &mut Accounts, used: &BTreeMap<String, DeviceUse>) -> More {
        let Self { attempt, audience, taken, .. } = self;
        let mut more = More::default();
        for (rendition, used) in used {
            let figures = [
                (Operation::Decode, Stage::Decode, used.decode_us),
                (Operation::Filter, Stage::Filter, used.filter_us),
                (Operation::Encode, Stage::Encode, used.encode_us),
            ];
            for (operation, stage, figure) in figures {
                let Some(Figure { value, method }) = figure else { continue };
                let before = taken.busy.entry((rendition.clone(), operation)).or_default();
                let us = value.saturating_sub(*before);
                *before = value.max(*before);
                attempt.device_used(accounts, audience, rendition, stage, Figure::new(us, method));
                *more.busy_us.entry(operation).or_default() += us;
            }
        }
        let sum = |of: fn(&DeviceUse) -> Option<Figure>| used.values().filter_map(of).reduce(Figure::plus);
        if let Some(memory) = sum(|used| used.memory_bytes) {
            attempt.device_memory(accounts, audience, memory);
        }
        if let Some(Figure { value, method }) = sum(|used| used.energy_mj) {
            more.energy_mj = value.saturating_sub(taken.energy_mj);
            taken.energy_mj = value.max(taken.energy_mj);
            attempt.energy_used(accounts, audience, Figure::new(more.energy_mj, method));
        }
        more
    }
}

/// CPU time of all outputs, µs, by stage.
pub(super) fn by_stage(bill: &JobUsage) -> BTreeMap<Stage, u64> {
    let mut sums = BTreeMap::new();
    for stage in bill.outputs.iter().flat_map(|output| &output.stages) {
        let sum: &mut u64 = sums.entry(stage.stage).or_default();
        *sum = sum.saturating_add(stage.cpu_us.map_or(0, |figure| figure.value));
    }
    sums
}
