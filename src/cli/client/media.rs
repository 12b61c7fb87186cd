//! `reelmill probe` and `plan` by a daemon: with `--endpoint`, or for what is no local file.

use super::connect::ClientOptions;
use super::json::name_of;
use super::show::ms;
use super::{json, spec};
use crate::api::{self, v1};
use crate::cli::options::PlanOptions;
use crate::cli::tables::{counted, per_second, plain, tags};
use crate::cli::{Ended, print, print_json};
use crate::model::{MediaFacts, Problem, Ratio};
use crate::report::text::{bit_rate, bytes, clock, seconds, table};
use std::path::Path;

/// A job must name a destination, which planning does not touch and which changes nothing: a place that every node
/// takes, whatever its roots are.
const PLANNED_FOR: &str = "s3://reelmill-plan/out";

/// The source as a daemon needs it, if one is to be asked about it: when it was named, or this program alone cannot
/// read the source.
pub(in crate::cli) fn remote(input: &Path, client: &ClientOptions) -> Result<Option<String>, Problem> {
    let Some(text) = input.to_str() else { return Ok(None) };
    let elsewhere = ["s3://", "http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if elsewhere || client.endpoint.is_some() { spec::located(text).map(Some) } else { Ok(None) }
}

/// Shows what a source is.
pub(in crate::cli) async fn probe(uri: String, as_json: bool, client: &ClientOptions) -> Result<Ended, Vec<Problem>> {
    let daemon = client.connect().await.map_err(|problem| vec![problem])?;
    let reply = daemon.answer(daemon.media().probe_media(v1::ProbeMediaRequest { uri })).await?;
    let facts = reply.facts.unwrap_or_default();
    if as_json {
        print_json(&json::written("MediaFacts", &facts)).map_err(|problem| vec![problem])?;
    } else {
        print(&shown_facts(&facts));
    }
    Ok(Ended::Done)
}

/// Facts as they are written for machines, the same whoever probed.
pub(in crate::cli) fn written(facts: &MediaFacts) -> serde_json::Value {
    json::written("MediaFacts", &api::facts(facts))
}

/// Shows what a job would make.
pub(in crate::cli) async fn plan(
    uri: String,
    options: &PlanOptions,
    as_json: bool,
    client: &ClientOptions,
) -> Result<Ended, Vec<Problem>> {
    let destination = PLANNED_FOR.to_owned();
    let output = v1::OutputSpec { destination, ..spec::output(options).map_err(|problem| vec![problem])? };
    let daemon = client.connect().await.map_err(|problem| vec![problem])?;
    let mut sources = vec![v1::SourceSpec { uri, ..v1::SourceSpec::default() }];
    spec::add_subtitles(&mut sources, options).map_err(|problem| vec![problem])?;
    let job = v1::JobSpec { sources, outputs: vec![output], ..v1::JobSpec::default() };
    let plan = daemon.answer(daemon.media().plan_job(v1::PlanJobRequest { job: Some(job) })).await?;
    if as_json {
        print_json(&json::written("PlanJobResponse", &plan)).map_err(|problem| vec![problem])?;
    } else {
        print(&shown_plan(&plan));
    }
    Ok(Ended::Done)
}

fn shown_facts(facts: &v1::MediaFacts) -> String {
    let duration = facts.duration.as_ref().map_or("unknown".to_owned(), |duration| clock(ms(Some(duration))));
    let rate = if facts.bit_rate == 0 { String::new() } else { format!(", {}", bit_rate(facts.bit_rate)) };
    let mut text = format!("{}, {duration}, {}{rate}\n", plain(&facts.container), bytes(facts.size_bytes));
    if facts.truncated {
        text.push_str("The source ends before the media that it promises.\n");
    }
    text += &table(&facts.streams.iter().map(stream).collect::<Vec<_>>());
    text + &tags(facts.tags.iter().map(|(name, said)| (name.as_str(), said.as_str())))
}

fn stream(stream: &v1::StreamFacts) -> Vec<String> {
    let what = match (&stream.video, &stream.audio) {
        (Some(video), _) => {
            let size = format!("{}x{}", video.display_width, video.display_height);
            format!("{size}, {}, {}", per_second(ratio(video.frame_rate.as_ref())), video.pixel_format)
        }
        (None, Some(audio)) => format!("{} Hz, {}", audio.sample_rate, audio.layout),
        (None, None) => String::new(),
    };
    let flags = [
        (stream.default, "default"),
        (stream.forced, "forced"),
        (stream.descriptive, "descriptive"),
        (stream.attached_picture, "cover"),
        (stream.encrypted, "encrypted"),
        (!stream.decodable && (stream.video.is_some() || stream.audio.is_some()), "cannot be decoded"),
    ];
    let words = [stream.language.as_str(), &stream.title].into_iter().filter(|word| !word.is_empty());
    let remarks: Vec<_> = words.chain(flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name)).collect();
    let codec =
        if stream.profile.is_empty() { stream.codec.clone() } else { format!("{} ({})", stream.codec, stream.profile) };
    let kind = name_of("StreamFacts.Kind", stream.kind);
    [stream.index.to_string(), kind, codec, what, remarks.join(", ")].map(|cell| plain(&cell)).into()
}

fn ratio(rational: Option<&v1::Rational>) -> Ratio {
    rational.map_or(Ratio::new(0, 0), |rational| Ratio::new(rational.num, rational.den))
}

fn shown_plan(plan: &v1::PlanJobResponse) -> String {
    let mut text = String::new();
    for output in &plan.outputs {
        let packagings: Vec<_> = output.packagings.iter().map(|packaging| name_of("Packaging", *packaging)).collect();
        let segment = ms(output.segment_duration.as_ref());
        let media = clock(ms(plan.media_duration.as_ref()));
        let stored = bytes(output.stored_bytes);
        let what = format!("{media} in segments of {segment} ms, {}, about {stored}", packagings.join(" and "));
        text += &format!("{}: {what}\n", plain(&output.id));
        text += &table(&output.tracks.iter().map(track).collect::<Vec<_>>());
    }
    let placement = |placement: &v1::Placement| {
        let cells = [&placement.stage, &placement.track, &placement.device, &placement.reason];
        cells.map(|cell| plain(cell)).into()
    };
    text += &table(&plan.placements.iter().map(placement).collect::<Vec<_>>());
    if let Some(time) = &plan.estimated_time {
        let cpu = plan.estimated_cpu_time.as_ref().map(|cpu| format!(", {} of CPU time", seconds(ms(Some(cpu)))));
        let (time, cpu) = (seconds(ms(Some(time))), cpu.unwrap_or_default());
        text += &format!("about {time} on this node with nothing beside it{cpu}\n");
    }
    for warning in &plan.warnings {
        text += &format!("note: {} [{}]\n", plain(&warning.message), plain(&warning.code));
    }
    text
}

fn track(track: &v1::PlannedTrack) -> Vec<String> {
    let (size, rate) = if track.width == 0 {
        (track.language.clone(), counted(track.channels.into(), "channel"))
    } else {
        (format!("{}x{}", track.width, track.height), per_second(ratio(track.frame_rate.as_ref())))
    };
    let how = if track.copy { "copy".to_owned() } else { track.codec.clone() };
    [track.id.clone(), size, rate, how, bit_rate(track.bit_rate)].map(|cell| plain(&cell)).into()
}
