//! What becomes of an effect after an attempt: a pure function of the outcome, the attempts before it, and the time.

use super::OutboxSettings;
use crate::model::{Fault, Problem};
use crate::net::{Failure, StatusCode};
use crate::store::{EffectState, StoredEffect};
use std::time::Duration;

/// Longest `Retry-After` that is kept to: receivers ask for minutes; one that asks for a year is asked again in an hour.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An attempt that did not do what it should.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failed {
    /// Why.
    pub(super) problem: Problem,
    /// Whether another attempt may fare better.
    pub(super) passes: bool,
    /// How long the other side asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Failed {
    pub(super) fn for_good(problem: Problem) -> Self {
        Self { problem, passes: false, retry_after: None }
    }

    pub(super) fn for_now(problem: Problem) -> Self {
        Self { problem, passes: true, retry_after: None }
    }

    /// A removal that failed.
    pub(super) fn removal(problem: Problem) -> Self {
        let passes = matches!(problem.fault, Fault::Sink | Fault::Capacity | Fault::Device);
        Self { problem, passes, retry_after: None }
    }

    /// No answer came. A certificate can be renewed within the time that deliveries are tried; the rest of what is
    /// final stays so.
    pub(super) fn without_answer(failure: &Failure) -> Self {
        let problem = |code, remedy| Problem::sink(code, format!("the receiver was not told: {failure}; {remedy}"));
        match failure {
            Failure::Refused(_) => {
                Self::for_good(problem("webhook.address_refused", "give one that this node may connect to"))
            }
            Failure::Url(_) => Self::for_good(problem("webhook.url_refused", "correct the address")),
            Failure::Redirect(_) => Self::for_good(problem("webhook.redirect", "give the address that it leads to")),
            Failure::TimedOut => Self::for_now(problem("webhook.timed_out", "receivers should answer, then work")),
            _ => Self::for_now(problem("webhook.unreachable", "see whether it runs")),
        }
    }

    /// An answer came that is no success. `excerpt` is the beginning of its body, for people.
    pub(super) fn answered(status: StatusCode, excerpt: &str, retry_after: Option<Duration>) -> Self {
        let said = if excerpt.is_empty() { String::new() } else { format!(", and said: {excerpt}") };
        let problem =
            |code, what| Problem::sink(code, format!("the receiver {what} (status {}{said})", status.as_u16()));
        match status.as_u16() {
            410 => Self::for_good(problem("webhook.gone", "wants no more messages")),
            408 | 425 | 429 | 500.. => {
                Self { problem: problem("webhook.failed", "could not take the message now"), passes: true, retry_after }
            }
            300..=399 => Self::for_good(problem("webhook.redirect", "redirects, which is not followed")),
            _ => Self::for_good(problem("webhook.rejected", "refuses the message; see what it expects")),
        }
    }
}

/// Where an effect stands after an attempt that ended at `now_unix_ms`, and what the log of attempts says went wrong.
/// `random` is any number, uniform over the whole type.
///
/// The last attempt is made when the time is up, not before; a longer `Retry-After` is kept to all the same.
pub(super) fn verdict(
    effect: &StoredEffect,
    failed: Option<&Failed>,
    settings: &OutboxSettings,
    now_unix_ms: i64,
    random: u64,
) -> (EffectState, String) {
    let Some(failed) = failed else { return (EffectState::Done, String::new()) };
    if !failed.passes {
        return (EffectState::Dead, failed.problem.to_string());
    }
    let attempts = u32::try_from(effect.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
    let until = effect.created_unix_ms.saturating_add(ms(settings.give_up_after));
    let wait = settings.retry.delay_ms(attempts, random).filter(|_| now_unix_ms < until);
    let Some(wait) = wait else {
        let tries = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        return (EffectState::Dead, format!("{}; given up after {tries}", failed.problem));
    };
    let next = now_unix_ms.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)).min(until);
    let asked = failed.retry_after.map_or(0, |asked| ms(asked.min(RETRY_AFTER_MAX)));
    (EffectState::Due(next.max(now_unix_ms.saturating_add(asked))), failed.problem.to_string())
}

