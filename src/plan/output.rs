//! What one output needs of which source, before it is shared with others.

use super::audio::{self, Track};
use super::burn;
use super::captions;
use super::checks::{self, Outputs};
use super::marks::Image;
use super::notes::Notes;
use super::rungs::{self, From, Made};
use super::source::{Pictures, Source};
use super::stills;
use super::text::{self, Text};
use crate::model::mark::Mark;
use crate::model::plan::Grid;
use crate::model::request::{Request, Timing};
use crate::model::stills::PictureSet;
use crate::model::{Packaging, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// An output as asked for, in a job.
pub(super) struct Ask<'a> {
    /// Its place in the job.
    pub index: usize,
    /// The source of its pictures, and of its sound where no other is named.
    pub source: usize,
    /// The sources of its sound, if not that.
    pub audio_sources: &'a [usize],
    /// Rungs of other sources: place in the request, source.
    pub rendition_sources: &'a BTreeMap<usize, usize>,
    /// What to make.
    pub request: &'a Request,
    /// The images of its watermarks, as far as they are known.
    pub images: Vec<Option<Image>>,
    /// The sources that they are, and its cover.
    pub image_sources: BTreeSet<usize>,
    /// The source that is its cover.
    pub cover: Option<usize>,
}

/// The sources of a job.
pub(super) struct Sources<'a> {
    /// Those that can be planned with.
    pub known: Vec<Option<Source<'a>>>,
    /// Why some cannot, by their place.
    pub refused: BTreeMap<usize, Problem>,
    /// Those that can, with their pictures taken otherwise.
    pub timed: BTreeMap<Timing, Vec<Option<Source<'a>>>>,
}

impl<'a> Sources<'a> {
    /// All sources, with their pictures taken as asked.
    pub(super) fn taken(&self, asked: Timing) -> &Vec<Option<Source<'a>>> {
        self.timed.get(&asked).unwrap_or(&self.known)
    }
}

/// An output that can be made.
pub(super) struct Draft<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// Its packagings.
    pub packagings: Vec<Packaging>,
    /// Its rungs, in the order of its manifests.
    pub rungs: Vec<Made>,
    /// Its sound, in the order of its manifests.
    pub tracks: Vec<Track>,
    /// Its single pictures, each set with its directory, and their source.
    pub sets: Vec<(&'static str, PictureSet)>,
    /// See there.
    pub sets_source: usize,
    /// Its text, in the order of its manifests.
    pub text: Vec<Text>,
    /// The source whose tags its files have.
    pub labels_source: usize,
    /// The source that is their cover.
    pub cover: Option<usize>,
    /// What is told of sources and of the request.
    pub general: Notes,
    /// What is told of pictures.
    pub pictures: Notes,
    /// What is told of sound.
    pub sound: Notes,
}

