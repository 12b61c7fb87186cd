//! Which outputs share a decode of a source, and in which of several their sound is made.

use super::output::{Draft, Sources};
use super::rungs::Made;
use super::works::{Drafts, Encode, Sound};
use crate::model::limits::{AUDIO_RENDITIONS_MAX, RENDITIONS_MAX};
use crate::model::plan::Grid;
use crate::model::request::Timing;
use std::collections::BTreeSet;

/// Outputs that share a decode of a source.
pub(super) struct Group {
    /// The source.
    pub source: usize,
    /// How its pictures are taken.
    pub timing: Timing,
    /// Their segments.
    pub grid: Grid,
    /// Outputs, in order.
    pub outputs: Vec<usize>,
    /// Those whose sound and text are made here: an output with a rate of its own has them where others have theirs.
    pub sounding: Vec<usize>,
    /// The group that has the sound and text of these outputs instead, if that is another one.
    sound_in: Option<usize>,
    /// Pictures of some output are made.
    pictured: bool,
    /// What they need of pictures, with whether it may become a copy, and of sound.
    needs: Needs,
}

impl Group {
    fn take_sound(&mut self, output: usize, tracks: BTreeSet<Sound>) {
        self.sounding.push(output);
        self.needs.tracks.extend(tracks);
    }
}

/// Distinct encodes.
#[derive(Clone, Default)]
struct Needs {
    rungs: BTreeSet<(Encode, bool)>,
    tracks: BTreeSet<Sound>,
}

/// Who shares what: outputs with the same source, grid and way to take pictures are together, as long as there is room for
/// the renditions of all. Sources in order, then grids.
pub(super) fn groups(drafts: &mut Drafts<'_>, sources: &Sources<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (output, draft) in drafts.iter_mut().enumerate() {
        let Some(draft) = draft else { continue };
        let grid = Grid { segment_ms: draft.request.segment_ms };
        for source in draft.sources() {
            let needs = draft.needs(source);
            let any_grid = draft.rungs.is_empty() && draft.tracks.is_empty();
            let timing = draft.request.picture.timing();
            let pictured = draft.rungs_of(source).next().is_some() || !draft.sets.is_empty();
            let alike = |other: Timing| {
                let of = |timing| sources.taken(timing)[source].as_ref();
                of(timing).zip(of(other)).is_some_and(|(a, b)| a.is_timed_like(b))
            };
            let timed_alike = |group: &Group| !pictured || !group.pictured || alike(group.timing);
            let fits = |group: &Group| {
                let grids = group.grid == grid || any_grid;
                group.source == source && grids && timed_alike(group) && group.needs.has_room(&needs)
            };
            if let Some(found) = groups.iter().position(fits) {
                let group = &mut groups[found];
                group.outputs.push(output);
                if pictured && !group.pictured {
                    (group.timing, group.pictured) = (timing, true);
                }
                group.needs.rungs.extend(needs.rungs);
                let sound = Needs { rungs: BTreeSet::new(), tracks: needs.tracks };
                let there = group.sound_in.filter(|there| groups[*there].needs.has_room(&sound));
                groups[there.unwrap_or(found)].take_sound(output, sound.tracks);
                continue;
            }
            let of_source = || groups.iter().filter(|group| group.source == source);
            let same_grid = of_source().any(|group| group.grid == grid);
            let same_timing = of_source().any(|group| group.grid == grid && timed_alike(group));
            let other = of_source().next().is_some();
            let mut own = Group {
                source,
                timing,
                grid,
                outputs: vec![output],
                sounding: Vec::new(),
                sound_in: None,
                pictured,
                needs,
            };
            let sound = Needs { rungs: BTreeSet::new(), tracks: own.needs.tracks.clone() };
            let host = |group: &Group| {
                group.source == source && group.grid == grid && !timed_alike(group) && group.needs.has_room(&sound)
            };
            own.sound_in = groups.iter().position(host);
            match own.sound_in {
                Some(host) => {
                    own.needs.tracks.clear();
                    groups[host].take_sound(output, sound.tracks);
                }
                None => own.sounding.push(output),
            }
            groups.push(own);
            if other {
                draft.tell_of_own_decode(same_grid, same_timing);
            }
        }
    }
    groups.sort_by_key(|group| (group.source, group.grid.segment_ms));
    groups
}

impl Draft<'_> {
    /// The sources that it is made of.
    fn sources(&self) -> BTreeSet<usize> {
        let sets = self.sets.iter().map(|_| self.sets_source);
        let media = self.rungs.iter().map(|made| made.rung.source).chain(self.tracks.iter().map(|track| track.source));
        media.chain(self.text.iter().map(|text| text.source)).chain(sets).collect()
    }

    /// Its rungs of one source.
    pub(super) fn rungs_of(&self, source: usize) -> impl Iterator<Item = &Made> {
        self.rungs.iter().filter(move |made| made.rung.source == source)
    }

    /// What it needs of one source.
    fn needs(&self, source: usize) -> Needs {
        let tracks = self.tracks.iter().filter(|track| track.source == source);
        Needs {
            rungs: self.rungs_of(source).map(|made| (Encode::of(made), self.request.copy)).collect(),
            tracks: tracks.map(Sound::of).collect(),
        }
    }

    fn tell_of_own_decode(&mut self, same_grid: bool, same_timing: bool) {
        if same_grid && !same_timing {
            let message = "an earlier output takes pictures at another rate or by other fields, so nothing is shared with \
                           it and the source is decoded once more";
            self.general.add("work.other_rate", message);
        } else if same_grid {
            let most = format!("{RENDITIONS_MAX} renditions of pictures and {AUDIO_RENDITIONS_MAX} of sound");
            let message =
                format!("all outputs together make more than {most} of one source, so it is decoded once more");
            self.general.add("work.full", message);
        } else {
            let ms = self.request.segment_ms;
            let message = format!(
                "segments of {ms} ms are not those of an earlier output, so nothing is shared with it and the source is \
                 decoded once more"
            );
            self.general.add("work.other_grid", message);
        }
    }
}

impl Needs {
    /// Whether all of this and of that fits into one plan. What may become a copy for one output and not for another
    /// counts twice.
    fn has_room(&self, more: &Self) -> bool {
        self.rungs.union(&more.rungs).count() <= RENDITIONS_MAX
            && self.tracks.union(&more.tracks).count() <= AUDIO_RENDITIONS_MAX
    }
}
