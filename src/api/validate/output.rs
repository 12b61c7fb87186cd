//! Outputs: what is made, of which sources, and how it is stored.

use super::encoders::encoder_options;
use super::found::{self, Found};
use super::manifests::manifests;
use super::metadata::file_metadata;
use super::picture::picture;
use super::sound::sound;
use super::stills::{sprites, stills};
use super::text::text;
use super::watermark::watermarks;
use super::{path, place};
use crate::api::settings::Rules;
use crate::api::v1;
use crate::model::limits::RENDITIONS_MAX;
use crate::model::request::{RateMode, RenditionSpec, Request, parse_segment};
use crate::model::spec::{OutputSpec, SourceSpec, UploadOptions};
use crate::model::{Locator, Problem};
use crate::plan;
use std::collections::BTreeMap;

/// Most codecs or packagings in a list; there are not as many.
const KINDS_MAX: usize = 8;
/// Most sources of sound of an output.
const AUDIO_SOURCES_MAX: usize = 16;
/// Longest value of an HTTP header that is passed on, bytes.
const HEADER_BYTES_MAX: usize = 256;
/// Most user metadata, bytes of keys and values, by the S3 API.
const METADATA_BYTES_MAX: usize = 2048;
/// The canned ACLs of the S3 API.
const ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// The outputs of a job, in its order.
pub(super) fn outputs(
    asked: &[v1::OutputSpec],
    sources: &[SourceSpec],
    rules: &Rules,
    found: &mut Found,
) -> Vec<OutputSpec> {
    let mut outputs = Vec::new();
    let mut ids = Vec::new();
    let mut places = Vec::new();
    for (index, output) in asked.iter().enumerate() {
        let field = path(&format!("outputs[{index}]"));
        let id = found::id(found, &field, &output.id, format!("output-{}", index + 1), &ids);
        ids.push(id.clone());
        let destination = place::destination(&output.destination, rules);
        let destination = found.take(&format!("{field}.destination"), destination);
        places.push(destination.clone());
        let (request, rendition_sources) = request(&field, output, sources, rules, found);
        let audio = &output.audio_source_ids;
        let audio_field = format!("{field}.audio_source_ids");
        found.count(&audio_field, "sources of sound", audio.len(), 0, AUDIO_SOURCES_MAX);
        let audio = audio.iter().take(AUDIO_SOURCES_MAX).enumerate();
        outputs.push(OutputSpec {
            id,
            // A specification with problems is never given out.
            destination: destination.unwrap_or_else(|| Locator::File("/".into())),
            if_exists: found.value(&format!("{field}.if_exists"), output.if_exists).unwrap_or_default(),
            source: source(&format!("{field}.source_id"), &output.source_id, sources, found).unwrap_or_default(),
            audio_sources: audio
                .filter_map(|(i, id)| {
                    if id.is_empty() {
                        found.add(
                            format!("{audio_field}[{i}]"),
                            "request.unknown_source",
                            "the id is empty: name a source",
                        );
                    }
                    source(&format!("{audio_field}[{i}]"), id, sources, found)
                })
                .collect(),
            rendition_sources,
            request,
            upload: upload(&format!("{field}.upload"), output.upload.as_ref(), found),
        });
    }
    place::check_apart(&places, found);
    outputs
}

/// The index of a source by its id; `None` where none is named.
pub(super) fn source(field: &str, id: &str, sources: &[SourceSpec], found: &mut Found) -> Option<usize> {
    if id.is_empty() {
        return None;
    }
    let index = sources.iter().position(|source| source.id == id);
    if index.is_none() {
        let shown: String = id.chars().take(64).collect();
        let message = format!("the job has no source `{}`: name one of its sources", shown.escape_debug());
        found.add(field, "request.unknown_source", message);
    }
    index
}

/// What is to be made. What the planner would refuse whatever the source is is refused here.
fn request(
    field: &str,
    output: &v1::OutputSpec,
    sources: &[SourceSpec],
    rules: &Rules,
    found: &mut Found,
) -> (Request, BTreeMap<usize, usize>) {
    let usual = Request::default();
    let at = |name: &str| format!("{field}.{name}");
    let before = found.problems.len();
    let (renditions, rendition_sources) = renditions(&at("renditions"), &output.renditions, sources, found);
    let request = Request {
        renditions,
        codecs: found.values(&at("video_codecs"), &output.video_codecs, KINDS_MAX),
        audio_codecs: found.values(&at("audio_codecs"), &output.audio_codecs, KINDS_MAX),
        packagings: found.values(&at("packagings"), &output.packagings, KINDS_MAX),
        speed: found.value(&at("speed"), output.speed).unwrap_or_default(),
        rate_mode: rate_mode(&at("rate_control"), output.rate_control.as_ref(), found),
        segment_ms: segment_ms(&at("segment_duration"), output, found).unwrap_or(usual.segment_ms),
        spans: if output.spans == 0 { usual.spans } else { output.spans },
        allow_upscale: output.allow_upscale.unwrap_or(usual.allow_upscale),
        copy: output.copy.unwrap_or(usual.copy),
        channels: found.value(&at("channels"), output.channels).unwrap_or_default(),
        progressive: output.progressive_mp4.unwrap_or(usual.progressive),
        omit_video: output.omit_video.unwrap_or(usual.omit_video),
        manifests: manifests(&at("manifests"), output.manifests.as_ref(), found),
        picture: picture(&at("picture"), output.picture.as_ref(), found),
        sound: sound(&at("sound"), output.sound.as_ref(), found),
        encoder_options: encoder_options(&output.encoder_options),
        watermarks: watermarks(&at("watermarks"), &output.watermarks, rules, found),
        stills: stills(&at("stills"), output.stills.as_ref(), found),
        sprites: sprites(&at("sprites"), output.sprites.as_ref(), found),
        text: text(&at("text"), output.text.as_ref(), sources, found),
        file_metadata: file_metadata(&at("file_metadata"), output.file_metadata.as_ref(), rules, found),
    };
    for problem in plan::check(&request) {
        // A list that could not be read whole says nothing about how it fits with others.
        let blurred = found.problems.len() > before && problem.code == "request.codec_packaging";
        let known = found.problems[before..].iter().any(|other| other.field == at(&problem.field));
        if !blurred && !known {
            found.problems.push(problem.at(field));
        }
    }
    (request, rendition_sources)
}

