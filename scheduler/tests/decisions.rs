//! One decision a test.

use reelmill_scheduler::{
    Action, CPU_THREADS, Dimension, Event, Group, GroupId, JobDemand, JobId, LeaseId, Priority, Scheduler, SpanId,
    Vector,
};

const JOB: JobId = JobId(1);

fn threads(amount: u64) -> Vector {
    Vector::of(CPU_THREADS, amount)
}

fn submit(job: u64, priority: Priority, spans: Vec<Vector>) -> Event {
    let groups = (0..spans.len() as u32).map(GroupId).collect();
    let demand = JobDemand {
        job: JobId(job),
        priority,
        owner: "somebody".into(),
        deadline_ms: None,
        spans: groups,
        groups: spans.into_iter().map(Group::on_host).collect(),
    };
    Event::JobSubmitted { job: demand }
}

fn failed(span: u32, again_ms: u64) -> Event {
    Event::SpanFailed { job: JOB, span: SpanId(span), again_ms, blame: None }
}

fn dropped(span: u32) -> Event {
    Event::SpanDropped { job: JOB, span: SpanId(span) }
}

fn finished(span: u32) -> Event {
    Event::SpanFinished { job: JOB, span: SpanId(span) }
}

/// `start 1.0#1` and so on: job, span, attempt.
fn short(actions: &[Action]) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Start { job, span, attempt, .. } => format!("start {}.{}#{attempt}", job.0, span.0),
        Action::Wait { job, span, dimension } => format!("wait {}.{} {dimension}", job.0, span.0),
        Action::Refuse { job, span, dimension, .. } => format!("refuse {}.{} {dimension}", job.0, span.0),
        Action::Stop { job, span } => format!("stop {}.{}", job.0, span.0),
        Action::JobDone { job } => format!("done {}", job.0),
        Action::JobStopped { job } => format!("stopped {}", job.0),
        Action::Probe { device, ability } => format!("probe {} {ability}", device.0),
    };
    actions.iter().map(line).collect()
}

#[test]
fn spans_run_side_by_side_as_far_as_they_fit() {
    let mut scheduler = Scheduler::new(threads(4));
    let actions = scheduler.step(submit(1, Priority::Normal, vec![threads(0), threads(2), threads(2), threads(2)]), 0);
    assert_eq!(short(&actions), ["start 1.0#1", "start 1.1#1", "start 1.2#1", "wait 1.3 cpu.threads"]);
    assert_eq!(short(&scheduler.step(finished(0), 1)), Vec::<String>::new(), "the same wait is not said twice");
    assert_eq!(short(&scheduler.step(finished(2), 2)), ["start 1.3#1"]);
    assert!(scheduler.step(finished(1), 3).is_empty());
    assert_eq!(short(&scheduler.step(finished(3), 4)), ["done 1"]);
    assert_eq!((scheduler.jobs(), scheduler.pool().leases()), (0, 0));
}

#[test]
fn a_start_says_what_it_holds_and_why() {
    let mut scheduler = Scheduler::new(threads(2));
    let actions = scheduler.step(submit(1, Priority::Normal, vec![threads(2)]), 0);
    let reason = "next span of the job; holds 2 cpu.threads".to_owned();
    assert_eq!(
        actions,
        [Action::Start { job: JOB, span: SpanId(0), attempt: 1, lease: LeaseId(0), choice: 0, device: None, reason }]
    );
}

#[test]
fn a_span_that_failed_runs_again_before_later_spans_when_its_time_has_come() {
    let mut scheduler = Scheduler::new(threads(2));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1); 3]), 0);
    assert_eq!(short(&scheduler.step(failed(0, 1), 1)), ["start 1.0#2", "wait 1.2 cpu.threads"]);
    assert_eq!(short(&scheduler.step(failed(0, 500), 2)), ["start 1.2#1"], "its room is not kept while it waits");
    assert_eq!(scheduler.wake_ms(2), Some(500));
    assert_eq!(short(&scheduler.step(finished(1), 499)), Vec::<String>::new());
    assert_eq!(short(&scheduler.step(Event::Tick, 500)), ["start 1.0#3"]);
    assert_eq!(scheduler.wake_ms(500), None);
}

