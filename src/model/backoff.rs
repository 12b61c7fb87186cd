//! How long to wait before something that failed is tried again: a pure function of the attempt and a random number.

use serde::{Deserialize, Serialize};

/// Exponential back-off with jitter and an end. Uploads, reads of remote sources, retries of jobs and webhooks use it.
///
/// The defaults wait about 8 to 15 s in all over six attempts: longer than the restart of a storage daemon or a change of
/// leader takes, shorter than anybody's patience with a job that cannot succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackOff {
    /// Wait after the first failure, ms. Default 500: a shed request is welcome again after that, and a person hardly
    /// notices.
    pub first_ms: u64,
    /// What each wait is multiplied by. Default 2, as everybody's: fewer attempts are lost at a peer that is down.
    pub factor: u32,
    /// Longest wait, ms. Default 30,000: after an outage work goes on within half a minute.
    pub max_ms: u64,
    /// Attempts in all, the first one included; 1 never tries again. Default 6.
    pub attempts_max: u32,
    /// The part of each wait that is random, percent. Default 50: many clients of a peer that comes back do not come all
    /// at once, and nobody waits less than half of what was meant.
    pub jitter_percent: u8,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first_ms: 500, factor: 2, max_ms: 30_000, attempts_max: 6, jitter_percent: 50 }
    }
}

impl BackOff {
    /// How long to wait, ms, when `attempt` attempts (from 1) have failed; `None` when that was the last one. `random` is
    /// any number, uniform over the whole type.
    pub fn delay_ms(&self, attempt: u32, random: u64) -> Option<u64> {
        if attempt >= self.attempts_max {
            return None;
        }
        let growth = u64::from(self.factor.max(1)).saturating_pow(attempt.saturating_sub(1));
        let whole = self.first_ms.saturating_mul(growth).min(self.max_ms);
        let jitter = u128::from(whole) * u128::from(self.jitter_percent.min(100)) / 100;
        // Below `jitter`, which is at most `whole`.
        let less = (jitter * u128::from(random)) >> 64;
        Some(whole - less as u64)
    }

    /// What is wrong with the settings, as the end of a sentence about them.
    pub const fn flaw(&self) -> Option<&'static str> {
        if self.attempts_max == 0 {
            Some("attempts_max must be at least 1, which is the first attempt")
        } else if self.factor == 0 {
            Some("factor must be at least 1")
        } else if self.jitter_percent > 100 {
            Some("jitter_percent must be at most 100")
        } else if self.first_ms > self.max_ms {
            Some("first_ms must be at most max_ms")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: BackOff = BackOff { first_ms: 100, factor: 3, max_ms: 1000, attempts_max: 5, jitter_percent: 0 };

    #[test]
    fn waits_grow_to_their_limit_and_end() {
        let waits: Vec<_> = (1..7).map(|attempt| PLAIN.delay_ms(attempt, u64::MAX)).collect();
        assert_eq!(waits, [Some(100), Some(300), Some(900), Some(1000), None, None]);
        assert_eq!(BackOff { attempts_max: 1, ..PLAIN }.delay_ms(1, 0), None);
    }

    #[test]
    fn jitter_takes_away_at_most_its_part() {
        let half = BackOff { jitter_percent: 50, ..PLAIN };
        assert_eq!(half.delay_ms(1, 0), Some(100));
        assert_eq!(half.delay_ms(1, u64::MAX), Some(51));
        assert_eq!(BackOff { jitter_percent: 100, ..PLAIN }.delay_ms(1, u64::MAX), Some(1));
    }

    #[test]
    fn extreme_settings_neither_overflow_nor_pass_for_good_ones() {
        let wild = BackOff {
            first_ms: u64::MAX,
            factor: u32::MAX,
            max_ms: u64::MAX,
            attempts_max: u32::MAX,
            jitter_percent: 255,
        };
        assert!(wild.delay_ms(u32::MAX - 1, u64::MAX).is_some() && wild.flaw().is_some());
        assert_eq!(BackOff::default().flaw(), None);
        assert!(
            BackOff { attempts_max: 0, ..PLAIN }.flaw().is_some() && BackOff { factor: 0, ..PLAIN }.flaw().is_some()
        );
        assert!(BackOff { first_ms: 2000, ..PLAIN }.flaw().is_some());
        assert!(serde_json::from_str::<BackOff>(r#"{"atempts_max":3}"#).is_err());
        assert_eq!(serde_json::from_str::<BackOff>("{}").unwrap(), BackOff::default());
    }
}
