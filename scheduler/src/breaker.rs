//! Circuit breakers: an ability of a device that failed too often is set aside until it has proved itself again.

use crate::policy::Policy;

/// Where an ability of a device stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BreakerState {
    /// In use; failed so often within the window.
    Closed {
        /// How often.
        failures: u32,
    },
    /// Set aside.
    Open {
        /// Until then, ms; it is asked to prove itself afterwards.
        until_ms: u64,
    },
    /// Set aside, and asked to prove itself.
    HalfOpen,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Open { until: u64 },
    Asked { until: u64 },
}

/// One breaker. An ability that never failed has none.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    /// When it failed; as many as count at most.
    failures: Vec<u64>,
    state: State,
    /// How often it was set aside, less what was forgiven.
    trips: u32,
    /// Spans in a row that went well.
    sound: u32,
    /// When it was set aside, the first time since it last was in use.
    pub(crate) since: u64,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { failures: Vec::new(), state: State::Closed, trips: 0, sound: 0, since: 0 }
    }

    pub(crate) fn shown(&self, now: u64, policy: &Policy) -> BreakerState {
        let counts = |at: &&u64| **at + policy.failure_window_ms > now;
        match self.state {
            State::Closed => BreakerState::Closed { failures: self.failures.iter().filter(counts).count() as u32 },
            State::Open { until } => BreakerState::Open { until_ms: until },
            State::Asked { .. } => BreakerState::HalfOpen,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// When something is due.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        match self.state {
            State::Closed => None,
            State::Open { until } | State::Asked { until } => Some(until),
        }
    }

    /// A span failed, and this is to blame. What fails while it is set aside began before, and tells nothing new.
    pub(crate) fn failed(&mut self, now: u64, policy: &Policy) {
        self.sound = 0;
        if self.state != State::Closed {
            return;
        }
        self.failures.retain(|at| *at + policy.failure_window_ms > now);
        self.failures.push(now);
        if self.failures.len() as u32 >= policy.failures_max {
            self.since = now;
            self.open(now, policy);
        }
    }

    /// A span went well. One alone forgives nothing: a device that fails every third time would never be set aside.
    pub(crate) fn went_well(&mut self, policy: &Policy) {
        self.sound += 1;
        if self.sound >= policy.forgive_spans && self.is_closed() {
            self.sound = 0;
            self.trips = self.trips.saturating_sub(1);
            if !self.failures.is_empty() {
                self.failures.remove(0);
            }
        }
    }

    /// Whether it is to be probed now. A probe that nobody answered has failed.
    pub(crate) fn wake(&mut self, now: u64, policy: &Policy) -> bool {
        match self.state {
            State::Open { until } if until <= now => {
                self.state = State::Asked { until: now.saturating_add(policy.probe_timeout_ms) };
                true
            }
            State::Asked { until } if until <= now => {
                self.open(now, policy);
                false
            }
            _ => false,
        }
    }

    /// The answer to a probe; one that was not asked for, or came too late, changes nothing.
    pub(crate) fn probed(&mut self, sound: bool, now: u64, policy: &Policy) {
        if !matches!(self.state, State::Asked { .. }) {
            return;
        }
        if sound {
            self.state = State::Closed;
            self.failures.clear();
        } else {
            self.open(now, policy);
        }
    }

    /// The device is back after it was gone: it may prove itself at once. How often it was set aside is remembered, since
    /// one that comes and goes is not sound.
    pub(crate) fn came_back(&mut self, now: u64) {
        if self.state != State::Closed {
            self.state = State::Open { until: now };
        }
    }

    fn open(&mut self, now: u64, policy: &Policy) {
        let doubled = policy.quarantine_ms.saturating_mul(1 << self.trips.min(30));
        self.state = State::Open { until: now.saturating_add(doubled.min(policy.quarantine_max_ms)) };
        self.trips = self.trips.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn three_failures_within_the_window_open_it_and_each_time_for_twice_as_long() {
        let policy = Policy::default();
        let mut breaker = Breaker::new();
        for at in [0, MINUTE, 11 * MINUTE] {
            breaker.failed(at, &policy);
        }
        assert!(breaker.is_closed(), "the first one is forgotten");
        breaker.failed(10 * MINUTE + 1, &policy);
        breaker.failed(11 * MINUTE, &policy);
        let mut now = 11 * MINUTE;
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(breaker.due_ms(), Some(now + expected * MINUTE));
            now += expected * MINUTE;
            assert!(!breaker.wake(now - 1, &policy));
            assert!(breaker.wake(now, &policy));
            breaker.probed(false, now, &policy);
        }
    }

    #[test]
    fn a_sound_probe_closes_it_and_many_good_spans_halve_the_next_time() {
        let policy = Policy { failures_max: 1, ..Policy::default() };
        let mut breaker = Breaker::new();
        breaker.failed(0, &policy);
        breaker.probed(true, 1, &policy);
        assert!(!breaker.is_closed(), "not asked yet");
        assert!(breaker.wake(MINUTE, &policy));
        breaker.probed(true, MINUTE, &policy);
        assert_eq!(breaker.shown(MINUTE, &policy), BreakerState::Closed { failures: 0 });
        for _ in 0..policy.forgive_spans {
            breaker.went_well(&policy);
        }
        breaker.failed(2 * MINUTE, &policy);
        assert_eq!(breaker.due_ms(), Some(3 * MINUTE), "as if for the first time");
    }

    #[test]
    fn a_probe_without_an_answer_has_failed() {
        let policy = Policy { failures_max: 1, ..Policy::default() };
        let mut breaker = Breaker::new();
        breaker.failed(0, &policy);
        assert!(breaker.wake(MINUTE, &policy));
        assert!(!breaker.wake(3 * MINUTE, &policy));
        assert_eq!(breaker.due_ms(), Some(5 * MINUTE));
    }
}
