//! Every pair of code and line that is known, and what it must be taken for.

use super::DeviceFault::{
    Busy, DriverTooOld, FrameSize, Lost, Missing, OutOfMemory, SessionLimit, SurfacePool, Unsupported,
};
use super::Operation::{Decode, Encode, Filter};
use super::averror::*;
use super::*;

type Row = (Operation, i32, &'static [&'static str], bool, Option<DeviceFault>);

const NVENC: &[Row] = &[
    (Encode, ENOMEM, &["OpenEncodeSessionEx failed: out of memory (10): (no details)"], false, Some(SessionLimit)),
    (
        Encode,
        EINVAL,
        &["OpenEncodeSessionEx failed: incompatible client key (21): (no details)"],
        false,
        Some(SessionLimit),
    ),
    (
        Encode,
        EXTERNAL,
        &["OpenEncodeSessionEx failed: incompatible client key (21)", "No capable devices found"],
        false,
        Some(SessionLimit),
    ),
    (Encode, ENOENT, &["OpenEncodeSessionEx failed: no encode device (1): (no details)"], false, Some(Unsupported)),
    (Encode, ENOSYS, &["OpenEncodeSessionEx failed: unsupported device (2): (no details)"], false, Some(Unsupported)),
    (Encode, EIO, &["OpenEncodeSessionEx failed: device not exist (5)"], false, Some(Lost)),
    (Encode, EXTERNAL, &["No capable devices found"], false, Some(Missing)),
    (Encode, EXTERNAL, &["10 bit encode not supported", "No capable devices found"], false, Some(Unsupported)),
    (Encode, EXTERNAL, &["Width 5000 exceeds 4096", "No capable devices found"], false, Some(FrameSize)),
    (Encode, EPERM, &["Cannot load libcuda.so.1", "Could not dynamically load CUDA"], false, Some(Missing)),
    (Encode, EPERM, &["Cannot load libnvidia-encode.so.1"], false, Some(Unsupported)),
    (Decode, EPERM, &["Cannot load libnvcuvid.so.1", "Failed loading nvcuvid."], false, Some(Unsupported)),
    (
        Encode,
        ENOSYS,
        &[
            "Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1",
            "The minimum required Nvidia driver for nvenc is 570.0 or newer",
        ],
        false,
        Some(DriverTooOld),
    ),
    (
        Encode,
        EINVAL,
        &["InitializeEncoder failed: invalid param (8): Frame Dimension less than the minimum supported value."],
        false,
        Some(FrameSize),
    ),
    (Encode, EINVAL, &["InitializeEncoder failed: invalid param (8): Invalid Level."], false, Some(Unsupported)),
    (Encode, EINVAL, &[], false, Some(Unsupported)),
    (Encode, ENOSYS, &[], false, Some(Unsupported)),
    (Encode, OPTION_NOT_FOUND, &[], false, Some(Unsupported)),
    (Encode, ENCODER_NOT_FOUND, &[], false, Some(Unsupported)),
    (Encode, ENOMEM, &[], false, Some(OutOfMemory)),
    (Encode, ENOMEM, &["EncodePicture failed!: out of memory (10)"], true, Some(OutOfMemory)),
    (Encode, ENOMEM, &["Too many registered CUDA frames"], true, Some(SurfacePool)),
    (Encode, EAGAIN, &["Failed locking bitstream buffer: lock busy (13)"], true, Some(Busy)),
    (Encode, EAGAIN, &[], false, Some(Busy)),
    (Encode, EIO, &[], true, Some(Lost)),
    (Encode, UNKNOWN, &["EncodePicture failed!: generic error (20)"], true, Some(Lost)),
    (Encode, EXTERNAL, &[], true, Some(Lost)),
    (Encode, EXTERNAL, &[], false, Some(Missing)),
    // A warning from the time of the opening does not explain a failure in mid-stream.
    (Encode, EXTERNAL, &["B frames as references are not supported"], true, Some(Lost)),
];

