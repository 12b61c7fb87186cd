//! A job as the scripted daemon tells it.

use prost_types::{Duration, Timestamp};
use reelmill::api::v1;
use reelmill::api::v1::change::Subject;
use reelmill::api::v1::watch_job_response::Event;

/// Ids of the jobs that the daemon knows; what becomes of each is in its name.
pub(crate) const GOOD: &str = "0197a5c0000070008000000000000001";
pub(crate) const BAD: &str = "0197a5c0000070008000000000000002";
pub(crate) const STOPPED: &str = "0197a5c0000070008000000000000003";
/// Its stream breaks off once.
pub(crate) const BREAKS: &str = "0197a5c0000070008000000000000004";
/// It never ends.
pub(crate) const ENDLESS: &str = "0197a5c0000070008000000000000005";
pub(crate) const ALL: [&str; 5] = [GOOD, BAD, STOPPED, BREAKS, ENDLESS];

fn time(second: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: 1_780_000_000 + second, nanos: 250_000_000 })
}

fn length(ms: i64) -> Option<Duration> {
    Some(Duration { seconds: ms / 1000, nanos: (ms % 1000 * 1_000_000) as i32 })
}

pub(crate) fn problem() -> v1::Problem {
    v1::Problem {
        fault: v1::Fault::Device as i32,
        code: "worker.crashed".into(),
        message: "the worker died by signal 11; try again".into(),
        field: "outputs[0]".into(),
    }
}

pub(crate) fn job(id: &str) -> v1::Job {
    use v1::{InputState, JobState, OutputState};
    let (state, output, problem) = match id {
        BAD => (JobState::Failed, OutputState::Failed, Some(problem())),
        STOPPED => (JobState::Stopped, OutputState::Stopped, None),
        ENDLESS => (JobState::Running, OutputState::Running, None),
        _ => (JobState::Succeeded, OutputState::Ready, None),
    };
    let ready = output == OutputState::Ready;
    v1::Job {
        id: id.into(),
        reference_id: "movie-7".into(),
        state: state as i32,
        revision: 9,
        problem: problem.clone(),
        placements: placements(id),
        spec: Some(v1::JobSpec { profile: "web@1".into(), ..v1::JobSpec::default() }),
        inputs: vec![v1::Input {
            id: "source-1".into(),
            uri: "/media/in.mp4".into(),
            state: InputState::Ready as i32,
            size_bytes: 5 << 20,
            ..v1::Input::default()
        }],
        outputs: vec![v1::Output {
            id: "output-1".into(),
            destination: "s3://published/movie-7".into(),
            state: output as i32,
            problem,
            tracks: if ready { vec![track()] } else { vec![] },
            files: if ready { vec![file()] } else { vec![] },
            stored_bytes: if ready { 3 << 20 } else { 0 },
            ..v1::Output::default()
        }],
        outputs_total: 1,
        outputs_ready: ready.into(),
        attempt: 1,
        create_time: time(0),
        begin_time: time(1),
        end_time: if id == ENDLESS { None } else { time(61) },
        warnings: vec![v1::Warning {
            code: "rendition.capped".into(),
            message: "1080p is larger than the source; it is 720p".into(),
            output_id: "output-1".into(),
        }],
        ..v1::Job::default()
    }
}

fn track() -> v1::Track {
    v1::Track {
        id: "720p".into(),
        codecs: "avc1.64001f".into(),
        encoder: "libx264".into(),
        width: 1280,
        height: 720,
        segments: 15,
        bytes: 3 << 20,
        duration: length(60_000),
        loudness: None,
    }
}

fn file() -> v1::OutputFile {
    v1::OutputFile { role: 1, uri: "s3://published/movie-7/cmaf/master.m3u8".into(), size_bytes: 700, packaging: 1 }
}

fn change(revision: u64, subject: Subject, problem: Option<v1::Problem>) -> v1::WatchJobResponse {
    let change = v1::Change { revision, time: time(revision as i64), subject: Some(subject), problem };
    v1::WatchJobResponse { event: Some(Event::Change(change)), last: false }
}

