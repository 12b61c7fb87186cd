//! NVDEC, CUDA filters and x264: the path of cards without an encoder, against the same by the CPU.

use crate::card;
use crate::made::{Bytes, Recorder, facts};
use reelmill::av::{Frame, Polled};
use reelmill::model::classify::classify;
use reelmill::model::device::{DeviceFault, Memory, Operation};
use reelmill::model::plan::SpanRange;
use reelmill::model::{Plan, Speed};
use reelmill::pipeline::accel::DeviceError;
use reelmill::pipeline::demux::Demux;
use reelmill::pipeline::{Control, video as span};
use reelmill::plan::{Node, Request, plan};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WHOLE: SpanRange = SpanRange { first: 0, end: None };
/// What remains between two scalers and two runs of x264.
const SIMILARITY_MIN: f64 = 0.97;

fn by_cpu(source: &Arc<Vec<u8>>) -> Plan {
    let renditions = vec!["360p".parse().unwrap(), "180p".parse().unwrap()];
    let request = Request { renditions, speed: Speed::Fast, segment_ms: 1000, ..Request::default() };
    plan(&facts(source), &request, &Node { threads: 4 }).unwrap()
}

/// Decoded and scaled on the card, 1:2 and 1:4, and encoded by the CPU.
fn by_card(source: &Arc<Vec<u8>>) -> Plan {
    let mut plan = by_cpu(source);
    let video = plan.video.as_mut().unwrap();
    (video.accelerator, video.memory) = (Some(card::placed(true)), Memory::Device);
    for rung in &mut video.renditions {
        rung.parent = None;
        rung.graph = format!(
            "scale_cuda=w={}:h={}:interp_algo=bicubic:format=nv12:passthrough=0,hwdownload,format=nv12,format=yuv420p",
            rung.width, rung.height
        );
    }
    plan
}

/// Makes a span and writes a rung of it as one file.
fn make(source: &Arc<Vec<u8>>, plan: &Plan, directory: &Path) -> Vec<PathBuf> {
    let recorder = Recorder::default();
    span::run(Bytes::whole(source), plan, WHOLE, &recorder, &Control::default()).unwrap();
    assert!(recorder.failures.lock().unwrap().is_empty());
    let inits = recorder.inits.lock().unwrap();
    let write = |init: &reelmill::pipeline::TrackInit| {
        let mut bytes = init.init_segment.clone();
        for segment in recorder.track(&init.track) {
            bytes.extend_from_slice(&segment.files[0].bytes);
        }
        let frames: u32 = recorder.shape(&init.track).iter().map(|segment| segment.3).sum();
        assert_eq!(frames, 100, "{}", init.track);
        let path = directory.join(format!("{}.mp4", init.track));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut files: Vec<_> = inits.iter().map(write).collect();
    files.sort();
    files
}

#[test]
fn decoded_and_scaled_on_the_card_it_looks_as_by_the_cpu() {
    if card::open().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let source = card::moving(directory.path(), 4);
    let (cpu, gpu) = (directory.path().join("cpu"), directory.path().join("gpu"));
    [&cpu, &gpu].into_iter().for_each(|path| std::fs::create_dir(path).unwrap());
    let by_cpu = make(&source, &by_cpu(&source), &cpu);
    let by_card = make(&source, &by_card(&source), &gpu);
    assert_eq!(by_cpu.len(), 2);
    for (one, other) in by_cpu.iter().zip(&by_card) {
        let similarity = card::similarity(one, other);
        println!("{}: SSIM {similarity}", other.display());
        assert!(similarity >= SIMILARITY_MIN, "{}: SSIM {similarity}", other.display());
    }
}

#[test]
fn a_decoder_whose_frames_are_all_held_says_that_its_pool_is_empty_or_goes_on() {
    let Some(card) = card::open() else { return };
    let directory = tempfile::tempdir().unwrap();
    let source = card::moving(directory.path(), 8);
    let control = Control::default();
    let mut demux = Demux::open(Bytes::whole(&source), &[0], &control).unwrap();
    let info = demux.input().stream_info(0).unwrap();
    let mut decoder = card.decoder(&info.params, info.time_base, 1, Memory::Device).unwrap();
    let mut held = Vec::new();
    let result = (|| -> Result<(), DeviceError> {
        while let Some(packet) = demux.read().unwrap() {
            decoder.send(Some(&packet))?;
            loop {
                let mut frame = Frame::new().unwrap();
                if decoder.receive(&mut frame)? != Polled::Ready {
                    break;
                }
                held.push(frame);
            }
        }
        Ok(())
    })();
    println!("{} frames held", held.len());
    if let Err(error) = result {
        let fault = classify(Operation::Decode, Some(error.error.code), &error.lines, error.after_first);
        assert_eq!(fault, Some(DeviceFault::SurfacePool), "{error:?}");
    }
}