const CUDA: &[Row] = &[
    (
        Decode,
        EXTERNAL,
        &["cu->cuMemAlloc(&data, size) failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory"],
        false,
        Some(OutOfMemory),
    ),
    (Filter, EXTERNAL, &["cuLaunchKernel failed -> CUDA_ERROR_ILLEGAL_ADDRESS"], true, Some(Lost)),
    (
        Decode,
        EXTERNAL,
        &["cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"],
        false,
        Some(Missing),
    ),
    (Decode, ENOMEM, &["No decoder surfaces left"], true, Some(SurfacePool)),
    (Decode, EINVAL, &["Hardware is lacking required capabilities"], false, Some(Unsupported)),
    (Decode, EINVAL, &["Video width 40 not within range from 48 to 4096"], false, Some(FrameSize)),
    (Decode, EINVAL, &[], false, Some(Unsupported)),
    (Decode, EXTERNAL, &[], true, Some(Lost)),
    // Damage of the source.
    (Decode, INVALIDDATA, &["Invalid NAL unit size"], true, None),
    (Decode, INVALIDDATA, &[], false, None),
    (Decode, EINVAL, &[], true, None),
    (Filter, ENOSYS, &["Impossible to convert between the formats supported by the filter"], false, Some(Unsupported)),
    (Filter, FILTER_NOT_FOUND, &["No such filter: 'tonemap_cuda'"], false, Some(Unsupported)),
    (Filter, EINVAL, &[], true, Some(Lost)),
];

const VAAPI: &[Row] = &[
    (Encode, EXTERNAL, &["No VA display found for device /dev/dri/renderD128."], false, Some(Missing)),
    (Encode, EIO, &["Failed to initialise VAAPI connection: -1 (unknown libva error)."], false, Some(Missing)),
    (
        Encode,
        ENOSYS,
        &["No usable encoding entrypoint found for profile VAProfileH264High (7)."],
        false,
        Some(Unsupported),
    ),
    (
        Encode,
        EINVAL,
        &["Hardware does not support encoding at size 16x16 (constraints: width 32-4096 height 32-4096)."],
        false,
        Some(FrameSize),
    ),
    (Encode, EIO, &["Failed to create surface: 2 (resource allocation failed)."], true, Some(OutOfMemory)),
    (Encode, EIO, &["Failed to end picture encode issue: 34 (HW busy now)."], true, Some(Busy)),
    (
        Encode,
        EIO,
        &["Driver does not support some wanted packed headers (wanted 0xd, found 0).", "Failed to sync"],
        true,
        Some(Lost),
    ),
    (Decode, EIO, &["Failed to sync surface 0x1: 1 (operation failed)."], true, Some(Lost)),
    (Encode, ENODEV, &[], false, Some(Missing)),
    (Encode, EACCES, &[], false, Some(Missing)),
];

#[test]
fn each_known_pair_of_code_and_line_is_told_apart() {
    for (operation, code, lines, after_first, expected) in [NVENC, CUDA, VAAPI].into_iter().flatten() {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let found = classify(*operation, Some(*code), &lines, *after_first);
        assert_eq!(found, *expected, "{operation:?} {code} {lines:?} after the first: {after_first}");
    }
}

#[test]
fn a_line_alone_is_enough_and_nothing_is_nothing() {
    let line = ["OpenEncodeSessionEx failed: out of memory (10)".to_owned()];
    assert_eq!(classify(Encode, None, &line, false), Some(SessionLimit));
    assert_eq!(classify(Encode, None, &[], true), None);
}

#[test]
fn the_codes_are_those_of_ffmpeg() {
    assert_eq!((EXTERNAL, UNKNOWN, INVALIDDATA), (-542_398_533, -1_313_558_101, -1_094_995_529));
    assert_eq!((OPTION_NOT_FOUND, ENCODER_NOT_FOUND), (-1_414_549_496, -1_129_203_192));
}

#[test]
fn every_fault_either_may_be_tried_again_here_or_keeps_the_work_away() {
    for fault in DeviceFault::ALL {
        let policy = policy(fault);
        let away = policy.device_down || policy.ability_permanent;
        assert!(!(away && policy.retry_here_ms.is_some()), "{fault:?}");
        assert!(!policy.raise_extra_frames || policy.retry_here_ms.is_some(), "{fault:?}");
    }
    assert!(policy(SessionLimit).learn_session_cap && !policy(SessionLimit).blame);
    assert!(policy(Lost).device_down && policy(Lost).blame);
}
