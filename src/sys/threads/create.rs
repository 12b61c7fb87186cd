//! What stands in for `pthread_create`: every thread begins with the owner of the one that made it.

use super::register::{self, Owner};
use libc::{c_int, c_void};
use std::sync::OnceLock;

/// What a thread runs. A thread may end in the middle of it (`pthread_exit`), which unwinds.
pub type Start = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

type Create = unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, Start, *mut c_void) -> c_int;

/// What a thread is born with.
struct Born {
    start: Start,
    argument: *mut c_void,
    owner: Owner,
}

/// Makes a thread as `pthread_create` does, for the owner that the calling thread works for.
///
/// # Safety
/// As POSIX has it for `pthread_create`.
pub unsafe fn create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    // A C library without it cannot be; a caller is then told what it knows how to bear.
    let Some(real) = real() else { return libc::EAGAIN };
    if !register::is_active() {
        // SAFETY: passed on as it came.
        return unsafe { real(thread, attributes, start, argument) };
    }
    let born = Box::into_raw(Box::new(Born { start, argument, owner: register::current() }));
    // SAFETY: as the caller promises; `born` is for the new thread alone.
    let result = unsafe { real(thread, attributes, begun, born.cast()) };
    if result != 0 {
        // SAFETY: no thread was made, so nobody else has it.
        drop(unsafe { Box::from_raw(born) });
    }
    result
}

/// A new thread's first act. Nothing here is waiting to be dropped when what it runs ends by unwinding.
unsafe extern "C-unwind" fn begun(born: *mut c_void) -> *mut c_void {
    // SAFETY: made by `create` for this thread alone.
    let Born { start, argument, owner } = *unsafe { Box::from_raw(born.cast::<Born>()) };
    register::adopt(owner);
    // SAFETY: what the caller of `pthread_create` wants run, with its argument.
    unsafe { start(argument) }
}

/// The C library's own, which comes after this program in the order in which names are looked up.
fn real() -> Option<Create> {
    static REAL: OnceLock<Option<Create>> = OnceLock::new();
    *REAL.get_or_init(|| {
        // SAFETY: the name is a C string, and only looked up.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr()) };
        // SAFETY: what has this name has this type; a null pointer is `None`.
        (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, Create>(found) })
    })
}
