//! What the worker has used so far, as it tells the daemon.

use super::link::Link;
use crate::pipeline::Control;
use crate::sys::{clock, past};
use crate::wire::v1::{self, from_worker::Message};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// Reads the figures of this process. Those that the system does not tell are left out.
pub(super) struct Meter {
    /// What the kernel says of this process; `None` where `/proc` is hidden.
    status: Option<File>,
    link: Arc<Link>,
    control: Arc<Control>,
}

/// This process's `status`, to be opened before the walls go up.
pub(super) fn own_status() -> Option<File> {
    File::open("/proc/self/status").ok()
}

impl Meter {
    pub(super) const fn new(status: Option<File>, link: Arc<Link>, control: Arc<Control>) -> Self {
        Self { status, link, control }
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
        v1::Usage {
            accounts: accounts.into_iter().map(account).collect(),
            cpu_us: clock::known_cpu_time().map(us),
            memory_peak_bytes: self.status.as_ref().and_then(past::memory_peak),
            read_bytes: self.link.read_bytes(),
            device: Vec::new(),
            device_memory_peak_bytes: None,
        }
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
