//! The planner's steps in order: sources, what each output needs of them, what is made once for all, who uses what.

use super::captions;
use super::joined::Joined;
use super::labels;
use super::marks;
use super::notes::Notes;
use super::output::{self, Ask, Draft, Sources};
use super::source::{self, Source};
use super::works::{self, Use, Uses};
use super::{JobPlanning, Node, groups, timing};
use crate::model::labels::FileLabels;
use crate::model::plan::{Grid, JobPlan, Note, OutputPlan, PictureUse, TrackUse, Work};
use crate::model::request::Timing;
use crate::model::stills::PictureSet;
use crate::model::{MediaFacts, Problem};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is given of a source.
pub(super) enum Given<'a> {
    /// It failed, or is not needed.
    Unknown,
    /// Its facts, and the part of it that is asked for: start and end, µs.
    File(&'a MediaFacts, (Option<i64>, Option<i64>)),
    /// It is joined of others.
    Joined(&'a Joined),
    /// Those cannot be joined.
    Refused(Problem),
}

/// Plans the outputs that can be, in the order in which they are asked for.
pub(super) fn plan(given: Vec<Given<'_>>, asks: &[Ask<'_>], node: Node) -> JobPlanning {
    let asked: BTreeSet<Timing> = asks.iter().flat_map(timings).collect();
    let taken: Vec<(Timing, Vec<Option<Cow<'_, MediaFacts>>>)> =
        asked.into_iter().map(|timing| (timing, given.iter().map(|given| given.taken(timing)).collect())).collect();
    let mut sources = sources(&given);
    for (timing, facts) in &taken {
        let timed = given.iter().zip(facts).enumerate().map(|(index, (given, facts))| {
            let source = given.source(index, facts.as_deref()).ok().flatten()?;
            Some(source.timed(given.facts()?, *timing))
        });
        let timed = timed.collect();
        sources.timed.insert(*timing, timed);
    }
    let mut problems = Vec::new();
    let mut drafts: Vec<Option<Draft<'_>>> = Vec::new();
    for ask in asks {
        drafts.push(output::draft(ask, &sources).unwrap_or_else(|more| {
            problems.push((ask.index, more));
            None
        }));
    }
    let slots = |draft: &Option<Draft<'_>>| {
        let none = |count: usize| vec![None; count];
        draft.as_ref().map_or_else(Uses::default, |draft| Uses {
            rungs: none(draft.rungs.len()),
            tracks: none(draft.tracks.len()),
            text: none(draft.text.len()),
            sets: None,
        })
    };
    let mut uses: Vec<Uses> = drafts.iter().map(slots).collect();
    let mut made = Vec::new();
    for group in groups::groups(&mut drafts, &sources) {
        if let Some(source) = &sources.taken(group.timing)[group.source] {
            let of_stills = sources.taken(group.timing.of_stills())[group.source].as_ref().unwrap_or(source);
            let plan = works::plan((made.len(), &group), (source, of_stills), &mut drafts, &mut uses, node);
            let inputs = source.joined.map(|joined| joined.inputs.clone()).unwrap_or_default();
            let mut work = Work { source: group.source, inputs, plan };
            marks::list_inputs(&mut work);
            made.push(work);
        }
    }
    let outputs = drafts.into_iter().zip(uses).map(|(draft, uses)| draft.map(|draft| one(draft, uses, &sources)));
    let plan = JobPlan { works: made, outputs: outputs.collect(), notes: unused(&sources, asks) };
    JobPlanning { plan, problems }
}

impl Given<'_> {
    /// Its facts.
    const fn facts(&self) -> Option<&MediaFacts> {
        match self {
            Self::File(facts, _) => Some(facts),
            Self::Joined(joined) => Some(&joined.facts),
            Self::Unknown | Self::Refused(_) => None,
        }
    }

    /// Its facts with fields taken as asked; the parts of a joined source have their own.
    fn taken(&self, timing: Timing) -> Option<Cow<'_, MediaFacts>> {
        match self {
            Self::File(facts, _) => Some(timing::facts(facts, timing)),
            _ => self.facts().map(Cow::Borrowed),
        }
    }

    /// What can be planned with, of a file by these facts.
    fn source<'f>(&'f self, index: usize, facts: Option<&'f MediaFacts>) -> Result<Option<Source<'f>>, Problem> {
        let here = |problem: Problem| problem.at(format_args!("sources[{index}]"));
        match (self, facts) {
            (Self::File(_, part), Some(facts)) => Source::new(index, facts, *part).map(Some).map_err(here),
            (Self::Joined(joined), _) => Source::joined(index, joined).map(Some).map_err(here),
            (Self::Refused(problem), _) => Err(problem.clone()),
            (Self::Unknown | Self::File(..), _) => Ok(None),
        }
    }
}

