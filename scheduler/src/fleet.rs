//! The devices: where each stands, and which of a kind have room.

use crate::breaker::Breaker;
use crate::choice::{Ability, Device, DeviceId, KindId};
use crate::names::Names;
use crate::rooms::Rooms;
use crate::share::Share;
use crate::vector::Dimension;
use crate::way::Way;
use std::collections::BTreeMap;

/// So many devices that have room are compared, at most, for the one that suits best.
const COMPARED_MAX: usize = 8;

/// A device that is there, or was a short while ago.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) device: Device,
    pub(crate) share: Share,
    pub(crate) kind: u32,
    leaf: usize,
    /// Whether it is there.
    pub(crate) up: bool,
    /// Since when it is not, ms.
    pub(crate) gone_since: u64,
    /// Leases on it.
    pub(crate) leases: u32,
    /// By the number of the ability, those that ever failed.
    pub(crate) breakers: BTreeMap<u32, Breaker>,
    /// The abilities that are set aside.
    pub(crate) aside: Vec<u32>,
    /// Whether room on it is kept free for somebody.
    pub(crate) reserved: bool,
}

impl Slot {
    /// Whether none of these abilities is set aside.
    pub(crate) fn is_sound_for(&self, abilities: &[u32]) -> bool {
        self.aside.is_empty() || abilities.iter().all(|ability| !self.aside.contains(ability))
    }

    /// Whether a way fits now, if nothing is kept free for others.
    pub(crate) fn fits(&self, way: &Way) -> bool {
        self.up && Some(self.kind) == way.kind && self.share.fits(&way.device) && self.is_sound_for(&way.abilities)
    }
}

/// The devices of one kind.
#[derive(Clone, Default, Debug)]
pub(crate) struct Kind {
    /// Dimension 0 is 1 for a device that is there; the others are one past their numbers.
    rooms: Rooms,
    /// By leaf; the slot, where there is one.
    members: Vec<Option<u32>>,
    /// Leases on them.
    pub(crate) leases: u64,
    /// Jobs that wait and could run on one, by class.
    pub(crate) waiting: [u64; 3],
    /// Those of them whom it suits.
    pub(crate) suited: [u64; 3],
}

impl Kind {
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.members.iter().flatten().copied()
    }
}

/// Which of the devices with room is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Prefer {
    /// The fullest: whole devices stay free for what needs one.
    Fullest,
    /// The emptiest: nothing else slows it down.
    Emptiest,
}

/// Every device, by slot and by kind.
#[derive(Clone, Default, Debug)]
pub(crate) struct Fleet {
    pub(crate) dimensions: Names<Dimension>,
    pub(crate) abilities: Names<Ability>,
    pub(crate) slots: Vec<Option<Slot>>,
    vacant: Vec<u32>,
    pub(crate) by_id: BTreeMap<DeviceId, u32>,
    pub(crate) kinds: Vec<Kind>,
    kind_ids: BTreeMap<KindId, u32>,
    /// By dimension, what all devices that are there have together.
    pub(crate) totals: Vec<u64>,
    /// Jobs that wait and whom it suits to run on the host alone, by class.
    pub(crate) host_suited: [u64; 3],
    /// How many are there.
    pub(crate) up: u32,
}

impl Fleet {
    pub(crate) fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The number of a kind, of which there need not be a device.
    pub(crate) fn kind_id(&mut self, kind: KindId) -> u32 {
        if let Some(id) = self.kind_ids.get(&kind) {
            return *id;
        }
        let id = self.kinds.len() as u32;
        self.kinds.push(Kind::default());
        self.kind_ids.insert(kind, id);
        id
    }

    /// How many wait, in a class or a higher one, whom a kind suits, or the host alone.
    pub(crate) fn suited(&self, kind: Option<u32>, class: usize) -> u64 {
        let by_class = match kind {
            Some(kind) => self.kinds.get(kind as usize).map(|kind| &kind.suited),
            None => Some(&self.host_suited),
        };
        by_class.map_or(0, |by_class| by_class[..=class].iter().sum())
    }

