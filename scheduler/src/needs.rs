//! What ways need of a device. Many lists of choices share it, so whether some device has room for it is found out once for
//! all of them; and when a device has more room, each need is looked at once.

use crate::bits::Bits;
use crate::fleet::{Fleet, Slot};
use crate::share::Amounts;
use crate::way::{Candidates, Way};
use std::collections::BTreeMap;

/// A need, shared by every way that has the same.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    amounts: Amounts,
    abilities: Vec<u32>,
    kind: u32,
    /// The lists of choices with such a way.
    users: Bits,
    /// By class, which devices may have room for it that is not kept free for others.
    fits: [Candidates; 3],
}

/// Every need of some list of choices.
#[derive(Clone, Default, Debug)]
pub(crate) struct Needs {
    list: Vec<Option<Need>>,
    vacant: Vec<u32>,
    ids: BTreeMap<(u32, Amounts, Vec<u32>), u32>,
    by_kind: Vec<Vec<u32>>,
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
            fits: [Candidates::Anywhere, Candidates::Anywhere, Candidates::Anywhere],
        });
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
                self.ids.remove(&(need.kind, need.amounts, need.abilities));
                self.vacant.push(id);
            }
        }
    }

    /// Which devices may have room for a way.
    pub(crate) fn fits(&self, way: &Way, class: usize) -> &Candidates {
        let need = way.need.and_then(|id| self.list.get(id as usize)?.as_ref());
        need.map_or(&Candidates::Anywhere, |need| &need.fits[class])
    }

    /// All that may have room were searched in vain.
    pub(crate) fn searched(&mut self, id: u32, class: usize) {
        if let Some(Some(need)) = self.list.get_mut(id as usize) {
            need.fits[class] = Candidates::Nowhere;
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
                need.fits.iter_mut().for_each(|candidates| candidates.add_to(slot, still));
                shapes.join(&need.users);
            }
        }
    }
}
