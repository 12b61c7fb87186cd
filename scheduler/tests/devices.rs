//! Decisions that concern devices: choices, breakers, learned caps, what is gone. One decision a test.

mod common;

use common::{MINUTE, answers, choice, cpu, device, done, drop_span, failed, gpu, group, job, start, submit};
use reelmill_scheduler::{
    Ability, Action, BreakerState, CPU_THREADS, Choice, Device, DeviceId, ENCODE_SHARE, Event, Group, GroupId,
    HOST_MEMORY_MIB, JobId, KindId, NVENC_SESSIONS, Policy, Priority, Scheduler, SpanId, Vector,
};

fn box_with(devices: u32) -> Scheduler {
    let mut scheduler = Scheduler::new(Vector::of(CPU_THREADS, 8).with(NVENC_SESSIONS, 8));
    for id in 0..devices {
        assert!(scheduler.step(device(id, 1, 1000), 0).is_empty());
    }
    scheduler
}

fn h264() -> Ability {
    Ability("encode.h264".into())
}

fn blamed(job: u64, now: u64) -> Event {
    Event::SpanFailed { job: JobId(job), span: SpanId(0), again_ms: now, blame: Some(h264()) }
}

#[test]
fn the_first_choice_that_fits_is_taken_and_says_what_the_better_one_lacked() {
    let mut scheduler = box_with(1);
    let both = group([gpu(1, 700), cpu(1)]);
    let first = scheduler.step(submit(1, Priority::Normal, "a", vec![both.clone()], 1), 0);
    assert_eq!(answers(&first), ["start 1.0 by 0 on 0"]);
    let second = scheduler.step(submit(2, Priority::Normal, "a", vec![both], 1), 0);
    assert_eq!(answers(&second), ["start 2.0 by 1"]);
    let reason = start(&second).map(|(_, _, reason)| reason);
    let expected = "next span of the job; holds 1 cpu.threads; choice 1 lacks device.encode_share";
    assert_eq!(reason.as_deref(), Some(expected));
}

#[test]
fn a_worse_choice_is_not_taken_when_waiting_for_the_better_one_ends_sooner() {
    let mut scheduler = box_with(1);
    let paced = |gpu_ms, cpu_ms| {
        group([Choice { run_ms: gpu_ms, ..gpu(1, 1000) }, Choice { run_ms: cpu_ms, identity: 1, ..cpu(1) }])
    };
    scheduler.step(submit(1, Priority::Normal, "a", vec![paced(10, 100)], 1), 0);
    let second = scheduler.step(submit(2, Priority::Normal, "a", vec![paced(10, 100)], 1), 0);
    assert_eq!(answers(&second), ["wait 2.0 device.encode_share"], "10 and 10 ms end before 100");
    let third = scheduler.step(submit(3, Priority::Normal, "a", vec![paced(10, 15)], 1), 0);
    assert_eq!(answers(&third), ["start 3.0 by 1"], "15 ms end before the wait");
    assert_eq!(answers(&scheduler.step(done(1, 0), 10)), ["done 1", "start 2.0 by 0 on 0"]);
}

#[test]
fn room_is_left_to_those_whom_it_suits_for_as_long_as_such_a_one_waits() {
    let mut scheduler = box_with(1);
    let paced =
        |cpu_ms| group([Choice { run_ms: 10, ..gpu(1, 1000) }, Choice { run_ms: cpu_ms, identity: 1, ..cpu(8) }]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![group([gpu(1, 1000)])], 1), 0);
    scheduler.step(submit(2, Priority::Normal, "a", vec![group([cpu(8)])], 1), 0);
    scheduler.step(submit(3, Priority::Normal, "a", vec![paced(20)], 1), 0);
    scheduler.step(submit(4, Priority::Normal, "a", vec![paced(11)], 1), 0);
    let freed = answers(&scheduler.step(done(2, 0), 1));
    assert!(freed.contains(&"start 4.0 by 1".to_owned()), "the older one takes twice as long there: {freed:?}");
    let freed = answers(&scheduler.step(done(4, 0), 2));
    assert!(freed.contains(&"start 3.0 by 1".to_owned()), "nobody is left whom it suits better: {freed:?}");
}

