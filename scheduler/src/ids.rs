//! Maps from the numbers by which the caller names things. To look one up takes the same time however many there are, and
//! nothing is ever gone through in the order of such a map, so that what is decided does not depend on it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map that is only looked up in.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The same in every process. The caller chooses the numbers, nobody else does, so it need not withstand malice.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // An odd factor keeps different numbers different; the fold brings the mixed upper half to where it is looked at.
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_and_numbers_far_apart_are_found_again() {
        let mut map = IdMap::default();
        for number in (0..1000_u64).chain([u64::MAX, 1 << 40, 1 << 63]) {
            map.insert(number, number);
        }
        assert_eq!(map.len(), 1003);
        assert!(map.iter().all(|(key, value)| key == value));
        let hash = |number: u64| {
            let mut hasher = IdHasher::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        assert_ne!(hash(1) >> 57, hash(2) >> 57, "the uppermost bits tell neighbours apart too");
    }
}
