//! Fields and rates: what the pictures of a source are when they are taken as asked, and by which clock they are shown.
//!
//! All rungs of a decode have one clock, so outputs that ask for different ones do not share it.

use super::graph;
use super::notes::Notes;
use super::source::Source;
use super::timeline::{self, Clock};
use crate::model::facts::{MediaFacts, Scan, VideoFacts};
use crate::model::plan::{Cadence, Fields};
use crate::model::request::{Deinterlace, FieldOrder, FieldRate, PictureOptions, Timing};
use crate::model::{Problem, Ratio};
use std::borrow::Cow;

/// A limit on the rate is kept by leaving out all but every `n`-th picture as long as that leaves this many hundredths of
/// what is allowed; below it, motion that is uneven is better than motion that is slow.
const WHOLE_PERCENT: i64 = 66;
/// Frames a second of television that film was put into by repeating fields.
const NTSC: Ratio = Ratio::new(30_000, 1001);

/// The facts of a source whose fields are taken as asked.
pub(super) fn facts(facts: &MediaFacts, asked: Timing) -> Cow<'_, MediaFacts> {
    let Some(index) = facts.main_video().map(|(stream, _)| stream.index) else { return Cow::Borrowed(facts) };
    let mut own = facts.clone();
    let Some(video) = own.streams.iter_mut().find(|stream| stream.index == index).and_then(|s| s.video.as_mut()) else {
        return Cow::Borrowed(facts);
    };
    video.scan = scan(video.scan, asked);
    if telecine(video, asked).is_some() && no_television(video).is_none() {
        video.pixel_format = graph::TELECINE_FORMAT.to_owned();
        video.bit_depth = 8;
    }
    if doubles(video, asked) {
        let Ratio { num, den } = video.frame_rate;
        video.frame_rate = Ratio::new(num.saturating_mul(2), den).reduced();
    }
    if own == *facts { Cow::Borrowed(facts) } else { Cow::Owned(own) }
}

/// What is made of the fields of pictures with these facts; `None` for what is usual. `own` is what the source says itself.
pub(super) fn fields(own: &VideoFacts, as_taken: &VideoFacts, asked: Timing) -> Option<Fields> {
    let told = as_taken.scan != own.scan;
    let fields = Fields { each: doubles(as_taken, asked), told, telecine: telecine(as_taken, asked) };
    let any = as_taken.scan != Scan::Progressive && (fields.each || fields.told || fields.telecine.is_some());
    any.then_some(fields)
}

/// The clock that pictures are shown by where it is not the one that they come by.
pub(super) fn clock(
    read: Clock,
    fields: Option<Fields>,
    constant: bool,
    asked: Timing,
    notes: &mut Notes,
) -> Option<(Clock, Cadence)> {
    let cadence =
        |rate| Cadence { timescale: read.timescale, frame_ticks: read.frame_ticks, frame_rate: read.frame_rate, rate };
    let film = fields.and_then(|fields| fields.telecine).map(of_film);
    let most = asked.frame_rate_max.map(|rate| rate.ratio());
    if let Some(rate) = asked.frame_rate.map(|rate| rate.ratio()) {
        let clock = timeline::of_rate(rate);
        return (clock != read || film.is_some()).then(|| (clock, cadence(rate)));
    }
    if let Some(film) = film {
        let rate = most.filter(|most| faster(film, *most)).map_or(film, |most| divided(film, most, notes));
        return Some((timeline::of_rate(rate), cadence(rate)));
    }
    let most = most?;
    let varies = read.frame_ticks.is_none();
    if varies && !constant {
        // The mean says nothing about how close two pictures are.
        let frame_rate = if faster(read.frame_rate, most) { most } else { read.frame_rate };
        return Some((Clock { frame_rate, ..read }, cadence(most)));
    }
    if !varies && !faster(read.frame_rate, most) {
        return None;
    }
    let rate = if varies { most } else { divided(read.frame_rate, most, notes) };
    Some((timeline::of_rate(rate), cadence(rate)))
}

