//! The text of a graph for a device as text for software, with where its pictures lie in between: a pure function.
//!
//! In a simulated device's memory, pictures have the planar layout of the same depth (`yuv420p` for `nv12`, `yuv420p10le`
//! for `p010`), which saves conversions; on the way down `format=` makes of them what it says.

use crate::model::classify::averror;
use crate::model::device::{DeviceKind, Memory};

/// A graph's text for software.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translated {
    /// The filters.
    pub text: String,
    /// Where what comes out lies.
    pub output: Memory,
    /// Uploads of each frame.
    pub uploads: u64,
    /// Downloads of each frame.
    pub downloads: u64,
    /// The device takes part.
    pub on_device: bool,
}

/// Why there can be no such graph: FFmpeg's code and line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// FFmpeg's code.
    pub code: i32,
    /// The line of the log.
    pub line: String,
}

impl Refusal {
    fn new(code: i32, line: String) -> Self {
        Self { code, line }
    }

    /// Frames come from the other memory than the filter takes.
    pub(super) fn join(filter: &str) -> Self {
        let line = format!(
            "Impossible to convert between the formats supported by the filter '{filter}' and the filter \
             'auto_scaler_0'"
        );
        Self::new(averror::ENOSYS, line)
    }
}

/// Filters that do not touch pixels: they take frames of either memory.
const NEUTRAL: [&str; 10] =
    ["null", "setsar", "setdar", "setpts", "settb", "setfield", "setparams", "fps", "trim", "copy"];
/// In a device's memory.
const SURFACE: &str = "format=yuv420p|yuv420p10le";

/// Translates. `input` is where the graph's frames lie.
///
/// # Errors
/// As FFmpeg refuses the graph: an unknown filter or option, or frames in the wrong memory.
pub fn translate(text: &str, kind: DeviceKind, input: Memory) -> Result<Translated, Refusal> {
    let mut made = Translated { text: String::new(), output: input, uploads: 0, downloads: 0, on_device: false };
    let mut filters: Vec<String> = Vec::new();
    for filter in split(text, ',').into_iter().filter(|filter| !filter.trim().is_empty()) {
        let (name, arguments) = filter.trim().split_once('=').unwrap_or((filter.trim(), ""));
        let arguments = Arguments::parse(arguments);
        filters.extend(one(name, filter.trim(), &arguments, kind, &mut made)?);
    }
    made.text = if filters.is_empty() { "null".to_owned() } else { filters.join(",") };
    Ok(made)
}

fn one(
    name: &str,
    whole: &str,
    arguments: &Arguments<'_>,
    kind: DeviceKind,
    made: &mut Translated,
) -> Result<Vec<String>, Refusal> {
    let suffix = if kind == DeviceKind::Cuda { "_cuda" } else { "_vaapi" };
    if NEUTRAL.contains(&name) {
        return Ok(vec![whole.to_owned()]);
    }
    match name {
        "format" if made.output == Memory::Device => {
            // In device memory only the device's own format goes through.
            let own = arguments.positional.first().copied().or_else(|| arguments.get("pix_fmts"));
            return if own == Some(kind.name()) { Ok(Vec::new()) } else { Err(Refusal::join("Parsed_format_0")) };
        }
        "hwupload" => {
            arguments.only(&["derive_device"])?;
            return Ok(upload(made));
        }
        "hwupload_cuda" if kind == DeviceKind::Cuda => {
            arguments.only(&["device"])?;
            return Ok(upload(made));
        }
        "hwdownload" | "hwmap" => {
            arguments.only(if name == "hwmap" { &["mode", "derive_device", "reverse"] } else { &[] })?;
            return download(made).map(|()| Vec::new());
        }
        _ => {}
    }
    let Some(operation) = name.strip_suffix(suffix) else {
        let of_a_device = ["_cuda", "_vaapi", "_qsv", "_opencl", "_vulkan"].iter().any(|other| name.ends_with(other));
        return match made.output {
            Memory::System if !of_a_device => Ok(vec![whole.to_owned()]),
            _ => Err(Refusal::join(&format!("Parsed_{name}_0"))),
        };
    };
    let filters = match operation {
        "scale" => scale(arguments, kind)?,
        "yadif" | "bwdif" if kind == DeviceKind::Cuda => {
            arguments.only(&["mode", "parity", "deint"])?;
            vec![whole.replacen(suffix, "", 1)]
        }
        "colorspace" if kind == DeviceKind::Cuda => {
            arguments.only(&["range"])?;
            vec![format!("scale=out_range={}", arguments.get("range").unwrap_or("auto"))]
        }
        "deinterlace" if kind == DeviceKind::Vaapi => vec![deinterlace(arguments)?],
        "transpose" if kind == DeviceKind::Vaapi => vec![whole.replacen(suffix, "", 1)],
        _ => return Err(Refusal::new(averror::FILTER_NOT_FOUND, format!("No such filter: '{name}'"))),
    };
    if made.output == Memory::System {
        return Err(Refusal::join(&format!("Parsed_{name}_0")));
    }
    made.on_device = true;
    Ok(filters)
}

