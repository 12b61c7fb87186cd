//! Choices in the form in which they are decided by, and the lists of them that spans wait with.

use crate::choice::{Choice, Group};
use crate::fleet::Fleet;
use crate::hosts::HostNeeds;
use crate::names::Names;
use crate::needs::Needs;
use crate::pool::Pool;
use crate::share::Amounts;
use crate::vector::{Dimension, Vector};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// How long the quickest choice of a list takes, in the units of [`Way::pace`].
const QUICKEST: u64 = 8;
/// Slower ones than this are told apart no further.
const PACE_MAX: u64 = 64 * QUICKEST;

/// A choice.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// Its index in the group's list.
    pub(crate) number: u32,
    pub(crate) kind: Option<u32>,
    pub(crate) abilities: Vec<u32>,
    pub(crate) device: Amounts,
    /// The number of what it needs of a device.
    pub(crate) need: Option<u32>,
    pub(crate) host: Amounts,
    /// The number of what it needs of the host.
    pub(crate) host_need: u32,
    pub(crate) device_vector: Vector,
    pub(crate) host_vector: Vector,
    pub(crate) identity: u32,
    /// How long it takes beside the quickest of the list, which takes [`QUICKEST`]; 0: not known. Times themselves differ
    /// from job to job, and would make a list of its own of each.
    pub(crate) pace: u64,
    /// What it holds, in words.
    pub(crate) holds: String,
}

/// A way that is not taken for the sake of a better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// The kind of the way.
    pub(crate) kind: Option<u32>,
    pub(crate) pace: u64,
    pub(crate) by: Better,
}

/// What is better than to take a way that fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Better {
    /// To wait for this kind, on which a way of the same list takes so long.
    Kind(u32, u64),
    /// To leave the room to others who wait and whom it suits, and to take what they leave.
    Others,
}

impl Way {
    /// Whether it takes so much longer than another one that room for it is better left to those whom it suits.
    pub(crate) fn is_ill_suited_beside(&self, other: &Self) -> bool {
        other.pace > 0 && self.pace * 2 > other.pace * 3
    }
}

impl Held {
    /// Whether room on devices of a kind is left to others.
    pub(crate) fn is_left_on(&self, kind: u32) -> bool {
        self.by == Better::Others && self.kind == Some(kind)
    }

    /// Whether waiting for the better device still ends sooner. The wait is reckoned from the leases that run on the
    /// better kind, which end evenly over the time that one takes, and from those who wait for the kind in this class or
    /// a higher one: with `l` leases and `w` waiting, `w / l` of that time. Where no lease runs none will end, so nobody
    /// waits. Room is left to others for as long as one of them waits in this class or a higher one.
    pub(crate) fn is_better(&self, fleet: &Fleet, class: usize) -> bool {
        let (kind, better_pace) = match self.by {
            Better::Kind(kind, pace) => (kind, pace),
            Better::Others => return fleet.suited(self.kind, class) > 0,
        };
        let Some(kind) = fleet.kinds.get(kind as usize) else { return false };
        if better_pace == 0 || self.pace == 0 || kind.leases == 0 {
            return false;
        }
        let waiting: u64 = kind.waiting[..=class].iter().sum();
        self.pace.saturating_mul(kind.leases) > better_pace.saturating_mul(waiting + kind.leases)
    }
}

/// A list of choices, shared by every group that has the same. What does not fit for one of them fits for none.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    key: Vec<u64>,
    pub(crate) ways: Vec<Arc<Way>>,
    /// The kinds among them.
    pub(crate) kinds: Vec<u32>,
    /// Those whom it suits, `None` for the host alone: on which it takes not much longer than on the quickest of all.
    pub(crate) suited: Vec<Option<u32>>,
    groups: u32,
    /// Whether the board keeps up with it.
    pub(crate) is_known: bool,
    /// Jobs that wait with it, by class.
    pub(crate) waiting: [u32; 3],
    /// It fits, and does not take it, since a better device is free soon.
    pub(crate) held_back: [Option<Held>; 3],
    /// What there was too little of.
    pub(crate) lacks: [Option<Dimension>; 3],
    /// The version of what there is at which one of the ways was found to be possible.
    pub(crate) possible_at: Option<u64>,
    /// Since when jobs wait with it and none was started, ms.
    pub(crate) blocked_since: Option<u64>,
}

