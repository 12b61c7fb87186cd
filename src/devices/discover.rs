//! What devices this box has, without touching a driver that could crash: NVML, the kernel's files, the processor.

use super::{cpu, drm, nvidia};
use crate::model::DeviceChoice;
use crate::model::choice::Wanted;
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the system tells of itself. Tests give trees of their own.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// NVML's library; `None` for the one that the system's loader finds.
    pub nvml: Option<PathBuf>,
    /// Where the library of CUDA may lie.
    pub libraries: Vec<PathBuf>,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            dev: "/dev".into(),
            nvml: None,
            libraries: nvidia::library_dirs(),
        }
    }
}

/// Something that a person should know about a device, or about one that is not there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// The device; `None` where it is about none that was found.
    pub device: Option<DeviceId>,
    /// Stable, dotted; listed in `docs/SPECIFICATION.md`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do, in one sentence.
    pub remedy: String,
}

impl Note {
    pub(super) fn new(device: Option<&DeviceId>, code: &str, message: impl Into<String>, remedy: &str) -> Self {
        Self { device: device.cloned(), code: code.to_owned(), message: message.into(), remedy: remedy.to_owned() }
    }
}

/// What was found. The CPU is always first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Discovery {
    /// Devices, with no abilities yet.
    pub devices: Vec<DeviceInfo>,
    /// What to know about them.
    pub notes: Vec<Note>,
}

impl Discovery {
    pub(super) fn note(&mut self, device: Option<&DeviceId>, code: &str, message: impl Into<String>, remedy: &str) {
        self.notes.push(Note::new(device, code, message, remedy));
    }

    /// What was asked for by name and is not there.
    pub fn is_missing(&self) -> bool {
        self.notes.iter().any(|note| note.code == NOT_FOUND)
    }
}

const NOT_FOUND: &str = "device.not_found";

/// Looks at this box for what the choice lets be used. Simulated devices are not looked for here.
pub fn discover(choice: &DeviceChoice) -> Discovery {
    discover_at(choice, &Roots::default())
}

/// The same for other roots.
pub fn discover_at(choice: &DeviceChoice, roots: &Roots) -> Discovery {
    let mut found = Discovery { devices: vec![cpu::describe(roots)], notes: Vec::new() };
    if choice.allows(DeviceKind::Cuda) {
        nvidia::describe(roots, &mut found);
    }
    if choice.allows(DeviceKind::Vaapi) {
        drm::describe(roots, &mut found);
    }
    if let DeviceChoice::Only(list) = choice {
        only(list, &mut found);
    }
    found
}

/// Keeps what is listed, and notes what is listed and is not there.
fn only(list: &[Wanted], found: &mut Discovery) {
    let listed = |device: &DeviceInfo| list.iter().any(|wanted| wanted.means(device));
    for wanted in list.iter().filter(|wanted| !found.devices.iter().any(|device| wanted.means(device))) {
        let message = format!("`{wanted}` is in the list of devices, and there is no such device here");
        found.notes.push(Note::new(None, NOT_FOUND, message, "list what `reelmill doctor` finds, or use auto"));
    }
    found.devices.retain(|device| device.kind == DeviceKind::Cpu || listed(device));
    let kept: Vec<_> = found.devices.iter().map(|device| device.id.clone()).collect();
    found.notes.retain(|note| note.device.as_ref().is_none_or(|device| kept.contains(device)));
}

/// Text from a driver or the kernel without what could steer a terminal, its length bounded.
pub(super) fn clean(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
