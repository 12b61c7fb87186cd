//! Simulated devices as data.

use crate::model::Speed;
use crate::model::device::{Ability, DeviceId, DeviceInfo, Operation, RateKey, Verdict};
use serde::Deserialize;
use std::time::Duration;

/// Everything that a file says.
#[derive(Clone, PartialEq, Debug)]
pub struct Simulated {
    /// What chance starts from: the same file and the same calls give the same faults.
    pub seed: u64,
    /// How what was used becomes known.
    pub tells: Tells,
    /// Encode sessions, counted over the host.
    pub sessions: Sessions,
    /// The devices, by the order of the file.
    pub devices: Vec<Device>,
}

impl Simulated {
    /// What discovery would find.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        self.devices.iter().map(|device| device.info.clone()).collect()
    }

    /// What measuring would find: pixels a second of one engine.
    pub fn rates(&self) -> Vec<(DeviceId, RateKey, u64)> {
        self.devices
            .iter()
            .flat_map(|d| d.rates().into_iter().map(|(key, rate)| (d.info.id.clone(), key, rate)))
            .collect()
    }
}

/// How what was used of the devices becomes known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// They tell what was used, by picture.
    #[default]
    Truth,
    /// They tell no more than a driver's library would, and what each rendition used is estimated from that.
    Readings,
}

/// What a device draws, W.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watts {
    /// All of it, when nothing is busy.
    pub idle: u32,
    /// More for each decode engine that is busy.
    pub decode: u32,
    /// More while it filters.
    pub filter: u32,
    /// More for each encode engine that is busy.
    pub encode: u32,
}

impl Default for Watts {
    fn default() -> Self {
        Self { idle: 20, decode: 6, filter: 30, encode: 10 }
    }
}

/// The driver's cap on encode sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sessions {
    /// Most that may be open on the host on devices that count them; `None`: no cap.
    pub cap: Option<u32>,
    /// The NVENC status that one more gets: 10 or 21.
    pub code: u32,
    /// Sessions that another process holds.
    pub taken: u32,
    /// Until when it holds them, since the start; `None`: for ever.
    pub taken_until: Option<Duration>,
}

/// A simulated device.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    /// What discovery finds.
    pub info: DeviceInfo,
    /// What it encodes.
    pub encode: Vec<Format>,
    /// What it decodes.
    pub decode: Vec<Format>,
    /// Pixels a second of its filters, all together.
    pub filter_rate: u64,
    /// What it draws.
    pub watts: Watts,
    /// Surfaces in a decoder's pool, without those that a plan adds.
    pub surfaces: u32,
    /// Pictures that an encoder holds before its first packet.
    pub delay_frames: u32,
    /// When it is not there, since the start; an end of `None` is never.
    pub gone: Option<(Duration, Option<Duration>)>,
    /// What goes wrong.
    pub faults: Vec<FaultSpec>,
}

/// A codec that a device decodes or encodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// FFmpeg's name.
    pub codec: String,
    /// Bits a sample.
    pub depths: Vec<u8>,
    /// Smallest picture, pixels.
    pub size_min: (u32, u32),
    /// Largest picture, pixels.
    pub size_max: (u32, u32),
    /// Pixels a second of one engine, for the fast, the balanced and the quality class.
    pub rates: [u64; 3],
}

impl Format {
    /// Pixels a second of one engine; decoders know one rate only.
    pub fn rate(&self, speed: Option<Speed>) -> u64 {
        self.rates[match speed {
            Some(Speed::Fast) | None => 0,
            Some(Speed::Balanced) => 1,
            Some(Speed::Quality) => 2,
        }]
    }
}

impl Device {
    /// The codec in a table of the device.
    pub fn format(&self, operation: Operation, codec: &str) -> Option<&Format> {
        let table = if operation == Operation::Encode { &self.encode } else { &self.decode };
        table.iter().find(|format| format.codec == codec)
    }

    /// What a probe would find of its codecs.
    pub(super) fn abilities(&self) -> Vec<Ability> {
        let of = |operation, table: &[Format]| {
            let each = |format: &Format| {
                let ability = |depth: &u8| Ability {
                    operation,
                    codec: format.codec.clone(),
                    depth: *depth,
                    verdict: Verdict::Works,
                    size_min: format.size_min,
                    size_max: format.size_max,
                };
                format.depths.iter().map(ability).collect::<Vec<_>>()
            };
            table.iter().flat_map(each).collect::<Vec<_>>()
        };
        [of(Operation::Decode, &self.decode), of(Operation::Encode, &self.encode)].concat()
    }

    fn rates(&self) -> Vec<(RateKey, u64)> {
        let key = |operation, codec: &str, depth, speed| RateKey { operation, codec: codec.to_owned(), depth, speed };
        let mut rates = vec![(key(Operation::Filter, "", 8, None), self.filter_rate)];
        for format in &self.decode {
            let each = |depth: &u8| (key(Operation::Decode, &format.codec, *depth, None), format.rate(None));
            rates.extend(format.depths.iter().map(each));
        }
        for (format, speed) in
            self.encode.iter().flat_map(|f| [Speed::Fast, Speed::Balanced, Speed::Quality].map(|speed| (f, speed)))
        {
            let rate = format.rate(Some(speed));
            let each = |depth: &u8| (key(Operation::Encode, &format.codec, *depth, Some(speed)), rate);
            rates.extend(format.depths.iter().map(each));
        }
        rates
    }
}

/// Something that goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultSpec {
    /// What.
    pub what: What,
    /// Where; `None`: wherever it can.
    pub operation: Option<Operation>,
    /// With which codec; `None`: with all.
    pub codec: Option<String>,
    /// Only the session that is opened as the so-and-so-many-th of this operation on the device, from 1; `None`: all.
    pub open: Option<u64>,
    /// At which picture of the session, from 1; 0: when it is opened.
    pub frame: u64,
    /// How often at most; `None`: always.
    pub times: Option<u64>,
    /// In how many of a hundred sessions.
    pub percent: u8,
    /// How many times slower, for [`What::Slow`].
    pub factor: u32,
    /// When a lost device is back; `None`: never.
    pub back_after: Option<Duration>,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A session is refused as if too many were open.
    SessionLimit,
    /// Device memory cannot be had.
    OutOfMemory,
    /// The device says that it is busy.
    Busy,
    /// The driver is too old for FFmpeg.
    DriverTooOld,
    /// The device says that it cannot do this.
    Unsupported,
    /// The decoder's pool is empty.
    SurfacePool,
    /// A decoder goes on in software without a word.
    SoftwareFallback,
    /// The device is lost, with all its sessions.
    Lost,
    /// A call never returns.
    Hang,
    /// From here on nothing comes out, without an error.
    Truncated,
    /// From here on pictures are wrong, without an error.
    Corrupt,
    /// From here on everything takes longer.
    Slow,
}

impl What {
    /// Whether it can happen to an operation at all.
    pub const fn concerns(self, operation: Operation) -> bool {
        match self {
            Self::SessionLimit => matches!(operation, Operation::Encode),
            Self::SurfacePool | Self::SoftwareFallback => matches!(operation, Operation::Decode),
            Self::Truncated => !matches!(operation, Operation::Filter),
            _ => true,
        }
    }

    /// Whether it happens when a session is opened, where the file names no picture.
    pub const fn at_open(self) -> bool {
        matches!(
            self,
            Self::SessionLimit
                | Self::OutOfMemory
                | Self::Busy
                | Self::DriverTooOld
                | Self::Unsupported
                | Self::SoftwareFallback
        )
    }
}
