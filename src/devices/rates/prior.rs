//! How fast devices are, before anything was measured: pixels a second of one engine, or of one thread of the CPU.
//!
//! Figures of engines are the vendor's for 1080p, 4:2:0, 8 bits, at the clocks that it measured at (Turing and Ampere 1950,
//! Ada 2415 MHz); real clocks are somewhat lower, and so is FFmpeg, so nine tenths of them are believed. Those of the CPU are
//! measured for H.264 (docs/BENCHMARKS.md, "The parts"), for one thread; those of other codecs are set against them.

use crate::model::Speed;
use crate::model::device::{DeviceInfo, DeviceKind, Operation, RateKey};

/// Pixels of a 1080p frame.
const FRAME_1080: u64 = 1920 * 1080;
/// What is believed of the vendor's figures, percent.
const BELIEVED_PERCENT: u64 = 90;

/// Samples of sound a second of one thread of the CPU: stereo at 48 kHz, sixty times as fast as it is heard.
const SAMPLES: u64 = 60 * 2 * 48_000;

/// Generations of NVIDIA's engines, as far as their speed differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Generation {
    Pascal,
    /// Also GA100 and Hopper, whose decoders are of this generation.
    Turing,
    Ampere,
    Ada,
    Blackwell,
}

/// Pixels a second of one engine, or of one thread of the CPU; `None` for what it cannot do, as far as tables tell.
pub(super) fn prior(device: &DeviceInfo, key: &RateKey) -> Option<u64> {
    match device.kind {
        DeviceKind::Cpu => cpu(key),
        DeviceKind::Cuda => cuda(generation(&device.model, &device.name), key),
        DeviceKind::Vaapi => vaapi(key),
    }
}

fn generation(model: &str, name: &str) -> Generation {
    let text = format!("{model} {name}").to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["b200", "b100", "rtx 50", "rtx pro 6000", "blackwell"]) {
        Generation::Blackwell
    } else if has(&["l4", "l40", "rtx 40", " ada", "ada "]) {
        Generation::Ada
    } else if has(&["a100", "a30 ", "h100", "h200", "gh200", "t4", "rtx 20", "gtx 16", "quadro rtx", "turing"]) {
        Generation::Turing
    } else if has(&["a10", "a16", "a2", "a40", "rtx 30", "rtx a", "ampere"]) {
        Generation::Ampere
    } else if has(&["gtx 10", "p4", "p40", "p100", "pascal"]) {
        Generation::Pascal
    } else {
        Generation::Turing
    }
}

/// Frames of 1080p a second of one engine, at the presets that the speed classes stand for (P2, P4 and P6, taken as the
/// table's P1, P3 and P5).
fn cuda(generation: Generation, key: &RateKey) -> Option<u64> {
    use Generation::{Ada, Ampere, Blackwell, Pascal, Turing};
    let column = match generation {
        Pascal => 0,
        Turing => 1,
        Ampere => 2,
        Ada => 3,
        Blackwell => 4,
    };
    let row: [u64; 5] = match (key.operation, key.codec.as_str(), key.speed.unwrap_or_default()) {
        (Operation::Encode, "h264", Speed::Fast) => [692, 833, 846, 885, 948],
        (Operation::Encode, "h264", Speed::Balanced) => [398, 602, 617, 647, 708],
        (Operation::Encode, "h264", Speed::Quality) => [327, 264, 266, 283, 317],
        (Operation::Encode, "hevc", Speed::Fast) => [506, 920, 939, 1037, 1119],
        (Operation::Encode, "hevc", Speed::Balanced) => [443, 552, 557, 706, 947],
        (Operation::Encode, "hevc", Speed::Quality) => [371, 334, 335, 411, 521],
        (Operation::Encode, "av1", Speed::Fast) => [0, 0, 0, 741, 957],
        (Operation::Encode, "av1", Speed::Balanced) => [0, 0, 0, 549, 678],
        (Operation::Encode, "av1", Speed::Quality) => [0, 0, 0, 440, 552],
        (Operation::Decode, "hevc", _) if key.depth > 8 => [600, 1158, 1299, 1520, 1818],
        (Operation::Decode, "hevc", _) => [650, 1316, 1415, 1641, 1872],
        (Operation::Decode, "vp9", _) => [500, 932, 1075, 1290, 1445],
        (Operation::Decode, "av1", _) => [0, 0, 790, 1018, 1119],
        // H.264, and what is older and lighter.
        (Operation::Decode, _, _) => [600, 771, 748, 903, 2172],
        // Scaling is bound by memory, far beyond the engines.
        (Operation::Filter, _, _) => [4000; 5],
        (Operation::Encode, _, _) => [0; 5],
    };
    let frames = row[column];
    (frames > 0).then_some(frames * FRAME_1080 * BELIEVED_PERCENT / 100)
}

