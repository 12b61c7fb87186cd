//! Single pictures of one output: which, how large, and through which filters.
//!
//! They are always of standard dynamic range, upright, whole and of square pixels; crops and bars of the output hold for
//! them too. None of it depends on the output's renditions, so an output may be these alone.

use super::color;
use super::graph;
use super::output::Ask;
use super::picture;
use super::source::{Pictures, Source};
use super::timeline;
use crate::model::Ratio;
use crate::model::request::{DynamicRange, IMAGE_SIDE_MAX, INTERVAL_US_MIN, ImageFormat, PictureOptions, STILLS_MAX};
use crate::model::request::{Request, SpriteOptions, StillsOptions};
use crate::model::stills::{Pick, PictureSet, SPRITES, STILLS, Sheet};
use crate::model::{Problem, VideoCodec};

/// Most tiles of an output: a day at one each 5 s.
const TILES_MAX: u32 = 20_000;
/// Candidates for each good picture, and how many there are at least and at most.
const CANDIDATES: (u32, u32, u32) = (4, 24, 240);
/// Longest side of pictures that are measured, pixels.
const MEASURED_SIDE: u32 = 320;
/// Distance of tiles when none is asked, seconds: a hundredth of the output within these.
const INTERVAL_SECONDS: (i64, i64) = (1, 10);
/// So far behind the end of a stream a time is past it, µs; closer ones are looked for. Streams often declare a frame too
/// little.
const END_SLACK_US: i64 = 100_000;

/// The sets of an output, each with its directory.
///
/// # Errors
/// `still.*`, `request.sprites`, `request.crop`, `request.pad`.
pub(super) fn sets(ask: &Ask<'_>, source: &Source<'_>) -> Result<Vec<(&'static str, PictureSet)>, Vec<Problem>> {
    let request = ask.request;
    if request.stills.is_none() && request.sprites.is_none() {
        return Ok(Vec::new());
    }
    let here = |problem: Problem| vec![problem.at(format_args!("outputs[{}]", ask.index))];
    let field = if request.stills.is_some() { "stills" } else { "sprites" };
    let Some(pictures) = &source.pictures else {
        let message = "the source has no pictures, so none can be taken from it: leave stills and sprites out";
        return Err(here(Problem::input("still.no_pictures", message).at(field)));
    };
    if let Some(problem) = source.unusable() {
        return Err(vec![problem]);
    }
    if let Some(problem) = picture::unfit(source, pictures.video, &request.picture) {
        return Err(here(problem));
    }
    let maker = Maker { source, pictures, request };
    let mut sets = Vec::new();
    if let Some(options) = &request.stills {
        sets.push((STILLS, maker.stills(format!("{STILLS}-{}", ask.index), options).map_err(here)?));
    }
    if let Some(options) = &request.sprites {
        sets.push((SPRITES, maker.sprites(format!("{SPRITES}-{}", ask.index), options).map_err(here)?));
    }
    Ok(sets)
}

struct Maker<'a> {
    source: &'a Source<'a>,
    pictures: &'a Pictures<'a>,
    request: &'a Request,
}

