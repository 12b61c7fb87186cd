//! Where the black bars of a source are: measured on pictures that lie spread over all of it.
//!
//! A **bar** is black in every picture that was looked at. A line is black where its mean is at most 8 above black and
//! hardly any sample (one in 256) is over 32 above it, in 8-bit luma of limited range; coding noise is below that, letters of
//! a subtitle are above it. Pictures that are black all over say nothing. What is found is doubted rather than believed: bars of
//! less than 4 pixels stay, and so does everything where less than half of a side would be left, or where fewer than four
//! pictures had anything in them.

use super::Control;
use super::faults;
use super::stills::draw::filtered;
use crate::av::input::Interrupt;
use crate::av::{ByteSource, Decoder, Frame, Input, Packet, Polled};
use crate::model::Problem;
use crate::model::facts::{MediaFacts, VideoFacts};
use crate::model::limits::BARS_SECONDS_MAX;
use crate::model::request::Crop;
use crate::model::time::{Ratio, rescale};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Pictures that are looked at: of a film, one each four or five minutes.
const PICTURES: i64 = 24;
/// From one place to the next in the order in which they are looked at; prime to their number.
const STRIDE: i64 = 7;
/// Places that must have been looked at to say anything, where time or decoding runs out.
const PLACES_MIN: i64 = PICTURES / 2;
/// Fewest that must have had anything in them: a title or a dark room may leave one or two with black at their edges.
const PICTURES_MIN: usize = 4;
/// Most pictures that are decoded in all: where key frames are further apart than the places that are looked at, those
/// between are decoded.
const DECODED_MAX: u32 = 2400;
/// Most bytes of packets that are read from one place for its picture.
const PLACE_BYTES_MAX: usize = 64 << 20;
/// Luma of black in limited range.
const BLACK: u32 = 16;
/// How far over black the mean of a black line may be …
const MEAN_MAX: u32 = 8;
/// … and a sample of which there may be one in [`BRIGHT_PART`] of them.
const BRIGHT: u32 = 32;
const BRIGHT_PART: usize = 256;
/// Narrowest bar, pixels: narrower ones are edges of old video.
const BAR_MIN: u32 = 4;
const MICROS: Ratio = Ratio::new(1, 1_000_000);
/// Any picture in 8-bit luma of limited range.
const GRAPH: &str = "scale=out_range=tv,format=yuv420p";

/// What of the main pictures of a source is not black bars, in pixels as shown; all of them where there are none. `None`:
/// there are no pictures, or too little of them could be seen in time.
///
/// # Errors
/// `job.cancelled`.
pub fn measure(source: Box<dyn ByteSource>, facts: &MediaFacts, control: &Control) -> Result<Option<Crop>, Problem> {
    let Some((stream, video)) = facts.main_video() else { return Ok(None) };
    let deadline = Instant::now() + Duration::from_secs(BARS_SECONDS_MAX);
    let interrupt = Interrupt { stop: control.stop_flag(), deadline: Some(deadline) };
    let seen = Viewer::open(source, stream.index, interrupt).map(|viewer| viewer.look(facts, deadline));
    if control.stop_flag().load(Ordering::Relaxed) {
        return Err(Problem::cancelled());
    }
    // What could not be read here is no fault of the source: the encode says that better.
    let Some((seen, enough)) = seen.ok().flatten() else { return Ok(None) };
    let size = (video.width, video.height);
    let all = Crop { x: 0, y: 0, width: video.display_width, height: video.display_height };
    Ok(enough.then(|| seen.area(size).map_or(all, |area| shown(area, video))))
}

/// A source while its pictures are looked at.
struct Viewer {
    input: Input,
    stream: u32,
    decoded: u32,
}

impl Viewer {
    fn open(source: Box<dyn ByteSource>, stream: u32, interrupt: Interrupt) -> Result<Self, Problem> {
        let mut input = Input::open(source, interrupt).map_err(|error| faults::source(error, None))?;
        input.find_stream_info().map_err(|error| faults::source(error, input.source_failure()))?;
        input.select(&[stream]);
        Ok(Self { input, stream, decoded: 0 })
    }

    /// What was seen, and whether in enough places; `None` where its length is not known or nothing can be decoded.
    fn look(mut self, facts: &MediaFacts, deadline: Instant) -> Option<(Seen, bool)> {
        let info = self.input.stream_info(self.stream).ok()?;
        let length = facts.media_end_us.map(|end| end - facts.start_us.unwrap_or(0)).or(facts.duration_us)?;
        let (start, step) = (facts.start_us.unwrap_or(0), (length / PICTURES).max(1));
        let mut seen = Seen::default();
        for turn in 0..PICTURES {
            if Instant::now() >= deadline || self.decoded >= DECODED_MAX {
                return Some((seen, turn >= PLACES_MIN));
            }
            // Spread over the source from the first few on.
            let place = turn * STRIDE % PICTURES;
            let ticks = |us: i64| rescale(us, MICROS, info.time_base);
            let wanted = start + step * place + step / 2;
            let decoder = Decoder::open(&info.params, info.time_base, 1).ok()?;
            // Where one key frame serves several places, pictures behind it do.
            let Some(frame) = self.picture(decoder, ticks(wanted), ticks(wanted - step / 2), deadline) else {
                continue;
            };
            if let Ok(luma) = filtered(&frame, GRAPH) {
                seen.add(&luma);
            }
        }
        Some((seen, true))
    }