/// What an output needs; `None` when the facts of a source are not there.
///
/// # Errors
/// Everything that is wrong with the request, or else with a source that it uses.
pub(super) fn draft<'a>(ask: &Ask<'a>, sources: &'a Sources<'_>) -> Result<Option<Draft<'a>>, Vec<Problem>> {
    let mut problems: Vec<Problem> = checks::request(ask.request).into_iter().map(|p| ask.here(p)).collect();
    problems.extend(ask.unknown_sources(sources.known.len()));
    let used = ask.used();
    let known = sources.taken(ask.request.picture.timing());
    problems.extend(used.iter().filter_map(|source| sources.refused.get(source).cloned()));
    if problems.is_empty() && used.iter().any(|source| known[*source].is_none()) {
        return Ok(None);
    }
    let all = used.iter().all(|source| known.get(*source).is_some_and(Option::is_some));
    let from = if all { pictures(ask, known) } else { Err(Vec::new()) };
    let mut from = from.map_err(|more| [problems.clone(), more].concat())?;
    match burned(ask, known) {
        Ok(burned) => from.burned = burned,
        Err(problem) => problems.push(ask.here(problem)),
    }
    match stays(ask, known) {
        Ok(stays) => from.captions = stays,
        Err(problem) => problems.push(ask.here(problem)),
    }
    let sets = match &sources.taken(ask.request.picture.timing().of_stills()).get(ask.source) {
        Some(Some(source)) => stills::sets(ask, source).map_err(|more| [problems.clone(), more].concat())?,
        _ => Vec::new(),
    };
    let pictures_alone = ask.request.is_pictures_alone() && problems.is_empty();
    if pictures_alone {
        return Ok(Some(alone(ask, sets, sources)));
    }
    let sound = sound(ask, known).map_err(|more| [problems.clone(), more].concat())?;
    let (mut general, mut of_pictures, mut of_sound) = (Notes::default(), Notes::default(), Notes::default());
    let (has_video, has_audio) = (from.all().next().is_some(), sound.iter().any(|source| !source.sound.is_empty()));
    if ask.request.omit_video && !has_audio {
        let message = "only sound was asked for, and the source has none that can be decoded; leave omit_video out";
        problems.push(ask.here(Problem::input("source.no_streams", message)));
        return Err(problems);
    }
    let outputs = match checks::outputs(ask.request, has_video, has_audio, &mut general) {
        Ok(outputs) if problems.is_empty() => outputs,
        Ok(_) => return Err(problems),
        Err(more) => {
            problems.extend(more.into_iter().map(|problem| ask.here(problem)));
            return Err(problems);
        }
    };
    tell(ask, &from, &sound, known, &mut general);
    let rungs = rungs_of(ask, &from, &outputs, &mut of_pictures)?;
    captions::tell_of_rungs(&from, &rungs, &mut of_pictures);
    let tracks = audio::tracks(&sound, ask.audio_sources.is_empty(), &outputs, ask.request, &mut of_sound)
        .map_err(|problems| problems.into_iter().map(|problem| ask.here(problem)).collect::<Vec<_>>())?;
    let text = match &known[ask.source] {
        Some(main) => text::texts(main, known, &outputs, &ask.request.text, &mut general)
            .map_err(|problems| problems.into_iter().map(|problem| ask.here(problem)).collect::<Vec<_>>())?,
        None => Vec::new(),
    };
    let packagings = outputs.packagings;
    let (pictures, sound) = (of_pictures, of_sound);
    let labels_source = match ask.audio_sources.first() {
        Some(first) if rungs.is_empty() => *first,
        _ => ask.source,
    };
    let (request, sets_source, cover) = (ask.request, ask.source, ask.cover);
    Ok(Some(Draft {
        request,
        packagings,
        rungs,
        tracks,
        text,
        labels_source,
        cover,
        sets,
        sets_source,
        general,
        pictures,
        sound,
    }))
}

/// The subtitles that are drawn into the pictures of an output.
fn burned(ask: &Ask<'_>, known: &[Option<Source<'_>>]) -> Result<Option<Mark>, Problem> {
    let (Some(asked), Some(main)) = (&ask.request.text.burn_in, &known[ask.source]) else { return Ok(None) };
    if !ask.rendition_sources.is_empty() {
        let message = "subtitles are burned into renditions of one source: leave them out, or name no other source";
        return Err(Problem::input("text.burn_in", message).at("text.burn_in"));
    }
    if ask.request.omit_video {
        let message = "only sound was asked for, and subtitles are burned into pictures: drop one of the two";
        return Err(Problem::input("text.burn_in", message).at("text.burn_in"));
    }
    burn::mark(main, asked).map(Some)
}

/// Whether closed captions stay in the pictures of an output.
fn stays(ask: &Ask<'_>, known: &[Option<Source<'_>>]) -> Result<bool, Problem> {
    let Some(main) = known[ask.source].as_ref().filter(|_| ask.request.text.captions.stays()) else { return Ok(false) };
    captions::stay(main, ask.request).map(|()| true)
}

/// An output of single pictures: nothing is encoded or packaged.
fn alone<'a>(ask: &Ask<'a>, sets: Vec<(&'static str, PictureSet)>, sources: &Sources<'_>) -> Draft<'a> {
    let mut general = Notes::default();
    if let Some(Some(source)) = sources.known.get(ask.source) {
        source.tell_what_is_left_out(true, false, &mut general);
        general.extend(&source.notes);
    }
    Draft {
        request: ask.request,
        packagings: Vec::new(),
        rungs: Vec::new(),
        tracks: Vec::new(),
        text: Vec::new(),
        labels_source: ask.source,
        cover: None,
        sets,
        sets_source: ask.source,
        general,
        pictures: Notes::default(),
        sound: Notes::default(),
    }
}

