//! Which tracks of its sources of sound an output has, in which order, and what is told of each.

use super::monos;
use super::source::Source;
use crate::model::Problem;
use crate::model::facts::{AudioFacts, StreamFacts, StreamKind};
use crate::model::request::{SoundOptions, TrackChoice};

/// A track that an output has.
#[derive(Clone)]
pub(super) struct Chosen<'a, 's> {
    /// Its source.
    pub source: &'s Source<'a>,
    /// Its place among the sound of that source.
    pub place: usize,
    /// Channels that are put together instead, by the place of their track.
    pub join: Vec<(usize, u32)>,
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
/// `sound.track` about each choice that finds nothing, `sound.join` about channels that cannot be put together.
pub(super) fn chosen<'a, 's>(
    sources: &[&'s Source<'a>],
    asked: &'s SoundOptions,
) -> Result<Vec<Chosen<'a, 's>>, Vec<Problem>> {
    if let Some(layout) = asked.join_mono {
        return monos::together(sources, layout);
    }
    if asked.tracks.is_empty() {
        let of = |source: &&'s Source<'a>| {
            let source = *source;
            (0..source.sound.len()).map(move |place| Chosen { source, place, join: Vec::new(), told: None })
        };
        return Ok(sources.iter().flat_map(of).collect());
    }
    let (mut all, mut problems): (Vec<Chosen<'a, 's>>, _) = (Vec::new(), Vec::new());
    for (nth, choice) in asked.tracks.iter().enumerate() {
        if !choice.join.is_empty() {
            match joined(sources, choice) {
                Ok(one) => all.push(one),
                Err((channel, message)) => {
                    let field = format!("sound.tracks[{nth}].join{channel}");
                    problems.push(Problem::input("sound.join", message).at(field));
                }
            }
            continue;
        }
        let places = sources
            .get(choice.source as usize)
            .ok_or_else(|| format!("the output has {} sources of sound: count from 0", sources.len()))
            .and_then(|source| places(source, choice).map(|places| (*source, places)));
        match places {
            Ok((source, places)) => {
                let known = |all: &[Chosen<'_, '_>], place: usize| {
                    all.iter().any(|other| {
                        other.join.is_empty() && (other.source.index, other.place) == (source.index, place)
                    })
                };
                let before = all.len();
                for place in places {
                    if !known(&all, place) {
                        all.push(Chosen { source, place, join: Vec::new(), told: Some(choice) });
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

/// The track that channels are put together to; otherwise the channel that cannot be, as the end of a field, and why.
fn joined<'a, 's>(sources: &[&'s Source<'a>], choice: &'s TrackChoice) -> Result<Chosen<'a, 's>, (String, String)> {
    let Some(source) = sources.get(choice.source as usize).copied() else {
        let message = format!("the output has {} sources of sound: count from 0", sources.len());
        return Err((String::new(), message));
    };
    if source.joined.is_some() {
        let message = "channels of a source that is itself joined of others cannot be put together: put those of its \
                       parts together in a job of their own";
        return Err((String::new(), message.to_owned()));
    }
    let mut join = Vec::with_capacity(choice.join.len());
    for (nth, one) in choice.join.iter().enumerate() {
        let refuse = |message: String| (format!("[{nth}]"), message);
        let single = TrackChoice { stream: Some(one.stream), ..TrackChoice::default() };
        let place = places(source, &single).map_err(refuse)?[0];
        let channels = source.sound[place].1.channels;
        let channel = match one.channel {
            Some(channel) if channel < channels => channel,
            Some(channel) => {
                let message = format!("track {} has no channel {channel}: it has {channels}, from 0", one.stream);
                return Err(refuse(message));
            }
            None if channels == 1 => 0,
            None => {
                let message = format!("track {} is not mono, it has {channels} channels: say which one", one.stream);
                return Err(refuse(message));
            }
        };
        if join.contains(&(place, channel)) {
            let message = format!("channel {channel} of track {} stands here already", one.stream);
            return Err(refuse(message));
        }
        join.push((place, channel));
    }
    let place = join.first().map_or(0, |(place, _)| *place);
    Ok(Chosen { source, place, join, told: Some(choice) })
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
