//! Who comes next: classes, shares, deadlines, ageing, and room that is kept. One decision a test.

mod common;

use common::{MINUTE, answers, cpu, done, failed, group, submit, submit_by};
use reelmill_scheduler::{Action, CPU_THREADS, Choice, Event, JobId, Policy, Priority, Scheduler, SpanId, Vector};
use std::collections::BTreeMap;

fn threads(count: u64) -> Scheduler {
    Scheduler::new(Vector::of(CPU_THREADS, count))
}

/// A job of spans that take one thread each.
fn ones(id: u64, priority: Priority, owner: &str, spans: u32) -> Event {
    submit(id, priority, owner, vec![group([cpu(1)])], spans)
}

fn started(actions: &[Action]) -> Vec<(JobId, SpanId)> {
    let start = |action: &Action| match action {
        Action::Start { job, span, .. } => Some((*job, *span)),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

#[test]
fn owners_of_unequal_queues_hold_equal_shares() {
    let mut scheduler = threads(20);
    let mut running = Vec::new();
    let mut owners = BTreeMap::new();
    for id in 0..1010 {
        let owner = if id % 101 == 100 { "few" } else { "many" };
        owners.insert(JobId(id), owner);
        running.extend(started(&scheduler.step(ones(id, Priority::Normal, owner, 20), 0)));
    }
    // Once everything that ran at the first moment has ended, the room is shared.
    for now in 1..200 {
        let (job, span) = running.remove(0);
        running.extend(started(&scheduler.step(Event::SpanFinished { job, span }, now)));
        if now > 40 {
            let few = running.iter().filter(|(job, _)| owners[job] == "few").count();
            assert!((9..=11).contains(&few), "{few} of 20 at {now}");
        }
    }
    let shares: Vec<u64> = scheduler.owners().map(|owner| owner.share_ppm).collect();
    assert_eq!(shares, [500_000, 500_000]);
}

#[test]
fn a_share_is_that_of_the_dimension_of_which_an_owner_holds_most() {
    // The example of the paper: 9 CPUs and 18 GB; A's tasks take 1 CPU and 4 GB, B's 3 CPUs and 1 GB.
    let memory = reelmill_scheduler::HOST_MEMORY_MIB;
    let mut scheduler = Scheduler::new(Vector::of(CPU_THREADS, 9).with(memory.clone(), 18));
    let task = |threads, gigabytes| Choice {
        host: Vector::of(CPU_THREADS, threads).with(memory.clone(), gigabytes),
        ..cpu(0)
    };
    let hold = submit(0, Priority::Normal, "c", vec![group([task(9, 18)])], 1);
    scheduler.step(hold, 0);
    scheduler.step(submit(1, Priority::Normal, "a", vec![group([task(1, 4)])], 9), 0);
    scheduler.step(submit(2, Priority::Normal, "b", vec![group([task(3, 1)])], 9), 0);
    let ran = started(&scheduler.step(done(0, 0), 1));
    let of = |job| ran.iter().filter(|(id, _)| *id == JobId(job)).count();
    assert_eq!((of(1), of(2)), (3, 2), "both hold two thirds of what they need most");
}

#[test]
fn a_higher_class_comes_first_whatever_its_owner_holds() {
    let mut scheduler = threads(2);
    scheduler.step(ones(1, Priority::Normal, "a", 3), 0);
    scheduler.step(ones(2, Priority::Normal, "b", 1), 1);
    scheduler.step(ones(3, Priority::High, "a", 2), 2);
    assert_eq!(answers(&scheduler.step(done(1, 0), 3)), ["start 3.0 by 0", "wait 3.1 cpu.threads"]);
    assert_eq!(answers(&scheduler.step(done(1, 1), 4)), ["start 3.1 by 0"], "long work yields at the end of a span");
    assert_eq!(answers(&scheduler.step(done(3, 0), 5)), ["start 2.0 by 0"], "then the owner who holds less");
}

#[test]
fn of_one_owner_the_job_with_the_least_slack_comes_first() {
    let mut scheduler = threads(1);
    scheduler.step(ones(1, Priority::Normal, "a", 1), 0);
    let timed = |id, run_ms, deadline_ms| {
        let choice = Choice { run_ms, ..cpu(1) };
        submit_by(deadline_ms, submit(id, Priority::Normal, "a", vec![group([choice])], 1))
    };
    scheduler.step(timed(2, 100, 20 * MINUTE), 1);
    scheduler.step(timed(3, 10 * MINUTE, 25 * MINUTE), 2);
    assert_eq!(answers(&scheduler.step(done(1, 0), 3)), ["done 1", "start 3.0 by 0"]);
}

#[test]
fn a_batch_job_that_rose_stays_normal_while_its_owner_holds_less_than_an_equal_part() {
    let mut scheduler = threads(2);
    scheduler.step(ones(1, Priority::Normal, "many", 9), 0);
    scheduler.step(ones(2, Priority::Batch, "few", 3), 0);
    let next = |scheduler: &mut Scheduler, event, minute| started(&scheduler.step(event, minute * MINUTE));
    assert_eq!(next(&mut scheduler, done(1, 0), 29), [(JobId(1), SpanId(2))]);
    assert_eq!(
        next(&mut scheduler, done(1, 1), 31),
        [(JobId(2), SpanId(0))],
        "it has risen, and its owner holds nothing"
    );
    assert_eq!(next(&mut scheduler, done(1, 2), 32), [(JobId(1), SpanId(3))], "now the other one holds nothing");
    assert_eq!(next(&mut scheduler, done(2, 0), 33), [(JobId(2), SpanId(1))], "it has not fallen back");
    // Among jobs of one owner it falls back at once.
    let mut scheduler = threads(1);
    scheduler.step(ones(1, Priority::Batch, "one", 3), 0);
    scheduler.step(ones(2, Priority::Normal, "one", 9), 0);
    assert_eq!(next(&mut scheduler, done(1, 0), 1), [(JobId(2), SpanId(0))]);
    assert_eq!(next(&mut scheduler, done(2, 0), 32), [(JobId(1), SpanId(1))], "it rose, and is the older one");
    assert_eq!(next(&mut scheduler, done(1, 1), 33), [(JobId(2), SpanId(1))]);
}

#[test]
fn a_job_that_would_miss_its_deadline_is_raised_within_its_class_only() {
    let mut scheduler = threads(2);
    let long = Choice { run_ms: 1000, ..cpu(1) };
    scheduler.step(ones(1, Priority::Normal, "a", 1), 0);
    scheduler.step(ones(2, Priority::Normal, "b", 1), 0);
    scheduler.step(submit_by(1500, submit(3, Priority::Normal, "a", vec![group([long])], 1)), 0);
    scheduler.step(ones(4, Priority::Normal, "c", 2), 0);
    scheduler.step(ones(5, Priority::High, "d", 1), 0);
    assert_eq!(answers(&scheduler.step(done(2, 0), 600))[1], "start 5.0 by 0", "not over a higher class");
    assert_eq!(
        answers(&scheduler.step(done(5, 0), 600))[1],
        "start 3.0 by 0",
        "though its owner holds more than another"
    );
}

#[test]
fn what_has_missed_its_deadline_is_not_raised_any_more() {
    let mut scheduler = threads(2);
    scheduler.step(ones(1, Priority::Normal, "a", 1), 0);
    scheduler.step(ones(2, Priority::Normal, "b", 1), 0);
    scheduler.step(submit_by(10, ones(3, Priority::Normal, "a", 1)), 0);
    scheduler.step(ones(4, Priority::Normal, "c", 1), 0);
    assert_eq!(answers(&scheduler.step(done(2, 0), 11))[1], "start 4.0 by 0");
}

#[test]
fn a_span_that_holds_up_later_ones_of_its_job_comes_first() {
    let mut scheduler = threads(2);
    scheduler.step(ones(1, Priority::Normal, "a", 3), 0);
    scheduler.step(ones(2, Priority::Normal, "b", 1), 0);
    // Job 2 has the smaller share, but span 1 of job 1 may be stuck until span 0 is made.
    assert_eq!(answers(&scheduler.step(failed(1, 0, 1), 1)), ["start 1.0 by 0"]);
}

#[test]
fn who_gives_way_to_an_earlier_span_is_asked_until_it_is_enough() {
    let mut scheduler = threads(4);
    let wide = group([cpu(3)]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![wide, group([cpu(1)]), group([cpu(1)])], 2), 0);
    // Span 0 fails, and what it held goes to a higher class before its time has come.
    scheduler.step(failed(1, 0, 10), 1);
    scheduler.step(submit(2, Priority::High, "b", vec![group([cpu(2)])], 1), 2);
    assert_eq!(answers(&scheduler.step(Event::Tick, 10)), ["wait 1.0 cpu.threads"]);
    assert_eq!(answers(&scheduler.step(done(2, 0), 11)), ["done 2", "start 1.0 by 0"]);
}

#[test]
fn a_class_rises_with_the_wait_so_that_batch_work_is_not_starved() {
    let policy = Policy::default();
    let bound = policy.batch_to_normal_ms + policy.normal_to_high_ms + policy.high_to_first_ms;
    let mut scheduler = threads(1);
    scheduler.step(ones(0, Priority::High, "busy", 1), 0);
    scheduler.step(ones(1, Priority::Batch, "patient", 1), 0);
    let (mut id, mut running) = (2, JobId(0));
    for now in (MINUTE..).step_by(MINUTE as usize) {
        assert!(now <= bound + MINUTE, "it waits for more than the sum of the steps");
        // Two new jobs of new owners for each one that ends: more than there is room for.
        for _ in 0..2 {
            scheduler.step(ones(id, Priority::High, &format!("owner-{id}"), 1), now);
            id += 1;
        }
        let next = started(&scheduler.step(Event::SpanFinished { job: running, span: SpanId(0) }, now));
        running = next[0].0;
        if running == JobId(1) {
            assert!(
                now > policy.batch_to_normal_ms + policy.normal_to_high_ms - MINUTE,
                "not before it counts as high"
            );
            return;
        }
    }
}

#[test]
fn a_large_span_is_not_starved_by_small_ones() {
    let policy = Policy::default();
    let mut scheduler = threads(4);
    let mut running: Vec<_> =
        (0..4).flat_map(|id| started(&scheduler.step(ones(id, Priority::Normal, "small", 1), 0))).collect();
    scheduler.step(submit(4, Priority::Normal, "large", vec![group([cpu(4)])], 1), 0);
    let (mut id, step) = (5, MINUTE / 4);
    for now in (step..).step_by(step as usize) {
        // Four threads, each freed once a minute: the wait, and as long as the four take that run then.
        assert!(now <= policy.reserve_ms + 2 * MINUTE, "it is starved");
        for _ in 0..2 {
            scheduler.step(ones(id, Priority::Normal, "small", 1), now);
            id += 1;
        }
        let (job, span) = running.remove(0);
        running.extend(started(&scheduler.step(Event::SpanFinished { job, span }, now)));
        if running.contains(&(JobId(4), SpanId(0))) {
            assert!(now >= policy.reserve_ms);
            return;
        }
        assert!(!running.is_empty(), "room is kept, but not all of it");
    }
}

#[test]
fn room_that_is_kept_for_one_class_does_not_delay_a_higher_one() {
    let policy = Policy::default();
    let mut scheduler = threads(4);
    scheduler.step(ones(1, Priority::Normal, "a", 2), 0);
    scheduler.step(submit(2, Priority::Normal, "b", vec![group([cpu(4)])], 1), 0);
    let late = policy.reserve_ms;
    assert_eq!(answers(&scheduler.step(ones(3, Priority::Normal, "c", 1), late)), Vec::<String>::new());
    assert_eq!(answers(&scheduler.step(ones(4, Priority::High, "c", 1), late)), ["start 4.0 by 0"]);
    for (job, span) in [(1, 0), (1, 1), (4, 0)] {
        scheduler.step(done(job, span), late + 1);
    }
    assert_eq!(scheduler.pool().host().used().get(&CPU_THREADS), 4, "and then it is given");
}
