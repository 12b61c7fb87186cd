//! Devices, and the ways in which a span may run on them.

use crate::vector::Vector;
use std::fmt;
use std::sync::Arc;

/// Names a device; chosen by the caller, and not used for another one later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId(pub u32);

/// Names a kind of devices that are interchangeable: same model, driver and abilities, so that what one of them encodes
/// can be gone on with on another without a change of encoder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KindId(pub u32);

/// A device with what there is of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Names it.
    pub id: DeviceId,
    /// Its kind.
    pub kind: KindId,
    /// How much it has of each dimension of its own.
    pub capacity: Vector,
}

/// Something that a device does and may fail at, apart from its other abilities: `decode.hevc`, `encode.h264`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ability(pub Arc<str>);

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The position of a group in its job's list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u32);

/// One way to run a span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The kind of device it needs; `None` for one that the host does alone.
    pub kind: Option<KindId>,
    /// What it relies on the device for. A device that was set aside for one of these is not chosen.
    pub abilities: Vec<Ability>,
    /// What it holds of the device while it runs.
    pub device: Vector,
    /// What it holds of the host while it runs, of what a driver counts over the host too.
    pub host: Vector,
    /// Choices of a group with equal identity make streams that join; others do not. Once a span of the group has begun
    /// by one, the rest of the group keeps to its identity, until the group is changed.
    pub identity: u32,
    /// About how long a span takes by it, ms; 0: not known.
    pub run_ms: u64,
}

/// The ways in which the spans of a group may run, best first. The first that fits is taken, unless waiting for a better
/// one is expected to end sooner.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Group {
    /// At least one.
    pub choices: Vec<Choice>,
}

impl Group {
    /// A group whose spans need no device.
    pub fn on_host(host: Vector) -> Self {
        let choice = Choice { kind: None, abilities: vec![], device: Vector::default(), host, identity: 0, run_ms: 0 };
        Self { choices: vec![choice] }
    }
}
