//! The decision log: every event that a scheduler was told, when, and a digest of what it answered. A scheduler that is
//! told the same again must answer the same; where it does not, [`replay`] names the line.
//!
//! It is text, one line an event:
//!
//! ```text
//! reelmill-decisions 1 cpu.threads=64+ram.mib=65536          the host's capacity at the beginning
//! 1500 9a41c07d52e86b13 finished 7 3                         ms, digest of the actions, event
//! ```
//!
//! [`crate::words`] has the form of the events.

use crate::digest;
use crate::words;
use reelmill_scheduler::{Action, Event, Scheduler, Vector};
use std::io::{self, BufRead, Write};

const HEADER: &str = "reelmill-decisions 1";

/// Writes a log.
pub struct Recorder {
    to: Box<dyn Write>,
}

impl Recorder {
    /// A log of a scheduler that was made with this capacity.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn new(mut to: Box<dyn Write>, capacity: &Vector) -> io::Result<Self> {
        writeln!(to, "{HEADER} {}", words::vector(capacity))?;
        Ok(Self { to })
    }

    /// Adds an event and the digest of what followed.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn add(&mut self, now: u64, event: &str, actions: &[Action]) -> io::Result<()> {
        writeln!(self.to, "{now} {:016x} {event}", digest::of(actions).0)
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What a replay found.
#[derive(Debug)]
pub struct Replayed {
    /// Events told.
    pub events: u64,
    /// Actions answered.
    pub actions: u64,
}

/// Tells a new scheduler all that a log has, and compares.
///
/// # Errors
/// A sentence with the line that cannot be read, or from which on the answers are others.
pub fn replay(log: impl BufRead) -> Result<Replayed, String> {
    let mut lines = (1_u64..).zip(log.lines());
    let (_, header) = lines.next().ok_or("the log is empty")?;
    let header = header.map_err(|error| format!("line 1: {error}"))?;
    let capacity = header.strip_prefix(HEADER).map(str::trim).ok_or("line 1: this is no log of decisions")?;
    let capacity = words::parse_vector(capacity).map_err(|error| format!("line 1: {error}"))?;
    let mut scheduler = Scheduler::new(capacity);
    let mut replayed = Replayed { events: 0, actions: 0 };
    for (number, line) in lines {
        let at = |error: String| format!("line {number}: {error}");
        let line = line.map_err(|error| at(error.to_string()))?;
        let (now, expected, event) = parse(&line).map_err(at)?;
        let actions = scheduler.step(event, now);
        let found = digest::of(&actions).0;
        if found != expected {
            return Err(at(format!("the answer is another one now ({found:016x}, not {expected:016x}): {actions:?}")));
        }
        replayed.events += 1;
        replayed.actions += actions.len() as u64;
    }
    Ok(replayed)
}

fn parse(line: &str) -> Result<(u64, u64, Event), String> {
    let mut parts = line.splitn(3, ' ');
    let mut part = || parts.next().ok_or_else(|| "it is cut short".to_owned());
    let now = part()?.parse().map_err(|_| "the time is no number".to_owned())?;
    let digest = u64::from_str_radix(part()?, 16).map_err(|_| "the digest is no number".to_owned())?;
    Ok((now, digest, words::parse_event(part()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_scheduler::CPU_THREADS;

    #[test]
    fn what_is_no_log_or_answers_otherwise_is_told_by_its_line() {
        let error = |text: &str| replay(text.as_bytes()).unwrap_err();
        assert!(error("").contains("empty"));
        assert!(error("something else\n").contains("line 1"));
        let header = format!("{HEADER} {}\n", words::vector(&Vector::of(CPU_THREADS, 1)));
        assert!(error(&format!("{header}5 zz tick\n")).starts_with("line 2: the digest"));
        assert!(error(&format!("{header}5 0 dance\n")).starts_with("line 2"));
        assert!(error(&format!("{header}5 1 tick\n")).contains("another one now"));
        assert_eq!(replay(format!("{header}5 0 tick\n").as_bytes()).unwrap().events, 1);
    }
}
