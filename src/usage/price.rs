//! From figures to money, in whole numbers.

use crate::model::bill::{Cost, OutputUsage};
use crate::model::usage::Figure;
use std::collections::BTreeMap;

/// What things cost: billionths of the currency's unit for one of each. 0 is free.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prices {
    /// ISO 4217.
    pub currency: String,
    /// A second of CPU time.
    pub cpu_second: u64,
    /// A second of an engine of a device, by kind (`cuda`) or model (`nvidia-l4`). `other`: of every other.
    pub device_second: BTreeMap<String, u64>,
    /// A kilowatt-hour of devices above idle.
    pub device_kwh: u64,
    /// 10^9 bytes read of sources.
    pub read_gb: u64,
    /// 10^9 bytes stored.
    pub stored_gb: u64,
    /// A normalised minute.
    pub normalised_minute: u64,
}

/// Millijoules in a kilowatt-hour.
const KWH_MJ: u128 = 3_600_000_000;
/// Billionths in a millionth.
const NANOS: u128 = 1000;

impl Prices {
    /// What an output costs, `seconds` being its busy time of devices, µs, by names of the device, most special first.
    pub fn cost(&self, usage: &OutputUsage, seconds: &[(Vec<String>, Figure)]) -> Cost {
        let mut sum = Sum { nanos: 0, measured: true };
        sum.add(self.cpu_second, usage.cpu_us(), 1_000_000);
        for (names, busy) in seconds {
            sum.add(self.of_device(names), Some(*busy), 1_000_000);
        }
        if !self.device_second.is_empty() && usage.device_us().is_none() {
            sum.measured = false;
        }
        sum.add(self.device_kwh, usage.energy_mj, KWH_MJ);
        sum.add(self.read_gb, usage.read_bytes, 1_000_000_000);
        sum.add(self.stored_gb, usage.stored_bytes, 1_000_000_000);
        sum.add(self.normalised_minute, usage.normalised_milliminutes, 1000);
        let micros = (sum.nanos + NANOS / 2) / NANOS;
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        Cost { currency: self.currency.clone(), micros, measured: sum.measured }
    }

    fn of_device(&self, names: &[String]) -> u64 {
        let found = names.iter().map(String::as_str).chain(["other"]).find_map(|name| self.device_second.get(name));
        found.copied().unwrap_or(0)
    }
}

struct Sum {
    nanos: u128,
    measured: bool,
}

impl Sum {
    /// Adds an amount at a price for `unit` of it. What is not known costs nothing, and the sum says so.
    fn add(&mut self, price: u64, figure: Option<Figure>, unit: u128) {
        if price == 0 {
            return;
        }
        self.measured &= figure.is_some_and(|figure| figure.method.is_measured());
        let amount = figure.map_or(0, |figure| u128::from(figure.value));
        self.nanos = self.nanos.saturating_add(amount * u128::from(price) / unit);
    }
}
