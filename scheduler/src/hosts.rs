//! What ways need of the host. Many lists of choices share it, so when the host has more room each such need is looked at
//! once.

use crate::bits::Bits;
use crate::pool::Pool;
use crate::share::Amounts;
use crate::way::Way;
use std::collections::BTreeMap;

/// A need, shared by every way that has the same.
#[derive(Clone, Debug)]
struct HostNeed {
    amounts: Amounts,
    /// The lists of choices with such a way.
    users: Bits,
    /// Those of them with such a way that needs no device.
    alone: Bits,
    /// By class, whether one of them did not fit for want of this since it last did.
    short: [bool; 3],
}

/// Every need of the host of some list of choices.
#[derive(Clone, Default, Debug)]
pub(crate) struct HostNeeds {
    list: Vec<Option<HostNeed>>,
    vacant: Vec<u32>,
    ids: BTreeMap<Amounts, u32>,
}

impl HostNeeds {
    /// The number of what is needed of the host; a new one where no list has such a way.
    pub(crate) fn id(&mut self, amounts: &Amounts) -> u32 {
        if let Some(id) = self.ids.get(amounts) {
            return *id;
        }
        let id = self.vacant.pop().unwrap_or(self.list.len() as u32);
        if self.list.len() <= id as usize {
            self.list.push(None);
        }
        let need =
            HostNeed { amounts: amounts.clone(), users: Bits::default(), alone: Bits::default(), short: [false; 3] };
        self.list[id as usize] = Some(need);
        self.ids.insert(amounts.clone(), id);
        id
    }

    /// A list of choices has these ways.
    pub(crate) fn used<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for way in ways {
            if let Some(Some(need)) = self.list.get_mut(way.host_need as usize) {
                need.users.insert(shape);
                if way.kind.is_none() {
                    need.alone.insert(shape);
                }
            }
        }
    }

    /// A list of choices is forgotten, and what no other one needs with it.
    pub(crate) fn let_go<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for way in ways {
            let Some(Some(need)) = self.list.get_mut(way.host_need as usize) else { continue };
            need.users.remove(shape);
            need.alone.remove(shape);
            if need.users.is_empty()
                && let Some(need) = self.list[way.host_need as usize].take()
            {
                self.ids.remove(&need.amounts);
                self.vacant.push(way.host_need);
            }
        }
    }

    /// A list does not fit in a class for want of this.
    pub(crate) fn is_short(&mut self, id: u32, class: usize) {
        if let Some(Some(need)) = self.list.get_mut(id as usize) {
            need.short[class] = true;
        }
    }

    /// The host may have more room: opens, by class, the lists that waited for what it has enough of now.
    pub(crate) fn gained(&mut self, pool: &Pool, waiting: &[Bits; 3], open: &mut [Bits; 3]) {
        for need in self.list.iter_mut().flatten().filter(|need| need.short != [false; 3]) {
            for (class, short) in need.short.iter_mut().enumerate() {
                if *short && pool.host_lacks(&need.amounts, class).is_none() {
                    *short = false;
                    open[class].add_both_without(&need.users, &waiting[class], &Bits::default());
                }
            }
        }
    }

    /// Adds the lists that may run in a class on the host alone.
    pub(crate) fn reach(&mut self, class: usize, pool: &Pool, shapes: &mut Bits) {
        for need in self.list.iter_mut().flatten().filter(|need| !need.alone.is_empty()) {
            if pool.host_lacks(&need.amounts, class).is_none() {
                shapes.join(&need.alone);
            } else {
                need.short[class] = true;
            }
        }
    }
}
