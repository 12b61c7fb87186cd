//! Jobs and nodes as text for people.

use super::json::name_of;
use super::problem::of_message;
use super::usage;
use crate::api::v1;
use crate::cli::tables::{counted, plain};
use crate::report::text::{bytes, clock, table};
use prost_types::{Duration, Timestamp};

/// A time of day without fractions: what people compare.
pub(super) fn time(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| Timestamp { seconds: time.seconds, nanos: 0 }.to_string())
}

/// A length in ms; negative ones, which nobody sends, are none.
pub(super) fn ms(length: Option<&Duration>) -> u64 {
    length.map_or(0, |length| {
        let ms = length.seconds.saturating_mul(1000).saturating_add(i64::from(length.nanos) / 1_000_000);
        u64::try_from(ms).unwrap_or(0)
    })
}

/// State of a job.
pub(super) fn job_state(job: &v1::Job) -> String {
    name_of("JobState", job.state)
}

/// A problem as a sentence with its field and code.
pub(super) fn problem(problem: &v1::Problem) -> String {
    let problem = of_message(problem);
    let place = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
    plain(&format!("{place}{problem}"))
}

/// A page of a list, without its head.
pub(super) fn row(job: &v1::Job) -> Vec<String> {
    let done = job.outputs_ready + job.outputs_skipped;
    let cells = [
        job.id.clone(),
        job_state(job),
        format!("{done}/{}", job.outputs_total),
        time(job.create_time.as_ref()),
        job.reference_id.clone(),
    ];
    cells.map(|cell| plain(&cell)).into()
}

/// What stands over the columns of a list.
pub(super) fn row_head() -> Vec<String> {
    ["id", "state", "outputs", "created", "reference"].map(str::to_owned).into()
}

/// A whole job.
pub(super) fn job(job: &v1::Job) -> String {
    let mut text = table(&head(job));
    if let Some(why) = &job.problem {
        text += &format!("problem: {}\n", problem(why));
    }
    let inputs: Vec<_> = job.inputs.iter().map(input).collect();
    text += &indented("sources", &inputs);
    for input in job.inputs.iter().filter_map(|input| Some((input, input.problem.as_ref()?))) {
        text += &format!("  {}: {}\n", plain(&input.0.id), problem(input.1));
    }
    for one in &job.outputs {
        text += &output(one);
    }
    if let Some(usage) = &job.usage {
        text += &usage::of_job(usage);
    }
    for warning in &job.warnings {
        let about = if warning.output_id.is_empty() { String::new() } else { format!("{}: ", warning.output_id) };
        text += &format!("note: {}\n", plain(&format!("{about}{} [{}]", warning.message, warning.code)));
    }
    text
}

/// Where each stage of a job was planned and where it ran, and why.
pub(super) fn placements(job: &v1::Job) -> String {
    if job.placements.is_empty() {
        return "nothing is placed yet\n".to_owned();
    }
    let mut rows = vec![["source", "stage", "rendition", "planned", "ran", "faults", "why"].map(str::to_owned).into()];
    for one in &job.placements {
        let ran = if one.actual_device.is_empty() { "-".to_owned() } else { one.actual_device.clone() };
        let all = if one.track.is_empty() { "all".to_owned() } else { one.track.clone() };
        let (source, stage) = (one.source_id.clone(), one.stage.clone());
        let cells = [source, stage, all, one.device.clone(), ran, one.faults.to_string(), one.reason.clone()];
        rows.push(cells.map(|cell| plain(&cell)).into());
    }
    let mut text = table(&rows);
    for one in job.placements.iter().filter(|one| !one.fault.is_empty()) {
        let what = if one.track.is_empty() { one.stage.clone() } else { format!("{} {}", one.stage, one.track) };
        text += &format!("{}\n", plain(&format!("{what} failed on {}", one.fault)));
    }
    text
}

fn head(job: &v1::Job) -> Vec<Vec<String>> {
    let profile = job.spec.as_ref().map_or("", |spec| spec.profile.as_str());
    let rows = [
        ("id", job.id.clone()),
        ("state", job_state(job)),
        ("reference", job.reference_id.clone()),
        ("profile", profile.to_owned()),
        ("created", time(job.create_time.as_ref())),
        ("begun", time(job.begin_time.as_ref())),
        ("ended", time(job.end_time.as_ref())),
        ("attempt", job.attempt.to_string()),
    ];
    let said = |(_, value): &(&str, String)| !value.is_empty() && value != "-" && value != "0";
    rows.into_iter().filter(said).map(|(name, value)| vec![name.to_owned(), plain(&value)]).collect()
}

fn indented(title: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let lines = table(rows).lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("{title}:\n{lines}")
}

fn input(input: &v1::Input) -> Vec<String> {
    let size = if input.size_bytes == 0 { String::new() } else { bytes(input.size_bytes) };
    [input.id.clone(), name_of("InputState", input.state), size, input.uri.clone()].map(|cell| plain(&cell)).into()
}

