//! What the parts of a job need while they run, for the scheduler, and about how long they take.

use crate::devices::Rates;
use crate::dispatch::fleet::{ENGINE, usable};
use crate::model::device::{DeviceInfo, Operation, Placement, RateKey};
use crate::model::plan::{Plan, VideoPlan, VideoRendition};
use crate::model::{spec, two_pass};
use crate::publish::Part;
use reelmill_scheduler::{
    CPU_THREADS, DECODE_SHARE, DEVICE_MEMORY_MIB, ENCODE_SHARE, HOST_MEMORY_MIB, NVENC_SESSIONS, Priority, Vector,
};

/// Jobs that share an engine at a time: one alone leaves it idle at the start, at its end, and whenever it waits.
const OVERLAP: u64 = 2;
/// Memory of a CUDA context or its like, MiB.
const CONTEXT_MIB: u64 = 150;
/// Surfaces of a decoder: references, reordering, and those that graphs and encoders hold.
const DECODE_SURFACES: u64 = 24;
/// Surfaces of an encoder with its look-ahead, and its reconstructed pictures.
const ENCODE_SURFACES: u64 = 40;
/// Frames that a software encoder holds: look-ahead, references, frame threads.
const SOFTWARE_FRAMES: u64 = 70;
/// Memory of a worker before its first frame, MiB.
const WORKER_MIB: u64 = 100;
/// Tone mapping goes through floating point, once a sample for each of five steps: so many times as long as scaling.
const TONE_MAP_TIMES: u64 = 12;
/// Microseconds a second.
const MICROS: u64 = 1_000_000;

/// What a part needs while it runs on the CPU. Video spans share the threads evenly, so that all of them run side by side
/// where there are as many threads. The audio pass needs a small part of one, so it is let in beside them.
pub(super) fn demand(part: Part, threads: u64, spans: usize) -> Vector {
    match part {
        Part::Video(_) => Vector::of(CPU_THREADS, (threads / spans.max(1) as u64).max(1)),
        Part::Audio => Vector::default(),
        // One picture at a time is decoded, scaled and encoded.
        Part::Stills => Vector::of(CPU_THREADS, 1),
    }
}

/// The scheduler's word for a class.
pub(super) const fn priority(class: spec::Priority) -> Priority {
    match class {
        spec::Priority::High => Priority::High,
        spec::Priority::Normal => Priority::Normal,
        spec::Priority::Batch => Priority::Batch,
    }
}

/// The decode that a work begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Decoded {
    pub(super) codec: String,
    pub(super) depth: u8,
    pub(super) pixels: u64,
}

/// What a span of a work needs by one way of doing it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Needs {
    pub(super) device: Vector,
    pub(super) host: Vector,
    pub(super) run_ms: u64,
}

/// Where the frames of a span take how long.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct PerFrame {
    /// On encode engines, one after the other, µs.
    pub(super) encode: u64,
    /// In the longest of those sessions, which never has more than one engine.
    pub(super) longest: u64,
    pub(super) decode: u64,
    /// On threads of the CPU.
    pub(super) cpu: u64,
}

/// Something that is done for every frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// The accelerator does it; else the CPU.
    pub(super) on_device: bool,
    /// The rendition that it is done for; `None`: for all of them.
    pub(super) rendition: Option<String>,
    /// It is done once more, for the first of two passes.
    pub(super) again: bool,
    pub(super) key: RateKey,
    pub(super) pixels: u64,
}

/// Of the threads that all of a work may use, those for a part of its renditions on the CPU: in proportion to what they
/// cost, so that what was moved there runs beside the rest where there is room. Encoders have threads by the same rule.
pub(super) fn part_of(
    threads: u64,
    (part, whole): (&VideoPlan, &VideoPlan),
    source: &Decoded,
    cpu: &DeviceInfo,
    rates: &Rates,
) -> u64 {
    let cost = |video| u128::from(per_frame(&steps(video, source, &Placement::default()), None, cpu, rates).cpu.max(1));
    let share = (u128::from(threads) * cost(part)).div_ceil(cost(whole));
    u64::try_from(share).unwrap_or(threads).clamp(1, threads.max(1))
}