/// Everything that a watcher of a job is told, after a revision.
pub(crate) fn story(id: &str, after: u64) -> Vec<v1::WatchJobResponse> {
    let job_is = |state: v1::JobState| Subject::Job(state as i32);
    let output = |state: v1::OutputState, playable| {
        Subject::Output(v1::OutputChange { output_id: "output-1".into(), state: state as i32, playable })
    };
    let input = v1::InputChange { input_id: "source-1".into(), state: v1::InputState::Ready as i32 };
    let ended = job(id);
    let mut changes = vec![
        change(1, job_is(v1::JobState::Queued), None),
        change(2, job_is(v1::JobState::Preparing), None),
        change(3, Subject::Input(input), None),
        change(4, job_is(v1::JobState::Running), None),
        change(5, output(v1::OutputState::Running, true), None),
    ];
    if id != ENDLESS {
        changes.push(change(8, output(ended.outputs[0].state(), false), ended.problem.clone()));
        changes.push(change(9, job_is(ended.state()), ended.problem.clone()));
    }
    changes.retain(|message| matches!(&message.event, Some(Event::Change(change)) if change.revision > after));
    let first = v1::WatchJobResponse {
        event: Some(Event::Job(v1::Job { id: id.into(), state: 1, ..v1::Job::default() })),
        last: false,
    };
    let mut story = vec![first];
    story.append(&mut changes);
    story.insert(story.len().saturating_sub(2), progress());
    if id != ENDLESS
        && let Some(last) = story.last_mut()
    {
        last.last = true;
    }
    story
}

fn progress() -> v1::WatchJobResponse {
    let output = v1::OutputProgress {
        output_id: "output-1".into(),
        media_done: length(15_000),
        media_published: length(12_000),
        media_total: length(60_000),
        speed_percent: 300,
        eta: length(15_000),
        uploaded_bytes: 1 << 20,
    };
    let progress = v1::Progress { elapsed: length(5000), outputs: vec![output], ..v1::Progress::default() };
    v1::WatchJobResponse { event: Some(Event::Progress(progress)), last: false }
}

pub(crate) fn delivery() -> v1::Delivery {
    let attempt =
        |status, error: &str| v1::delivery::Attempt { time: time(62), status, error: error.into(), elapsed_ms: 40 };
    v1::Delivery {
        id: "msg_1".into(),
        url: "https://hooks.example/reelmill".into(),
        event: "job.succeeded".into(),
        state: v1::delivery::State::Delivered as i32,
        attempts: vec![attempt(503, "the receiver answered 503"), attempt(204, "")],
        next_time: None,
    }
}

/// A log on two pages, as the node gives it after a line.
pub(crate) fn log(after: u64) -> (Vec<v1::LogLine>, bool) {
    use v1::log_line::{Level, Origin};
    let line = |number: u64, level: Level, text: &str| v1::LogLine {
        number,
        time: time(60 + number as i64),
        level: level.into(),
        origin: Origin::Node.into(),
        text: text.into(),
        ..v1::LogLine::default()
    };
    let encoder = v1::LogLine {
        origin: Origin::Library.into(),
        output_ids: vec!["main".into(), "extra".into()],
        part: "video-0".into(),
        attempt: 1,
        rendition: "720p".into(),
        ..line(3, Level::Warning, "VBV underflow (frame 12)\u{1b}[31m")
    };
    let left_out =
        v1::LogLine { omitted: 40, ..line(44, Level::Warning, "40 lines are not kept: there were too many") };
    match after {
        0 => (vec![line(2, Level::Info, "attempt 1 begins"), encoder], true),
        3 => (vec![left_out, line(45, Level::Error, "the job has failed")], false),
        _ => (Vec::new(), false),
    }
}

pub(crate) fn facts() -> v1::MediaFacts {
    let video = v1::VideoFacts {
        display_width: 1280,
        display_height: 720,
        frame_rate: Some(v1::Rational { num: 30_000, den: 1001 }),
        pixel_format: "yuv420p".into(),
        ..v1::VideoFacts::default()
    };
    let stream = v1::StreamFacts {
        index: 0,
        kind: 1,
        codec: "h264".into(),
        profile: "High".into(),
        default: true,
        decodable: true,
        video: Some(video),
        ..v1::StreamFacts::default()
    };
    let sound = v1::AudioFacts { sample_rate: 48_000, channels: 2, layout: "stereo".into() };
    let audio = v1::StreamFacts {
        index: 1,
        kind: 2,
        codec: "aac".into(),
        language: "deu".into(),
        decodable: true,
        audio: Some(sound),
        ..v1::StreamFacts::default()
    };
    v1::MediaFacts {
        container: "mov,mp4".into(),
        size_bytes: 5 << 20,
        duration: length(60_000),
        bit_rate: 700_000,
        seekable: true,
        streams: vec![stream, audio],
        tags: [("artist", "A. Reed"), ("title", "The mill\u{1b}[31m")]
            .map(|(tag, said)| (tag.into(), said.into()))
            .into(),
        ..v1::MediaFacts::default()
    }
}

