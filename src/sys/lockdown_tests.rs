//! The walls, each tried from inside, on a thread of its own: both bind the thread that puts them up.

use super::*;
use std::fs::File;

/// What a thread behind the walls finds open.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    local_socket: bool,
    network_socket: bool,
    connect: bool,
    kernel_devices: bool,
    passwords: bool,
    null: bool,
    files_are_walled: bool,
}

fn inside(device: Option<DeviceKind>) -> Found {
    let spool = tempfile::tempdir().unwrap();
    let path = spool.path().to_owned();
    let thread = std::thread::spawn(move || {
        // SAFETY: takes integers; concerns this thread alone.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        let status = restrict_files(&path, device);
        refuse_calls(device).unwrap();
        let socket = |family| {
            // SAFETY: takes integers; what it opens is closed again.
            unsafe {
                let fd = libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
                if fd >= 0 {
                    libc::close(fd);
                }
                fd >= 0
            }
        };
        // SAFETY: the address is not looked at, since the descriptor is none; a filter refuses before that.
        let connected = unsafe { libc::connect(-1, std::ptr::null(), 0) };
        assert_eq!(connected, -1);
        let refused = io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
        assert!(File::create(path.join("mine")).is_ok(), "the spool is open");
        Found {
            local_socket: socket(libc::AF_UNIX),
            network_socket: socket(libc::AF_INET),
            connect: !refused,
            kernel_devices: File::open("/proc/devices").is_ok(),
            passwords: File::open("/etc/passwd").is_ok(),
            null: File::open("/dev/null").is_ok(),
            files_are_walled: status.is_ok_and(|status| status != RulesetStatus::NotEnforced),
        }
    });
    thread.join().unwrap()
}

#[test]
fn the_walls_of_a_worker_without_a_device_are_as_they_were() {
    let found = inside(None);
    assert!(!found.local_socket && !found.network_socket && !found.connect, "{found:?}");
    if found.files_are_walled {
        assert!(!found.kernel_devices && !found.passwords && !found.null, "{found:?}");
    }
}

#[test]
fn a_driver_gets_what_it_needs_and_nothing_else() {
    let (cuda, vaapi) = (inside(Some(DeviceKind::Cuda)), inside(Some(DeviceKind::Vaapi)));
    assert!(cuda.local_socket && !cuda.network_socket && !cuda.connect, "{cuda:?}");
    assert!(!vaapi.local_socket && !vaapi.network_socket && !vaapi.connect, "{vaapi:?}");
    for found in [cuda, vaapi] {
        if found.files_are_walled {
            assert!(found.kernel_devices && !found.passwords && !found.null, "{found:?}");
        }
    }
}

#[test]
fn what_is_refused_is_refused_by_name() {
    // Taking a call off this list is a decision, not an accident.
    assert_eq!(REFUSED.len(), 29);
    assert!([libc::SYS_socket, libc::SYS_execve, libc::SYS_ptrace].iter().all(|call| REFUSED.contains(call)));
    assert_eq!(READABLE.len(), 9);
}
