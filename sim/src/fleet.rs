//! The devices of the simulated fleet: which kinds there are, what each has, and how many.
//!
//! What stands for what. An accelerator is a device of its kind. A node without one is a device too, of the kind
//! [`CPU_NODE`], with its threads and memory as dimensions of its own: what runs there has to fit on that one node. The
//! host vector is the sum of threads and memory of all boxes that carry accelerators. So a span whose pictures are
//! decoded on an accelerator and encoded in software takes its threads from that sum, not from its own box: the one
//! place where the fleet packs more easily than boxes would.
//!
//! Engines and rates are those of NVIDIA's application note 13.0 at the highest quality (P7), of one engine; those of Intel are
//! estimates.

use crate::load::Codec;
use reelmill_scheduler::{
    CPU_THREADS, DECODE_SHARE, DEVICE_MEMORY_MIB, Device, DeviceId, Dimension, ENCODE_SHARE, HOST_MEMORY_MIB, KindId,
    NVENC_SESSIONS, Vector,
};

/// How many dimensions an amount has.
pub const DIMENSIONS: usize = 6;

/// The dimensions, in the order of [`Amounts`]. Sessions are counted by device here: these drivers license no host-wide
/// cap, but a container, or somebody else, may leave fewer than believed.
pub const NAMES: [Dimension; DIMENSIONS] =
    [ENCODE_SHARE, DECODE_SHARE, DEVICE_MEMORY_MIB, NVENC_SESSIONS, CPU_THREADS, HOST_MEMORY_MIB];

/// An amount for each of [`NAMES`]: the simulator's own books do not rely on the scheduler's vectors.
pub type Amounts = [u64; DIMENSIONS];

/// The place of [`ENCODE_SHARE`] in [`Amounts`].
pub const ENCODE: usize = 0;
/// The place of [`DECODE_SHARE`].
pub const DECODE: usize = 1;
/// The place of [`DEVICE_MEMORY_MIB`].
pub const MEMORY: usize = 2;
/// The place of [`NVENC_SESSIONS`].
pub const SESSIONS: usize = 3;
/// The place of [`CPU_THREADS`].
pub const THREADS: usize = 4;
/// The place of [`HOST_MEMORY_MIB`].
pub const RAM: usize = 5;

/// The kind of nodes without an accelerator.
pub const CPU_NODE: usize = 5;

/// A kind of devices.
#[derive(Debug)]
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    /// Of a hundred devices, how many are of this kind.
    pub percent: u64,
    /// What one has.
    pub capacity: Amounts,
    /// Threads of its box that it brings to the host vector.
    pub host_threads: u64,
    /// Pixels that one encode engine makes at preset P7, millions a second: H.264, HEVC, AV1. 0: it cannot.
    pub encode_mpx: [f64; 3],
    /// Pixels that one decode engine makes, millions a second, in the same order.
    pub decode_mpx: [f64; 3],
}

/// Every kind, by its id. An L40S has three encoders behind a memory twice an L4's; an H200 has none at all.
pub const KINDS: [Kind; 6] = [
    kind("T4", 25, [1000, 2000, 15_360, 12, 0, 0], 8, [429.0, 354.0, 0.0], [1598.0, 2728.0, 0.0]),
    kind("L4", 25, [2000, 4000, 23_034, 24, 0, 0], 8, [437.0, 375.0, 670.0], [1872.0, 3402.0, 2110.0]),
    kind("L40S", 15, [3000, 3000, 46_068, 36, 0, 0], 16, [437.0, 375.0, 670.0], [1872.0, 3402.0, 2110.0]),
    kind("H200", 5, [0, 7000, 143_771, 0, 0, 0], 24, [0.0; 3], [1598.0, 2728.0, 0.0]),
    kind("Intel", 10, [2000, 2000, 6144, 0, 0, 0], 8, [415.0, 390.0, 420.0], [1500.0, 1600.0, 1400.0]),
    kind("CPU", 20, [0, 0, 0, 0, 64, 131_072], 0, [0.0; 3], [0.0; 3]),
];

const fn kind(
    name: &'static str,
    percent: u64,
    capacity: Amounts,
    host_threads: u64,
    encode_mpx: [f64; 3],
    decode_mpx: [f64; 3],
) -> Kind {
    Kind { name, percent, capacity, host_threads, encode_mpx, decode_mpx }
}

impl Kind {
    /// Whether it encodes a codec at a depth. No engine before Blackwell makes H.264 of 10 bits.
    pub fn encodes(&self, codec: Codec, ten_bit: bool) -> bool {
        self.encode_mpx[codec as usize] > 0.0 && !(ten_bit && codec == Codec::H264)
    }

    /// Whether it decodes a codec at a depth.
    pub fn decodes(&self, codec: Codec, ten_bit: bool) -> bool {
        self.decode_mpx[codec as usize] > 0.0 && !(ten_bit && codec == Codec::H264)
    }
}

/// MiB of memory for each thread of a box with accelerators.
const HOST_RAM_PER_THREAD: u64 = 4096;

/// The fleet.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The kind of each device, by its id.
    pub kinds: Vec<usize>,
    /// The sum of all boxes with accelerators.
    pub host: Amounts,
}

impl Fleet {
    /// A fleet of so many devices in the shares of [`KINDS`], kinds interleaved.
    pub fn new(devices: usize) -> Self {
        let mut kinds = Vec::with_capacity(devices);
        let mut given = [0_u64; KINDS.len()];
        for count in 1..=devices as u64 {
            // The kind that lags its share most comes next, so that a fleet of any size has the same mix.
            let lag = |kind: &usize| (KINDS[*kind].percent * count) as i64 - (given[*kind] * 100) as i64;
            let next = (0..KINDS.len()).max_by_key(|kind| (lag(kind), KINDS.len() - kind)).unwrap_or(0);
            given[next] += 1;
            kinds.push(next);
        }
        let mut host = Amounts::default();
        host[THREADS] = kinds.iter().map(|kind| KINDS[*kind].host_threads).sum();
        host[RAM] = host[THREADS] * HOST_RAM_PER_THREAD;
        Self { kinds, host }
    }

    /// How many of each kind.
    pub fn counts(&self) -> [u64; KINDS.len()] {
        let mut counts = [0; KINDS.len()];
        self.kinds.iter().for_each(|kind| counts[*kind] += 1);
        counts
    }

    /// A device as the scheduler is told of it.
    pub fn device(&self, id: u32) -> Device {
        let kind = self.kinds[id as usize];
        Device { id: DeviceId(id), kind: KindId(kind as u32), capacity: vector(&KINDS[kind].capacity) }
    }
}

/// Amounts as the scheduler takes them.
pub fn vector(amounts: &Amounts) -> Vector {
    NAMES.into_iter().zip(amounts).fold(Vector::default(), |vector, (name, amount)| vector.with(name, *amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_of_any_size_has_the_mix_of_the_table() {
        assert_eq!(KINDS.iter().map(|kind| kind.percent).sum::<u64>(), 100);
        assert_eq!(Fleet::new(100).counts(), [25, 25, 15, 5, 10, 20]);
        assert_eq!(Fleet::new(10_000).counts(), [2500, 2500, 1500, 500, 1000, 2000]);
        assert_eq!(Fleet::new(100).host[THREADS], 25 * 8 + 25 * 8 + 15 * 16 + 5 * 24 + 10 * 8);
    }
}
