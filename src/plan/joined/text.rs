//! Text in the parts of a joined source: which tracks of which parts are one.
//!
//! The part that decides what pictures look like comes first here too, so its tracks are the first ones, and are called
//! as they are there. No declared language, and nothing forced, ever becomes part of another.

use crate::model::facts::{StreamFacts, StreamKind};
use crate::model::joined::PartText;
use crate::model::language;
use crate::plan::source::Source;
use crate::plan::text::is_text;

/// A track of the whole.
#[derive(Clone, Debug)]
pub(super) struct TextTrack {
    /// What it is: as in the part in which it was first found.
    pub facts: StreamFacts,
    /// Where it is in each part.
    pub parts: Vec<Option<PartText>>,
}

/// Whether a track of a part is more of one that is known.
type Likeness = fn(&StreamFacts, &StreamFacts) -> bool;

/// From the surest on: each is tried for all tracks of a part before the next one.
const LIKENESSES: [Likeness; 3] = [
    |known, new| {
        is_language(known, new) && known.forced == new.forced && known.hearing_impaired == new.hearing_impaired
    },
    |known, new| is_language(known, new) && known.forced == new.forced,
    // The order decides where one does not say what it is.
    |known, new| (code(known).is_none() || code(new).is_none()) && known.forced == new.forced,
];

/// The text tracks of all parts. `like` is the place of the part that the whole is like.
pub(super) fn tracks(parts: &[Source<'_>], like: usize) -> Vec<TextTrack> {
    let mut all: Vec<TextTrack> = Vec::new();
    let others = (0..parts.len()).filter(|place| *place != like);
    for place in std::iter::once(like).chain(others) {
        let Some(part) = parts.get(place) else { continue };
        let ours =
            |stream: &&StreamFacts| is_text(stream) && !stream.encrypted && part.facts.is_of_main_programme(stream);
        let mut left: Vec<&StreamFacts> = part.facts.streams.iter().filter(ours).collect();
        let found = |stream: &StreamFacts| PartText { stream: stream.index, origin_us: part.range.origin.micros() };
        for is_like in LIKENESSES {
            left.retain(|stream| {
                let fits = |track: &&mut TextTrack| track.parts[place].is_none() && is_like(&track.facts, stream);
                let Some(track) = all.iter_mut().find(fits) else { return true };
                track.parts[place] = Some(found(stream));
                if code(&track.facts).is_none() {
                    track.facts.language.clone_from(&stream.language);
                }
                false
            });
        }
        for stream in left {
            let mut places = vec![None; parts.len()];
            places[place] = Some(found(stream));
            all.push(TextTrack { facts: stream.clone(), parts: places });
        }
    }
    all
}

/// How many tracks of subtitles there are that are pictures; those of a part that comes twice count once.
pub(super) fn pictures(parts: &[Source<'_>]) -> usize {
    let is_first = |place: usize| parts[..place].iter().all(|other| other.index != parts[place].index);
    let streams = (0..parts.len()).filter(|place| is_first(*place)).flat_map(|place| &parts[place].facts.streams);
    let is_picture =
        |stream: &&StreamFacts| stream.kind == StreamKind::Subtitle && !is_text(stream) && stream.codec != "eia_608";
    streams.filter(is_picture).count()
}

/// The language that a track declares, if that says anything.
fn code(stream: &StreamFacts) -> Option<&str> {
    stream.language.as_deref().filter(|code| language::tag(code).is_some())
}

fn is_language(one: &StreamFacts, other: &StreamFacts) -> bool {
    let same = |one, other| language::is_same(one, other);
    code(one).zip(code(other)).is_some_and(|(one, other)| same(one, other))
}
