//! Amounts of named dimensions: what there is, and what a span needs.

use std::borrow::Cow;
use std::fmt;

/// The name of one thing there is a limited amount of: `cpu.threads`, `gpu0.encode_sessions`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dimension(Cow<'static, str>);

/// Threads that run at the same time on the CPU.
pub const CPU_THREADS: Dimension = Dimension::named("cpu.threads");

/// Memory of the host, MiB.
pub const HOST_MEMORY_MIB: Dimension = Dimension::named("ram.mib");
/// Encode sessions that NVIDIA's driver allows over all cards of the host that it does not license without limit.
pub const NVENC_SESSIONS: Dimension = Dimension::named("nvenc.sessions");
/// Time of a device's encode engines, thousandths of one engine.
pub const ENCODE_SHARE: Dimension = Dimension::named("device.encode_share");
/// Time of a device's decode engines, thousandths of one engine.
pub const DECODE_SHARE: Dimension = Dimension::named("device.decode_share");
/// Memory of a device, MiB.
pub const DEVICE_MEMORY_MIB: Dimension = Dimension::named("device.memory_mib");

impl Dimension {
    /// A dimension known at compile time.
    pub const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl From<String> for Dimension {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount for each dimension; one that is not named is zero.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Vector(
    /// In order of name, none of them zero. A handful at most, so that a list is faster than a map.
    Vec<(Dimension, u64)>,
);

impl Vector {
    /// A vector of one dimension.
    pub fn of(dimension: Dimension, amount: u64) -> Self {
        Self::default().with(dimension, amount)
    }

    /// The same vector with one dimension set.
    #[must_use]
    pub fn with(mut self, dimension: Dimension, amount: u64) -> Self {
        self.set(&dimension, amount);
        self
    }

    /// The amount of one dimension.
    pub fn get(&self, dimension: &Dimension) -> u64 {
        self.find(dimension).map_or(0, |at| self.0[at].1)
    }

    /// The dimensions that are not zero, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Dimension, u64)> {
        self.0.iter().map(|(dimension, amount)| (dimension, *amount))
    }

    /// Whether every dimension is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, dimension: &Dimension) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name.cmp(dimension))
    }

    fn set(&mut self, dimension: &Dimension, amount: u64) {
        match (self.find(dimension), amount) {
            (Ok(at), 0) => {
                self.0.remove(at);
            }
            (Ok(at), _) => self.0[at].1 = amount,
            (Err(_), 0) => {}
            (Err(at), _) => self.0.insert(at, (dimension.clone(), amount)),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (dimension, amount) in other.iter() {
            let sum = self.get(dimension).saturating_add(amount);
            self.set(dimension, sum);
        }
    }

    /// Takes `other` away; what would be negative becomes zero.
    pub(crate) fn remove(&mut self, other: &Self) {
        for (dimension, amount) in other.iter() {
            let left = self.get(dimension).saturating_sub(amount);
            self.set(dimension, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_away_what_was_added_leaves_the_same_vector() {
        let before = Vector::of(CPU_THREADS, 3).with(Dimension::from("ram.bytes".to_owned()), 0);
        let mut after = before.clone();
        let other = Vector::of(CPU_THREADS, 2).with(Dimension::named("gpu0.encode_sessions"), 1);
        after.add(&other);
        assert_eq!(after.get(&CPU_THREADS), 5);
        after.remove(&other);
        assert_eq!(after, before);
    }
}
