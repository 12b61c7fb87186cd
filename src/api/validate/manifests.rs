//! How manifests are written, as asked over the API.

use super::found::Found;
use super::options::instant;
use crate::api::v1;
use crate::model::request::ManifestOptions;

/// What of it can be read. What players could not follow is refused by `plan::check`.
pub(super) fn manifests(field: &str, asked: Option<&v1::ManifestSpec>, found: &mut Found) -> ManifestOptions {
    let Some(asked) = asked else { return ManifestOptions::default() };
    let usual = ManifestOptions::default();
    let at = |name: &str| format!("{field}.{name}");
    let zero = asked.program_date_time;
    ManifestOptions {
        at_end: asked.at_end.unwrap_or(usual.at_end),
        single_file: asked.single_file.unwrap_or(usual.single_file),
        program_unix_ms: zero.and_then(|zero| instant(&at("program_date_time"), zero, found)),
        start_us: found.signed_micros(&at("start"), asked.start.as_ref()),
        start_precise: asked.start_precise.unwrap_or(usual.start_precise),
        chapters: asked.chapters.unwrap_or(usual.chapters),
    }
}