/// How the pictures of an output, and its single ones, are to be taken, where that is not the usual way.
fn timings(ask: &Ask<'_>) -> impl Iterator<Item = Timing> + use<> {
    let timing = ask.request.picture.timing();
    [timing, timing.of_stills()].into_iter().filter(|timing| *timing != Timing::default())
}

fn sources<'a>(given: &'a [Given<'a>]) -> Sources<'a> {
    let mut sources = Sources { known: Vec::new(), refused: BTreeMap::new(), timed: BTreeMap::new() };
    for (index, given) in given.iter().enumerate() {
        let known = given.source(index, given.facts());
        let known = known.unwrap_or_else(|problem| {
            sources.refused.insert(index, problem);
            None
        });
        sources.known.push(known);
    }
    sources
}

/// An output, now that everything that it needs has its place.
fn one(draft: Draft<'_>, uses: Uses, sources: &Sources<'_>) -> OutputPlan {
    // The first rung says how long it is; without pictures the first track does.
    let first = draft.rungs.first().map(|made| made.rung.source).or(draft.tracks.first().map(|track| track.source));
    let first = first.or((!draft.sets.is_empty()).then_some(draft.sets_source));
    let source = first.and_then(|source| sources.known[source].as_ref());
    let pictures = uses.sets.into_iter().flat_map(|work| {
        let of = move |(directory, set): &(&str, PictureSet)| PictureUse {
            work,
            set: set.id.clone(),
            directory: (*directory).to_owned(),
        };
        draft.sets.iter().map(of)
    });
    let pictures = pictures.collect();
    let track = |place: Option<Use>, id: String, title: String, default: bool| {
        let Use { work, rendition } = place?;
        Some(TrackUse {
            work,
            rendition,
            id,
            title,
            default,
            language: None,
            descriptive: None,
            role: None,
            captions: Vec::new(),
        })
    };
    let progressive = draft.request.progressive && !(draft.rungs.is_empty() && draft.tracks.is_empty());
    let mut told = Notes::default();
    let of = sources.known.get(draft.labels_source).and_then(Option::as_ref);
    let labels = if progressive { labels::labels(&draft, of, &mut told) } else { FileLabels::default() };
    let own = sources.known.get(draft.sets_source).and_then(Option::as_ref);
    let captions = own.map_or_else(Vec::new, |source| captions::labels(source, &draft.request.text.captions));
    let rungs = draft.rungs.into_iter().zip(uses.rungs).map(|(made, at)| {
        let captions = if made.captions { captions.clone() } else { Vec::new() };
        Some(TrackUse { captions, ..track(at, made.id, String::new(), false)? })
    });
    let sound = draft.tracks.into_iter().zip(uses.tracks).map(|(t, at)| {
        let used = track(at, t.id, t.title, t.default)?;
        Some(TrackUse { language: t.language, descriptive: t.descriptive, role: t.role, ..used })
    });
    let text = draft.text.into_iter().zip(uses.text).map(|(text, at)| {
        let made = text.rendition;
        let used = track(at, made.id, made.title, made.default)?;
        Some(TrackUse { language: made.language, ..used })
    });
    let tracks = rungs.chain(sound).chain(text).flatten().collect();
    let mut notes = draft.general;
    notes.extend(&draft.pictures);
    notes.extend(&draft.sound);
    notes.extend(&told);
    let manifests = draft.request.manifests.clone();
    let chapters = source.filter(|_| manifests.chapters).map(source::chapters).unwrap_or_default();
    if manifests.chapters && chapters.is_empty() {
        notes.add("chapters.left_out", "the source has no chapters, so manifests tell none");
    }
    OutputPlan {
        packagings: draft.packagings,
        grid: Grid { segment_ms: draft.request.segment_ms },
        tracks,
        pictures,
        duration_us: source.and_then(|source| source.range.duration_us),
        progressive,
        labels,
        manifests,
        chapters,
        notes: notes.into_vec(),
    }
}

/// Sources that no output asks for.
fn unused(sources: &Sources<'_>, asks: &[Ask<'_>]) -> Vec<Note> {
    let mut used: BTreeSet<usize> = asks.iter().flat_map(Ask::used).collect();
    used.extend(sources.known.iter().flatten().filter_map(|source| source.joined).flat_map(|joined| &joined.inputs));
    let left = (0..sources.known.len()).filter(|source| !used.contains(source));
    left.map(|source| Note {
        code: "source.unused".to_owned(),
        message: format!("no output uses source {source}, so nothing is made of it"),
    })
    .collect()
}
