//! From a worker's spool to the output: segments stored at their destination, recorded in the ledger, named by manifests.
//! Step 8 of a job's life.
//!
//! Each output is a task of its own (`output`) over a destination (`sink`): a local directory or a bucket. A segment that
//! several outputs have lies in the spool until the last of them has it (`spooled`). Invariants:
//! - the ledger holds a segment only when its files are durable and everything before it on its track is recorded;
//! - a manifest names only what the ledger holds; it is replaced as a whole, media playlists before masters;
//! - the final manifests are put only after everything else is stored and has passed `package::verify`.

mod disk;
mod fragments;
mod message;
mod meter;
pub mod output;
mod pictured;
mod retry;
pub mod sink;
mod spooled;
mod sync;

pub use meter::Meter;
pub use output::{Assignment, Ending, Generations, MakeReport, OutputTask, Summary, Told, start};
pub use pictured::Pictured;
pub use retry::{check, claim};
pub use spooled::{Release, Spooled};

use crate::model::Plan;
use std::time::Duration;

/// What is made by whom: video in spans, all audio and text in one pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// The video span at this position of the plan.
    Video(usize),
    /// The pass that makes sound and text.
    Audio,
    /// All single pictures.
    Stills,
}

impl Part {
    /// The parts of a plan, the audio pass first: it is short, and no stream plays without its sound.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let video = plan.video.iter().flat_map(|_| (0..plan.spans.len()).map(Self::Video));
        let audio = (!plan.audio.is_empty() || !plan.text.is_empty()).then_some(Self::Audio);
        let stills = plan.stills.is_some().then_some(Self::Stills);
        audio.into_iter().chain(stills).chain(video).collect()
    }
}

/// A segment that is now in the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The track.
    pub track: String,
    /// Its index on the grid.
    pub index: u32,
    /// Bytes over all packagings.
    pub bytes: u64,
    /// Where the recorded part of the track ends, microseconds.
    pub end_us: i64,
    /// Time since it was complete and all before it on its track was there; zero where that is not known.
    pub latency: Duration,
}
