//! What ways need of the host. Many lists of choices share it, so when the host has more room each such need is looked at
//! once, and only the lists that waited for it are looked at again.

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
    /// By class, those of them that may fit, were it not for this.
    short: [Bits; 3],
    /// Whether there are any.
    is_awaited: bool,
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
            HostNeed { amounts: amounts.clone(), users: Bits::default(), short: Default::default(), is_awaited: false };
        self.list[id as usize] = Some(need);
        self.ids.insert(amounts.clone(), id);
        id
    }

    /// A list of choices has these ways.
    pub(crate) fn used<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for way in ways {
            if let Some(Some(need)) = self.list.get_mut(way.host_need as usize) {
                need.users.insert(shape);
            }
        }
    }

    /// A list of choices is forgotten, and what no other one needs with it.
    pub(crate) fn let_go<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for way in ways {
            let Some(Some(need)) = self.list.get_mut(way.host_need as usize) else { continue };
            need.users.remove(shape);
            need.short.iter_mut().for_each(|short| short.remove(shape));
            if need.users.is_empty()
                && let Some(need) = self.list[way.host_need as usize].take()
            {
                self.ids.remove(&need.amounts);
                self.vacant.push(way.host_need);
            }
        }
    }

    /// A list does not fit in a class for want of this.
    pub(crate) fn is_short(&mut self, id: u32, shape: u32, class: usize) {
        if let Some(Some(need)) = self.list.get_mut(id as usize) {
            need.short[class].insert(shape);
            need.is_awaited = true;
        }
    }

    /// The host may have more room: adds, by class, the lists of which the host has enough for a way now.
    pub(crate) fn gained(&mut self, pool: &Pool, shapes: &mut [Bits; 3]) {
        for need in self.list.iter_mut().flatten().filter(|need| need.is_awaited) {
            for (class, shapes) in shapes.iter_mut().enumerate() {
                if pool.host_lacks(&need.amounts, class).is_none() {
                    shapes.join(&need.short[class]);
                    need.short[class].clear();
                }
            }
            need.is_awaited = need.short.iter().any(|short| !short.is_empty());
        }
    }
}