/// A cautious figure for all of VAAPI: nobody publishes tables.
fn vaapi(key: &RateKey) -> Option<u64> {
    let frames = match (key.operation, key.speed.unwrap_or_default()) {
        (Operation::Encode, Speed::Fast) => 400,
        (Operation::Encode, Speed::Balanced) => 250,
        (Operation::Encode, Speed::Quality) => 150,
        (Operation::Decode, _) => 500,
        (Operation::Filter, _) => 1500,
    };
    Some(frames * FRAME_1080)
}

/// Frames of 1080p a hundred seconds of one thread.
fn cpu(key: &RateKey) -> Option<u64> {
    let hundredths = match (key.operation, key.codec.as_str(), key.speed.unwrap_or_default()) {
        (Operation::Encode, "h264", Speed::Fast) => 2800,
        (Operation::Encode, "h264", Speed::Balanced) => 1200,
        (Operation::Encode, "h264", Speed::Quality) => 600,
        (Operation::Encode, "hevc", Speed::Fast) => 1200,
        (Operation::Encode, "hevc", Speed::Balanced) => 450,
        (Operation::Encode, "hevc", Speed::Quality) => 130,
        (Operation::Encode, "av1", Speed::Fast) => 1500,
        (Operation::Encode, "av1", Speed::Balanced) => 800,
        (Operation::Encode, "av1", Speed::Quality) => 300,
        (Operation::Encode, "vp9", Speed::Fast) => 450,
        (Operation::Encode, "vp9", Speed::Balanced) => 350,
        (Operation::Encode, "vp9", Speed::Quality) => 200,
        // Sound: samples of all channels, decode and resampling included.
        (Operation::Encode, "aac" | "opus" | "mp3" | "ac3" | "eac3", _) => return Some(SAMPLES),
        (Operation::Encode, _, _) => return None,
        (Operation::Decode, "h264" | "mpeg2video" | "mpeg4" | "vp8", _) => 12_700,
        (Operation::Decode, _, _) => 9000,
        (Operation::Filter, _, _) => 20_000,
    };
    // Ten bits take about half as long again.
    let depth = if key.depth > 8 { 150 } else { 100 };
    Some(hundredths * FRAME_1080 / depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::DeviceId;

    fn device(kind: DeviceKind, name: &str) -> DeviceInfo {
        DeviceInfo {
            id: DeviceId("x".into()),
            kind,
            name: name.into(),
            driver: String::new(),
            address: String::new(),
            model: name.into(),
            memory_mib: 0,
            encode_engines: 1,
            decode_engines: 1,
            sessions_counted: false,
            threads: 1,
            simulated: false,
            built: None,
            abilities: Vec::new(),
        }
    }

    fn key(operation: Operation, codec: &str, speed: Speed) -> RateKey {
        RateKey { operation, codec: codec.into(), depth: 8, speed: Some(speed) }
    }

    #[test]
    fn slower_classes_are_slower_and_an_engine_is_faster_than_a_thread() {
        let (ada, cpu) = (device(DeviceKind::Cuda, "NVIDIA L4"), device(DeviceKind::Cpu, "CPU"));
        for codec in ["h264", "hevc", "av1"] {
            let rate = |device: &DeviceInfo, speed| prior(device, &key(Operation::Encode, codec, speed)).unwrap();
            for device in [&ada, &cpu] {
                assert!(rate(device, Speed::Fast) > rate(device, Speed::Balanced), "{codec}");
                assert!(rate(device, Speed::Balanced) > rate(device, Speed::Quality), "{codec}");
            }
            assert!(rate(&ada, Speed::Quality) > 4 * rate(&cpu, Speed::Quality), "{codec}");
        }
    }

    #[test]
    fn no_rate_for_what_a_generation_cannot_do() {
        let t4 = device(DeviceKind::Cuda, "Tesla T4");
        assert_eq!(prior(&t4, &key(Operation::Encode, "av1", Speed::Fast)), None);
        let h200 = device(DeviceKind::Cuda, "NVIDIA H200");
        let decode = key(Operation::Decode, "h264", Speed::Fast);
        assert_eq!(prior(&h200, &decode), prior(&t4, &decode), "its decoders are of that generation");
    }
}