/// Milliseconds of a duration, or as many as there can be.
pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BackOff, JobId, Locator};
    use crate::store::{Effect, EffectAttempt};

    const RETRY: BackOff = BackOff { first_ms: 100, factor: 10, max_ms: 5_000, attempts_max: 9, jitter_percent: 0 };

    fn after(attempts: usize, failed: &Failed, now: i64) -> (EffectState, String) {
        let attempt = EffectAttempt { unix_ms: 0, status: None, error: String::new(), elapsed_ms: 0 };
        let effect = StoredEffect {
            id: 1,
            job: JobId::from_number(1),
            created_unix_ms: 1_000,
            effect: Effect::Remove { output: 0, destination: Locator::File("/x".into()), paths: Vec::new() },
            state: EffectState::Due(0),
            attempts: vec![attempt; attempts],
        };
        let give_up_after = Duration::from_secs(10);
        let settings = OutboxSettings { retry: RETRY, give_up_after, ..OutboxSettings::default() };
        verdict(&effect, Some(failed), &settings, now, 0)
    }

    fn status(code: u16, retry_after: Option<u64>) -> Failed {
        Failed::answered(StatusCode::from_u16(code).unwrap(), "", retry_after.map(Duration::from_secs))
    }

    #[test]
    fn waits_grow_and_end_with_one_last_attempt_when_the_time_is_up() {
        let unwell = status(503, None);
        assert_eq!(after(0, &unwell, 1_000).0, EffectState::Due(1_100));
        assert_eq!(after(1, &unwell, 1_100).0, EffectState::Due(2_100));
        assert_eq!(after(3, &unwell, 7_000).0, EffectState::Due(11_000), "cut short by the end");
        let (state, error) = after(4, &unwell, 11_000);
        assert_eq!(state, EffectState::Dead);
        assert!(error.contains("503") && error.ends_with("[webhook.failed]; given up after 5 attempts"), "{error}");
        assert_eq!(after(8, &unwell, 1_000).0, EffectState::Dead, "attempts are counted too");
    }

    #[test]
    fn a_receiver_that_asks_for_a_pause_gets_it_within_reason() {
        assert_eq!(after(0, &status(429, Some(3)), 1_000).0, EffectState::Due(4_000));
        assert_eq!(after(0, &status(503, Some(0)), 1_000).0, EffectState::Due(1_100), "never sooner than usual");
        assert_eq!(after(0, &status(503, Some(u64::MAX)), 1_000).0, EffectState::Due(3_601_000));
        assert_eq!(after(0, &status(429, Some(3)), 10_000).0, EffectState::Due(13_000));
    }

    #[test]
    fn statuses_are_final_or_not_as_documented() {
        for again in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            assert!(status(again, None).passes, "{again}");
        }
        for (last, code) in [
            (300, "webhook.redirect"),
            (304, "webhook.redirect"),
            (400, "webhook.rejected"),
            (401, "webhook.rejected"),
            (404, "webhook.rejected"),
            (410, "webhook.gone"),
            (422, "webhook.rejected"),
        ] {
            let failed = status(last, Some(1));
            assert_eq!((failed.passes, failed.problem.code.as_str()), (false, code), "{last}");
            assert_eq!(after(0, &failed, 1_000).0, EffectState::Dead);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (failure, passes) in [
            (Failure::TimedOut, true),
            (Failure::Name("no such name".into()), true),
            (Failure::Connect("refused".into()), true),
            (Failure::Broken("reset".into()), true),
            (Failure::Certificate("expired".into()), true),
            (Failure::Redirect("(status 307)".into()), false),
            (Failure::Url("no host".into()), false),
        ] {
            assert_eq!(Failed::without_answer(&failure).passes, passes, "{failure}");
        }
        for (fault, passes) in [
            (Fault::Sink, true),
            (Fault::Capacity, true),
            (Fault::Device, true),
            (Fault::Input, false),
            (Fault::Bug, false),
            (Fault::Cancelled, false),
        ] {
            assert_eq!(Failed::removal(Problem::new(fault, "output.full", "x")).passes, passes, "{fault:?}");
        }
    }
}
