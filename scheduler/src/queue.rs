//! The jobs that wait, by class, owner and list of choices; and the owners' shares.
//!
//! Between owners of a class the order is dominant resource fairness: first comes the owner whose largest share of any
//! dimension is the smallest (`docs/decisions/0006-fair-shares.md`). Within an owner it is the least slack.

use crate::bits::Bits;
use crate::event::JobId;
use crate::job::{Job, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shares are counted in these parts of all there is.
pub(crate) const WHOLE: u64 = 1_000_000_000;

/// So many owners are compared one by one.
const FEW: u32 = 24;

/// Key, number and name of a job.
pub(crate) type Rank = (u64, u64, JobId);

/// An owner with at least one job.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) name: Arc<str>,
    pub(crate) jobs: u32,
    /// What its leases hold of the host, and of all devices, by dimension.
    pub(crate) held: [Vec<u64>; 2],
    /// Its dominant share, in parts of [`WHOLE`].
    pub(crate) share: u64,
    lines: [Line; 3],
}

/// An owner's jobs of one class.
#[derive(Clone, Default, Debug)]
struct Line {
    /// By list of choices, then rank.
    jobs: BTreeSet<(u32, Rank)>,
    /// The lists of choices among them.
    shapes: Bits,
    /// By rank alone.
    ranks: BTreeSet<Rank>,
    /// The oldest decides between owners of equal shares.
    numbers: BTreeSet<u64>,
}

/// The queue.
#[derive(Clone, Default, Debug)]
pub(crate) struct Queue {
    owners: Vec<Option<Owner>>,
    vacant: Vec<u32>,
    names: BTreeMap<Arc<str>, u32>,
    /// By class: share, oldest job, owner.
    order: [BTreeSet<(u64, u64, u32)>; 3],
    /// By class and list of choices, the owners of jobs that wait with it.
    sharers: [Vec<Bits>; 3],
    /// By class and list of choices: jobs that come before all shares from the time that is their key.
    first: [Vec<BTreeSet<Rank>>; 3],
    /// By class, the lists of choices of which there are such jobs.
    first_shapes: [Bits; 3],
    /// The same jobs by rank alone.
    first_ranks: [BTreeSet<Rank>; 3],
    /// Kept for its memory: owners of jobs with some lists of choices.
    found: Bits,
    /// Jobs that wait, by class.
    pub(crate) lengths: [usize; 3],
}

/// Before every other.
const LOWEST: Rank = (0, 0, JobId(0));

fn head(jobs: &BTreeSet<(u32, Rank)>, shape: u32) -> Option<Rank> {
    jobs.range((shape, LOWEST)..).next().filter(|(found, _)| *found == shape).map(|(_, rank)| *rank)
}

fn at<T: Clone + Default>(list: &mut Vec<T>, shape: u32) -> &mut T {
    let at = shape as usize;
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    &mut list[at]
}

impl Queue {
    /// The number of an owner who has one more job now.
    pub(crate) fn owner_of(&mut self, name: &Arc<str>) -> u32 {
        if let Some(id) = self.names.get(name).copied() {
            if let Some(owner) = self.owner_mut(id) {
                owner.jobs += 1;
            }
            return id;
        }
        let id = self.vacant.pop().unwrap_or(self.owners.len() as u32);
        if self.owners.len() <= id as usize {
            self.owners.push(None);
        }
        let lines = [Line::default(), Line::default(), Line::default()];
        let owner = Owner { name: Arc::clone(name), jobs: 1, held: [vec![], vec![]], share: 0, lines };
        self.owners[id as usize] = Some(owner);
        self.names.insert(Arc::clone(name), id);
        id
    }

    /// A job is gone, and its owner with the last one.
    pub(crate) fn job_gone(&mut self, id: u32) {
        let Some(owner) = self.owner_mut(id) else { return };
        owner.jobs -= 1;
        if owner.jobs == 0 {
            let name = Arc::clone(&owner.name);
            self.names.remove(&name);
            self.owners[id as usize] = None;
            self.vacant.push(id);
        }
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.names.values().filter_map(|id| self.owners.get(*id as usize)?.as_ref())
    }

    fn owner_mut(&mut self, id: u32) -> Option<&mut Owner> {
        self.owners.get_mut(id as usize)?.as_mut()
    }

    pub(crate) fn insert(&mut self, job: &Job, place: Place) {
        let rank = (place.key, job.number, job.id);
        self.relist(job.owner, Some(place.class), |owner| {
            owner.lines[place.class].jobs.insert((place.shape, rank));
            owner.lines[place.class].shapes.insert(place.shape);
            owner.lines[place.class].ranks.insert(rank);
            owner.lines[place.class].numbers.insert(job.number);
        });
        if let Some(from) = place.first_from {
            let rank = (from, job.number, job.id);
            at(&mut self.first[place.class], place.shape).insert(rank);
            self.first_shapes[place.class].insert(place.shape);
            self.first_ranks[place.class].insert(rank);
        }
        at(&mut self.sharers[place.class], place.shape).insert(job.owner);
        self.lengths[place.class] += 1;
    }

