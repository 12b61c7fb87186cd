//! Engines that are busy for as long as their pictures take. A session is never on two of them at once, and waits for the
//! one that is free first, so that sessions share them picture by picture.

use std::time::Duration;

/// How far an engine's work may lie behind the clock: what a sleep that lasted too long may make up for.
pub(super) const BURST: Duration = Duration::from_millis(20);

/// The engines of one device for one operation.
#[derive(Debug)]
pub(super) struct Engines(Vec<Duration>);

impl Engines {
    pub(super) fn new(count: u32) -> Self {
        Self(vec![Duration::ZERO; count.max(1) as usize])
    }

    /// Takes an engine for a picture that costs `cost`, for a session whose last picture is done at `free_at`. When it
    /// is done.
    pub(super) fn take(&mut self, now: Duration, free_at: Duration, cost: Duration) -> Duration {
        let earliest = now.saturating_sub(BURST).max(free_at);
        let Some(engine) = self.0.iter_mut().min() else { return now };
        *engine = earliest.max(*engine) + cost;
        *engine
    }
}

/// How long an engine of this rate takes for so many pixels.
pub(super) fn cost(pixels: u64, rate: u64, factor: u32) -> Duration {
    let nanos = u128::from(pixels) * 1_000_000_000 * u128::from(factor) / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
