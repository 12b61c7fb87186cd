//! Captions in the order in which their pictures are shown; packets come in that in which they are decoded.

use super::carrier::Triplet;
use std::collections::VecDeque;

/// Most pictures that wait for others: codecs let sixteen be shown later than they are decoded (ISO/IEC 14496-10 §A.3.1), of
/// two fields each.
const WAITING_MAX: usize = 32;

/// Pictures whose turn has not come.
#[derive(Default, Debug)]
pub(crate) struct Order {
    /// By when they are shown.
    waiting: VecDeque<(i64, Vec<Triplet>)>,
    last: Option<i64>,
}

impl Order {
    /// Takes what a picture has that is shown at `pts` and was decoded at `dts`, ticks, and gives those whose turn it is: no
    /// picture is shown before it is decoded, so none comes any more that is shown before this one's decoding.
    pub(crate) fn push(
        &mut self,
        (pts, dts): (Option<i64>, Option<i64>),
        triplets: Vec<Triplet>,
    ) -> Vec<(i64, Vec<Triplet>)> {
        // The second field of a picture may have no time of its own.
        let Some(at) = pts.or(dts).or(self.last) else { return Vec::new() };
        self.last = Some(at);
        let place = self.waiting.partition_point(|(other, _)| *other <= at);
        self.waiting.insert(place, (at, triplets));
        let due = self.waiting.partition_point(|(at, _)| dts.is_some_and(|dts| *at <= dts));
        let over = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..due.max(over)).collect()
    }

    /// Those that are left.
    pub(crate) fn finish(&mut self) -> Vec<(i64, Vec<Triplet>)> {
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_as_they_are_shown_and_as_soon_as_may_be() {
        let mut order = Order::default();
        let mut given = Vec::new();
        // I B B P as decoded: I0 P3 B1 B2 P6 B4 B5, decoding times two pictures ahead.
        for (dts, pts) in [(-2, 0), (-1, 3), (0, 1), (1, 2), (2, 6), (3, 4), (4, 5)] {
            let out = order.push((Some(pts), Some(dts)), vec![[0xfc, pts as u8, 0]]);
            assert!(out.iter().all(|(at, _)| *at <= dts), "{out:?} at {dts}");
            given.extend(out.into_iter().map(|(at, triplets)| (at, triplets[0][1])));
        }
        assert_eq!(given, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(order.finish().len(), 2);
    }

    #[test]
    fn pictures_without_times_follow_the_last_and_do_not_pile_up() {
        let mut order = Order::default();
        assert!(order.push((None, None), Vec::new()).is_empty(), "nothing is known of when");
        order.push((Some(5), None), vec![[0xfc, 1, 0]]);
        order.push((None, None), vec![[0xfc, 2, 0]]);
        assert_eq!(order.finish(), [(5, vec![[0xfc, 1, 0]]), (5, vec![[0xfc, 2, 0]])]);
        let given: usize = (0..100).map(|at| order.push((Some(at), None), Vec::new()).len()).sum();
        assert_eq!(given, 100 - WAITING_MAX);
    }
}
