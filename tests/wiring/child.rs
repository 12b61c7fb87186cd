//! Runs a test in a process of its own, in which libva finds our driver: the variables that say so are read once, and the
//! shim that makes a render node of `/dev/null` must be there from the start.

use reelmill::model::device::{Accelerator, DeviceId, DeviceKind};
use std::path::Path;
use std::process::Command;

/// Runs the ignored test of this name on the driver, which fails as `fault` says (see `fake_va.c`).
pub(crate) fn on_fake_device(test: &str, fault: &str) {
    let directory = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wiring");
    let (driver, shim) = (directory.path().join("reelmill_drv_video.so"), directory.path().join("shim.so"));
    for (source, library) in [("fake_va.c", &driver), ("shim.c", &shim)] {
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-O1", "-o"])
            .arg(library)
            .arg(here.join(source))
            .arg("-lpthread")
            .status();
        assert!(status.unwrap().success(), "{source} needs a C compiler and libva-dev: make setup");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", &shim)
        .env("LIBVA_DRIVERS_PATH", directory.path())
        .env("LIBVA_DRIVER_NAME", "reelmill")
        .env("REELMILL_FAKE_VA", fault)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{test} with {fault}:\n{told}\n{errors}");
}

/// What the driver was told to fail at, in a child.
pub(crate) fn fault() -> String {
    std::env::var("REELMILL_FAKE_VA").unwrap()
}

/// The device that the driver is for.
pub(crate) fn device(decode: bool) -> Accelerator {
    Accelerator {
        id: DeviceId("vaapi:test".to_owned()),
        kind: DeviceKind::Vaapi,
        address: "/dev/null".to_owned(),
        simulated: false,
        decode,
        extra_frames: 24,
    }
}
