//! The threads that are alive, and the time that was spent for each owner.
//!
//! A thread is in the register from its first act to its last, which waits for the register: so whoever holds that may
//! read the clock of any thread in it. A thread's time is added to its owner's under the lock of its entry, whoever adds
//! it, so nothing is counted twice and sums never shrink.

use crate::model::limits::{AUDIO_RENDITIONS_MAX, RENDITIONS_MAX};
use libc::c_void;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Most owners, nobody included: what is filtering, encoding and packaging of a rendition, and what all share.
pub const OWNERS_MAX: usize = 256;
const _: () = assert!((RENDITIONS_MAX + AUDIO_RENDITIONS_MAX) * 3 + 2 <= OWNERS_MAX, "every account has its owner");

/// Threads clean up in rounds, and what is cleaned up in one may leave work to the next. POSIX promises four.
const ROUNDS: u32 = 2;

/// Whom time is spent for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Owner(u16);

impl Owner {
    /// The process itself, and everything that nobody has claimed.
    pub const NOBODY: Self = Self(0);

    /// The owner of this number; nobody from [`OWNERS_MAX`] on.
    pub fn of(number: usize) -> Self {
        u16::try_from(number).ok().filter(|_| number < OWNERS_MAX).map_or(Self::NOBODY, Self)
    }

    /// Its number.
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

/// A thread that is alive.
struct Entry {
    number: u64,
    clock: libc::clockid_t,
    /// Whom it works for, and its own CPU time, ns, up to which that has been added.
    working: Mutex<(Owner, u64)>,
    rounds: AtomicU32,
}

static ACTIVE: AtomicBool = AtomicBool::new(false);
static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();
static NUMBERS: AtomicU64 = AtomicU64::new(0);
static ALIVE: Mutex<BTreeMap<u64, Arc<Entry>>> = Mutex::new(BTreeMap::new());
/// Nanoseconds by owner.
static SPENT: [AtomicU64; OWNERS_MAX] = [const { AtomicU64::new(0) }; OWNERS_MAX];

// None of these has anything to drop, so they are there until the thread's last instruction.
thread_local! {
    static OWNER: Cell<Owner> = const { Cell::new(Owner::NOBODY) };
    /// This thread's entry; it owns a count of it. Null before it has one, and again after its last act.
    static ENTRY: Cell<*const Entry> = const { Cell::new(ptr::null()) };
    static IS_OVER: Cell<bool> = const { Cell::new(false) };
}

/// Begins to account for threads: this one, with all that it has spent, and those that are made from now on. False
/// where the system has no room for that: then nothing is ever told.
pub fn begin() -> bool {
    if is_active() {
        return true;
    }
    let mut key = 0;
    // SAFETY: the key is written to a live value; `over` is what may run with the values that `adopt` sets.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(over)) } != 0 || KEY.set(key).is_err() {
        return is_active();
    }
    ACTIVE.store(true, Ordering::Release);
    adopt(Owner::NOBODY);
    true
}

/// What this thread does from now on is for `owner`, and so are the threads that it makes, until the guard is dropped.
pub fn enter(owner: Owner) -> Entered {
    Entered { before: is_active().then(|| switch(owner)), thread: PhantomData }
}

/// While it lives, its thread works for somebody.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once changes nothing"]
pub struct Entered {
    before: Option<Owner>,
    /// Owners are a matter of one thread.
    thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            switch(before);
        }
    }
}

/// Nanoseconds of CPU time that were spent for each owner, by its number, up to now. `None` where nobody counts.
pub fn spent() -> Option<Vec<u64>> {
    if !is_active() {
        return None;
    }
    let alive = alive();
    for entry in alive.values() {
        let mut working = entry.working.lock().unwrap_or_else(PoisonError::into_inner);
        // It is alive for as long as it is in the register, so the clock is its own.
        settle(&mut working, time_of(entry.clock));
    }
    Some(SPENT.iter().map(|spent| spent.load(Ordering::Relaxed)).collect())
}

pub(super) fn is_active() -> bool {
    ACTIVE.load(Ordering::Acquire)
}

/// Whom this thread works for.
pub(super) fn current() -> Owner {
    OWNER.get()
}

/// Takes this thread into the register. All that it has spent so far was for `owner`. One that cannot be taken in is not
/// counted.
pub(super) fn adopt(owner: Owner) {
    OWNER.set(owner);
    let Some(key) = KEY.get() else { return };
    let mut clock = 0;
    // SAFETY: this thread is alive while it asks for its own clock, which is written to a live value.
    if unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } != 0 {
        return;
    }
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let entry = Arc::new(Entry { number, clock, working: Mutex::new((owner, 0)), rounds: AtomicU32::new(0) });
    let own = Arc::into_raw(Arc::clone(&entry));
    // SAFETY: the key was made by `begin`; `over` gives back the count that the pointer stands for.
    if unsafe { libc::pthread_setspecific(*key, own.cast()) } != 0 {
        // SAFETY: nobody else has this count.
        drop(unsafe { Arc::from_raw(own) });
        return;
    }
    ENTRY.set(own);
    alive().insert(number, entry);
}

/// Changes this thread's owner; gives the one before.
fn switch(to: Owner) -> Owner {
    let before = OWNER.replace(to);
    if before == to {
        return before;
    }
    if ENTRY.get().is_null() && !IS_OVER.get() {
        // Made where nobody saw it: what it did before was for nobody.
        adopt(before);
        OWNER.set(to);
    }
    // SAFETY: null, or this thread's own count of its entry, which it gives back as its last act.
    if let Some(entry) = unsafe { ENTRY.get().as_ref() } {
        let mut working = entry.working.lock().unwrap_or_else(PoisonError::into_inner);
        settle(&mut working, time_of(libc::CLOCK_THREAD_CPUTIME_ID));
        working.0 = to;
    }
    before
}

/// The last act of a thread, however it ends.
unsafe extern "C" fn over(own: *mut c_void) {
    let own: *const Entry = own.cast_const().cast();
    // SAFETY: what `adopt` has set: this thread's own count, not given back yet.
    let rounds = unsafe { (*own).rounds.fetch_add(1, Ordering::Relaxed) };
    // SAFETY: as in `adopt`. Set again, it is called again in the next round, after what others have to clean up.
    let again = |key: &libc::pthread_key_t| unsafe { libc::pthread_setspecific(*key, own.cast()) } == 0;
    if rounds < ROUNDS && KEY.get().is_some_and(again) {
        return;
    }
    IS_OVER.set(true);
    ENTRY.set(ptr::null());
    // SAFETY: as above; from here on nobody finds the pointer.
    let entry = unsafe { Arc::from_raw(own) };
    let mut alive = alive();
    alive.remove(&entry.number);
    let mut working = entry.working.lock().unwrap_or_else(PoisonError::into_inner);
    settle(&mut working, time_of(libc::CLOCK_THREAD_CPUTIME_ID));
}

/// Adds what a thread has spent since it was last asked.
fn settle((owner, since): &mut (Owner, u64), now: Option<u64>) {
    let Some(now) = now else { return };
    SPENT[owner.number()].fetch_add(now.saturating_sub(*since), Ordering::Relaxed);
    *since = now.max(*since);
}

/// Nanoseconds on a CPU clock; `None` where the system does not tell.
fn time_of(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec).ok()?)
}

fn alive() -> MutexGuard<'static, BTreeMap<u64, Arc<Entry>>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