fn upload(made: &mut Translated) -> Vec<String> {
    // What is there already passes, as it does in FFmpeg.
    if made.output == Memory::Device {
        return Vec::new();
    }
    made.output = Memory::Device;
    made.on_device = true;
    made.uploads += 1;
    vec![SURFACE.to_owned()]
}

fn download(made: &mut Translated) -> Result<(), Refusal> {
    if made.output == Memory::System {
        return Err(Refusal::join("Parsed_hwdownload_0"));
    }
    made.output = Memory::System;
    made.downloads += 1;
    Ok(())
}

fn scale(arguments: &Arguments<'_>, kind: DeviceKind) -> Result<Vec<String>, Refusal> {
    arguments.only(match kind {
        DeviceKind::Cuda => &[
            "w",
            "h",
            "interp_algo",
            "format",
            "passthrough",
            "param",
            "force_original_aspect_ratio",
            "force_divisible_by",
        ],
        _ => &[
            "w",
            "h",
            "format",
            "mode",
            "out_color_matrix",
            "out_range",
            "out_color_primaries",
            "out_color_transfer",
            "out_chroma_location",
            "force_original_aspect_ratio",
            "force_divisible_by",
        ],
    })?;
    let mut text = String::from("scale");
    let mut separator = '=';
    let mut add = |key: &str, value: &str| {
        text.push_str(&format!("{separator}{key}={value}"));
        separator = ':';
    };
    for (place, key) in ["w", "h"].into_iter().enumerate() {
        if let Some(value) = arguments.get(key).or_else(|| arguments.positional.get(place).copied()) {
            add(key, value);
        }
    }
    for key in ["out_color_matrix", "out_range", "force_original_aspect_ratio", "force_divisible_by"] {
        if let Some(value) = arguments.get(key) {
            add(key, value);
        }
    }
    add(
        "flags",
        match arguments.get("interp_algo") {
            Some("nearest") => "neighbor",
            Some("bilinear") => "bilinear",
            Some("lanczos") => "lanczos",
            _ => "bicubic",
        },
    );
    let format = arguments.get("format").filter(|format| *format != "same").map(|format| match format {
        "nv12" => "format=yuv420p".to_owned(),
        "p010" | "p010le" => "format=yuv420p10le".to_owned(),
        other => format!("format={other}"),
    });
    Ok(std::iter::once(text).chain(format).collect())
}

fn deinterlace(arguments: &Arguments<'_>) -> Result<String, Refusal> {
    arguments.only(&["mode", "rate", "auto"])?;
    let mode = if arguments.get("rate") == Some("field") { "send_field" } else { "send_frame" };
    let which = if matches!(arguments.get("auto"), Some("1" | "true")) { "interlaced" } else { "all" };
    Ok(format!("bwdif=mode={mode}:deint={which}"))
}

/// A filter's arguments.
struct Arguments<'a> {
    positional: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Arguments<'a> {
    fn parse(text: &'a str) -> Self {
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        for argument in split(text, ':').into_iter().filter(|argument| !argument.is_empty()) {
            match argument.split_once('=') {
                Some(pair) => named.push(pair),
                None => positional.push(argument),
            }
        }
        Self { positional, named }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.named.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        // Every filter has an option for its pool.
        match self.named.iter().find(|(key, _)| *key != "extra_hw_frames" && !known.contains(key)) {
            Some((key, _)) => Err(Refusal::new(averror::OPTION_NOT_FOUND, format!("Option '{key}' not found"))),
            None => Ok(()),
        }
    }
}

/// The parts between separators that are neither quoted nor escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            letter if letter == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