/// What cannot be done to the fields of a source.
pub(super) fn problem(source: &Source<'_>, asked: &PictureOptions) -> Option<Problem> {
    let timing = asked.timing();
    if source.joined.is_none() {
        let video = source.pictures.as_ref()?.video;
        let why = no_television(video).filter(|_| timing.deinterlace == Deinterlace::InverseTelecine)?;
        let message = format!("there is no telecine to undo: {why}");
        return Some(Problem::input("request.deinterlace", message).at("picture.deinterlace"));
    }
    let said = [
        (timing.deinterlace != Deinterlace::default(), "deinterlace"),
        (timing.field_rate != FieldRate::default(), "field_rate"),
        (timing.field_order != FieldOrder::default(), "field_order"),
    ];
    let (_, field) = said.into_iter().find(|(said, _)| *said)?;
    let message =
        format!("the parts of a joined source are deinterlaced where they are interlaced: leave `{field}` out");
    Some(Problem::input("request.deinterlace", message).at(format!("picture.{field}")))
}

/// What is asked of fields of pictures that have none.
pub(super) fn tell_of_unused(own: &VideoFacts, asked: Timing, notes: &mut Notes) {
    let progressive = scan(own.scan, asked) == Scan::Progressive;
    let said = asked.field_rate != FieldRate::default() || asked.field_order != FieldOrder::default();
    if progressive && said && asked.deinterlace == Deinterlace::Auto {
        let message =
            "the source is progressive, so what is said about fields changes nothing; deinterlacing can be forced";
        notes.add("source.no_fields", message);
    }
}

fn scan(own: Scan, asked: Timing) -> Scan {
    let told = match asked.field_order {
        FieldOrder::Auto => None,
        FieldOrder::TopFirst => Some(Scan::TopFirst),
        FieldOrder::BottomFirst => Some(Scan::BottomFirst),
    };
    match (asked.deinterlace, own) {
        (Deinterlace::Off, _) | (Deinterlace::Auto, Scan::Progressive) => Scan::Progressive,
        (Deinterlace::Force | Deinterlace::InverseTelecine, Scan::Progressive) => told.unwrap_or(Scan::TopFirst),
        (Deinterlace::Auto | Deinterlace::Force | Deinterlace::InverseTelecine, own) => told.unwrap_or(own),
    }
}

/// The rate of frames of which five become four pictures of film, where that is asked.
fn telecine(video: &VideoFacts, asked: Timing) -> Option<Ratio> {
    let film = asked.deinterlace == Deinterlace::InverseTelecine && graph::parity(video).is_some();
    film.then_some(if video.variable_rate { NTSC } else { video.frame_rate.reduced() })
}

/// The rate of film in frames of television at another.
fn of_film(television: Ratio) -> Ratio {
    Ratio::new(television.num.saturating_mul(4), television.den.saturating_mul(5)).reduced()
}

/// Why pictures cannot be film in frames of television; `None`: they can.
fn no_television(video: &VideoFacts) -> Option<String> {
    let rate = video.frame_rate;
    // Fields that are repeated by flags alone make frames come at varying times, of which containers tell any rate.
    if !video.variable_rate && !(29_900..=30_100).contains(&rate.millis()) {
        return Some(format!(
            "film is in sources of 29.97 or 30 frames a second, and this one has {}",
            per_second(rate)
        ));
    }
    let full = video.color.range.as_deref() == Some("pc") || video.pixel_format.starts_with("yuvj");
    if full || video.rgb || video.hdr.is_some() {
        return Some(
            "the pictures of the source are not those of television, in standard and limited range".to_owned(),
        );
    }
    None
}

/// Whether each field becomes a picture; `video` has the scan that it is taken by.
fn doubles(video: &VideoFacts, asked: Timing) -> bool {
    asked.field_rate == FieldRate::Field && graph::parity(video).is_some()
}