#[test]
fn a_long_queue_for_the_better_kind_makes_the_worse_choice_worth_while() {
    let mut scheduler = box_with(1);
    let paced = group([Choice { run_ms: 10, ..gpu(1, 1000) }, Choice { run_ms: 45, identity: 1, ..cpu(1) }]);
    let mut started = Vec::new();
    for number in 1..=6 {
        let actions = scheduler.step(submit(number, Priority::Normal, "a", vec![paced.clone()], 1), 0);
        started.extend(answers(&actions).into_iter().filter(|answer| answer.starts_with("start")));
    }
    // With four that wait, the last one would end after 50 ms; with three, after 40.
    assert_eq!(started, ["start 1.0 by 0 on 0", "start 2.0 by 1", "start 3.0 by 1"]);
    assert_eq!(scheduler.waiting(), [0, 3, 0]);
}

#[test]
fn whole_devices_stay_free_and_high_work_gets_an_empty_one() {
    let mut scheduler = box_with(3);
    let small = group([gpu(1, 300)]);
    let mut where_to = Vec::new();
    for (number, class) in [(1, Priority::Normal), (2, Priority::Batch), (3, Priority::High), (4, Priority::Normal)] {
        let actions = scheduler.step(submit(number, class, "a", vec![small.clone()], 1), 0);
        where_to.extend(answers(&actions));
    }
    assert_eq!(where_to, ["start 1.0 by 0 on 0", "start 2.0 by 0 on 0", "start 3.0 by 0 on 1", "start 4.0 by 0 on 0"]);
}

#[test]
fn a_group_keeps_to_its_identity_until_it_is_changed() {
    let mut scheduler = box_with(1);
    let both = group([gpu(1, 1000), Choice { identity: 1, ..cpu(1) }]);
    let actions = scheduler.step(submit(1, Priority::Normal, "a", vec![both], 3), 0);
    assert_eq!(
        answers(&actions),
        ["start 1.0 by 0 on 0", "wait 1.1 device.encode_share"],
        "the CPU has another identity"
    );
    let changed = Event::GroupChanged { job: JobId(1), group: GroupId(0), choices: group([cpu(1)]) };
    assert_eq!(answers(&scheduler.step(changed, 1)), ["start 1.1 by 0", "start 1.2 by 0"]);
}

#[test]
fn more_spans_may_be_added_with_groups_of_their_own() {
    let mut scheduler = box_with(0);
    scheduler.step(submit(1, Priority::Normal, "a", vec![group([cpu(8)])], 1), 0);
    let added = Event::SpansAdded { job: JobId(1), groups: vec![group([cpu(2)])], spans: vec![GroupId(1)] };
    assert_eq!(answers(&scheduler.step(added, 1)), ["wait 1.1 cpu.threads"]);
    assert_eq!(answers(&scheduler.step(done(1, 0), 2)), ["start 1.1 by 0"]);
    assert_eq!(answers(&scheduler.step(done(1, 1), 3)), ["done 1"]);
}

#[test]
fn an_ability_that_failed_three_times_is_set_aside_until_it_has_proved_itself() {
    let mut scheduler = box_with(1);
    let only = group([choice(1, 100, Some(h264()))]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![only], 1), 0);
    assert_eq!(answers(&scheduler.step(blamed(1, 1), 1)), ["start 1.0 by 0 on 0"]);
    assert_eq!(answers(&scheduler.step(blamed(1, 2), 2)), ["start 1.0 by 0 on 0"]);
    assert_eq!(answers(&scheduler.step(blamed(1, 3), 3)), ["wait 1.0 device"]);
    let shown = scheduler.devices(3).next().map(|view| view.breakers);
    assert_eq!(shown, Some(vec![(h264(), BreakerState::Open { until_ms: 3 + MINUTE })]));
    let other = group([choice(1, 100, Some(Ability("decode.hevc".into())))]);
    let relies_on_other = scheduler.step(submit(2, Priority::Normal, "a", vec![other], 1), 4);
    assert_eq!(answers(&relies_on_other), ["start 2.0 by 0 on 0"], "its other abilities are in use");
    assert_eq!(scheduler.wake_ms(4), Some(3 + MINUTE));
    assert_eq!(answers(&scheduler.step(Event::Tick, 3 + MINUTE)), ["probe 0 encode.h264"]);
    let probed = |sound| Event::Probed { device: DeviceId(0), ability: h264(), sound };
    assert!(scheduler.step(probed(false), MINUTE + 4).is_empty());
    assert_eq!(
        answers(&scheduler.step(Event::Tick, MINUTE + 4 + 2 * MINUTE)),
        ["probe 0 encode.h264"],
        "twice as long"
    );
    assert_eq!(answers(&scheduler.step(probed(true), 4 * MINUTE)), ["start 1.0 by 0 on 0"]);
}

