//! Whom the CPU time of each thread was spent for, the threads that libraries start included.
//!
//! A thread has an owner, a small number, and works for the one that its creator worked for when it made it. So threads
//! of an encoder, a decoder or a filter graph belong to whoever opened that, however late they begin. The program's own
//! threads change their owner where their work changes hands ([`enter`]).
//!
//! Threads are seen by standing in for `pthread_create` ([`account_threads!`](crate::account_threads)): names of threads
//! and lists before and after an encoder opens miss those that begin late or end early. Each thread's own CPU clock is
//! read when its owner changes, when somebody asks, and once more as its last act. What stays uncounted: the few
//! instructions with which a thread ends, and threads that the C library makes for itself.
//!
//! A program that does not say `account_threads!` or does not [`begin`] pays nothing and is told nothing.

mod create;
mod register;
#[cfg(test)]
mod tests;

pub use create::{Start, create};
pub use register::{Entered, OWNERS_MAX, Owner, begin, enter, spent};

/// Makes this program's `pthread_create` the one that everybody calls, shared libraries included. Said once, in a
/// program's root; `build.rs` has the linker export it. It only passes calls on until
/// [`begin`](crate::sys::threads::begin) is called.
#[macro_export]
macro_rules! account_threads {
    () => {
        /// Stands in for the C library's.
        ///
        /// # Safety
        /// As POSIX has it for `pthread_create`.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn pthread_create(
            thread: *mut ::libc::pthread_t,
            attributes: *const ::libc::pthread_attr_t,
            start: $crate::sys::threads::Start,
            argument: *mut ::libc::c_void,
        ) -> ::libc::c_int {
            // SAFETY: the caller keeps what POSIX asks of it; it is passed on as it came.
            unsafe { $crate::sys::threads::create(thread, attributes, start, argument) }
        }
    };
}
