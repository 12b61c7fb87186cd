//! NVIDIA's devices: by NVML where its library is, else by what the kernel's module tells.
//!
//! The library is loaded when it is asked for and let go afterwards. A box without it is normal: nothing is said.

use super::cgroup::read;
use super::{Discovery, Note, Roots, chips, clean};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The name that a driver installs; the one without a number comes with development packages only.
pub(super) const LIBRARY: &str = "libnvidia-ml.so.1";
/// Most devices of one box that are looked at.
const DEVICES_MAX: u32 = 64;
/// Longest name that is kept, bytes.
const NAME_BYTES_MAX: usize = 96;
/// NVML's word for "partitioned".
const MIG_ENABLED: u32 = 1;
/// Where systems put the driver's user-space library.
const LIBRARY_DIRS: [&str; 7] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/cuda/compat",
    "/usr/lib/wsl/lib",
];

/// Adds what there is.
pub(super) fn describe(roots: &Roots, found: &mut Discovery) {
    let library: &OsStr = roots.nvml.as_deref().map_or_else(|| OsStr::new(LIBRARY), Path::as_os_str);
    match Nvml::builder().lib_path(library).init() {
        Ok(nvml) => by_nvml(&nvml, found),
        Err(error) => without_nvml(roots, &error, found),
    }
}

fn by_nvml(nvml: &Nvml, found: &mut Discovery) {
    let driver = nvml.sys_driver_version().unwrap_or_default();
    let count = match nvml.device_count() {
        Ok(count) => count.min(DEVICES_MAX),
        Err(error) => {
            let message = format!("NVML is here, but does not count its devices ({error})");
            found.note(None, "device.nvml", message, "run nvidia-smi, and reload the driver if it fails too");
            return;
        }
    };
    for index in 0..count {
        match nvml.device_by_index(index) {
            Ok(device) => one(&device, index, &driver, found),
            Err(error) => {
                let message = format!("NVIDIA device {index} does not answer ({error})");
                found.note(None, "device.lost", message, "look for Xid lines in the kernel's log; reset the device");
            }
        }
    }
}

/// One device. What the driver does not tell, as older ones lack some calls, stays unknown; that is said.
fn one(device: &Device<'_>, index: u32, driver: &str, found: &mut Discovery) {
    let mut missing = Vec::new();
    let name = told(device.name(), "its name", &mut missing).unwrap_or_else(|| "NVIDIA device".to_owned());
    let name = clean(&name, NAME_BYTES_MAX);
    let uuid = told(device.uuid(), "its UUID", &mut missing);
    let memory = told(device.memory_info(), "its memory", &mut missing).map_or(0, |memory| memory.total >> 20);
    let id = uuid.map_or_else(|| format!("cuda:{index}"), |uuid| format!("cuda:{}", clean(&uuid, NAME_BYTES_MAX)));
    let info = info(id, name, clean(driver, NAME_BYTES_MAX), index, memory);
    if !missing.is_empty() {
        let message = format!("the driver does not tell {} of {}", missing.join(" and "), info.name);
        found.note(Some(&info.id), "device.nvml", message, "update the driver to learn it; everything else works");
    }
    if device.mig_mode().is_ok_and(|mode| mode.current == MIG_ENABLED) {
        let message =
            format!("{} is partitioned (MIG): it has part of the engines, and use is not measured", info.name);
        found.note(Some(&info.id), "device.mig", message, "switch MIG off to give the whole device to this node");
    }
    found.devices.push(info);
}

fn told<T>(result: Result<T, NvmlError>, what: &str, missing: &mut Vec<String>) -> Option<T> {
    result.map_err(|_| missing.push(what.to_owned())).ok()
}

fn info(id: String, name: String, driver: String, index: u32, memory_mib: u64) -> DeviceInfo {
    let engines = chips::engines(&name);
    DeviceInfo {
        id: DeviceId(id),
        kind: DeviceKind::Cuda,
        model: name.clone(),
        name,
        driver: if driver.is_empty() { "unknown".to_owned() } else { driver },
        address: index.to_string(),
        memory_mib,
        encode_engines: engines.encode,
        decode_engines: engines.decode,
        sessions_counted: engines.counted,
        threads: 0,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}

/// Without NVML there may be CUDA all the same: the kernel's module says which devices it has; else a device node or the
/// library of CUDA is a reason to try.
fn without_nvml(roots: &Roots, error: &NvmlError, found: &mut Discovery) {
    let before = found.devices.len();
    let driver = driver_version(roots);
    for (index, text) in module_devices(roots).iter().enumerate() {
        let field = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
            line.map(|value| clean(value, NAME_BYTES_MAX)).filter(|value| !value.is_empty())
        };
        let name = field("Model").unwrap_or_else(|| "NVIDIA device".to_owned());
        // A module that was not asked yet writes question marks.
        let uuid = field("GPU UUID").filter(|uuid| !uuid.contains('?'));
        let id = uuid.map_or_else(|| format!("cuda:{index}"), |uuid| format!("cuda:{uuid}"));
        found.devices.push(info(id, name, driver.clone(), index as u32, 0));
    }
    if found.devices.len() == before && (has_node(roots) || library(roots).is_some()) {
        found.devices.push(info("cuda:0".to_owned(), "NVIDIA device".to_owned(), driver, 0, 0));
    }
    let why = clean(&error.to_string(), 200);
    if found.devices.len() == before {
        tracing::debug!("no NVIDIA devices: {why}");
        return;
    }
    let message = format!("there are signs of NVIDIA devices but no NVML ({why}): memory and sessions are not known");
    let remedy = "install libnvidia-ml, or in a container add `utility` to NVIDIA_DRIVER_CAPABILITIES";
    found.notes.push(Note::new(None, "device.no_nvml", message, remedy));
}

/// What `/proc/driver/nvidia/gpus/*/information` say, by PCI address, which is the order of ordinals too.
fn module_devices(roots: &Roots) -> Vec<String> {
    let entries = fs::read_dir(roots.proc.join("driver/nvidia/gpus")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path().join("information")).collect();
    paths.sort();
    paths.iter().take(DEVICES_MAX as usize).filter_map(|path| read(path)).collect()
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu …`: the first thing that looks like a version.
fn driver_version(roots: &Roots) -> String {
    let text = read(&roots.proc.join("driver/nvidia/version")).unwrap_or_default();
    let is_version = |word: &&str| {
        word.split('.').count() >= 2
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    text.split_whitespace().find(is_version).unwrap_or_default().to_owned()
}

fn has_node(roots: &Roots) -> bool {
    let entries = fs::read_dir(&roots.dev).into_iter().flatten().flatten();
    let number = |name: &OsStr| {
        let digits = name.to_str().and_then(|name| name.strip_prefix("nvidia")).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    entries.into_iter().any(|entry| number(&entry.file_name()))
}

fn library(roots: &Roots) -> Option<PathBuf> {
    let dirs = roots.libraries.iter().map(PathBuf::as_path);
    dirs.map(|dir| dir.join("libcuda.so.1")).find(|path| path.exists())
}

/// Where the library of CUDA may lie: where the operator says, as the system's loader sees it, and where systems put it.
pub(super) fn library_dirs() -> Vec<PathBuf> {
    let named = std::env::var_os("LD_LIBRARY_PATH");
    let named = named.iter().flat_map(|list| std::env::split_paths(list)).filter(|dir| dir.is_absolute());
    named.chain(LIBRARY_DIRS.map(PathBuf::from)).collect()
}
