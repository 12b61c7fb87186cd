//! A watermark of one rendition, as data: its size is that of the rendition's pictures, and where it stands and how much of
//! it is seen is a function of the output timeline alone, so that a picture is the same whichever span it was made in.

use super::request::{Color, Path, Position, Timecode};
use super::time::Ratio;
use serde::{Deserialize, Serialize};

/// All of a watermark is seen, in parts of opacity.
pub const OPAQUE: u32 = 1 << 16;

/// One watermark of a rendition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// What is drawn.
    pub content: MarkContent,
    /// How much of it is seen, thousandths.
    pub opacity: u32,
    /// Distance to the edges at the sides and at top and bottom, pixels.
    pub margin: (u32, u32),
    /// Where it stands.
    pub position: Position,
    /// How it moves, and how long that takes there and back, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motion: Option<(Path, u64)>,
    /// From when on it is seen, ms.
    pub start_ms: u64,
    /// Until when, exclusive, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<u64>,
    /// How long it takes to appear and to vanish, ms.
    pub fade_ms: (u64, u64),
}

/// What is drawn.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkContent {
    /// An image.
    Image {
        /// Index into the worker's list of inputs, [`super::plan::Work::inputs`].
        input: usize,
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
    },
    /// A text.
    Text {
        /// Its lines.
        text: String,
        /// How it is written.
        style: TextStyle,
    },
    /// Subtitles of the work's source that are pictures: what is shown at each time, over the whole picture.
    Subtitles {
        /// Stream index in the source.
        stream: u32,
        /// Source time that is zero of the output timeline, µs.
        origin_us: i64,
    },
    /// The time of each picture.
    Timecode {
        /// Number of the frame that is shown at zero of the output timeline, counted from 00:00:00:00.
        first: u64,
        /// Numbers are dropped, as in `00:01:00;02`.
        drop: bool,
        /// How it is written.
        style: TextStyle,
    },
}

/// How letters are written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TextStyle {
    /// Family of the font; other fonts have what it lacks.
    pub font: String,
    /// Size, pixels.
    pub size: u32,
    /// Colour.
    pub color: Color,
    /// Colour of a line around letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Color>,
    /// Colour of a box behind them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Color>,
}

impl Mark {
    /// How much of it is seen at an instant of the output timeline (µs), in parts of [`OPAQUE`].
    pub fn opacity_at(&self, at_us: i64) -> u32 {
        let us = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX / 2000).saturating_mul(1000);
        let since = at_us.saturating_sub(us(self.start_ms));
        let left = self.end_ms.map_or(i64::MAX, |end| us(end).saturating_sub(at_us));
        if since < 0 || left <= 0 {
            return 0;
        }
        let part = |of: i64, all: i64| {
            if all <= 0 || of >= all { OPAQUE } else { (i128::from(of) * i128::from(OPAQUE) / i128::from(all)) as u32 }
        };
        let seen = part(since, us(self.fade_ms.0)).min(part(left, us(self.fade_ms.1)));
        (u64::from(seen) * u64::from(self.opacity.min(1000)) / 1000) as u32
    }

    /// Where the upper left corner of something of this size lies at an instant (µs) in a picture of that size, pixels. Both
    /// are even, because that is where the planes of colour have samples. What is larger than the room for it begins at
    /// the edge.
    pub fn corner_at(&self, at_us: i64, size: (u32, u32), picture: (u32, u32)) -> (u32, u32) {
        use Position::{Bottom, BottomLeft, BottomRight, Center, Left, Right, Top, TopLeft, TopRight};
        let (right, lower) = match self.position {
            TopLeft => (0, 0),
            Top => (1, 0),
            TopRight => (2, 0),
            Left => (0, 1),
            Center => (1, 1),
            Right => (2, 1),
            BottomLeft => (0, 2),
            Bottom => (1, 2),
            BottomRight => (2, 2),
        };
        // Halves of the way from one margin to the other, or where it is on its way.
        let moving = self.motion.map(|(path, period_ms)| (path, to_and_fro(at_us, period_ms)));
        let x = match moving {
            Some((Path::LeftRight | Path::Diagonal, way)) => way,
            _ => right * (HALF_WAY / 2),
        };
        let y = match moving {
            Some((Path::TopBottom | Path::Diagonal, way)) => way,
            _ => lower * (HALF_WAY / 2),
        };
        (place(x, size.0, picture.0, self.margin.0), place(y, size.1, picture.1, self.margin.1))
    }
}

/// Parts of the way from one margin to the other.
const HALF_WAY: u64 = 1 << 20;

/// How far something is that goes there and back in a period.
fn to_and_fro(at_us: i64, period_ms: u64) -> u64 {
    let period = i128::from(period_ms.max(1)) * 1000;
    let phase = i128::from(at_us).rem_euclid(period) * 2;
    let way = if phase <= period { phase } else { 2 * period - phase };
    (way * i128::from(HALF_WAY) / period) as u64
}

fn place(way: u64, size: u32, picture: u32, margin: u32) -> u32 {
    let room = picture.saturating_sub(size);
    let margin = margin.min(room / 2);
    let free = u64::from(room - 2 * margin);
    let at = u64::from(margin) + free * way / HALF_WAY;
    (at as u32) / 2 * 2
}

