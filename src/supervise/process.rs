//! A worker's process, and what the kernel says of it between its end and the moment when it is waited for.
//!
//! Waiting for a process takes its figures away, and tokio's way of waiting does not hand them on. So its end is learnt
//! through a descriptor of it first, which leaves it as it is; then its figures are read; then tokio waits for it.

use crate::sys::past;
use std::io;
use std::process::ExitStatus;
use tokio::process::{Child, ChildStderr};

/// What a child touches between fork and exec beyond what it has of its parent, bytes, with ample room.
const FORK_BYTES_MAX: u64 = 4 << 20;

/// What the kernel says that a worker has used in its whole life, start and end included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelUsage {
    /// CPU time, µs.
    pub cpu_us: u64,
    /// Most memory that was resident at a time, bytes. `None` where that may be the daemon's: a child begins as a copy of
    /// its parent, which the kernel counts.
    pub memory_peak_bytes: Option<u64>,
}

/// The process, while it runs and after.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `None` on kernels without descriptors of processes (before Linux 5.3).
    end: Option<past::End>,
    /// Most memory that the child may have had as a copy of this process.
    copied_bytes_max: Option<u64>,
    used: Option<KernelUsage>,
}

impl Process {
    /// Of a child that was just started. Must be called on a thread of the runtime.
    pub(super) fn new(child: Child) -> Self {
        let end = child.id().and_then(|id| past::End::of(id).ok());
        let copied_bytes_max = past::own_memory_peak().map(|bytes| bytes.saturating_add(FORK_BYTES_MAX));
        Self { child, end, copied_bytes_max, used: None }
    }

    /// Waits until it has ended. Nothing is lost when the waiting is given up half-way.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(end) = &self.end {
            end.come().await;
            if self.used.is_none() {
                self.used = self.child.id().and_then(|id| self.figures(id));
            }
        }
        self.child.wait().await
    }

    fn figures(&self, id: u32) -> Option<KernelUsage> {
        let used = past::used_by(id)?;
        let own = |bytes: &u64| self.copied_bytes_max.is_some_and(|copied| *bytes > copied);
        Some(KernelUsage { cpu_us: used.cpu_us, memory_peak_bytes: Some(used.memory_peak_bytes).filter(own) })
    }

    /// What it has used, once it has been waited for.
    pub(super) const fn used(&self) -> Option<KernelUsage> {
        self.used
    }

    /// Its number; `None` once it has been waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it writes to stderr, once.
    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }
}
