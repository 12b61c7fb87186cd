//! From a failed trial to a reason and a remedy that a person can use. Pure.

use super::Trial;
use crate::model::classify::classify;
use crate::model::device::{DeviceFault, DeviceInfo, DeviceKind, Operation, Verdict};
use crate::wire::v1::TrialFailure;

/// FFmpeg's tags of things that it was built without, as `-MKTAG(0xF8, …)`.
const ENCODER_NOT_FOUND: i32 = tag(b"ENC");
const DECODER_NOT_FOUND: i32 = tag(b"DEC");
const FILTER_NOT_FOUND: i32 = tag(b"FIL");

const fn tag(letters: &[u8; 3]) -> i32 {
    i32::from_le_bytes([0xF8, letters[0], letters[1], letters[2]]).wrapping_neg()
}

/// What is known beside the failure itself.
pub(super) struct Context<'a> {
    /// The device.
    pub(super) device: &'a DeviceInfo,
    /// `NVIDIA_DRIVER_CAPABILITIES`, as a container has it.
    pub(super) capabilities: Option<&'a str>,
}

/// A "no" with all that a person needs.
fn no(code: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Verdict {
    Verdict::No { code: code.to_owned(), reason: reason.into(), remedy: remedy.into() }
}

/// What a failure means. `logged` are lines of the worker's log from during the trial.
pub(super) fn of_failure(context: &Context<'_>, trial: &Trial, failure: &TrialFailure, logged: &[String]) -> Verdict {
    let lines: Vec<&str> = failure.lines.iter().chain(logged).map(String::as_str).collect();
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    if let Some(verdict) = not_built(trial, failure, &lines) {
        return verdict;
    }
    if let Some(name) = not_loaded(&lines) {
        return match library_of(name) {
            Some(library) => function_missing(context, library, name),
            None => library_missing(context, name),
        };
    }
    if has("required nvenc API version") || has("minimum required Nvidia driver") {
        return too_old(context, &lines);
    }
    if failure.error == -libc::EACCES || has("Permission denied") {
        let node = &context.device.address;
        let remedy = "give the user that reelmill runs as access to the device's node (its group, or --group-add)";
        return no("device.no_permission", format!("a worker may not open the device {node}"), remedy);
    }
    let fault = DeviceFault::from_name(&failure.device_fault).or_else(|| fault(trial, failure, &lines));
    let no_engine = engines(context.device, trial.operation) == Some(0);
    match fault {
        Some(DeviceFault::Corrupt | DeviceFault::Truncated) | None => of_fault(context, fault, trial, failure),
        // The table is believed over an error that could mean anything.
        Some(_) if no_engine => no_engine_at_all(context, trial),
        fault => of_fault(context, fault, trial, failure),
    }
}

/// Engines by the table, where it has a say.
const fn engines(device: &DeviceInfo, operation: Operation) -> Option<u32> {
    match (device.kind, operation) {
        (DeviceKind::Cuda, Operation::Encode) => Some(device.encode_engines),
        (DeviceKind::Cuda, Operation::Decode) => Some(device.decode_engines),
        _ => None,
    }
}

fn no_engine_at_all(context: &Context<'_>, trial: &Trial) -> Verdict {
    let verb = trial.operation.name();
    let reason = format!("{} has no engine that {verb}s", context.device.name);
    no("device.no_engine", reason, format!("nothing: the CPU {verb}s, or another device"))
}

fn not_built(trial: &Trial, failure: &TrialFailure, lines: &[&str]) -> Option<Verdict> {
    let Trial { codec, operation, .. } = trial;
    let (code, what) = match failure.error {
        ENCODER_NOT_FOUND if *operation == Operation::Encode => {
            ("device.no_encoder", format!("this encoder for {codec}"))
        }
        ENCODER_NOT_FOUND => {
            // The clip to decode is made by software first.
            let reason =
                format!("FFmpeg here has no software encoder for {codec} to make a clip with; it was not tried");
            return Some(no("device.no_encoder", reason, "install an FFmpeg that has one, to have it tried"));
        }
        DECODER_NOT_FOUND => ("device.no_decoder", format!("a decoder for {codec}")),
        FILTER_NOT_FOUND => ("device.no_filter", format!("the filter {codec}")),
        // Older FFmpeg has one code for all that a graph's parser does not know.
        _ if lines.iter().any(|line| line.contains("No such filter")) => {
            ("device.no_filter", format!("the filter {codec}"))
        }
        _ => return None,
    };
    Some(no(code, format!("FFmpeg here is built without {what}"), "install an FFmpeg that is built with it"))
}

/// `Cannot load libnvcuvid.so.1`, `Cannot load cuCtxCreate_v2`: the library, or the function of one, that is named.
fn not_loaded<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let named = lines.iter().find_map(|line| line.split_once("Cannot load ").map(|(_, rest)| rest));
    let name = named.map(|rest| rest.split_whitespace().next().unwrap_or("a library"));
    let unnamed = || lines.iter().find(|line| line.contains("Could not dynamically load CUDA")).map(|_| "libcuda.so.1");
    name.or_else(unnamed)
}

