//! In which way a device failed: from the lines of its log first, since they tell most, and from FFmpeg's code second.
//! Pure; the rows follow what FFmpeg's NVENC, NVDEC and VAAPI code writes and returns.
//!
//! That a call hung, that less came out than went in, that a picture is wrong, and that a decoder fell back to software
//! is not told by any code: whoever watches for those says so itself.

use super::device::{DeviceFault, Operation};

/// FFmpeg's error codes on Linux: `AVERROR(errno)` is the negative errno, the others are four letters.
pub mod averror {
    /// EPERM: what `av_hwdevice_ctx_create` returns for CUDA without a driver.
    pub const EPERM: i32 = -1;
    /// ENOENT: NVENC's `NO_ENCODE_DEVICE`.
    pub const ENOENT: i32 = -2;
    /// EIO: NVENC's `DEVICE_NOT_EXIST`, `MAP_FAILED`; VAAPI's failures at run time.
    pub const EIO: i32 = -5;
    /// ENXIO.
    pub const ENXIO: i32 = -6;
    /// EAGAIN: NVENC's `LOCK_BUSY`, `ENCODER_BUSY`.
    pub const EAGAIN: i32 = -11;
    /// ENOMEM: NVENC's `OUT_OF_MEMORY`; no surface or buffer.
    pub const ENOMEM: i32 = -12;
    /// EACCES.
    pub const EACCES: i32 = -13;
    /// EBUSY.
    pub const EBUSY: i32 = -16;
    /// ENODEV.
    pub const ENODEV: i32 = -19;
    /// EINVAL: NVENC's `INVALID_PARAM` and `INCOMPATIBLE_CLIENT_KEY`.
    pub const EINVAL: i32 = -22;
    /// ENOSYS: NVENC's `UNSUPPORTED_DEVICE`, `UNSUPPORTED_PARAM`; no VAAPI entrypoint; a filter graph that cannot be joined.
    pub const ENOSYS: i32 = -38;
    /// `AVERROR_EXTERNAL`: any failed CUDA call, any failed query of VAAPI.
    pub const EXTERNAL: i32 = tag(*b"EXT ");
    /// `AVERROR_UNKNOWN`: NVENC's `GENERIC`.
    pub const UNKNOWN: i32 = tag(*b"UNKN");
    /// `AVERROR_INVALIDDATA`: the source, not the device.
    pub const INVALIDDATA: i32 = tag(*b"INDA");
    /// `AVERROR_PATCHWELCOME`.
    pub const PATCHWELCOME: i32 = tag(*b"PAWE");
    /// `AVERROR_OPTION_NOT_FOUND`.
    pub const OPTION_NOT_FOUND: i32 = tag([0xF8, b'O', b'P', b'T']);
    /// `AVERROR_ENCODER_NOT_FOUND`.
    pub const ENCODER_NOT_FOUND: i32 = tag([0xF8, b'E', b'N', b'C']);
    /// `AVERROR_DECODER_NOT_FOUND`.
    pub const DECODER_NOT_FOUND: i32 = tag([0xF8, b'D', b'E', b'C']);
    /// `AVERROR_FILTER_NOT_FOUND`.
    pub const FILTER_NOT_FOUND: i32 = tag([0xF8, b'F', b'I', b'L']);

    const fn tag(letters: [u8; 4]) -> i32 {
        i32::from_le_bytes(letters).wrapping_neg()
    }
}

/// The fault that a failed call to a device shows. `code` is FFmpeg's, `lines` are those written about the object that
/// failed, and `after_first` says that something had come out of it before. `None`: nothing points to the device, as for
/// a damaged source.
pub fn classify(operation: Operation, code: Option<i32>, lines: &[String], after_first: bool) -> Option<DeviceFault> {
    by_text(lines, code, after_first).or_else(|| by_code(operation, code?, after_first))
}

