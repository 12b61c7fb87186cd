//! The CPU as a device: how many threads it runs for us, how much memory there is, what it is called.

use super::Roots;
use super::cgroup::{self, read};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};

/// Longest name of a processor that is kept, bytes.
const NAME_BYTES_MAX: usize = 128;

/// Describes it. What cannot be read is unknown, never an error.
pub(super) fn describe(roots: &Roots) -> DeviceInfo {
    let limits = cgroup::limits(roots);
    let allowed = allowed(roots).unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
    });
    // Half a processor more is not one more thread; less than one still is one.
    let quota = limits.cpu_milli.map(|milli| u32::try_from(milli / 1000).unwrap_or(u32::MAX).max(1));
    let memory = limits.memory.into_iter().chain(memory(roots)).min();
    DeviceInfo {
        id: DeviceId("cpu".to_owned()),
        kind: DeviceKind::Cpu,
        name: name(roots),
        driver: String::new(),
        address: String::new(),
        // Software makes the same stream on every processor.
        model: "cpu".to_owned(),
        memory_mib: memory.unwrap_or(0) >> 20,
        encode_engines: 0,
        decode_engines: 0,
        sessions_counted: false,
        threads: quota.map_or(allowed, |quota| quota.min(allowed)),
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}

/// Processors that this process may run on.
fn allowed(roots: &Roots) -> Option<u32> {
    let status = read(&roots.proc.join("self/status"))?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut threads: u32 = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        threads = threads.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(threads)
}

/// Bytes of memory that the machine has.
fn memory(roots: &Roots) -> Option<u64> {
    let info = read(&roots.proc.join("meminfo"))?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn name(roots: &Roots) -> String {
    let info = read(&roots.proc.join("cpuinfo")).unwrap_or_default();
    let named = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "model name" | "Model" | "cpu model").then(|| value.trim().to_owned())
    });
    let name = super::clean(&named.unwrap_or_default(), NAME_BYTES_MAX);
    if name.is_empty() { "unknown processor".to_owned() } else { name }
}
