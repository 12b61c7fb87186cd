//! The DASH media presentation description (ISO/IEC 23009-1) over the CMAF segments: profile `isoff-live`, or
//! `isoff-on-demand` where each track is one file.

mod sets;
mod sprites;
mod time;
mod xml;

use super::LiveClock;
use super::presentation::{Presentation, Track};
use crate::model::instant::utc;
use crate::model::time::scale_ceil;
use time::duration;
use xml::Element;

/// Each segment a file of its own, by a template (§8.4).
const LIVE: &str = "urn:mpeg:dash:profile:isoff-live:2011";
/// Each Representation one file with an index (§8.3).
const ON_DEMAND: &str = "urn:mpeg:dash:profile:isoff-on-demand:2011";

/// The MPD, to stand in the directory of CMAF. One period from zero on; `static` when complete, `dynamic` until then.
pub(super) fn mpd(presentation: &Presentation<'_>, clock: LiveClock) -> String {
    let single = presentation.tracks().all(|track| track.record.single_file(presentation.packaging).is_some());
    let mut root = Element::new("MPD")
        .with("xmlns", "urn:mpeg:dash:schema:mpd:2011")
        .with("profiles", if single { ON_DEMAND } else { LIVE })
        .with("type", if presentation.complete { "static" } else { "dynamic" });
    if presentation.complete {
        root = root.with("mediaPresentationDuration", duration(latest_end_us(presentation)));
    } else {
        root = growing(root, presentation, clock);
    }
    let longest = longest_segment_us(presentation);
    let parts = if single { "maxSubsegmentDuration" } else { "maxSegmentDuration" };
    root = root.with(parts, duration(longest));
    // At the declared rate, which is the peak over segments, a segment takes at most its own duration to arrive: so this
    // much buffered media is always enough (§5.3.5.2, table 9).
    root = root.with("minBufferTime", duration(longest));
    let mut period = Element::new("Period").with("id", "0").with("start", "PT0S");
    let media = sets::video(presentation).into_iter().chain(sets::audio(presentation)).chain(sets::text(presentation));
    for (index, set) in media.chain(presentation.wishes.sprites.map(sprites::set)).enumerate() {
        period = period.child(set.with_first("id", (index + 1).to_string()));
    }
    xml::document(root.child(period))
}

/// What a growing MPD adds (§5.3.1.2).
///
/// A job is not a broadcast: who opens it while it grows wants its beginning. A client starts at now less
/// `availabilityStartTime` less `suggestedPresentationDelay`, so the delay is the time since the start, and two segments
/// more for an MPD that is read some time after it was written. `timeShiftBufferDepth` is absent: nothing is ever removed.
fn growing(root: Element, presentation: &Presentation<'_>, clock: LiveClock) -> Element {
    let segment_us = i64::from(presentation.segment_ms).saturating_mul(1000);
    let elapsed_us = clock.now_unix_ms.saturating_sub(clock.started_unix_ms).max(0).saturating_mul(1000);
    root.with("availabilityStartTime", utc(clock.started_unix_ms))
        .with("publishTime", utc(clock.now_unix_ms))
        .with("minimumUpdatePeriod", duration(segment_us.max(UPDATE_PERIOD_MIN_US)))
        .with("suggestedPresentationDelay", duration(elapsed_us.saturating_add(2 * segment_us)))
}

/// Clients need not ask more often than this, however short the segments.
const UPDATE_PERIOD_MIN_US: i64 = 1_000_000;

fn latest_end_us(presentation: &Presentation<'_>) -> i64 {
    presentation.tracks().map(|track| microseconds(track.end(), track)).max().unwrap_or(0)
}

/// The longest segment there is and, while more may come, at least the target, so that the value stays.
fn longest_segment_us(presentation: &Presentation<'_>) -> i64 {
    let planned = if presentation.complete { 0 } else { presentation.target_seconds.saturating_mul(1_000_000) };
    let made = presentation
        .tracks()
        .flat_map(|track| track.segments.iter().map(move |(segment, _)| microseconds(segment.duration, track)));
    made.chain(i64::try_from(planned)).max().unwrap_or(0)
}

/// Rounded up, so that a bound stays one.
fn microseconds(ticks: i64, track: &Track<'_>) -> i64 {
    scale_ceil(ticks, 1_000_000, i64::from(track.record.timescale.max(1)))
}
