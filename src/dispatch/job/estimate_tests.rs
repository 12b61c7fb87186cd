//! Estimates follow from sizes, rates and devices.

use super::*;
use crate::dispatch::cpu_alone;
use crate::dispatch::fleet::tests::card;
use crate::plan::testing::{movie, video};
use crate::plan::{Node, Request, plan};

fn planned(height: u32) -> (Plan, Decoded) {
    let width = height * 16 / 9;
    let plan = plan(&movie(video(width, height, 25, 1)), &Request::default(), &Node { threads: 4 }).unwrap();
    (plan, Decoded { codec: "h264".to_owned(), depth: 8, pixels: u64::from(width) * u64::from(height) })
}

fn load(height: u32, device: Option<&DeviceInfo>, encodes: bool) -> Load {
    let ((plan, source), cpu, rates) = (planned(height), cpu_alone(4).remove(0), Rates::default());
    let mut load = Load::default();
    let rungs = plan.video.iter().flat_map(|video| &video.renditions).filter(|_| encodes);
    let placement = Placement {
        device: device.map(|device| device.id.clone()),
        decode: device.is_some(),
        encode: rungs.map(|rung| rung.id.clone()).collect(),
    };
    let alike = device.map(|info| Alike { kind: "kind", info, count: 2 });
    load.pictures(&plan, &source, &placement, alike, &cpu, &rates);
    load.sound(&plan, &cpu, &rates);
    load
}

#[test]
fn more_pixels_take_longer_and_threads_share_them() {
    let (small, large) = (load(720, None, false), load(1080, None, false));
    assert!(large.cpu_ms() > small.cpu_ms() && small.cpu_ms() > Some(0));
    let (one, four) = (large.time_ms(1).unwrap(), large.time_ms(4).unwrap());
    assert!(one.abs_diff(four * 4) < 10, "{one} {four}");
    assert_eq!(Some(one), large.cpu_ms(), "one thread is busy all the time");
}

#[test]
fn a_device_takes_the_time_of_its_engines_and_little_of_the_cpu() {
    let card = card("a", "Tesla T4");
    let (by_cpu, decoded, by_card) =
        (load(1080, None, false), load(1080, Some(&card), false), load(1080, Some(&card), true));
    assert!(by_card.cpu_ms() < decoded.cpu_ms() && decoded.cpu_ms() < by_cpu.cpu_ms());
    assert!(by_card.time_ms(4) < by_cpu.time_ms(4));
    assert!(by_card.time_ms(64) == by_card.time_ms(4), "its engines decide");
    assert!(by_card.time_ms(4) > Some(0));
}

#[test]
fn nothing_is_told_of_what_has_no_known_end() {
    let ((mut plan, source), cpu) = (planned(720), cpu_alone(4).remove(0));
    plan.duration_us = None;
    let mut load = Load::default();
    load.pictures(&plan, &source, &Placement::default(), None, &cpu, &Rates::default());
    assert_eq!((load.cpu_ms(), load.time_ms(4)), (None, None));
}

#[test]
fn what_was_measured_of_the_processor_that_is_found_is_what_its_estimates_go_by() {
    let found = crate::devices::discover(&crate::model::DeviceChoice::Cpu).devices.remove(0);
    let facts = movie(video(1280, 720, 25, 1));
    let plan = plan(&facts, &Request::default(), &Node { threads: 4 }).unwrap();
    let state = tempfile::tempdir().unwrap();
    let rates = Rates::load(state.path());
    let estimated = |rates: &Rates| crate::dispatch::estimate_by_cpu(&plan, &facts, 4, rates).unwrap();
    let before = estimated(&rates);
    let rungs = &plan.video.as_ref().unwrap().renditions;
    let key = |rung: &crate::model::VideoRendition| RateKey {
        operation: Operation::Encode,
        codec: rung.codec.traits().name.to_owned(),
        depth: 8,
        speed: Some(rung.speed),
    };
    let slow: Vec<_> = rungs.iter().map(|rung| (key(rung), 1_000_000)).collect();
    rates.measured(&found, "FFmpeg 5.1", &slow);
    rates.keep_now();
    let after = estimated(&Rates::load(state.path()));
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}, after a restart");
}
