//! Files, sessions, engines, memory and faults, on a clock that the tests turn.

use super::read::parse;
use super::state::State;
use super::*;
use crate::model::Speed;
use crate::model::classify::classify;
use crate::model::device::{DeviceFault, DeviceId, Operation};
use crate::model::simulated::{Call, Effect, Opening, Reply};
use std::path::Path;
use std::time::Duration;

const HD: u64 = 1280 * 720;

fn card(extra: &str) -> String {
    format!(
        "[[devices]]\nkind = \"cuda\"\nid = \"a\"\nname = \"A\"\nmemory_mib = 1000\nencode_engines = 2\n\
         decode_engines = 1\nsessions_counted = true\n\
         [[devices.encode]]\ncodec = \"h264\"\nsize_min = \"146x50\"\nmpix = {{ fast = 400, balanced = 200, quality = 100 }}\n\
         [[devices.decode]]\ncodec = \"h264\"\nmpix = 300\n{extra}"
    )
}

fn state(head: &str, extra: &str) -> State {
    State::new(parse("t.toml", &format!("{head}\n{}", card(extra))).unwrap())
}

fn opening(operation: Operation, width: u32, height: u32) -> Opening {
    Opening {
        device: DeviceId("cuda:a".to_owned()),
        operation,
        codec: if operation == Operation::Filter { String::new() } else { "h264".to_owned() },
        depth: 8,
        width,
        height,
        speed: (operation == Operation::Encode).then_some(Speed::Balanced),
        track: "720p".to_owned(),
    }
}

fn open(state: &mut State, worker: u64, operation: Operation, now: Duration) -> Result<u64, DeviceFault> {
    match state.call(worker, Call::Open(opening(operation, 1280, 720)), now) {
        Reply::Opened(opened) => Ok(opened.session),
        reply => Err(fault(operation, &reply, false)),
    }
}

fn fault(operation: Operation, reply: &Reply, after_first: bool) -> DeviceFault {
    let Reply::Refused { code, lines } = reply else { panic!("{reply:?}") };
    classify(operation, Some(*code), lines, after_first).unwrap()
}

const START: Duration = Duration::ZERO;

#[test]
fn the_example_files_are_right() {
    for (name, devices) in [("geforce", 2), ("h200", 1), ("intel", 1), ("broken", 1)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated").join(format!("{name}.toml"));
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.devices().len(), devices, "{name}");
        assert!(loaded.devices().iter().all(|device| device.simulated && !device.abilities.is_empty()));
        assert!(!loaded.rates().is_empty());
    }
    assert_eq!(load(Path::new("/nowhere.toml")).unwrap_err().code, "simulation.unreadable");
}

#[test]
fn mistakes_are_told_with_their_line() {
    let told = |text: &str| {
        let problem = parse("t.toml", text).unwrap_err();
        (problem.code, problem.message)
    };
    let (code, message) = told(&format!("seed = 1\nsede = 2\n{}", card("")));
    assert_eq!(code, "simulation.syntax");
    assert!(message.starts_with("t.toml:2:"), "{message}");
    for (text, line, part) in [
        (card("[[devices.faults]]\nwhat = \"lost\"\nopen = 0\n"), 18, "counts from 1"),
        (card("[[devices.faults]]\nwhat = \"session_limit\"\noperation = \"decode\"\n"), 0, "cannot happen"),
        (card("").replace("codec = \"h264\"", "codec = \"vvc\""), 10, "must be one of"),
        (card("").replace("146x50", "small"), 11, "like \"146x50\""),
        (format!("[sessions]\ncode = 7\n{}", card("")), 2, "must be 10"),
        (card("").replace("mpix = 300", "mpix = 0"), 15, "1 megapixel"),
    ] {
        let (code, message) = told(&text);
        assert_eq!(code, "simulation.value");
        assert!(message.contains(part), "{message}");
        assert!(line == 0 || message.starts_with(&format!("t.toml:{line}:")), "{message}");
    }
}