/// What a span of a work needs by a placement: `device` is that of the placement, `threads` those that it may use.
pub(super) fn by(
    plan: &Plan,
    source: &Decoded,
    placement: &Placement,
    device: Option<&DeviceInfo>,
    cpu: &DeviceInfo,
    threads: u64,
    rates: &Rates,
) -> Needs {
    let Some(video) = &plan.video else { return Needs::default() };
    let spans = plan.spans.len().max(1);
    let all = demand(Part::Video(0), threads, plan.spans_side_by_side()).get(&CPU_THREADS);
    let frame = per_frame(&steps(video, source, placement), device, cpu, rates);
    let engines = device.map_or(1, |device| u64::from(device.encode_engines.max(1)));
    let by_engine = frame.longest.max(frame.encode / engines).max(frame.decode);
    let slowest = by_engine.max(frame.cpu / all).max(1);
    let run_ms = frames(plan) / spans as u64 * slowest / 1000;
    let host = Vector::of(HOST_MEMORY_MIB, host_mib(cpu, video, source, placement));
    let Some(device) = device else {
        return Needs { device: Vector::default(), host: host.with(CPU_THREADS, all), run_ms };
    };
    let share = |busy, engines| share(busy, slowest, by_engine == slowest, u64::from(engines));
    let threads = frame.cpu.div_ceil(slowest).clamp(1, all);
    let counted = if device.sessions_counted { placement.encode.len() as u64 } else { 0 };
    Needs {
        device: Vector::of(ENCODE_SHARE, share(frame.encode, device.encode_engines))
            .with(DECODE_SHARE, share(frame.decode, device.decode_engines))
            .with(DEVICE_MEMORY_MIB, device_mib(video, source, placement)),
        host: host.with(CPU_THREADS, threads).with(NVENC_SESSIONS, counted),
        run_ms,
    }
}

/// The share of engines of a kind that is held, where a frame keeps them busy for so long, µs, and comes every `slowest` µs
/// with nothing beside it. What an engine slows down takes what others leave it, so it holds less than it could use, and
/// as many as [`OVERLAP`] fit; what the CPU slows down takes what it takes.
fn share(busy: u64, slowest: u64, by_engine: bool, engines: u64) -> u64 {
    let engine = if by_engine { usable(1) / OVERLAP } else { ENGINE };
    (busy * engine).div_ceil(slowest).min(usable(engines))
}