fn renditions(
    field: &str,
    asked: &[v1::RenditionSpec],
    sources: &[SourceSpec],
    found: &mut Found,
) -> (Vec<RenditionSpec>, BTreeMap<usize, usize>) {
    found.count(field, "renditions", asked.len(), 0, RENDITIONS_MAX);
    let mut specs = Vec::new();
    let mut of_others = BTreeMap::new();
    for (index, rung) in asked.iter().take(RENDITIONS_MAX).enumerate() {
        let field = format!("{field}[{index}]");
        let size = if rung.size.contains('@') || rung.size.len() > 32 {
            let message = "the size is no quality such as 1080p and no box such as 640x360; rates go into bit_rate";
            Err(Problem::input("request.rendition", message))
        } else {
            rung.size.parse::<RenditionSpec>()
        };
        let spec = found.take(&format!("{field}.size"), size);
        if let (Some(_), rate @ 1..) = (spec, rung.bit_rate)
            && format!("720p@{rate}").parse::<RenditionSpec>().is_err()
        {
            let message = format!("{rate} bits a second cannot be used: ask for 10000 to 800000000, or leave it out");
            found.add(format!("{field}.bit_rate"), "request.rendition", message);
        }
        of_others.extend(source(&format!("{field}.source_id"), &rung.source_id, sources, found).map(|s| (index, s)));
        specs.extend(spec.map(|spec| RenditionSpec { bitrate: (rung.bit_rate > 0).then_some(rung.bit_rate), ..spec }));
    }
    (specs, of_others)
}

fn rate_mode(field: &str, asked: Option<&v1::RateControl>, found: &mut Found) -> RateMode {
    use v1::rate_control::Mode;
    let Some(asked) = asked else { return RateMode::default() };
    let crf = (asked.crf > 0).then(|| u8::try_from(asked.crf).unwrap_or(u8::MAX));
    match Mode::try_from(asked.mode) {
        Ok(Mode::CappedCrf) => RateMode::CappedCrf { crf },
        Ok(Mode::Crf) => RateMode::Crf { crf },
        Ok(mode @ (Mode::Vbv | Mode::TwoPass | Mode::Unspecified)) => {
            if crf.is_some() {
                let message = "a rate factor goes with the modes CAPPED_CRF and CRF only: choose one, or leave crf out";
                found.add(format!("{field}.crf"), "request.crf", message);
            }
            if mode == Mode::TwoPass { RateMode::TwoPass } else { RateMode::Vbv }
        }
        Err(_) => {
            let message =
                format!("{} names no mode that this version knows: use VBV, TWO_PASS, CAPPED_CRF or CRF", asked.mode);
            found.add(format!("{field}.mode"), "request.value", message);
            RateMode::Vbv
        }
    }
}

fn segment_ms(field: &str, output: &v1::OutputSpec, found: &mut Found) -> Option<u32> {
    let us = found.micros(field, output.segment_duration.as_ref())?;
    let text = if us % 1000 == 0 { format!("{}ms", us / 1000) } else { format!("{us}us") };
    found.take(field, parse_segment(&text))
}

fn upload(field: &str, asked: Option<&v1::UploadOptions>, found: &mut Found) -> UploadOptions {
    let Some(asked) = asked else { return UploadOptions::default() };
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    for (name, text) in
        [("cache_control", &asked.cache_control), ("manifest_cache_control", &asked.manifest_cache_control)]
    {
        if text.len() > HEADER_BYTES_MAX || !is_printable(text) {
            let message = format!("a header has at most {HEADER_BYTES_MAX} printable ASCII characters");
            found.add(format!("{field}.{name}"), "request.upload", message);
        }
    }
    if !asked.acl.is_empty() && !ACLS.contains(&asked.acl.as_str()) {
        let message = format!("there is no such canned ACL: use one of {}", ACLS.join(", "));
        found.add(format!("{field}.acl"), "request.upload", message);
    }
    let size: usize = asked.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    let is_key = |key: &str| {
        (1..=128).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if size > METADATA_BYTES_MAX {
        let message = format!("{size} bytes of metadata are too many: give at most {METADATA_BYTES_MAX}");
        found.add(format!("{field}.metadata"), "request.upload", message);
    } else {
        for (key, _) in asked.metadata.iter().filter(|(key, value)| !is_key(key) || !is_printable(value)) {
            let message = "a key has 1 to 128 of a-z A-Z 0-9 - _ . and a value printable ASCII characters";
            found.add(format!("{field}.metadata[\"{}\"]", key.escape_debug()), "request.upload", message);
        }
    }
    UploadOptions {
        cache_control: given(&asked.cache_control),
        manifest_cache_control: given(&asked.manifest_cache_control),
        acl: given(&asked.acl),
        metadata: asked.metadata.clone(),
        create_bucket: asked.create_bucket.unwrap_or(false),
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}
