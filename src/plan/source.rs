//! One source as the planner sees it: its streams, its clock, and the part of it that is asked for.

use super::checks;
use super::color;
use super::joined::Joined;
use super::notes::Notes;
use super::timeline::{self, Clock};
use super::timing;
use super::trim::{self, Range};
use crate::model::facts::{AudioFacts, Chapter, ColorTags, MediaFacts, StreamFacts, StreamKind, VideoFacts};
use crate::model::plan::{Cadence, Fields};
use crate::model::request::Timing;
use crate::model::{Problem, Ratio};

/// A source that can be planned with, whatever is asked of it.
pub(super) struct Source<'a> {
    /// Its place in the job.
    pub index: usize,
    /// Everything that is known of it.
    pub facts: &'a MediaFacts,
    /// Its pictures, where it has any.
    pub pictures: Option<Pictures<'a>>,
    /// Its sound, in container order.
    pub sound: Vec<(&'a StreamFacts, &'a AudioFacts)>,
    /// What of it is made, and where zero is.
    pub range: Range,
    /// The longest that it may be, µs: bounds how far apart its streams can start.
    pub longest_us: i64,
    /// What its range has that the client may not expect.
    pub notes: Notes,
    /// What is told of how its pictures are taken, where they are.
    pub timing_notes: Notes,
    /// Its parts, where it is joined of others; then the facts are those of the whole.
    pub joined: Option<&'a Joined>,
}

/// The pictures of a source.
pub(super) struct Pictures<'a> {
    /// Their stream.
    pub stream: &'a StreamFacts,
    /// What they are.
    pub video: &'a VideoFacts,
    /// The clock that they get.
    pub clock: Clock,
    /// The one that they come by, where that is another.
    pub cadence: Option<Cadence>,
    /// What is made of fields, where it is not what is usual.
    pub fields: Option<Fields>,
    /// Their fields or their rate are not taken as they are usually.
    pub altered: bool,
    /// Their colour when decoded.
    pub decoded: ColorTags,
}

impl<'a> Source<'a> {
    /// Source `index` of a job, cut to `part` (start and end, µs).
    ///
    /// # Errors
    /// `request.trim`, about `start` or `end` of the source.
    pub(super) fn new(index: usize, facts: &'a MediaFacts, part: (Option<i64>, Option<i64>)) -> Result<Self, Problem> {
        let mut notes = Notes::default();
        let main = facts.main_video();
        let sound: Vec<_> = facts.audio_streams().collect();
        let longest_us = timeline::longest_us(facts);
        let start = timeline::origin(main, &sound, longest_us, &mut notes);
        let timed = main.map(|(stream, video)| (stream, video, timeline::clock(video)));
        let range = trim::range(facts, timed, start, part, &mut notes)?;
        let pictures = timed.map(|(stream, video, clock)| Pictures::new(stream, video, clock));
        Ok(Self {
            index,
            facts,
            pictures,
            sound,
            range,
            longest_us,
            notes,
            timing_notes: Notes::default(),
            joined: None,
        })
    }

    /// A joined source, whole: what is cut are its parts.
    ///
    /// # Errors
    /// None that a part would not have had.
    pub(super) fn joined(index: usize, joined: &'a Joined) -> Result<Self, Problem> {
        let mut source = Self::new(index, &joined.facts, (None, None))?;
        source.notes.extend(&joined.notes);
        Ok(Self { joined: Some(joined), ..source })
    }

    /// The same source with pictures taken by fields and at a rate as asked. `own` are its facts as they are; its own ones
    /// have the fields as taken.
    pub(super) fn timed(mut self, own: &MediaFacts, asked: Timing) -> Self {
        let Some(pictures) = &mut self.pictures else { return self };
        if let Some((_, video)) = own.main_video() {
            pictures.fields = timing::fields(video, pictures.video, asked);
            pictures.altered = pictures.fields.is_some() || pictures.video.scan != video.scan;
            timing::tell_of_unused(video, asked, &mut self.timing_notes);
        }
        let constant = self.joined.is_some();
        let told = &mut self.timing_notes;
        if let Some((clock, cadence)) = timing::clock(pictures.clock, pictures.fields, constant, asked, told) {
            pictures.clock = clock;
            pictures.cadence = Some(cadence);
            pictures.altered = true;
        }
        self
    }

