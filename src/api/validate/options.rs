//! What concerns a job as a whole: start, retries, expiry, labels.

use super::found::Found;
use super::path;
use crate::api::v1;
use crate::model::backoff::BackOff;
use prost_types::{Duration, Timestamp};
use std::collections::BTreeMap;

/// Last second that a timestamp can say: the year 9999.
const TIMESTAMP_S_MAX: i64 = 253_402_300_799;
/// Most attempts: with waits of half a minute each, more than an outage of minutes.
const ATTEMPTS_MAX: u32 = 20;
/// Longest wait between attempts, ms: an hour.
const WAIT_MS_MAX: i64 = 3_600_000;
/// Shortest and longest time that a record is kept, seconds: a minute to look at it, ten years.
const EXPIRE_S_MIN: u64 = 60;
const EXPIRE_S_MAX: u64 = 10 * 366 * 24 * 3600;
/// Labels: as many as people read, as long as names are.
const LABELS_MAX: usize = 32;
const LABEL_KEY_BYTES_MAX: usize = 64;
const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Devices that a job names: every card of a large box.
const DEVICES_MAX: usize = 16;
/// Longest name of a device, bytes: a UUID with its kind has 45.
const DEVICE_BYTES_MAX: usize = 128;
/// How devices are driven.
const DEVICE_KINDS: [&str; 3] = ["cpu", "cuda", "vaapi"];

/// When the job may begin, ms since 1970; 0 for at once.
pub(super) fn start(asked: Option<&Timestamp>, found: &mut Found) -> i64 {
    asked.and_then(|time| instant("start_time", *time, found)).unwrap_or(0)
}

/// When the job should be done, ms since 1970; not before it may begin.
pub(super) fn deadline(asked: Option<&Timestamp>, start_unix_ms: i64, found: &mut Found) -> Option<i64> {
    let deadline = asked.and_then(|time| instant("deadline", *time, found))?;
    if deadline <= start_unix_ms {
        found.add(
            path("deadline"),
            "request.time",
            "the job should be done before it may begin: give a time after `start_time`",
        );
    }
    Some(deadline)
}

/// A deadline that has passed. Not asked of a request with a key: it may repeat one that was accepted in time.
pub(in crate::api) fn has_passed(deadline_unix_ms: Option<i64>, now_unix_ms: i64, found: &mut Found) {
    if deadline_unix_ms.is_some_and(|deadline| deadline < now_unix_ms) {
        found.add(path("deadline"), "request.time", "the time has passed: give one that is to come, or none");
    }
}

/// Devices that may be used, by id or kind. Whether there are such is known when the job is placed.
pub(super) fn devices(asked: &[String], found: &mut Found) -> Vec<String> {
    let field = path("devices");
    found.count(&field, "devices", asked.len(), 0, DEVICES_MAX);
    for (index, name) in asked.iter().take(DEVICES_MAX).enumerate() {
        let field = format!("{field}[{index}]");
        let kind = name.split(':').next().unwrap_or_default();
        let is_known = DEVICE_KINDS.contains(&kind) && (kind != "cpu" || name == "cpu") && !name.ends_with(':');
        if name.len() > DEVICE_BYTES_MAX || name.chars().any(char::is_control) {
            found.add(
                field,
                "request.device",
                format!("a device's name has at most {DEVICE_BYTES_MAX} plain characters"),
            );
        } else if !is_known {
            let nearest =
                DEVICE_KINDS.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, kind)).unwrap_or("cpu");
            let shown = name.escape_debug();
            let message = format!(
                "`{shown}` is no device: the nearest kind is `{nearest}`; give a kind (cpu, cuda, vaapi), or an id that GetNode names"
            );
            found.add(field, "request.device", message);
        }
    }
    asked.to_vec()
}

