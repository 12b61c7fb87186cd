//! The steps that a span of work has taken, for traces: noted when they are over, told once at the end.
//!
//! A [`Lap`] goes from its first touch to its last, so that steps which take turns on one thread (a rung scales, encodes and
//! packages) each have a beginning and an end of their own.

use super::flow::Stopped;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Steps that are kept: some for each rendition.
const STEPS_MAX: usize = 256;

/// A step that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// `decode`, `filter`, `encode`, `package` …
    pub name: &'static str,
    /// The rendition, or empty.
    pub track: String,
    /// From when.
    pub began: Instant,
    /// Until when.
    pub ended: Instant,
    /// What may be said of it: pictures, bytes.
    pub counts: BTreeMap<&'static str, u64>,
    /// Why it failed; empty where it did not.
    pub error: String,
}

/// Steps so far.
#[derive(Debug, Default)]
pub struct Steps(Mutex<Vec<Step>>);

impl Steps {
    fn note(&self, step: Step) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < STEPS_MAX {
            steps.push(step);
        }
    }

    /// All of them; from here on there are none.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does work that is one step.
    pub fn timed(
        &self,
        name: &'static str,
        track: &str,
        work: impl FnOnce() -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let began = Instant::now();
        let result = work();
        let error = match &result {
            Err(Stopped::Failed(problem)) => problem.to_string(),
            Err(Stopped::Device(trouble)) => trouble.problem.to_string(),
            Err(Stopped::Alone(problem)) => problem.to_string(),
            Ok(()) | Err(Stopped::Neighbour | Stopped::Unwanted) => String::new(),
        };
        let (track, ended) = (track.to_owned(), Instant::now());
        self.note(Step { name, track, began, ended, counts: BTreeMap::new(), error });
        result
    }
}

/// A step that others take turns with; noted when it is dropped, if it was touched.
#[derive(Debug)]
pub struct Lap<'a> {
    steps: &'a Steps,
    name: &'static str,
    track: &'a str,
    times: Option<(Instant, Instant)>,
    counts: BTreeMap<&'static str, u64>,
}

impl<'a> Lap<'a> {
    /// One that has not begun.
    pub const fn new(steps: &'a Steps, name: &'static str, track: &'a str) -> Self {
        Self { steps, name, track, times: None, counts: BTreeMap::new() }
    }

    /// It is going on now.
    pub fn touch(&mut self) {
        let now = Instant::now();
        self.times = Some((self.times.map_or(now, |(began, _)| began), now));
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str, many: u64) {
        *self.counts.entry(what).or_default() += many;
    }
}

impl Drop for Lap<'_> {
    fn drop(&mut self) {
        let Some((began, ended)) = self.times else { return };
        let (counts, error) = (std::mem::take(&mut self.counts), String::new());
        self.steps.note(Step { name: self.name, track: self.track.to_owned(), began, ended, counts, error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Problem;

    #[test]
    fn steps_are_kept_with_what_they_came_to() {
        let steps = Steps::default();
        let failed = steps.timed("decode", "", || Err(Problem::input("source.bad", "it is bad").into()));
        assert!(failed.is_err());
        let mut lap = Lap::new(&steps, "encode", "720p");
        lap.touch();
        lap.count("frames", 2);
        lap.count("frames", 3);
        lap.touch();
        drop(lap);
        drop(Lap::new(&steps, "package", "720p"));
        let told = steps.take();
        let shown: Vec<_> = told.iter().map(|step| (step.name, step.track.as_str(), step.error.as_str())).collect();
        assert_eq!(shown, [("decode", "", "it is bad [source.bad]"), ("encode", "720p", "")]);
        assert_eq!(told[1].counts, BTreeMap::from([("frames", 5)]));
        assert!(told.iter().all(|step| step.began <= step.ended) && steps.take().is_empty());
    }
}
