//! From a TOML file to simulated devices, or the first mistake in it with its line.

use super::spec::{Device, FaultSpec, Format, Sessions, Simulated, Tells, Watts, What};
use crate::model::Problem;
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind, Operation};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// Most devices of a file: more than any box has.
const DEVICES_MAX: usize = 64;
/// Codecs that software can encode in the place of a device, and those that can be decoded.
const ENCODES: [&str; 3] = ["h264", "hevc", "av1"];
const DECODES: [&str; 9] = ["h264", "hevc", "av1", "vp9", "vp8", "mpeg2video", "mpeg4", "vc1", "mjpeg"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    tells: Tells,
    #[serde(default)]
    sessions: RawSessions,
    devices: Spanned<Vec<Spanned<RawDevice>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawSessions {
    cap: Option<u32>,
    code: Option<Spanned<u32>>,
    #[serde(default)]
    taken: u32,
    taken_until_s: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDevice {
    kind: Spanned<DeviceKind>,
    id: Option<String>,
    name: String,
    model: Option<String>,
    #[serde(default = "driver")]
    driver: String,
    #[serde(default)]
    memory_mib: u64,
    #[serde(default)]
    encode_engines: u32,
    #[serde(default)]
    decode_engines: u32,
    #[serde(default)]
    sessions_counted: bool,
    #[serde(default = "surfaces")]
    surfaces: u32,
    #[serde(default)]
    delay_frames: Option<Spanned<u32>>,
    #[serde(default = "filter_mpix")]
    filter_mpix: Spanned<u32>,
    #[serde(default)]
    watts: Watts,
    gone_from_s: Option<u32>,
    gone_until_s: Option<u32>,
    #[serde(default)]
    encode: Vec<Spanned<RawFormat>>,
    #[serde(default)]
    decode: Vec<Spanned<RawFormat>>,
    #[serde(default)]
    faults: Vec<Spanned<RawFault>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFormat {
    codec: Spanned<String>,
    #[serde(default = "depths")]
    depths: Spanned<Vec<u8>>,
    size_min: Option<Spanned<String>>,
    size_max: Option<Spanned<String>>,
    mpix: Spanned<Mpix>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`mpix` must be a whole number, or { fast = …, balanced = …, quality = … }")]
enum Mpix {
    All(u32),
    BySpeed { fast: u32, balanced: u32, quality: u32 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    what: What,
    operation: Option<Operation>,
    codec: Option<String>,
    open: Option<Spanned<u64>>,
    frame: Option<u64>,
    times: Option<u64>,
    percent: Option<Spanned<u8>>,
    factor: Option<Spanned<u32>>,
    back_after_s: Option<u32>,
}

fn driver() -> String {
    "simulated".to_owned()
}

const fn surfaces() -> u32 {
    32
}

fn filter_mpix() -> Spanned<u32> {
    Spanned::new(0..0, 4_000)
}

fn depths() -> Spanned<Vec<u8>> {
    Spanned::new(0..0, vec![8])
}

/// Reads a file.
///
/// # Errors
/// `simulation.unreadable`; `simulation.syntax` and `simulation.value` with file and line.
pub fn load(path: &Path) -> Result<Simulated, Problem> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("the simulated devices in {file} cannot be read ({error}); check the path after `sim:`");
        Problem::input("simulation.unreadable", message)
    })?;
    parse(&file, &text)
}

/// Reads what a file holds. `file` names it to people.
pub(super) fn parse(file: &str, text: &str) -> Result<Simulated, Problem> {
    let notes = Notes { file, text };
    let raw: RawFile = toml::from_str(text).map_err(|error| {
        let line = notes.line(error.span().map_or(0, |span| span.start));
        Problem::input("simulation.syntax", format!("{file}:{line}: {}", error.message()))
    })?;
    let found = raw.devices.get_ref().len();
    if found == 0 || found > DEVICES_MAX {
        return Err(notes.value(&raw.devices, format!("there must be 1 to {DEVICES_MAX} `devices`")));
    }
    let mut devices: Vec<Device> = Vec::new();
    for raw in raw.devices.get_ref() {
        let device = device(&notes, devices.len(), raw.get_ref())?;
        if devices.iter().any(|other| other.info.id == device.info.id) {
            return Err(notes.value(raw, format!("two devices have the id `{}`", device.info.id)));
        }
        devices.push(device);
    }
    let sessions = sessions(&notes, &raw.sessions)?;
    Ok(Simulated { seed: raw.seed, tells: raw.tells, sessions, devices })
}

/// Makes problems with file and line.
struct Notes<'a> {
    file: &'a str,
    text: &'a str,
}

impl Notes<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn value<T>(&self, place: &Spanned<T>, message: impl AsRef<str>) -> Problem {
        let line = self.line(place.span().start);
        Problem::input("simulation.value", format!("{}:{line}: {}", self.file, message.as_ref()))
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

fn sessions(notes: &Notes<'_>, raw: &RawSessions) -> Result<Sessions, Problem> {
    let code = match &raw.code {
        Some(code) if ![10, 21].contains(code.get_ref()) => {
            return Err(notes.value(code, "`code` must be 10 (older drivers) or 21 (newer ones)"));
        }
        code => code.as_ref().map_or(21, |code| *code.get_ref()),
    };
    Ok(Sessions { cap: raw.cap, code, taken: raw.taken, taken_until: raw.taken_until_s.map(seconds) })
}

fn device(notes: &Notes<'_>, index: usize, raw: &RawDevice) -> Result<Device, Problem> {
    let kind = *raw.kind.get_ref();
    let address = match kind {
        DeviceKind::Cuda => index.to_string(),
        DeviceKind::Vaapi => format!("/dev/dri/renderD{}", 128 + index),
        DeviceKind::Cpu => return Err(notes.value(&raw.kind, "`kind` must be \"cuda\" or \"vaapi\"")),
    };
    let delay_frames = match &raw.delay_frames {
        Some(delay) if *delay.get_ref() > 64 => return Err(notes.value(delay, "`delay_frames` must be at most 64")),
        delay => delay.as_ref().map_or(0, |delay| *delay.get_ref()),
    };
    let id = raw.id.clone().unwrap_or_else(|| format!("simulated-{index}"));
    let mut device = Device {
        info: DeviceInfo {
            id: DeviceId(format!("{}:{id}", kind.name())),
            kind,
            name: raw.name.clone(),
            driver: raw.driver.clone(),
            address,
            model: raw.model.clone().unwrap_or_else(|| raw.name.clone()),
            memory_mib: raw.memory_mib,
            encode_engines: raw.encode_engines,
            decode_engines: raw.decode_engines,
            sessions_counted: raw.sessions_counted,
            threads: 0,
            simulated: true,
            built: None,
            abilities: Vec::new(),
        },
        encode: formats(notes, &raw.encode, raw.encode_engines, &ENCODES)?,
        decode: formats(notes, &raw.decode, raw.decode_engines, &DECODES)?,
        filter_rate: rate(notes, &raw.filter_mpix, *raw.filter_mpix.get_ref())?,
        watts: raw.watts,
        surfaces: raw.surfaces,
        delay_frames,
        gone: gone(raw),
        faults: raw.faults.iter().map(|raw| fault(notes, raw)).collect::<Result<_, _>>()?,
    };
    device.info.abilities = device.abilities();
    Ok(device)
}

fn gone(raw: &RawDevice) -> Option<(Duration, Option<Duration>)> {
    let until = raw.gone_until_s.map(seconds);
    match (raw.gone_from_s, until) {
        (None, None) => None,
        (from, until) => Some((seconds(from.unwrap_or(0)), until)),
    }
}

fn formats(
    notes: &Notes<'_>,
    raw: &[Spanned<RawFormat>],
    engines: u32,
    known: &[&str],
) -> Result<Vec<Format>, Problem> {
    if let Some(first) = raw.first().filter(|_| engines == 0) {
        return Err(notes.value(first, "a codec needs an engine: set `encode_engines` or `decode_engines`"));
    }
    let each = |raw: &Spanned<RawFormat>| format(notes, raw.get_ref(), known);
    raw.iter().map(each).collect()
}

fn format(notes: &Notes<'_>, raw: &RawFormat, known: &[&str]) -> Result<Format, Problem> {
    let codec = raw.codec.get_ref();
    if !known.contains(&codec.as_str()) {
        return Err(notes.value(&raw.codec, format!("`codec` must be one of {}", known.join(", "))));
    }
    if raw.depths.get_ref().is_empty() || raw.depths.get_ref().iter().any(|depth| ![8, 10].contains(depth)) {
        return Err(notes.value(&raw.depths, "`depths` must hold 8, 10 or both"));
    }
    let (fast, balanced, quality) = match *raw.mpix.get_ref() {
        Mpix::All(all) => (all, all, all),
        Mpix::BySpeed { fast, balanced, quality } => (fast, balanced, quality),
    };
    let rate = |mpix| rate(notes, &raw.mpix, mpix);
    Ok(Format {
        codec: codec.clone(),
        depths: raw.depths.get_ref().clone(),
        size_min: raw.size_min.as_ref().map_or(Ok((16, 16)), |text| size(notes, text))?,
        size_max: raw.size_max.as_ref().map_or(Ok((4096, 4096)), |text| size(notes, text))?,
        rates: [rate(fast)?, rate(balanced)?, rate(quality)?],
    })
}

fn rate<T>(notes: &Notes<'_>, place: &Spanned<T>, mpix: u32) -> Result<u64, Problem> {
    match mpix {
        0 => Err(notes.value(place, "a rate must be 1 megapixel a second or more")),
        mpix => Ok(u64::from(mpix) * 1_000_000),
    }
}

fn size(notes: &Notes<'_>, text: &Spanned<String>) -> Result<(u32, u32), Problem> {
    let parsed = text.get_ref().split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| notes.value(text, "a size must be like \"146x50\""))
}

fn fault(notes: &Notes<'_>, place: &Spanned<RawFault>) -> Result<FaultSpec, Problem> {
    let raw = place.get_ref();
    if let Some(operation) = raw.operation.filter(|operation| !raw.what.concerns(*operation)) {
        return Err(notes.value(place, format!("this fault cannot happen to {}", operation.name())));
    }
    if let Some(open) = raw.open.as_ref().filter(|open| *open.get_ref() == 0) {
        return Err(notes.value(open, "`open` counts from 1"));
    }
    if let Some(percent) = raw.percent.as_ref().filter(|percent| *percent.get_ref() > 100) {
        return Err(notes.value(percent, "`percent` must be at most 100"));
    }
    if let Some(factor) = raw.factor.as_ref().filter(|factor| *factor.get_ref() == 0) {
        return Err(notes.value(factor, "`factor` must be 1 or more"));
    }
    let never_at_open = matches!(raw.what, What::Truncated | What::Corrupt | What::Slow);
    let frame = raw.frame.unwrap_or(u64::from(!raw.what.at_open())).max(u64::from(never_at_open));
    if frame > 0 && matches!(raw.what, What::SoftwareFallback | What::SessionLimit | What::DriverTooOld) {
        return Err(notes.value(place, "this fault happens when a session is opened: leave `frame` out"));
    }
    Ok(FaultSpec {
        what: raw.what,
        operation: raw.operation,
        codec: raw.codec.clone(),
        open: raw.open.as_ref().map(|open| *open.get_ref()),
        frame,
        times: raw.times,
        percent: raw.percent.as_ref().map_or(100, |percent| *percent.get_ref()),
        factor: raw.factor.as_ref().map_or(10, |factor| *factor.get_ref()),
        back_after: raw.back_after_s.map(seconds),
    })
}