/// A line that has one of these tells the fault. The order matters: what says more stands before what says less.
const TEXTS: &[(DeviceFault, &[&str])] = &[
    (
        DeviceFault::DriverTooOld,
        &[
            "required nvenc API version",
            "minimum required Nvidia driver",
            "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
            "CUDA_ERROR_INSUFFICIENT_DRIVER",
        ],
    ),
    (DeviceFault::SurfacePool, &["No decoder surfaces left", "Too many registered CUDA frames"]),
    (
        DeviceFault::FrameSize,
        &[
            "Frame Dimension less than the minimum",
            "Hardware does not support encoding at size",
            "not within range from",
            "Video macroblock count",
            "requested resolution is not supported",
        ],
    ),
    (
        DeviceFault::Lost,
        &[
            "GPU_IS_LOST",
            "CUDA_ERROR_ECC_UNCORRECTABLE",
            "CUDA_ERROR_LAUNCH_FAILED",
            "CUDA_ERROR_LAUNCH_TIMEOUT",
            "CUDA_ERROR_ILLEGAL_ADDRESS",
            "CUDA_ERROR_HARDWARE_STACK_ERROR",
            "CUDA_ERROR_CONTEXT_IS_DESTROYED",
            "CUDA_ERROR_DEINITIALIZED",
            "CUDA_ERROR_DEVICE_UNAVAILABLE",
        ],
    ),
    (DeviceFault::OutOfMemory, &["CUDA_ERROR_OUT_OF_MEMORY", "out of memory (10)", "(resource allocation failed)"]),
    (DeviceFault::Busy, &["lock busy (13)", "encoder busy (18)", "HW busy now"]),
    // A library of one engine that is missing leaves the device's other engines be.
    (DeviceFault::Unsupported, &["Cannot load libnvidia-encode", "Cannot load libnvcuvid"]),
    (
        DeviceFault::Missing,
        &[
            "Cannot load ",
            "Could not dynamically load CUDA",
            "CUDA_ERROR_NO_DEVICE",
            "CUDA_ERROR_INVALID_DEVICE",
            "No VA display found",
            "Failed to initialise VAAPI connection",
        ],
    ),
];

/// Lines about what a device lacks. NVENC's query of capabilities ends in "No capable devices found" like a missing
/// device does, so these come before it.
const LACKS: &[&str] = &[
    "not supported",
    "doesn't support",
    "No support for codec",
    "No usable encoding",
    "Hardware is lacking required capabilities",
    "Hardware does not support",
    "unsupported param (12)",
    "unimplemented (22)",
    "Max B-frames",
    "InitializeEncoder failed",
];

fn by_text(lines: &[String], code: Option<i32>, after_first: bool) -> Option<DeviceFault> {
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    if let Some(line) = lines.iter().find(|line| line.contains("OpenEncodeSessionEx failed")) {
        return Some(at_open(line));
    }
    if let Some((fault, _)) = TEXTS.iter().find(|(_, texts)| texts.iter().copied().any(has)) {
        return Some(*fault);
    }
    if lines.iter().any(|line| too_large(line)) {
        return Some(DeviceFault::FrameSize);
    }
    // In mid-stream, or with the code of a failure at run time, such a line is only a warning from before.
    let at_run_time = after_first || matches!(code, Some(averror::EIO | averror::ENOMEM | averror::EAGAIN));
    if !at_run_time && LACKS.iter().copied().any(has) {
        return Some(DeviceFault::Unsupported);
    }
    has("No capable devices found").then_some(DeviceFault::Missing)
}

/// What a refused session of NVENC means. Drivers say that no more sessions are allowed by "out of memory (10)" until
/// 2024 and by "incompatible client key (21)" since. A card without an encoder is not a missing card: the rest of it works.
fn at_open(line: &str) -> DeviceFault {
    let number = line.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(number, _)| number);
    match number {
        "10" | "21" => DeviceFault::SessionLimit,
        "13" | "18" => DeviceFault::Busy,
        "15" => DeviceFault::DriverTooOld,
        "5" | "20" => DeviceFault::Lost,
        _ => DeviceFault::Unsupported,
    }
}

