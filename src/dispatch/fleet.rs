//! The devices of the node, as jobs and the scheduler know them.
//!
//! Owned by the loop, which changes it when devices are found, vanish or return; jobs read the latest state of it. A device
//! keeps its number for as long as the process lives, so that leases find it again when it returns.

use crate::model::device::{DeviceFault, DeviceId, DeviceInfo, DeviceKind};
use reelmill_scheduler::{
    CPU_THREADS, DECODE_SHARE, DEVICE_MEMORY_MIB, Device, DeviceId as Number, ENCODE_SHARE, Event, HOST_MEMORY_MIB,
    KindId, NVENC_SESSIONS, Vector,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Thousandths of an engine.
pub(super) const ENGINE: u64 = 1000;
/// Of a device's engines, what jobs may hold, percent. An engine that is busy all the time makes everybody's frames wait:
/// from about nine tenths on, queues grow faster than what is done.
const ENGINES_PERCENT: u64 = 85;
/// Of a device's memory, what jobs may take, percent: the driver and others need some.
const MEMORY_PERCENT: u64 = 85;
/// Of the host's memory, what jobs may take, percent.
const HOST_MEMORY_PERCENT: u64 = 85;
/// Memory of a device that does not say how much it has, MiB: no limit.
const UNKNOWN_MEMORY_MIB: u64 = 1 << 30;

/// Thousandths of engines that jobs may hold.
pub(super) const fn usable(engines: u64) -> u64 {
    engines * ENGINE * ENGINES_PERCENT / 100
}

/// A device that was found at some time.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) number: Number,
    pub(super) kind: KindId,
    pub(super) info: DeviceInfo,
    pub(super) up: bool,
}

/// All devices but the CPU, and the CPU.
#[derive(Clone, Debug, Default)]
pub(super) struct Fleet {
    cpu: Option<DeviceInfo>,
    devices: Vec<Known>,
    kinds: Vec<String>,
}

/// What makes streams that join: devices of equal model and driver, driven alike. Stable over restarts.
pub(super) fn kind_of(info: &DeviceInfo) -> String {
    format!("{}/{}/{}", info.kind.name(), info.model, info.driver)
}

impl Fleet {
    /// What is known of the CPU.
    pub(super) fn cpu(&self) -> Option<&DeviceInfo> {
        self.cpu.as_ref()
    }

    /// Devices that are there.
    pub(super) fn up(&self) -> impl Iterator<Item = &Known> {
        self.devices.iter().filter(|known| known.up)
    }

    /// Everything there is, the CPU first.
    pub(super) fn infos(&self) -> impl Iterator<Item = &DeviceInfo> {
        self.cpu.iter().chain(self.up().map(|known| &known.info))
    }

    /// The device of a number, there or not.
    pub(super) fn of(&self, number: Number) -> Option<&Known> {
        self.devices.iter().find(|known| known.number == number)
    }

    /// Takes over what was found. Devices that are not among it are gone. What the scheduler is to be told.
    pub(super) fn found(&mut self, infos: Vec<DeviceInfo>) -> Vec<Event> {
        let mut events = Vec::new();
        for known in &mut self.devices {
            if known.up && !infos.iter().any(|info| info.id == known.info.id) {
                known.up = false;
                events.push(Event::DeviceDown { device: known.number });
            }
        }
        for info in infos {
            if info.kind == DeviceKind::Cpu {
                self.cpu = Some(info);
            } else {
                events.extend(self.add(info));
            }
        }
        events
    }

    fn add(&mut self, info: DeviceInfo) -> Vec<Event> {
        let kind = kind_of(&info);
        let place = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        });
        let kind = KindId(place as u32);
        let mut events = Vec::new();
        let old = self.devices.iter_mut().find(|known| known.info.id == info.id);
        let number = match old {
            Some(known) if known.kind == kind => {
                (known.info, known.up) = (info, true);
                known.number
            }
            old => {
                // The same card with another driver counts as another device.
                if let Some(known) = old {
                    known.info.id = DeviceId(format!("{} (before)", known.info.id));
                    if std::mem::take(&mut known.up) {
                        events.push(Event::DeviceDown { device: known.number });
                    }
                }
                let number = Number(self.devices.len() as u32);
                self.devices.push(Known { number, kind, info, up: true });
                number
            }
        };
        let device = self.of(number).map(|known| Device { id: number, kind, capacity: capacity(&known.info) });
        events.extend(device.map(|device| Event::DeviceUp { device }));
        events
    }

    /// A device is lost; true when it was there.
    pub(super) fn lost(&mut self, number: Number) -> bool {
        let known = self.devices.iter_mut().find(|known| known.number == number && known.up);
        known.is_some_and(|known| std::mem::replace(&mut known.up, false))
    }

    /// What the host has, of which `threads` may be kept busy.
    pub(super) fn host(&self, threads: u32) -> Vector {
        let memory = self.cpu.as_ref().map_or(0, |cpu| cpu.memory_mib) * HOST_MEMORY_PERCENT / 100;
        let sessions = self.up().filter(|known| known.info.sessions_counted).map(|known| sessions(&known.info.driver));
        Vector::of(CPU_THREADS, u64::from(threads.max(1)))
            .with(HOST_MEMORY_MIB, memory)
            .with(NVENC_SESSIONS, sessions.min().unwrap_or(0))
    }
}

