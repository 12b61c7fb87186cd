//! Cues to segments of WebVTT (W3C WebVTT): files for HLS (RFC 8216 §3.5), samples for DASH (ISO/IEC 14496-30 §7).
//!
//! Times are milliseconds on the output timeline. A cue stands in every segment that it is shown in, with its whole time,
//! so that a player that starts anywhere shows it; segments with none are written all the same.

#[cfg(test)]
mod golden_tests;
mod segmenter;
mod styled;
mod wvtt;

pub use segmenter::{Segment, Segmenter};
pub use styled::from_ass;
pub use wvtt::{fragment, init_segment};

use std::fmt::Write;

/// Ticks of 90 kHz at which transport streams have the output's zero.
const TS_ZERO: u32 = 900_000;

/// What is shown, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cue {
    /// From when, ms; not before zero.
    pub start: i64,
    /// Until when, ms, exclusive; after the start.
    pub end: i64,
    /// Cue settings (W3C WebVTT §4.4), as they follow the times; empty for none.
    pub settings: String,
    /// Its text as WebVTT has it: escaped, with tags, lines parted by line feeds, none of them empty.
    pub text: String,
}

/// Where the clock of the segments of pictures has the output's zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Fragmented MP4: at zero.
    Cmaf,
    /// MPEG-2 transport streams.
    Ts,
}

/// A segment as a WebVTT file. `X-TIMESTAMP-MAP` says which instant of the pictures is zero of the cues.
pub fn file(segment: &Segment, clock: Clock) -> String {
    let zero = match clock {
        Clock::Cmaf => 0,
        Clock::Ts => TS_ZERO,
    };
    let mut text = format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{zero},LOCAL:00:00:00.000\n");
    for (_, cue) in &segment.cues {
        let settings = if cue.settings.is_empty() { String::new() } else { format!(" {}", cue.settings) };
        writeln!(text, "\n{} --> {}{settings}\n{}", timestamp(cue.start), timestamp(cue.end), cue.text)
            .expect("writing to a string does not fail");
    }
    text
}

/// A WebVTT timestamp (§4.1), hours always written.
fn timestamp(ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Grid;

    #[test]
    fn a_file_says_where_its_clock_stands_and_each_cue_whole() {
        let mut segmenter = Segmenter::new(Grid { segment_ms: 2000 }, Some(4000));
        segmenter.push(Cue { start: 1500, end: 3_723_004, settings: "line:0".into(), text: "<i>a</i>\nb".into() });
        let segments = segmenter.finish();
        assert_eq!(segments.len(), 2);
        let text = "\n00:00:01.500 --> 00:00:04.000 line:0\n<i>a</i>\nb\n";
        let cmaf = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n";
        assert_eq!(file(&segments[0], Clock::Cmaf), format!("{cmaf}{text}"));
        let ts = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n";
        assert_eq!(file(&segments[1], Clock::Ts), format!("{ts}{text}"));
        assert_eq!(timestamp(3_723_004), "01:02:03.004");
        assert_eq!(timestamp(360_000_000), "100:00:00.000");
    }

    #[test]
    fn a_segment_with_nothing_to_show_is_a_file_all_the_same() {
        let segments = Segmenter::new(Grid { segment_ms: 2000 }, Some(1000)).finish();
        assert_eq!(file(&segments[0], Clock::Cmaf), "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n");
    }
}
