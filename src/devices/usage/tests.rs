//! Meters over gauges that tests turn.

use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};

/// A card with so many engines.
pub(super) fn card(id: &str, encode_engines: u32, decode_engines: u32) -> DeviceInfo {
    DeviceInfo {
        id: DeviceId(format!("cuda:{id}")),
        kind: DeviceKind::Cuda,
        name: "Card".into(),
        driver: "550.54.14".into(),
        address: "0".into(),
        model: "Card".into(),
        memory_mib: 16_000,
        encode_engines,
        decode_engines,
        sessions_counted: true,
        threads: 0,
        simulated: false,
        abilities: Vec::new(),
    }
}
