//! What a device tells of itself, whoever asks it.

use crate::model::device::{DeviceInfo, Operation};

/// What a device told. Everything may be unknown: an old driver, a card that is partitioned, a container that hides it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reading {
    /// Encode engines, thousandths of the time of all of them, since the reading before.
    pub encode_permille: Option<u32>,
    /// Decode engines.
    pub decode_permille: Option<u32>,
    /// What filters and computes.
    pub filter_permille: Option<u32>,
    /// The same by process, where the driver tells it apart.
    pub processes: Option<Vec<ProcessUse>>,
    /// Counter of energy, mJ since some moment.
    pub energy_mj: Option<u64>,
    /// What it draws now, mW.
    pub power_mw: Option<u64>,
    /// Memory in use by all, bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in use by process, bytes.
    pub memory_by_process: Option<Vec<(u32, u64)>>,
    /// Encode sessions of all processes.
    pub encode_sessions: Option<u32>,
}

/// One process' use of a device, thousandths of the time of all engines of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ProcessUse {
    /// The process, as the driver numbers it: inside a container, as the host does.
    pub pid: u32,
    /// Decode engines.
    pub decode_permille: u32,
    /// What filters and computes.
    pub filter_permille: u32,
    /// Encode engines.
    pub encode_permille: u32,
}

impl ProcessUse {
    /// Of one operation.
    pub(super) const fn permille(&self, operation: Operation) -> u32 {
        match operation {
            Operation::Decode => self.decode_permille,
            Operation::Filter => self.filter_permille,
            Operation::Encode => self.encode_permille,
        }
    }
}

/// Something that devices can be read from.
pub trait Gauge: Send {
    /// What a device tells now; `None`: nothing at all. Blocks for as long as its driver does.
    fn read(&mut self, device: &DeviceInfo) -> Option<Reading>;
}
