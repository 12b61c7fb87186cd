//! Several sources as one: part after part is demuxed and decoded, and what follows sees one unbroken run of pictures and
//! of samples. Where each part lies is said in the plan, so pictures and sound are made apart and stay together.
//!
//! ```text
//! ┌ part 1: demux ─▶ decode ┐
//! ├ part 2: demux ─▶ decode ┼▶ pictures: onto the frames of the whole ─▶ rungs
//! └ …                       ┘
//! part after part: demux + decode ─▶ sound: cut, or filled with silence ─▶ encoder
//! ```

mod pictures;
mod samples;
mod sound;
mod video;

pub use sound::run as audio;
pub(super) use sound::run_pass as sound_pass;
pub use video::run as video;
pub(super) use video::run_pass as video_pass;

use super::flow::Stopped;
use crate::av::ByteSource;
use crate::model::Problem;

/// Opens an input by its place in the plan's list of inputs; one may be opened several times, one after another.
pub type Open<'a> = &'a (dyn Fn(usize) -> Result<Box<dyn ByteSource>, Problem> + Sync);

/// A problem of part `number`, counted from 0, that says so.
pub(super) fn of_part(number: usize, problem: Problem) -> Problem {
    let message = format!("part {} of the joined source: {}", number + 1, problem.message);
    Problem { message, ..problem }
}

/// The same for whatever stopped a stage of it.
fn stage_of_part(number: usize, result: Result<(), Stopped>) -> Result<(), Stopped> {
    result.map_err(|stopped| match stopped {
        Stopped::Failed(problem) => Stopped::Failed(of_part(number, problem)),
        other => other,
    })
}
