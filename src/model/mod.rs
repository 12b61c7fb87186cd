//! The words every other module uses: time, errors, media facts, the plan, the ledger.
//!
//! Plain data with integer arithmetic. Nothing here does IO, reads a clock or knows FFmpeg.

pub mod backoff;
pub mod bill;
pub mod bitrate;
mod cadence;
pub mod captions;
pub mod choice;
pub mod classify;
pub mod codec;
pub mod device;
pub mod encoders;
pub mod facts;
pub mod fault;
pub mod hash;
pub mod instant;
pub mod job;
pub mod joined;
pub mod labels;
pub mod language;
pub mod ledger;
pub mod limits;
pub mod locator;
pub mod loudness;
pub mod mark;
pub mod placement;
pub mod plan;
pub mod request;
pub mod signal;
pub mod simulated;
pub mod spec;
pub mod state;
pub mod stills;
pub mod text;
pub mod time;
pub mod two_pass;
pub mod usage;
pub mod uses;

pub use backoff::BackOff;
pub use captions::CaptionChannel;
pub use choice::DeviceChoice;
pub use codec::{AudioCodec, Packaging, RateControl, Speed, VideoCodec};
pub use facts::{MediaFacts, SoundRole};
pub use fault::{Fault, Problem};
pub use job::{JobId, JobRecord, Revision};
pub use ledger::{Ledger, SegmentRecord, TrackRecord};
pub use locator::Locator;
pub use loudness::{LoudnessFigures, Measured};
pub use plan::{AudioRendition, Plan, VideoRendition};
pub use signal::Signal;
pub use spec::JobSpec;
pub use time::Ratio;
