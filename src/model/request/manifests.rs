//! How the manifests of an output are written, as asked.

use crate::model::Problem;
use serde::{Deserialize, Serialize};

/// Farthest start that can be asked for: a day, which is the longest output.
const START_US_MAX: i64 = 24 * 3600 * 1_000_000;
/// Times of day that can be written with four digits for the year: 1970 to 9999.
const UNIX_MS_MAX: i64 = 253_402_300_799_999;

/// What manifests say beside what there is to play. Nothing of it changes what is encoded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManifestOptions {
    /// Manifests are put once everything is made: until then nothing can be played.
    pub at_end: bool,
    /// Each track is one file in each packaging, of which segments are byte ranges. Then manifests come at the end.
    pub single_file: bool,
    /// The time of day at which the output's zero was, ms since 1970 (`EXT-X-PROGRAM-DATE-TIME`, `ProducerReferenceTime`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_unix_ms: Option<i64>,
    /// Where players are to start, µs from zero; negative: so long before the end (`EXT-X-START`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_us: Option<i64>,
    /// Players show nothing before that instant, though its segment begins earlier.
    pub start_precise: bool,
    /// The chapters of the source are told (`com.apple.hls.chapters`).
    pub chapters: bool,
}

impl ManifestOptions {
    /// Whether there are manifests while the output grows.
    pub const fn grows(&self) -> bool {
        !(self.at_end || self.single_file)
    }

    /// What is wrong with it, by the fields of `reelmill.v1.ManifestSpec`.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.start_us.is_some_and(|start| start.abs() > START_US_MAX) {
            let message =
                "players cannot be told to start later than a day from the beginning or the end: ask for less";
            problems.push(Problem::input("request.start", message).at("manifests.start"));
        }
        if self.start_precise && self.start_us.is_none() {
            let message = "a precise start needs a start: say where players begin, or leave `start_precise` out";
            problems.push(Problem::input("request.start", message).at("manifests.start_precise"));
        }
        if self.program_unix_ms.is_some_and(|ms| !(0..=UNIX_MS_MAX).contains(&ms)) {
            let message = "a time of day lies between the years 1970 and 9999";
            problems.push(Problem::input("request.program_date_time", message).at("manifests.program_date_time"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_player_could_follow_is_refused() {
        let ok = ManifestOptions { start_us: Some(-3_000_000), start_precise: true, ..ManifestOptions::default() };
        assert!(ok.check().is_empty() && ok.grows());
        let wrong = [
            ManifestOptions { start_us: Some(i64::MAX), ..ok.clone() },
            ManifestOptions { start_us: None, ..ok.clone() },
            ManifestOptions { program_unix_ms: Some(-1), ..ok.clone() },
        ];
        let fields: Vec<_> = wrong.iter().flat_map(ManifestOptions::check).map(|problem| problem.field).collect();
        assert_eq!(fields, ["manifests.start", "manifests.start_precise", "manifests.program_date_time"]);
    }

    #[test]
    fn a_single_file_is_shown_when_it_is_whole() {
        assert!(!ManifestOptions { single_file: true, ..ManifestOptions::default() }.grows());
        assert!(!ManifestOptions { at_end: true, ..ManifestOptions::default() }.grows());
    }
}
