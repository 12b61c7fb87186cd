//! The cost model: what a span of a shape holds and how long it takes, by each way in which it can run.
//!
//! The ways are those that a planner gives, best first: decode and encode on an accelerator; the same with the smallest
//! rungs spilled to the CPU one after another; decode there and encode in software; everything in software, on a node
//! without an accelerator or beside one.

use crate::fleet::{Amounts, CPU_NODE, DECODE, ENCODE, KINDS, MEMORY, RAM, SESSIONS, THREADS, vector};
use crate::load::{Codec, Shape};
use reelmill_scheduler::{Ability, Choice, KindId};
use std::sync::Arc;

/// Pixels that one thread encodes, millions a second: x264 slow, x265 slow, SVT-AV1 6. The first is half of what was
/// measured for `medium` (docs/BENCHMARKS.md), the others are taken in proportion.
const CPU_ENCODE_MPX: [f64; 3] = [12.0, 4.0, 6.0];
/// Pixels that one thread decodes, millions a second.
const CPU_DECODE_MPX: [f64; 3] = [260.0, 180.0, 200.0];
/// Ten bits take that much longer in software.
const CPU_TEN_BIT: f64 = 1.4;
/// Smallest rungs that are spilled, one after another.
const SPILL_MOST: usize = 2;
/// Spilling makes sense while the CPU's part of the ladder's pixels is at most this.
const SPILL_SHARE: f64 = 0.12;

/// One way to run a span.
#[derive(Clone, Debug)]
pub struct Way {
    /// The kind of device; `None`: the host alone.
    pub kind: Option<usize>,
    /// What it relies on the device for.
    pub abilities: Vec<Ability>,
    /// What it holds of the device.
    pub device: Amounts,
    /// What it holds of the host.
    pub host: Amounts,
    /// Which encoders make its streams.
    pub identity: u32,
    /// How long it takes by this model, ms.
    pub run_ms: u64,
}

impl Way {
    /// The kind whose speed decides: where pictures are encoded in software, a node without an accelerator stands for all.
    pub fn speed_kind(&self) -> usize {
        self.kind.filter(|_| self.device[ENCODE] > 0).unwrap_or(CPU_NODE)
    }

    /// The same as the scheduler takes it.
    pub fn choice(&self) -> Choice {
        Choice {
            kind: self.kind.map(|kind| KindId(kind as u32)),
            abilities: self.abilities.clone(),
            device: vector(&self.device),
            host: vector(&self.host),
            identity: self.identity,
            run_ms: self.run_ms,
        }
    }
}

/// All ways for a shape, best first.
pub fn ways(shape: &Shape) -> Vec<Way> {
    let mut ways = Vec::new();
    for spilled in 0..=SPILL_MOST {
        for (index, kind) in KINDS.iter().enumerate() {
            let able = kind.encodes(shape.codec, shape.ten_bit) && kind.decodes(shape.source, shape.ten_bit);
            if able && spilled_share(shape, spilled) <= SPILL_SHARE {
                ways.push(on_device(shape, index, spilled));
            }
        }
    }
    // Engines that only decode go with software; those that encode are of more use encoding.
    for (index, kind) in KINDS.iter().enumerate() {
        let decodes_only = kind.decodes(shape.source, shape.ten_bit) && kind.capacity[ENCODE] == 0;
        let no_encoder = ways.is_empty() && kind.decodes(shape.source, shape.ten_bit);
        if decodes_only || no_encoder {
            ways.push(decoded_on_device(shape, index));
        }
    }
    ways.push(in_software(shape, Some(CPU_NODE)));
    ways.push(in_software(shape, None));
    ways
}

fn pixels(rungs: &[f64]) -> f64 {
    rungs.iter().sum()
}

fn spilled_share(shape: &Shape, spilled: usize) -> f64 {
    let kept = shape.rungs.len() - spilled;
    pixels(&shape.rungs[kept..]) / pixels(&shape.rungs)
}

/// Frames in a span.
fn frames(shape: &Shape) -> f64 {
    shape.fps * shape.span_s
}

/// Threads that software encoders of a ladder get.
fn threads(shape: &Shape) -> u64 {
    if shape.rungs[0] > 4.0 { 32 } else { 16 }
}

fn cpu_rate(table: [f64; 3], codec: Codec, ten_bit: bool) -> f64 {
    table[codec as usize] / if ten_bit { CPU_TEN_BIT } else { 1.0 }
}

