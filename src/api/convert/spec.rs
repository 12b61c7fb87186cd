//! What was asked, with defaults filled in, as the API tells it.

use super::encoders::encoder_options;
use super::manifests::manifests;
use super::metadata::file_metadata_shown;
use super::picture::picture;
use super::sound::sound;
use super::stills::{sprites, stills};
use super::text::text;
use super::time::{micros, millis, seconds, timestamp};
use super::watermark::watermark_shown;
use super::{Wire, shown};
use crate::api::v1;
use crate::model::backoff::BackOff;
use crate::model::request::{RateMode, RenditionSpec};
use crate::model::spec::{JobSpec, OutputSpec, SourceSpec, UploadOptions, WebhookSpec};

/// Cache-Control of segments when none is asked: their names never change their content.
const SEGMENTS_CACHED: &str = "public, max-age=31536000, immutable";
/// Cache-Control of manifests when none is asked: they grow.
const MANIFESTS_CACHED: &str = "no-cache";

/// A specification, without credentials.
pub(super) fn spec(spec: &JobSpec) -> v1::JobSpec {
    let on_failure = if spec.stop_on_failure { v1::OnOutputFailure::StopJob } else { v1::OnOutputFailure::Continue };
    v1::JobSpec {
        reference_id: spec.reference_id.clone(),
        profile: spec.profile.clone(),
        priority: spec.priority.proto().into(),
        start_time: (spec.start_unix_ms != 0).then(|| timestamp(spec.start_unix_ms)),
        // Images of watermarks are told with the watermarks.
        sources: (spec.sources.iter().enumerate().filter(|(index, _)| !spec.is_image(*index)))
            .map(|(_, one)| source(one, &spec.sources))
            .collect(),
        outputs: spec.outputs.iter().map(|one| output(one, &spec.sources)).collect(),
        webhooks: spec.webhooks.iter().map(webhook).collect(),
        on_output_failure: on_failure.into(),
        retry: Some(retry(&spec.retry)),
        expire_after: Some(seconds(spec.expire_after_s)),
        labels: spec.labels.clone(),
        deadline: spec.deadline_unix_ms.map(timestamp),
        fallback: spec.fallback.proto().into(),
        devices: spec.devices.clone(),
    }
}

/// How bits are spent.
pub(super) fn rate_control(mode: RateMode) -> v1::RateControl {
    use v1::rate_control::Mode;
    let named = match mode {
        RateMode::Vbv => Mode::Vbv,
        RateMode::TwoPass => Mode::TwoPass,
        RateMode::CappedCrf { .. } => Mode::CappedCrf,
        RateMode::Crf { .. } => Mode::Crf,
    };
    v1::RateControl { mode: named.into(), crf: mode.crf().map_or(0, u32::from) }
}

/// A rung; its size as it is written in text.
pub(super) fn rendition(spec: &RenditionSpec, source_id: String) -> v1::RenditionSpec {
    let size = RenditionSpec { size: spec.size, bitrate: None }.to_string();
    v1::RenditionSpec { size, bit_rate: spec.bitrate.unwrap_or_default(), source_id }
}

fn source(source: &SourceSpec, sources: &[SourceSpec]) -> v1::SourceSpec {
    let id = |index: &usize| sources.get(*index).map(|source| source.id.clone()).unwrap_or_default();
    v1::SourceSpec {
        id: source.id.clone(),
        uri: source.locator.as_ref().map(shown::locator).unwrap_or_default(),
        concat_source_ids: source.concat.iter().map(id).collect(),
        concat_like_source_id: source.concat_like.as_ref().map(id).unwrap_or_default(),
        start: source.start_us.map(micros),
        end: source.end_us.map(micros),
    }
}

fn output(output: &OutputSpec, sources: &[SourceSpec]) -> v1::OutputSpec {
    let id = |index: usize| sources.get(index).map(|source| source.id.clone()).unwrap_or_default();
    let request = &output.request;
    let renditions =
        request.renditions.iter().enumerate().map(|(i, spec)| {
            rendition(spec, output.rendition_sources.get(&i).map(|index| id(*index)).unwrap_or_default())
        });
    v1::OutputSpec {
        id: output.id.clone(),
        destination: shown::locator(&output.destination),
        if_exists: output.if_exists.proto().into(),
        source_id: id(output.source),
        audio_source_ids: output.audio_sources.iter().map(|index| id(*index)).collect(),
        renditions: renditions.collect(),
        video_codecs: request.codecs.iter().map(|codec| codec.proto().into()).collect(),
        audio_codecs: request.audio_codecs.iter().map(|codec| codec.proto().into()).collect(),
        packagings: request.packagings.iter().map(|packaging| packaging.proto().into()).collect(),
        speed: request.speed.proto().into(),
        rate_control: Some(rate_control(request.rate_mode)),
        segment_duration: Some(millis(request.segment_ms.into())),
        spans: request.spans,
        allow_upscale: Some(request.allow_upscale),
        copy: Some(request.copy),
        channels: request.channels.proto().into(),
        progressive_mp4: Some(request.progressive),
        upload: Some(upload(&output.upload)),
        omit_video: Some(request.omit_video),
        manifests: Some(manifests(&request.manifests)),
        picture: Some(picture(&request.picture)),
        sound: Some(sound(&request.sound)),
        encoder_options: encoder_options(&request.encoder_options),
        watermarks: request.watermarks.iter().map(watermark_shown).collect(),
        stills: request.stills.as_ref().map(stills),
        sprites: request.sprites.as_ref().map(sprites),
        text: Some(text(&request.text, |index| id(index as usize))),
        file_metadata: (!request.file_metadata.is_usual()).then(|| file_metadata_shown(&request.file_metadata)),
    }
}

fn upload(upload: &UploadOptions) -> v1::UploadOptions {
    let or = |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.to_owned());
    v1::UploadOptions {
        cache_control: or(&upload.cache_control, SEGMENTS_CACHED),
        manifest_cache_control: or(&upload.manifest_cache_control, MANIFESTS_CACHED),
        acl: upload.acl.clone().unwrap_or_default(),
        metadata: upload.metadata.clone(),
        create_bucket: Some(upload.create_bucket),
    }
}

fn webhook(webhook: &WebhookSpec) -> v1::WebhookSpec {
    v1::WebhookSpec {
        url: shown::address_shown(&webhook.url),
        events: webhook.events.iter().map(|event| event.proto().into()).collect(),
        secret_name: webhook.secret_name.clone(),
    }
}

fn retry(retry: &BackOff) -> v1::RetryPolicy {
    v1::RetryPolicy {
        attempts_max: retry.attempts_max,
        first_delay: Some(millis(retry.first_ms)),
        max_delay: Some(millis(retry.max_ms)),
    }
}