#[test]
fn what_failed_for_spans_that_go_on_is_set_aside_too() {
    let mut scheduler = box_with(1);
    let only = group([choice(1, 100, Some(h264()))]);
    for number in 1..=3 {
        scheduler.step(submit(number, Priority::Normal, "a", vec![only.clone()], 1), 0);
        let failed = Event::AbilityFailed { job: JobId(number), span: SpanId(0), ability: h264() };
        assert!(scheduler.step(failed, number).is_empty());
        // That the rest of it was done well says nothing of what failed.
        assert_eq!(answers(&scheduler.step(done(number, 0), number)), [format!("done {number}")]);
    }
    let shown = scheduler.devices(3).next().map(|view| view.breakers);
    assert_eq!(shown, Some(vec![(h264(), BreakerState::Open { until_ms: 3 + MINUTE })]));
    let late = Event::AbilityFailed { job: JobId(3), span: SpanId(0), ability: h264() };
    assert!(scheduler.step(late, 4).is_empty(), "nothing of it runs any more");
}

#[test]
fn a_device_that_fails_fast_draws_no_more_work() {
    let mut scheduler = box_with(2);
    let only = group([choice(1, 1000, Some(h264()))]);
    for number in 1..=2 {
        scheduler.step(submit(number, Priority::Normal, "a", vec![only.clone()], 1), 0);
    }
    let mut attempts = 0;
    // Job 1 runs on device 0, which fails at once, always.
    for now in 1..10 {
        attempts += answers(&scheduler.step(blamed(1, now), now)).len().min(1);
    }
    assert_eq!(attempts, 3, "two more attempts, and a wait");
    assert_eq!(answers(&scheduler.step(done(2, 0), 20)), ["done 2", "start 1.0 by 0 on 1"]);
}

#[test]
fn a_refused_session_lowers_what_is_taken_and_it_rises_slowly() {
    let mut scheduler = box_with(1);
    let session = group([Choice { host: Vector::of(NVENC_SESSIONS, 1), ..gpu(1, 100) }]);
    let actions = scheduler.step(submit(1, Priority::Normal, "a", vec![session], 9), 0);
    assert_eq!(answers(&actions).last().map(String::as_str), Some("wait 1.8 nvenc.sessions"));
    let refused = Event::Refused { dimension: NVENC_SESSIONS, device: None };
    scheduler.step(refused, 1);
    assert_eq!(scheduler.pool().host().caps().next(), Some((&NVENC_SESSIONS, 7)));
    assert_eq!(answers(&scheduler.step(failed(1, 7, 2), 2)), ["wait 1.7 nvenc.sessions"], "others have the eighth");
    assert_eq!(answers(&scheduler.step(done(1, 0), 3)), ["start 1.7 by 0 on 0", "wait 1.8 nvenc.sessions"]);
    let tick = scheduler.wake_ms(3).unwrap_or_default();
    assert_eq!(tick, 1 + 5 * MINUTE);
    assert_eq!(answers(&scheduler.step(Event::Tick, tick)), ["start 1.8 by 0 on 0"], "it is tried again");
    assert_eq!(scheduler.pool().host().caps().next(), None);
}

#[test]
fn a_cap_of_a_device_binds_on_that_device_alone() {
    let mut scheduler = box_with(2);
    let half = group([gpu(1, 500)]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![half.clone()], 1), 0);
    scheduler.step(Event::Refused { dimension: ENCODE_SHARE, device: Some(DeviceId(0)) }, 1);
    let actions = scheduler.step(submit(2, Priority::Normal, "a", vec![half], 1), 2);
    assert_eq!(answers(&actions), ["start 2.0 by 0 on 1"]);
}

