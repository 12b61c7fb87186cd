//! Tells the daemon, which alone has a network, of the steps that were taken.

use super::link::Link;
use crate::pipeline::Control;
use crate::pipeline::steps::Step;
use crate::wire::v1;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells all steps, before the last message.
pub(super) fn tell(control: &Control, link: &Link) {
    // One moment by both clocks, so that steps are in order whatever the time of day did meanwhile.
    let (now, day) = (Instant::now(), SystemTime::now());
    let unix_ns = |at: Instant| {
        let ago = now.saturating_duration_since(at);
        let since = day.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).saturating_sub(ago);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    for Step { name, track, began, ended, counts, error } in control.steps().take() {
        link.send(v1::from_worker::Message::TraceSpan(v1::TraceSpan {
            name: name.to_owned(),
            track,
            start_unix_ns: unix_ns(began),
            end_unix_ns: unix_ns(ended),
            counts: counts.into_iter().map(|(what, many)| (what.to_owned(), many)).collect(),
            error,
        }));
    }
}
