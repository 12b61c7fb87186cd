//! Whole plans: goldens, and what must be true of every one.

mod captions;
pub(super) mod cases;
mod copies;
mod goldens;
mod jobs;
mod joined;
mod joined_text;
mod marks;
mod pictures;
mod properties;
mod refusals;
mod rules;
mod sharing;
mod sound;
mod timing;
mod trims;

pub(super) use goldens::check;