/// Frames of a work.
pub(super) fn frames(plan: &Plan) -> u64 {
    let rate = plan.video.as_ref().map(read_rate).filter(|rate| rate.is_known());
    let rate = rate.unwrap_or(crate::model::Ratio::new(25, 1));
    let us = u128::try_from(plan.duration_us.unwrap_or(0)).unwrap_or(0);
    let frames = us * rate.num.unsigned_abs() as u128 / u128::from(rate.den.unsigned_abs().max(1)) / u128::from(MICROS);
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// Frames a second that are decoded.
fn read_rate(video: &VideoPlan) -> crate::model::Ratio {
    video.cadence.map_or(video.frame_rate, |read| read.frame_rate)
}

/// Everything that is done for a frame of a work by a placement, but for what is bound by no engine: filters of a device.
pub(super) fn steps(video: &VideoPlan, source: &Decoded, placement: &Placement) -> Vec<Step> {
    let decode =
        RateKey { operation: Operation::Decode, codec: source.codec.clone(), depth: source.depth, speed: None };
    let has_device = placement.device.is_some();
    let decodes = has_device && placement.decode;
    let mut steps =
        vec![Step { on_device: decodes, rendition: None, again: false, key: decode, pixels: source.pixels }];
    let filter = |rendition: Option<&str>, pixels, depth| Step {
        on_device: false,
        rendition: rendition.map(str::to_owned),
        again: false,
        key: RateKey { operation: Operation::Filter, codec: String::new(), depth, speed: None },
        pixels,
    };
    if !decodes && !video.prepare.is_empty() {
        steps.push(filter(None, source.pixels, source.depth));
    }
    for rung in video.renditions.iter().filter(|rung| !rung.copy) {
        let on_device = has_device && placement.encode.contains(&rung.id);
        if !on_device && !decodes && !rung.graph.is_empty() {
            let from = rung.parent.and_then(|parent| video.renditions.get(parent)).map_or(source.pixels, pixels);
            let times = if rung.graph.contains("tonemap=") { TONE_MAP_TIMES } else { 1 };
            steps.push(filter(Some(&rung.id), from * times, depth(&rung.pixel_format)));
        }
        let rendition = Some(rung.id.clone());
        steps.push(Step { on_device, rendition, again: false, key: encode_key(rung), pixels: pixels(rung) });
    }
    steps.extend(first_pass(video, &steps));
    if video.renditions.iter().all(|rung| rung.copy) { Vec::new() } else { steps }
}

/// What is done for the first of two passes: all that leads to pictures of such rungs once more, and their encode as far
/// as it goes.
fn first_pass(video: &VideoPlan, steps: &[Step]) -> Vec<Step> {
    let twice = two_pass::needed(video);
    let is_needed = |step: &&Step| step.rendition.as_ref().is_none_or(|id| twice.contains(id));
    let again = |step: &Step| {
        let rung = video.renditions.iter().find(|rung| step.rendition.as_ref() == Some(&rung.id));
        let pixels = match rung.filter(|_| step.key.operation == Operation::Encode) {
            Some(rung) if !rung.rate.is_two_pass() => return None,
            Some(rung) => step.pixels * two_pass::first_percent(rung.codec, rung.speed) / 100,
            None => step.pixels,
        };
        Some(Step { again: true, pixels, ..step.clone() })
    };
    if twice.is_empty() { Vec::new() } else { steps.iter().filter(is_needed).filter_map(again).collect() }
}

/// How long the steps of a frame keep what busy.
pub(super) fn per_frame(steps: &[Step], device: Option<&DeviceInfo>, cpu: &DeviceInfo, rates: &Rates) -> PerFrame {
    let mut frame = PerFrame::default();
    for step in steps {
        match (device.filter(|_| step.on_device), step.key.operation) {
            (Some(device), Operation::Decode) => frame.decode += micros(step.pixels, rates.rate(device, &step.key)),
            (Some(device), _) => {
                let busy = micros(step.pixels, rates.rate(device, &step.key));
                frame.encode += busy;
                frame.longest = frame.longest.max(busy);
            }
            (None, _) => frame.cpu += micros(step.pixels, rates.rate(cpu, &step.key)),
        }
    }
    frame
}

fn encode_key(rung: &VideoRendition) -> RateKey {
    RateKey {
        operation: Operation::Encode,
        codec: rung.codec.traits().name.to_owned(),
        depth: depth(&rung.pixel_format),
        speed: Some(rung.speed),
    }
}

/// Bits a sample of a pixel format, as far as it matters here.
pub(super) fn depth(format: &str) -> u8 {
    if format.contains("10") { 10 } else { 8 }
}

fn pixels(rung: &VideoRendition) -> u64 {
    u64::from(rung.width) * u64::from(rung.height)
}

fn micros(pixels: u64, rate: Option<u64>) -> u64 {
    rate.map_or(0, |rate| (pixels * MICROS).div_ceil(rate.max(1)))
}

/// Bytes of so many frames as MiB, rounded up.
fn mib(pixels: u64, depth: u8, frames: u64) -> u64 {
    let bytes = if depth > 8 { 3 } else { 2 };
    (pixels * bytes * frames).div_ceil(1 << 20)
}

/// Bytes of a device's memory that its context takes.
pub(super) const fn context_bytes() -> u64 {
    CONTEXT_MIB << 20
}

/// Bytes of a device's memory that a decoder takes.
pub(super) fn decode_bytes(source: &Decoded) -> u64 {
    mib(source.pixels, source.depth, DECODE_SURFACES) << 20
}

/// Bytes of a device's memory that the encoder of a rendition takes.
pub(super) fn encode_bytes(rung: &VideoRendition) -> u64 {
    mib(pixels(rung), depth(&rung.pixel_format), ENCODE_SURFACES) << 20
}

fn device_mib(video: &VideoPlan, source: &Decoded, placement: &Placement) -> u64 {
    let decode = if placement.decode { mib(source.pixels, source.depth, DECODE_SURFACES) } else { 0 };
    let rungs = video.renditions.iter().filter(|rung| placement.encode.contains(&rung.id));
    let encode: u64 = rungs.map(|rung| mib(pixels(rung), depth(&rung.pixel_format), ENCODE_SURFACES)).sum();
    CONTEXT_MIB + decode + encode
}

/// Nothing where nobody knows how much there is; never more than there is, so that no job is refused by a guess.
fn host_mib(cpu: &DeviceInfo, video: &VideoPlan, source: &Decoded, placement: &Placement) -> u64 {
    let decode = mib(source.pixels, source.depth, if placement.decode { 4 } else { DECODE_SURFACES });
    let software = video.renditions.iter().filter(|rung| !rung.copy && !placement.encode.contains(&rung.id));
    let encode: u64 = software.map(|rung| mib(pixels(rung), depth(&rung.pixel_format), SOFTWARE_FRAMES)).sum();
    (WORKER_MIB + decode + encode).min(cpu.memory_mib * 8 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_an_engine_slows_down_share_it_and_what_the_cpu_slows_down_holds_what_it_takes() {
        assert_eq!(share(1000, 1000, true, 1), 425);
        assert!(2 * share(999, 1000, true, 1) <= usable(1));
        assert_eq!(share(300, 1000, false, 1), 300, "the third of these is over 85 %");
        assert!(3 * share(300, 1000, false, 1) > usable(1));
        assert_eq!(share(1000, 1000, false, 1), usable(1), "never more than there is");
        assert_eq!(share(0, 1000, false, 0), 0);
    }

    #[test]
    fn as_many_spans_as_asked_run_side_by_side_where_there_are_threads() {
        let fit = |threads: u64, spans: usize| threads / demand(Part::Video(0), threads, spans).get(&CPU_THREADS);
        for (threads, spans, side_by_side) in [(8, 1, 1), (8, 3, 4), (8, 8, 8), (2, 3, 2), (1, 1, 1)] {
            assert_eq!(fit(threads, spans), side_by_side, "{spans} spans on {threads} threads");
        }
        assert!(demand(Part::Audio, 8, 1).is_zero());
    }
}
