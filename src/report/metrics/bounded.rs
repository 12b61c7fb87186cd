//! Label values that come from outside, as many as there may be: a value that is one too many is called `other`, for as
//! long as the process lives, so that whatever a client or a driver says, the number of series has an end.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Devices: more than any box holds, with room for cards that are swapped while the daemon runs.
pub(super) const DEVICES_MAX: usize = 64;
/// Dimensions and engines: the scheduler has a dozen.
pub(super) const DIMENSIONS_MAX: usize = 32;
/// Abilities: stage and codec, some twenty of them.
pub(super) const ABILITIES_MAX: usize = 64;
/// Encoders and codecs, audio among them.
pub(super) const CODECS_MAX: usize = 16;
/// Calls of the API.
pub(super) const METHODS_MAX: usize = 64;
/// Operations of the store.
pub(super) const OPERATIONS_MAX: usize = 64;
/// What all values beyond the limit are called.
pub(super) const OTHER: &str = "other";

/// What has been seen of each label.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    devices: Seen,
    dimensions: Seen,
    abilities: Seen,
    codecs: Seen,
    methods: Seen,
    operations: Seen,
    owners: Seen,
}

impl Bounded {
    pub(super) fn device(&self, value: &str) -> String {
        self.devices.value(value, DEVICES_MAX)
    }

    pub(super) fn dimension(&self, value: &str) -> String {
        self.dimensions.value(value, DIMENSIONS_MAX)
    }

    pub(super) fn ability(&self, value: &str) -> String {
        self.abilities.value(value, ABILITIES_MAX)
    }

    pub(super) fn codec(&self, value: &str) -> String {
        self.codecs.value(value, CODECS_MAX)
    }

    pub(super) fn method(&self, value: &str) -> String {
        self.methods.value(value, METHODS_MAX)
    }

    pub(super) fn operation(&self, value: &str) -> String {
        self.operations.value(value, OPERATIONS_MAX)
    }

    pub(super) fn owner(&self, value: &str, max: usize) -> String {
        self.owners.value(value, max)
    }
}

#[derive(Debug, Default)]
struct Seen(Mutex<BTreeSet<String>>);

impl Seen {
    fn value(&self, value: &str, max: usize) -> String {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(value) {
            if seen.len() >= max {
                return OTHER.to_owned();
            }
            seen.insert(value.to_owned());
        }
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_limit_are_others_and_early_ones_stay() {
        let bounded = Bounded::default();
        for number in 0..1000 {
            let device = bounded.device(&format!("cuda:{number}"));
            assert_eq!(device == OTHER, number >= DEVICES_MAX, "{number}: {device}");
        }
        assert_eq!(bounded.device("cuda:3"), "cuda:3");
        assert_eq!((bounded.owner("a", 1), bounded.owner("b", 1)), ("a".into(), OTHER.into()));
    }
}
