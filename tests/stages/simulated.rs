//! Spans on simulated devices: all that should come comes, and each fault is taken for what it is.

use crate::made::{Bytes, Recorder, groups, planned};
use reelmill::model::device::{Accelerator, DeviceFault, DeviceKind, Memory, Operation};
use reelmill::model::plan::SpanRange;
use reelmill::model::simulated::{Call, Reply};
use reelmill::model::{Plan, Problem};
use reelmill::pipeline::simulated::{Calls, Simulated, Transfers};
use reelmill::pipeline::{Control, video as span};
use reelmill::simulate::{Attached, Host, load};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };
const FRAMES: i64 = 75;

struct Direct(Attached);

impl Calls for Direct {
    fn call(&self, call: Call) -> Option<Reply> {
        Some(self.0.call(call))
    }
}

fn host(head: &str, faults: &str) -> Arc<Host> {
    let text = format!(
        "{head}\n[[devices]]\nkind = \"cuda\"\nid = \"a\"\nname = \"A\"\nmemory_mib = 4000\nencode_engines = 1\n\
         decode_engines = 1\nsessions_counted = true\ndelay_frames = 3\n\
         [[devices.encode]]\ncodec = \"h264\"\nsize_min = \"146x50\"\nmpix = 4000\n\
         [[devices.decode]]\ncodec = \"h264\"\nmpix = 4000\n{faults}"
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("devices.toml");
    fs::write(&path, text).unwrap();
    Host::new(load(&path).unwrap())
}

/// All of it on the device: two rungs, scaled from the decoder's frames.
fn placed(plan: &mut Plan, host: &Host) -> Accelerator {
    let device = host.devices().remove(0);
    let accelerator = Accelerator {
        id: device.id,
        kind: DeviceKind::Cuda,
        address: device.address,
        simulated: true,
        decode: true,
        extra_frames: 8,
    };
    let video = plan.video.as_mut().unwrap();
    video.accelerator = Some(accelerator.clone());
    video.prepare.clear();
    video.memory = Memory::Device;
    for rung in &mut video.renditions {
        rung.parent = None;
        rung.graph = format!("scale_cuda=w={}:h={}:interp_algo=bilinear:format=nv12,setsar=1", rung.width, rung.height);
        (rung.memory, rung.on_device) = (Memory::Device, true);
        (rung.encoder, rung.pixel_format) = ("h264_nvenc".to_owned(), "nv12".to_owned());
        let options = [("preset", "p2"), ("rc", "vbr"), ("b", "300000"), ("g", "50"), ("bf", "0"), ("forced-idr", "1")];
        rung.options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    }
    accelerator
}

struct Ran {
    recorder: Recorder,
    control: Control,
    result: Result<(), Problem>,
    transfers: Arc<Transfers>,
}

impl Ran {
    /// The fault of the whole span, or else those of single tracks.
    fn faults(&self) -> Vec<(String, DeviceFault)> {
        if let Some((fault, ability)) = self.control.device_fault() {
            return vec![(ability, fault)];
        }
        let failures = self.recorder.failures.lock().unwrap();
        failures.iter().map(|failure| (failure.track.clone(), failure.trouble.fault)).collect()
    }
}

fn run(host: &Arc<Host>, change: impl FnOnce(&mut Plan)) -> Ran {
    run_looking(host, true, change)
}

/// `looks`: what the device makes is looked at, which takes downloads.
fn run_looking(host: &Arc<Host>, looks: bool, change: impl FnOnce(&mut Plan)) -> Ran {
    let source = groups(FRAMES, 25, 40);
    let mut plan = planned(&source, 1000, 1);
    let accelerator = placed(&mut plan, host);
    change(&mut plan);
    let device = Simulated::new(&accelerator, Arc::new(Direct(host.attach())));
    let transfers = device.transfers();
    let control = Control::default();
    if !looks {
        control.trust_device();
    }
    control.equip(DeviceKind::Cuda, Box::new(device));
    let recorder = Recorder::default();
    let result = span::run(Bytes::whole(&source), &plan, WHOLE, &recorder, &control);
    Ran { recorder, control, result, transfers }
}

#[test]
fn a_span_on_a_device_has_the_same_shape_as_one_on_the_cpu() {
    let source = groups(FRAMES, 25, 40);
    let (plan, control, by_cpu) = (planned(&source, 1000, 1), Control::default(), Recorder::default());
    span::run(Bytes::whole(&source), &plan, WHOLE, &by_cpu, &control).unwrap();
    let host = host("", "");
    let ran = run_looking(&host, false, |_| ());
    ran.result.as_ref().unwrap();
    for rung in &plan.video.as_ref().unwrap().renditions {
        assert_eq!(ran.recorder.shape(&rung.id), by_cpu.shape(&rung.id), "{}", rung.id);
    }
    assert!(ran.recorder.inits.lock().unwrap().iter().all(|init| init.encoder.starts_with("h264_nvenc")));
    assert_eq!((ran.transfers.uploads(), ran.transfers.downloads()), (0, 0));
    // The ground truth: every picture was decoded once, and scaled and encoded once a rung.
    let done = |operation| -> u64 {
        let used = host.used();
        used.iter().filter(|((_, _, of, _), _)| *of == operation).map(|(_, used)| used.frames).sum()
    };
    let frames = ran.control.frames_decoded.load(Ordering::Relaxed);
    assert_eq!(frames, FRAMES as u64);
    assert_eq!([Operation::Decode, Operation::Filter, Operation::Encode].map(done), [frames, 2 * frames, 2 * frames]);
    drop(ran);
    assert_eq!(host.open_sessions(), 0);
}

#[test]
fn a_rung_of_the_cpu_costs_one_download_a_picture() {
    let host = host("", "");
    let ran = run_looking(&host, false, |plan| {
        let rung = plan.video.as_mut().unwrap().renditions.last_mut().unwrap();
        rung.graph =
            format!("scale_cuda=w={}:h={}:format=nv12,hwdownload,format=nv12,format=yuv420p", rung.width, rung.height);
        (rung.memory, rung.on_device) = (Memory::System, false);
        (rung.encoder, rung.pixel_format) = ("libx264".to_owned(), "yuv420p".to_owned());
        rung.options = vec![("preset".to_owned(), "ultrafast".to_owned()), ("g".to_owned(), "50".to_owned())];
    });
    ran.result.as_ref().unwrap();
    assert_eq!((ran.transfers.uploads(), ran.transfers.downloads()), (0, FRAMES as u64));
    assert!(ran.transfers.bytes() > 0);
}

#[test]
fn frames_in_the_wrong_memory_are_refused() {
    let host = host("", "");
    // The CPU is given the device's frames.
    let ran = run(&host, |plan| {
        let rung = plan.video.as_mut().unwrap().renditions.last_mut().unwrap();
        (rung.on_device, rung.encoder) = (false, "libx264".to_owned());
        rung.options.clear();
    });
    assert!(ran.result.is_err());
    // The device is given the host's frames by a graph for its own.
    let ran = run(&host, |plan| {
        let video = plan.video.as_mut().unwrap();
        video.memory = Memory::System;
        video.accelerator.as_mut().unwrap().decode = false;
    });
    assert!(ran.faults().iter().all(|(_, fault)| *fault == DeviceFault::Unsupported), "{:?}", ran.faults());
    assert!(ran.result.is_err());
}

#[test]
fn each_fault_is_taken_for_what_it_is() {
    let fault = |what: &str| format!("[[devices.faults]]\nwhat = {what}\n");
    let one_rung: &[(&str, &str, DeviceFault)] = &[
        ("[sessions]\ncap = 1\ncode = 10", "", DeviceFault::SessionLimit),
        ("[sessions]\ncap = 1\ncode = 21", "", DeviceFault::SessionLimit),
        ("[sessions]\ncap = 3\ncode = 21\ntaken = 2", "", DeviceFault::SessionLimit),
        ("", "\"out_of_memory\"\noperation = \"encode\"\nopen = 2", DeviceFault::OutOfMemory),
        ("", "\"driver_too_old\"\noperation = \"encode\"\nopen = 1", DeviceFault::DriverTooOld),
        ("", "\"busy\"\noperation = \"encode\"\nopen = 1\nframe = 20", DeviceFault::Busy),
        ("", "\"truncated\"\noperation = \"encode\"\nopen = 2\nframe = 60", DeviceFault::Truncated),
        ("", "\"out_of_memory\"\noperation = \"filter\"\nopen = 1", DeviceFault::OutOfMemory),
    ];
    for (head, what, expected) in one_rung {
        let faults = if what.is_empty() { String::new() } else { fault(what) };
        let ran = run(&host(head, &faults), |_| ());
        let found = ran.faults();
        assert!(found.len() == 1 && found[0].1 == *expected, "{head} {what}: {found:?}");
        assert!(ran.result.is_ok(), "the other rung is made: {what}");
    }
    let whole: &[(&str, DeviceFault)] = &[
        ("\"lost\"\noperation = \"decode\"\nframe = 30", DeviceFault::Lost),
        ("\"surface_pool\"\noperation = \"decode\"\nframe = 5", DeviceFault::SurfacePool),
        ("\"software_fallback\"", DeviceFault::SoftwareFallback),
        ("\"unsupported\"\noperation = \"decode\"", DeviceFault::Unsupported),
        ("\"truncated\"\noperation = \"decode\"\nframe = 50", DeviceFault::Truncated),
        ("\"lost\"\noperation = \"encode\"\nframe = 30", DeviceFault::Lost),
    ];
    for (what, expected) in whole {
        let ran = run(&host("", &fault(what)), |_| ());
        let found = ran.faults();
        assert!(ran.result.is_err() && found.iter().any(|(_, fault)| fault == expected), "{what}: {found:?}");
    }
}

#[test]
fn a_picture_that_is_too_small_fails_its_rung_alone() {
    let host = host("", "");
    let ran = run(&host, |plan| {
        let rung = plan.video.as_mut().unwrap().renditions.last_mut().unwrap();
        (rung.width, rung.height) = (128, 96);
        rung.graph = "scale_cuda=w=128:h=96:format=nv12,setsar=1".to_owned();
    });
    let found = ran.faults();
    assert!(found.len() == 1 && found[0].1 == DeviceFault::FrameSize, "{found:?}");
    ran.result.as_ref().unwrap();
}

#[test]
fn a_device_that_is_not_there_cannot_be_opened() {
    let host = host("", "");
    let mut plan = planned(&groups(FRAMES, 25, 40), 1000, 1);
    let mut accelerator = placed(&mut plan, &host);
    let calls = || Arc::new(Direct(host.attach()));
    assert!(reelmill::pipeline::simulated::open(&accelerator, calls()).is_ok());
    accelerator.id.0.push('x');
    let Err(error) = reelmill::pipeline::simulated::open(&accelerator, calls()) else { panic!("it is not there") };
    let trouble = reelmill::pipeline::equipment::opened(&accelerator, Err(error)).err().unwrap();
    assert_eq!(trouble.fault, DeviceFault::Missing);
}

#[test]
fn wrong_pictures_are_noticed_before_a_segment_behind_them_is_handed_out() {
    // At which picture of the second encoder, and how many of its segments of 25 are handed out before.
    for (frame, handed_out) in [(1, 0), (26, 0), (30, 1), (60, 2)] {
        let what = format!("what = \"corrupt\"\noperation = \"encode\"\nopen = 2\nframe = {frame}");
        let ran = run(&host("", &format!("[[devices.faults]]\n{what}\n")), |_| ());
        ran.result.as_ref().unwrap();
        let failures = ran.recorder.failures.lock().unwrap();
        let [failure] = &failures[..] else { panic!("{frame}: {failures:?}") };
        assert_eq!((failure.trouble.fault, &*failure.trouble.ability), (DeviceFault::Corrupt, "encode.h264"));
        assert!(failure.trouble.problem.message.contains(" is off by "), "{}", failure.trouble.problem);
        assert_eq!(ran.recorder.shape(&failure.track).len(), handed_out, "{frame}");
    }
    let cases = [("decode", 1, "decode.h264", 0), ("decode", 51, "decode.h264", 2), ("filter", 1, "filter", 0)];
    for (operation, frame, ability, handed_out) in cases {
        let what = format!("what = \"corrupt\"\noperation = \"{operation}\"\nframe = {frame}");
        let ran = run(&host("", &format!("[[devices.faults]]\n{what}\n")), |_| ());
        assert_eq!(ran.control.device_fault(), Some((DeviceFault::Corrupt, ability.to_owned())), "{operation}");
        assert!(ran.result.is_err());
        for (track, count) in ran.recorder.segments.lock().unwrap().iter().fold(
            std::collections::BTreeMap::<String, usize>::new(),
            |mut counts, segment| {
                *counts.entry(segment.track.clone()).or_default() += 1;
                counts
            },
        ) {
            assert!(count <= handed_out, "{operation} {frame}: {track} {count}");
        }
    }
}

#[test]
fn looking_at_pictures_costs_a_few_downloads_and_changes_nothing() {
    let (looking, trusting) = (run(&host("", ""), |_| ()), run_looking(&host("", ""), false, |_| ()));
    looking.result.as_ref().unwrap();
    let bytes = |ran: &Ran| {
        let mut segments: Vec<_> = ran.recorder.segments.lock().unwrap().iter().cloned().collect();
        segments.sort_by(|a, b| (&a.track, a.index).cmp(&(&b.track, b.index)));
        segments
    };
    assert_eq!(bytes(&looking), bytes(&trusting));
    assert_eq!(trusting.transfers.downloads(), 0);
    // Of each rung two pictures a second before the encoder, and two a segment around its graph; two of the decoder.
    assert_eq!(looking.transfers.downloads(), 2 * (6 + 6) + 2);
}

/// `REELMILL_LOOK_SOURCE=FILE cargo nextest run -E 'test(what_looking_costs)' --run-ignored all --no-capture`: CPU time of a
/// ladder of the file on a device whose pictures are looked at, and of one whose are not, in turn (docs/BENCHMARKS.md).
#[test]
#[ignore = "measures; needs a file"]
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
fn what_looking_costs() {
    let data = Arc::new(fs::read(std::env::var("REELMILL_LOOK_SOURCE").unwrap()).unwrap());
    let spent = |looks: bool| {
        let host = host("", "");
        let mut plan = planned(&data, 4000, 1);
        let accelerator = placed(&mut plan, &host);
        let device = Simulated::new(&accelerator, Arc::new(Direct(host.attach())));
        let (transfers, control, recorder) = (device.transfers(), Control::default(), Recorder::default());
        if !looks {
            control.trust_device();
        }
        control.equip(DeviceKind::Cuda, Box::new(device));
        let before = reelmill::sys::clock::cpu_time();
        span::run(Bytes::whole(&data), &plan, WHOLE, &recorder, &control).unwrap();
        let spent = reelmill::sys::clock::cpu_time() - before;
        assert!(recorder.failures.lock().unwrap().is_empty());
        println!("looks {looks}: {spent:?}, {} downloads", transfers.downloads());
        spent
    };
    for _ in 0..5 {
        let (with, without) = (spent(true), spent(false));
        println!("{:.4}", with.as_secs_f64() / without.as_secs_f64());
    }
}