impl Ask<'_> {
    /// The sources that this output asks for, whether they are there or not.
    pub(super) fn used(&self) -> BTreeSet<usize> {
        let has_sets = self.request.stills.is_some() || self.request.sprites.is_some();
        let main = self.main_pictures() || self.audio_sources.is_empty() || has_sets;
        let own = main.then_some(self.source);
        own.into_iter()
            .chain(self.audio_sources.iter().copied())
            .chain(self.rendition_sources.values().copied())
            .chain(self.image_sources.iter().copied())
            .chain(self.request.text.sidecars.iter().map(|sidecar| sidecar.source as usize))
            .collect()
    }

    /// Whether any rung is made of the output's own source.
    fn main_pictures(&self) -> bool {
        let places = self.request.renditions.len();
        !self.request.omit_video
            && (places == 0 || (0..places).any(|place| !self.rendition_sources.contains_key(&place)))
    }

    /// A problem of this output.
    fn here(&self, problem: Problem) -> Problem {
        problem.at(format_args!("outputs[{}]", self.index))
    }

    fn about_source(&self, field: &str, message: String) -> Problem {
        self.here(Problem::input("request.source", message).at(field))
    }

    /// Sources that the job does not have, and rungs that the request does not have.
    fn unknown_sources(&self, count: usize) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |field: String, source: usize| {
            if source >= count {
                let message = format!("the job has no source {source}: name one of its {count}");
                problems.push(self.about_source(&field, message));
            }
        };
        check("source_id".to_owned(), self.source);
        for (nth, source) in self.audio_sources.iter().enumerate() {
            check(format!("audio_source_ids[{nth}]"), *source);
        }
        for (nth, sidecar) in self.request.text.sidecars.iter().enumerate() {
            check(format!("text.sidecars[{nth}].source"), sidecar.source as usize);
        }
        for (place, source) in self.rendition_sources {
            check(format!("renditions[{place}].source_id"), *source);
        }
        let places = self.request.renditions.len();
        for place in self.rendition_sources.keys().filter(|place| **place >= places) {
            let message =
                format!("there is no rendition {place} to take from another source: the output names {places}");
            problems.push(self.about_source(&format!("renditions[{place}]"), message));
        }
        problems
    }
}

/// Where the pictures come from. A source of an output's own may be without them, one that is named for a rung may not.
fn pictures<'a>(ask: &Ask<'_>, known: &'a [Option<Source<'a>>]) -> Result<From<'a>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut from = From {
        main: None,
        others: BTreeMap::new(),
        sources: known,
        images: ask.images.clone(),
        burned: None,
        captions: false,
    };
    if let Some(source) = known[ask.source].as_ref().filter(|_| ask.main_pictures()) {
        problems.extend(source.unusable());
        from.main = source.pictures.as_ref().map(|pictures| (ask.source, pictures));
    }
    for (place, index) in ask.rendition_sources {
        let Some(source) = &known[*index] else { continue };
        if let Some(problem) = source.unusable() {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        } else if let Some(pictures) = &source.pictures {
            from.others.insert(*place, (*index, pictures));
        } else {
            let message = "the source that is named for this rendition has no pictures: name another one".to_owned();
            problems.push(ask.about_source(&format!("renditions[{place}].source_id"), message));
        }
    }
    if problems.is_empty() { Ok(from) } else { Err(problems) }
}

