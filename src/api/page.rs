//! Pages of a list: what a request asks for, and the token of the page after.

use super::convert::Wire;
use super::v1;
use super::validate::Found;
use crate::model::JobId;
use crate::model::state::JobState;
use crate::store::{PAGE_MAX, Query};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use prost_types::Timestamp;
use sha2::{Digest, Sha256};

/// Jobs on a page when no number is asked for.
const PAGE_USUAL: usize = 50;
/// Bytes of a token: an id, and the beginning of the hash of the filters that it goes with.
const TOKEN_BYTES: usize = 24;

/// The query of a request for a list.
pub(super) fn query(request: &v1::ListJobsRequest, owner: Option<String>, found: &mut Found) -> Query {
    let mut states = Vec::new();
    for (index, number) in request.states.iter().enumerate().take(JobState::ALL.len()) {
        match v1::JobState::try_from(*number).ok().and_then(JobState::of) {
            Some(state) => states.push(state),
            None => {
                let message = format!("{number} is no state of a job: use a named value of the API");
                found.add(format!("states[{index}]"), "request.value", message);
            }
        }
    }
    found.count("states", "states", request.states.len(), 0, JobState::ALL.len());
    let limit = match request.page_size as usize {
        0 => PAGE_USUAL,
        size => size.min(PAGE_MAX),
    };
    let before = (!request.page_token.is_empty()).then(|| opened(request)).flatten();
    if before.is_none() && !request.page_token.is_empty() {
        let message = "the token was not given out by this list: give `next_page_token` of the page before, and the \
                       same filters";
        found.add("page_token", "request.page_token", message);
    }
    Query {
        states,
        owner,
        reference_id: (!request.reference_id.is_empty()).then(|| request.reference_id.clone()),
        labels: request.labels.clone(),
        created_from_unix_ms: unix_ms("created_from", request.created_from.as_ref(), found),
        created_to_unix_ms: unix_ms("created_to", request.created_to.as_ref(), found),
        before,
        limit,
    }
}

/// The token of the page after the one that ends with `last`.
pub(super) fn token(request: &v1::ListJobsRequest, last: JobId) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    bytes[..16].copy_from_slice(&last.number().to_be_bytes());
    bytes[16..].copy_from_slice(&filters(request));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn opened(request: &v1::ListJobsRequest) -> Option<JobId> {
    let bytes: [u8; TOKEN_BYTES] = URL_SAFE_NO_PAD.decode(&request.page_token).ok()?.try_into().ok()?;
    let (id, hash) = bytes.split_first_chunk::<16>()?;
    (*hash == filters(request)).then(|| JobId::from_number(u128::from_be_bytes(*id)))
}

/// Eight bytes that differ when the filters do.
fn filters(request: &v1::ListJobsRequest) -> [u8; 8] {
    let filters = v1::ListJobsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let hash: [u8; 32] = Sha256::digest(filters.encode_to_vec()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A time of day of a request, ms since 1970.
pub(super) fn unix_ms(field: &str, time: Option<&Timestamp>, found: &mut Found) -> Option<i64> {
    let time = time?;
    let ms = time.seconds.checked_mul(1000).filter(|_| (0..1_000_000_000).contains(&time.nanos));
    if ms.is_none() {
        found.add(field, "request.time", format!("{} s and {} ns are no time", time.seconds, time.nanos));
    }
    ms.map(|ms| ms.saturating_add(i64::from(time.nanos) / 1_000_000))
}
