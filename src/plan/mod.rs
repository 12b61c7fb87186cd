//! Step 2 of a job: from what a client asks and what its source is, everything that will be made, as data.
//!
//! A pure function: no IO, no clock, no FFmpeg. What it writes (graphs, options, names) is pinned by goldens in
//! `tests/golden/plan/`.

mod audio;
mod checks;
mod color;
mod copy;
mod encoder;
mod graph;
mod ladder;
mod notes;
mod rate;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod threads;
mod timeline;
mod video;

pub use crate::model::request::{Channels, RateMode, RenditionSpec, Request, SizeSpec, parse_segment};

use crate::model::facts::{MediaFacts, StreamKind};
use crate::model::plan::Grid;
use crate::model::{Plan, Problem};
use notes::Notes;
use serde::{Deserialize, Serialize};

/// What the machine that will do the work has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// CPU threads; the spans of a job share them.
    pub threads: u32,
}

/// What is wrong with a request whatever its source may be; empty when nothing is. Each problem is about a field, by its
/// name in `reelmill.v1.OutputSpec`.
pub fn check(request: &Request) -> Vec<Problem> {
    let mut problems = checks::request(request);
    let combinations = checks::outputs(request, !request.omit_video, true, &mut Notes::default());
    problems.extend(combinations.err().unwrap_or_default());
    for (index, rendition) in request.renditions.iter().enumerate().filter(|(_, rendition)| rendition.is_odd()) {
        let message =
            format!("{rendition} has an odd side, and pictures in these codecs have even ones: ask for one less");
        problems.push(Problem::input("request.rendition", message).at(format!("renditions[{index}].size")));
    }
    for problem in problems.iter_mut().filter(|problem| problem.field.is_empty()) {
        problem.field = match problem.code.as_str() {
            "request.segment" => "segment_duration",
            "request.spans" => "spans",
            "request.rendition" => "renditions",
            "request.crf" => "rate_control.crf",
            "request.codec_packaging" => "packagings",
            "request.progressive" => "progressive_mp4",
            _ => "",
        }
        .to_owned();
    }
    problems
}

/// Plans a job. On failure, everything that is wrong with the request, or else what is wrong with the source; never
/// an empty list.
pub fn plan(facts: &MediaFacts, request: &Request, node: &Node) -> Result<Plan, Vec<Problem>> {
    let mut notes = Notes::default();
    let mut problems = checks::request(request);
    if let Some(problem) = checks::source(facts) {
        problems.push(problem);
        return Err(problems);
    }
    let pictures = facts.main_video().filter(|_| !request.omit_video);
    let sound: Vec<_> = facts.audio_streams().collect();
    if pictures.is_none() && sound.is_empty() {
        let message = "only sound was asked for, and the source has none that can be decoded; leave omit_video out";
        problems.push(Problem::input("source.no_streams", message));
        return Err(problems);
    }
    let outputs = match checks::outputs(request, pictures.is_some(), !sound.is_empty(), &mut notes) {
        Ok(outputs) if problems.is_empty() => outputs,
        Ok(_) => return Err(problems),
        Err(more) => {
            problems.extend(more);
            return Err(problems);
        }
    };
    tell_what_is_left_out(facts, request, &mut notes);

    let longest_us = timeline::longest_us(facts);
    let origin = timeline::origin(pictures, &sound, longest_us, &mut notes);
    let duration_us = timeline::duration_us(facts, origin.micros());
    let wanted = if pictures.is_some() { request.spans } else { 1 };
    let spans = timeline::spans(wanted, facts, duration_us, request.segment_ms, &mut notes);
    let video = match pictures {
        Some((stream, video)) => {
            let source = video::Source { facts, stream, video, origin, spans: spans.len() as u32 };
            Some(video::plan(&source, request, &outputs, *node, &mut notes)?)
        }
        None => None,
    };
    let audio = audio::renditions(&sound, &outputs.audio, request, origin, longest_us, &mut notes);
    Ok(Plan {
        grid: Grid { segment_ms: request.segment_ms },
        packagings: outputs.packagings,
        video,
        audio,
        duration_us,
        spans,
        notes: notes.into_vec(),
    })
}

/// Streams of the source, and parts of the request, that nothing is made of.
fn tell_what_is_left_out(facts: &MediaFacts, request: &Request, notes: &mut Notes) {
    if facts.main_video().is_none() && !(request.renditions.is_empty() && request.codecs.is_empty()) {
        notes.add("video.absent", "the source has no pictures, so only its sound is made");
    }
    if facts.main_video().is_none() && request.progressive {
        notes.add("progressive.left_out", "the source has no pictures, so no MP4 file is made");
    }
    for stream in facts.streams.iter().filter(|s| s.kind == StreamKind::Audio && !s.decodable) {
        notes.add(
            "audio.undecodable",
            format!("audio stream {} ({}) cannot be decoded and is left out", stream.index, stream.codec),
        );
    }
    let videos = facts.streams.iter().filter(|s| s.video.is_some() && s.decodable && !s.attached_picture).count();
    if videos > 1 {
        notes.add("video.one_of_several", format!("the source has {videos} video streams; the main one is made"));
    }
    if facts.truncated {
        notes.add("source.truncated", "the source ends before the media that it promises; what is there is made");
    }
}
