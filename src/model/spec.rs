//! What a client asks for, checked and with defaults filled in: the one form that is stored.

use super::backoff::BackOff;
use super::locator::Locator;
use super::request::{Looks, Request};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A job as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobSpec {
    /// The client's own name for it; empty for none.
    pub reference_id: String,
    /// Who asked: the name of the token that was used; empty where none is needed.
    pub owner: String,
    /// The profile that filled in defaults, `name@version`; empty for none.
    pub profile: String,
    /// When it is started, against others.
    pub priority: Priority,
    /// Not started before this time of day, ms since 1970; 0 for at once.
    pub start_unix_ms: i64,
    /// Sources, at least one.
    pub sources: Vec<SourceSpec>,
    /// Outputs, at least one.
    pub outputs: Vec<OutputSpec>,
    /// Whom to tell.
    pub webhooks: Vec<WebhookSpec>,
    /// One failed output stops the others.
    pub stop_on_failure: bool,
    /// When something is tried again.
    pub retry: BackOff,
    /// The record is deleted so long after the end, seconds.
    pub expire_after_s: u64,
    /// The client's own words.
    pub labels: BTreeMap<String, String>,
    /// When it should be done, ms since 1970: among jobs of a class, one that would be late goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_unix_ms: Option<i64>,
    /// Who makes again what fails on its device.
    #[serde(default)]
    pub fallback: Fallback,
    /// Devices that may be used, by id or kind (`cpu`, `cuda`, `vaapi`); empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The place in the client's trace that the job belongs to (W3C Trace Context, `traceparent`); empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_parent: String,
}

/// Who makes again what fails on its device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Any other device that the job may use, and the CPU when none is left.
    #[default]
    Any,
    /// The CPU.
    Cpu,
    /// Nobody but devices of the same kind: otherwise the output fails.
    Never,
}

impl Fallback {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Any, Self::Cpu, Self::Never];

    /// Its name in options and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Cpu => "cpu",
            Self::Never => "never",
        }
    }
}

/// Priority class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// The default.
    #[default]
    Normal,
    /// Whenever there is room.
    Batch,
}

impl Priority {
    /// All classes, in the order in which they are served.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Batch];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Batch => "batch",
        }
    }
}

/// How ids of images of watermarks begin: no client's id has a dot.
const IMAGE_ID: &str = "image.";
/// How those of covers begin.
const COVER_ID: &str = "cover.";

/// One source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Unique in the job.
    pub id: String,
    /// Where it lies; `None` for a joined one.
    pub locator: Option<Locator>,
    /// Where to begin, µs from its first picture or sound.
    pub start_us: Option<i64>,
    /// Where to end, on the same timeline.
    pub end_us: Option<i64>,
    /// The sources that a joined one consists of, in order; indices into the job's. None of them is joined itself, and
    /// one may stand here more than once. Empty for a source that lies somewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concat: Vec<usize>,
    /// Which of `concat` decides what the whole looks and sounds like, by its index in the job; `None` for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concat_like: Option<usize>,
}

impl JobSpec {
    /// A job of nobody in particular that is started at once, with everything else as it is unless asked for.
    pub fn new(sources: Vec<SourceSpec>, outputs: Vec<OutputSpec>) -> Self {
        Self {
            reference_id: String::new(),
            owner: String::new(),
            profile: String::new(),
            priority: Priority::Normal,
            start_unix_ms: 0,
            sources,
            outputs,
            webhooks: Vec::new(),
            stop_on_failure: false,
            retry: BackOff::default(),
            expire_after_s: 0,
            labels: BTreeMap::new(),
            deadline_unix_ms: None,
            fallback: Fallback::default(),
            devices: Vec::new(),
            trace_parent: String::new(),
        }
    }

    /// The sources that must be opened for source `index`: itself, or the parts of a joined one, each once.
    pub fn opened_for(&self, index: usize) -> BTreeSet<usize> {
        match self.sources.get(index) {
            Some(source) if !source.concat.is_empty() => source.concat.iter().copied().collect(),
            Some(_) => BTreeSet::from([index]),
            None => BTreeSet::new(),
        }
    }

    /// Adds the images of watermarks, and covers, as sources of their own, each once. They stand behind all others, with ids
    /// that no client can give. Once is enough.
    pub fn add_images(&mut self) {
        let images = self.outputs.iter().flat_map(|output| &output.request.watermarks);
        let images: Vec<Locator> = images.filter_map(|mark| mark.image.clone()).collect();
        for image in images {
            if self.image_source(&image).is_none() {
                self.add_source(IMAGE_ID, image);
            }
        }
        let covers = self.outputs.iter().filter_map(|output| output.request.file_metadata.cover.clone());
        for cover in covers.collect::<Vec<Locator>>() {
            if self.cover_source(&cover).is_none() {
                self.add_source(COVER_ID, cover);
            }
        }
    }

