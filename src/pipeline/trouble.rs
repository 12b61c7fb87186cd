//! What a device failed at, and what it means for a span: without decoding or preparing there is none; without the graph
//! or the encoder of one rung the others go on.

use super::accel::DeviceError;
use super::hardware::LEFT_DEVICE;
use crate::model::Problem;
use crate::model::classify::classify;
use crate::model::device::{DeviceFault, Operation};

/// A failure of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceTrouble {
    /// In which way it failed.
    pub fault: DeviceFault,
    /// What it failed at: `decode.hevc`, `filter`.
    pub ability: String,
    /// What a client is told.
    pub problem: Problem,
}

/// A rendition that its device could not make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackFailure {
    /// The rendition's id.
    pub track: String,
    /// Why.
    pub trouble: DeviceTrouble,
}

impl DeviceTrouble {
    /// What a failed call means. `codec` is FFmpeg's name, empty for filters; `whose` says of what the object was.
    /// `None`: nothing points to the device.
    pub fn of(operation: Operation, codec: &str, whose: &str, error: &DeviceError) -> Option<Self> {
        let fault = if error.lines.iter().any(|line| line == LEFT_DEVICE) {
            // Why it was about to leave, where the log tells; its code says only that it was not let go.
            classify(operation, None, &error.lines, error.after_first).unwrap_or(DeviceFault::SoftwareFallback)
        } else {
            classify(operation, Some(error.error.code), &error.lines, error.after_first)?
        };
        let told =
            error.lines.last().map_or_else(|| error.error.to_string(), |line| format!("{}; {line}", error.error));
        Some(Self::new(fault, operation, codec, whose, &told))
    }

    /// A decoder, graph or encoder from which less came out than was to.
    pub fn truncated(operation: Operation, codec: &str, whose: &str, entered: u64, came: u64) -> Self {
        let told = format!("{entered} went in, {came} came out, and no error was told");
        Self::new(DeviceFault::Truncated, operation, codec, whose, &told)
    }

    /// A decoder, graph or encoder of which a picture is not the one that it was to be.
    pub fn corrupt(operation: Operation, codec: &str, whose: &str, told: &str) -> Self {
        Self::new(DeviceFault::Corrupt, operation, codec, whose, told)
    }

    /// A failure of a known kind.
    pub fn new(fault: DeviceFault, operation: Operation, codec: &str, whose: &str, told: &str) -> Self {
        let name = operation.name();
        let ability = if codec.is_empty() { name.to_owned() } else { format!("{name}.{codec}") };
        let sentence = format!(
            "the device failed at {ability} for {whose} ({}: {told}); it is made elsewhere where the job allows that, \
             otherwise see `reelmill doctor`",
            fault.name()
        );
        Self { fault, ability, problem: Problem::device("device.failed", sentence) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::av::AvError;

    fn error(code: i32, lines: &[&str]) -> DeviceError {
        let error = AvError { what: "encode", code };
        DeviceError { error, lines: lines.iter().map(|&line| line.to_owned()).collect(), after_first: false }
    }

    #[test]
    fn the_log_tells_more_than_the_code() {
        let refused = error(-22, &["OpenEncodeSessionEx failed: incompatible client key (21): (no details)"]);
        let trouble = DeviceTrouble::of(Operation::Encode, "h264", "720p", &refused).unwrap();
        assert_eq!((trouble.fault, trouble.ability.as_str()), (DeviceFault::SessionLimit, "encode.h264"));
        assert!(trouble.problem.message.contains("incompatible client key"), "{}", trouble.problem.message);
    }

    #[test]
    fn a_decoder_that_was_to_leave_its_device_says_why_where_the_log_does() {
        let silent = DeviceTrouble::of(Operation::Decode, "h264", "the source", &error(-22, &[LEFT_DEVICE])).unwrap();
        assert_eq!(silent.fault, DeviceFault::SoftwareFallback);
        let lines = ["decoder->cvdl->cuvidCreateDecoder(..) failed -> CUDA_ERROR_OUT_OF_MEMORY", LEFT_DEVICE];
        let full = DeviceTrouble::of(Operation::Decode, "h264", "the source", &error(-22, &lines)).unwrap();
        assert_eq!(full.fault, DeviceFault::OutOfMemory);
    }

    #[test]
    fn damage_in_a_source_is_not_the_devices_fault() {
        const INVALID_DATA: i32 = -0x4144_4E49;
        assert_eq!(DeviceTrouble::of(Operation::Decode, "h264", "the source", &error(INVALID_DATA, &[])), None);
    }
}
