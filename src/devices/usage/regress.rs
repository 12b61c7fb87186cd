//! Learns what kinds of work really cost, from sums alone: normalised least mean squares.
//!
//! Each observation says how much of each kind there was, at its expected cost, and what all of it cost together. Every
//! observation corrects the kinds in proportion to how much of them there was; where mixes differ, kinds come apart; where
//! they never do, the sum is right and the parts stay in the proportion that they were expected in.

use std::collections::BTreeMap;

/// How much of what is off one observation corrects.
const STEP: f64 = 0.3;
/// Observations after which a kind counts as known.
const KNOWN: u32 = 3;

/// What kinds of work cost, as a multiple of what they were expected to.
#[derive(Clone, Debug)]
pub(super) struct Regress<K> {
    factors: BTreeMap<K, (f64, u32)>,
    /// No factor is smaller, or larger.
    bounds: (f64, f64),
    /// What a kind is believed to be before anything was seen; `None`: what the first observation says of all.
    prior: Option<f64>,
}

impl<K: Ord + Clone> Regress<K> {
    pub(super) const fn new(bounds: (f64, f64), prior: Option<f64>) -> Self {
        Self { factors: BTreeMap::new(), bounds, prior }
    }

    /// The multiple for a kind, as far as it is known.
    pub(super) fn factor(&self, kind: &K) -> f64 {
        self.factors.get(kind).map_or(self.prior.unwrap_or(1.0), |(factor, _)| *factor)
    }

    /// Whether a kind was seen often enough.
    pub(super) fn is_known(&self, kind: &K) -> bool {
        self.factors.get(kind).is_some_and(|(_, seen)| *seen >= KNOWN)
    }

    /// All that was done, at its expected cost, cost so much.
    pub(super) fn learn(&mut self, expected: &BTreeMap<K, f64>, found: f64) {
        let total: f64 = expected.values().sum();
        let square: f64 = expected.values().map(|amount| amount * amount).sum();
        if !found.is_finite() || found < 0.0 || !square.is_normal() {
            return;
        }
        let first = self.prior.unwrap_or(found / total).clamp(self.bounds.0, self.bounds.1);
        for kind in expected.keys() {
            self.factors.entry(kind.clone()).or_insert((first, 0));
        }
        let believed: f64 = expected.iter().map(|(kind, amount)| self.factor(kind) * amount).sum();
        for (kind, amount) in expected.iter().filter(|(_, amount)| **amount > 0.0) {
            if let Some((factor, seen)) = self.factors.get_mut(kind) {
                *factor += STEP * (found - believed) * amount / square;
                *factor = factor.clamp(self.bounds.0, self.bounds.1);
                *seen = seen.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_apart_where_mixes_differ_and_bounds_hold() {
        let mut costs = Regress::new((0.25, 4.0), Some(1.0));
        let mix = |h264: f64, hevc: f64| BTreeMap::from([("h264", h264), ("hevc", hevc)]);
        for _ in 0..40 {
            costs.learn(&mix(1.0, 0.2), 1.5 + 0.1);
            costs.learn(&mix(0.1, 1.0), 0.15 + 0.5);
        }
        assert!((costs.factor(&"h264") - 1.5).abs() < 0.02, "{costs:?}");
        assert!((costs.factor(&"hevc") - 0.5).abs() < 0.02, "{costs:?}");
        assert!(costs.is_known(&"h264") && !costs.is_known(&"av1"));
        for _ in 0..40 {
            costs.learn(&mix(1.0, 0.0), 100.0);
        }
        assert_eq!(costs.factor(&"h264"), 4.0);
        costs.learn(&mix(0.0, 0.0), 1.0);
        costs.learn(&mix(1.0, 0.0), f64::NAN);
        assert_eq!(costs.factor(&"h264"), 4.0);
    }
}
