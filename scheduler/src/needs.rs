//! What ways need of a device. Many lists of choices share it, so whether some device has room for it is found out once for
//! all of them; and when a device has more room, each need is looked at once.

use crate::bits::Bits;
use crate::fleet::{Fleet, Slot};
use crate::share::Amounts;
use crate::way::Way;
use std::collections::BTreeMap;

/// A need, shared by every way that has the same.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    amounts: Amounts,
    abilities: Vec<u32>,
    kind: u32,
    /// The lists of choices with such a way.
    users: Bits,
    /// Which devices have room for it.
    fits: Candidates,
    /// By class, whether all that room was found to be kept free for others.
    vain: [bool; 3],
}

/// Where there may be room. What is left out has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Candidates {
    Nowhere,
    /// On one of these devices at most.
    On(Vec<u32>),
    Anywhere,
}

/// Beyond so many it is as quick to search.
const CANDIDATES_MAX: usize = 8;

impl Candidates {
    /// Adds one; where there are many, those that no longer fit are left out before.
    fn add(&mut self, slot: u32, still_fits: impl Fn(&u32) -> bool) {
        match self {
            Self::Anywhere => {}
            Self::Nowhere => *self = Self::On(vec![slot]),
            Self::On(slots) if slots.contains(&slot) => {}
            Self::On(slots) => {
                if slots.len() >= CANDIDATES_MAX {
                    slots.retain(still_fits);
                }
                if slots.len() < CANDIDATES_MAX {
                    slots.push(slot);
                } else {
                    *self = Self::Anywhere;
                }
            }
        }
    }

    /// Takes one out that no longer fits.
    fn remove(&mut self, slot: u32, fits: impl Fn() -> bool) {
        if let Self::On(slots) = self
            && let Some(at) = slots.iter().position(|known| *known == slot)
            && !fits()
        {
            slots.swap_remove(at);
            if slots.is_empty() {
                *self = Self::Nowhere;
            }
        }
    }
}

/// Every need of some list of choices.
#[derive(Clone, Default, Debug)]
pub(crate) struct Needs {
    list: Vec<Option<Need>>,
    vacant: Vec<u32>,
    ids: BTreeMap<(u32, Amounts, Vec<u32>), u32>,
    by_kind: Vec<Vec<u32>>,
    /// Those for which some device may have room.
    live: Bits,
}

impl Needs {
    /// The number of what is needed by a way of a kind; a new one where no list has such a way.
    pub(crate) fn id(&mut self, kind: u32, amounts: &Amounts, abilities: &[u32]) -> u32 {
        let key = (kind, amounts.clone(), abilities.to_vec());
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self.vacant.pop().unwrap_or(self.list.len() as u32);
        if self.list.len() <= id as usize {
            self.list.push(None);
        }
        let (amounts, abilities) = (key.1.clone(), key.2.clone());
        self.list[id as usize] = Some(Need {
            amounts,
            abilities,
            kind,
            users: Bits::default(),
            fits: Candidates::Anywhere,
            vain: [false; 3],
        });
        self.live.insert(id);
        if self.by_kind.len() <= kind as usize {
            self.by_kind.resize(kind as usize + 1, Vec::new());
        }
        self.by_kind[kind as usize].push(id);
        self.ids.insert(key, id);
        id
    }

    /// A list of choices has these ways.
    pub(crate) fn used<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for id in ways.filter_map(|way| way.need) {
            if let Some(Some(need)) = self.list.get_mut(id as usize) {
                need.users.insert(shape);
            }
        }
    }

    /// A list of choices is forgotten, and what no other one needs with it.
    pub(crate) fn let_go<'a>(&mut self, shape: u32, ways: impl Iterator<Item = &'a Way>) {
        for id in ways.filter_map(|way| way.need) {
            let Some(Some(need)) = self.list.get_mut(id as usize) else { continue };
            need.users.remove(shape);
            if need.users.is_empty()
                && let Some(need) = self.list[id as usize].take()
            {
                self.by_kind[need.kind as usize].retain(|known| *known != id);
                self.live.remove(id);
                self.ids.remove(&(need.kind, need.amounts, need.abilities));
                self.vacant.push(id);
            }
        }
    }

    /// Which devices may have room for a way that is not kept free for others.
    pub(crate) fn fits(&self, way: &Way, class: usize) -> &Candidates {
        let need = way.need.and_then(|id| self.list.get(id as usize)?.as_ref());
        match need {
            Some(need) if need.vain[class] => &Candidates::Nowhere,
            Some(need) => &need.fits,
            None => &Candidates::Anywhere,
        }
    }

    /// Whether some device may have room for a way, if it needs one.
    pub(crate) fn may(&self, way: &Way, class: usize) -> bool {
        way.kind.is_none() || *self.fits(way, class) != Candidates::Nowhere
    }

    /// All that may have room were searched in vain; some of them may have room that is kept free for others.
    pub(crate) fn searched(&mut self, id: u32, class: usize, some_is_kept: bool) {
        let Some(Some(need)) = self.list.get_mut(id as usize) else { return };
        if some_is_kept {
            need.vain[class] = true;
        } else {
            need.fits = Candidates::Nowhere;
            self.live.remove(id);
        }
    }

    /// A device may have more room: adds the lists of choices of which a way fits there now.
    pub(crate) fn gained(&mut self, slot: u32, device: &Slot, fleet: &Fleet, shapes: &mut Bits) {
        if !device.up {
            return;
        }
        let Some(of_kind) = self.by_kind.get(device.kind as usize) else { return };
        for id in of_kind {
            let Some(Some(need)) = self.list.get_mut(*id as usize) else { continue };
            if device.share.fits(&need.amounts) && device.is_sound_for(&need.abilities) {
                let (amounts, abilities) = (&need.amounts, &need.abilities);
                let still = |slot: &u32| {
                    let device = fleet.slot(*slot).filter(|device| device.up);
                    device.is_some_and(|device| device.share.fits(amounts) && device.is_sound_for(abilities))
                };
                need.fits.add(slot, still);
                need.vain = [false; 3];
                self.live.insert(*id);
                shapes.join(&need.users);
            }
        }
    }

    /// A device has less room.
    pub(crate) fn lost(&mut self, slot: u32, device: &Slot) {
        let Some(of_kind) = self.by_kind.get(device.kind as usize) else { return };
        for id in of_kind {
            let Some(Some(need)) = self.list.get_mut(*id as usize) else { continue };
            need.fits.remove(slot, || device.share.fits(&need.amounts));
            if need.fits == Candidates::Nowhere {
                self.live.remove(*id);
            }
        }
    }

    /// Adds the lists of choices for which some device may have room that is not kept free for others.
    pub(crate) fn reach(&self, class: usize, shapes: &mut Bits) {
        let live = self.live.iter().filter_map(|id| self.list.get(id as usize)?.as_ref());
        live.filter(|need| !need.vain[class]).for_each(|need| shapes.join(&need.users));
    }
}