fn capacity(info: &DeviceInfo) -> Vector {
    let memory = if info.memory_mib == 0 { UNKNOWN_MEMORY_MIB } else { info.memory_mib * MEMORY_PERCENT / 100 };
    Vector::of(ENCODE_SHARE, usable(u64::from(info.encode_engines)))
        .with(DECODE_SHARE, usable(u64::from(info.decode_engines)))
        .with(DEVICE_MEMORY_MIB, memory)
}

/// Encode sessions that a driver of NVIDIA allows on cards that it counts, over the host. A prior: what it refuses is
/// learned from.
fn sessions(driver: &str) -> u64 {
    let digits = driver.find(|c: char| c.is_ascii_digit()).map_or("", |at| &driver[at..]);
    let major: String = digits.chars().take_while(char::is_ascii_digit).collect();
    match major.parse::<u32>().unwrap_or(0) {
        0..530 => 3,
        530..550 => 5,
        550..590 => 8,
        _ => 12,
    }
}

/// The devices as they are now, for many readers.
#[derive(Debug, Default)]
pub(super) struct Devices(Mutex<Arc<Fleet>>);

impl Devices {
    pub(super) fn now(&self) -> Arc<Fleet> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, fleet: Fleet) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fleet);
    }
}

/// What a failure of a device is called in what people read.
pub(super) const fn said(fault: DeviceFault) -> &'static str {
    match fault {
        DeviceFault::SessionLimit => "its driver allows no more encode sessions",
        DeviceFault::Missing => "it, or its driver, is not there",
        DeviceFault::DriverTooOld => "its driver is too old",
        DeviceFault::Unsupported => "it cannot do this",
        DeviceFault::FrameSize => "it does not take pictures of this size",
        DeviceFault::OutOfMemory => "its memory is full",
        DeviceFault::SurfacePool => "its decoder ran out of surfaces",
        DeviceFault::Busy => "it was busy",
        DeviceFault::Lost => "it failed in mid-stream",
        DeviceFault::Hung => "it stopped answering",
        DeviceFault::Truncated => "less came out of it than went in",
        DeviceFault::Corrupt => "what it made is not what was to be made",
        DeviceFault::SoftwareFallback => "its decoder fell back to software",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A card with one encoder and two decoders.
    pub(crate) fn card(id: &str, model: &str) -> DeviceInfo {
        DeviceInfo {
            id: DeviceId(format!("cuda:{id}")),
            kind: DeviceKind::Cuda,
            name: model.into(),
            driver: "550.54.14".into(),
            address: "0".into(),
            model: model.into(),
            memory_mib: 16_000,
            encode_engines: 1,
            decode_engines: 2,
            sessions_counted: true,
            threads: 0,
            simulated: true,
            built: None,
            abilities: Vec::new(),
        }
    }

    #[test]
    fn a_device_keeps_its_number_while_it_is_gone_and_alike_ones_are_of_one_kind() {
        let mut fleet = Fleet::default();
        let events = fleet.found(vec![card("a", "T4"), card("b", "T4"), card("c", "L4")]);
        assert_eq!(events.len(), 3);
        assert_eq!(fleet.devices[0].kind, fleet.devices[1].kind);
        assert_ne!(fleet.devices[0].kind, fleet.devices[2].kind);
        assert_eq!(fleet.host(4).get(&NVENC_SESSIONS), 8);
        let events = fleet.found(vec![card("a", "T4"), card("c", "L4")]);
        assert!(events.contains(&Event::DeviceDown { device: Number(1) }), "{events:?}");
        assert_eq!(fleet.up().count(), 2);
        let events = fleet.found(vec![card("b", "T4")]);
        let up = |event: &Event| matches!(event, Event::DeviceUp { device } if device.id == Number(1));
        assert!(events.iter().any(up), "{events:?}");
        assert!(fleet.lost(Number(1)) && !fleet.lost(Number(1)));
        assert_eq!(fleet.host(4).get(&NVENC_SESSIONS), 0);
    }

    #[test]
    fn another_driver_makes_another_device() {
        let mut fleet = Fleet::default();
        fleet.found(vec![card("a", "T4")]);
        fleet.found(vec![DeviceInfo { driver: "590.1".into(), ..card("a", "T4") }]);
        let up: Vec<_> = fleet.up().map(|known| (known.number, known.kind)).collect();
        assert_eq!(up, [(Number(1), KindId(1))]);
        assert_eq!(fleet.host(1).get(&NVENC_SESSIONS), 12);
    }

    #[test]
    fn the_session_cap_follows_the_drivers_version() {
        for (driver, cap) in [("470.223", 3), ("535.1", 5), ("NVIDIA 570.86.15", 8), ("595.1", 12), ("", 3)] {
            assert_eq!(sessions(driver), cap, "{driver}");
        }
    }
}