/// The library that a function should be in; `None` where the name is none of a function.
fn library_of(name: &str) -> Option<&'static str> {
    let families = [("cuvid", "libnvcuvid.so.1"), ("NvEncode", "libnvidia-encode.so.1"), ("cu", "libcuda.so.1")];
    families.iter().find(|(start, _)| name.starts_with(start)).map(|(_, library)| *library)
}

/// The library is there, and is older (or newer) than what FFmpeg was built for.
fn function_missing(context: &Context<'_>, library: &str, function: &str) -> Verdict {
    let reason = format!(
        "{library} lacks the function {}, which this FFmpeg needs; the driver is {}",
        super::clean(function, 64),
        context.device.driver
    );
    let remedy = "update the NVIDIA driver; in a container, see that its libraries are those of the host's driver";
    no("device.function_missing", reason, remedy)
}

fn library_missing(context: &Context<'_>, library: &str) -> Verdict {
    let library = super::clean(library, 64);
    let (needs, package) = match library.as_str() {
        name if name.starts_with("libnvcuvid") => ("video", "the driver's decoding library"),
        name if name.starts_with("libnvidia-encode") => ("video", "the driver's encoding library"),
        _ => ("compute", "the driver's own library"),
    };
    let reason = format!("{library}, {package}, is not there");
    let listed = |list: &str| list.split(',').any(|one| one.trim() == needs || one.trim() == "all");
    let remedy = match context.capabilities {
        Some(list) if !listed(list) => {
            format!("add `{needs}` to NVIDIA_DRIVER_CAPABILITIES, which is `{}`", super::clean(list, 80))
        }
        _ => format!("install it with the driver; in a container, NVIDIA_DRIVER_CAPABILITIES must have `{needs}`"),
    };
    no("device.library_missing", reason, remedy)
}

/// Oldest drivers by the version of the interface that FFmpeg was built for.
const DRIVERS: [(&str, &str); 5] =
    [("13.0", "570"), ("12.2", "550.54"), ("12.1", "530.41"), ("12.0", "520.56"), ("11.1", "470.57")];

fn too_old(context: &Context<'_>, lines: &[&str]) -> Verdict {
    let wanted = lines.iter().find_map(|line| {
        let told = line.split_once("minimum required Nvidia driver for nvenc is ");
        let told = told.and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned);
        let by_interface = || {
            let (_, rest) = line.split_once("Required: ")?;
            let version = rest.split_whitespace().next()?;
            DRIVERS.iter().find(|(interface, _)| *interface == version).map(|(_, driver)| (*driver).to_owned())
        };
        told.or_else(by_interface)
    });
    let driver = &context.device.driver;
    let wanted = wanted.map_or_else(|| "a newer one".to_owned(), |version| format!("{version} or newer"));
    let reason = format!("the driver {driver} is older than this FFmpeg needs, which is {wanted}");
    no("device.driver_too_old", reason, format!("update the NVIDIA driver to {wanted}"))
}