#[test]
fn the_cap_counts_the_sessions_of_all_and_the_dead_give_theirs_back() {
    for code in [10, 21] {
        let mut state = state(&format!("[sessions]\ncap = 3\ncode = {code}\ntaken = 1\ntaken_until_s = 5\n"), "");
        open(&mut state, 1, Operation::Encode, START).unwrap();
        open(&mut state, 2, Operation::Encode, START).unwrap();
        assert_eq!(open(&mut state, 2, Operation::Encode, START), Err(DeviceFault::SessionLimit), "{code}");
        open(&mut state, 2, Operation::Decode, START).unwrap();
        state.leave(1);
        open(&mut state, 3, Operation::Encode, START).unwrap();
        // Another process lets go.
        open(&mut state, 3, Operation::Encode, Duration::from_secs(5)).unwrap();
        assert_eq!(state.counted(), 3);
        state.leave(2);
        state.leave(3);
        assert_eq!(state.open_sessions(), 0);
    }
}

/// Works for a second of the clock in each session, one call after the other as each becomes free.
fn frames_in_a_second(state: &mut State, sessions: &[u64]) -> Vec<u64> {
    let mut next: Vec<(Duration, u64, u64)> = sessions.iter().map(|id| (START, *id, 0)).collect();
    let end = Duration::from_secs(1);
    loop {
        next.sort();
        let (now, id, frames) = next[0];
        if now >= end {
            next.sort_by_key(|(_, id, _)| *id);
            return next.into_iter().map(|(_, _, frames)| frames).collect();
        }
        let Reply::Go { wait_us, .. } = state.call(1, Call::Work { session: id, pixels: HD }, now) else { panic!() };
        next[0] = (now + Duration::from_micros(wait_us), id, frames + 1);
    }
}

#[test]
fn a_session_has_one_engine_at_most_and_many_share_them() {
    // 200 megapixels a second are 217 pictures.
    let mut one = state("", "");
    let alone = open(&mut one, 1, Operation::Encode, START).unwrap();
    let frames = frames_in_a_second(&mut one, &[alone]);
    assert!((210..=225).contains(&frames[0]), "{frames:?}");
    let mut four = state("", "");
    let sessions: Vec<u64> = (0..4).map(|_| open(&mut four, 1, Operation::Encode, START).unwrap()).collect();
    let frames = frames_in_a_second(&mut four, &sessions);
    let sum: u64 = frames.iter().sum();
    assert!((425..=450).contains(&sum), "{frames:?}");
    assert!(frames.iter().all(|frames| (100..=116).contains(frames)), "{frames:?}");
    // The ground truth is what was done.
    let used = &four.used()[&(1, DeviceId("cuda:a".to_owned()), Operation::Encode, "720p".to_owned())];
    assert_eq!((used.frames, used.pixels), (sum, sum * HD));
    assert_eq!(used.engine.as_millis(), u128::from(sum * HD / 200_000));
}

#[test]
fn memory_sizes_and_codecs_have_their_limits() {
    let mut state = state("", "");
    let mut ask = |o: Opening| fault(o.operation, &state.call(1, Call::Open(o), START), false);
    assert_eq!(ask(opening(Operation::Encode, 144, 48)), DeviceFault::FrameSize);
    assert_eq!(ask(opening(Operation::Encode, 5000, 720)), DeviceFault::FrameSize);
    assert_eq!(ask(opening(Operation::Decode, 5000, 720)), DeviceFault::FrameSize);
    assert_eq!(ask(Opening { depth: 10, ..opening(Operation::Encode, 640, 360) }), DeviceFault::Unsupported);
    assert_eq!(ask(Opening { codec: "av1".into(), ..opening(Operation::Decode, 640, 360) }), DeviceFault::Unsupported);
    let unknown = Opening { device: DeviceId("cuda:b".into()), ..opening(Operation::Decode, 640, 360) };
    assert_eq!(ask(unknown), DeviceFault::Missing);
    // A context of 100 MiB, then decoders of 396 MiB each.
    let big = || opening(Operation::Decode, 3840, 2160);
    assert!(matches!(state.call(1, Call::Open(big()), START), Reply::Opened(_)));
    assert!(matches!(state.call(1, Call::Open(big()), START), Reply::Opened(_)));
    assert_eq!(fault(Operation::Decode, &state.call(1, Call::Open(big()), START), false), DeviceFault::OutOfMemory);
}