pub(crate) fn plan() -> v1::PlanJobResponse {
    let rung = v1::PlannedTrack {
        id: "720p".into(),
        source_id: "source-1".into(),
        codec: "h264".into(),
        width: 1280,
        height: 720,
        frame_rate: Some(v1::Rational { num: 25, den: 1 }),
        bit_rate: 2_500_000,
        peak_bit_rate: 3_000_000,
        ..v1::PlannedTrack::default()
    };
    let audio = v1::PlannedTrack {
        id: "audio-1".into(),
        codec: "aac".into(),
        bit_rate: 128_000,
        language: "deu".into(),
        channels: 2,
        ..v1::PlannedTrack::default()
    };
    let output = v1::PlannedOutput {
        id: "output-1".into(),
        packagings: vec![1, 2],
        tracks: vec![rung, audio],
        segment_duration: length(4000),
        stored_bytes: 40 << 20,
    };
    let placement = v1::Placement {
        stage: "encode".into(),
        track: "720p".into(),
        device: "cpu".into(),
        reason: "there is nothing else".into(),
        ..v1::Placement::default()
    };
    v1::PlanJobResponse {
        outputs: vec![output],
        placements: vec![placement],
        media_duration: length(60_000),
        estimated_time: length(12_500),
        estimated_cpu_time: length(41_000),
        ..v1::PlanJobResponse::default()
    }
}

/// A rendition that stayed on its card, and one that was moved to the CPU.
fn placements(id: &str) -> Vec<v1::Placement> {
    let stage = |stage: &str, track: &str, actual: &str, reason: &str| v1::Placement {
        stage: stage.into(),
        track: track.into(),
        device: "cuda:T4-0".into(),
        reason: reason.into(),
        source_id: "source-1".into(),
        actual_device: actual.into(),
        ..v1::Placement::default()
    };
    let moved = v1::Placement {
        faults: 1,
        fault: "cuda:T4-0: its driver allows no more encode sessions (OpenEncodeSessionEx failed: out of memory)"
            .into(),
        ..stage("encode", "360p", "cpu", "made again by the CPU, after a device failed")
    };
    match id {
        GOOD => vec![
            stage("decode", "", "cuda:T4-0", "T4 decodes and encodes all of it"),
            stage("encode", "720p", "cuda:T4-0", "T4 decodes and encodes all of it"),
            moved,
        ],
        ENDLESS => vec![stage("encode", "720p", "", "T4 decodes and encodes all of it")],
        _ => Vec::new(),
    }
}

pub(crate) fn node() -> v1::GetNodeResponse {
    let capacity = v1::Capacity { dimension: "cpu.threads".into(), total: 8, held: 6 };
    let device = v1::Device {
        id: "cpu".into(),
        kind: "cpu".into(),
        name: "8 threads".into(),
        capacity: vec![capacity],
        stages: vec!["decode".into(), "encode".into()],
        driver: "550.54".into(),
        model: "sample".into(),
        memory_mib: 2048,
        encode_engines: 1,
        decode_engines: 2,
        simulated: false,
        abilities: vec![
            v1::Ability {
                operation: "encode".into(),
                codec: "h264".into(),
                depth: 8,
                verdict: 1,
                ..v1::Ability::default()
            },
            v1::Ability {
                operation: "encode".into(),
                codec: "av1".into(),
                depth: 10,
                verdict: 2,
                code: "device.no_engine".into(),
                reason: "it has no engine".into(),
                remedy: "use another".into(),
            },
        ],
    };
    v1::GetNodeResponse {
        version: "0.1.0".into(),
        start_time: time(0),
        devices: vec![device],
        jobs_queued: 3,
        jobs_active: 1,
        draining: true,
        spans_running: 2,
        drain: Some(v1::Drain { start_time: time(0), deadline_time: time(600), hand_back: true, jobs_handed_back: 1 }),
    }
}
