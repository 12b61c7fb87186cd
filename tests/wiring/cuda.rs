//! A machine without NVIDIA's driver.

use reelmill::model::classify::classify;
use reelmill::model::device::{Accelerator, DeviceFault, DeviceId, DeviceKind, Operation};
use reelmill::pipeline::hardware;

/// FFmpeg's code when `libcuda.so.1` is not there: -1, which is EPERM.
const NO_LIBRARY: i32 = -1;

#[test]
fn a_card_that_is_not_there_is_missing_and_says_what_could_not_be_loaded() {
    let placed = Accelerator {
        id: DeviceId("cuda:test".to_owned()),
        kind: DeviceKind::Cuda,
        // No machine has so many: where there is a driver, it has no such card.
        address: "99".to_owned(),
        simulated: false,
        decode: true,
        extra_frames: 0,
    };
    let error = hardware::open(&placed).err().unwrap();
    let fault = classify(Operation::Decode, Some(error.error.code), &error.lines, error.after_first);
    assert_eq!(fault, Some(DeviceFault::Missing), "{error:?}");
    if error.error.code == NO_LIBRARY {
        assert!(error.lines.iter().any(|line| line.contains("Cannot load libcuda.so.1")), "{error:?}");
    }
}
