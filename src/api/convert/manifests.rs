//! How manifests are written, as the API tells it.

use super::time::{micros, timestamp};
use crate::api::v1;
use crate::model::request::ManifestOptions;

/// What is asked, all of it said.
pub(crate) fn manifests(asked: &ManifestOptions) -> v1::ManifestSpec {
    v1::ManifestSpec {
        at_end: Some(asked.at_end),
        single_file: Some(asked.single_file),
        program_date_time: asked.program_unix_ms.map(timestamp),
        start: asked.start_us.map(micros),
        start_precise: Some(asked.start_precise),
        chapters: Some(asked.chapters),
    }
}
