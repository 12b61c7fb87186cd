//! What is made together: groups of renditions of a work, each with the ways in which it may be made.
//!
//! All pictures of a work begin as one group, its sound as another. What fails on a device leaves its group for one of its
//! own (`fallback`), and stays there over attempts: the document [`GROUPS`] says who is in which, who encodes it, and how
//! often it was begun.

use super::choices::{self, Asked, Makers, Way, Wish, Without};
use super::needs::{self, Decoded};
use super::{Broken, Job};
use crate::model::plan::JobPlan;
use crate::publish::{Generations, Part};
use crate::store::{LedgerEntry, LedgerRow};
use reelmill_scheduler::Group;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The document that says how a job's renditions are divided.
const GROUPS: &str = "groups";

/// A group of renditions of a work.
#[derive(Default)]
pub(super) struct GroupState {
    pub(super) work: usize,
    /// Sound and text, or single pictures, which are always made by the CPU.
    pub(super) audio: bool,
    /// Single pictures, likewise; then `audio` is said too.
    pub(super) stills: bool,
    pub(super) renditions: BTreeSet<String>,
    /// What the scheduler chooses among, by its numbers.
    pub(super) ways: Vec<Way>,
    /// What it will choose among once it says so.
    pub(super) later: VecDeque<Vec<Way>>,
    /// Who encodes what, once something was begun.
    pub(super) makers: Option<Makers>,
    /// Failures of devices.
    pub(super) faults: u32,
    /// What is not asked of devices any more.
    pub(super) without: BTreeSet<Without>,
    /// A device failed at it before, so that the job's fallback decides.
    pub(super) again: bool,
}

impl GroupState {
    /// Whether a part of its work is one that makes it, by its kind.
    pub(super) fn makes(&self, part: Part) -> bool {
        match part {
            Part::Video(_) => !self.audio,
            Part::Audio => self.audio && !self.stills,
            Part::Stills => self.stills,
        }
    }
}

/// How renditions are divided, as stored.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    groups: Vec<StoredGroup>,
    /// Work, rendition, how often it was begun.
    generations: Vec<(usize, String, u32)>,
}

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    work: usize,
    renditions: BTreeSet<String>,
    makers: Option<Makers>,
    again: bool,
}

impl Job {
    /// Divides what is to be made into groups, as an earlier attempt left them. Gives the rows of the ledger that still
    /// count, and why groups cannot be made at all.
    pub(super) async fn divide(
        &mut self,
        rows: Vec<LedgerRow>,
    ) -> Result<(Vec<LedgerRow>, Vec<(usize, String)>), Broken> {
        let stored = self.settings.store.document(self.keeper.record.id, GROUPS).await?;
        let stored: Stored = stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        self.generations = stored.generations.into_iter().map(|(work, id, count)| ((work, id), count)).collect();
        let mut rows = current(&self.plan, &self.generations, rows);
        self.begun = begun(&self.plan, &rows);
        let mut unmet = Vec::new();
        let plan = std::sync::Arc::clone(&self.plan);
        let mut known = stored.groups;
        for (work, made) in plan.works.iter().enumerate() {
            let sound = made.plan.audio.iter().map(|audio| audio.id.clone());
            let renditions: BTreeSet<_> = sound.chain(made.plan.text.iter().map(|text| text.id.clone())).collect();
            if !renditions.is_empty() {
                self.groups.push(GroupState { work, audio: true, renditions, ..GroupState::default() });
            }
            if let Some(stills) = &made.plan.stills {
                let renditions = stills.sets.iter().map(|set| set.id.clone()).collect();
                let group = GroupState { work, audio: true, stills: true, renditions, ..GroupState::default() };
                self.groups.push(group);
            }
            let Some(video) = &made.plan.video else { continue };
            let mut rest: BTreeSet<String> = video.renditions.iter().map(|rung| rung.id.clone()).collect();
            let (ours, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|group| group.work == work);
            known = others;
            for group in ours {
                let renditions: BTreeSet<String> = group.renditions.into_iter().filter(|id| rest.remove(id)).collect();
                if !renditions.is_empty() {
                    let (makers, again) = (group.makers, group.again);
                    self.groups.push(GroupState { work, renditions, makers, again, ..GroupState::default() });
                }
            }
            if !rest.is_empty() {
                self.groups.push(GroupState { work, renditions: rest, ..GroupState::default() });
            }
        }
        for index in 0..self.groups.len() {
            if let Err(why) = self.find_ways(index, &mut rows) {
                unmet.push((index, why));
            }
        }
        self.store_groups().await?;
        Ok((rows, unmet))
    }