/// The fault that a code and its lines show, where the worker did not name one.
fn fault(trial: &Trial, failure: &TrialFailure, lines: &[&str]) -> Option<DeviceFault> {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let code = (failure.error != 0).then_some(failure.error);
    let told = classify(trial.operation, code, &lines, failure.after_first);
    // Whatever the code, a device that cannot be opened is not there for us.
    if failure.what == "open the device" && told.is_none_or(|fault| fault == DeviceFault::Unsupported) {
        return Some(DeviceFault::Missing);
    }
    told
}

fn of_fault(context: &Context<'_>, fault: Option<DeviceFault>, trial: &Trial, failure: &TrialFailure) -> Verdict {
    let Trial { operation, codec, depth } = trial;
    let said = super::clean(&format!("{}: {}", failure.what, failure.message), 200);
    let name = &context.device.name;
    let verb = operation.name();
    match fault {
        Some(DeviceFault::SessionLimit) => no(
            "device.session_limit",
            "the driver allows no more encode sessions now: other programs hold them",
            "end other programs that encode on this machine, then try again",
        ),
        Some(DeviceFault::Missing) => no(
            "device.no_driver",
            format!("the device cannot be opened ({said})"),
            "install or reload its driver, and pass the device into the container",
        ),
        Some(DeviceFault::FrameSize) => no(
            "device.frame_size",
            format!("even a small picture is outside of the sizes that {name} takes ({said})"),
            "update the driver; smaller renditions are made by the CPU",
        ),
        Some(DeviceFault::OutOfMemory) => no(
            "device.out_of_memory",
            format!("{name} has no memory left ({said})"),
            "end other programs on the device, then try again",
        ),
        Some(DeviceFault::Busy) => {
            no("device.busy", format!("{name} is busy ({said})"), "try again in a moment".to_owned())
        }
        Some(DeviceFault::Corrupt) => no(
            "device.corrupt",
            format!("what came back is wrong: {}", super::clean(&failure.message, 200)),
            "do not use it for this: update the driver, and look at the device's health",
        ),
        Some(DeviceFault::Truncated) => no(
            "device.truncated",
            format!("not everything came back: {}", super::clean(&failure.message, 200)),
            "do not use it for this: update the driver, and look at the device's health",
        ),
        Some(DeviceFault::Lost) => no(
            "device.lost",
            format!("{name} failed in the middle ({said})"),
            "look for its driver's lines in the kernel's log; reset the device",
        ),
        Some(DeviceFault::Unsupported | DeviceFault::SoftwareFallback) => no(
            "device.unsupported",
            format!("{name} does not {verb} {codec}{} ({said})", bits(*depth)),
            "nothing: the CPU does it, or another device",
        ),
        _ => {
            no("device.failed", format!("it failed ({said})"), "report this with the output of reelmill doctor --json")
        }
    }
}

fn bits(depth: u8) -> String {
    if depth > 8 { format!(" with {depth} bits") } else { String::new() }
}

/// A child that died while it tried this, alone.
pub(super) fn of_death(trial: &Trial, how: &str) -> Verdict {
    let Trial { operation, codec, depth } = trial;
    let what = format!("{} {codec}{}", operation.name(), bits(*depth));
    let remedy = "do not use it for this: update the driver; the CPU does it meanwhile";
    no("device.crashed", format!("the process that tried to {what} died: {how}"), remedy)
}

/// A child that did not answer while it tried this, alone.
pub(super) fn of_hang(trial: &Trial, seconds: u64) -> Verdict {
    let what = format!("{} {}{}", trial.operation.name(), trial.codec, bits(trial.depth));
    let remedy = "do not use it for this: reset the device or update the driver; the CPU does it meanwhile";
    no("device.hung", format!("the process that tried to {what} said nothing for {seconds} s"), remedy)
}

/// What was not tried any more, after several tries in a row killed their process.
pub(super) fn of_giving_up() -> Verdict {
    let reason = "it was not tried: the device killed every process that tried something before";
    no("device.given_up", reason, "update the driver, or leave the device out of the setting `devices`")
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
