//! How fast the fleet could be at best: an upper bound by linear programming.
//!
//! Given is work: so many spans of each shape, as much as was really done in a window. Let spans be cut as finely as one
//! likes, let each part run by any of its shape's ways at its true speed, let all devices of a kind be one large device,
//! and let nothing ever be in the wrong order. The least time `T` in which that work fits is
//!
//! ```text
//! minimise T   with   sum of parts of shape g = n_g,   and for each resource r:   use of r <= capacity of r * T
//! ```
//!
//! Every real schedule of the same work obeys these constraints and more, so none is done sooner: `T` over the window's
//! length is what part of the bound was reached. The program is solved by its dual. For any prices `p >= 0` whose sum
//! over the fleet's capacity is one,
//!
//! ```text
//! T >= sum over g of n_g * (the price of the cheapest way of g)
//! ```
//!
//! holds, whether the prices are good or not (weak duality). The prices come from multiplicative weights: what is
//! overloaded becomes dearer. Short of the optimum they give a smaller `T`, so the figure that is printed can only be too
//! low, never too high. The gap to a feasible fractional schedule is known and tested.

use crate::cost::Way;
use crate::fleet::{Amounts, DIMENSIONS, KINDS};
use crate::load::Shape;

/// Resources: each dimension of each kind, then each of the host.
const RESOURCES: usize = (KINDS.len() + 1) * DIMENSIONS;
/// The place of the host among the kinds.
const HOST: usize = KINDS.len();
/// Rounds of price changes; the gap goes down with their square root.
const ROUNDS: usize = 1500;

/// No weight falls below this: what has been cheap for long must be able to become dear soon.
const WEIGHT_LEAST: f64 = 1e-6;

/// Capacity of a fleet: of each kind, then of the host; in any unit of time that the work uses too.
pub type Capacity = [[f64; DIMENSIONS]; KINDS.len() + 1];

/// Spans of one shape.
#[derive(Clone, Copy, Default, Debug)]
pub struct Work {
    /// Sum of their sizes, where 1 is a span as the cost model has it.
    pub amount: f64,
    /// Sum of the time that they hold what they hold after their work, ms.
    pub slow_ms: f64,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Bound {
    /// No schedule needs less time than this.
    pub least: f64,
    /// A fractional schedule needs this much.
    pub feasible: f64,
    /// Price of a span of each shape, of size 1, in the unit of `least`.
    pub prices: Vec<f64>,
    /// Price of each resource for one unit of time.
    resources: [f64; RESOURCES],
}

impl Bound {
    /// The price of what a way holds for one unit of time: its part of the fleet.
    pub fn rate(&self, way: &Way) -> f64 {
        let of = |kind: usize, amounts: &Amounts| -> f64 {
            let places = amounts.iter().enumerate().filter(|(_, amount)| **amount > 0);
            places.map(|(d, amount)| self.resources[kind * DIMENSIONS + d] * *amount as f64).sum()
        };
        way.kind.map_or(0.0, |kind| of(kind, &way.device)) + of(HOST, &way.host)
    }
}

/// A way's use of resources: place, amount, and its time for a span of size 1.
struct Use {
    amounts: Vec<(usize, f64)>,
    run_ms: f64,
}

/// The bound for work, `work[g]` of `shapes[g]`; `fixed` is used of the host besides, in capacity times time.
pub fn bound(
    shapes: &[Shape],
    work: &[Work],
    bias: &[f64; KINDS.len()],
    capacity: &Capacity,
    fixed: &Amounts,
) -> Bound {
    let flat: Vec<f64> = capacity.iter().flatten().copied().collect();
    let uses: Vec<Vec<Use>> =
        shapes.iter().map(|shape| shape.ways.iter().map(|way| use_of(way, bias)).collect()).collect();
    let mut weights = [1.0; RESOURCES];
    let (mut mean_prices, mut mean_loads, mut counted) = ([0.0; RESOURCES], [0.0; RESOURCES], 0.0);
    for round in 0..ROUNDS {
        let prices = prices(&weights, &flat);
        let (cost, loads) = answer(&uses, work, &prices, &flat, fixed);
        let step = 0.5 / (1.0 + round as f64).sqrt() / cost.max(f64::MIN_POSITIVE);
        for place in 0..RESOURCES {
            weights[place] *= (step * loads[place]).min(3.0).exp();
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight = (*weight / sum).max(WEIGHT_LEAST));
        // Prices go to and fro about the right ones. Their mean is near these, once the first ones are forgotten.
        if round >= ROUNDS / 2 {
            (0..RESOURCES).for_each(|place| mean_prices[place] += prices[place]);
            (0..RESOURCES).for_each(|place| mean_loads[place] += loads[place]);
            counted += 1.0;
        }
    }
    let resources = mean_prices.map(|sum| sum / counted);
    let (least, _) = answer(&uses, work, &resources, &flat, fixed);
    let feasible = mean_loads.iter().fold(0.0, |most: f64, load| most.max(load / counted));
    let unit = Work { amount: 1.0, slow_ms: 0.0 };
    let price = |uses: &Vec<Use>| cheapest(uses, unit, &resources).map_or(0.0, |(cost, _)| cost);
    Bound { least, feasible, prices: uses.iter().map(price).collect(), resources }
}

/// What the work costs when each shape goes the way that is cheapest at these prices, and how full that makes each
/// resource.
fn answer(
    uses: &[Vec<Use>],
    work: &[Work],
    prices: &[f64; RESOURCES],
    capacity: &[f64],
    fixed: &Amounts,
) -> (f64, [f64; RESOURCES]) {
    let mut used = [0.0; RESOURCES];
    (0..DIMENSIONS).for_each(|d| used[HOST * DIMENSIONS + d] = fixed[d] as f64);
    let mut cost: f64 = (0..DIMENSIONS).map(|d| prices[HOST * DIMENSIONS + d] * fixed[d] as f64).sum();
    for (uses, work) in uses.iter().zip(work).filter(|(_, work)| work.amount > 0.0) {
        let Some((least, cheapest)) = cheapest(uses, *work, prices) else { continue };
        cost += least;
        let time = time_of(cheapest, *work);
        cheapest.amounts.iter().for_each(|(place, amount)| used[*place] += amount * time);
    }
    let load = |place: usize| if capacity[place] > 0.0 { used[place] / capacity[place] } else { 0.0 };
    (cost, std::array::from_fn(load))
}

fn use_of(way: &Way, bias: &[f64; KINDS.len()]) -> Use {
    let of = |kind: usize, amounts: &Amounts| {
        let places = amounts.iter().enumerate().filter(|(_, amount)| **amount > 0);
        places.map(|(d, amount)| (kind * DIMENSIONS + d, *amount as f64)).collect::<Vec<_>>()
    };
    let mut amounts = way.kind.map_or_else(Vec::new, |kind| of(kind, &way.device));
    amounts.extend(of(HOST, &way.host));
    Use { amounts, run_ms: way.run_ms as f64 * bias[way.speed_kind()] }
}

fn time_of(way: &Use, work: Work) -> f64 {
    way.run_ms * work.amount + work.slow_ms
}

fn cheapest<'a>(uses: &'a [Use], work: Work, prices: &[f64; RESOURCES]) -> Option<(f64, &'a Use)> {
    let cost =
        |way: &Use| way.amounts.iter().map(|(place, amount)| prices[*place] * amount).sum::<f64>() * time_of(way, work);
    uses.iter().map(|way| (cost(way), way)).min_by(|(one, _), (other, _)| one.total_cmp(other))
}