/// Where the sound comes from, each source once. A source of an output's own may be silent, one that is named may not.
fn sound<'a>(ask: &Ask<'_>, known: &'a [Option<Source<'a>>]) -> Result<Vec<&'a Source<'a>>, Vec<Problem>> {
    if ask.audio_sources.is_empty() {
        return Ok(known[ask.source].iter().collect());
    }
    let (mut sources, mut problems): (Vec<&Source<'a>>, _) = (Vec::new(), Vec::new());
    for (nth, index) in ask.audio_sources.iter().enumerate() {
        let Some(source) = &known[*index] else { continue };
        if source.sound.is_empty() {
            let message =
                "the source that is named for sound has none that can be decoded: name another one".to_owned();
            problems.push(ask.about_source(&format!("audio_source_ids[{nth}]"), message));
        } else if !sources.iter().any(|other| other.index == *index) {
            sources.push(source);
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

fn rungs_of(ask: &Ask<'_>, from: &From<'_>, outputs: &Outputs, notes: &mut Notes) -> Result<Vec<Made>, Vec<Problem>> {
    let made = rungs::rungs(from, ask.request, outputs, notes);
    let made = made.map_err(|problems| problems.into_iter().map(|problem| ask.here(problem)).collect::<Vec<_>>())?;
    let problems = mismatches(ask, from, notes);
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// Why a player could not switch between rungs of one source and of another: segments must hold the same times to the
/// tick, which takes the same constant frame rate, and pictures that end together. Ends that are only estimated are
/// believed to match within a segment, and told.
fn mismatches(ask: &Ask<'_>, from: &From<'_>, notes: &mut Notes) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let Some(first) = from.all().next() else { return Vec::new() };
    let Some((a, of_a)) = with_pictures(from, first) else { return Vec::new() };
    let mut problems = Vec::new();
    for (place, (index, of_b)) in from.others.iter().filter(|(_, (index, _))| *index != first && seen.insert(*index)) {
        let Some((b, _)) = with_pictures(from, *index) else { continue };
        if let Some(message) = mismatch((a, of_a), (b, of_b), ask.request.segment_ms, notes) {
            let field = format!("renditions[{place}].source_id");
            problems.push(ask.here(Problem::input("source.mismatch", message).at(field)));
        }
    }
    problems
}

fn with_pictures<'a>(from: &From<'a>, source: usize) -> Option<(&'a Source<'a>, &'a Pictures<'a>)> {
    let source = from.sources[source].as_ref()?;
    source.pictures.as_ref().map(|pictures| (source, pictures))
}

fn mismatch(
    (a, of_a): (&Source<'_>, &Pictures<'_>),
    (b, of_b): (&Source<'_>, &Pictures<'_>),
    segment_ms: u32,
    notes: &mut Notes,
) -> Option<String> {
    let frame = of_a.clock.frame_ticks.filter(|_| of_a.clock == of_b.clock);
    let Some(frame) = frame.map(i64::from) else {
        return Some(format!(
            "renditions of sources {} and {} cannot be switched between: both need the same constant frame rate",
            a.index, b.index
        ));
    };
    let (Some((end_a, exact_a)), Some((end_b, exact_b))) = (of_a.end(a), of_b.end(b)) else {
        notes.add(
            "source.length_unknown",
            "whether the sources of the renditions last the same is not known beforehand",
        );
        return None;
    };
    let apart = end_a.saturating_sub(end_b).saturating_abs();
    if apart.saturating_mul(2) < frame {
        return None;
    }
    let ms = |ticks: i64| super::timeline::between(ticks, of_a.ticks(), crate::model::Ratio::new(1, 1000));
    if (exact_a && exact_b) || apart > (Grid { segment_ms }).boundary(1, of_a.clock.timescale) {
        return Some(format!(
            "pictures of source {} last {} ms and those of source {} {} ms, so their renditions cannot be switched \
             between: give both sources the same length with start and end",
            a.index,
            ms(end_a),
            b.index,
            ms(end_b)
        ));
    }
    let message = format!("the sources of the renditions seem to differ by {} ms in length", ms(apart));
    notes.add("source.length_unknown", message);
    None
}

/// Streams of the sources, and parts of the request, that nothing is made of; and how the sources lie in time.
fn tell(ask: &Ask<'_>, from: &From<'_>, sound: &[&Source<'_>], known: &[Option<Source<'_>>], notes: &mut Notes) {
    let request = ask.request;
    let asked = !(request.renditions.is_empty() && request.codecs.is_empty());
    if from.main.is_none() && ask.main_pictures() && asked {
        notes.add("video.absent", "the source has no pictures, so only its sound is made");
    }
    let pictures: BTreeSet<usize> = from.all().collect();
    for source in ask.used().into_iter().filter_map(|index| known[index].as_ref()) {
        let heard = sound.iter().any(|other| other.index == source.index);
        let seen = pictures.contains(&source.index);
        source.tell_what_is_left_out(seen, heard, notes);
        notes.extend(&source.notes);
        if seen {
            notes.extend(&source.timing_notes);
        }
    }
}
