//! How fairly owners are served: Jain's index over what each got against its max-min fair share.
//!
//! Time is cut into hours. What an owner could have used in an hour, in one class, is what was done for it and what lay
//! waiting all through the hour. What was done for all is shared out among them max-min fairly (everybody gets the same,
//! but nobody more than it could have used), which gives each its due. Over the day, an owner's ratio is what it got over
//! its due, and the index is `(sum of ratios)^2 / (n * sum of squares)`: 1 when all are served alike, 1/n when one gets
//! all. Work is weighed by its price at the bound, that is by the part of the whole fleet that it is worth, whichever of
//! the resources it is dominated by.

use crate::figures::CLASSES;
use crate::load::OWNERS;

/// One owner in one class.
#[derive(Clone, Copy, Default, Debug)]
struct Account {
    /// Work that waits or runs.
    backlog: f64,
    /// The same when the hour began.
    before: f64,
    /// Work done in the hour.
    done: f64,
    /// What it got, and what was due to it, in all hours.
    got: f64,
    due: f64,
}

/// Every owner in every class.
#[derive(Clone, Debug)]
pub struct Fairness {
    accounts: Vec<[Account; OWNERS]>,
}

impl Default for Fairness {
    fn default() -> Self {
        Self { accounts: vec![[Account::default(); OWNERS]; CLASSES] }
    }
}

impl Fairness {
    /// An owner wants work done.
    pub fn wants(&mut self, class: usize, owner: usize, work: f64) {
        self.accounts[class][owner].backlog += work;
    }

    /// An owner no longer wants it.
    pub fn leaves(&mut self, class: usize, owner: usize, work: f64) {
        self.accounts[class][owner].backlog -= work;
    }

    /// It was done.
    pub fn did(&mut self, class: usize, owner: usize, work: f64) {
        let account = &mut self.accounts[class][owner];
        account.backlog -= work;
        account.done += work;
    }

    /// All work that waits or runs.
    pub fn backlog(&self) -> f64 {
        self.accounts.iter().flatten().map(|account| account.backlog).sum()
    }

    /// An hour is over.
    pub fn hour(&mut self) {
        for class in &mut self.accounts {
            let demand = class.map(|account| account.done + account.before.min(account.backlog).max(0.0));
            let level = water_level(&demand, class.iter().map(|account| account.done).sum());
            for (account, demand) in class.iter_mut().zip(demand) {
                account.got += account.done;
                account.due += demand.min(level);
                (account.before, account.done) = (account.backlog, 0.0);
            }
        }
    }

    /// Jain's index over the owners of a class; 1 where there is none.
    pub fn index(&self, class: usize) -> f64 {
        let due: f64 = self.accounts[class].iter().map(|account| account.due).sum();
        // Who asked for next to nothing would only add noise.
        let counted = self.accounts[class].iter().filter(|account| account.due > due * 1e-5);
        jain(&counted.map(|account| account.got / account.due).collect::<Vec<_>>())
    }
}

/// Jain's index of fairness.
fn jain(ratios: &[f64]) -> f64 {
    let sum: f64 = ratios.iter().sum();
    let squares: f64 = ratios.iter().map(|ratio| ratio * ratio).sum();
    if squares > 0.0 { sum * sum / (ratios.len() as f64 * squares) } else { 1.0 }
}

/// The level to which all are filled when `supply` is shared out and nobody takes more than its demand.
fn water_level(demand: &[f64], supply: f64) -> f64 {
    let mut sorted = demand.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut left = supply;
    for (at, demand) in sorted.iter().enumerate() {
        let rest = (sorted.len() - at) as f64;
        if demand * rest >= left {
            return left / rest;
        }
        left -= demand;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equal_shares_and_one_over_n_for_one_taker() {
        assert!((jain(&[1.0, 1.0, 1.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!((jain(&[4.0, 0.0, 0.0, 0.0]) - 0.25).abs() < 1e-12);
        assert!((water_level(&[1.0, 10.0, 10.0], 9.0) - 4.0).abs() < 1e-12);
        assert_eq!(water_level(&[1.0, 2.0], 5.0), f64::INFINITY);
    }

    #[test]
    fn one_who_wants_little_and_gets_it_is_served_as_well_as_one_who_wants_much() {
        let mut fair = Fairness::default();
        for owner in 0..3 {
            fair.wants(1, owner, 100.0);
        }
        fair.wants(1, 3, 1.0);
        fair.hour();
        let mut unfair = fair.clone();
        fair.did(1, 3, 1.0);
        (0..3).for_each(|owner| fair.did(1, owner, 10.0));
        fair.hour();
        assert!(fair.index(1) > 0.999, "{}", fair.index(1));
        unfair.did(1, 0, 31.0);
        unfair.hour();
        assert!(unfair.index(1) < 0.3, "{}", unfair.index(1));
    }
}
