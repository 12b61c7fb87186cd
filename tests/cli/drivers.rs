//! `reelmill doctor` with the real worker on boxes of which the driver is not whole: NVIDIA's libraries, made for the purpose,
//! where the system's loader finds them.

use crate::fake::Fake;
use crate::tools::{Ran, command, finish};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// NVML with one card that has no encoder.
const NVML: &str = r#"
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { __builtin_strcpy(text, "470.57.02"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) { *out = (void *)1; return 0; }
int nvmlDeviceGetName(void *d, char *text, unsigned n) { __builtin_strcpy(text, "NVIDIA H200"); return 0; }
int nvmlDeviceGetUUID(void *d, char *text, unsigned n) { __builtin_strcpy(text, "GPU-1"); return 0; }
"#;
/// The first functions of CUDA that FFmpeg asks the library for, in its order.
const CUDA: [&str; 7] = [
    "cuInit",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetName",
    "cuDeviceComputeCapability",
    "cuCtxCreate_v2",
];

/// A box with these libraries.
struct Driver(TempDir);

impl Driver {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, library: &str, source: &str) -> Self {
        let (c, so) = (self.0.path().join("library.c"), self.0.path().join(library));
        fs::write(&c, source).unwrap();
        let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let status = Command::new(cc).args(["-shared", "-fPIC", "-w", "-o"]).arg(&so).arg(&c).status().unwrap();
        assert!(status.success(), "a C compiler is needed, as for building");
        self
    }

    /// CUDA with these functions, of which each fails.
    fn with_cuda(self, functions: &[&str]) -> Self {
        let mut source = String::new();
        for name in functions {
            writeln!(source, "int {name}(void) {{ return 100; }}").unwrap();
        }
        self.with("libcuda.so.1", &source)
    }

    fn doctor(&self, arguments: &[&str]) -> Ran {
        let fake = Fake::start();
        let mut command = command(&fake, &[&["doctor"], arguments].concat());
        // What the test itself is run with comes first: it may be where FFmpeg lies.
        let theirs = std::env::var("LD_LIBRARY_PATH").map(|list| format!("{list}:")).unwrap_or_default();
        command.env("LD_LIBRARY_PATH", format!("{theirs}{}", self.0.path().display()));
        command.env("REELMILL_WORKER", env!("CARGO_BIN_EXE_reelmill-worker"));
        // Of libraries that their directory lacks, the loader looks for those of the system.
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        finish(command)
    }

    /// The card, of which nothing works, beside a CPU of which all does.
    fn card(&self) -> Value {
        let ran = self.doctor(&["--json"]);
        assert_eq!(ran.status, 0, "one device that works is enough: {ran:?}");
        let devices = ran.json()["devices"].as_array().unwrap().clone();
        assert_eq!(devices[0]["works"], true);
        let card = devices.into_iter().find(|device| device["kind"] == "cuda").unwrap();
        assert_eq!(card["works"], false, "{card}");
        card
    }
}

/// What is said of decoding H.264: why not, and what to do.
fn decode_h264(card: &Value) -> (String, String, String) {
    let is_it = |one: &&Value| one["operation"] == "decode" && one["codec"] == "h264";
    let one = card["abilities"].as_array().unwrap().iter().find(is_it).unwrap();
    let text = |key: &str| one[key].as_str().unwrap().to_owned();
    (text("code"), text("reason"), text("remedy"))
}

/// Whether this machine has a driver of its own, which would be found beside what the tests make.
fn has_driver() -> bool {
    let has = std::path::Path::new("/dev/nvidiactl").exists();
    if has {
        eprintln!("this machine has NVIDIA's driver: skipped");
    }
    has
}

#[test]
fn nvml_without_cuda_says_which_library_is_missing() {
    if has_driver() {
        return;
    }
    let card = Driver::new().with("libnvidia-ml.so.1", NVML).card();
    assert_eq!((&card["id"], &card["name"]), (&"cuda:GPU-1".into(), &"NVIDIA H200".into()));
    let (code, reason, remedy) = decode_h264(&card);
    assert_eq!(code, "device.library_missing");
    assert!(reason.contains("libcuda.so.1") && remedy.contains("`compute`"), "{reason}; {remedy}");
}

#[test]
fn cuda_without_nvml_is_tried_and_says_what_is_not_known() {
    if has_driver() {
        return;
    }
    let driver = Driver::new().with_cuda(&CUDA[..6]);
    let card = driver.card();
    assert_eq!((&card["id"], &card["driver"]), (&"cuda:0".into(), &"unknown".into()));
    let told = driver.doctor(&[]).out;
    assert!(told.contains("[device.no_nvml]") && told.contains("libnvidia-ml"), "{told}");
    assert_eq!(decode_h264(&card).0, "device.function_missing");
}

#[test]
fn a_driver_library_that_lacks_one_function_is_named_with_it() {
    if has_driver() {
        return;
    }
    let card = Driver::new().with("libnvidia-ml.so.1", NVML).with_cuda(&CUDA[..6]).card();
    let (code, reason, remedy) = decode_h264(&card);
    assert_eq!(code, "device.function_missing", "{reason}");
    for part in ["libcuda.so.1 lacks", "cuCtxCreate_v2", "470.57.02"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(remedy.starts_with("update the NVIDIA driver"), "{remedy}");
}

/// A library of NVML that is cut short: the box is as one without it, and nothing is said where nothing else speaks of a card.
#[test]
fn a_library_that_cannot_be_loaded_is_as_good_as_none() {
    if has_driver() {
        return;
    }
    let driver = Driver::new();
    fs::write(driver.0.path().join("libnvidia-ml.so.1"), b"\x7fELF").unwrap();
    let ran = driver.doctor(&["--json"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
    let json = ran.json();
    assert!(json["devices"].as_array().unwrap().iter().all(|device| device["kind"] != "cuda"), "{json}");
}
