//! Which faults of a device's list a session meets, and when. Decided when it is opened, by its number and by chance.

use super::spec::{Device, FaultSpec};
use crate::model::simulated::Opening;

/// The faults of one device.
#[derive(Debug)]
pub(super) struct Faults {
    /// How often each has happened.
    happened: Vec<u64>,
}

/// A fault that a session will meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Armed {
    /// Its place in the device's list.
    pub(super) index: usize,
    /// At which picture; 0 when the session is opened.
    pub(super) frame: u64,
}

impl Faults {
    pub(super) fn new(device: &Device) -> Self {
        Self { happened: vec![0; device.faults.len()] }
    }

    /// What the session that is opened as this device's `number`th of its operation will meet.
    pub(super) fn arm(
        &self,
        device: &Device,
        opening: &Opening,
        number: u64,
        chance: &mut fastrand::Rng,
    ) -> Vec<Armed> {
        let meets = |fault: &FaultSpec| {
            fault.operation.is_none_or(|operation| operation == opening.operation)
                && fault.what.concerns(opening.operation)
                && fault.codec.as_ref().is_none_or(|codec| *codec == opening.codec)
                && fault.open.is_none_or(|open| open == number)
        };
        let mut armed = Vec::new();
        for (index, fault) in device.faults.iter().enumerate().filter(|(_, fault)| meets(fault)) {
            if fault.percent == 100 || chance.u8(0..100) < fault.percent {
                armed.push(Armed { index, frame: fault.frame });
            }
        }
        armed
    }

    /// Whether an armed fault happens now; it is counted.
    pub(super) fn happens(&mut self, device: &Device, armed: Armed) -> bool {
        let happened = &mut self.happened[armed.index];
        let may = device.faults[armed.index].times.is_none_or(|times| *happened < times);
        *happened += u64::from(may);
        may
    }
}
