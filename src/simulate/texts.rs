//! What FFmpeg returns and writes when a real device fails in the same way: `model::classify` must read both alike.

use super::spec::{Format, What};
use crate::model::classify::averror;
use crate::model::device::{DeviceKind, Operation};
use crate::model::simulated::{Opening, Reply};

fn refused(code: i32, lines: &[&str]) -> Reply {
    Reply::Refused { code, lines: lines.iter().map(|line| (*line).to_owned()).collect() }
}

/// No driver, or no such device.
pub(super) fn missing(kind: DeviceKind) -> Reply {
    match kind {
        DeviceKind::Vaapi => refused(averror::EXTERNAL, &["No VA display found for device /dev/dri/renderD128."]),
        _ => refused(averror::EPERM, &["Cannot load libcuda.so.1", "Could not dynamically load CUDA"]),
    }
}

/// The device went away in mid-stream, or between two sessions.
pub(super) fn lost(kind: DeviceKind, operation: Operation) -> Reply {
    match (kind, operation) {
        (DeviceKind::Vaapi, Operation::Encode) => {
            refused(averror::EIO, &["Failed to end picture encode issue: 1 (operation failed)."])
        }
        (DeviceKind::Vaapi, _) => refused(averror::EIO, &["Failed to sync surface 0x4: 1 (operation failed)."]),
        (_, Operation::Encode) => {
            refused(averror::UNKNOWN, &["EncodePicture failed!: generic error (20): (no details)"])
        }
        (_, Operation::Decode) => refused(
            averror::EXTERNAL,
            &[
                "decoder->cvdl->cuvidDecodePicture(decoder->decoder, &ctx->pic_params) failed -> CUDA_ERROR_UNKNOWN: unknown error",
            ],
        ),
        (_, Operation::Filter) => refused(
            averror::EXTERNAL,
            &["cu->cuLaunchKernel(func, 1, 1, 1) failed -> CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure"],
        ),
    }
}

/// As many sessions as the driver allows are open already.
pub(super) fn session_limit(code: u32) -> Reply {
    match code {
        10 => refused(averror::ENOMEM, &["OpenEncodeSessionEx failed: out of memory (10): (no details)"]),
        _ => refused(averror::EINVAL, &["OpenEncodeSessionEx failed: incompatible client key (21): (no details)"]),
    }
}

/// Device memory cannot be had.
pub(super) fn out_of_memory(kind: DeviceKind, operation: Operation) -> Reply {
    match (kind, operation) {
        (DeviceKind::Vaapi, _) => {
            refused(averror::EIO, &["Failed to create surface from DRM object: 2 (resource allocation failed)."])
        }
        (_, Operation::Encode) => {
            refused(averror::ENOMEM, &["InitializeEncoder failed: out of memory (10): (no details)"])
        }
        _ => refused(
            averror::EXTERNAL,
            &["cu->cuMemAlloc(&data, size) failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory"],
        ),
    }
}

/// No engine, codec or depth for it.
pub(super) fn unsupported(kind: DeviceKind, engines: u32, opening: &Opening) -> Reply {
    let codec = &opening.codec;
    match (kind, opening.operation) {
        (DeviceKind::Vaapi, Operation::Encode) => {
            refused(averror::ENOSYS, &["No usable encoding entrypoint found for profile VAProfileH264High (7)."])
        }
        (DeviceKind::Vaapi, _) => refused(averror::ENOSYS, &[&format!("No support for codec {codec} profile 100.")]),
        (_, Operation::Encode) if engines == 0 => {
            refused(averror::ENOSYS, &["OpenEncodeSessionEx failed: unsupported device (2): (no details)"])
        }
        (_, Operation::Encode) if opening.depth > 8 => refused(averror::ENOSYS, &["10 bit encode not supported"]),
        (_, Operation::Encode) => refused(averror::ENOSYS, &["Codec not supported"]),
        _ => refused(averror::EINVAL, &["Hardware is lacking required capabilities"]),
    }
}

/// The picture is smaller or larger than the device takes; `None` where it fits.
pub(super) fn frame_size(kind: DeviceKind, format: &Format, opening: &Opening) -> Option<Reply> {
    let (width, height) = (opening.width, opening.height);
    let ((w_min, h_min), (w_max, h_max)) = (format.size_min, format.size_max);
    let (small, large) = (width < w_min || height < h_min, width > w_max || height > h_max);
    if !small && !large {
        return None;
    }
    Some(match (kind, opening.operation) {
        (DeviceKind::Vaapi, _) => {
            let limits = format!("width {w_min}-{w_max} height {h_min}-{h_max}");
            let line = format!("Hardware does not support encoding at size {width}x{height} (constraints: {limits}).");
            refused(averror::EINVAL, &[&line])
        }
        (_, Operation::Encode) if small => refused(
            averror::EINVAL,
            &["InitializeEncoder failed: invalid param (8): Frame Dimension less than the minimum supported value."],
        ),
        (_, Operation::Encode) if width > w_max => {
            refused(averror::ENOSYS, &[&format!("Width {width} exceeds {w_max}")])
        }
        (_, Operation::Encode) => refused(averror::ENOSYS, &[&format!("Height {height} exceeds {h_max}")]),
        _ => {
            let line = format!("Video width {width} not within range from {w_min} to {w_max}");
            refused(averror::EINVAL, &[&line])
        }
    })
}

/// What a fault of the file says; `None` for those that are no error.
pub(super) fn fault(what: What, kind: DeviceKind, engines: u32, code: u32, opening: &Opening) -> Option<Reply> {
    Some(match what {
        What::SessionLimit => session_limit(code),
        What::OutOfMemory => out_of_memory(kind, opening.operation),
        What::Busy => match kind {
            DeviceKind::Vaapi => refused(averror::EIO, &["Failed to begin picture: 34 (HW busy now)."]),
            _ => refused(averror::EAGAIN, &["Failed locking bitstream buffer: lock busy (13): (no details)"]),
        },
        What::DriverTooOld => refused(
            averror::ENOSYS,
            &[
                "Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1",
                "The minimum required Nvidia driver for nvenc is 570.0 or newer",
            ],
        ),
        What::Unsupported => unsupported(kind, engines, opening),
        What::SurfacePool => surface_pool(),
        What::Lost => lost(kind, opening.operation),
        What::Hang => Reply::Hang,
        What::SoftwareFallback | What::Truncated | What::Corrupt | What::Slow => return None,
    })
}

/// The decoder's pool is empty.
fn surface_pool() -> Reply {
    refused(averror::ENOMEM, &["No decoder surfaces left"])
}

/// A call about a session that is not open.
pub(super) fn not_open() -> Reply {
    refused(averror::EINVAL, &["the session is not open"])
}
