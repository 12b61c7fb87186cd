//! What the kernel knows of a child that has ended and was not waited for yet.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a process has used in its whole life, all of its threads together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// CPU time, µs.
    pub cpu_us: u64,
    /// Most memory that was resident at a time, bytes. What the process was before it ran its own program counts too: a
    /// copy of its parent.
    pub memory_peak_bytes: u64,
}

/// Tells when a child has ended, and leaves it to be waited for.
#[derive(Debug)]
pub struct End(AsyncFd<OwnedFd>);

impl End {
    /// Of a child that was not waited for yet. Must be called on a thread of the runtime.
    ///
    /// # Errors
    /// On kernels without descriptors of processes (before 5.3), and where no descriptor is left.
    pub fn of(child: u32) -> io::Result<Self> {
        // SAFETY: the descriptor is inside, is never handed out, and is closed by the drop alone.
        let registered = unsafe { AsyncFd::register_with_interest(descriptor_of(child)?, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Waits until the child has ended, or until that cannot be known in this way. Nothing is lost when it is given up.
    pub async fn come(&self) {
        // It stays readable once it is.
        let _ = self.0.readable().await;
    }
}

/// A descriptor that can be read from once the child has ended.
fn descriptor_of(child: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers; gives a new descriptor or -1.
    let made = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_ulong::from(child), 0) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(made as libc::c_int) })
}

/// What a child has used that has ended and was not waited for; it stays so. `None` while it runs, and where the kernel
/// does not tell.
pub fn used_by(child: u32) -> Option<Used> {
    // SAFETY: both are plain data, for which zeros are a value.
    let (mut told, mut used): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
    // SAFETY: the pointers are to live values of the types that the call fills in.
    // JUSTIFICATION: the C library's `waitid` leaves out the last argument, which the kernel's has.
    let result = unsafe {
        libc::syscall(libc::SYS_waitid, libc::P_PID, libc::c_ulong::from(child), &raw mut told, options, &raw mut used)
    };
    // SAFETY: of a child's end this member is filled in; of nothing it is zero.
    if result != 0 || unsafe { told.si_pid() } == 0 {
        return None;
    }
    from(&used)
}

/// Most memory that this process has had resident at a time, bytes.
pub fn own_memory_peak() -> Option<u64> {
    // SAFETY: plain data, for which zeros are a value.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    let told = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut used) };
    if told == 0 { from(&used).map(|used| used.memory_peak_bytes) } else { None }
}

/// What a process's `status` says of the most memory that it had resident at a time, bytes (proc_pid_status(5)).
pub fn memory_peak(status: &fs::File) -> Option<u64> {
    use std::os::unix::fs::FileExt;
    let mut text = [0; 4096];
    let length = status.read_at(&mut text, 0).ok()?;
    peak_in(std::str::from_utf8(text.get(..length)?).ok()?)
}

fn peak_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn from(used: &libc::rusage) -> Option<Used> {
    let us = |time: libc::timeval| {
        u64::try_from(time.tv_sec).ok()?.checked_mul(1_000_000)?.checked_add(u64::try_from(time.tv_usec).ok()?)
    };
    let cpu_us = us(used.ru_utime)?.checked_add(us(used.ru_stime)?)?;
    Some(Used { cpu_us, memory_peak_bytes: u64::try_from(used.ru_maxrss).ok()?.checked_mul(1024)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_that_has_ended_leaves_its_figures_until_it_is_waited_for() {
        let script = "read line; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let mut child = Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(used_by(child.id()), None, "it still waits for its line");
        let ended = descriptor_of(child.id()).unwrap();
        drop(child.stdin.take());
        let mut waits = libc::pollfd { fd: std::os::fd::AsRawFd::as_raw_fd(&ended), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live entry.
        assert_eq!(unsafe { libc::poll(&raw mut waits, 1, -1) }, 1);
        let used = used_by(child.id()).unwrap();
        assert!(used.cpu_us > 0 && used.memory_peak_bytes > 0, "{used:?}");
        assert_eq!(used_by(child.id()), Some(used));
        assert!(child.wait().unwrap().success());
        assert_eq!(used_by(child.id()), None);
    }

    #[test]
    fn a_status_that_does_not_say_is_unknown() {
        assert_eq!(peak_in("Name:\tx\nVmHWM:\t    5120 kB\nVmRSS:\t 1 kB\n"), Some(5120 * 1024));
        for status in ["", "VmHWM:\tmany kB\n", "VmHWM:\t12\n", "VmHWM:\t99999999999999999999 kB\n"] {
            assert_eq!(peak_in(status), None);
        }
        assert!(memory_peak(&fs::File::open("/proc/self/status").unwrap()).is_some_and(|bytes| bytes > 0));
        assert_eq!(memory_peak(&fs::File::open("/dev/null").unwrap()), None);
    }
}
