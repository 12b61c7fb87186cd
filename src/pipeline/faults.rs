//! FFmpeg's errors as problems that a client can act on.

use crate::av::AvError;
use crate::model::Problem;

/// An encoder or muxer that refuses what the planner promised it: tried elsewhere, then ours to fix.
pub fn encoder(track: &str, error: AvError) -> Problem {
    Problem::device(
        "encoder.failed",
        format!("the encoder of {track} failed ({error}); run again with another codec or speed if it persists"),
    )
}

/// A filter graph that the planner made and FFmpeg refuses.
pub fn filter(track: &str, error: AvError) -> Problem {
    Problem::bug("filter.failed", format!("the filter graph of {track} failed ({error}); please report this source"))
}

/// A failed allocation or call that no input explains.
pub fn internal(error: AvError) -> Problem {
    Problem::bug("worker.internal", format!("an internal step failed ({error}); please report this source"))
}

/// A source whose bytes do not come.
pub fn unreadable(failure: &str) -> Problem {
    let message = format!("the source could not be read ({failure}); check where it is stored");
    Problem::sink("source.unreadable", message)
}

/// A source that cannot be read or decoded.
pub fn source(error: AvError, read_failure: Option<String>) -> Problem {
    if let Some(failure) = read_failure {
        return unreadable(&failure);
    }
    if error.is_interrupted() {
        return Problem::input(
            "source.probe_timeout",
            "the source could not be understood in time; check that the file is whole",
        );
    }
    Problem::input(
        "source.not_media",
        format!("the source is not media that can be read ({}); check the file", error.text()),
    )
}