impl Shape {
    /// Looks again at a way that was not taken for the sake of a better one. Whether it may be taken now.
    pub(crate) fn reconsider(&mut self, class: usize, fleet: &Fleet) -> bool {
        let held = self.held_back[class].take_if(|held| !held.is_better(fleet, class));
        held.is_some()
    }
}

/// Every list that some group has.
#[derive(Clone, Default, Debug)]
pub(crate) struct Shapes {
    list: Vec<Option<Shape>>,
    vacant: Vec<u32>,
    keys: BTreeMap<Vec<u64>, u32>,
    pub(crate) needs: Needs,
    pub(crate) hosts: HostNeeds,
}

impl Shapes {
    pub(crate) fn get(&self, id: u32) -> Option<&Shape> {
        self.list.get(id as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Shape> {
        self.list.get_mut(id as usize)?.as_mut()
    }

    /// The list of a group's choices. Counted: to be let go of as often as it was taken.
    pub(crate) fn of_group(&mut self, group: &Group, hosts: &mut Names<Dimension>, fleet: &mut Fleet) -> u32 {
        let quickest = group.choices.iter().map(|choice| choice.run_ms).filter(|ms| *ms > 0).min().unwrap_or(0);
        let ways = (0..).zip(&group.choices).map(|(number, choice)| {
            let mut way = way(number, choice, quickest, hosts, fleet);
            way.need = way.kind.map(|kind| self.needs.id(kind, &way.device, &way.abilities));
            way.host_need = self.hosts.id(&way.host);
            Arc::new(way)
        });
        let ways = ways.collect();
        self.of_ways(ways)
    }

    /// What is left of a list for a group that keeps to an identity.
    pub(crate) fn settled(&mut self, shape: u32, identity: u32) -> u32 {
        let Some(known) = self.get(shape) else { return shape };
        if known.ways.iter().all(|way| way.identity == identity) {
            return shape;
        }
        let ways = known.ways.iter().filter(|way| way.identity == identity).cloned().collect();
        let settled = self.of_ways(ways);
        self.let_go(shape);
        settled
    }

    /// Whether a list may still fit in a class. Of the host's needs, those are noted that it is short of.
    pub(crate) fn still_fits(&mut self, id: u32, class: usize, pool: &Pool) -> bool {
        let Self { list, needs, hosts, .. } = self;
        let Some(Some(shape)) = list.get(id as usize) else { return false };
        shape.ways.iter().any(|way| {
            needs.may(way, class) && {
                let fits = pool.host_lacks(&way.host, class).is_none();
                if !fits {
                    hosts.is_short(way.host_need, class);
                }
                fits
            }
        })
    }

    pub(crate) fn let_go(&mut self, id: u32) {
        let Some(shape) = self.get_mut(id) else { return };
        shape.groups -= 1;
        if shape.groups == 0 {
            if let Some(shape) = self.list[id as usize].take() {
                self.keys.remove(&shape.key);
                self.needs.let_go(id, shape.ways.iter().map(Arc::as_ref));
                self.hosts.let_go(id, shape.ways.iter().map(Arc::as_ref));
            }
            self.vacant.push(id);
        }
    }

    fn of_ways(&mut self, ways: Vec<Arc<Way>>) -> u32 {
        let mut key = Vec::with_capacity(ways.len() * 16);
        ways.iter().for_each(|way| write_key(&mut key, way));
        if let Some(id) = self.keys.get(&key).copied() {
            if let Some(shape) = self.get_mut(id) {
                shape.groups += 1;
            }
            return id;
        }
        let id = self.vacant.pop().unwrap_or(self.list.len() as u32);
        if self.list.len() <= id as usize {
            self.list.push(None);
        }
        self.keys.insert(key.clone(), id);
        self.needs.used(id, ways.iter().map(Arc::as_ref));
        self.hosts.used(id, ways.iter().map(Arc::as_ref));
        let mut kinds: Vec<u32> = ways.iter().filter_map(|way| way.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let quickest = ways.iter().map(|way| way.pace).min().unwrap_or(0);
        let suits = |way: &&Arc<Way>| way.pace > 0 && way.pace * 4 <= quickest * 5;
        let mut suited: Vec<Option<u32>> = ways.iter().filter(suits).map(|way| way.kind).collect();
        suited.sort_unstable();
        suited.dedup();
        self.list[id as usize] = Some(Shape {
            key,
            ways,
            kinds,
            suited,
            groups: 1,
            is_known: false,
            waiting: [0; 3],
            held_back: [None; 3],
            lacks: [None, None, None],
            possible_at: None,
            blocked_since: None,
        });
        id
    }
}

fn way(number: u32, choice: &Choice, quickest: u64, hosts: &mut Names<Dimension>, fleet: &mut Fleet) -> Way {
    let amounts = |names: &mut Names<Dimension>, vector: &Vector| {
        vector.iter().map(|(dimension, amount)| (names.id(dimension), amount)).collect::<Amounts>()
    };
    let mut holds = String::new();
    for (dimension, amount) in choice.device.iter().chain(choice.host.iter()) {
        let comma = if holds.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(holds, "{comma}{amount} {dimension}");
    }
    if holds.is_empty() {
        holds.push_str("nothing");
    }
    let pace = choice.run_ms.saturating_mul(QUICKEST).checked_div(quickest).unwrap_or(0).min(PACE_MAX);
    Way {
        number,
        kind: choice.kind.map(|kind| fleet.kind_id(kind)),
        abilities: choice.abilities.iter().map(|ability| fleet.abilities.id(ability)).collect(),
        // A choice without a device holds nothing of one.
        device: if choice.kind.is_some() { amounts(&mut fleet.dimensions, &choice.device) } else { Vec::new() },
        need: None,
        host_need: 0,
        host: amounts(hosts, &choice.host),
        device_vector: if choice.kind.is_some() { choice.device.clone() } else { Vector::default() },
        host_vector: choice.host.clone(),
        identity: choice.identity,
        pace,
        holds,
    }
}

/// Equal for ways that are equal in everything, and only for those: each part is preceded by its length.
fn write_key(key: &mut Vec<u64>, way: &Way) {
    let kind = way.kind.map_or(0, |kind| u64::from(kind) + 1);
    let lengths = [way.abilities.len(), way.device.len(), way.host.len()];
    key.extend([u64::from(way.number), kind, u64::from(way.identity), way.pace]);
    key.extend(lengths.map(|length| length as u64));
    key.extend(way.abilities.iter().map(|ability| u64::from(*ability)));
    key.extend(way.device.iter().chain(&way.host).flat_map(|(id, amount)| [u64::from(*id), *amount]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::CPU_THREADS;

    #[test]
    fn equal_lists_are_one_and_are_forgotten_with_the_last_group() {
        let (mut shapes, mut hosts, mut fleet) = (Shapes::default(), Names::default(), Fleet::default());
        let group = |threads, run_ms| {
            let mut group = Group::on_host(Vector::of(CPU_THREADS, threads));
            group.choices[0].run_ms = run_ms;
            group
        };
        let first = shapes.of_group(&group(1, 500), &mut hosts, &mut fleet);
        assert_eq!(shapes.of_group(&group(1, 700), &mut hosts, &mut fleet), first, "times alone tell nothing apart");
        assert_ne!(shapes.of_group(&group(2, 500), &mut hosts, &mut fleet), first);
        shapes.let_go(first);
        assert!(shapes.get(first).is_some());
        shapes.let_go(first);
        assert!(shapes.get(first).is_none());
    }

    #[test]
    fn a_group_that_settled_keeps_the_choices_of_its_identity() {
        let (mut shapes, mut hosts, mut fleet) = (Shapes::default(), Names::default(), Fleet::default());
        let mut group = Group::on_host(Vector::default());
        for identity in [1, 0] {
            let choice = Choice { identity, ..group.choices[0].clone() };
            group.choices.push(choice);
        }
        let all = shapes.of_group(&group, &mut hosts, &mut fleet);
        let settled = shapes.settled(all, 0);
        let numbers: Vec<u32> = shapes.get(settled).unwrap().ways.iter().map(|way| way.number).collect();
        assert_eq!((numbers, shapes.settled(settled, 0)), (vec![0, 2], settled));
        assert!(shapes.get(all).is_none());
    }
}
