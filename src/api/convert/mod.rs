//! Between the words of Reelmill and the messages of the API. Nothing here decides anything; what clients say is checked
//! in `validate`.

mod change;
mod delivery;
mod device;
pub(super) mod encoders;
mod enums;
mod facts;
mod job;
mod log;
pub(super) mod manifests;
pub(super) mod metadata;
pub(super) mod picture;
mod plan;
mod profile;
mod shown;
pub(super) mod sound;
mod spec;
pub(super) mod stills;
pub(super) mod text;
pub(super) mod time;
mod usage;
pub(super) mod watermark;

pub(super) use change::{Names, change, progress};
pub(super) use delivery::delivery;
pub(super) use device::ability;
pub(super) use enums::Wire;
pub(crate) use facts::facts;
pub(super) use job::{job, summary};
pub(super) use log::{level, lines};
pub(super) use plan::planned;
pub(super) use profile::{profile, template};
pub(super) use time::timestamp;
pub(super) use usage::{cost, output_usage};

use super::v1;
use crate::model::Problem;

/// A problem as the API tells it.
pub(super) fn problem(problem: &Problem) -> v1::Problem {
    v1::Problem {
        fault: problem.fault.proto().into(),
        code: problem.code.clone(),
        message: problem.message.clone(),
        field: problem.field.clone(),
    }
}
