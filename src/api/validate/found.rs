//! Collects what is wrong, and the checks that every kind of field shares.

use crate::api::convert::Wire;
use crate::model::Problem;
use prost_types::Duration;
use std::fmt::Display;

/// Longest duration, seconds: 10,000 years, by `google.protobuf.Duration`.
const DURATION_S_MAX: i64 = 315_576_000_000;

/// Problems so far.
#[derive(Debug, Default)]
pub(in crate::api) struct Found {
    /// In the order of the fields.
    pub(in crate::api) problems: Vec<Problem>,
}

impl Found {
    /// Notes a problem of a field.
    pub(in crate::api) fn add(&mut self, field: impl Display, code: &str, message: impl Into<String>) {
        self.problems.push(Problem::input(code, message).at(field));
    }

    /// What was read, or `None` and a problem more.
    pub(super) fn take<T>(&mut self, field: &str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem.at(field))).ok()
    }

    /// How many there are of something.
    pub(in crate::api) fn count(&mut self, field: &str, what: &str, count: usize, min: usize, max: usize) {
        if count < min {
            self.add(field, "request.count", format!("there are no {what}: give {min} to {max}"));
        } else if count > max {
            self.add(field, "request.count", format!("{count} {what} are too many: give at most {max}"));
        }
    }

    /// A text of the client's own.
    pub(in crate::api) fn text(&mut self, field: &str, text: &str, bytes_max: usize) {
        if text.len() > bytes_max {
            self.add(field, "request.text", format!("{} bytes are too long: give at most {bytes_max}", text.len()));
        } else if text.chars().any(char::is_control) {
            self.add(field, "request.text", "there is a control character in it: take it out");
        }
    }

    /// A value of an enumeration; `None` where it is left out or unknown.
    pub(super) fn value<T: Wire>(&mut self, field: &str, number: i32) -> Option<T> {
        match T::Proto::try_from(number) {
            Ok(value) => T::of(value),
            Err(_) => {
                self.add(field, "request.value", unknown_value(number));
                None
            }
        }
    }

    /// A list of values, none of which may be left open.
    pub(super) fn values<T: Wire>(&mut self, field: &str, numbers: &[i32], max: usize) -> Vec<T> {
        self.count(field, "values", numbers.len(), 0, max);
        let mut values = Vec::new();
        for (index, number) in numbers.iter().take(max).enumerate() {
            let value = T::Proto::try_from(*number).ok().and_then(T::of);
            if value.is_none() {
                self.add(format!("{field}[{index}]"), "request.value", unknown_value(*number));
            }
            values.extend(value);
        }
        values
    }

    /// A duration in microseconds, none below 0; finer digits are cut off.
    pub(super) fn micros(&mut self, field: &str, duration: Option<&Duration>) -> Option<i64> {
        let micros = self.signed_micros(field, duration)?;
        if duration.is_some_and(|duration| duration.seconds < 0 || duration.nanos < 0) {
            self.add(field, "request.duration", "the duration is negative: give one from 0");
            return None;
        }
        Some(micros)
    }

    /// A duration in microseconds, which may be below 0; finer digits are cut off.
    pub(super) fn signed_micros(&mut self, field: &str, duration: Option<&Duration>) -> Option<i64> {
        let duration = duration?;
        let formed = duration.seconds.unsigned_abs() <= DURATION_S_MAX.unsigned_abs()
            && duration.nanos.unsigned_abs() < 1_000_000_000
            && (duration.seconds == 0 || duration.nanos == 0 || (duration.seconds < 0) == (duration.nanos < 0));
        if !formed {
            let message = format!(
                "{} s and {} ns are no duration: see google.protobuf.Duration",
                duration.seconds, duration.nanos
            );
            self.add(field, "request.duration", message);
            return None;
        }
        // At most 315,576,000,000,999,999, which fits.
        Some(duration.seconds * 1_000_000 + i64::from(duration.nanos) / 1000)
    }
}

fn unknown_value(number: i32) -> String {
    format!("{number} names nothing that this version knows: use a named value of the API, or leave it out")
}

/// Whether this may be an id: 1 to 64 of `a-z A-Z 0-9 _ -`.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The id of the item with this index, or one made of its number; noted when it cannot be one, or is there already.
pub(super) fn id(found: &mut Found, field: &str, asked: &str, usual: String, taken: &[String]) -> String {
    let id = if asked.is_empty() { usual } else { asked.to_owned() };
    if !is_id(&id) {
        let message = format!("`{}` is no id: use 1 to 64 of a-z A-Z 0-9 _ -", id.escape_debug());
        found.add(format!("{field}.id"), "request.id", message);
    } else if taken.contains(&id) {
        found.add(format!("{field}.id"), "request.id", format!("the id `{id}` is there twice: give each its own"));
    }
    id
}
