//! What the walls around a worker leave open for the driver of a device, by kind; everything else stays shut.

use crate::model::device::DeviceKind;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Most descriptors of a worker with a device: drivers hold one for each buffer that they share.
pub(super) const DESCRIPTORS_MAX: u64 = 4096;
/// What every driver asks the kernel about its device.
const KERNEL: [&str; 4] = ["/sys", "/proc/devices", "/proc/meminfo", "/proc/sys/kernel"];
/// What CUDA reads: its module, and libraries where containers put them.
const CUDA: [&str; 5] =
    ["/proc/driver/nvidia", "/proc/modules", "/proc/sys/vm", "/usr/local/nvidia", "/usr/local/cuda"];
/// What libva, libdrm and the drivers behind them read.
const VAAPI: [&str; 5] =
    ["/etc/libva.conf", "/usr/share/libdrm", "/usr/share/drirc.d", "/etc/drirc", "/etc/igfx_user_feature.txt"];
/// Variables of the operator that name directories with libraries.
const LIBRARY_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "LIBVA_DRIVERS_PATH"];

/// Paths that are there and may be read, with whether they may be written to.
pub(super) fn paths(kind: DeviceKind) -> Vec<(PathBuf, bool)> {
    let (reads, nodes): (&[&str], _) = match kind {
        DeviceKind::Cpu => return Vec::new(),
        DeviceKind::Cuda => (&CUDA, nvidia_nodes(Path::new("/dev"))),
        DeviceKind::Vaapi => (&VAAPI, vec![PathBuf::from("/dev/dri")]),
    };
    let named = LIBRARY_VARIABLES.into_iter().filter_map(std::env::var_os);
    let libraries = named.flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let reads = KERNEL.iter().chain(reads).map(PathBuf::from).chain(libraries.filter(|path| path.is_absolute()));
    reads.map(|path| (path, false)).chain(nodes.into_iter().map(|path| (path, true))).collect()
}

/// `/dev/nvidia0`, `/dev/nvidiactl`, `/dev/nvidia-uvm`, `/dev/nvidia-caps` …: all that begin so, and nothing else there.
fn nvidia_nodes(dev: &Path) -> Vec<PathBuf> {
    let is_ours = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with("nvidia"));
    let entries = fs::read_dir(dev).into_iter().flatten().flatten();
    entries.filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// CUDA opens a local socket of its own at which other processes could ask for its memory. It may make and name one; nobody
/// can connect, since connecting and accepting stay refused, as do sockets of the network.
pub(super) fn relax(
    kind: DeviceKind,
    rules: &mut BTreeMap<i64, Vec<SeccompRule>>,
) -> Result<(), seccompiler::BackendError> {
    if kind != DeviceKind::Cuda {
        return Ok(());
    }
    let family = SeccompCmpArgLen::Dword;
    let not_local = SeccompCondition::new(0, family, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![SeccompRule::new(vec![not_local.clone()])?]);
    }
    rules.remove(&libc::SYS_bind);
    rules.remove(&libc::SYS_listen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nodes_of_the_driver_are_open() {
        let dev = tempfile::tempdir().unwrap();
        for name in ["nvidia0", "nvidiactl", "nvidia-uvm", "null", "sda", "mem"] {
            fs::write(dev.path().join(name), b"").unwrap();
        }
        let mut found: Vec<_> =
            nvidia_nodes(dev.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        found.sort();
        assert_eq!(found, ["nvidia-uvm", "nvidia0", "nvidiactl"]);
        assert!(nvidia_nodes(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn only_nodes_of_devices_may_be_written_to() {
        assert!(paths(DeviceKind::Cpu).is_empty());
        for kind in [DeviceKind::Cuda, DeviceKind::Vaapi] {
            for (path, write) in paths(kind) {
                let node = path.starts_with("/dev/dri") || path.to_string_lossy().starts_with("/dev/nvidia");
                assert_eq!(write, node, "{}", path.display());
            }
        }
        let dri = (PathBuf::from("/dev/dri"), true);
        assert!(paths(DeviceKind::Vaapi).contains(&dri) && !paths(DeviceKind::Cuda).contains(&dri));
    }
}