    pub(crate) fn remove(&mut self, job: &Job, place: Place) {
        let rank = (place.key, job.number, job.id);
        self.relist(job.owner, Some(place.class), |owner| {
            owner.lines[place.class].jobs.remove(&(place.shape, rank));
            owner.lines[place.class].ranks.remove(&rank);
            owner.lines[place.class].numbers.remove(&job.number);
        });
        if let Some(from) = place.first_from {
            let rank = (from, job.number, job.id);
            let first = at(&mut self.first[place.class], place.shape);
            first.remove(&rank);
            if first.is_empty() {
                self.first_shapes[place.class].remove(place.shape);
            }
            self.first_ranks[place.class].remove(&rank);
        }
        let line = self.owner_mut(job.owner).map(|owner| &mut owner.lines[place.class]);
        if let Some(line) = line.filter(|line| head(&line.jobs, place.shape).is_none()) {
            line.shapes.remove(place.shape);
            at(&mut self.sharers[place.class], place.shape).remove(job.owner);
        }
        self.lengths[place.class] -= 1;
    }

    /// Whether an owner holds less of everything than an equal part among all who have jobs, and there are others.
    pub(crate) fn holds_little(&self, id: u32) -> bool {
        let owners = self.names.len() as u64;
        let owner = self.owners.get(id as usize).and_then(Option::as_ref);
        owners > 1 && owner.is_some_and(|owner| owner.share < WHOLE / owners)
    }

    /// What an owner's leases hold has changed.
    pub(crate) fn set_share(&mut self, id: u32, change: impl FnOnce(&mut Owner)) {
        self.relist(id, None, change);
    }

    /// The shares of all owners are reckoned anew.
    pub(crate) fn set_shares(&mut self, share: impl Fn(&Owner) -> u64) {
        for id in 0..self.owners.len() as u32 {
            self.relist(id, None, |owner| owner.share = share(owner));
        }
    }

    /// Changes an owner, and keeps where it stands in the order of one class, or of all.
    fn relist(&mut self, id: u32, class: Option<usize>, change: impl FnOnce(&mut Owner)) {
        let Some(Some(owner)) = self.owners.get_mut(id as usize) else { return };
        let stands = |owner: &Owner, class: usize| Some((owner.share, *owner.lines[class].numbers.first()?, id));
        let classes = class.map_or(0..3, |class| class..class + 1);
        let mut before = [None; 3];
        for class in classes.clone() {
            before[class] = stands(owner, class);
        }
        change(owner);
        for class in classes {
            let after = stands(owner, class);
            if before[class] == after {
                continue;
            }
            if let Some(before) = before[class] {
                self.order[class].remove(&before);
            }
            if let Some(after) = after {
                self.order[class].insert(after);
            }
        }
    }

    /// The job of a class that is next among those with one of these lists of choices: first what comes before all
    /// shares, then by shares.
    pub(crate) fn next(&mut self, class: usize, shapes: &Bits, now: u64) -> Option<JobId> {
        if self.first_ranks[class].first().is_some_and(|(from, _, _)| *from <= now) {
            let heads = self.first_shapes[class].both(shapes);
            let raised = heads.filter_map(|shape| self.first[class].get(shape as usize)?.first()).min();
            if let Some((_, _, job)) = raised.filter(|(from, _, _)| *from <= now) {
                return Some(*job);
            }
        }
        if shapes.is_empty() {
            return None;
        }
        let mut sharers = std::mem::take(&mut self.found);
        sharers.clear();
        shapes.iter().filter_map(|shape| self.sharers[class].get(shape as usize)).for_each(|some| sharers.join(some));
        let next = self.first_owner(class, &sharers);
        self.found = sharers;
        let line = &self.owners.get(next? as usize)?.as_ref()?.lines[class];
        line.shapes.both(shapes).filter_map(|shape| head(&line.jobs, shape)).min().map(|(_, _, job)| job)
    }

    /// Of some owners with jobs of a class, the one who comes first.
    fn first_owner(&self, class: usize, sharers: &Bits) -> Option<u32> {
        let owner = |id: u32| self.owners.get(id as usize)?.as_ref();
        if sharers.len() <= FEW {
            // Where few have such a job, it is quicker to look at those than at all owners in order.
            let ranked = sharers.iter().filter_map(|id| {
                let owner = owner(id)?;
                Some((owner.share, *owner.lines[class].numbers.first()?, id))
            });
            Some(ranked.min()?.2)
        } else {
            self.order[class].iter().find(|(_, _, id)| sharers.contains(*id)).map(|(_, _, id)| *id)
        }
    }

    /// The job of a class that is next, whether it fits or not.
    pub(crate) fn head(&self, class: usize, now: u64) -> Option<JobId> {
        let raised = self.first_ranks[class].first().filter(|(from, _, _)| *from <= now);
        let (_, _, job) = raised.or_else(|| self.lines(class).next()?.ranks.first())?;
        Some(*job)
    }

    /// Every job that waits with a list of choices in a class.
    pub(crate) fn with_shape(&self, class: usize, shape: u32) -> Vec<JobId> {
        let of = |line: &Line| -> Vec<JobId> {
            let from = line.jobs.range((shape, LOWEST)..);
            from.take_while(|(found, _)| *found == shape).map(|(_, (_, _, job))| *job).collect()
        };
        self.lines(class).flat_map(of).collect()
    }

    /// The owners' jobs of a class, in order of their shares.
    fn lines(&self, class: usize) -> impl Iterator<Item = &Line> {
        let owners = self.order[class].iter().filter_map(|(_, _, id)| self.owners.get(*id as usize)?.as_ref());
        owners.map(move |owner| &owner.lines[class])
    }
}