    /// The first whole picture at or behind `from` that decoding from before `wanted` gives.
    fn picture(&mut self, mut decoder: Decoder, wanted: i64, from: i64, deadline: Instant) -> Option<Frame> {
        self.input.seek_before(self.stream, wanted).ok()?;
        let mut packet = Packet::new().ok()?;
        let (mut bytes, mut begun) = (0, false);
        loop {
            let more = bytes < PLACE_BYTES_MAX && self.decoded < DECODED_MAX && Instant::now() < deadline;
            if !more || !self.input.read(&mut packet).unwrap_or(false) {
                let _ = decoder.send(None);
                return self.out(&mut decoder, from);
            }
            if packet.stream() != self.stream {
                continue;
            }
            bytes += packet.data().len();
            begun |= packet.is_key();
            if !begun {
                continue;
            }
            // A packet that does not decode is one without a picture.
            let _ = decoder.send(Some(&packet));
            if let Some(found) = self.out(&mut decoder, from) {
                return Some(found);
            }
        }
    }

    fn out(&mut self, decoder: &mut Decoder, from: i64) -> Option<Frame> {
        loop {
            let mut frame = Frame::new().ok()?;
            if !matches!(decoder.receive(&mut frame), Ok(Polled::Ready)) {
                return None;
            }
            self.decoded += 1;
            if frame.best_effort_pts().is_some_and(|at| at >= from) && !frame.is_corrupt() {
                return Some(frame);
            }
        }
    }
}

/// What all pictures together have that is not black, as lines and columns of the stored picture.
#[derive(Default, Debug)]
struct Seen {
    pictures: usize,
    size: (u32, u32),
    /// First and last column, first and last line.
    edges: Option<[u32; 4]>,
}

impl Seen {
    fn add(&mut self, luma: &Frame) {
        let Some((height, width)) = luma.plane_size(0) else { return };
        let Some(rows) = (0..height).map(|row| luma.row(0, row)).collect::<Option<Vec<_>>>() else { return };
        self.add_rows(&rows, width);
    }

    fn add_rows(&mut self, rows: &[&[u8]], width: usize) {
        let size = (width as u32, rows.len() as u32);
        if self.pictures > 0 && self.size != size {
            // A source that changes its size has no bars that stay.
            self.edges = Some([0, u32::MAX, 0, u32::MAX]);
            return;
        }
        let lit = |at: &usize| !is_black(rows[*at].iter().copied());
        let Some(top) = (0..rows.len()).find(lit) else { return };
        let bottom = (0..rows.len()).rev().find(lit).unwrap_or(top);
        let lit = |at: &usize| !is_black(rows[top..=bottom].iter().map(|row| row[*at]));
        let Some(left) = (0..width).find(lit) else { return };
        let right = (0..width).rev().find(lit).unwrap_or(left);
        let [left, right, top, bottom] = [left, right, top, bottom].map(|at| at as u32);
        self.pictures += 1;
        self.size = size;
        self.edges = Some(match self.edges {
            Some(old) => [old[0].min(left), old[1].max(right), old[2].min(top), old[3].max(bottom)],
            None => [left, right, top, bottom],
        });
    }

    /// What is left of pictures of this size without their bars: column, line, width and height. `None`: there are none.
    fn area(&self, size: (u32, u32)) -> Option<[u32; 4]> {
        let [left, right, top, bottom] = self.edges.filter(|_| self.pictures >= PICTURES_MIN && self.size == size)?;
        let (x, width) = kept(left, right, size.0);
        let (y, height) = kept(top, bottom, size.1);
        ((width, height) != size).then_some([x, y, width, height])
    }
}

fn is_black(samples: impl Iterator<Item = u8>) -> bool {
    let (mut count, mut sum, mut bright) = (0_usize, 0_usize, 0_usize);
    for sample in samples {
        let over = u32::from(sample).saturating_sub(BLACK);
        count += 1;
        sum += over as usize;
        bright += usize::from(over > BRIGHT);
    }
    sum <= MEAN_MAX as usize * count && bright * BRIGHT_PART <= count
}

/// Where a side begins without its bars, and how long it is: at even places, so that nothing of a bar is left.
fn kept(first: u32, last: u32, side: u32) -> (u32, u32) {
    let start = if first < BAR_MIN { 0 } else { first.next_multiple_of(2) };
    let after = last.saturating_add(1);
    let end = if after.saturating_add(BAR_MIN) > side { side } else { after / 2 * 2 };
    if end.saturating_sub(start) < side.div_ceil(2) { (0, side) } else { (start, end - start) }
}

