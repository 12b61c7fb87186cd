//! Finds devices with enough room without looking at each: a tree over the devices of one kind whose inner nodes hold the
//! most that any device below has free of each dimension.

/// The tree. A leaf is a device by its position, or empty; every leaf and node holds one amount for each dimension.
#[derive(Clone, Default, Debug)]
pub(crate) struct Rooms {
    width: usize,
    /// A power of two, or none.
    leaves: usize,
    /// Node `n` at `n * width`; its children are `2n` and `2n + 1`, the root is 1, and leaf `l` is `leaves + l`.
    most: Vec<u64>,
}

impl Rooms {
    /// A tree with room for so many leaves of so many dimensions, all zero.
    pub(crate) fn new(leaves: usize, width: usize) -> Self {
        let leaves = leaves.next_power_of_two();
        Self { width, leaves, most: vec![0; 2 * leaves * width] }
    }

    /// Whether leaves and dimensions of these numbers fit.
    pub(crate) fn holds(&self, leaves: usize, width: usize) -> bool {
        leaves <= self.leaves && width <= self.width
    }

    /// Sets one leaf.
    pub(crate) fn set(&mut self, leaf: usize, amounts: impl Iterator<Item = u64>) {
        let mut node = self.leaves + leaf;
        let at = node * self.width;
        for (slot, amount) in self.most[at..at + self.width].iter_mut().zip(amounts.chain(std::iter::repeat(0))) {
            *slot = amount;
        }
        while node > 1 {
            node /= 2;
            let mut changed = false;
            for d in 0..self.width {
                let most = self.most[2 * node * self.width + d].max(self.most[(2 * node + 1) * self.width + d]);
                changed |= self.most[node * self.width + d] != most;
                self.most[node * self.width + d] = most;
            }
            if !changed {
                return;
            }
        }
    }

    /// The most that any leaf has of one dimension.
    pub(crate) fn most(&self, dimension: usize) -> u64 {
        if self.leaves == 0 || dimension >= self.width { 0 } else { self.most[self.width + dimension] }
    }

    /// Visits leaves that have what is needed, by position or, with `roomy`, first where there is most of that dimension,
    /// until `visit` says that it has seen enough.
    pub(crate) fn search(&self, need: &[(usize, u64)], roomy: Option<usize>, visit: &mut impl FnMut(usize) -> bool) {
        if self.leaves > 0 {
            self.below(1, need, roomy, visit);
        }
    }

    fn below(
        &self,
        node: usize,
        need: &[(usize, u64)],
        roomy: Option<usize>,
        visit: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let at = node * self.width;
        if !need.iter().all(|(d, amount)| *amount == 0 || (*d < self.width && self.most[at + d] >= *amount)) {
            return false;
        }
        if node >= self.leaves {
            return visit(node - self.leaves);
        }
        let (left, right) = (2 * node, 2 * node + 1);
        let swaps = roomy.is_some_and(|d| self.most[right * self.width + d] > self.most[left * self.width + d]);
        let (first, second) = if swaps { (right, left) } else { (left, right) };
        self.below(first, need, roomy, visit) || self.below(second, need, roomy, visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rooms: &Rooms, need: &[(usize, u64)], roomy: Option<usize>) -> Vec<usize> {
        let mut leaves = Vec::new();
        rooms.search(need, roomy, &mut |leaf| {
            leaves.push(leaf);
            false
        });
        leaves
    }

    #[test]
    fn finds_every_leaf_that_has_enough_of_everything() {
        let mut rooms = Rooms::new(5, 2);
        for (leaf, amounts) in [[3, 0], [1, 9], [4, 4], [0, 5], [9, 1]].into_iter().enumerate() {
            rooms.set(leaf, amounts.into_iter());
        }
        assert_eq!(found(&rooms, &[(0, 1), (1, 1)], None), [1, 2, 4]);
        assert_eq!(found(&rooms, &[(0, 3)], None), [0, 2, 4]);
        assert_eq!(found(&rooms, &[(0, 3)], Some(0)).first(), Some(&4), "the roomiest comes first");
        assert_eq!(found(&rooms, &[(0, 5), (1, 2)], None), Vec::<usize>::new());
        rooms.set(4, [0, 0].into_iter());
        assert_eq!((found(&rooms, &[(0, 3)], None), rooms.most(0), rooms.most(1)), (vec![0, 2], 4, 9));
    }
}