fn output(output: &v1::Output) -> String {
    let state = name_of("OutputState", output.state);
    let stored = if output.stored_bytes == 0 { String::new() } else { format!(", {}", bytes(output.stored_bytes)) };
    let mut text = format!("{} {state}{stored}: {}\n", plain(&output.id), plain(&output.destination));
    if let Some(why) = &output.problem {
        text += &format!("  problem: {}\n", problem(why));
    }
    for line in table(&output.tracks.iter().map(track).collect::<Vec<_>>()).lines() {
        text += &format!("  {line}\n");
    }
    for (track, figures) in output.tracks.iter().filter_map(|track| Some((track, track.loudness.as_ref()?))) {
        text += &format!("  {}: {}\n", plain(&track.id), loudness(figures));
    }
    for file in &output.files {
        text += &format!("  {}\n", plain(&file.uri));
    }
    let pictures = output.pictures.iter().take(PICTURES_SHOWN).map(picture).collect::<Vec<_>>();
    for line in table(&pictures).lines() {
        text += &format!("  {line}\n");
    }
    if output.pictures.len() > PICTURES_SHOWN {
        text += &format!("  and {} more pictures; --json has them\n", output.pictures.len() - PICTURES_SHOWN);
    }
    text
}

/// Pictures of an output that are shown to people.
const PICTURES_SHOWN: usize = 20;

fn picture(picture: &v1::Picture) -> Vec<String> {
    let at = ms(picture.time.as_ref());
    let time = format!("{}.{:03}", clock(at), at % 1000);
    let size = format!("{}x{}", picture.width, picture.height);
    [picture.uri.clone(), time, size, bytes(picture.size_bytes)].map(|cell| plain(&cell)).into()
}

/// What was measured of a track.
fn loudness(figures: &v1::LoudnessFigures) -> String {
    let number = |hundredths: i32| {
        let sign = if hundredths < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
    };
    let one = |measured: &v1::MeasuredLoudness| {
        let integrated = measured.integrated.map(|value| format!("{} LUFS", number(value)));
        let range = measured.range.map(|value| format!("range {} LU", number(value)));
        let peak = measured.true_peak.map(|value| format!("peak {} dBTP", number(value)));
        let said: Vec<_> = [integrated, range, peak].into_iter().flatten().collect();
        if said.is_empty() { "silent".to_owned() } else { said.join(", ") }
    };
    match (&figures.before, &figures.after) {
        (Some(before), Some(after)) => format!("loudness {}; before {}", one(after), one(before)),
        (None, Some(after)) => format!("loudness {}", one(after)),
        (Some(before), None) => format!("loudness before {}", one(before)),
        (None, None) => "loudness not known".to_owned(),
    }
}

fn track(track: &v1::Track) -> Vec<String> {
    let size = if track.width == 0 { String::new() } else { format!("{}x{}", track.width, track.height) };
    let cells = [
        track.id.clone(),
        size,
        track.codecs.clone(),
        counted(track.segments, "segment"),
        clock(ms(track.duration.as_ref())),
        bytes(track.bytes),
    ];
    cells.map(|cell| plain(&cell)).into()
}

/// A node.
pub(super) fn node(node: &v1::GetNodeResponse) -> String {
    let mut text = format!("reelmill {}, since {}\n", plain(&node.version), time(node.start_time.as_ref()));
    if node.draining {
        text += &format!("draining: {}\n", draining(node));
    }
    text += &format!("jobs: {} active, {} waiting\n", node.jobs_active, node.jobs_queued);
    text += &format!("spans: {} running\n", node.spans_running);
    for device in &node.devices {
        text += &format!("{} ({}): {}\n", plain(&device.id), plain(&device.name), device.stages.join(", "));
        let rows: Vec<_> = device
            .capacity
            .iter()
            .map(|capacity| vec![plain(&capacity.dimension), format!("{} of {} held", capacity.held, capacity.total)])
            .collect();
        text += &table(&rows).lines().map(|line| format!("  {line}\n")).collect::<String>();
    }
    text
}

/// How far draining is, in one line.
pub(super) fn draining(node: &v1::GetNodeResponse) -> String {
    let drain = node.drain.unwrap_or_default();
    let running = match (node.jobs_active, node.spans_running) {
        (0, 0) => "nothing runs any more".to_owned(),
        (jobs, spans) => format!("{} and {} running", counted(jobs, "job"), counted(spans, "span")),
    };
    let handed = format!("{} handed back", drain.jobs_handed_back);
    let until = drain.deadline_time.as_ref().map(|at| format!("; until {}", time(Some(at)))).unwrap_or_default();
    format!("{running}, {handed}, {} waiting{until}", node.jobs_queued)
}

/// Deliveries of a job's webhooks.
pub(super) fn deliveries(deliveries: &[v1::Delivery]) -> String {
    let row = |delivery: &v1::Delivery| {
        let last = delivery.attempts.last();
        let outcome = match last {
            None => String::new(),
            Some(last) if last.error.is_empty() => format!("{} in {} ms", last.status, last.elapsed_ms),
            Some(last) => last.error.clone(),
        };
        let cells = [
            delivery.id.clone(),
            name_of("Delivery.State", delivery.state),
            delivery.event.clone(),
            format!("{} attempts", delivery.attempts.len()),
            time(last.and_then(|last| last.time.as_ref())),
            delivery.url.clone(),
            outcome,
        ];
        cells.map(|cell| plain(&cell)).into()
    };
    if deliveries.is_empty() {
        "no deliveries\n".to_owned()
    } else {
        table(&deliveries.iter().map(row).collect::<Vec<_>>())
    }
}