fn on_device(shape: &Shape, index: usize, spilled: usize) -> Way {
    let kind = &KINDS[index];
    let (kept, rest) = shape.rungs.split_at(shape.rungs.len() - spilled);
    // The whole ladder gets an engine, or half of one; what is left of it after a spill is asked for less.
    let whole = if shape.rungs[0] > 4.0 { 1000.0 } else { 500.0 };
    let seconds = frames(shape) * pixels(&shape.rungs) / (kind.encode_mpx[shape.codec as usize] * whole / 1000.0);
    let share = whole * pixels(kept) / pixels(&shape.rungs);
    let decode = 1000.0 * frames(shape) * shape.rungs[0] / seconds / kind.decode_mpx[shape.source as usize];
    let spill = frames(shape) * pixels(rest) / seconds / cpu_rate(CPU_ENCODE_MPX, shape.codec, shape.ten_bit);
    let mut device = Amounts::default();
    device[ENCODE] = share.ceil() as u64;
    device[DECODE] = decode.ceil() as u64;
    device[MEMORY] = device_memory(shape, kept.len());
    // Sessions are what NVIDIA's driver counts; nobody counts Intel's.
    device[SESSIONS] = if kind.capacity[SESSIONS] > 0 { kept.len() as u64 } else { 0 };
    let abilities = vec![ability("decode", shape.source, shape.ten_bit), ability("encode", shape.codec, shape.ten_bit)];
    let host = host(1 + spill.ceil() as u64);
    // Streams of one kind's encoders join with those of the same kind and the same rungs.
    let identity = 1 + (index * (SPILL_MOST + 1) + spilled) as u32;
    Way { kind: Some(index), abilities, device, host, identity, run_ms: (seconds * 1000.0) as u64 }
}

fn decoded_on_device(shape: &Shape, index: usize) -> Way {
    let threads = threads(shape);
    let encoding = frames(shape) * pixels(&shape.rungs) / cpu_rate(CPU_ENCODE_MPX, shape.codec, shape.ten_bit);
    let seconds = encoding / threads as f64;
    let rate = KINDS[index].decode_mpx[shape.source as usize];
    let mut device = Amounts::default();
    device[DECODE] = (1000.0 * frames(shape) * shape.rungs[0] / seconds / rate).ceil() as u64;
    device[MEMORY] = device_memory(shape, 0);
    let abilities = vec![ability("decode", shape.source, shape.ten_bit)];
    Way { kind: Some(index), abilities, device, host: host(threads), identity: 0, run_ms: (seconds * 1000.0) as u64 }
}

fn in_software(shape: &Shape, node: Option<usize>) -> Way {
    let threads = threads(shape);
    let encoding = frames(shape) * pixels(&shape.rungs) / cpu_rate(CPU_ENCODE_MPX, shape.codec, shape.ten_bit);
    let decoding = frames(shape) * shape.rungs[0] / cpu_rate(CPU_DECODE_MPX, shape.source, shape.ten_bit);
    let run_ms = ((encoding + decoding) / threads as f64 * 1000.0) as u64;
    let (device, host) = match node {
        Some(_) => (host(threads), Amounts::default()),
        None => (Amounts::default(), host(threads)),
    };
    Way { kind: node, abilities: vec![], device, host, identity: 0, run_ms }
}

/// Surfaces of the decoder, the scaled pictures, and the context.
fn device_memory(shape: &Shape, encoders: usize) -> u64 {
    let surfaces = shape.rungs[0] * if shape.ten_bit { 3.0 } else { 1.5 } * 32.0;
    300 + surfaces as u64 + 60 * encoders as u64
}

fn host(threads: u64) -> Amounts {
    let mut amounts = Amounts::default();
    amounts[THREADS] = threads;
    amounts[RAM] = 256 + 512 * threads.min(8);
    amounts
}

fn ability(what: &str, codec: Codec, ten_bit: bool) -> Ability {
    let depth = if ten_bit { ".10" } else { "" };
    Ability(Arc::from(format!("{what}.{}{depth}", codec.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::catalogue;

    #[test]
    fn every_way_fits_an_empty_device_of_its_kind() {
        for shape in catalogue() {
            for way in &shape.ways {
                let Some(kind) = way.kind else { continue };
                let capacity = KINDS[kind].capacity;
                let fits = way.device.iter().zip(capacity).all(|(needed, there)| *needed <= there);
                assert!(fits, "{} {:?} {shape:?}", KINDS[kind].name, way.device);
            }
        }
    }

    #[test]
    fn ten_bit_h264_and_av1_go_only_where_there_is_an_engine() {
        for shape in catalogue() {
            let encoding = shape.ways.iter().filter(|way| way.device[ENCODE] > 0).filter_map(|way| way.kind);
            let kinds: Vec<&str> = encoding.map(|kind| KINDS[kind].name).collect();
            match (shape.codec, shape.ten_bit) {
                (Codec::H264, true) => assert!(kinds.is_empty()),
                (Codec::Av1, _) => assert!(!kinds.contains(&"T4") && kinds.contains(&"L4")),
                (Codec::H264 | Codec::Hevc, _) => assert!(kinds.contains(&"L4")),
            }
        }
    }

    #[test]
    fn spilling_moves_the_smallest_rungs_and_frees_the_encoder() {
        let shapes = catalogue();
        let ways = &shapes[0].ways;
        let of = |spilled: u32| ways.iter().find(|way| way.identity == 4 + spilled).unwrap();
        assert!(of(0).device[ENCODE] > of(1).device[ENCODE] && of(1).device[ENCODE] > of(2).device[ENCODE]);
        assert_eq!(of(0).device[SESSIONS], of(2).device[SESSIONS] + 2);
        assert!(of(2).host[THREADS] > of(0).host[THREADS]);
    }
}
