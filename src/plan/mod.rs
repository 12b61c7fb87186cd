//! STAND-IN until the planner is merged: same names, one rung. Drop this commit when merging.
mod request;
pub use request::{Channels, RateMode, RenditionSpec, Request, SEGMENT_MS_DEFAULT, SizeSpec, parse_segment};

use crate::model::plan::{Grid, SpanRange, VideoPlan};
use crate::model::*;

/// Stand-in.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Threads.
    pub threads: u32,
}

/// Stand-in.
pub fn plan(facts: &MediaFacts, request: &Request, node: &Node) -> Result<Plan, Vec<Problem>> {
    let packagings =
        if request.packagings.is_empty() { vec![Packaging::Cmaf, Packaging::Ts] } else { request.packagings.clone() };
    let video = facts.main_video().map(|(stream, video)| VideoPlan {
        stream: stream.index,
        time_base: stream.time_base,
        origin: 0,
        timescale: 90_000,
        frame_ticks: Some(3000),
        frame_rate: video.frame_rate,
        prepare: String::new(),
        color: video.color.clone(),
        decode_threads: node.threads,
        renditions: [(640, 360), (426, 240)]
            .map(|(width, height)| VideoRendition {
                id: format!("{height}p"),
                codec: VideoCodec::H264,
                width,
                height,
                pixel_format: "yuv420p".into(),
                parent: None,
                graph: String::new(),
                rate: RateControl::Vbv { bitrate: 800_000, max_rate: 900_000, buffer: 1_200_000 },
                speed: request.speed,
                encoder: "libx264".into(),
                options: vec![],
                frame_rate: video.frame_rate,
                color: video.color.clone(),
                hdr: None,
                declared_peak: 900_000,
            })
            .into(),
    });
    let audio = facts.audio_streams().next().map(|(stream, audio)| AudioRendition {
        id: "audio-1".into(),
        stream: stream.index,
        time_base: stream.time_base,
        origin: 0,
        codec: AudioCodec::Aac,
        copy: false,
        encoder: "aac".into(),
        options: vec![],
        sample_rate: audio.sample_rate,
        channels: 2,
        layout: "stereo".into(),
        graph: String::new(),
        bit_rate: 128_000,
        language: None,
        title: "Audio".into(),
        default: true,
        descriptive: false,
    });
    if video.is_none() && audio.is_none() {
        return Err(vec![Problem::input("source.no_streams", "the source holds neither pictures nor sound")]);
    }
    let total = facts.duration_us.unwrap_or(0).div_euclid(i64::from(request.segment_ms) * 1000) as u32;
    let spans = (0..request.spans).map(|span| SpanRange {
        first: total * span / request.spans,
        end: (span + 1 < request.spans).then_some(total * (span + 1) / request.spans),
    });
    Ok(Plan {
        grid: Grid { segment_ms: request.segment_ms },
        packagings,
        video,
        audio: audio.into_iter().collect(),
        duration_us: facts.duration_us,
        spans: spans.collect(),
        notes: vec![],
    })
}
