//! What one worker does with one span: demux, decode, prepare, then a thread a rung that scales, encodes, cuts.
//!
//! ```text
//! demux ─▶ decode ─▶ prepare ─┬▶ rung 1080p ─▶ segments
//!  thread   thread    thread  │     └▶ rung 720p ─▶ segments        (a tree: each rung scales from a larger one)
//!    │                        └▶ …        └▶ rung 480p ─▶ segments
//!    └───▶ copy ─▶ segments                                         (a rung that the source already is)
//! demux + decode ─▶ sound ─▶ segments                               (all sound of a job, in one pass)
//! stills: demux + decode ─▶ image files                              (single pictures, by jumps where that is enough)
//! ```
//!
//! Stages are joined by small bounded channels, so a slow one throttles the source. Frames are counted references,
//! never copied. Which frame starts a segment is decided once, in `prepare`, before the split. Ends are typed: a channel
//! that closes without [`flow::Flow::End`] means that the sender died, and nothing after it is finalised. A receiver that
//! has enough, or that nobody wants any more (a dropped track), lets its sender go; a sender without receivers ends too.
//! What is done on a device goes through [`accel`]; `equipment` says what is. A device that fails at decoding or preparing
//! ends the span; one that fails at a rung ends that rung and those made from its pictures, and the others go on.
//! What a device decodes, scales and encodes is looked at now and then by `check`, since not every fault is told.
//! Renditions in two passes have their span run through twice (`two_pass`).
//! `video` and `audio` wire the stages, `joined` those of several sources; no stage names its neighbours.

pub mod accel;
pub mod account;
pub mod audio;
pub mod bars;
mod cadence;
pub mod captions;
mod channels;
pub mod check;
pub mod clock;
pub mod coder;
pub mod control;
pub mod copy;
pub mod cover;
pub mod cut;
pub mod decode;
pub mod demux;
pub mod encode;
pub mod equipment;
pub mod faults;
pub mod flow;
pub mod hardware;
pub mod joined;
pub mod look;
pub mod loudness;
pub mod marks;
pub mod outlet;
pub mod prepare;
pub mod rung;
pub mod simulated;
pub mod sound;
pub mod sound_copy;
pub mod steps;
pub mod stills;
mod telecine;
pub mod text;
pub mod trouble;
pub mod two_pass;
pub mod video;
pub mod watched;
pub mod wrap;

pub use control::Control;
pub use outlet::{FinishedFile, FinishedSegment, Outlet, TrackInit};
pub use sound::Pass;
pub use trouble::{DeviceTrouble, TrackFailure};