#[test]
fn what_no_device_here_could_ever_run_fails_at_once() {
    let mut scheduler = box_with(1);
    for (number, choices, refused) in [
        (1, group([gpu(2, 1)]), "refuse 1.0 device 1 of 0"),
        (2, group([gpu(1, 1001)]), "refuse 2.0 device.encode_share 1001 of 1000"),
        (3, group([gpu(1, 5000), cpu(9)]), "refuse 3.0 cpu.threads 9 of 8"),
        (4, Group::default(), "refuse 4.0 device 1 of 0"),
    ] {
        let actions = scheduler.step(submit(number, Priority::Batch, "a", vec![choices], 2), 0);
        assert_eq!(answers(&actions), [refused]);
    }
    assert_eq!(scheduler.jobs(), 0);
}

#[test]
fn what_only_a_device_that_is_gone_could_run_waits_a_while_for_it() {
    let policy = Policy::default();
    let mut scheduler = box_with(1);
    scheduler.step(Event::DeviceDown { device: DeviceId(0) }, 10);
    let submitted = scheduler.step(submit(1, Priority::Normal, "a", vec![group([gpu(1, 10)])], 1), 20);
    assert_eq!(answers(&submitted), ["wait 1.0 device"]);
    let mut returns = scheduler.clone();
    assert_eq!(answers(&returns.step(device(0, 1, 1000), 30)), ["start 1.0 by 0 on 0"]);
    let until = 10 + policy.absent_grace_ms;
    assert_eq!(scheduler.wake_ms(20), Some(until));
    assert_eq!(answers(&scheduler.step(Event::Tick, until)), ["refuse 1.0 device 1 of 0"]);
}

#[test]
fn what_runs_on_a_device_that_vanishes_holds_its_lease_until_it_is_reported() {
    let mut scheduler = box_with(2);
    let whole = group([gpu(1, 1000)]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![whole], 3), 0);
    assert_eq!(answers(&scheduler.step(Event::DeviceDown { device: DeviceId(0) }, 1)), Vec::<String>::new());
    assert_eq!(scheduler.pool().leases(), 2);
    assert_eq!(answers(&scheduler.step(failed(1, 0, 2), 2)), ["wait 1.0 device.encode_share"], "no room elsewhere");
    let next = answers(&scheduler.step(done(1, 1), 3));
    assert_eq!(next, ["start 1.0 by 0 on 1", "wait 1.2 device.encode_share"], "what failed comes first");
    assert_eq!(answers(&scheduler.step(device(0, 1, 1000), 4)), ["start 1.2 by 0 on 0"]);
}

#[test]
fn two_jobs_that_need_what_the_other_holds_cannot_lock_each_other() {
    // Each needs the device and the memory of the host; a lease takes both or neither.
    let mut scheduler = Scheduler::new(Vector::of(HOST_MEMORY_MIB, 100));
    scheduler.step(
        Event::DeviceUp {
            device: Device { id: DeviceId(0), kind: KindId(1), capacity: Vector::of(ENCODE_SHARE, 100) },
        },
        0,
    );
    let one = group([Choice { host: Vector::of(HOST_MEMORY_MIB, 60), ..gpu(1, 60) }]);
    let two = group([Choice { host: Vector::of(HOST_MEMORY_MIB, 60), ..gpu(1, 50) }]);
    scheduler.step(submit(1, Priority::Normal, "a", vec![one.clone(), two.clone()], 2), 0);
    scheduler.step(submit(2, Priority::Normal, "b", vec![two, one], 2), 0);
    assert_eq!(scheduler.pool().leases(), 1, "who waits holds nothing");
    let (mut running, mut ended) = (vec![(1, 0)], 0);
    while let Some((job, span)) = running.pop() {
        assert_eq!(scheduler.pool().host().used().get(&HOST_MEMORY_MIB), 60);
        for action in scheduler.step(done(job, span), 1) {
            match action {
                Action::Start { job, span, .. } => running.push((job.0, span.0)),
                Action::JobDone { .. } => ended += 1,
                _ => {}
            }
        }
    }
    assert_eq!((ended, scheduler.pool().leases(), scheduler.jobs()), (2, 0, 0));
}

#[test]
fn a_dropped_span_of_a_device_gives_its_room_to_the_next_once_it_is_gone() {
    let mut scheduler = box_with(1);
    scheduler.step(submit(1, Priority::Normal, "a", vec![group([gpu(1, 1000)])], 2), 0);
    assert_eq!(answers(&scheduler.step(drop_span(1, 0), 1)), ["stop 1.0"]);
    assert_eq!(answers(&scheduler.step(done(1, 0), 2)), ["start 1.1 by 0 on 0"]);
    assert_eq!(job(1), JobId(1));
}
