//! One file to one profile, or every mistake in it.

use super::fields::{Fields, Notes};
use super::node::{self, Node, Value};
use super::template::{OutputTemplate, UploadTemplate};
use super::{OUTPUTS_MAX, Profile};
use crate::model::request::{RateMode, RenditionSpec, parse_segment};
use crate::model::{Problem, spec};
use crate::plan;

const PROFILE: [&str; 4] = ["name", "version", "description", "outputs"];
const OUTPUT: [&str; 25] = [
    "id",
    "if_exists",
    "renditions",
    "video_codecs",
    "audio_codecs",
    "packagings",
    "speed",
    "rate_control",
    "segment_duration",
    "spans",
    "allow_upscale",
    "copy",
    "channels",
    "progressive_mp4",
    "omit_video",
    "manifests",
    "picture",
    "sound",
    "encoder_options",
    "watermarks",
    "stills",
    "sprites",
    "text",
    "file_metadata",
    "upload",
];
/// Fields of an output that only a job can say.
const OF_THE_JOB: [&str; 3] = ["destination", "source_id", "audio_source_ids"];
const UPLOAD: [&str; 5] = ["cache_control", "manifest_cache_control", "acl", "metadata", "create_bucket"];

/// Reads a profile. `file` names the file to people; its ending says which form it has.
pub(super) fn profile(file: &str, text: &str) -> Result<Profile, Vec<Problem>> {
    let mut notes = Notes { file, problems: Vec::new() };
    let parsed = if file.ends_with(".json") { node::json(text) } else { node::toml(text) };
    let tree = match parsed {
        Ok(tree) => tree,
        Err(mistakes) => {
            for (line, message) in mistakes {
                notes.add(line, "profile.syntax", message);
            }
            return Err(notes.problems);
        }
    };
    let fields = notes.fields("a profile", &tree, &PROFILE);
    let name = notes.text(&fields, "name").map(|(name, _)| name.to_owned()).unwrap_or_default();
    if !is_name(&name) {
        notes.value(fields.line_of("name"), "a profile needs a `name` of 1 to 64 of a-z 0-9 _ -");
    }
    let version = notes.whole(&fields, "version", u64::from(u32::MAX)).unwrap_or_default() as u32;
    if version == 0 {
        notes.value(fields.line_of("version"), "a profile needs a `version` from 1");
    }
    let description = notes.text(&fields, "description").map(|(text, _)| text.to_owned()).unwrap_or_default();
    let nodes = notes.list(&fields, "outputs");
    if nodes.is_empty() || nodes.len() > OUTPUTS_MAX {
        notes.value(fields.line_of("outputs"), format!("a profile needs 1 to {OUTPUTS_MAX} `outputs`"));
    }
    let mut outputs: Vec<OutputTemplate> = Vec::new();
    for node in nodes.iter().take(OUTPUTS_MAX) {
        let output = output(&mut notes, node);
        if !output.id.is_empty() && outputs.iter().any(|other| other.id == output.id) {
            notes.value(node.line, format!("two outputs have the id `{}`", output.id));
        }
        outputs.push(output);
    }
    if notes.problems.is_empty() { Ok(Profile { name, version, description, outputs }) } else { Err(notes.problems) }
}

fn output(notes: &mut Notes<'_>, node: &Node) -> OutputTemplate {
    let known: Vec<&str> = OUTPUT.into_iter().chain(OF_THE_JOB).collect();
    let fields = notes.fields("an output", node, &known);
    for key in OF_THE_JOB {
        if let Some(node) = fields.get(key) {
            notes.add(node.line, "profile.unknown_key", format!("`{key}` is for the job to say: leave it out here"));
        }
    }
    let before = notes.problems.len();
    let template = OutputTemplate {
        id: notes.text(&fields, "id").map(|(id, _)| id.to_owned()).unwrap_or_default(),
        if_exists: notes.word::<spec::IfExists>(&fields, "if_exists"),
        renditions: renditions(notes, &fields),
        video_codecs: notes.words(&fields, "video_codecs"),
        audio_codecs: notes.words(&fields, "audio_codecs"),
        packagings: notes.words(&fields, "packagings"),
        speed: notes.word(&fields, "speed"),
        rate_control: fields.get("rate_control").and_then(|node| rate_control(notes, node)),
        segment_ms: segment(notes, &fields),
        spans: notes.whole(&fields, "spans", u64::from(u32::MAX)).map(|spans| spans as u32),
        allow_upscale: notes.truth(&fields, "allow_upscale"),
        copy: notes.truth(&fields, "copy"),
        channels: notes.word(&fields, "channels"),
        progressive_mp4: notes.truth(&fields, "progressive_mp4"),
        omit_video: notes.truth(&fields, "omit_video"),
        manifests: notes.typed(&fields, "manifests"),
        picture: notes.typed(&fields, "picture"),
        sound: notes.typed(&fields, "sound"),
        encoder_options: notes.typed(&fields, "encoder_options").unwrap_or_default(),
        watermarks: notes.typed(&fields, "watermarks").unwrap_or_default(),
        stills: notes.typed(&fields, "stills"),
        sprites: notes.typed(&fields, "sprites"),
        text: notes.typed(&fields, "text"),
        file_metadata: notes.typed(&fields, "file_metadata"),
        upload: fields.get("upload").map(|node| upload(notes, node)).unwrap_or_default(),
    };
    if template.text.as_ref().is_some_and(|text| !text.sidecars.is_empty()) {
        let message = "`sidecars` are sources of a job, so they are for the job to say: leave them out here";
        notes.add(fields.line_of("text"), "profile.unknown_key", message);
    }
    // What could not be read would be complained about again as what it is not.
    if notes.problems.len() == before {
        for problem in plan::check(&template.request()) {
            let key = problem.field.split(['.', '[']).next().unwrap_or_default();
            notes.add(fields.line_of(key), &problem.code, &problem.message);
        }
    }
    template
}

