//! Threads of every kind, in a program that accounts for them: this one.
//!
//! Owners are told apart by the test, so that tests may run side by side in one process.

use super::*;
use crate::sys::clock;
use libc::c_void;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

crate::account_threads!();

/// Spends at least so much CPU time on this thread.
fn spend(time: Duration) {
    let own = || {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a live value of the type that the call fills in.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) }, 0);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let end = own() + time;
    while own() < end {
        std::hint::black_box(0);
    }
}

fn spent_for(owner: Owner) -> Duration {
    Duration::from_nanos(spent().unwrap()[owner.number()])
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_thread_works_for_the_one_its_creator_worked_for() {
    assert!(begin());
    let (one, other) = (Owner::of(200), Owner::of(201));
    let late = {
        let _entered = enter(one);
        spend(10 * MS);
        thread::spawn(|| {
            spend(20 * MS);
            // A thread of a thread, made when the first creator works for somebody else.
            thread::spawn(|| spend(20 * MS)).join().unwrap();
        })
    };
    {
        let _entered = enter(other);
        spend(10 * MS);
        late.join().unwrap();
    }
    let (of_one, of_other) = (spent_for(one), spent_for(other));
    assert!((50 * MS..100 * MS).contains(&of_one), "{of_one:?}");
    assert!((10 * MS..40 * MS).contains(&of_other), "{of_other:?}");
}

#[test]
fn what_runs_is_counted_before_it_ends_and_not_twice() {
    assert!(begin());
    let owner = Owner::of(202);
    let (begun, done) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let _entered = enter(owner);
    let (its_begun, its_done) = (Arc::clone(&begun), Arc::clone(&done));
    let running = thread::spawn(move || {
        spend(30 * MS);
        its_begun.wait();
        its_done.wait();
    });
    begun.wait();
    let first = spent_for(owner);
    assert!(first >= 30 * MS, "{first:?}");
    assert!(spent_for(owner) >= first);
    done.wait();
    running.join().unwrap();
    let last = spent_for(owner);
    assert!(last >= first && last < first + 30 * MS, "{first:?} {last:?}");
}

unsafe extern "C-unwind" fn works_and_exits(argument: *mut c_void) -> *mut c_void {
    spend(10 * MS);
    // SAFETY: nothing on this thread waits to be dropped.
    unsafe { libc::pthread_exit(argument) }
}

#[test]
fn threads_that_exit_in_the_middle_and_those_nobody_joins_count_too() {
    assert!(begin());
    let owner = Owner::of(203);
    {
        let _entered = enter(owner);
        for is_joined in [true, false] {
            let mut made: libc::pthread_t = 0;
            // SAFETY: as POSIX has it; the argument is not used.
            let result =
                unsafe { pthread_create(&raw mut made, std::ptr::null(), works_and_exits, std::ptr::null_mut()) };
            assert_eq!(result, 0);
            // SAFETY: made above, and joined or detached once.
            let result = unsafe {
                if is_joined { libc::pthread_join(made, std::ptr::null_mut()) } else { libc::pthread_detach(made) }
            };
            assert_eq!(result, 0);
        }
    }
    // The second one is nobody's to wait for.
    while spent_for(owner) < 20 * MS {
        thread::yield_now();
    }
    assert!(spent_for(owner) < 60 * MS);
}

#[test]
fn a_refused_thread_is_an_error_and_nothing_else() {
    assert!(begin());
    let refused = thread::Builder::new().stack_size(usize::MAX / 4).spawn(|| ());
    assert!(refused.is_err());
}

#[test]
fn five_thousand_threads_at_once_add_up() {
    const THREADS: usize = 5000;
    assert!(begin());
    let owners = [Owner::of(204), Owner::of(205)];
    let (spent_before, before) = (spent().unwrap(), clock::cpu_time());
    let all = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let _entered = enter(owners[number % 2]);
            let all = Arc::clone(&all);
            let work = move || {
                spend(MS / 10);
                all.wait();
                spend(MS / 10);
            };
            thread::Builder::new().stack_size(64 << 10).spawn(work).unwrap()
        })
        .collect();
    all.wait();
    // Read while they end.
    let middle = owners.map(spent_for);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let after = owners.map(spent_for);
    for (middle, after) in middle.into_iter().zip(after) {
        assert!(middle >= MS / 10 * 2500 && after >= MS / 10 * 5000 && middle <= after, "{middle:?} {after:?}");
    }
    let (used, spent_after) = (clock::cpu_time().saturating_sub(before), spent().unwrap());
    let counted: u64 = spent_after.iter().zip(&spent_before).map(|(after, before)| after - before).sum();
    let missing = used.as_nanos().abs_diff(u128::from(counted)) as f64 / used.as_nanos() as f64;
    // Of threads this short their births and ends in the kernel are a good part.
    assert!(missing < 0.5, "{missing} of {used:?} is missing");
}

#[test]
fn owners_without_a_number_are_nobody() {
    assert_eq!(Owner::of(OWNERS_MAX), Owner::NOBODY);
    assert_eq!(Owner::of(usize::MAX), Owner::NOBODY);
    assert_eq!(Owner::of(7).number(), 7);
}
