//! Durations as XML Schema writes them.

/// An `xs:duration` in seconds from microseconds, without needless zeros; what is negative is zero.
pub(super) fn duration(us: i64) -> String {
    let us = us.max(0);
    let (whole, part) = (us / 1_000_000, us % 1_000_000);
    if part == 0 {
        return format!("PT{whole}S");
    }
    let decimals = format!("{part:06}");
    format!("PT{whole}.{}S", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_no_needless_zeros() {
        assert_eq!(duration(0), "PT0S");
        assert_eq!(duration(4_000_000), "PT4S");
        assert_eq!(duration(12_012_000), "PT12.012S");
        assert_eq!(duration(1), "PT0.000001S");
        assert_eq!(duration(-5), "PT0S");
    }
}
