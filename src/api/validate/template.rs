//! Profiles over requests: what a job leaves out is taken from its profile, before anything is checked.

use super::found::Found;
use super::path;
use crate::api::{convert, v1};
use crate::model::Problem;
use crate::profile::Profiles;
use std::collections::BTreeSet;

/// What was taken from a profile.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// `name@version`; empty for none.
    pub(super) title: String,
    /// Fields that were taken over, by the index of the output.
    taken: Vec<BTreeSet<&'static str>>,
}

/// Fills in what `job` leaves out.
pub(super) fn apply(job: &mut v1::JobSpec, profiles: &Profiles, found: &mut Found) -> Applied {
    if job.profile.is_empty() {
        return Applied::default();
    }
    let Some(profile) = profiles.find(&job.profile) else {
        let mut names: Vec<&str> = profiles.all().iter().map(|profile| profile.name.as_str()).collect();
        names.dedup();
        let shown: String = job.profile.chars().take(64).collect();
        let message = format!("there is no profile `{}`: use one of {}", shown.escape_debug(), names.join(", "));
        found.add(path("profile"), "request.unknown_profile", message);
        return Applied::default();
    };
    let mut applied = Applied { title: profile.title(), taken: Vec::new() };
    for (index, output) in job.outputs.iter_mut().enumerate() {
        let template = if output.id.is_empty() {
            profile.outputs.get(index)
        } else {
            profile.outputs.iter().find(|template| template.id == output.id).or_else(|| {
                // An id that the profile does not know names the output of that position, where that has none itself.
                profile.outputs.get(index).filter(|template| template.id.is_empty())
            })
        };
        applied.taken.push(template.map(|template| fill(output, convert::template(template))).unwrap_or_default());
    }
    applied
}

impl Applied {
    /// Says of problems with what came from the profile where it came from.
    pub(super) fn name_profile(&self, problems: &mut [Problem]) {
        for (index, taken) in self.taken.iter().enumerate() {
            let prefix = path(&format!("outputs[{index}]."));
            for problem in problems.iter_mut() {
                let Some(field) = problem.field.strip_prefix(&prefix) else { continue };
                let field = field.split(['.', '[']).next().unwrap_or_default();
                let related: &[&str] = match problem.code.as_str() {
                    "request.codec_packaging" => &["packagings", "video_codecs", "audio_codecs"],
                    "request.crf" => &["rate_control", "video_codecs"],
                    "request.progressive" => &["packagings", "progressive_mp4"],
                    _ => &[],
                };
                let from: Vec<&str> =
                    taken.iter().copied().filter(|name| *name == field || related.contains(name)).collect();
                if !from.is_empty() {
                    let verb = if from.len() == 1 { "is" } else { "are" };
                    let note = format!(" ({} {verb} from the profile {})", from.join(" and "), self.title);
                    problem.message.push_str(&note);
                }
            }
        }
    }
}

/// Takes over what an output leaves out; gives the names of those fields.
fn fill(output: &mut v1::OutputSpec, mut template: v1::OutputSpec) -> BTreeSet<&'static str> {
    let mut taken = BTreeSet::new();
    if let Some(ours) = &mut output.upload
        && fill_upload(ours, template.upload.take().unwrap_or_default())
    {
        taken.insert("upload");
    }
    macro_rules! take {
        ($($field:ident),+) => {
            $( if fill_one(&mut output.$field, template.$field) { taken.insert(stringify!($field)); } )+
        };
    }
    take!(id, if_exists, renditions, video_codecs, audio_codecs, packagings, speed, rate_control, segment_duration);
    take!(spans, allow_upscale, copy, channels, progressive_mp4, upload, omit_video, manifests, picture, sound);
    take!(encoder_options, watermarks, stills, sprites, text, file_metadata);
    taken
}

fn fill_upload(upload: &mut v1::UploadOptions, template: v1::UploadOptions) -> bool {
    let taken = [
        fill_one(&mut upload.cache_control, template.cache_control),
        fill_one(&mut upload.manifest_cache_control, template.manifest_cache_control),
        fill_one(&mut upload.acl, template.acl),
        fill_one(&mut upload.metadata, template.metadata),
        fill_one(&mut upload.create_bucket, template.create_bucket),
    ];
    taken.contains(&true)
}

/// True when the field was left out and the profile has it.
fn fill_one<T: Default + PartialEq>(ours: &mut T, theirs: T) -> bool {
    let nothing = T::default();
    let fills = *ours == nothing && theirs != nothing;
    if fills {
        *ours = theirs;
    }
    fills
}