    /// A device is there. Whether it was gone before, or not known; otherwise it only has more or less.
    pub(crate) fn set(&mut self, device: Device) -> (u32, bool) {
        let known = self.by_id.get(&device.id).copied();
        let (slot, returned) = match known {
            Some(slot) => {
                self.count(slot, false);
                (slot, self.renew(slot, device))
            }
            None => (self.admit(device), true),
        };
        self.count(slot, true);
        self.refresh(slot);
        (slot, returned)
    }

    fn renew(&mut self, slot: u32, device: Device) -> bool {
        let Some(Some(known)) = self.slots.get_mut(slot as usize) else { return false };
        known.share.set_capacity(&mut self.dimensions, device.capacity.clone());
        known.device.capacity = device.capacity;
        let returned = !known.up;
        if returned {
            // Its driver was loaded anew, and what others held of it is gone.
            known.share.forget_caps();
        }
        known.up = true;
        returned
    }

    fn admit(&mut self, device: Device) -> u32 {
        let kind = self.kind_id(device.kind);
        let share = Share::new(&mut self.dimensions, device.capacity.clone());
        let (slot, reused) = match self.vacant.pop() {
            Some(slot) => (slot, true),
            None => (self.slots.len() as u32, false),
        };
        if self.slots.len() <= slot as usize {
            self.slots.push(None);
        }
        let members = &mut self.kinds[kind as usize].members;
        // Only a device that was forgotten leaves a gap.
        let gap = if reused { members.iter().position(Option::is_none) } else { None };
        let leaf = gap.unwrap_or(members.len());
        if members.len() <= leaf {
            members.push(None);
        }
        members[leaf] = Some(slot);
        self.by_id.insert(device.id, slot);
        self.slots[slot as usize] = Some(Slot {
            device,
            share,
            kind,
            leaf,
            up: true,
            gone_since: 0,
            leases: 0,
            breakers: BTreeMap::new(),
            aside: Vec::new(),
            reserved: false,
        });
        slot
    }

    /// A device is gone; it is remembered for a while.
    pub(crate) fn take_down(&mut self, slot: u32, now: u64) {
        self.count(slot, false);
        if let Some(known) = self.slot_mut(slot).filter(|known| known.up) {
            known.up = false;
            known.gone_since = now;
        }
        self.refresh(slot);
    }

    /// Forgets a device that has been gone for long, once nobody holds anything of it. Whether it did.
    pub(crate) fn forget(&mut self, slot: u32) -> bool {
        let Some(Some(known)) = self.slots.get(slot as usize) else { return false };
        if known.up || known.leases > 0 {
            return false;
        }
        self.by_id.remove(&known.device.id);
        self.kinds[known.kind as usize].members[known.leaf] = None;
        self.slots[slot as usize] = None;
        self.vacant.push(slot);
        true
    }

    pub(crate) fn take(&mut self, slot: u32, way: &Way) {
        self.change(slot, |known, kind| {
            known.share.take(&way.device, &way.device_vector);
            known.leases += 1;
            kind.leases += 1;
        });
    }

    pub(crate) fn give(&mut self, slot: u32, way: &Way) {
        self.change(slot, |known, kind| {
            known.share.give(&way.device, &way.device_vector);
            known.leases -= 1;
            kind.leases -= 1;
        });
    }

    fn change(&mut self, slot: u32, change: impl FnOnce(&mut Slot, &mut Kind)) {
        let Some(Some(known)) = self.slots.get_mut(slot as usize) else { return };
        change(known, &mut self.kinds[known.kind as usize]);
        self.refresh(slot);
    }

    /// Writes into the tree what is free of a device now.
    pub(crate) fn refresh(&mut self, slot: u32) {
        let width = self.dimensions.len() + 1;
        let Some(Some(known)) = self.slots.get(slot as usize) else { return };
        let kind = &mut self.kinds[known.kind as usize];
        if kind.rooms.holds(kind.members.len(), width) {
            kind.rooms.set(known.leaf, free(known, width));
            return;
        }
        // Twice the room, so that growing one by one costs little over all.
        kind.rooms = Rooms::new(kind.members.len() * 2, width);
        for slot in kind.members.iter().flatten() {
            if let Some(Some(known)) = self.slots.get(*slot as usize) {
                kind.rooms.set(known.leaf, free(known, width));
            }
        }
    }

