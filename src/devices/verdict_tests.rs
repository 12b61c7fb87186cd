//! Reasons, from the lines that FFmpeg and the drivers really write.

use super::*;
use crate::model::device::DeviceId;

fn device(kind: DeviceKind, encode: u32) -> DeviceInfo {
    DeviceInfo {
        id: DeviceId("cuda:GPU-1".into()),
        kind,
        name: "NVIDIA H200".into(),
        driver: "470.82".into(),
        address: "0".into(),
        model: "NVIDIA H200".into(),
        memory_mib: 1,
        encode_engines: encode,
        decode_engines: 7,
        sessions_counted: false,
        threads: 0,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}

/// Code, reason and remedy for a failure while it encoded HEVC with 10 bits.
fn reason(what: &str, error: i32, lines: &[&str], encode: u32, capabilities: Option<&str>) -> (String, String, String) {
    let device = device(DeviceKind::Cuda, encode);
    let context = Context { device: &device, capabilities };
    let trial = Trial { operation: Operation::Encode, codec: "hevc", depth: 10 };
    let failure = TrialFailure {
        what: what.into(),
        error,
        message: "said FFmpeg".into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..TrialFailure::default()
    };
    match of_failure(&context, &trial, &failure, &[]) {
        Verdict::No { code, reason, remedy } => (code, reason, remedy),
        other => panic!("{other:?}"),
    }
}

fn code(what: &str, error: i32, lines: &[&str]) -> String {
    reason(what, error, lines, 1, None).0
}

#[test]
fn a_chip_without_an_encoder_is_named() {
    let lines = ["OpenEncodeSessionEx failed: unsupported device (2): (no details)"];
    let (code, reason, _) = reason("open the encoder", -libc::ENOSYS, &lines, 0, None);
    assert_eq!((code.as_str(), reason.as_str()), ("device.no_engine", "NVIDIA H200 has no engine that encodes"));
}

#[test]
fn an_old_driver_is_told_which_one_is_needed() {
    for line in [
        "Driver does not support the required nvenc API version. Required: 12.2 Found: 11.1",
        "The minimum required Nvidia driver for nvenc is 550.54 or newer",
    ] {
        let (code, reason, remedy) = reason("open the encoder", -libc::ENOSYS, &[line], 1, None);
        assert_eq!(code, "device.driver_too_old");
        assert!(reason.contains("470.82") && remedy.contains("550.54 or newer"), "{reason}; {remedy}");
    }
    let unknown = ["Driver does not support the required nvenc API version. Required: 99.9 Found: 11.1"];
    assert!(reason("open the encoder", -libc::ENOSYS, &unknown, 1, None).2.ends_with("a newer one"));
}

#[test]
fn a_container_without_a_library_is_told_which_capability_it_lacks() {
    let lines = ["Cannot load libnvidia-encode.so.1"];
    let (code, reason_, remedy) = reason("open the encoder", -1, &lines, 1, Some("compute,utility"));
    assert_eq!(code, "device.library_missing");
    assert!(reason_.contains("libnvidia-encode.so.1") && remedy.contains("add `video`"), "{reason_}; {remedy}");
    let (_, _, remedy) = reason("open the encoder", -1, &lines, 1, Some("all"));
    assert!(remedy.starts_with("install it"), "{remedy}");
    let (_, reason, remedy) = reason("open the device", -1, &["Cannot load libcuda.so.1"], 1, None);
    assert!(reason.contains("libcuda.so.1") && remedy.contains("`compute`"), "{reason}; {remedy}");
}

#[test]
fn a_library_without_a_function_is_told_from_one_that_is_not_there() {
    for (function, library) in [
        ("cuCtxCreate_v2", "libcuda.so.1"),
        ("cuvidCreateDecoder", "libnvcuvid.so.1"),
        ("NvEncodeAPICreateInstance", "libnvidia-encode.so.1"),
    ] {
        let line = format!("Cannot load {function}");
        let (code, told, remedy) = reason("open the device", -1, &[&line], 1, None);
        assert_eq!(code, "device.function_missing");
        assert!(told.starts_with(&format!("{library} lacks the function {function}")), "{told}");
        assert!(remedy.starts_with("update the NVIDIA driver"), "{remedy}");
    }
}

#[test]
fn codes_that_hide_their_reason_are_told_apart_by_their_lines() {
    let session = "OpenEncodeSessionEx failed: incompatible client key (21): (no details)";
    assert_eq!(code("open the encoder", -libc::EINVAL, &[session]), "device.session_limit");
    let session = "OpenEncodeSessionEx failed: out of memory (10): (no details)";
    assert_eq!(code("open the encoder", -libc::ENOMEM, &[session]), "device.session_limit");
    let size = "InitializeEncoder failed: invalid param (8): Frame Dimension less than the minimum supported value.";
    assert_eq!(code("open the encoder", -libc::EINVAL, &[size]), "device.frame_size");
    let memory = "cuCtxCreate failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory";
    assert_eq!(code("open the device", -542_398_533, &[memory]), "device.out_of_memory");
    assert_eq!(code("open the encoder", -libc::EINVAL, &[]), "device.unsupported");
    assert_eq!(code("open the encoder", -libc::EAGAIN, &[]), "device.busy");
    assert_eq!(code("open the device", -libc::EACCES, &[]), "device.no_permission");
    assert_eq!(code("open the device", -1, &[]), "device.no_driver");
    assert_eq!(code("open the encoder", ENCODER_NOT_FOUND, &[]), "device.no_encoder");
    assert_eq!(code("find a decoder", DECODER_NOT_FOUND, &[]), "device.no_decoder");
    assert_eq!(code("parse a filter graph", -libc::EINVAL, &["No such filter: 'scale_cuda'"]), "device.no_filter");
}

#[test]
fn a_wrong_picture_stays_one_whatever_the_table_says() {
    let device = device(DeviceKind::Cuda, 0);
    let context = Context { device: &device, capabilities: None };
    let trial = Trial { operation: Operation::Encode, codec: "h264", depth: 8 };
    for fault in [DeviceFault::Corrupt, DeviceFault::Truncated] {
        let failure = TrialFailure {
            message: "picture 3 is not\u{1b}[2J the one".into(),
            device_fault: fault.name().into(),
            ..TrialFailure::default()
        };
        let Verdict::No { code, reason, remedy } = of_failure(&context, &trial, &failure, &[]) else { panic!("a yes") };
        assert_eq!(code, format!("device.{}", fault.name()));
        assert!(reason.contains("picture 3") && !reason.contains('\u{1b}') && !remedy.is_empty(), "{reason}");
    }
}

#[test]
fn every_no_says_what_to_do() {
    let trial = Trial { operation: Operation::Decode, codec: "av1", depth: 10 };
    for verdict in [of_death(&trial, "by signal 11"), of_hang(&trial, 20), of_giving_up()] {
        let Verdict::No { reason, remedy, .. } = verdict else { panic!("a yes") };
        assert!(!reason.is_empty() && !remedy.is_empty());
    }
    let Verdict::No { reason, .. } = of_death(&trial, "by signal 11") else { panic!("a yes") };
    assert_eq!(reason, "the process that tried to decode av1 with 10 bits died: by signal 11");
}
