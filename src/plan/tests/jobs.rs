//! Jobs of several outputs and sources, as text against `tests/golden/plan_job/`; re-recorded with `REELMILL_BLESS=1`.

use super::cases::{asking, grouped};
use super::goldens::{check, difference};
use crate::model::facts::{HdrKind, MediaFacts, StreamFacts};
use crate::model::plan::{JobPlan, OutputPlan, Plan};
use crate::model::spec::{IfExists, OutputSpec, SourceSpec, UploadOptions};
use crate::model::{AudioCodec, JobSpec, Packaging, RateControl, Speed, VideoCodec};
use crate::plan::testing::{file, hdr_video, movie, picture_stream, sound_stream, video};
use crate::plan::{Channels, JobPlanning, Node, Request, plan_job};
use std::fmt::Write as _;

/// A job, and the facts of its sources.
#[derive(Clone)]
pub(super) struct Job {
    pub facts: Vec<Option<MediaFacts>>,
    pub spec: JobSpec,
}

impl Job {
    pub(super) fn planned(&self) -> JobPlanning {
        plan_job(&self.facts, &self.spec, &Node { threads: 8 })
    }
}

/// A job of these sources, and of these outputs of the first one.
pub(super) fn job(facts: Vec<MediaFacts>, requests: Vec<Request>) -> Job {
    let source = |i| SourceSpec {
        id: format!("source{i}"),
        locator: Some(format!("/in/{i}.mp4").parse().unwrap()),
        ..SourceSpec::default()
    };
    let output = |(i, request)| OutputSpec {
        id: format!("output{i}"),
        destination: format!("/out/{i}").parse().unwrap(),
        if_exists: IfExists::Fail,
        source: 0,
        audio_sources: Vec::new(),
        rendition_sources: Default::default(),
        request,
        upload: UploadOptions::default(),
    };
    let spec =
        JobSpec::new((0..facts.len()).map(source).collect(), requests.into_iter().enumerate().map(output).collect());
    Job { facts: facts.into_iter().map(Some).collect(), spec }
}

/// 1080p in H.264 with stereo sound, 60 s.
pub(super) fn hd() -> MediaFacts {
    movie(video(1920, 1080, 25, 1))
}

/// A sidecar: two tracks of sound and nothing else.
fn dub() -> MediaFacts {
    let track = |language: &str| StreamFacts { language: Some(language.into()), ..sound_stream(48_000, 2, "stereo") };
    file(vec![track("deu"), track("fra")])
}

pub(super) fn all() -> Vec<(&'static str, Job)> {
    [sharing(), sources(), parts()].concat()
}

fn sharing() -> Vec<(&'static str, Job)> {
    let of = |packaging| Request { packagings: vec![packaging], ..asking("1080p,720p,360p") };
    let ts = Request { packagings: vec![Packaging::Ts], ..asking("720p,360p") };
    let hevc = Request { codecs: vec![VideoCodec::Hevc], ..asking("1080p,720p") };
    let h264 = |renditions| Request { codecs: vec![VideoCodec::H264], ..asking(renditions) };
    let opus = Request { audio_codecs: vec![AudioCodec::Opus], ..of(Packaging::Cmaf) };
    let surround = movie_with(sound_stream(48_000, 6, "5.1"));
    let kept = Request { channels: Channels::Keep, ..asking("360p") };
    let six = Request { segment_ms: 6000, ..asking("720p") };
    let spans = |spans| Request { spans, ..asking("720p,360p") };
    let copying = |renditions| Request { copy: true, ..asking(renditions) };
    let bad = Request { codecs: vec![VideoCodec::Hevc], ..asking("720p,30x30") };
    vec![
        ("cmaf-and-ts", job(vec![hd()], vec![of(Packaging::Cmaf), ts])),
        ("other-rate", job(vec![hd()], vec![asking("720p@3M,360p"), asking("1280x720@2M,640x360"), asking("720p@3M")])),
        ("other-speed", job(vec![hd()], vec![asking("720p"), Request { speed: Speed::Fast, ..asking("720p") }])),
        ("other-grid", job(vec![hd()], vec![asking("720p"), six, asking("360p")])),
        ("hevc-and-h264", job(vec![movie(hdr_video(1920, 1080, HdrKind::Pq))], vec![hevc, h264("1080p,480p")])),
        ("smaller-first", job(vec![hd()], vec![asking("360p"), asking("1080p")])),
        ("aac-and-opus", job(vec![hd()], vec![asking("720p"), opus])),
        ("stereo-and-surround", job(vec![surround], vec![asking("360p"), kept])),
        ("other-spans", job(vec![hd()], vec![spans(4), spans(1), spans(2)])),
        ("copy-and-encode", job(vec![grouped(1280, 720, 2_000_000)], vec![copying("720p,360p"), asking("720p")])),
        ("one-fails", job(vec![hd()], vec![asking("720p"), bad, asking("720p,480p")])),
    ]
}

