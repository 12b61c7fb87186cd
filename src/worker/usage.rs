//! What the worker has used so far, as it tells the daemon.

use super::device_usage::{DeviceUsage, did};
use super::link::Link;
use crate::model::device::{Accelerator, DeviceKind};
use crate::model::plan::VideoPlan;
use crate::pipeline::Control;
use crate::sys::{clock, past};
use crate::wire::v1::{self, from_worker::Message};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Reads the figures of this process. Those that the system does not tell are left out.
pub(super) struct Meter {
    /// What the kernel says of this process; `None` where `/proc` is hidden.
    status: Option<File>,
    link: Arc<Link>,
    control: Arc<Control>,
    /// The render node that the span uses, where it does.
    node: OnceLock<Mutex<Node>>,
}

/// What is looked at of a render node, and what was done there.
struct Node {
    plan: VideoPlan,
    usage: DeviceUsage,
    began: Instant,
    /// Frames made of each rendition.
    frames: BTreeMap<String, u64>,
}

/// What the kernel tells of the files that this process has open.
const DESCRIPTORS: &str = "/proc/self/fdinfo";

/// This process's `status`, to be opened before the walls go up.
pub(super) fn own_status() -> Option<File> {
    File::open("/proc/self/status").ok()
}

impl Meter {
    pub(super) const fn new(status: Option<File>, link: Arc<Link>, control: Arc<Control>) -> Self {
        Self { status, link, control, node: OnceLock::new() }
    }

    /// The span is about to open this plan's device. What a render node does for it is metered; of other devices the
    /// daemon knows more than is known here.
    pub(super) fn watch_device(&self, plan: &VideoPlan) {
        let is_node = |placed: &Accelerator| placed.kind == DeviceKind::Vaapi && !placed.simulated;
        if plan.accelerator.as_ref().is_some_and(is_node) {
            let usage = DeviceUsage::of(Path::new(DESCRIPTORS));
            let node = Node { plan: plan.clone(), usage, began: Instant::now(), frames: BTreeMap::new() };
            // A span has one device.
            let _ = self.node.set(Mutex::new(node));
        }
    }

    /// So many frames of a rendition are made.
    pub(super) fn progressed(&self, rendition: &str, frames: u64) {
        if let Some(node) = self.node.get() {
            node.lock().unwrap_or_else(PoisonError::into_inner).frames.insert(rendition.to_owned(), frames);
        }
    }

    /// What the kernel tells of the render node: busy time by who it was spent for, and most memory.
    fn device(&self) -> (Vec<v1::DeviceAccount>, Option<u64>) {
        let Some(node) = self.node.get() else { return (Vec::new(), None) };
        let Node { plan, usage, began, frames } = &mut *node.lock().unwrap_or_else(PoisonError::into_inner);
        usage.read(began.elapsed());
        let decoded = self.control.frames_decoded.load(Ordering::Relaxed);
        (usage.accounts(&did(plan, frames, decoded)), usage.memory_peak_bytes())
    }

    /// The span that is metered.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// Tells what was used since the worker began.
    pub(super) fn tell(&self) {
        self.link.send(Message::Usage(self.read()));
    }

    fn read(&self) -> v1::Usage {
        // Accounts before the process, so that they never exceed it.
        let accounts = self.control.accounts.spent().unwrap_or_default();
        let account = |(track, stage, spent): (String, crate::model::usage::Stage, Duration)| v1::Account {
            track,
            stage: stage.name().to_owned(),
            cpu_us: us(spent),
        };
        let (device, device_memory_peak_bytes) = self.device();
        v1::Usage {
            accounts: accounts.into_iter().map(account).collect(),
            cpu_us: clock::known_cpu_time().map(us),
            memory_peak_bytes: self.status.as_ref().and_then(past::memory_peak),
            read_bytes: self.link.read_bytes(),
            device,
            device_memory_peak_bytes,
        }
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
