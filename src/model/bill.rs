//! What outputs have cost: the figures of [`super::usage`], output by output, as they are told and stored.

use super::job::JobId;
use super::usage::{Figure, Method, Stage, plus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// ISO 4217.
    pub currency: String,
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// Every figure that it is made of was measured; false also where one is not known.
    pub measured: bool,
}

/// What one stage has cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StageUsage {
    /// Which.
    pub stage: Stage,
    /// CPU time, µs.
    pub cpu_us: Option<Figure>,
    /// Busy time of a device's engines, µs.
    pub device_us: Option<Figure>,
}

/// What an output has cost, all attempts included. Work that several outputs share is shared out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OutputUsage {
    /// Its id.
    pub output: String,
    /// Time in which it was worked for, µs.
    pub wall_us: Option<Figure>,
    /// By stage, in order; those that had something to do.
    pub stages: Vec<StageUsage>,
    /// Most memory of one of the processes that made it, bytes.
    pub memory_peak_bytes: Option<Figure>,
    /// Most memory of a device that was held for it, bytes.
    pub device_memory_bytes: Option<Figure>,
    /// Energy of devices above idle, mJ.
    pub energy_mj: Option<Figure>,
    /// Bytes read of sources.
    pub read_bytes: Option<Figure>,
    /// Bytes of segments that were made, those made again included.
    pub made_bytes: Option<Figure>,
    /// Bytes that are stored.
    pub stored_bytes: Option<Figure>,
    /// Media published, over all tracks, µs.
    pub media_us: Option<Figure>,
    /// Weighted media time, thousandths of a minute.
    pub normalised_milliminutes: Option<Figure>,
    /// CPU time of attempts whose work was thrown away, µs; part of the stages.
    pub wasted_cpu_us: Option<Figure>,
    /// The same of devices.
    pub wasted_device_us: Option<Figure>,
    /// By the price table; `None` where there is none.
    pub cost: Option<Cost>,
}

/// Work that was done once for several outputs or renditions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SharedUsage {
    /// What: `decode of source-1`, `filter of 1080p`.
    pub what: String,
    /// Its stage.
    pub stage: Stage,
    /// CPU time, µs.
    pub cpu_us: Option<Figure>,
    /// Busy time of a device's engines, µs.
    pub device_us: Option<Figure>,
    /// Outputs by id, and millionths of the whole.
    pub shares: Vec<(String, u32)>,
}

/// What a job has cost.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct JobUsage {
    /// Its outputs.
    pub outputs: Vec<OutputUsage>,
    /// What was shared, unshared.
    pub shared: Vec<SharedUsage>,
    /// CPU time of all worker processes, µs.
    pub cpu_us: Option<Figure>,
    /// What of that stands in no output, µs.
    pub cpu_remainder_us: Option<Figure>,
    /// The sum over its outputs.
    pub cost: Option<Cost>,
}

/// The bill of an output whose job has ended: it outlives the job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsageRow {
    /// The job.
    pub job: JobId,
    /// Index of the output in it.
    pub output: usize,
    /// Whose job it was.
    pub owner: String,
    /// The client's own name for it.
    pub reference_id: String,
    /// The client's words for it.
    pub labels: BTreeMap<String, String>,
    /// When the job ended, ms since 1970.
    pub ended_unix_ms: i64,
    /// The figures.
    pub usage: OutputUsage,
}

impl OutputUsage {
    /// CPU time over all stages, µs; `None` when one is not known, 0 when nothing was done.
    pub fn cpu_us(&self) -> Option<Figure> {
        total(self.stages.iter().map(|stage| stage.cpu_us))
    }

    /// Busy time of devices over all stages, µs; `None` when one is not known.
    pub fn device_us(&self) -> Option<Figure> {
        total(self.stages.iter().map(|stage| stage.device_us))
    }

    /// Adds another output's figures: sums, but of peaks the larger. Costs are left to the caller, who knows of currencies.
    pub fn add(&mut self, other: &Self) {
        for theirs in &other.stages {
            match self.stages.iter_mut().find(|ours| ours.stage == theirs.stage) {
                Some(ours) => {
                    ours.cpu_us = plus(ours.cpu_us, theirs.cpu_us);
                    ours.device_us = plus(ours.device_us, theirs.device_us);
                }
                None => self.stages.push(*theirs),
            }
        }
        self.stages.sort_by_key(|stage| stage.stage);
        let peak = |one: Option<Figure>, two: Option<Figure>| match (one, two) {
            (Some(one), Some(two)) => Some(if two.value > one.value { two } else { one }),
            _ => None,
        };
        self.memory_peak_bytes = peak(self.memory_peak_bytes, other.memory_peak_bytes);
        self.device_memory_bytes = peak(self.device_memory_bytes, other.device_memory_bytes);
        self.wall_us = plus(self.wall_us, other.wall_us);
        self.energy_mj = plus(self.energy_mj, other.energy_mj);
        self.read_bytes = plus(self.read_bytes, other.read_bytes);
        self.made_bytes = plus(self.made_bytes, other.made_bytes);
        self.stored_bytes = plus(self.stored_bytes, other.stored_bytes);
        self.media_us = plus(self.media_us, other.media_us);
        self.normalised_milliminutes = plus(self.normalised_milliminutes, other.normalised_milliminutes);
        self.wasted_cpu_us = plus(self.wasted_cpu_us, other.wasted_cpu_us);
        self.wasted_device_us = plus(self.wasted_device_us, other.wasted_device_us);
    }
}

/// Adds a cost to those of its currency.
pub fn add_cost(costs: &mut Vec<Cost>, cost: &Cost) {
    match costs.iter_mut().find(|known| known.currency == cost.currency) {
        Some(known) => {
            known.micros = known.micros.saturating_add(cost.micros);
            known.measured &= cost.measured;
        }
        None => costs.push(cost.clone()),
    }
}

fn total(mut figures: impl Iterator<Item = Option<Figure>>) -> Option<Figure> {
    figures.try_fold(Figure::new(0, Method::Counted), |sum, next| Some(sum.plus(next?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_unknown_where_a_part_is_and_a_peak_is_the_larger() {
        let figure = |value| Some(Figure::new(value, Method::ThreadClock));
        let stage = |stage, cpu_us| StageUsage { stage, cpu_us, device_us: None };
        let mut one = OutputUsage {
            stages: vec![stage(Stage::Encode, figure(5))],
            memory_peak_bytes: figure(10),
            read_bytes: figure(1),
            ..OutputUsage::default()
        };
        let two = OutputUsage {
            stages: vec![stage(Stage::Decode, figure(2)), stage(Stage::Encode, figure(7))],
            memory_peak_bytes: figure(4),
            ..OutputUsage::default()
        };
        one.add(&two);
        assert_eq!(one.cpu_us(), figure(14));
        assert_eq!(one.stages[0].stage, Stage::Decode);
        assert_eq!((one.memory_peak_bytes, one.read_bytes, one.device_us()), (figure(10), None, None));
    }
}
