//! How pictures come, where that is not how they are shown: fields, and another rate.

use super::plan::VideoPlan;
use super::time::{Ratio, Timeline, scale_round};
use serde::{Deserialize, Serialize};

/// The clock of pictures as they come, where the plan's own is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cadence {
    /// Ticks a second.
    pub timescale: u32,
    /// Ticks of a picture, where all are the same.
    pub frame_ticks: Option<u32>,
    /// Pictures a second; the mean where variable.
    pub frame_rate: Ratio,
    /// Pictures a second that are shown, each for as long as the next where the plan's rate is constant; where it is not,
    /// at most so many.
    pub rate: Ratio,
}

/// How fields become pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fields {
    /// Each becomes one, so that there are twice as many pictures as frames.
    pub each: bool,
    /// Frames themselves may say something else about their fields, and are wrong.
    pub told: bool,
    /// They are those of film: of five frames at this rate four become pictures. Where frames come at varying times, that
    /// is the rate which they would have if no field were repeated by a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telecine: Option<Ratio>,
}

impl VideoPlan {
    /// The time base of prepared pictures: that of the source, in halves where each field becomes one.
    pub fn prepared_time_base(&self) -> Ratio {
        let each = self.fields.is_some_and(|fields| fields.each);
        if each { Ratio::new(self.time_base.num, self.time_base.den.saturating_mul(2)) } else { self.time_base }
    }

    /// Where prepared pictures lie on the timeline that they come on: the output's, unless some are left out or repeated.
    pub fn prepared_timeline(&self) -> Timeline {
        let time_base = self.prepared_time_base();
        let origin = if time_base == self.time_base { self.origin } else { self.origin.saturating_mul(2) };
        let (timescale, frame_ticks) =
            self.cadence.map_or((self.timescale, self.frame_ticks), |read| (read.timescale, read.frame_ticks));
        Timeline { time_base, origin, timescale, frame_ticks }
    }

    /// Duration of a prepared picture, ticks of that timeline.
    pub fn prepared_ticks(&self) -> i64 {
        self.cadence
            .map_or_else(|| self.nominal_ticks(), |read| nominal(read.timescale, read.frame_ticks, read.frame_rate))
    }
}

/// Duration of a picture, ticks, at least 1.
pub(super) fn nominal(timescale: u32, frame_ticks: Option<u32>, frame_rate: Ratio) -> i64 {
    let mean = if frame_rate.is_known() {
        scale_round(i64::from(timescale), frame_rate.den, frame_rate.num)
    } else {
        i64::from(timescale / 25)
    };
    frame_ticks.map_or(mean.max(1), i64::from)
}
