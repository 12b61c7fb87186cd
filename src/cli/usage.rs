//! Amounts of usage and money, as people read them.

use crate::model::bill::OutputUsage;
use crate::report::text::{bytes, seconds};

/// A time in µs; `~` in front where it is estimated.
pub(super) fn seconds_of(us: Option<u64>, measured: bool) -> String {
    let about = if measured { "" } else { "~" };
    us.map_or_else(|| "unknown".to_owned(), |us| format!("{about}{}", seconds(us / 1000)))
}

/// A whole number of parts of which `unit` make one.
pub(super) fn amount(value: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Money.
pub(super) fn money(currency: &str, micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{} {currency}", amount(micros.unsigned_abs(), 1_000_000))
}

/// One line about what an output has cost.
pub(super) fn line(usage: &OutputUsage) -> String {
    let cpu = usage.cpu_us().map(|figure| figure.value);
    let mut text = format!("used: CPU {}", seconds_of(cpu, true));
    match usage.device_us() {
        Some(figure) if figure.value > 0 => {
            text += &format!(", device {}", seconds_of(Some(figure.value), figure.method.is_measured()));
        }
        Some(_) => {}
        None => text += ", device unknown",
    }
    if let Some(figure) = usage.memory_peak_bytes {
        text += &format!(", memory {}", bytes(figure.value));
    }
    if let Some(figure) = usage.normalised_milliminutes {
        text += &format!(", {} normalised minutes", amount(figure.value, 1000));
    }
    if let Some(cost) = &usage.cost {
        text += &format!(", {}", money(&cost.currency, cost.micros));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_no_more_digits_than_they_need() {
        assert_eq!(
            (amount(12_340, 1000), amount(5, 1000), amount(3000, 1000)),
            ("12.34".into(), "0.005".into(), "3".into())
        );
        assert_eq!(money("EUR", -1_500_000), "-1.5 EUR");
        assert_eq!((seconds_of(None, true), seconds_of(Some(1_500_000), false)), ("unknown".into(), "~1.5 s".into()));
        assert_eq!(line(&OutputUsage::default()), "used: CPU 0.0 s");
    }
}