fn renditions(notes: &mut Notes<'_>, fields: &Fields<'_>) -> Vec<RenditionSpec> {
    let mut specs = Vec::new();
    for node in notes.list(fields, "renditions") {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            _ => {
                let fields = notes.fields("a rendition", node, &["size", "bit_rate"]);
                let Some((size, _)) = notes.text(&fields, "size") else {
                    if fields.get("size").is_none() {
                        notes.value(node.line, "a rendition needs a `size`, such as \"1080p\" or \"640x360\"");
                    }
                    continue;
                };
                match notes.whole(&fields, "bit_rate", i64::MAX as u64) {
                    Some(rate) => format!("{size}@{rate}"),
                    None => size.to_owned(),
                }
            }
        };
        match text.parse::<RenditionSpec>() {
            Ok(spec) => specs.push(spec),
            Err(problem) => notes.add(node.line, &problem.code, &problem.message),
        }
    }
    specs
}

fn rate_control(notes: &mut Notes<'_>, node: &Node) -> Option<RateMode> {
    let fields = notes.fields("rate_control", node, &["mode", "crf"]);
    let crf = notes.whole(&fields, "crf", u64::from(u8::MAX)).map(|crf| crf as u8);
    match notes.text(&fields, "mode").map(|(mode, _)| mode) {
        Some("vbv") if crf.is_none() => Some(RateMode::Vbv),
        Some("two_pass") if crf.is_none() => Some(RateMode::TwoPass),
        Some("vbv" | "two_pass") => {
            notes.value(fields.line_of("crf"), "`crf` goes with the modes capped_crf and crf only");
            None
        }
        Some("capped_crf") => Some(RateMode::CappedCrf { crf }),
        Some("crf") => Some(RateMode::Crf { crf }),
        _ => {
            let modes = "`rate_control` needs a `mode`: \"vbv\", \"two_pass\", \"capped_crf\" or \"crf\"";
            notes.value(fields.line_of("mode"), modes);
            None
        }
    }
}

fn segment(notes: &mut Notes<'_>, fields: &Fields<'_>) -> Option<u32> {
    let (text, line) = notes.text(fields, "segment_duration")?;
    parse_segment(text).map_err(|problem| notes.add(line, &problem.code, &problem.message)).ok()
}

fn upload(notes: &mut Notes<'_>, node: &Node) -> UploadTemplate {
    let fields = notes.fields("upload", node, &UPLOAD);
    let mut template = UploadTemplate {
        cache_control: notes.text(&fields, "cache_control").map(|(text, _)| text.to_owned()),
        manifest_cache_control: notes.text(&fields, "manifest_cache_control").map(|(text, _)| text.to_owned()),
        acl: notes.text(&fields, "acl").map(|(text, _)| text.to_owned()),
        create_bucket: notes.truth(&fields, "create_bucket"),
        ..UploadTemplate::default()
    };
    let Some(node) = fields.get("metadata") else { return template };
    let Value::Table(entries) = &node.value else {
        notes.value(node.line, "`metadata` must be a table of texts");
        return template;
    };
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let fields = notes.fields("metadata", node, &keys);
    for entry in fields.entries() {
        let text = notes.text(&fields, &entry.key).map(|(text, _)| text.to_owned());
        template.metadata.extend(text.map(|text| (entry.key.clone(), text)));
    }
    template
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}
