//! Measures a device: for each kind of work that counts, a short piece of it, one after the other, in a process of its own.
//!
//! What is measured is what jobs do: encoders get the options that the planner gives them for the speed class, decoders
//! what our encoders make, filters the graph of a rung. The CPU is measured with one thread, by its CPU time; a device by
//! the clock, so nothing else should run on it. Pictures are small and few, so that all of it takes seconds.

use super::prove::{accelerator, started};
use super::rates::worth_measuring;
use super::{Rates, clean};
use crate::model::device::{DeviceInfo, DeviceKind, Operation, Placement, RateKey};
use crate::model::facts::{ColorTags, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use crate::model::plan::VideoRendition;
use crate::model::{Problem, Ratio, Speed, VideoCodec};
use crate::plan::{self, Node, Request, place};
use crate::supervise::{self, Report, Scratch};
use crate::wire::v1::{self, from_worker::Message};
use std::path::Path;
use tokio::sync::mpsc;

/// The picture that is worked on, and the one for what is too slow for it, pixels.
const SIZES: [(u32, u32); 2] = [(1280, 720), (640, 360)];
/// About how long one piece of work is to take, ms.
const PIECE_MS: u64 = 600;
/// Fewest frames that tell anything, and most that are worth the time: encoders look ahead by some dozen.
const FRAMES: (u64, u64) = (24, 1200);
/// Fewest frames of what is slow even in small pictures.
const FRAMES_SLOW_MIN: u64 = 10;
/// Longest text of a worker that is kept, bytes.
const TEXT_BYTES_MAX: usize = 200;

/// What measuring a device showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// What FFmpeg in the worker is.
    pub ffmpeg: String,
    /// Pixels a second of one engine, or of one thread of the CPU. What failed is not among them.
    pub rates: Vec<(RateKey, u64)>,
}

/// A piece of work.
struct Piece {
    key: RateKey,
    rendition: VideoRendition,
    frames: u64,
    /// Pixels of a frame, as rates count them.
    pixels: u64,
}

/// Measures a device that works; `believed` says about how fast it is, so that each piece is short.
///
/// # Errors
/// `worker.not_started`, `output.unwritable`: the worker could not be started at all.
pub async fn measure(worker: &Path, device: &DeviceInfo, believed: &Rates) -> Result<Measured, Problem> {
    let pieces: Vec<Piece> =
        worth_measuring(device).into_iter().filter_map(|key| piece(device, key, believed)).collect();
    let trials = pieces.iter().map(trial).collect();
    let scratch = Scratch::make()?;
    let launch = started(worker, device, scratch.path(), accelerator(device)?, trials)?;
    let (reports, mut told) = mpsc::channel(16);
    let _worker = supervise::start(launch, (), reports)?;
    let mut measured = Measured { ffmpeg: String::new(), rates: Vec::new() };
    while let Some(((), report)) = told.recv().await {
        match report {
            Report::Message(Message::Doctor(doctor)) => measured.ffmpeg = clean(&doctor.ffmpeg, TEXT_BYTES_MAX),
            Report::Message(Message::Tried(tried)) => {
                let Some(piece) = pieces.get(tried.trial as usize) else { continue };
                if let Some(failure) = tried.failure {
                    let what = clean(&failure.message, TEXT_BYTES_MAX);
                    tracing::info!(device = %device.id, of = ?piece.key, what, "not measured");
                } else {
                    let pixels = u128::from(piece.pixels) * u128::from(piece.frames);
                    let rate = pixels * 1_000_000 / u128::from(tried.busy_us.max(1));
                    measured.rates.push((piece.key.clone(), u64::try_from(rate).unwrap_or(u64::MAX).max(1)));
                }
            }
            Report::Message(_) | Report::Kernel(_) | Report::Exited(_) => {}
            Report::Stderr(line) => tracing::debug!("worker: {line}"),
        }
    }
    Ok(measured)
}