/// Prices that are worth one over the whole capacity. What there is none of has a price that nobody pays.
fn prices(weights: &[f64; RESOURCES], capacity: &[f64]) -> [f64; RESOURCES] {
    let worth: f64 = weights.iter().zip(capacity).filter(|(_, there)| **there > 0.0).map(|(weight, _)| weight).sum();
    std::array::from_fn(|place| match capacity[place] {
        there if there > 0.0 => weights[place] / worth / there,
        _ => f64::MAX / 1e100,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::capacity_of;
    use crate::fleet::Fleet;
    use crate::load::catalogue;

    #[test]
    fn the_bound_is_within_two_percent_of_a_schedule_and_grows_with_the_work() {
        let (shapes, fleet) = (catalogue(), Fleet::new(1000));
        let capacity = capacity_of(&fleet);
        let work = |times: f64| -> Vec<Work> {
            shapes.iter().map(|shape| Work { amount: 1e5 * shape.weight * times, slow_ms: 0.0 }).collect()
        };
        let one = bound(&shapes, &work(1.0), &[1.0; KINDS.len()], &capacity, &[0; DIMENSIONS]);
        let two = bound(&shapes, &work(2.0), &[1.0; KINDS.len()], &capacity, &[0; DIMENSIONS]);
        assert!(one.least > 0.0 && one.least <= one.feasible, "{one:?}");
        assert!(one.least > 0.98 * one.feasible, "{} {}", one.least, one.feasible);
        assert!((two.least / one.least - 2.0).abs() < 0.01);
    }

    #[test]
    fn one_resource_alone_gives_the_plain_quotient() {
        let (shapes, fleet) = (catalogue(), Fleet::new(100));
        let mut capacity = [[0.0; DIMENSIONS]; KINDS.len() + 1];
        capacity[HOST] = capacity_of(&fleet)[HOST];
        let mut work = vec![Work::default(); shapes.len()];
        work[0].amount = 10.0;
        let found = bound(&shapes, &work, &[1.0; KINDS.len()], &capacity, &[0; DIMENSIONS]);
        let way = shapes[0].ways.last().unwrap();
        let threads = crate::fleet::THREADS;
        let expected = 10.0 * way.run_ms as f64 * way.host[threads] as f64 / capacity[HOST][threads];
        assert!((found.least / expected - 1.0).abs() < 0.01, "{} {expected}", found.least);
    }
}