/// NVENC: `Width 5000 exceeds 4096`.
fn too_large(line: &str) -> bool {
    (line.contains("Width ") || line.contains("Height ")) && line.contains(" exceeds ")
}

fn by_code(operation: Operation, code: i32, after_first: bool) -> Option<DeviceFault> {
    use averror::{
        DECODER_NOT_FOUND, EACCES, EAGAIN, EBUSY, EINVAL, EIO, ENCODER_NOT_FOUND, ENODEV, ENOENT, ENOMEM, ENOSYS,
        ENXIO, EPERM, EXTERNAL, FILTER_NOT_FOUND, INVALIDDATA, OPTION_NOT_FOUND, PATCHWELCOME, UNKNOWN,
    };
    Some(match code {
        EAGAIN | EBUSY => DeviceFault::Busy,
        ENOMEM => DeviceFault::OutOfMemory,
        EIO | UNKNOWN => DeviceFault::Lost,
        EXTERNAL if after_first => DeviceFault::Lost,
        // NVENC on a card without one, where the search for another card swallowed the reason; or no card at all.
        EXTERNAL | EPERM | ENOENT | ENODEV | ENXIO | EACCES => DeviceFault::Missing,
        ENOSYS | PATCHWELCOME | OPTION_NOT_FOUND | ENCODER_NOT_FOUND | DECODER_NOT_FOUND | FILTER_NOT_FOUND => {
            DeviceFault::Unsupported
        }
        EINVAL if !after_first => DeviceFault::Unsupported,
        // Damage in the source comes as any code at all out of a decoder.
        INVALIDDATA => return None,
        _ if operation == Operation::Decode => return None,
        _ if after_first => DeviceFault::Lost,
        _ => DeviceFault::Unsupported,
    })
}

/// What follows from a fault, for whoever decides where the work goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The same device may be tried again for this work, so many milliseconds later. `None`: the work goes elsewhere.
    pub retry_here_ms: Option<u64>,
    /// The next try needs more surfaces in the decoder's pool; a second failure is ours to mend.
    pub raise_extra_frames: bool,
    /// Nothing more is given to the device until a probe of it works; what runs on it is ended.
    pub device_down: bool,
    /// This device will never do this for such a stream: not asked again until its driver or our build changes.
    pub ability_permanent: bool,
    /// The sessions that are open now are as many as there may be, until probing shows otherwise.
    pub learn_session_cap: bool,
    /// It counts against the device: enough of it opens the device's breaker.
    pub blame: bool,
}

/// What follows from a fault.
pub const fn policy(fault: DeviceFault) -> Policy {
    const ELSEWHERE: Policy = Policy {
        retry_here_ms: None,
        raise_extra_frames: false,
        device_down: false,
        ability_permanent: false,
        learn_session_cap: false,
        blame: false,
    };
    match fault {
        // Another process may hold sessions: nobody's fault, and a slot may come free later.
        DeviceFault::SessionLimit => Policy { learn_session_cap: true, ..ELSEWHERE },
        DeviceFault::Missing => Policy { device_down: true, ..ELSEWHERE },
        DeviceFault::DriverTooOld | DeviceFault::Unsupported => Policy { ability_permanent: true, ..ELSEWHERE },
        // It holds for this size alone; the size limits of the ability should have said so. A fallback is counted, not
        // punished: the decoder did what it could.
        DeviceFault::FrameSize | DeviceFault::SoftwareFallback => ELSEWHERE,
        // Whoever holds the memory gives it back when its span ends.
        DeviceFault::OutOfMemory => Policy { retry_here_ms: Some(5_000), ..ELSEWHERE },
        DeviceFault::SurfacePool => Policy { retry_here_ms: Some(0), raise_extra_frames: true, ..ELSEWHERE },
        DeviceFault::Busy => Policy { retry_here_ms: Some(250), ..ELSEWHERE },
        DeviceFault::Lost | DeviceFault::Hung => Policy { device_down: true, blame: true, ..ELSEWHERE },
        DeviceFault::Truncated | DeviceFault::Corrupt => Policy { blame: true, ..ELSEWHERE },
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
