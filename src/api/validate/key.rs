//! Idempotency keys, and what tells one request from another.

use super::found::Found;
use crate::api::v1;
use crate::store::IdempotencyKey;
use prost::Message;
use sha2::{Digest, Sha256};

/// Longest key, bytes.
const KEY_BYTES_MAX: usize = 128;

/// The key of a request; `None` where it has none, or one that cannot be.
///
/// Requests are compared as they were sent, before profile and configuration fill them in: those may have changed when a
/// client repeats itself. Maps are ordered, so that one request has one encoding.
pub(in crate::api) fn idempotency(
    request: &v1::CreateJobRequest,
    owner: &str,
    found: &mut Found,
) -> Option<IdempotencyKey> {
    let key = &request.idempotency_key;
    if key.is_empty() {
        return None;
    }
    if key.len() > KEY_BYTES_MAX || !key.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let message = format!("an idempotency key has 1 to {KEY_BYTES_MAX} printable ASCII characters");
        found.add("idempotency_key", "request.key", message);
        return None;
    }
    let body = request.job.as_ref().map(Message::encode_to_vec).unwrap_or_default();
    Some(IdempotencyKey { owner: owner.to_owned(), key: key.clone(), body_sha256: Sha256::digest(body).into() })
}