/// A time of day, ms since 1970.
pub(super) fn instant(field: &str, time: Timestamp, found: &mut Found) -> Option<i64> {
    if !(0..=TIMESTAMP_S_MAX).contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        let message = format!("{} s and {} ns are no time from 1970 to 9999", time.seconds, time.nanos);
        found.add(path(field), "request.time", message);
        return None;
    }
    Some(time.seconds * 1000 + i64::from(time.nanos) / 1_000_000)
}

/// Whether one failed output stops the others.
pub(super) fn stop_on_failure(asked: i32, found: &mut Found) -> bool {
    let field = path("on_output_failure");
    match v1::OnOutputFailure::try_from(asked) {
        Ok(value) => value == v1::OnOutputFailure::StopJob,
        Err(_) => {
            found.add(
                field,
                "request.value",
                format!("{asked} names nothing that this version knows: use CONTINUE or STOP_JOB"),
            );
            false
        }
    }
}

/// When something is tried again.
pub(super) fn retry(asked: Option<&v1::RetryPolicy>, usual: BackOff, found: &mut Found) -> BackOff {
    let Some(asked) = asked else { return usual };
    let field = path("retry");
    if asked.attempts_max > ATTEMPTS_MAX {
        let message = format!("{} attempts are too many: give 1 to {ATTEMPTS_MAX}", asked.attempts_max);
        found.add(format!("{field}.attempts_max"), "request.retry", message);
    }
    let mut wait = |name: &str, asked: Option<&Duration>, usual: u64| {
        let field = format!("{field}.{name}");
        let Some(us) = found.micros(&field, asked) else { return usual };
        if us / 1000 > WAIT_MS_MAX {
            found.add(field, "request.retry", "the wait is too long: give at most an hour");
        }
        (us / 1000).unsigned_abs()
    };
    let first_ms = wait("first_delay", asked.first_delay.as_ref(), usual.first_ms);
    let max_ms = wait("max_delay", asked.max_delay.as_ref(), usual.max_ms);
    // One that is left out gives way to the one that is there.
    let (first_ms, max_ms) = match (asked.first_delay.is_some(), asked.max_delay.is_some()) {
        (true, false) => (first_ms, max_ms.max(first_ms)),
        (false, true) => (first_ms.min(max_ms), max_ms),
        _ => (first_ms, max_ms),
    };
    if first_ms > max_ms {
        let message = format!("the first wait of {first_ms} ms is longer than the longest of {max_ms} ms");
        found.add(format!("{field}.first_delay"), "request.retry", message);
    }
    let attempts_max = if asked.attempts_max == 0 { usual.attempts_max } else { asked.attempts_max };
    BackOff { first_ms, max_ms, attempts_max, ..usual }
}

/// How long the record is kept, seconds, rounded up.
pub(super) fn expire_after(asked: Option<&Duration>, usual: u64, found: &mut Found) -> u64 {
    let field = path("expire_after");
    let Some(us) = found.micros(&field, asked) else { return usual };
    let seconds = us.unsigned_abs().div_ceil(1_000_000);
    if !(EXPIRE_S_MIN..=EXPIRE_S_MAX).contains(&seconds) {
        found.add(field, "request.duration", format!("{seconds} s is out of range: give 1 minute to 10 years"));
    }
    seconds
}

/// The client's own words.
pub(super) fn labels(asked: &BTreeMap<String, String>, found: &mut Found) -> BTreeMap<String, String> {
    let field = path("labels");
    found.count(&field, "labels", asked.len(), 0, LABELS_MAX);
    for (key, value) in asked.iter().take(LABELS_MAX) {
        if key.is_empty() {
            found.add(&field, "request.text", "a label has an empty key: give it 1 to 64 bytes");
        }
        let shown: String = key.chars().take(LABEL_KEY_BYTES_MAX).collect();
        let field = format!("{field}[\"{}\"]", shown.escape_debug());
        found.text(&field, key, LABEL_KEY_BYTES_MAX);
        found.text(&field, value, LABEL_VALUE_BYTES_MAX);
    }
    asked.clone()
}