#[test]
fn a_lost_device_takes_all_its_sessions_along_and_comes_back() {
    let lost = "[[devices.faults]]\nwhat = \"lost\"\noperation = \"encode\"\nopen = 1\nframe = 3\nback_after_s = 4\n";
    let mut state = state("", lost);
    let encode = open(&mut state, 1, Operation::Encode, START).unwrap();
    let decode = open(&mut state, 2, Operation::Decode, START).unwrap();
    let mut work = |worker, session, now| state.call(worker, Call::Work { session, pixels: HD }, now);
    assert!(matches!(work(1, encode, START), Reply::Go { .. }));
    assert!(matches!(work(1, encode, START), Reply::Go { .. }));
    assert_eq!(fault(Operation::Encode, &work(1, encode, START), true), DeviceFault::Lost);
    assert_eq!(fault(Operation::Decode, &work(2, decode, START), true), DeviceFault::Lost);
    assert_eq!(open(&mut state, 3, Operation::Encode, Duration::from_secs(1)), Err(DeviceFault::Missing));
    let later = Duration::from_secs(5);
    open(&mut state, 3, Operation::Encode, later).unwrap();
    let dead = state.call(2, Call::Work { session: decode, pixels: HD }, later);
    assert_eq!(fault(Operation::Decode, &dead, true), DeviceFault::Lost, "what was lost stays lost");
}

#[test]
fn faults_meet_the_session_and_the_picture_that_the_file_names() {
    let faults = "[[devices.faults]]\nwhat = \"busy\"\noperation = \"encode\"\nopen = 2\n\
                  [[devices.faults]]\nwhat = \"truncated\"\noperation = \"encode\"\nopen = 3\nframe = 2\n\
                  [[devices.faults]]\nwhat = \"hang\"\noperation = \"decode\"\nframe = 2\ntimes = 1\n\
                  [[devices.faults]]\nwhat = \"corrupt\"\noperation = \"encode\"\nopen = 1\n";
    let mut state = state("", faults);
    let first = open(&mut state, 1, Operation::Encode, START).unwrap();
    assert_eq!(open(&mut state, 1, Operation::Encode, START), Err(DeviceFault::Busy));
    let third = open(&mut state, 1, Operation::Encode, START).unwrap();
    let decoders = [0, 1].map(|_| open(&mut state, 1, Operation::Decode, START).unwrap());
    let mut work = |session| state.call(1, Call::Work { session, pixels: 1 }, START);
    let effect = |reply: Reply| match reply {
        Reply::Go { effect, .. } => effect,
        other => panic!("{other:?}"),
    };
    assert_eq!(effect(work(first)), Effect::Corrupt);
    assert_eq!(
        [effect(work(third)), effect(work(third)), effect(work(third))],
        [Effect::None, Effect::Drop, Effect::Drop]
    );
    work(decoders[0]);
    assert_eq!(work(decoders[0]), Reply::Hang);
    work(decoders[1]);
    assert_eq!(effect(work(decoders[1])), Effect::None, "it happens once");
}

#[test]
fn chance_is_the_same_each_time() {
    let run = |seed| {
        let faults = "[[devices.faults]]\nwhat = \"busy\"\noperation = \"decode\"\npercent = 50\n";
        let mut state = state(&format!("seed = {seed}"), faults);
        let each = |_| {
            let opened = state.call(1, Call::Open(opening(Operation::Decode, 64, 64)), START);
            state.leave(1);
            matches!(opened, Reply::Opened(_))
        };
        (0..64).map(each).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn what_a_worker_held_is_free_when_it_is_gone() {
    let host = Host::new(parse("t.toml", &card("")).unwrap());
    let worker = host.attach();
    assert!(matches!(worker.call(Call::Open(opening(Operation::Encode, 640, 360))), Reply::Opened(_)));
    assert_eq!((host.counted_sessions(), host.open_sessions()), (1, 1));
    drop(worker);
    assert_eq!((host.counted_sessions(), host.open_sessions()), (0, 0));
    assert_eq!(host.devices().len(), 1);
}
