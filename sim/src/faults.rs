//! What goes wrong on a day: which faults are switched on, and when each strikes, from the seed alone.

use crate::fleet::{ENCODE, Fleet, KINDS, SESSIONS};
use crate::rng::{Rng, mix};

/// Which faults there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// Devices go and come back.
    pub loss: bool,
    /// Some spans hold their lease longer, for their output is slow to take.
    pub slow_sinks: bool,
    /// Real run times are 0.25 to 4 times what the cost model says, by kind, and scatter by span.
    pub wrong_costs: bool,
    /// Some devices fail all they encode at once; half of these pass their probes all the same.
    pub black_holes: bool,
    /// Some drivers take fewer sessions than declared.
    pub short_caps: bool,
    /// Some jobs are cancelled, some lost with whoever ran them.
    pub cancels: bool,
}

/// Every fault's name on the command line, in the order of the fields.
pub const FAULT_NAMES: [&str; 6] = ["loss", "slow-sinks", "wrong-costs", "black-holes", "short-caps", "cancels"];

impl Faults {
    /// All of them.
    pub const ALL: Self = Self::each(true);
    /// None of them.
    pub const NONE: Self = Self::each(false);

    const fn each(on: bool) -> Self {
        Self { loss: on, slow_sinks: on, wrong_costs: on, black_holes: on, short_caps: on, cancels: on }
    }

    /// `all`, `none`, or names with commas between; `Err` with the name that is not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        let mut faults = Self::NONE;
        for name in text.split(',') {
            match name {
                "loss" => faults.loss = true,
                "slow-sinks" => faults.slow_sinks = true,
                "wrong-costs" => faults.wrong_costs = true,
                "black-holes" => faults.black_holes = true,
                "short-caps" => faults.short_caps = true,
                "cancels" => faults.cancels = true,
                other => return Err(format!("no fault is called `{other}`; there are {}", FAULT_NAMES.join(", "))),
            }
        }
        Ok(faults)
    }
}

/// Something that strikes a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strike {
    /// It is gone; what runs on it fails.
    Lost,
    /// It is back.
    Back,
    /// From now on it fails what it encodes.
    Hole {
        /// It passes probes all the same.
        probes_pass: bool,
    },
    /// It encodes again.
    Mended,
}

/// What chance has in store for a fleet.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Time, device and what strikes it, in order.
    pub strikes: Vec<(u64, u32, Strike)>,
    /// Sessions that each device's driver really takes.
    pub sessions: Vec<u64>,
    /// By kind, how many times longer than by the cost model a span takes; of software for [`crate::fleet::CPU_NODE`].
    pub bias: [f64; KINDS.len()],
}

const HOUR_MS: f64 = 3_600_000.0;
/// Of a thousand devices with sessions, how many take fewer than declared, and how many of a hundred those take.
const SHORT_CAPS_PER_MILLE: usize = 20;
const SHORT_CAP_PERCENT: u64 = 60;

impl Fate {
    /// For a fleet until `end_ms`. On a day a device is lost with probability 1/5 and becomes a black hole with 1/250;
    /// within a shorter time no less happens, so that an hour's run meets every fault too.
    pub fn new(seed: u64, fleet: &Fleet, faults: Faults, end_ms: u64) -> Self {
        let mut rng = Rng::new(seed, 2);
        let mut strikes = Vec::new();
        let mut sessions = Vec::with_capacity(fleet.kinds.len());
        let days = end_ms as f64 / (24.0 * HOUR_MS);
        let hurry = days.min(1.0);
        for (device, kind) in (0_u32..).zip(&fleet.kinds) {
            let declared = KINDS[*kind].capacity[SESSIONS];
            let short = faults.short_caps && declared > 0 && rng.below(1000) < SHORT_CAPS_PER_MILLE;
            sessions.push(if short { declared * SHORT_CAP_PERCENT / 100 } else { declared });
            let mut at = rng.exponential(5.0 * 24.0 * HOUR_MS * hurry);
            while faults.loss && at < end_ms as f64 {
                let back = at + rng.range(5.0, 120.0) * 60_000.0 * hurry.max(0.2);
                strikes.push((at as u64, device, Strike::Lost));
                strikes.push((back as u64, device, Strike::Back));
                at = back + rng.exponential(5.0 * 24.0 * HOUR_MS * hurry);
            }
            let becomes_hole = rng.chance(if end_ms as f64 > 6.0 * HOUR_MS { 0.004 * days } else { 0.03 });
            if faults.black_holes && KINDS[*kind].capacity[ENCODE] > 0 && becomes_hole {
                let at = rng.range(0.1, 0.8) * end_ms as f64;
                let mended = at + rng.range(1.0, 3.0) * HOUR_MS * hurry.max(0.2);
                strikes.push((at as u64, device, Strike::Hole { probes_pass: rng.chance(0.5) }));
                strikes.push((mended as u64, device, Strike::Mended));
            }
        }
        strikes.sort_unstable();
        let bias = std::array::from_fn(|_| if faults.wrong_costs { 4.0_f64.powf(rng.range(-1.0, 1.0)) } else { 1.0 });
        Self { strikes, sessions, bias }
    }
}

/// What a span is like, whatever runs it and however often.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// How much more, or less, work it is than the cost model's, besides the kind's bias.
    pub factor: f64,
    /// How long its output keeps the lease after the work, ms.
    pub slow_ms: f64,
}

impl Content {
    /// Of a span of a job, with this run time by the cost model.
    pub fn of(seed: u64, job: u64, span: u32, run_ms: u64, faults: Faults) -> Self {
        let mut rng = Rng::new(seed ^ mix(job), 0x100 + u64::from(span));
        let scatter = rng.normal().clamp(-2.5, 2.5);
        let factor = if faults.wrong_costs { (0.3 * scatter).exp() } else { 1.0 };
        let slow = rng.chance(0.03);
        let longer = rng.range(0.5, 3.0);
        let slow_ms = if faults.slow_sinks && slow { longer * run_ms as f64 } else { 0.0 };
        Self { factor, slow_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_is_off_does_not_happen_and_all_do_within_an_hour_when_on() {
        let fleet = Fleet::new(200);
        let quiet = Fate::new(1, &fleet, Faults::NONE, 3_600_000);
        assert!(quiet.strikes.is_empty() && quiet.bias.iter().all(|bias| *bias == 1.0));
        let fate = Fate::new(1, &fleet, Faults::ALL, 3_600_000);
        assert!(fate.strikes.iter().any(|(_, _, strike)| *strike == Strike::Lost));
        assert!(fate.strikes.iter().any(|(_, _, strike)| matches!(strike, Strike::Hole { .. })));
        assert!(fate.bias.iter().all(|bias| (0.25..=4.0).contains(bias)));
        assert_ne!(fate.sessions, quiet.sessions);
    }

    #[test]
    fn faults_are_named_one_by_one() {
        let some = Faults::parse("loss,cancels").unwrap();
        assert!(some.loss && some.cancels && !some.black_holes);
        assert_eq!(Faults::parse(&FAULT_NAMES.join(",")), Ok(Faults::ALL));
        assert!(Faults::parse("gremlins").unwrap_err().contains("gremlins"));
    }
}