#[test]
fn a_dropped_span_counts_as_done_once_its_process_is_gone() {
    let mut scheduler = Scheduler::new(threads(1));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1), threads(1)]), 0);
    assert!(scheduler.step(dropped(1), 1).is_empty());
    assert_eq!(short(&scheduler.step(dropped(0), 2)), ["stop 1.0"]);
    assert!(scheduler.step(dropped(0), 3).is_empty(), "it is told to stop once");
    assert_eq!(scheduler.pool().leases(), 1, "a lease is held until its process is gone");
    assert_eq!(short(&scheduler.step(failed(0, 4), 4)), ["done 1"], "and it is not tried again");
    assert_eq!((scheduler.jobs(), scheduler.pool().leases()), (0, 0));
}

#[test]
fn a_cancelled_job_frees_its_room_for_the_next_one_when_its_spans_are_gone() {
    let mut scheduler = Scheduler::new(threads(1));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1)]), 0);
    let waits = scheduler.step(submit(2, Priority::High, vec![threads(1)]), 1);
    assert_eq!(short(&waits), ["wait 2.0 cpu.threads"]);
    assert_eq!(short(&scheduler.step(Event::JobCancelled { job: JOB }, 2)), ["stop 1.0"]);
    assert!(scheduler.step(Event::JobCancelled { job: JOB }, 3).is_empty());
    assert_eq!(short(&scheduler.step(finished(0), 4)), ["stopped 1", "start 2.0#1"]);
}

#[test]
fn what_a_lost_job_held_is_free_at_once() {
    let mut scheduler = Scheduler::new(threads(1));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1)]), 0);
    scheduler.step(submit(2, Priority::Normal, vec![threads(1)]), 1);
    assert_eq!(short(&scheduler.step(Event::JobLost { job: JOB }, 2)), ["start 2.0#1"]);
    assert!(scheduler.step(finished(0), 3).is_empty(), "late reports change nothing");
    assert_eq!((scheduler.jobs(), scheduler.pool().leases()), (1, 1));
}

#[test]
fn the_queue_is_by_class_then_age() {
    let mut scheduler = Scheduler::new(threads(1));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1)]), 0);
    scheduler.step(submit(2, Priority::Batch, vec![threads(1)]), 1);
    scheduler.step(submit(3, Priority::Normal, vec![threads(1)]), 2);
    scheduler.step(submit(4, Priority::High, vec![threads(1)]), 3);
    let mut order = Vec::new();
    let mut actions = scheduler.step(finished(0), 4);
    while let Some(Action::Start { job, span, .. }) = actions.last().cloned() {
        order.push(job.0);
        actions = scheduler.step(Event::SpanFinished { job, span }, 5);
    }
    assert_eq!(order, [4, 3, 2]);
}

#[test]
fn what_can_never_fit_is_refused_by_name_and_does_not_block_the_queue() {
    let mut scheduler = Scheduler::new(threads(4));
    let sessions = Dimension::named("gpu0.encode_sessions");
    let actions = scheduler.step(submit(1, Priority::Normal, vec![threads(1).with(sessions, 1)]), 0);
    assert_eq!(short(&actions), ["refuse 1.0 gpu0.encode_sessions"]);
    assert_eq!(short(&scheduler.step(submit(2, Priority::Normal, vec![threads(4)]), 1)), ["start 2.0#1"]);
}

#[test]
fn more_capacity_starts_what_waited() {
    let mut scheduler = Scheduler::new(threads(1));
    scheduler.step(submit(1, Priority::Normal, vec![threads(1), threads(1)]), 0);
    assert_eq!(short(&scheduler.step(Event::HostChanged { capacity: threads(2) }, 1)), ["start 1.1#1"]);
}
