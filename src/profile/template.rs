//! What a profile says of an output: the fields of `reelmill.v1.OutputSpec`, each of which may be left out.

use crate::model::request::{
    Channels, EncoderOption, FileMetadata, ManifestOptions, PictureOptions, RateMode, RenditionSpec, Request,
    SoundOptions, SpriteOptions, StillsOptions, TextOptions, Watermark,
};
use crate::model::spec::IfExists;
use crate::model::{AudioCodec, Packaging, Speed, VideoCodec};
use std::collections::BTreeMap;

/// One output of a profile. `None` and empty lists leave the field to the job.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutputTemplate {
    /// Its id; empty where outputs are matched by position.
    pub id: String,
    /// What happens when something lies at the destination.
    pub if_exists: Option<IfExists>,
    /// Rungs.
    pub renditions: Vec<RenditionSpec>,
    /// Video codecs.
    pub video_codecs: Vec<VideoCodec>,
    /// Audio codecs.
    pub audio_codecs: Vec<AudioCodec>,
    /// Packagings.
    pub packagings: Vec<Packaging>,
    /// How much time the encoders may take.
    pub speed: Option<Speed>,
    /// How bits are spent.
    pub rate_control: Option<RateMode>,
    /// Target duration of a segment, milliseconds.
    pub segment_ms: Option<u32>,
    /// Runs of segments that are made side by side.
    pub spans: Option<u32>,
    /// Rungs may be larger than the source.
    pub allow_upscale: Option<bool>,
    /// Tracks may be taken over.
    pub copy: Option<bool>,
    /// What becomes of sound with more than two channels.
    pub channels: Option<Channels>,
    /// A progressive MP4 file is made of each rung too.
    pub progressive_mp4: Option<bool>,
    /// Only sound is made.
    pub omit_video: Option<bool>,
    /// How manifests are written.
    pub manifests: Option<ManifestOptions>,
    /// What is done to pictures beside scaling.
    pub picture: Option<PictureOptions>,
    /// Which sound is made.
    pub sound: Option<SoundOptions>,
    /// Options of encoders.
    pub encoder_options: Vec<EncoderOption>,
    /// What is drawn over pictures.
    pub watermarks: Vec<Watermark>,
    /// Single pictures.
    pub stills: Option<StillsOptions>,
    /// Sheets of small pictures.
    pub sprites: Option<SpriteOptions>,
    /// Which text is made.
    pub text: Option<TextOptions>,
    /// What progressive files say of themselves.
    pub file_metadata: Option<FileMetadata>,
    /// How objects are stored.
    pub upload: UploadTemplate,
}

/// How objects of an output are stored; what is `None` or empty is left to the job.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadTemplate {
    /// Cache-Control of segments.
    pub cache_control: Option<String>,
    /// Cache-Control of manifests.
    pub manifest_cache_control: Option<String>,
    /// A canned ACL.
    pub acl: Option<String>,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// The bucket is made when it does not exist.
    pub create_bucket: Option<bool>,
}

impl OutputTemplate {
    /// What would be asked for by a job that adds nothing.
    pub fn request(&self) -> Request {
        let usual = Request::default();
        Request {
            renditions: self.renditions.clone(),
            codecs: self.video_codecs.clone(),
            audio_codecs: self.audio_codecs.clone(),
            packagings: self.packagings.clone(),
            speed: self.speed.unwrap_or(usual.speed),
            rate_mode: self.rate_control.unwrap_or(usual.rate_mode),
            segment_ms: self.segment_ms.unwrap_or(usual.segment_ms),
            spans: self.spans.unwrap_or(usual.spans),
            allow_upscale: self.allow_upscale.unwrap_or(usual.allow_upscale),
            copy: self.copy.unwrap_or(usual.copy),
            channels: self.channels.unwrap_or(usual.channels),
            progressive: self.progressive_mp4.unwrap_or(usual.progressive),
            omit_video: self.omit_video.unwrap_or(usual.omit_video),
            manifests: self.manifests.clone().unwrap_or(usual.manifests),
            picture: self.picture.unwrap_or(usual.picture),
            sound: self.sound.clone().unwrap_or(usual.sound),
            encoder_options: self.encoder_options.clone(),
            watermarks: self.watermarks.clone(),
            stills: self.stills.clone(),
            sprites: self.sprites.clone(),
            text: self.text.clone().unwrap_or(usual.text),
            file_metadata: self.file_metadata.clone().unwrap_or(usual.file_metadata),
        }
    }
}
