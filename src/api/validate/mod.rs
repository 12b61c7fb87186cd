//! What clients ask for, checked: a specification with every default filled in, or everything that is wrong with it, each
//! with the path of its field. What can be known without looking at media or stores is found here, at once.

mod encoders;
mod found;
mod key;
mod manifests;
mod metadata;
mod options;
mod output;
mod picture;
mod place;
mod sound;
mod source;
mod stills;
mod template;
mod text;
mod watermark;
mod webhook;

pub(super) use found::Found;
pub(super) use key::idempotency;
pub(super) use options::has_passed;
pub(super) use source::locator as source_locator;

use super::settings::ApiSettings;
use super::v1;
use crate::model::limits::SOURCES_MAX;
use crate::model::{JobSpec, Problem};

/// Most outputs of a job: every packaging and codec of several ladders.
const OUTPUTS_MAX: usize = 64;
/// Most webhooks of a job.
const WEBHOOKS_MAX: usize = 8;
/// Longest reference, bytes.
const REFERENCE_BYTES_MAX: usize = 256;

/// Checks a job that `owner` asks for. The path of each problem begins with `job`.
pub(super) fn job(asked: Option<&v1::JobSpec>, owner: &str, settings: &ApiSettings) -> Result<JobSpec, Vec<Problem>> {
    let mut found = Found::default();
    let Some(asked) = asked else {
        found.add("job", "request.missing", "the request holds no job: say what to make");
        return Err(found.problems);
    };
    let counted = [
        ("sources", asked.sources.len(), 1, SOURCES_MAX),
        ("outputs", asked.outputs.len(), 1, OUTPUTS_MAX),
        ("webhooks", asked.webhooks.len(), 0, WEBHOOKS_MAX),
    ];
    for (what, count, min, max) in counted {
        found.count(&path(what), what, count, min, max);
    }
    let mut asked = asked.clone();
    // What is too many is not looked at one by one.
    asked.sources.truncate(SOURCES_MAX);
    asked.outputs.truncate(OUTPUTS_MAX);
    asked.webhooks.truncate(WEBHOOKS_MAX);
    let applied = template::apply(&mut asked, &settings.profiles, &mut found);

    let rules = &settings.rules;
    found.text(&path("reference_id"), &asked.reference_id, REFERENCE_BYTES_MAX);
    let sources = source::sources(&asked.sources, rules, &mut found);
    let outputs = output::outputs(&asked.outputs, &sources, rules, &mut found);
    let start_unix_ms = options::start(asked.start_time.as_ref(), &mut found);
    let mut spec = JobSpec {
        reference_id: asked.reference_id.clone(),
        owner: owner.to_owned(),
        profile: applied.title.clone(),
        priority: found.value(&path("priority"), asked.priority).unwrap_or_default(),
        start_unix_ms,
        sources,
        outputs,
        webhooks: webhook::webhooks(&asked.webhooks, rules, &mut found),
        stop_on_failure: options::stop_on_failure(asked.on_output_failure, &mut found),
        retry: options::retry(asked.retry.as_ref(), rules.retry, &mut found),
        expire_after_s: options::expire_after(asked.expire_after.as_ref(), rules.expire_after_s, &mut found),
        labels: options::labels(&asked.labels, &mut found),
        deadline_unix_ms: options::deadline(asked.deadline.as_ref(), start_unix_ms, &mut found),
        fallback: found.value(&path("fallback"), asked.fallback).unwrap_or_default(),
        devices: options::devices(&asked.devices, &mut found),
        trace_parent: String::new(),
    };
    if found.problems.is_empty() {
        spec.add_images();
        return Ok(spec);
    }
    applied.name_profile(&mut found.problems);
    Err(found.problems)
}

/// The path of a field of the job.
fn path(field: &str) -> String {
    format!("job.{field}")
}
