//! What a worker asks of the simulation of a device, and what it is told: the device is simulated in the worker, all that
//! a host has only once (engines, sessions, memory, faults) in the daemon.

use super::codec::Speed;
use super::device::{DeviceId, Operation};
use serde::{Deserialize, Serialize};

/// One call. Each gets one [`Reply`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Opens the device itself: [`Reply::Go`] or [`Reply::Refused`].
    Device(DeviceId),
    /// Opens a decoder, a graph or an encoder: [`Reply::Opened`] or [`Reply::Refused`].
    Open(Opening),
    /// The session is given one more picture: [`Reply::Go`], [`Reply::Refused`] or [`Reply::Hang`].
    Work {
        /// As told when it was opened.
        session: u64,
        /// Pixels of the picture.
        pixels: u64,
    },
    /// Ends the session: [`Reply::Go`].
    Close {
        /// As told when it was opened.
        session: u64,
    },
}

/// What is to be opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opening {
    /// On which device.
    pub device: DeviceId,
    /// Decoder, graph or encoder.
    pub operation: Operation,
    /// FFmpeg's name of the codec; empty for graphs.
    pub codec: String,
    /// Bits a sample.
    pub depth: u8,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// For encoders alone.
    pub speed: Option<Speed>,
    /// The rendition's id; empty for what all of them share.
    pub track: String,
}

/// What a call comes to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is open.
    Opened(Opened),
    /// The call is done after so many microseconds: the engine is busy for that long.
    Go {
        /// Microseconds.
        wait_us: u64,
        /// What happens to the picture.
        effect: Effect,
    },
    /// The call fails, as the real one would.
    Refused {
        /// FFmpeg's code.
        code: i32,
        /// Lines of the log.
        lines: Vec<String>,
    },
    /// The call never returns.
    Hang,
}

impl Reply {
    /// Done at once, and nothing odd about it.
    pub const DONE: Self = Self::Go { wait_us: 0, effect: Effect::None };
}

/// A session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Names it from now on.
    pub session: u64,
    /// Surfaces in a decoder's pool, without those that the plan adds.
    pub surfaces: u32,
    /// Pictures that an encoder holds before its first packet comes.
    pub delay_frames: u32,
    /// A decoder that goes on in software without a word.
    pub software: bool,
}

/// What happens to a picture without an error.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// What should.
    #[default]
    None,
    /// Nothing comes out for it.
    Drop,
    /// It comes out wrong.
    Corrupt,
}