fn sources() -> Vec<(&'static str, Job)> {
    let mut sidecar = job(vec![hd(), dub()], vec![asking("720p"), asking("720p")]);
    sidecar.spec.outputs[0].audio_sources = vec![1];
    sidecar.spec.outputs[1].audio_sources = vec![1, 0];
    let mut mapped = job(vec![hd(), movie(video(1280, 720, 25, 1))], vec![asking("1080p,720p,480p")]);
    mapped.spec.outputs[0].rendition_sources.insert(2, 1);
    mapped.spec.outputs[0].rendition_sources.insert(1, 1);
    let mut gone = job(vec![hd(), hd(), dub()], vec![asking("720p"), asking("720p")]);
    gone.spec.outputs[1].source = 1;
    gone.facts[1] = None;
    vec![("sidecar", sidecar), ("rung-of-another-source", mapped), ("a-source-that-failed", gone)]
}

fn parts() -> Vec<(&'static str, Job)> {
    let mut trimmed = job(
        vec![grouped(1280, 720, 2_000_000)],
        vec![
            Request { copy: true, segment_ms: 2000, ..asking("720p,360p") },
            Request { spans: 3, segment_ms: 5000, ..asking("360p") },
        ],
    );
    trimmed.spec.sources[0].start_us = Some(10_000_000);
    trimmed.spec.sources[0].end_us = Some(30_000_000);
    let ntsc = movie(video(1280, 720, 30_000, 1001));
    let mut between = job(vec![ntsc], vec![asking("360p")]);
    between.spec.sources[0].start_us = Some(10_005_000);
    between.spec.sources[0].end_us = Some(90_000_000);
    vec![("trimmed", trimmed), ("trimmed-between-pictures", between)]
}

fn movie_with(sound: StreamFacts) -> MediaFacts {
    file(vec![picture_stream("h264", video(1280, 720, 25, 1)), sound])
}

#[test]
fn jobs_are_planned_as_recorded() {
    let texts = all().into_iter().map(|(name, job)| (format!("{name}.txt"), text(&job.planned()))).collect();
    check("tests/golden/plan_job", texts);
}

#[test]
fn a_job_of_one_output_is_planned_like_its_output() {
    for (name, facts, request) in super::cases::all() {
        let alone = crate::plan::plan(&facts, &request, &Node { threads: 8 }).unwrap();
        let JobPlanning { plan, problems } = job(vec![facts], vec![request]).planned();
        let output = plan.outputs[0].as_ref().unwrap();
        let got = serde_json::to_string_pretty(&Plan { notes: output.notes.clone(), ..plan.works[0].plan.clone() });
        let want = serde_json::to_string_pretty(&alone).unwrap();
        assert_eq!(difference(&want, &got.unwrap()).lines().count(), 1, "{name}");
        assert!(plan.works.len() == 1 && problems.is_empty() && plan.works[0].plan.notes.is_empty(), "{name}");
        assert!(output.tracks.iter().all(|track| track.id == track.rendition && track.work == 0), "{name}");
        assert_eq!(output.duration_us, alone.duration_us, "{name}");
    }
}

