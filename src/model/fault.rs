//! Whose fault an error is, and how it is told.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The class of every error. It alone drives retry, exit status, gRPC status and metric label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The client's media or request: never retried.
    Input,
    /// No room now: waits.
    Capacity,
    /// A device or the process on it failed: tried elsewhere.
    Device,
    /// Where the output goes, or comes from, failed: backed off.
    Sink,
    /// Somebody asked for the stop.
    Cancelled,
    /// Ours.
    Bug,
}

impl Fault {
    /// The exit status of `reelmill` and `reelmill-worker` (documented in `docs/SPECIFICATION.md`).
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Input => 2,
            Self::Capacity => 3,
            Self::Device => 4,
            Self::Sink => 5,
            Self::Cancelled => 130,
            Self::Bug => 70,
        }
    }

    /// The name in messages, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Capacity => "capacity",
            Self::Device => "device",
            Self::Sink => "sink",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }

    /// The class with this name; an unknown one is a bug on the sender's side.
    pub fn from_name(name: &str) -> Self {
        match name {
            "input" => Self::Input,
            "capacity" => Self::Capacity,
            "device" => Self::Device,
            "sink" => Self::Sink,
            "cancelled" => Self::Cancelled,
            _ => Self::Bug,
        }
    }
}

/// An error as a client sees it: class, stable code, one sentence that says what to do, and what it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Whose fault it is.
    pub fault: Fault,
    /// Stable, dotted, lower case: `source.empty`. Listed in `docs/SPECIFICATION.md`.
    pub code: String,
    /// One sentence for a person: what is wrong, and what to do.
    pub message: String,
    /// What it is about, as a path into the job's specification: `outputs[1].destination`. Empty for the whole job.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Problem {
    /// A problem of any class.
    pub fn new(fault: Fault, code: &str, message: impl Into<String>) -> Self {
        Self { fault, code: code.to_owned(), message: message.into(), field: String::new() }
    }

    /// The same problem, about this field. A path that stands already is kept behind it: `outputs[1]` before `spans`
    /// gives `outputs[1].spans`.
    #[must_use]
    pub fn at(mut self, field: impl fmt::Display) -> Self {
        self.field = if self.field.is_empty() { field.to_string() } else { format!("{field}.{}", self.field) };
        self
    }

    /// The client's media or request.
    pub fn input(code: &str, message: impl Into<String>) -> Self {
        Self::new(Fault::Input, code, message)
    }

    /// Where the output goes, or comes from.
    pub fn sink(code: &str, message: impl Into<String>) -> Self {
        Self::new(Fault::Sink, code, message)
    }

    /// The process or device that ran the work.
    pub fn device(code: &str, message: impl Into<String>) -> Self {
        Self::new(Fault::Device, code, message)
    }

    /// An invariant of ours that did not hold.
    pub fn bug(code: &str, message: impl Into<String>) -> Self {
        Self::new(Fault::Bug, code, message)
    }

    /// Somebody asked for the stop.
    pub fn cancelled() -> Self {
        Self::new(Fault::Cancelled, "job.cancelled", "stopped on request; nothing was kept")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_exit_codes_are_distinct() {
        let all = [Fault::Input, Fault::Capacity, Fault::Device, Fault::Sink, Fault::Cancelled, Fault::Bug];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(Fault::from_name(a.name()), *a);
            for b in &all[i + 1..] {
                assert_ne!(a.exit_code(), b.exit_code());
            }
        }
    }
}