    fn add_source(&mut self, kind: &str, locator: Locator) {
        let number = self.sources.iter().filter(|source| source.id.starts_with(kind)).count() + 1;
        let (id, locator) = (format!("{kind}{number}"), Some(locator));
        self.sources.push(SourceSpec { id, locator, ..SourceSpec::default() });
    }

    /// The source that is this image of a watermark.
    pub fn image_source(&self, image: &Locator) -> Option<usize> {
        self.sources.iter().position(|one| one.id.starts_with(IMAGE_ID) && one.locator.as_ref() == Some(image))
    }

    /// The source that is this cover.
    pub fn cover_source(&self, cover: &Locator) -> Option<usize> {
        self.sources.iter().position(|one| one.id.starts_with(COVER_ID) && one.locator.as_ref() == Some(cover))
    }

    /// Whether source `index` is an image of a watermark, or a cover.
    pub fn is_image(&self, index: usize) -> bool {
        self.sources.get(index).is_some_and(|source| source.id.starts_with(IMAGE_ID)) || self.is_cover(index)
    }

    /// What is looked for in source `index` beside what is known of every source.
    pub fn looks(&self, index: usize) -> Looks {
        let all = self
            .outputs
            .iter()
            .filter(|output| output.source == index || output.rendition_sources.values().any(|of| *of == index));
        all.fold(Looks::default(), |sum, output| {
            let looks = output.request.looks();
            Looks { bars: sum.bars || looks.bars, captions: sum.captions || (looks.captions && output.source == index) }
        })
    }

    /// Whether source `index` is a cover.
    pub fn is_cover(&self, index: usize) -> bool {
        self.sources.get(index).is_some_and(|source| source.id.starts_with(COVER_ID))
    }

    /// The sources that are images of an output's watermarks, or its cover.
    pub fn images_of(&self, output: &OutputSpec) -> BTreeSet<usize> {
        let images = output.request.watermarks.iter().filter_map(|mark| mark.image.as_ref());
        let cover = output.request.file_metadata.cover.iter().filter_map(|cover| self.cover_source(cover));
        images.filter_map(|image| self.image_source(image)).chain(cover).collect()
    }

    /// The field of the request that names this image, of this output, or else the first one.
    pub fn image_field(&self, source: usize, output: Option<usize>) -> Option<String> {
        let image = self.sources.get(source).filter(|_| self.is_image(source))?.locator.as_ref();
        let outputs = self.outputs.iter().enumerate().filter(|(index, _)| output.is_none_or(|output| output == *index));
        outputs.into_iter().find_map(|(index, output)| {
            if self.is_cover(source) {
                let is_its = output.request.file_metadata.cover.as_ref() == image;
                return is_its.then(|| format!("outputs[{index}].file_metadata.cover_uri"));
            }
            let place = output.request.watermarks.iter().position(|mark| mark.image.as_ref() == image)?;
            Some(format!("outputs[{index}].watermarks[{place}].image_uri"))
        })
    }

    /// Whether source `index` is joined of others.
    pub fn is_joined(&self, index: usize) -> bool {
        self.sources.get(index).is_some_and(|source| !source.concat.is_empty())
    }
}

/// What happens when something lies at a destination.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// The output fails.
    #[default]
    Fail,
    /// What an earlier job put there is replaced.
    Replace,
    /// Nothing is made.
    Skip,
}

/// One output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Unique in the job.
    pub id: String,
    /// Where it goes: a directory, or the common beginning of keys.
    pub destination: Locator,
    /// What happens when something lies there.
    pub if_exists: IfExists,
    /// The source: an index into the job's.
    pub source: usize,
    /// Sources whose sound is taken instead of that of `source`, in this order; indices. Empty: that of `source`.
    pub audio_sources: Vec<usize>,
    /// Rungs that are made of another source: index of the rung in `request.renditions`, index of the source.
    pub rendition_sources: BTreeMap<usize, usize>,
    /// What to make.
    pub request: Request,
    /// How objects are stored.
    pub upload: UploadOptions,
}

/// How objects are stored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadOptions {
    /// Cache-Control of segments; `None`: immutable for a year.
    pub cache_control: Option<String>,
    /// Cache-Control of manifests; `None`: `no-cache`.
    pub manifest_cache_control: Option<String>,
    /// A canned ACL.
    pub acl: Option<String>,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// The bucket is made when it does not exist.
    pub create_bucket: bool,
}

/// Whom to tell, and of what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookSpec {
    /// Where.
    pub url: String,
    /// Of what; at least one.
    pub events: Vec<WebhookEvent>,
    /// Name of the secret in the configuration.
    pub secret_name: String,
}

/// What a webhook can be told of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// The job is over.
    JobEnded,
    /// The job's state changed.
    JobChanged,
    /// An output is over.
    OutputEnded,
    /// An output can be played.
    OutputPlayable,
}