    /// Finds the ways of a group at the start of an attempt. Where nobody is left who could go on with what was begun, it is
    /// begun again.
    fn find_ways(&mut self, index: usize, rows: &mut Vec<LedgerRow>) -> Result<(), String> {
        if self.groups[index].audio {
            return Ok(());
        }
        let group = &self.groups[index];
        let mut ways = self.ways_of(index, &group.renditions)?;
        if let Some(makers) = &group.makers {
            let (work, renditions) = (group.work, group.renditions.clone());
            let is_begun = |id: &String| self.begun.contains(&(work, id.clone()));
            let kept: Makers =
                makers.iter().filter(|(id, _)| is_begun(id)).map(|(id, m)| (id.clone(), m.clone())).collect();
            let joining = choices::joining(&ways, &kept);
            if joining.is_empty() {
                for id in renditions.into_iter().filter(is_begun).collect::<Vec<_>>() {
                    self.begun.remove(&(work, id.clone()));
                    *self.generations.entry((work, id)).or_insert(1) += 1;
                }
                *rows = current(&self.plan, &self.generations, std::mem::take(rows));
            } else {
                ways = joining;
            }
            self.groups[index].makers = None;
        }
        self.groups[index].ways = ways;
        Ok(())
    }

    /// The ways in which renditions of a group could be made, whoever made them so far.
    pub(super) fn ways_of(&self, index: usize, renditions: &BTreeSet<String>) -> Result<Vec<Way>, String> {
        let group = &self.groups[index];
        let spec = &self.keeper.record.spec;
        let wish = Wish { devices: spec.devices.clone(), fallback: spec.fallback };
        choices::ways(&Asked {
            plan: &self.plan.works[group.work].plan,
            source: &self.decoded(group.work),
            renditions,
            fleet: &self.shown.devices.now(),
            wish: &wish,
            without: &group.without,
            again: group.again,
            threads: self.settings.threads,
            rates: &self.settings.rates,
        })
    }

    /// What a work decodes.
    pub(super) fn decoded(&self, work: usize) -> Decoded {
        let work = &self.plan.works[work];
        let facts = self.keeper.record.inputs.get(work.source).and_then(|input| input.facts.as_ref());
        decoded(&work.plan, facts)
    }

    /// A group as the scheduler sees it.
    pub(super) fn scheduled(&self, index: usize) -> Group {
        let group = &self.groups[index];
        if group.audio {
            // Beside the pictures of a ladder they take a small part of a thread, as sound does, so nothing waits for them.
            let is_alone = self.plan.works[group.work].plan.video.is_none();
            let part = if group.stills && is_alone { Part::Stills } else { Part::Audio };
            return Group::on_host(needs::demand(part, u64::from(self.settings.threads.max(1)), 1));
        }
        choices::group(&group.ways)
    }

    /// Stores how renditions are divided, who makes them, and how often they were begun.
    pub(super) async fn store_groups(&self) -> Result<(), Broken> {
        let groups = self.groups.iter().filter(|group| !group.audio && !group.renditions.is_empty());
        let stored = Stored {
            groups: groups
                .map(|group| StoredGroup {
                    work: group.work,
                    renditions: group.renditions.clone(),
                    makers: group.makers.clone(),
                    again: group.again,
                })
                .collect(),
            generations: self.generations.iter().map(|((work, id), count)| (*work, id.clone(), *count)).collect(),
        };
        let record = &self.keeper.record;
        let json = serde_json::to_vec(&stored).unwrap_or_default();
        Ok(self.settings.store.put_document(record.id, record.attempt, GROUPS, json).await?)
    }
}

/// What a plan decodes, by the facts of its source; the largest rung where those say nothing.
pub(super) fn decoded(plan: &crate::model::Plan, facts: Option<&crate::model::MediaFacts>) -> Decoded {
    let video = plan.video.as_ref();
    let stream = video.and_then(|video| facts?.streams.iter().find(|stream| stream.index == video.stream));
    let shown = stream.and_then(|stream| stream.video.as_ref());
    let rungs = video.into_iter().flat_map(|video| &video.renditions);
    let largest = rungs.map(|rung| u64::from(rung.width) * u64::from(rung.height)).max().unwrap_or(0);
    Decoded {
        codec: stream.map_or_else(|| "h264".to_owned(), |stream| stream.codec.clone()),
        depth: shown.map_or(8, |shown| needs::depth(&shown.pixel_format)),
        pixels: shown.map_or(largest, |shown| u64::from(shown.width) * u64::from(shown.height)),
    }
}

/// The rows of tracks in the generation that they are in now.
fn current(plan: &JobPlan, generations: &Generations, rows: Vec<LedgerRow>) -> Vec<LedgerRow> {
    let generation = |row: &LedgerRow| {
        let used = rendition_of(plan, row)?;
        Some(generations.get(&used).copied().unwrap_or(1))
    };
    rows.into_iter().filter(|row| generation(row).is_none_or(|now| row.entry.generation() == now)).collect()
}

/// The renditions of which something may be published.
fn begun(plan: &JobPlan, rows: &[LedgerRow]) -> BTreeSet<(usize, String)> {
    let headers = rows.iter().filter(|row| matches!(row.entry, LedgerEntry::Track(_)));
    headers.filter_map(|row| rendition_of(plan, row)).collect()
}

fn rendition_of(plan: &JobPlan, row: &LedgerRow) -> Option<(usize, String)> {
    let output = plan.outputs.get(row.output)?.as_ref()?;
    let used = output.tracks.iter().find(|used| used.id == row.track)?;
    Some((used.work, used.rendition.clone()))
}