fn piece(device: &DeviceInfo, key: RateKey, believed: &Rates) -> Option<Piece> {
    let rate = believed.rate(device, &key)?;
    let count = |(width, height): (u32, u32)| rate * PIECE_MS / 1000 / (u64::from(width) * u64::from(height));
    let is_slow = key.operation == Operation::Encode && count(SIZES[0]) < FRAMES.0;
    let size = SIZES[usize::from(is_slow)];
    let fewest = if is_slow { FRAMES_SLOW_MIN } else { FRAMES.0 };
    let frames = count(size).clamp(fewest, FRAMES.1);
    let to = if key.operation == Operation::Filter { SIZES[1] } else { size };
    let codec = if key.codec.is_empty() { VideoCodec::H264 } else { VideoCodec::from_name(&key.codec)? };
    let rendition = rendition(device, &key, codec, size, to.1)?;
    Some(Piece { key, rendition, frames, pixels: u64::from(size.0) * u64::from(size.1) })
}

/// The rung that a job would make. What is decoded is always made by the CPU.
fn rendition(
    device: &DeviceInfo,
    key: &RateKey,
    codec: VideoCodec,
    (width, height): (u32, u32),
    to: u32,
) -> Option<VideoRendition> {
    let request = Request {
        renditions: vec![format!("{to}p").parse().ok()?],
        codecs: vec![codec],
        speed: key.speed.unwrap_or(Speed::Fast),
        ..Request::default()
    };
    let plan = plan::plan(&facts(width, height, key.depth), &request, &Node { threads: 1 }).ok()?;
    let placed = match key.operation {
        Operation::Encode if device.kind != DeviceKind::Cpu => {
            let rungs = plan.video.iter().flat_map(|video| &video.renditions);
            let encode = rungs.map(|rung| rung.id.clone()).collect();
            let whole = Placement { device: Some(device.id.clone()), decode: false, encode };
            place::place(&plan, &whole, Some(device), place::FilterSet::of_device(device)).ok()?
        }
        _ => plan,
    };
    placed.video?.renditions.into_iter().next()
}

/// A source of such pictures, as probing would see it.
fn facts(width: u32, height: u32, depth: u8) -> MediaFacts {
    let video = VideoFacts {
        width,
        height,
        sample_aspect: Ratio::new(1, 1),
        rotation: 0,
        mirrored: false,
        display_width: width,
        display_height: height,
        frame_rate: Ratio::new(25, 1),
        variable_rate: false,
        scan: Scan::Progressive,
        pixel_format: if depth > 8 { "yuv420p10le" } else { "yuv420p" }.to_owned(),
        bit_depth: u32::from(depth),
        rgb: false,
        color: ColorTags::default(),
        hdr: None,
        first_pts: Some(0),
        key_frames: Vec::new(),
        area: None,
    };
    let stream = StreamFacts {
        index: 0,
        program: None,
        kind: StreamKind::Video,
        codec: "h264".to_owned(),
        profile: None,
        time_base: Ratio::new(1, 90_000),
        start: Some(0),
        duration: None,
        bit_rate: None,
        language: None,
        title: None,
        default: true,
        forced: false,
        descriptive: false,
        role: None,
        hearing_impaired: false,
        attached_picture: false,
        encrypted: false,
        decodable: true,
        video: Some(video),
        audio: None,
    };
    let duration_us = Some(60_000_000);
    MediaFacts {
        container: "mov".to_owned(),
        duration_us,
        seekable: true,
        streams: vec![stream],
        ..MediaFacts::default()
    }
}

fn trial(piece: &Piece) -> v1::Trial {
    v1::Trial {
        operation: piece.key.operation.name().to_owned(),
        codec: piece.key.codec.clone(),
        depth: u32::from(piece.key.depth),
        frames: u32::try_from(piece.frames).unwrap_or(u32::MAX),
        // A rendition is plain data.
        rendition_json: serde_json::to_vec(&piece.rendition).unwrap_or_default(),
    }
}