/// The rate that a constant one becomes under a limit: a whole part of it, so that motion stays even, if it has one that is
/// not far below.
fn divided(rate: Ratio, most: Ratio, notes: &mut Notes) -> Ratio {
    let (over, under) = (wide(rate.num) * wide(most.den), wide(rate.den) * wide(most.num));
    let times = (over + under - 1) / under;
    let whole = Ratio::new(rate.num, rate.den.saturating_mul(i64::try_from(times).unwrap_or(i64::MAX))).reduced();
    if over * 100 >= wide(WHOLE_PERCENT) * under * times {
        return whole;
    }
    let message = format!(
        "pictures are left out unevenly from {} to {} a second, as every {times}th would leave but {}: ask for a limit that \
         divides the rate",
        per_second(rate),
        per_second(most),
        per_second(whole)
    );
    notes.add("source.uneven_rate", message);
    most
}

fn faster(rate: Ratio, most: Ratio) -> bool {
    wide(rate.num) * wide(most.den) > wide(most.num) * wide(rate.den)
}

fn wide(number: i64) -> i128 {
    i128::from(number)
}

fn per_second(rate: Ratio) -> String {
    let millis = rate.millis();
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::video;

    fn limited(num: i64, den: i64, most: &str) -> (Option<Ratio>, bool) {
        let mut notes = Notes::default();
        let asked = Timing { frame_rate_max: most.parse().ok(), ..Timing::default() };
        let clock = clock(timeline::clock(&video(1280, 720, num, den)), None, false, asked, &mut notes);
        (clock.map(|(clock, _)| clock.frame_rate), !notes.into_vec().is_empty())
    }

    #[test]
    fn a_limit_is_kept_by_whole_parts_of_the_rate() {
        assert_eq!(limited(60, 1, "30"), (Some(Ratio::new(30, 1)), false));
        assert_eq!(limited(60_000, 1001, "30"), (Some(Ratio::new(30_000, 1001)), false));
        assert_eq!(limited(50, 1, "30"), (Some(Ratio::new(25, 1)), false));
        assert_eq!(limited(120, 1, "50"), (Some(Ratio::new(40, 1)), false));
        assert_eq!(limited(25, 1, "30"), (None, false));
        assert_eq!(limited(30, 1, "25"), (Some(Ratio::new(25, 1)), true), "15 a second would be slow");
        assert_eq!(limited(60, 1, "59.94"), (Some(Ratio::new(60_000, 1001)), true));
    }

    #[test]
    fn varying_rates_stay_so_under_a_limit_and_become_constant_at_an_exact_rate() {
        let mut varying = video(1280, 720, 25, 1);
        varying.variable_rate = true;
        let read = timeline::clock(&varying);
        let of = |asked| clock(read, None, false, asked, &mut Notes::default()).unwrap().0;
        let most = of(Timing { frame_rate_max: "30".parse().ok(), ..Timing::default() });
        assert_eq!((most.frame_ticks, most.frame_rate), (None, Ratio::new(25, 1)));
        let exact = of(Timing { frame_rate: "50".parse().ok(), ..Timing::default() });
        assert_eq!((exact.frame_ticks, exact.frame_rate, exact.timescale), (Some(1000), Ratio::new(50, 1), 50_000));
    }

    #[test]
    fn fields_are_taken_as_asked() {
        let taken = |own, asked| scan(own, asked);
        let asked = |deinterlace, field_order| Timing { deinterlace, field_order, ..Timing::default() };
        let (auto, off, force) = (Deinterlace::Auto, Deinterlace::Off, Deinterlace::Force);
        let (none, bottom) = (FieldOrder::Auto, FieldOrder::BottomFirst);
        assert_eq!(taken(Scan::TopFirst, asked(auto, none)), Scan::TopFirst);
        assert_eq!(taken(Scan::TopFirst, asked(auto, bottom)), Scan::BottomFirst);
        assert_eq!(taken(Scan::Progressive, asked(auto, bottom)), Scan::Progressive);
        assert_eq!(taken(Scan::BottomFirst, asked(off, none)), Scan::Progressive);
        assert_eq!(taken(Scan::Progressive, asked(force, none)), Scan::TopFirst);
        assert_eq!(taken(Scan::BottomFirst, asked(force, none)), Scan::BottomFirst);
    }
}
