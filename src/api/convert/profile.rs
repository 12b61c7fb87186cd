//! Profiles, as the API tells them and as they are applied.

use super::Wire;
use super::encoders::encoder_options;
use super::manifests::manifests;
use super::metadata::{file_metadata, file_metadata_shown};
use super::picture::picture;
use super::sound::sound;
use super::spec::{rate_control, rendition};
use super::stills::{sprites, stills};
use super::text::text;
use super::time::millis;
use super::watermark::{watermark, watermark_shown};
use crate::api::v1;
use crate::profile::{OutputTemplate, Profile, UploadTemplate};

/// A profile.
pub(in crate::api) fn profile(profile: &Profile) -> v1::Profile {
    v1::Profile {
        name: profile.name.clone(),
        version: profile.version,
        description: profile.description.clone(),
        outputs: profile.outputs.iter().map(shown).collect(),
    }
}

/// As [`template`], without what could be a credential.
fn shown(output: &OutputTemplate) -> v1::OutputSpec {
    v1::OutputSpec {
        watermarks: output.watermarks.iter().map(watermark_shown).collect(),
        file_metadata: output.file_metadata.as_ref().map(file_metadata_shown),
        ..template(output)
    }
}

/// An output of a profile; what it does not say is left out.
pub(in crate::api) fn template(template: &OutputTemplate) -> v1::OutputSpec {
    v1::OutputSpec {
        id: template.id.clone(),
        destination: String::new(),
        if_exists: template.if_exists.map_or(0, |value| value.proto().into()),
        source_id: String::new(),
        audio_source_ids: Vec::new(),
        renditions: template.renditions.iter().map(|spec| rendition(spec, String::new())).collect(),
        video_codecs: template.video_codecs.iter().map(|codec| codec.proto().into()).collect(),
        audio_codecs: template.audio_codecs.iter().map(|codec| codec.proto().into()).collect(),
        packagings: template.packagings.iter().map(|packaging| packaging.proto().into()).collect(),
        speed: template.speed.map_or(0, |value| value.proto().into()),
        rate_control: template.rate_control.map(rate_control),
        segment_duration: template.segment_ms.map(|ms| millis(ms.into())),
        spans: template.spans.unwrap_or_default(),
        allow_upscale: template.allow_upscale,
        copy: template.copy,
        channels: template.channels.map_or(0, |value| value.proto().into()),
        progressive_mp4: template.progressive_mp4,
        upload: upload(&template.upload),
        omit_video: template.omit_video,
        manifests: template.manifests.as_ref().map(manifests),
        picture: template.picture.as_ref().map(picture),
        sound: template.sound.as_ref().map(sound),
        encoder_options: encoder_options(&template.encoder_options),
        watermarks: template.watermarks.iter().map(watermark).collect(),
        stills: template.stills.as_ref().map(stills),
        sprites: template.sprites.as_ref().map(sprites),
        // Files beside a source are for the job to say.
        text: template.text.as_ref().map(|asked| text(asked, |_| String::new())),
        file_metadata: template.file_metadata.as_ref().map(file_metadata),
    }
}

fn upload(template: &UploadTemplate) -> Option<v1::UploadOptions> {
    (*template != UploadTemplate::default()).then(|| v1::UploadOptions {
        cache_control: template.cache_control.clone().unwrap_or_default(),
        manifest_cache_control: template.manifest_cache_control.clone().unwrap_or_default(),
        acl: template.acl.clone().unwrap_or_default(),
        metadata: template.metadata.clone(),
        create_bucket: template.create_bucket,
    })
}
