//! Sets of small numbers, as bits: to join and to meet two of them takes one operation for each 64 numbers.

/// The set. Numbers above the highest that was ever in it are not.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// A set of one number.
    pub(crate) fn of(number: u32) -> Self {
        let mut bits = Self::default();
        bits.insert(number);
        bits
    }

    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let (word, bit) = place(number);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Takes all numbers out.
    pub(crate) fn clear(&mut self) {
        self.0.iter_mut().for_each(|word| *word = 0);
    }

    /// The first number that is not below this one. To go through a set that changes meanwhile.
    pub(crate) fn from(&self, number: u32) -> Option<u32> {
        let (first, bit) = place(number);
        let word = self.0.get(first)? & !(bit - 1);
        if word != 0 {
            return Some(first as u32 * 64 + word.trailing_zeros());
        }
        let (at, word) = (0..).zip(&self.0).skip(first + 1).find(|(_, word)| **word != 0)?;
        Some(at * 64 + word.trailing_zeros())
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many numbers are in it.
    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Adds all of another set.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// Adds what is in both of two sets, but not in a third one.
    pub(crate) fn add_both_without(&mut self, one: &Self, two: &Self, without: &Self) {
        let most = one.0.len().min(two.0.len());
        if self.0.len() < most {
            self.0.resize(most, 0);
        }
        let without = without.0.iter().copied().chain(std::iter::repeat(0));
        for ((word, (one, two)), without) in self.0.iter_mut().zip(one.0.iter().zip(&two.0)).zip(without) {
            *word |= one & two & !without;
        }
    }

    /// Takes out what is in `may_go`, but not in `stays`, and puts it into `gone`, which is empty.
    pub(crate) fn split_off(&mut self, may_go: &Self, stays: &Self, gone: &mut Self) {
        let stays = stays.0.iter().copied().chain(std::iter::repeat(0));
        gone.0.clear();
        for ((word, may_go), stays) in self.0.iter_mut().zip(&may_go.0).zip(stays) {
            let goes = *word & may_go & !stays;
            *word &= !goes;
            gone.0.push(goes);
        }
    }

    /// The numbers, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.0).flat_map(|(at, word)| Ones(at * 64, *word))
    }

    /// The numbers that are in both, in ascending order.
    pub(crate) fn both<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        (0..).zip(self.0.iter().zip(&other.0)).flat_map(|(at, (word, other))| Ones(at * 64, word & other))
    }
}

fn place(number: u32) -> (usize, u64) {
    ((number / 64) as usize, 1 << (number % 64))
}

/// The bits of a word that are set, counted from a number on.
struct Ones(u32, u64);

impl Iterator for Ones {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.1 == 0 {
            return None;
        }
        let bit = self.1.trailing_zeros();
        self.1 &= self.1 - 1;
        Some(self.0 + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_meets_others_in_order() {
        let (mut one, mut two) = (Bits::default(), Bits::default());
        [3, 64, 200].into_iter().for_each(|number| one.insert(number));
        [64, 3, 65].into_iter().for_each(|number| two.insert(number));
        assert_eq!(one.both(&two).collect::<Vec<_>>(), [3, 64]);
        one.remove(64);
        one.remove(1000);
        assert_eq!((one.contains(64), one.contains(200), one.contains(1000), one.len()), (false, true, false, 2));
        assert_eq!([0, 3, 4, 201].map(|from| one.from(from)), [Some(3), Some(3), Some(200), None]);
        two.join(&one);
        assert_eq!(two.iter().collect::<Vec<_>>(), [3, 64, 65, 200]);
        let (mut three, mut gone) = (Bits::of(1), Bits::default());
        three.add_both_without(&one, &two, &Bits::of(3));
        assert_eq!(three.iter().collect::<Vec<_>>(), [1, 200]);
        three.split_off(&two, &Bits::of(3), &mut gone);
        assert_eq!((three.iter().collect::<Vec<_>>(), gone.iter().collect::<Vec<_>>()), (vec![1], vec![200]));
        two.clear();
        assert!(!one.is_empty() && two.is_empty() && Bits::default().is_empty());
    }
}
