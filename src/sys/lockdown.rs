//! How a worker locks itself in before it opens hostile bytes: no network, no new programs, no files but its spool.
//!
//! A worker for a device also gets what that kind of driver needs, and nothing else. Called first thing in `main`, while
//! there is one thread: Landlock and seccomp bind a thread and those it starts later.

use super::driver;
use crate::model::device::DeviceKind;
use crate::model::limits::WORKER_ADDRESS_SPACE_MAX;
use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus};
use seccompiler::{SeccompAction, SeccompFilter};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Most descriptors a worker may hold: socket, source, spool files, and what libraries open for a moment.
const DESCRIPTORS_MAX: u64 = 256;
/// Largest file a worker may write: no segment comes near, a runaway one stops here.
const FILE_BYTES_MAX: u64 = 16 << 30;
/// What libraries read: shared objects that they load late, and what they ask of the processor.
/// Fonts are for texts that are drawn over pictures.
const READABLE: [&str; 9] = [
    "/usr/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/proc/self",
    "/proc/cpuinfo",
    "/sys/devices/system",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
];

/// Calls that nothing in a worker needs and an attacker would want. They fail with EPERM instead of killing, since
/// libraries may try some of them and go on.
const REFUSED: [i64; 29] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_io_uring_setup,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// Locks this process in, but for what a device of this kind needs. Gives back a warning for each wall that the kernel
/// could not put up.
///
/// # Errors
/// When a wall that every supported kernel has could not be put up: the worker must not go on.
pub fn lock_in(spool: &Path, device: Option<DeviceKind>) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_NOFILE, device.map_or(DESCRIPTORS_MAX, |_| driver::DESCRIPTORS_MAX))?;
    limit(libc::RLIMIT_FSIZE, FILE_BYTES_MAX)?;
    // A driver reserves addresses for all memory of host and device: what is bounded then is what is written to.
    limit(if device.is_some() { libc::RLIMIT_DATA } else { libc::RLIMIT_AS }, WORKER_ADDRESS_SPACE_MAX)?;
    drop_capabilities()?;
    match restrict_files(spool, device) {
        Ok(RulesetStatus::NotEnforced) => warnings.push(NO_LANDLOCK.to_owned()),
        Ok(_) => {}
        Err(error) => warnings.push(format!("{NO_LANDLOCK} ({error})")),
    }
    refuse_calls(device)?;
    Ok(warnings)
}

const NO_LANDLOCK: &str = "this kernel has no Landlock: a worker that a hostile source takes over could read this user's files; use Linux 5.13 or newer";

/// The control socket that the daemon left at descriptor `fd`.
///
/// # Errors
/// When nothing is open there.
pub fn inherited_socket(fd: RawFd) -> io::Result<UnixStream> {
    // SAFETY: asking for flags of any number touches no memory.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is open, was opened for us by the parent, and nothing else in this process owns it.
    Ok(unsafe { UnixStream::from_raw_fd(fd) })
}

/// The source that the daemon left open at descriptor `fd`.
///
/// # Errors
/// When nothing is open there.
pub fn inherited_file(fd: RawFd) -> io::Result<std::fs::File> {
    // SAFETY: asking for flags of any number touches no memory.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as for the socket.
    Ok(unsafe { std::fs::File::from_raw_fd(fd) })
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct outlives both calls, which read or write nothing else.
    unsafe {
        if libc::getrlimit(resource, &mut now) != 0 {
            return Err(io::Error::last_os_error());
        }
        // Never above what the parent allowed: raising needs rights that we are about to give away.
        let most = most.min(now.rlim_max);
        let wanted = libc::rlimit { rlim_cur: most, rlim_max: most };
        if libc::setrlimit(resource, &wanted) == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// `capset`'s header and data (linux/capability.h, version 3).
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Root's rights go: SVT-AV1 would put its threads on real-time priority, and nothing here needs any.
fn drop_capabilities() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    const LAST: libc::c_ulong = 63;
    let header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let none = [CapabilityData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: prctl takes integers; capset reads a header and two data blocks, as version 3 has them.
    unsafe {
        for capability in 0..=LAST {
            // Fails where the kernel has no such capability or we lack the right to drop it: then it is not ours anyway.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        if libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn restrict_files(spool: &Path, device: Option<DeviceKind>) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    let abi = ABI::V3;
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    rules = rules.add_rule(PathBeneath::new(PathFd::new(spool)?, AccessFs::from_all(abi)))?;
    for path in READABLE {
        // Not every system has every path; one that is missing needs no rule.
        let Ok(fd) = PathFd::new(path) else { continue };
        let access = if Path::new(path).is_dir() { AccessFs::from_read(abi) } else { AccessFs::ReadFile.into() };
        rules = rules.add_rule(PathBeneath::new(fd, access))?;
    }
    for (path, write) in device.map(driver::paths).unwrap_or_default() {
        let Ok(fd) = PathFd::new(&path) else { continue };
        let read =
            if path.is_dir() { AccessFs::from_read(abi) & !AccessFs::Execute } else { AccessFs::ReadFile.into() };
        let access = if write { read | AccessFs::WriteFile } else { read };
        rules = rules.add_rule(PathBeneath::new(fd, access))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// Refuses [`REFUSED`], but for what a driver needs of them.
fn refuse_calls(device: Option<DeviceKind>) -> io::Result<()> {
    let mut rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        REFUSED.into_iter().map(|call| (call, Vec::new())).collect();
    if let Some(device) = device {
        driver::relax(device, &mut rules).map_err(io::Error::other)?;
    }
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), arch)
        .map_err(io::Error::other)?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

#[cfg(test)]
#[path = "lockdown_tests.rs"]
mod tests;