    /// The device for a way, among the first few that have room and of which `may` approves.
    pub(crate) fn find(&self, way: &Way, prefer: Prefer, may: impl Fn(u32, &Slot) -> bool) -> Option<u32> {
        let kind = self.kinds.get(way.kind? as usize)?;
        let mut need = vec![(0, 1)];
        need.extend(way.device.iter().map(|(id, amount)| (*id as usize + 1, *amount)));
        let roomy = (prefer == Prefer::Emptiest).then(|| need.last().map_or(0, |(dimension, _)| *dimension));
        let (mut best, mut seen) = (None, 0);
        kind.rooms.search(&need, roomy, &mut |leaf| {
            if let Some(Some(slot)) = kind.members.get(leaf)
                && let Some(known) = self.slot(*slot)
                && known.fits(way)
                && may(*slot, known)
            {
                best = better(best, prefer, known, *slot);
                seen += 1;
            }
            seen >= COMPARED_MAX
        });
        best.map(|(_, slot)| slot)
    }

    /// The same among those that are named.
    pub(crate) fn find_among(
        &self,
        slots: &[u32],
        way: &Way,
        prefer: Prefer,
        may: impl Fn(u32, &Slot) -> bool,
    ) -> Option<u32> {
        let fits = |slot: &u32| self.slot(*slot).filter(|known| known.fits(way) && may(*slot, known));
        let found = slots.iter().filter_map(|slot| Some((*slot, fits(slot)?)));
        found.fold(None, |best, (slot, known)| better(best, prefer, known, slot)).map(|(_, slot)| slot)
    }

    /// What no device of a way's kind has enough of, or the first one lacks; `None` where there is no device to ask.
    pub(crate) fn lack(&self, way: &Way) -> Option<Dimension> {
        let kind = self.kinds.get(way.kind? as usize)?;
        let nowhere = way.device.iter().find(|(id, amount)| kind.rooms.most(*id as usize + 1) < *amount);
        let first = || {
            let sound = kind
                .slots()
                .filter_map(|slot| self.slot(slot))
                .find(|slot| slot.up && slot.is_sound_for(&way.abilities))?;
            let lacks = sound.share.lacks(&way.device, |_| 0);
            lacks.or(way.device.first().map(|(id, _)| *id))
        };
        if kind.rooms.most(0) == 0 {
            return None;
        }
        nowhere.map(|(id, _)| *id).or_else(first).and_then(|id| self.dimensions.name(id)).cloned()
    }

    /// Adds what a device has to the totals, or takes it away.
    fn count(&mut self, slot: u32, adds: bool) {
        let Some(Some(known)) = self.slots.get(slot as usize).filter(|known| known.as_ref().is_some_and(|k| k.up))
        else {
            return;
        };
        self.totals.resize(self.dimensions.len(), 0);
        for (id, total) in (0..).zip(&mut self.totals) {
            let amount = known.share.capacity_of(id);
            *total = if adds { total.saturating_add(amount) } else { total.saturating_sub(amount) };
        }
        self.up = if adds { self.up + 1 } else { self.up - 1 };
    }
}

fn free(known: &Slot, width: usize) -> impl Iterator<Item = u64> + '_ {
    let up = known.up;
    let amounts = (0..width as u32 - 1).map(move |id| if up { known.share.free(id) } else { 0 });
    std::iter::once(u64::from(up)).chain(amounts)
}

fn better(best: Option<(u64, u32)>, prefer: Prefer, known: &Slot, slot: u32) -> Option<(u64, u32)> {
    let slack = match prefer {
        Prefer::Fullest => known.share.slack(),
        Prefer::Emptiest => u64::MAX - known.share.slack(),
    };
    Some(best.map_or((slack, slot), |best: (u64, u32)| best.min((slack, slot))))
}
