//! Who wants what an order makes, and by which measure they share what is done once for several.

use crate::model::Plan;
use crate::model::usage::Stage;
use serde::{Deserialize, Serialize};

/// A rendition that an order makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// Its id in the plan.
    pub rendition: String,
    /// The rendition that it is scaled from, where that is of the same order.
    pub parent: Option<String>,
    /// How much is made of it in a second: pixels, or samples of all channels; 1 where packets are only copied.
    pub weight: u64,
}

impl Made {
    /// What an order makes by its plan, as the order was placed: all pictures, or all sound.
    pub fn of(plan: &Plan, audio: bool) -> Vec<Self> {
        if audio {
            let weight = |copy: bool, weight: u64| if copy { 1 } else { weight.max(1) };
            let sound = plan.audio.iter().map(|sound| Self {
                rendition: sound.id.clone(),
                parent: None,
                weight: weight(sound.copy, u64::from(sound.sample_rate) * u64::from(sound.channels)),
            });
            // Text costs next to nothing, but what is read for it has to be borne by somebody.
            let text = plan.text.iter().map(|text| Self { rendition: text.id.clone(), parent: None, weight: 1 });
            return sound.chain(text).collect();
        }
        let rungs = plan.video.as_ref().map(|video| &video.renditions[..]).unwrap_or_default();
        let rung = |rung: &crate::model::VideoRendition| {
            let millis = u64::try_from(rung.frame_rate.millis()).unwrap_or(0);
            let pixels = u64::from(rung.width) * u64::from(rung.height);
            Self {
                rendition: rung.id.clone(),
                parent: rung.parent.and_then(|parent| rungs.get(parent)).map(|parent| parent.id.clone()),
                weight: if rung.copy { 1 } else { (pixels.saturating_mul(millis) / 1000).max(1) },
            }
        };
        rungs.iter().map(rung).collect()
    }
}

impl Made {
    /// The sets of single pictures that an order makes. Each is as much as any other: what they cost is the decode.
    pub fn of_stills(plan: &Plan) -> Vec<Self> {
        let sets = plan.stills.iter().flat_map(|stills| &stills.sets);
        sets.map(|set| Self { rendition: set.id.clone(), parent: None, weight: 1 }).collect()
    }
}

/// A rendition that bears a part of some work, and the outputs that have it, which bear it in equal parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bearer {
    /// Its part against those of the others.
    pub weight: u64,
    /// Indices of outputs, at least one.
    pub outputs: Vec<usize>,
}

/// Who wants what an order makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audience {
    source: String,
    members: Vec<(Made, Vec<usize>)>,
}

impl Audience {
    /// Those of `made` that an output wants: `outputs` gives the indices of the outputs that want a rendition. `source` is
    /// what people call what is decoded.
    pub fn of(source: &str, made: &[Made], outputs: impl Fn(&str) -> Vec<usize>) -> Self {
        let members = made.iter().map(|made| (made.clone(), outputs(&made.rendition)));
        Self { source: source.to_owned(), members: members.collect() }
    }

    /// Nobody wants anything of it.
    pub fn is_empty(&self) -> bool {
        self.members.iter().all(|(_, outputs)| outputs.is_empty())
    }

    /// All outputs in it, each once.
    pub fn outputs(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.members.iter().flat_map(|(_, outputs)| outputs.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Who bears work of a stage for a rendition; empty or unknown: for all. A rendition's filtering is also borne by those
    /// that are scaled from it, directly or over others.
    pub fn bearers(&self, track: &str, stage: Stage) -> Vec<Bearer> {
        let is_ours = |made: &Made| self.is_for_all(track) || made.rendition == track;
        let fed = |made: &Made| stage == Stage::Filter && self.descends(made, track);
        let borne = self.members.iter().filter(|(made, _)| is_ours(made) || fed(made));
        let wanted = borne.filter(|(_, outputs)| !outputs.is_empty());
        wanted.map(|(made, outputs)| Bearer { weight: made.weight, outputs: outputs.clone() }).collect()
    }

    /// What people call the work.
    pub fn what(&self, track: &str, stage: Stage) -> String {
        let of = if self.is_for_all(track) { &self.source } else { track };
        format!("{} of {of}", stage.name())
    }

    fn is_for_all(&self, track: &str) -> bool {
        !self.members.iter().any(|(made, _)| made.rendition == track)
    }

    fn descends(&self, made: &Made, ancestor: &str) -> bool {
        let mut at = made;
        // A parent stands before its children, so this ends; the bound is for a plan that is wrong.
        for _ in 0..self.members.len() {
            let Some(parent) = &at.parent else { return false };
            if parent == ancestor {
                return true;
            }
            let Some((next, _)) = self.members.iter().find(|(made, _)| made.rendition == *parent) else { return false };
            at = next;
        }
        false
    }
}
