//! Chance that can be had again: one seed, one sequence. SplitMix64, and the distributions that the load needs.

use std::f64::consts::TAU;

/// A generator of pseudo-random numbers. Streams of different seeds are independent enough for a simulation.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

/// The finaliser of SplitMix64: every bit of the input changes half of the output's.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Rng {
    /// The stream of a seed and a purpose: what one purpose draws does not move what another one gets.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self { state: mix(seed ^ mix(purpose.wrapping_add(0x9E37_79B9_7F4A_7C15))) }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [from, to).
    pub fn range(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Uniform in 0..count; 0 for an empty range.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponential with this mean: the gaps of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// Pareto: heavy-tailed from `least` on, the heavier the smaller `shape`.
    pub fn pareto(&mut self, least: f64, shape: f64) -> f64 {
        least / (1.0 - self.unit()).powf(1.0 / shape)
    }

    /// An index, by weights that have been summed up.
    pub fn pick(&mut self, cumulative: &[f64]) -> usize {
        let total = cumulative.last().copied().unwrap_or(0.0);
        let at = self.unit() * total;
        cumulative.partition_point(|sum| *sum <= at).min(cumulative.len().saturating_sub(1))
    }
}

/// Weights summed up, as [`Rng::pick`] takes them.
pub fn cumulative(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |weight: f64| {
        sum += weight;
        sum
    };
    weights.into_iter().map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_and_another_one_does_not() {
        let draw = |seed, purpose| {
            let mut rng = Rng::new(seed, purpose);
            [rng.bits(), rng.bits(), rng.bits()]
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn distributions_have_their_means() {
        let mut rng = Rng::new(1, 0);
        let mut mean = |draw: fn(&mut Rng) -> f64| (0..100_000).map(|_| draw(&mut rng)).sum::<f64>() / 100_000.0;
        assert!((mean(Rng::unit) - 0.5).abs() < 0.01);
        assert!((mean(|rng| rng.exponential(3.0)) - 3.0).abs() < 0.1);
        assert!(mean(Rng::normal).abs() < 0.02);
        assert!((mean(|rng| rng.pareto(1.0, 3.0)) - 1.5).abs() < 0.05);
        assert!((mean(|rng| rng.pick(&cumulative([1.0, 0.0, 1.0])) as f64) - 1.0).abs() < 0.02);
    }
}