/// A plan in lines that say what was decided.
fn text(planning: &JobPlanning) -> String {
    let mut text = String::new();
    for (i, work) in planning.plan.works.iter().enumerate() {
        writeln!(
            text,
            "work {i}: source {}, {} ms, {:?}",
            work.source, work.plan.grid.segment_ms, work.plan.packagings
        )
        .unwrap();
        of_work(&mut text, &work.plan);
    }
    for (i, output) in planning.plan.outputs.iter().enumerate() {
        match output {
            Some(output) => of_output(&mut text, i, output, &planning.plan),
            None => writeln!(text, "output {i}: none").unwrap(),
        }
    }
    for (i, problems) in &planning.problems {
        for problem in problems {
            writeln!(text, "problem of output {i}: {problem} ({})", problem.field).unwrap();
        }
    }
    for note in &planning.plan.notes {
        writeln!(text, "note: {} [{}]", note.message, note.code).unwrap();
    }
    text
}

fn of_work(text: &mut String, plan: &Plan) {
    let spans: Vec<u32> = plan.spans.iter().map(|span| span.first).collect();
    writeln!(text, "  spans at {spans:?}, {:?} us", plan.duration_us).unwrap();
    if let Some(video) = &plan.video {
        let (point, end) = (if video.in_point { " (in point)" } else { "" }, video.end);
        writeln!(text, "  pictures from {}{point} to {end:?}, {} Hz", video.origin, video.timescale).unwrap();
        for r in &video.renditions {
            let rate = match r.rate {
                _ if r.copy => "copy".to_owned(),
                RateControl::Vbv { bitrate, .. } => format!("{bitrate} b/s"),
                other => format!("{other:?}"),
            };
            let parent = r.parent.map_or("source", |parent| video.renditions[parent].id.as_str());
            let threads = r.options.iter().find(|(name, _)| name == "threads").map_or("-", |(_, value)| value.as_str());
            write!(text, "  {}: {:?} {}x{}, {rate}, {:?}, ", r.id, r.codec, r.width, r.height, r.speed).unwrap();
            writeln!(text, "{:?}, {threads} threads, from {parent} by `{}`", r.packagings, r.graph).unwrap();
        }
    }
    for a in &plan.audio {
        let (point, end) = (if a.in_point { " (in point)" } else { "" }, a.end);
        let default = if a.default { ", default" } else { "" };
        let codec = if a.copy { "copied".to_owned() } else { format!("{:?}", a.codec) };
        write!(
            text,
            "  {}: {codec} {} {} b/s of stream {}, {:?}, ",
            a.id, a.layout, a.bit_rate, a.stream, a.packagings
        )
        .unwrap();
        writeln!(text, "from {}{point} to {end:?}, \"{}\"{default}", a.origin, a.title).unwrap();
    }
}

fn of_output(text: &mut String, i: usize, output: &OutputPlan, plan: &JobPlan) {
    let OutputPlan { packagings, grid, duration_us, .. } = output;
    writeln!(text, "output {i}: {packagings:?}, {} ms, {duration_us:?} us", grid.segment_ms).unwrap();
    for track in &output.tracks {
        let default = if track.default { ", default" } else { "" };
        let title = if track.title.is_empty() { String::new() } else { format!(", \"{}\"", track.title) };
        writeln!(text, "  {} is {} of work {}{title}{default}", track.id, track.rendition, track.work).unwrap();
    }
    for note in &output.notes {
        writeln!(text, "  note: {} [{}]", note.message, note.code).unwrap();
    }
    let only: Vec<String> = plan.renditions_only_needed_by(i).concat();
    writeln!(text, "  alone needs {only:?}").unwrap();
}