    /// Whether both are the same source, whose pictures are taken alike.
    pub(super) fn is_timed_like(&self, other: &Self) -> bool {
        let of = |source: &Self| source.pictures.as_ref().map(|p| (p.video.scan, p.clock, p.cadence, p.fields));
        self.index == other.index && of(self) == of(other)
    }

    /// What keeps its pictures from being made into anything, or all of it where it has none.
    pub(super) fn unusable(&self) -> Option<Problem> {
        checks::source(self.facts).map(|problem| problem.at(format_args!("sources[{}]", self.index)))
    }

    /// The default track among the first `most` of its sound: the one marked so, otherwise the first.
    pub(super) fn default_track(&self, most: usize) -> usize {
        self.sound.iter().take(most).position(|(stream, _)| stream.default).unwrap_or(0)
    }

    /// Streams of the source that nothing is made of, as far as pictures or sound of it are wanted.
    pub(super) fn tell_what_is_left_out(&self, pictures: bool, sound: bool, notes: &mut Notes) {
        let streams = &self.facts.streams;
        for stream in streams.iter().filter(|s| sound && s.kind == StreamKind::Audio && !s.decodable) {
            notes.add(
                "audio.undecodable",
                format!("audio stream {} ({}) cannot be decoded and is left out", stream.index, stream.codec),
            );
        }
        let videos = streams.iter().filter(|s| s.video.is_some() && s.decodable && !s.attached_picture).count();
        if pictures && videos > 1 {
            notes.add("video.one_of_several", format!("the source has {videos} video streams; the main one is made"));
        }
        if self.facts.truncated {
            notes.add("source.truncated", "the source ends before the media that it promises; what is there is made");
        }
    }
}

/// The chapters of what is made of a source, from its zero: those that begin before it from there, none that end by then.
pub(super) fn chapters(source: &Source<'_>) -> Vec<Chapter> {
    let zero = source.range.origin.micros();
    let end = source.range.duration_us.unwrap_or(i64::MAX);
    let moved = |chapter: &Chapter| {
        let start_us = chapter.start_us.saturating_sub(zero).max(0);
        let end_us = chapter.end_us.saturating_sub(zero).min(end);
        (start_us < end_us).then(|| Chapter { start_us, end_us, title: chapter.title.clone() })
    };
    source.facts.chapters.iter().filter_map(moved).collect()
}

impl<'a> Pictures<'a> {
    fn new(stream: &'a StreamFacts, video: &'a VideoFacts, clock: Clock) -> Self {
        Self { stream, video, clock, cadence: None, fields: None, altered: false, decoded: color::decoded(video) }
    }
    /// Where the pictures end on the output timeline, output ticks, as far as known: by what their stream declares, or
    /// else the container, at most where they are cut off. With it, whether that is exact to the frame.
    pub(super) fn end(&self, source: &Source<'_>) -> Option<(i64, bool)> {
        self.cut(source).map(|cut| (cut, true)).or_else(|| self.own_end(source))
    }

    /// Where the pictures are cut off, output ticks, if not by their own end.
    pub(super) fn cut(&self, source: &Source<'_>) -> Option<i64> {
        let cut = source.range.end_in(self.ticks())?;
        self.own_end(source).is_none_or(|(own, _)| cut < own).then_some(cut)
    }

    /// Seconds a tick of the output.
    pub(super) fn ticks(&self) -> Ratio {
        Ratio::new(1, i64::from(self.clock.timescale))
    }

    fn own_end(&self, source: &Source<'_>) -> Option<(i64, bool)> {
        let (time_base, range) = (self.stream.time_base, &source.range);
        if let Some(duration) = self.stream.duration.filter(|_| time_base.is_known()) {
            let origin = range.origin.in_ticks(time_base);
            let skipped = self.video.first_pts.map_or(0, |first| origin.saturating_sub(first));
            return Some((timeline::between(duration.saturating_sub(skipped), time_base, self.ticks()), true));
        }
        let all_us = source.facts.duration_us?;
        Some((timeline::between(all_us.saturating_sub(range.in_us), timeline::MICROS, self.ticks()), false))
    }
}
