//! What a worker process is born with: its two descriptors and nothing else, and death with its parent.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::process::Command;

/// The worker's end of the control socket.
pub const CONTROL_FD: RawFd = 3;
/// The first source that is handed over as an open file; the others follow.
pub const SOURCE_FD: RawFd = 4;
/// Most sources that can be handed over: a joined source has as many parts at most.
pub const SOURCES_MAX: usize = 64;
/// Descriptors are first moved up here, behind the last one that a worker gets.
const ASIDE_FD: RawFd = 128;

const _: () = assert!((SOURCE_FD as usize) + SOURCES_MAX < ASIDE_FD as usize, "a worker's descriptors lie below");

/// Makes `command` start with `control` as descriptor [`CONTROL_FD`], `sources` as [`SOURCE_FD`] and on (the first
/// [`SOURCES_MAX`] of them), every higher descriptor closed, and SIGKILL sent to it when the *thread* that spawns it ends. So it must be spawned from a thread
/// that outlives it: the main thread or a runtime's own, never one of a pool that shrinks.
pub fn inherit<'a>(mut command: Command, control: BorrowedFd<'a>, sources: &[BorrowedFd<'a>]) -> Prepared<'a> {
    use std::os::unix::process::CommandExt;
    let control = control.as_raw_fd();
    let mut sources: Vec<RawFd> = sources.iter().take(SOURCES_MAX).map(AsRawFd::as_raw_fd).collect();
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls: no allocation, no
    // lock. `Prepared` keeps both descriptors borrowed, and so open, until the command is spawned or given up.
    unsafe { command.pre_exec(move || take_over(control, &mut sources, parent)) };
    Prepared { command, descriptors: PhantomData }
}

/// A command together with the promise that its descriptors are open.
#[derive(Debug)]
pub struct Prepared<'a> {
    command: Command,
    descriptors: PhantomData<BorrowedFd<'a>>,
}

impl Prepared<'_> {
    /// Gives the command to `spawn`, which must start it before it returns, if at all.
    pub fn spawn<T>(self, spawn: impl FnOnce(Command) -> T) -> T {
        spawn(self.command)
    }
}

/// Runs in the child, between fork and exec.
fn take_over(control: RawFd, sources: &mut [RawFd], parent: u32) -> io::Result<()> {
    // All are first moved out of the way: each may already sit on the number that another is to get.
    let control = moved_up(control)?;
    for source in sources.iter_mut() {
        *source = moved_up(*source)?;
    }
    put(control, CONTROL_FD)?;
    // Of many sources one may take the number through which the library reports a failed exec: the worker then counts as
    // one that died at once.
    let mut next = SOURCE_FD;
    for source in sources.iter() {
        put(*source, next)?;
        next += 1;
    }
    // Marked, not closed at once, since the library reports a failed exec through a descriptor up there. Kernels before
    // 5.11 refuse the flag; what Rust opened is marked anyway, so only what our own parent leaked would stay.
    let last = libc::c_uint::MAX;
    // SAFETY: changes flags of descriptors of this process only.
    unsafe { libc::syscall(libc::SYS_close_range, next as libc::c_uint, last, libc::CLOSE_RANGE_CLOEXEC) };
    die_with(parent)
}

fn moved_up(fd: RawFd) -> io::Result<RawFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and returns a new descriptor or -1.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, ASIDE_FD) })
}

fn put(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes two integers; the descriptor it may close is the child's own.
    check(unsafe { libc::dup2(from, to) }).map(|_| ())
}

fn die_with(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one signal number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) })?;
    // The parent may have died before the line above; then no signal will come any more.
    // SAFETY: getppid cannot fail and touches no memory.
    let now = unsafe { libc::getppid() };
    if now as u32 == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Sends a signal to the process group that `leader` leads. The caller must not have waited for `leader` yet, so that
/// its number cannot have been given to somebody else. A group that is gone is not an error.
pub fn signal_group(leader: u32, signal: i32) {
    let Ok(leader) = libc::pid_t::try_from(leader) else { return };
    if leader > 1 {
        // SAFETY: kill takes two integers; the number is above 1, so it names neither every process nor our own group.
        unsafe { libc::kill(-leader, signal) };
    }
}

/// Whether a process with this number exists, whoever owns it.
pub fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 sends nothing; it only asks.
    pid > 0 && (unsafe { libc::kill(pid, 0) } == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::process::Stdio;

    #[test]
    fn the_child_gets_its_descriptors_and_nothing_above_them() {
        let control = std::fs::File::open("/dev/null").unwrap();
        let source = std::fs::File::open("/dev/zero").unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "readlink /proc/$$/fd/3; readlink /proc/$$/fd/4; ls /proc/$$/fd"]);
        command.stdin(Stdio::null());
        let prepared = inherit(command, control.as_fd(), &[source.as_fd()]);
        let output = prepared.spawn(|mut command| command.output()).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        // dash keeps a copy of nothing; bash puts one at 255. Either way nothing between is inherited.
        assert_eq!(&lines[..2], ["/dev/null", "/dev/zero"]);
        let listed: Vec<u32> = lines[2..].iter().map(|line| line.parse().unwrap()).collect();
        assert!(listed.iter().all(|fd| *fd <= 4 || *fd == 255), "{lines:?}");
    }

    #[test]
    fn every_source_gets_its_number_wherever_it_sat() {
        let control = std::fs::File::open("/dev/null").unwrap();
        let sources: Vec<_> = (0..SOURCES_MAX).map(|_| std::fs::File::open("/dev/zero").unwrap()).collect();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "readlink /proc/$$/fd/3; readlink /proc/$$/fd/4; readlink /proc/$$/fd/67; ls /proc/$$/fd"]);
        command.stdin(Stdio::null());
        let borrowed: Vec<_> = sources.iter().map(AsFd::as_fd).collect();
        let output = inherit(command, control.as_fd(), &borrowed).spawn(|mut command| command.output()).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("/dev/null\n/dev/zero\n/dev/zero\n"), "{text}");
        assert!(text.lines().skip(3).all(|fd| fd.parse::<u32>().is_ok_and(|fd| fd < 68 || fd == 255)), "{text}");
    }

    #[test]
    fn this_process_exists_and_an_impossible_one_does_not() {
        assert!(process_exists(std::process::id()));
        assert!(process_exists(1));
        assert!(!process_exists(u32::MAX));
        assert!(!process_exists(0));
    }
}