impl Maker<'_> {
    fn stills(&self, id: String, options: &StillsOptions) -> Result<PictureSet, Problem> {
        let size = fit(self.shown(), (options.width, options.height), options.upscale);
        let pick = self.pick(options)?;
        Ok(self.set(id, size, pick, (options.format, options.quality), options.key_frames))
    }

    fn pick(&self, options: &StillsOptions) -> Result<Pick, Problem> {
        if let Some(every) = options.every {
            self.check_count(every.0, STILLS_MAX as u32, "stills.every")?;
            return Ok(Pick::Every { interval: every.0, most: STILLS_MAX as u32 });
        }
        if let Some(count) = options.evenly {
            return Ok(Pick::Times { times: middles(self.duration("stills.evenly")?, count), clamp: true });
        }
        if let Some(count) = options.best {
            let (each, least, most) = CANDIDATES;
            let candidates = count.saturating_mul(each).clamp(least, most).max(count);
            let times = middles(self.duration("stills.best")?, candidates);
            let size = fit(self.shown(), (Some(MEASURED_SIDE), Some(MEASURED_SIDE)), false);
            return Ok(Pick::Best { times, count, graph: self.graph(size).0 });
        }
        let times: Vec<i64> = options.times.iter().map(|time| time.0).collect();
        let end = self.end_us().filter(|(_, exact)| *exact && !self.source.facts.truncated).map(|(end, _)| end);
        let late =
            end.and_then(|end| Some((times.iter().position(|time| *time >= end.saturating_add(END_SLACK_US))?, end)));
        if let Some((nth, end)) = late {
            let problem = past_end(times[nth], end);
            return Err(problem.at(format_args!("stills.times[{nth}]")));
        }
        Ok(Pick::Times { times, clamp: false })
    }

    fn sprites(&self, id: String, options: &SpriteOptions) -> Result<PictureSet, Problem> {
        let (columns, rows) = options.grid();
        let (shown_width, shown_height) = self.shown();
        let even = |side: u32| (side / 2 * 2).max(2);
        let width = even(options.tile_width().min(shown_width));
        let height = even(side_of(width, shown_height, shown_width).saturating_add(1));
        if rows.saturating_mul(height) > IMAGE_SIDE_MAX {
            let message =
                format!("{rows} tiles of {height} lines are higher than {IMAGE_SIDE_MAX}: ask for fewer rows");
            return Err(Problem::input("request.sprites", message).at("sprites.rows"));
        }
        let interval = options.interval.map_or_else(|| self.usual_interval(), |interval| interval.0);
        self.check_count(interval, TILES_MAX, "sprites.interval")?;
        let pick = Pick::Every { interval, most: TILES_MAX };
        let set = self.set(id, (width, height), pick, (options.format, options.quality), !options.exact);
        Ok(PictureSet { sheet: Some(Sheet { columns, rows }), ..set })
    }

    fn set(
        &self,
        id: String,
        (width, height): (u32, u32),
        pick: Pick,
        (format, quality): (ImageFormat, Option<u8>),
        key_frames: bool,
    ) -> PictureSet {
        let (graph, matrix) = self.graph((width, height));
        let quality = quality.unwrap_or(format.usual_quality());
        PictureSet { id, pick, sheet: None, key_frames, graph, matrix, width, height, format, quality }
    }

    /// The filters to a size, and the matrix that pictures have then.
    fn graph(&self, (width, height): (u32, u32)) -> (String, String) {
        let Pictures { video, decoded, .. } = self.pictures;
        let options = PictureOptions { dynamic_range: DynamicRange::Sdr, ..self.request.picture };
        let look = color::asked(VideoCodec::H264, video, decoded, &options);
        let matrix = graph::scaler_matrix(look.color.matrix.as_deref().unwrap_or_default()).to_owned();
        // Between 4:2:0 and linear light the tone mapper takes even sides alone; the last step makes them what is asked.
        let even = |side: u32| if graph::tone_maps(video, look.hdr.as_ref()) { side + side % 2 } else { side };
        (graph::from_source(video, decoded, &look, even(width), even(height)), matrix)
    }

    /// Width and height of pictures as shown, cropped and padded as asked.
    fn shown(&self) -> (u32, u32) {
        let video = picture::framed(self.pictures.video, &self.request.picture).video;
        (video.display_width.max(1), video.display_height.max(1))
    }

    /// Where the pictures end, µs, as far as known, and whether that is exact.
    fn end_us(&self) -> Option<(i64, bool)> {
        let (ticks, exact) = self.pictures.end(self.source)?;
        Some((timeline::between(ticks, self.pictures.ticks(), Ratio::new(1, 1_000_000)), exact))
    }

    fn duration(&self, field: &str) -> Result<i64, Problem> {
        self.end_us().map(|(end, _)| end).filter(|end| *end > 0).ok_or_else(|| {
            let message = "the source does not say how long it is: ask for `times`, or for one `every` so long";
            Problem::input("still.duration_unknown", message).at(field)
        })
    }

    fn check_count(&self, interval: i64, most: u32, field: &str) -> Result<(), Problem> {
        // One that is too short for any source is told of already.
        let Some((end, _)) = self.end_us().filter(|_| interval >= INTERVAL_US_MIN) else { return Ok(()) };
        let count = end / interval + 1;
        if count <= i64::from(most) {
            return Ok(());
        }
        let message = format!("{count} pictures are more than {most}: ask for a longer distance");
        Err(Problem::input("still.too_many", message).at(field))
    }

    fn usual_interval(&self) -> i64 {
        let (least, most) = INTERVAL_SECONDS;
        let seconds = self.end_us().map_or(most, |(end, _)| (end / 100).saturating_add(999_999) / 1_000_000);
        seconds.clamp(least, most) * 1_000_000
    }
}

/// A time that no picture of the output has.
fn past_end(time: i64, end: i64) -> Problem {
    let seconds = |us: i64| format!("{}.{:03} s", us / 1_000_000, us / 1000 % 1000);
    let message = format!("there is no picture at {}: the output ends at {}", seconds(time), seconds(end));
    Problem::input("still.past_end", message)
}

/// The middles of equal parts of a duration.
fn middles(duration_us: i64, count: u32) -> Vec<i64> {
    let middle = |nth: u32| crate::model::time::scale_floor(duration_us, i64::from(2 * nth + 1), i64::from(2 * count));
    (0..count).map(middle).collect()
}

/// A picture's size within a box of which either side may be open, its shape kept.
fn fit(shown: (u32, u32), within: (Option<u32>, Option<u32>), upscale: bool) -> (u32, u32) {
    let most = |asked: Option<u32>, own: u32| {
        let most = asked.unwrap_or(IMAGE_SIDE_MAX).min(IMAGE_SIDE_MAX);
        if upscale && within != (None, None) { most } else { most.min(own) }
    };
    let (width, height) = (most(within.0, shown.0), most(within.1, shown.1));
    let by_width = (width, side_of(width, shown.1, shown.0));
    if by_width.1 <= height { by_width } else { (side_of(height, shown.0, shown.1), height) }
}

/// `side · over / under`, to the nearest, at least 1.
fn side_of(side: u32, over: u32, under: u32) -> u32 {
    let exact = (u64::from(side) * u64::from(over) + u64::from(under) / 2) / u64::from(under.max(1));
    u32::try_from(exact).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_keeps_its_shape_and_grows_only_when_allowed() {
        let hd = (1920, 1080);
        assert_eq!(fit(hd, (None, None), false), hd);
        assert_eq!(fit(hd, (None, None), true), hd);
        assert_eq!(fit(hd, (Some(640), None), false), (640, 360));
        assert_eq!(fit(hd, (None, Some(360)), false), (640, 360));
        assert_eq!(fit(hd, (Some(640), Some(100)), false), (178, 100));
        assert_eq!(fit(hd, (Some(3840), None), false), hd);
        assert_eq!(fit(hd, (Some(3840), None), true), (3840, 2160));
        assert_eq!(fit((16_384, 2), (None, None), false), (16_383, 2));
        assert_eq!(fit((2, 1000), (Some(1), Some(10)), false), (1, 10));
    }

    #[test]
    fn evenly_is_in_the_middle_of_equal_parts() {
        assert_eq!(middles(10_000_000, 1), [5_000_000]);
        assert_eq!(middles(10_000_000, 4), [1_250_000, 3_750_000, 6_250_000, 8_750_000]);
    }
}
