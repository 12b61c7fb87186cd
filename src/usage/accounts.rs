//! What was used, by who bears it: kept beside the job, so that it grows over attempts, restarts and retries.

use super::audience::{Audience, Bearer};
use crate::model::bill::JobUsage;
use crate::model::usage::{Figure, Method, Stage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Entries at most: work of each rendition by stage, and again for each set of outputs that wanted it. What is beyond is
/// added to an entry of the same stage, so nothing is lost but who of them bears it.
const ENTRIES_MAX: usize = 4096;

/// Work of one kind that the same outputs bear in the same parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) what: String,
    pub(super) stage: Stage,
    /// Kind and model of the device where one took part, most special first; empty for the CPU alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) device: Vec<String>,
    pub(super) bearers: Vec<Bearer>,
    pub(super) cpu_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device_us: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) energy_mj: Option<Figure>,
    #[serde(default)]
    pub(super) read_bytes: u64,
    #[serde(default)]
    pub(super) made_bytes: u64,
    #[serde(default)]
    pub(super) wasted_cpu_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wasted_device_us: Option<Figure>,
}

/// What belongs to one output alone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) wall_us: u64,
    pub(super) package_us: u64,
    pub(super) publish_us: u64,
    pub(super) memory_peak_bytes: Option<Figure>,
    pub(super) device_memory_bytes: Option<Figure>,
    /// Workers that finished without having told what they used.
    pub(super) untold: u32,
    /// Workers on a device that told nothing of it.
    pub(super) untold_device: u32,
    pub(super) untold_device_memory: u32,
    /// Workers that ran on a device.
    pub(super) on_device: u32,
}

/// What a job has used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Accounts {
    pub(super) entries: Vec<Entry>,
    pub(super) own: BTreeMap<usize, Own>,
    /// CPU time of worker processes, as the kernel counts it.
    pub(super) workers_us: u64,
    /// Workers of which that is not known.
    pub(super) workers_unknown: u32,
}

/// What is stored of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What everything follows from.
    pub accounts: Accounts,
    /// What followed from it then.
    pub bill: JobUsage,
}

impl Accounts {
    /// The entry of some work; made where there is none.
    pub(super) fn entry(&mut self, audience: &Audience, track: &str, stage: Stage, device: &[String]) -> usize {
        let (what, bearers) = (audience.what(track, stage), audience.bearers(track, stage));
        let same = |entry: &Entry| {
            entry.stage == stage && entry.what == what && entry.device == device && entry.bearers == bearers
        };
        if let Some(at) = self.entries.iter().position(same) {
            return at;
        }
        if self.entries.len() >= ENTRIES_MAX
            && let Some(at) = self.entries.iter().position(|entry| entry.stage == stage && entry.device == device)
        {
            return at;
        }
        self.entries.push(Entry {
            what,
            stage,
            device: device.to_vec(),
            bearers,
            cpu_us: 0,
            device_us: None,
            energy_mj: None,
            read_bytes: 0,
            made_bytes: 0,
            wasted_cpu_us: 0,
            wasted_device_us: None,
        });
        self.entries.len() - 1
    }

    /// A segment of a rendition was made, in all its packagings.
    pub fn made(&mut self, audience: &Audience, rendition: &str, bytes: u64) {
        let at = self.entry(audience, rendition, Stage::Encode, &[]);
        let entry = &mut self.entries[at];
        entry.made_bytes = entry.made_bytes.saturating_add(bytes);
    }

    /// An output was worked for so much longer, µs.
    pub fn wall(&mut self, output: usize, us: u64) {
        let own = self.own.entry(output).or_default();
        own.wall_us = own.wall_us.saturating_add(us);
    }

    /// The daemon spent so much more CPU time on an output's packaging and publishing, µs.
    pub fn published(&mut self, output: usize, package_us: u64, publish_us: u64) {
        let own = self.own.entry(output).or_default();
        own.package_us = own.package_us.saturating_add(package_us);
        own.publish_us = own.publish_us.saturating_add(publish_us);
    }

    /// A worker had so much memory at a time, and so much of a device's.
    pub(super) fn peaks(&mut self, outputs: &[usize], memory: Option<Figure>, device: Option<Figure>) {
        let larger = |one: Option<Figure>, two: Option<Figure>| match (one, two) {
            (Some(one), Some(two)) if one.value >= two.value => Some(one),
            (one, two) => two.or(one),
        };
        for output in outputs {
            let own = self.own.entry(*output).or_default();
            own.memory_peak_bytes = larger(own.memory_peak_bytes, memory);
            own.device_memory_bytes = larger(own.device_memory_bytes, device);
        }
    }

    /// CPU time of entries.
    pub(super) fn attributed_us(&self) -> u64 {
        self.entries.iter().map(|entry| entry.cpu_us).fold(0, u64::saturating_add)
    }

    /// CPU time of the job, µs: of its workers as the kernel counts it, and of the daemon for it.
    pub fn cpu_us(&self) -> Option<Figure> {
        let daemon = self.own.values().map(|own| own.package_us.saturating_add(own.publish_us));
        let workers = Figure::new(self.workers_us, Method::Process);
        let daemon = Figure::new(daemon.fold(0, u64::saturating_add), Method::ThreadClock);
        (self.workers_unknown == 0).then(|| workers.plus(daemon))
    }
}