impl Timecode {
    /// The number of this frame, counted from 00:00:00:00, at a rate of so many frames a second.
    pub fn frame_number(self, rate: u64) -> u64 {
        let minutes = u64::from(self.hours) * 60 + u64::from(self.minutes);
        let all = (minutes * 60 + u64::from(self.seconds)) * rate + u64::from(self.frames);
        if self.drops(rate) { all - dropped(rate) * (minutes - minutes / 10) } else { all }
    }

    /// Whether numbers can be dropped at this rate: it is one of NTSC's, 30 or 60 nominally.
    pub const fn drops(self, rate: u64) -> bool {
        self.drop && rate.is_multiple_of(30)
    }
}

/// Numbers that are dropped at the beginning of each minute but each tenth.
const fn dropped(rate: u64) -> u64 {
    rate / 30 * 2
}

/// Whole frames a second that timecodes count by (SMPTE ST 12-1): 30 for 29.97.
pub fn nominal_rate(rate: Ratio) -> u64 {
    if !rate.is_known() {
        return 25;
    }
    u64::try_from((rate.num + rate.den / 2) / rate.den.max(1)).unwrap_or(25).max(1)
}

/// The timecode of a frame by its number, at so many frames a second; after 24 hours it begins anew.
pub fn timecode(number: u64, rate: u64, drop: bool) -> String {
    let rate = rate.max(1);
    let drops = drop && rate.is_multiple_of(30);
    let in_ten = if drops { rate * 600 - 9 * dropped(rate) } else { rate * 600 };
    let number = number % (in_ten * 144);
    let shown = if drops {
        let (tens, rest) = (number / in_ten, number % in_ten);
        let minute = rate * 60;
        // The first minute of ten has all its numbers.
        let later = rest.saturating_sub(minute) / (minute - dropped(rate));
        let minutes = if rest < minute { 0 } else { later + 1 };
        number + dropped(rate) * (9 * tens + minutes)
    } else {
        number
    };
    let (seconds, frames) = (shown / rate, shown % rate);
    let separator = if drops { ';' } else { ':' };
    format!("{:02}:{:02}:{:02}{separator}{frames:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(position: Position) -> Mark {
        let style =
            TextStyle { font: String::new(), size: 10, color: Color([255; 3]), outline: None, background: None };
        let content = MarkContent::Text { text: "x".into(), style };
        let (motion, end_ms) = (None, None);
        Mark { content, opacity: 1000, margin: (10, 20), position, motion, start_ms: 0, end_ms, fade_ms: (0, 0) }
    }

    #[test]
    fn nine_places_and_three_ways() {
        let at = |position| mark(position).corner_at(0, (40, 20), (200, 100));
        let xs = [10, 80, 150];
        let ys = [20, 40, 60];
        for (i, position) in Position::ALL.iter().enumerate() {
            assert_eq!(at(*position), (xs[i % 3], ys[i / 3]), "{position:?}");
        }
        let moving = |path, ms: i64| {
            let mark = Mark { motion: Some((path, 4000)), ..mark(Position::TopRight) };
            mark.corner_at(ms * 1000, (40, 20), (200, 100))
        };
        let ways: Vec<_> = [0, 1000, 2000, 3000, 4000].map(|ms| moving(Path::LeftRight, ms).0).to_vec();
        assert_eq!(ways, [10, 80, 150, 80, 10]);
        assert_eq!((moving(Path::LeftRight, 1000).1, moving(Path::TopBottom, 2000)), (20, (150, 60)));
        assert_eq!(moving(Path::Diagonal, 1000), (80, 40));
        assert_eq!(mark(Position::BottomRight).corner_at(0, (400, 400), (200, 100)), (0, 0));
    }

    #[test]
    fn it_is_seen_in_its_window_and_fades_at_its_ends() {
        let mark =
            Mark { start_ms: 1000, end_ms: Some(5000), fade_ms: (1000, 2000), opacity: 500, ..mark(Position::Top) };
        let at = |ms: i64| mark.opacity_at(ms * 1000);
        assert_eq!([999, 1000, 1500, 2000, 3000, 4000, 5000].map(at), [0, 0, 16384, 32768, 32768, 16384, 0]);
    }

    #[test]
    fn timecodes_count_frames_and_drop_numbers() {
        assert_eq!(timecode(90_000, 25, false), "01:00:00:00");
        assert_eq!(timecode(24 * 90_000 + 7, 25, true), "00:00:00:07");
        for (number, text) in
            [(1799, "00:00:59;29"), (1800, "00:01:00;02"), (17_982, "00:10:00;00"), (107_892, "01:00:00;00")]
        {
            assert_eq!(timecode(number, 30, true), text);
            assert_eq!(text.parse::<Timecode>().unwrap().frame_number(30), number);
        }
        assert_eq!((nominal_rate(Ratio::new(30_000, 1001)), nominal_rate(Ratio::new(24, 1))), (30, 24));
        assert_eq!("01:00:00:05".parse::<Timecode>().unwrap().frame_number(25), 90_005);
    }
}
