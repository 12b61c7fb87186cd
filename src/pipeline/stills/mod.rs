//! Single pictures: stills at instants, good ones, and sheets of small ones.
//!
//! Receives: the source, as often as it is opened. Sends: finished image files to the outlet, in order of time within a
//! set. Owns: one walk through the source for each set (`scan`), on the calling thread. Bound: the outlet, which may wait
//! for room. Ends: when every set is made, dropped, or told to have failed; a set that cannot be made (a time past the end,
//! an encoder that is missing) ends no other. What was made before need not be made again: the same plan gives the same
//! pictures by the same numbers.

pub mod best;
pub(super) mod draw;
mod keys;
mod packets;
mod parts;
pub mod scan;

use super::control::Control;
use super::flow::Stopped;
use super::video::finished;
use crate::av::{Frame, names};
use crate::model::plan::VideoPlan;
use crate::model::request::ImageFormat;
use crate::model::stills::{Pick, PictureSet, Sheet};
use crate::model::time::{scale_ceil, scale_round};
use crate::model::{Plan, Problem};
use best::Measure;
use parts::Walk;
use scan::{Open, Scanner, Shown};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of pictures that are there, by set.
pub type Made = BTreeMap<String, BTreeSet<u32>>;

/// An image file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishedPicture {
    /// The set's id.
    pub set: String,
    /// Its place in the set, from 1.
    pub number: u32,
    /// What it is stored as.
    pub format: ImageFormat,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// See `model::stills::PictureRecord`; likewise what follows.
    pub asked_us: Option<i64>,
    /// Microseconds.
    pub time_us: i64,
    /// Microseconds.
    pub end_us: i64,
    /// Tiles that are pictures.
    pub tiles: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Takes what is made.
pub trait PictureOutlet: Send + Sync {
    /// A picture is finished. May wait for room.
    fn picture(&self, picture: FinishedPicture) -> Result<(), Problem>;
    /// Something about a set that the client may not expect; when `failed`, nothing further comes of it.
    fn note(&self, set: &str, failed: bool, problem: Problem);
    /// How far a set is: pictures, and the instant reached, microseconds.
    fn progress(&self, set: &str, pictures: u64, media_us: i64);
}

/// Why a set ends before it is whole.
#[derive(Debug)]
pub enum Ended {
    /// It cannot be made; others can.
    Set(Problem),
    /// Nothing can.
    All(Problem),
    /// Nobody wants it any more.
    Dropped,
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::All(problem)
    }
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Failed(problem) => Self::All(problem),
            Stopped::Device(trouble) => Self::All(trouble.problem),
            Stopped::Alone(problem) => Self::All(*problem),
            Stopped::Neighbour => Self::All(Problem::cancelled()),
            Stopped::Unwanted => Self::Dropped,
        }
    }
}

/// Makes all pictures of a plan that are not `made` yet.
///
/// # Errors
/// What keeps all sets from being made; that of a cancelled job when every set was dropped.
pub fn run(
    open: Open<'_>,
    plan: &Plan,
    made: &Made,
    outlet: &dyn PictureOutlet,
    control: &Control,
) -> Result<(), Problem> {
    let Some(stills) = &plan.stills else {
        return Err(Problem::bug("plan.no_stills", "single pictures were ordered of a plan without any"));
    };
    let none = BTreeSet::new();
    let (video, parts) = (&stills.video, parts::plans(&stills.video));
    for set in &stills.sets {
        let maker =
            Maker { open, video, parts: &parts, set, made: made.get(&set.id).unwrap_or(&none), outlet, control };
        let mut ended = Ok(());
        let step = || {
            ended = maker.make();
            Ok(())
        };
        // How it ended is told apart below.
        let _ = control.steps().timed("stills", &set.id, step);
        match ended {
            Ok(()) | Err(Ended::Dropped) => {}
            Err(Ended::Set(problem)) => outlet.note(&set.id, true, problem),
            Err(Ended::All(problem)) => return Err(problem),
        }
    }
    finished(control, stills.sets.iter().map(|set| set.id.as_str()))
}

/// What one set is made with.
struct Maker<'a> {
    open: Open<'a>,
    video: &'a VideoPlan,
    /// Of a joined source, each part by itself.
    parts: &'a [VideoPlan],
    set: &'a PictureSet,
    made: &'a BTreeSet<u32>,
    outlet: &'a dyn PictureOutlet,
    control: &'a Control,
}

