//! Whole shares of a whole.

/// `amount` by these weights: each gets its part rounded down, and what is left goes one by one to those with the largest
/// remainders, the first of equals first. The parts add up to `amount` exactly; where no weight is over 0, all are equal.
/// Nobody to share: nothing.
pub fn split(amount: u64, weights: &[u64]) -> Vec<u64> {
    if weights.iter().all(|weight| *weight == 0) {
        return if weights.is_empty() { Vec::new() } else { split(amount, &vec![1; weights.len()]) };
    }
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let exact = |weight: &u64| u128::from(amount) * u128::from(*weight);
    // At most `amount`, so that it fits.
    let mut parts: Vec<u64> = weights.iter().map(|weight| (exact(weight) / total) as u64).collect();
    let left = amount - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % total));
    for at in order.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        parts[at] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_and_the_largest_remainders_get_the_rest() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(100, &[2_073_600, 921_600, 409_920]), [61, 27, 12]);
        assert_eq!(split(7, &[0, 0]), [4, 3]);
        assert_eq!(split(7, &[0, 3]), [0, 7]);
        assert_eq!(split(u64::MAX, &[u64::MAX, u64::MAX]), [u64::MAX / 2 + 1, u64::MAX / 2]);
        assert!(split(7, &[]).is_empty());
    }

    #[test]
    fn shares_always_add_up() {
        for _ in 0..10_000 {
            let weights: Vec<u64> =
                (0..fastrand::usize(1..40)).map(|_| fastrand::u64(..) >> fastrand::u32(..64)).collect();
            let amount = fastrand::u64(..) >> fastrand::u32(..64);
            let parts = split(amount, &weights);
            assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(amount), "{weights:?}");
            assert_eq!(parts.len(), weights.len());
        }
    }
}
