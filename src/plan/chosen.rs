//! Which tracks of its sources of sound an output has, in which order, and what is told of each.

use super::source::Source;
use crate::model::Problem;
use crate::model::facts::{AudioFacts, StreamFacts, StreamKind};
use crate::model::request::{SoundOptions, TrackChoice};

/// A track that an output has.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a, 's> {
    /// Its source.
    pub source: &'s Source<'a>,
    /// Its place among the sound of that source.
    pub place: usize,
    /// What is told of it; `None` where all tracks are taken as they are.
    pub told: Option<&'s TrackChoice>,
}

impl<'a> Chosen<'a, '_> {
    /// Its stream.
    pub(super) fn stream(&self) -> &'a StreamFacts {
        self.source.sound[self.place].0
    }
}

/// The tracks in order: all of every source where none are chosen.
///
/// # Errors
/// `sound.track` about each choice that finds nothing.
pub(super) fn chosen<'a, 's>(
    sources: &[&'s Source<'a>],
    asked: &'s SoundOptions,
) -> Result<Vec<Chosen<'a, 's>>, Vec<Problem>> {
    if asked.tracks.is_empty() {
        let of = |source: &&'s Source<'a>| {
            let source = *source;
            (0..source.sound.len()).map(move |place| Chosen { source, place, told: None })
        };
        return Ok(sources.iter().flat_map(of).collect());
    }
    let (mut all, mut problems): (Vec<Chosen<'a, 's>>, _) = (Vec::new(), Vec::new());
    for (nth, choice) in asked.tracks.iter().enumerate() {
        let places = sources
            .get(choice.source as usize)
            .ok_or_else(|| format!("the output has {} sources of sound: count from 0", sources.len()))
            .and_then(|source| places(source, choice).map(|places| (*source, places)));
        match places {
            Ok((source, places)) => {
                let known = |all: &[Chosen<'_, '_>], place: usize| {
                    all.iter().any(|other| (other.source.index, other.place) == (source.index, place))
                };
                let before = all.len();
                for place in places {
                    if !known(&all, place) {
                        all.push(Chosen { source, place, told: Some(choice) });
                    }
                }
                if before == all.len() {
                    let message = "all that this chooses is chosen already: leave it out".to_owned();
                    problems.push(problem(nth, message));
                }
            }
            Err(message) => problems.push(problem(nth, message)),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

fn problem(nth: usize, message: String) -> Problem {
    Problem::input("sound.track", message).at(format!("sound.tracks[{nth}]"))
}

/// What a choice finds in its source, or why there is nothing, with what there is instead.
fn places(source: &Source<'_>, choice: &TrackChoice) -> Result<Vec<usize>, String> {
    let fits = |(_, (stream, _)): &(usize, &(&StreamFacts, &AudioFacts))| match (choice.stream, &choice.in_language) {
        (Some(index), _) => stream.index == index,
        (None, Some(asked)) => stream.language.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(asked)),
        (None, None) => false,
    };
    let found: Vec<usize> = source.sound.iter().enumerate().filter(fits).map(|(place, _)| place).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let has = |stream: &StreamFacts| match &stream.language {
        Some(language) => format!("{} ({language})", stream.index),
        None => stream.index.to_string(),
    };
    let there: Vec<String> = source.sound.iter().map(|(stream, _)| has(stream)).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let why = match (choice.stream, &choice.in_language) {
        (Some(index), _) => match source.facts.streams.iter().find(|stream| stream.index == index) {
            None => format!("the source has no stream {index}"),
            Some(stream) if stream.kind != StreamKind::Audio => format!("stream {index} is not sound"),
            Some(_) => format!("stream {index} cannot be decoded, or belongs to another programme"),
        },
        (None, asked) => format!("no track of the source declares the language {}", asked.as_deref().unwrap_or("")),
    };
    Err(format!("{why}; its tracks of sound are {there}"))
}