impl<'a> Maker<'a> {
    fn make(&self) -> Result<(), Ended> {
        let encoder = draw::encoder(self.set.format);
        if !names::is_encoder(encoder) {
            let name = self.set.format.name();
            let message =
                format!("the FFmpeg of this node makes no {name} (it lacks {encoder}): ask for another format");
            return Err(Ended::Set(Problem::input("still.encoder_missing", message)));
        }
        match (&self.set.pick, self.set.sheet) {
            (Pick::Times { times, clamp }, _) => self.at_times(times, *clamp),
            (Pick::Every { interval, most }, Some(sheet)) => self.sheets(*interval, *most, sheet),
            (Pick::Every { interval, most }, None) => self.every(*interval, *most),
            (Pick::Best { times, count, graph }, _) => self.good(times, *count, graph),
        }
    }

    fn scanner(&self) -> Result<Walk<'a>, Ended> {
        let keys_only = self.set.key_frames;
        if self.parts.is_empty() {
            return Ok(Walk::Whole(Scanner::start((self.open, 0), self.video, keys_only, self.control)?));
        }
        Ok(Walk::parts(self.open, self.video, self.parts, keys_only, self.control))
    }

    fn check_wanted(&self) -> Result<(), Ended> {
        if self.control.stopped() {
            return Err(Ended::All(Problem::cancelled()));
        }
        if self.control.is_dropped(&self.set.id) { Err(Ended::Dropped) } else { Ok(()) }
    }

    fn at_times(&self, times: &[i64], clamp: bool) -> Result<(), Ended> {
        let mut wanted: Vec<(i64, u32)> = times.iter().copied().zip(1..).collect();
        wanted.sort_unstable();
        let mut scanner = self.scanner()?;
        let mut last: Option<(Frame, i64)> = None;
        for (done, (time, number)) in wanted.into_iter().enumerate() {
            self.check_wanted()?;
            let found = scanner.at(time)?.map(|shown| self.keep(&shown)).transpose()?;
            let (frame, at) = match (found, &last) {
                (Some(found), _) => found,
                (None, Some((frame, at))) if clamp => (frame.reference().map_err(super::faults::internal)?, *at),
                (None, _) => return Err(self.past_end(time, scanner.end_us())),
            };
            if !self.made.contains(&number) {
                self.still(&frame, number, Some(time), at)?;
            }
            self.outlet.progress(&self.set.id, done as u64 + 1, time);
            last = Some((frame, at));
        }
        Ok(())
    }

    fn every(&self, interval: i64, most: u32) -> Result<(), Ended> {
        let mut scanner = self.scanner()?;
        for number in 1..=most + 1 {
            self.check_wanted()?;
            let time = interval.saturating_mul(i64::from(number) - 1);
            let Some(found) = scanner.at(time)?.map(|shown| self.keep(&shown)).transpose()? else { return Ok(()) };
            if number > most {
                break;
            }
            if !self.made.contains(&number) {
                self.still(&found.0, number, Some(time), found.1)?;
            }
            self.outlet.progress(&self.set.id, u64::from(number), time);
        }
        Err(self.too_many(most))
    }

    fn sheets(&self, interval: i64, most: u32, sheet: Sheet) -> Result<(), Ended> {
        let graph = self.graph();
        let mut scanner = self.scanner()?;
        let mut drawn: Option<Drawn> = None;
        for tile in 0..=most {
            self.check_wanted()?;
            let (number, place) = (tile / sheet.tiles() + 1, tile % sheet.tiles());
            let time = interval.saturating_mul(i64::from(tile));
            if drawn.is_none() && self.made.contains(&number) {
                continue;
            }
            let Some((frame, at)) = scanner.at(time)?.map(|shown| self.keep(&shown)).transpose()? else {
                return drawn.map_or(Ok(()), |last| self.sheet(last, scanner.end_us().unwrap_or(time)));
            };
            if place == 0
                && let Some(full) = drawn.take()
            {
                self.sheet(full, time)?;
                if self.made.contains(&number) {
                    continue;
                }
            }
            if tile == most {
                break;
            }
            let sheet_drawn = match &mut drawn {
                Some(drawn) => drawn,
                None => {
                    drawn.insert(Drawn { frame: draw::empty_sheet(self.set, sheet)?, number, tiles: 0, time_us: at })
                }
            };
            draw::put_tile(&mut sheet_drawn.frame, &draw::filtered(&frame, &graph)?, sheet, place);
            sheet_drawn.tiles = place + 1;
            self.outlet.progress(&self.set.id, u64::from(tile) + 1, time);
        }
        Err(self.too_many(most))
    }

    fn good(&self, times: &[i64], count: u32, graph: &str) -> Result<(), Ended> {
        let (mut scanner, mut candidates) = (self.scanner()?, Vec::<(i64, Measure)>::new());
        let graph = [self.prepare(), graph, "format=yuv420p"];
        let graph = graph.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
        for time in times {
            self.check_wanted()?;
            let Some((frame, at)) = scanner.at(*time)?.map(|shown| self.keep(&shown)).transpose()? else { break };
            if candidates.last().is_none_or(|(last, _)| *last < at)
                && let Some(measure) = Measure::of(&draw::filtered(&frame, &graph)?)
            {
                candidates.push((at, measure));
            }
            self.outlet.progress(&self.set.id, 0, 0);
        }
        let measures: Vec<Measure> = candidates.iter().map(|(_, measure)| *measure).collect();
        let chosen = best::choose(&measures, count as usize);
        if chosen.len() < count as usize {
            let message =
                format!("{} of {count} good pictures were found: the others are dark, blurred or alike", chosen.len());
            self.outlet.note(&self.set.id, false, Problem::input("still.fewer", message));
        }
        let mut scanner = self.scanner()?;
        for (place, number) in chosen.into_iter().zip(1..) {
            self.check_wanted()?;
            let time = candidates[place].0;
            let Some((frame, at)) = scanner.at(time)?.map(|shown| self.keep(&shown)).transpose()? else { break };
            if !self.made.contains(&number) {
                self.still(&frame, number, None, at)?;
            }
            self.outlet.progress(&self.set.id, u64::from(number), time);
        }
        Ok(())
    }

    /// A picture of the scanner's, and when it begins to be shown, microseconds, rounded up: asked for again, that instant
    /// gives the same picture.
    fn keep(&self, shown: &Shown) -> Result<(Frame, i64), Problem> {
        let frame = shown.frame.reference().map_err(super::faults::internal)?;
        let ticks = shown.ticks.max(0);
        Ok((frame, scale_ceil(ticks, 1_000_000, i64::from(self.video.timescale))))
    }

    fn prepare(&self) -> &str {
        // Of interlaced sources and of parts the walk has done it.
        let done = !self.parts.is_empty() || self.video.prepare.contains("bwdif");
        if done { "" } else { &self.video.prepare }
    }

    fn graph(&self) -> String {
        draw::graph(self.set, self.prepare())
    }

    fn still(&self, frame: &Frame, number: u32, asked_us: Option<i64>, time_us: i64) -> Result<(), Ended> {
        let bytes = draw::encode(self.set, &draw::filtered(frame, &self.graph())?)?;
        let (width, height) = (self.set.width, self.set.height);
        Ok(self.outlet.picture(FinishedPicture {
            set: self.set.id.clone(),
            number,
            format: self.set.format,
            bytes,
            asked_us,
            time_us,
            end_us: time_us,
            tiles: 1,
            width,
            height,
        })?)
    }

    fn sheet(&self, drawn: Drawn, end_us: i64) -> Result<(), Ended> {
        let Drawn { frame, number, tiles, time_us } = drawn;
        let size = frame.picture_format();
        Ok(self.outlet.picture(FinishedPicture {
            set: self.set.id.clone(),
            number,
            format: self.set.format,
            bytes: draw::encode_sheet(self.set, &frame)?,
            asked_us: None,
            time_us,
            end_us: end_us.max(time_us),
            tiles,
            width: size.width,
            height: size.height,
        })?)
    }

    fn past_end(&self, time: i64, end: Option<i64>) -> Ended {
        let seconds = |us: i64| {
            let ms = scale_round(us, 1, 1000);
            format!("{}.{:03} s", ms / 1000, ms % 1000)
        };
        let end = end.map_or_else(String::new, |end| format!(": the output ends at {}", seconds(end)));
        Ended::Set(Problem::input("still.past_end", format!("there is no picture at {}{end}", seconds(time))))
    }

    fn too_many(&self, most: u32) -> Ended {
        let message = format!("the source gives more than {most} pictures: ask for a longer distance");
        Ended::Set(Problem::input("still.too_many", message))
    }
}

/// A sheet that is being drawn.
struct Drawn {
    frame: Frame,
    number: u32,
    tiles: u32,
    time_us: i64,
}
