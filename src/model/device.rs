//! Devices, what they can do, where the stages of a span run, and in which ways a device fails.

use super::codec::Speed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Names a device of this node, the same after a restart: `cpu`, `cuda:GPU-<uuid>`, `vaapi:<PCI address>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub String);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DeviceId {
    /// How the device is driven, which its id begins with.
    pub fn kind(&self) -> DeviceKind {
        let kinds = [DeviceKind::Cuda, DeviceKind::Vaapi];
        let kind = kinds.into_iter().find(|kind| self.0.split(':').next() == Some(kind.name()));
        kind.unwrap_or(DeviceKind::Cpu)
    }
}

/// How a device is driven.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The processor, by software.
    Cpu,
    /// NVDEC, CUDA filters, NVENC.
    Cuda,
    /// Video Acceleration API: Intel and AMD.
    Vaapi,
}

impl DeviceKind {
    /// Its name in settings, ids and answers; FFmpeg's name of the device type too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Vaapi => "vaapi",
        }
    }
}

/// Where frames lie.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// The host's.
    #[default]
    System,
    /// The device's own.
    Device,
}

/// What a device does for a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Packets to pictures.
    Decode,
    /// Scaling, deinterlacing, overlays in its memory.
    Filter,
    /// Pictures to packets.
    Encode,
}

impl Operation {
    /// Its name in answers and in the scheduler's abilities (`encode.h264`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Filter => "filter",
            Self::Encode => "encode",
        }
    }
}

/// Whether a device can do something, as a try showed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Verdict {
    /// It was tried with real pictures and compared.
    Works,
    /// It cannot.
    No {
        /// Stable, dotted: `device.no_engine`, `device.driver_too_old`.
        code: String,
        /// Why, in one sentence.
        reason: String,
        /// What to do about it, in one sentence; empty where nothing can be done.
        remedy: String,
    },
    /// Believed from tables, not tried.
    Untried,
}

/// One thing that a device can, or cannot, do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ability {
    /// What.
    pub operation: Operation,
    /// FFmpeg's name of the codec (`h264`, `hevc`, `av1`, `vp9`); the filter's name for filters.
    pub codec: String,
    /// Bits a sample.
    pub depth: u8,
    /// Whether it can.
    pub verdict: Verdict,
    /// Smallest picture, pixels.
    pub size_min: (u32, u32),
    /// Largest picture, pixels.
    pub size_max: (u32, u32),
}

/// What the node knows of a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Its id.
    pub id: DeviceId,
    /// How it is driven.
    pub kind: DeviceKind,
    /// What it is called.
    pub name: String,
    /// Its driver with version.
    pub driver: String,
    /// What FFmpeg opens it by: the CUDA ordinal, or the render node's path; empty for the CPU.
    pub address: String,
    /// Devices of equal model and driver can go on with one another's streams.
    pub model: String,
    /// Its memory, MiB; 0 where it has none of its own or it is not known.
    pub memory_mib: u64,
    /// Engines that encode.
    pub encode_engines: u32,
    /// Engines that decode.
    pub decode_engines: u32,
    /// Its driver counts encode sessions over the host, with all other devices that say so.
    pub sessions_counted: bool,
    /// Most threads it runs at once; for the CPU alone.
    pub threads: u32,
    /// It is simulated: software that behaves like it.
    pub simulated: bool,
    /// What the FFmpeg that drives it is built with, where a worker has told.
    #[serde(default)]
    pub built: Option<Built>,
    /// What it can and cannot do.
    pub abilities: Vec<Ability>,
}

/// What an FFmpeg is built with, as far as plans may ask for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Built {
    /// Major and minor number of its release; zeros where that is not known.
    pub release: (u32, u32),
    /// Filters and encoders that it has, of those that were asked for.
    pub names: Vec<String>,
}

impl DeviceInfo {
    /// What is known of an ability.
    pub fn ability(&self, operation: Operation, codec: &str, depth: u8) -> Option<&Ability> {
        let same =
            |ability: &&Ability| (ability.operation, ability.depth) == (operation, depth) && ability.codec == codec;
        self.abilities.iter().find(same)
    }
}

/// Which rate of a device is meant: pixels a second of one engine, or of one thread of the CPU.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RateKey {
    /// What it does.
    pub operation: Operation,
    /// FFmpeg's name of the codec; empty for filters.
    pub codec: String,
    /// Bits a sample.
    pub depth: u8,
    /// Speed class; for encoding alone.
    pub speed: Option<Speed>,
}

/// Where the stages of a work run.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// The accelerator that takes part; `None`: all is done by the CPU.
    pub device: Option<DeviceId>,
    /// It decodes.
    pub decode: bool,
    /// Ids of the renditions that it encodes; the CPU encodes the others.
    pub encode: BTreeSet<String>,
}

/// The accelerator of a plan that was placed: what a worker must know to open it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accelerator {
    /// Which device.
    pub id: DeviceId,
    /// How it is driven; never the CPU.
    pub kind: DeviceKind,
    /// What FFmpeg opens it by.
    pub address: String,
    /// It is simulated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// It decodes. Otherwise the CPU does, and frames are uploaded by the graphs that need it.
    pub decode: bool,
    /// Frames beyond what the codec needs that the decoder's pool must have, since graphs and encoders hold on to them.
    pub extra_frames: u32,
}

/// In which way a device failed, from the log's text and the error's code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceFault {
    /// No more encode sessions: the driver's cap, which other processes may use up too.
    SessionLimit,
    /// No driver, no such device, no permission.
    Missing,
    /// The driver is older than FFmpeg's interface needs.
    DriverTooOld,
    /// The device cannot do this codec, format or option.
    Unsupported,
    /// The picture is smaller, or larger, than it takes.
    FrameSize,
    /// Not enough device memory.
    OutOfMemory,
    /// The decoder's pool has no free surface: our graph holds too many.
    SurfacePool,
    /// It is busy; a moment later it may not be.
    Busy,
    /// It is gone, or fails in mid-stream.
    Lost,
    /// It said nothing for too long and was killed.
    Hung,
    /// Less came out than went in, without an error.
    Truncated,
    /// What it made is not what was to be made.
    Corrupt,
    /// The decoder fell back to software by itself.
    SoftwareFallback,
}

impl DeviceFault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::SessionLimit,
        Self::Missing,
        Self::DriverTooOld,
        Self::Unsupported,
        Self::FrameSize,
        Self::OutOfMemory,
        Self::SurfacePool,
        Self::Busy,
        Self::Lost,
        Self::Hung,
        Self::Truncated,
        Self::Corrupt,
        Self::SoftwareFallback,
    ];

    /// Its name in messages, answers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionLimit => "session_limit",
            Self::Missing => "missing",
            Self::DriverTooOld => "driver_too_old",
            Self::Unsupported => "unsupported",
            Self::FrameSize => "frame_size",
            Self::OutOfMemory => "out_of_memory",
            Self::SurfacePool => "surface_pool",
            Self::Busy => "busy",
            Self::Lost => "lost",
            Self::Hung => "hung",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::SoftwareFallback => "software_fallback",
        }
    }

    /// The fault of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}
