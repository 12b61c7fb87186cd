//! What a container may use of the machine: processors and memory, by cgroup v2 or v1.

use super::Roots;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest file of the kernel that is read, bytes: `/proc/cpuinfo` of the largest machine, many times over.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Version 1 writes "no limit" as the largest number of pages; nothing real has as much.
const NO_LIMIT: u64 = 1 << 60;

/// The limits that hold for this process; `None` where there is none, or none that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Limits {
    /// Thousandths of a processor.
    pub(super) cpu_milli: Option<u64>,
    /// Bytes.
    pub(super) memory: Option<u64>,
}

/// Reads the limits. A group lies in others; the tightest one holds.
pub(super) fn limits(roots: &Roots) -> Limits {
    let groups = read(&roots.proc.join("self/cgroup")).unwrap_or_default();
    let mut limits = Limits::default();
    let mut seen = false;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        seen = true;
        let has = |name: &str| controllers.split(',').any(|controller| controller == name);
        if controllers.is_empty() {
            each(&roots.sys.join("fs/cgroup"), path, |group| limits.lower(&version_2(group)));
        }
        if has("cpu") {
            let mount = mounted(roots, &[controllers, "cpu"]);
            each(&mount, path, |group| limits.lower(&Limits { cpu_milli: quota_1(group), memory: None }));
        }
        if has("memory") {
            let mount = mounted(roots, &[controllers, "memory"]);
            each(&mount, path, |group| limits.lower(&Limits { cpu_milli: None, memory: memory_1(group) }));
        }
    }
    if !seen {
        // Without /proc the root of the mount still tells, inside of a container.
        limits.lower(&version_2(&roots.sys.join("fs/cgroup")));
    }
    limits
}

impl Limits {
    fn lower(&mut self, other: &Self) {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        self.cpu_milli = least(self.cpu_milli, other.cpu_milli);
        self.memory = least(self.memory, other.memory);
    }
}

/// Calls `look` with the group and all that it lies in. Where a container sees its own group as the root of the mount,
/// but the path of the host, only the root is there.
fn each(mount: &Path, path: &str, mut look: impl FnMut(&Path)) {
    let inside = Path::new(path.trim_start_matches('/'));
    let escapes = inside.components().any(|part| !matches!(part, std::path::Component::Normal(_)));
    let mut group = if escapes { mount.to_owned() } else { mount.join(inside) };
    loop {
        look(&group);
        if group == mount || !group.pop() {
            return;
        }
    }
}

/// The mount of a controller of version 1: named by all of the hierarchy's controllers, or by one.
fn mounted(roots: &Roots, names: &[&str]) -> PathBuf {
    let base = roots.sys.join("fs/cgroup");
    let found = names.iter().map(|name| base.join(name)).find(|path| path.is_dir());
    found.unwrap_or_else(|| base.join(names.last().copied().unwrap_or_default()))
}

fn version_2(group: &Path) -> Limits {
    let quota = read(&group.join("cpu.max")).and_then(|text| {
        let mut parts = text.split_whitespace();
        milli(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)
    });
    Limits { cpu_milli: quota, memory: read(&group.join("memory.max")).and_then(|text| text.trim().parse().ok()) }
}

fn quota_1(group: &Path) -> Option<u64> {
    // -1 for no limit is no unsigned number.
    let number = |name: &str| read(&group.join(name))?.trim().parse().ok();
    milli(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

fn memory_1(group: &Path) -> Option<u64> {
    let bytes: u64 = read(&group.join("memory.limit_in_bytes"))?.trim().parse().ok()?;
    (bytes < NO_LIMIT).then_some(bytes)
}

fn milli(quota: u64, period: u64) -> Option<u64> {
    quota.checked_mul(1000)?.checked_div(period)
}

/// A small file of the kernel as text; `None` when it is not there or is something else.
pub(super) fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