/// The same area of the picture as it is shown: mirrored, turned, its pixels square.
fn shown([x, y, width, height]: [u32; 4], video: &VideoFacts) -> Crop {
    let (w, h) = (video.width, video.height);
    let x = if video.mirrored { w - x - width } else { x };
    let (area, size) = match video.rotation {
        90 => ([h - y - height, x, height, width], (h, w)),
        180 => ([w - x - width, h - y - height, width, height], (w, h)),
        270 => ([y, w - x - width, height, width], (h, w)),
        _ => ([x, y, width, height], (w, h)),
    };
    // Rounded up, which rounding down in the plan undoes.
    let place = |at: u32, stored: u32, shown: u32| {
        let at = (u64::from(at) * u64::from(shown)).div_ceil(u64::from(stored.max(1)));
        u32::try_from(at).unwrap_or(shown).min(shown)
    };
    let across = |at| place(at, size.0, video.display_width);
    let down = |at| place(at, size.1, video.display_height);
    let (x, y) = (across(area[0]), down(area[1]));
    Crop { x, y, width: across(area[0] + area[2]) - x, height: down(area[1] + area[3]) - y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing;

    const SIZE: (usize, usize) = (320, 180);

    /// A picture that is black but for a rectangle: first and last column, first and last line.
    fn picture(lit: [usize; 4], level: u8) -> Vec<Vec<u8>> {
        let mut rows = vec![vec![16; SIZE.0]; SIZE.1];
        for row in &mut rows[lit[2]..=lit[3]] {
            row[lit[0]..=lit[1]].fill(level);
        }
        rows
    }

    fn area(pictures: &[Vec<Vec<u8>>]) -> Option<[u32; 4]> {
        let mut seen = Seen::default();
        for rows in pictures {
            seen.add_rows(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), SIZE.0);
        }
        seen.area((SIZE.0 as u32, SIZE.1 as u32))
    }

    fn four(lit: [usize; 4]) -> Vec<Vec<Vec<u8>>> {
        vec![picture(lit, 100); 4]
    }

    #[test]
    fn bars_are_what_is_black_in_all_pictures() {
        assert_eq!(area(&four([0, 319, 22, 157])), Some([0, 22, 320, 136]), "above and below");
        assert_eq!(area(&four([40, 279, 0, 179])), Some([40, 0, 240, 180]), "beside");
        assert_eq!(area(&four([40, 279, 22, 157])), Some([40, 22, 240, 136]), "around");
        assert_eq!(area(&four([0, 319, 23, 156])), Some([0, 24, 320, 132]), "odd edges leave nothing of a bar");
        assert_eq!(area(&four([0, 319, 0, 179])), None);
        let mut pictures = four([0, 319, 60, 120]);
        pictures.push(picture([0, 319, 22, 157], 100));
        assert_eq!(area(&pictures), Some([0, 22, 320, 136]), "dark pictures take nothing away from others");
        pictures.push(picture([0, 319, 0, 179], 16));
        assert_eq!(area(&pictures), Some([0, 22, 320, 136]), "black ones say nothing");
    }

    #[test]
    fn what_may_not_be_a_bar_is_kept() {
        assert_eq!(area(&four([0, 319, 22, 157])[..3]), None, "three pictures prove little");
        assert_eq!(area(&four([0, 319, 60, 140])), None, "less than half would be left");
        assert_eq!(area(&four([3, 316, 0, 179])), None, "edges of old video");
        assert_eq!(area(&four([0, 319, 0, 179]).iter().map(|_| picture([0, 0, 0, 0], 16)).collect::<Vec<_>>()), None);
        let mut subtitled = four([0, 319, 22, 157]);
        subtitled[2][170..172].iter_mut().for_each(|row| row[100..110].fill(230));
        assert_eq!(area(&subtitled), Some([0, 22, 320, 150]), "a bar with letters in it ends at them");
        let mut noisy = four([0, 319, 22, 157]);
        noisy.iter_mut().flat_map(|rows| rows.iter_mut().take(20)).for_each(|row| {
            row.iter_mut().enumerate().for_each(|(at, sample)| *sample = 14 + (at % 7) as u8);
            row[9] = 90;
        });
        assert_eq!(area(&noisy), Some([0, 22, 320, 136]), "noise and a speck are black");
    }

    #[test]
    fn areas_are_told_as_shown() {
        let told = |area, video: &VideoFacts| {
            let crop = shown(area, video);
            (crop.x, crop.y, crop.width, crop.height)
        };
        let video = testing::video(1920, 1080, 25, 1);
        assert_eq!(told([0, 140, 1920, 800], &video), (0, 140, 1920, 800));
        let turned = VideoFacts { rotation: 90, display_width: 1080, display_height: 1920, ..video.clone() };
        assert_eq!(told([100, 140, 1820, 900], &turned), (40, 100, 900, 1820));
        let other = VideoFacts { rotation: 270, ..turned };
        assert_eq!(told([100, 140, 1820, 900], &other), (140, 0, 900, 1820));
        let mirrored = VideoFacts { mirrored: true, ..video.clone() };
        assert_eq!(told([100, 0, 1820, 1080], &mirrored), (0, 0, 1820, 1080));
        let wide = VideoFacts { width: 1440, ..video };
        assert_eq!(told([180, 0, 1080, 1080], &wide), (240, 0, 1440, 1080));
    }
}
