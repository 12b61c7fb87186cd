//! FFmpeg's errors as problems that a client can act on.

use super::accel::DeviceError;
use super::flow::Stopped;
use super::trouble::DeviceTrouble;
use crate::av::AvError;
use crate::model::Problem;
use crate::model::device::{DeviceFault, Operation};

/// An encoder or muxer that refuses what the planner promised it: tried elsewhere, then ours to fix.
pub fn encoder(track: &str, error: AvError) -> Problem {
    Problem::device(
        "encoder.failed",
        format!("the encoder of {track} failed ({error}); run again with another codec or speed if it persists"),
    )
}

/// A filter graph that the planner made and FFmpeg refuses.
pub fn filter(track: &str, error: AvError) -> Problem {
    Problem::bug("filter.failed", format!("the filter graph of {track} failed ({error}); please report this source"))
}

/// A device that cannot do what was placed on it. What the classifier knows nothing of is put down to the device too:
/// made elsewhere the work may well succeed, and where it does not that tells whose fault it was.
pub fn device(operation: Operation, codec: &str, whose: &str, error: &DeviceError) -> DeviceTrouble {
    DeviceTrouble::of(operation, codec, whose, error).unwrap_or_else(|| {
        let fault = if error.after_first { DeviceFault::Lost } else { DeviceFault::Unsupported };
        DeviceTrouble::new(fault, operation, codec, whose, &error.error.to_string())
    })
}

/// A graph or encoder that failed, on the device or in software.
pub fn placed(on_device: bool, operation: Operation, codec: &str, whose: &str, error: &DeviceError) -> Stopped {
    match operation {
        _ if on_device => device(operation, codec, whose, error).into(),
        Operation::Encode => encoder(whose, error.error).into(),
        Operation::Decode | Operation::Filter => filter(whose, error.error).into(),
    }
}

/// A failed allocation or call that no input explains.
pub fn internal(error: AvError) -> Problem {
    Problem::bug("worker.internal", format!("an internal step failed ({error}); please report this source"))
}

/// A source whose bytes do not come.
pub fn unreadable(failure: &str) -> Problem {
    let message = format!("the source could not be read ({failure}); check where it is stored");
    Problem::sink("source.unreadable", message)
}

/// A source that cannot be read or decoded.
pub fn source(error: AvError, read_failure: Option<String>) -> Problem {
    if let Some(failure) = read_failure {
        return unreadable(&failure);
    }
    if error.is_interrupted() {
        return Problem::input(
            "source.probe_timeout",
            "the source could not be understood in time; check that the file is whole",
        );
    }
    Problem::input(
        "source.not_media",
        format!("the source is not media that can be read ({}); check the file", error.text()),
    )
}
