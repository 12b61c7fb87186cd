//! Times that were measured, and what is told of them.

use std::time::Duration;

/// Times of one kind, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand do not exceed (nearest rank); zero where there is none.
    pub(crate) fn at(&self, permille: usize) -> Duration {
        let rank = (self.0.len() * permille).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn p50(&self) -> Duration {
        self.at(500)
    }

    pub(crate) fn p99(&self) -> Duration {
        self.at(990)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.at(1000)
    }
}

/// The middle one of some figures; of an even number, the larger of the two.
pub(crate) fn median<T: PartialOrd + Copy + Default>(figures: impl IntoIterator<Item = T>) -> T {
    let mut figures: Vec<T> = figures.into_iter().collect();
    figures.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// A time as the tables have it, ms.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest_and_medians_are_members() {
        let times = Times::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(times.p50(), Duration::from_millis(100));
        assert_eq!((times.p99(), times.longest()), (Duration::from_millis(198), Duration::from_millis(200)));
        assert_eq!(Times::default().p99(), Duration::ZERO);
        assert_eq!((median([3, 1, 2]), median([4, 1, 3, 2]), median::<u64>([])), (2, 3, 0));
    }
}
