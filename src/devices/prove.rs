//! Tries a device in processes of its own, since drivers crash and hang.
//!
//! One child tries everything and answers as it goes. When it dies, each trial that has no answer yet gets a child to
//! itself, so that the one that kills is named and the others are not blamed.

use super::verdict::{self, Context};
use super::{Trial, clean};
use crate::input::{Source, Transport};
use crate::model::Problem;
use crate::model::device::{Ability, Accelerator, Built, DeviceInfo, DeviceKind, Verdict};
use crate::plan::place::FilterSet;
use crate::supervise::{self, Exit, Launch, Report, Scratch};
use crate::wire::v1::{self, TrialFailure, from_worker::Message, order::Work};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest time that one trial may say nothing, seconds: opening eight cards of a box takes some.
const SILENCE_SECONDS: u64 = 20;
/// Longest time for all of one child, seconds.
const CHILD_SECONDS_MAX: u64 = 120;
/// Children in a row that may die before the rest is given up: a device on which everything hangs takes a minute.
const DEATHS_MAX: usize = 3;
/// Most lines of a child's log that are kept for one trial.
const LINES_MAX: usize = 20;
/// Longest text of a child that is kept, bytes.
const TEXT_BYTES_MAX: usize = 200;
/// Smallest and largest picture that is believed until a stream teaches otherwise, pixels each way.
const SIZES: ((u32, u32), (u32, u32)) = ((16, 16), (8192, 8192));
/// NVENC's smallest pictures of H.264 are about 145x49; larger is safe.
const CUDA_ENCODE_MIN: (u32, u32) = (160, 64);
/// NVENC's largest pictures of H.264.
const CUDA_H264_MAX: (u32, u32) = (4096, 4096);

/// What trying a device showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// One for each trial, in order.
    pub abilities: Vec<Ability>,
    /// What FFmpeg in the worker is.
    pub ffmpeg: String,
    /// What it is built with; `None` where no worker lived to tell.
    pub built: Option<Built>,
    /// It will be so tomorrow too: no session was held by somebody else, nothing was busy, nothing died.
    pub lasting: bool,
}

/// Tries these things on a device. With no trials it only says what FFmpeg is, and opens nothing.
///
/// # Errors
/// `worker.not_started`, `output.unwritable`: the children could not be started at all.
pub async fn prove(worker: &Path, device: &DeviceInfo, trials: &[Trial]) -> Result<Proof, Problem> {
    let capabilities = std::env::var("NVIDIA_DRIVER_CAPABILITIES").ok();
    let context = Context { device, capabilities: capabilities.as_deref() };
    let all: Vec<usize> = (0..trials.len()).collect();
    let first = child(worker, device, trials, &all).await?;
    if let Some(problem) = first.exit.problem().filter(|_| trials.is_empty() && first.ffmpeg.is_empty()) {
        return Err(problem);
    }
    let mut verdicts: Vec<Option<Verdict>> = vec![None; trials.len()];
    for (trial, failure, lines) in &first.answers {
        if let Some(slot) = verdicts.get_mut(*trial) {
            *slot = Some(judged(&context, &trials[*trial], failure.as_ref(), lines));
        }
    }
    let (mut deaths, mut lasting) = (0, true);
    for (index, trial) in trials.iter().enumerate() {
        if verdicts[index].is_some() {
            continue;
        }
        lasting = false;
        if deaths >= DEATHS_MAX {
            verdicts[index] = Some(verdict::of_giving_up());
            continue;
        }
        let alone = child(worker, device, trials, &[index]).await?;
        let answer = alone.answers.into_iter().next();
        deaths = if answer.is_some() { 0 } else { deaths + 1 };
        verdicts[index] = Some(match answer {
            Some((_, failure, lines)) => judged(&context, trial, failure.as_ref(), &lines),
            None => died(trial, &alone.exit),
        });
    }
    let verdicts = verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Untried));
    let abilities: Vec<_> =
        trials.iter().zip(verdicts).map(|(trial, verdict)| ability(device.kind, trial, verdict)).collect();
    lasting &= !abilities.iter().any(|ability| passes(&ability.verdict));
    Ok(Proof { abilities, ffmpeg: first.ffmpeg, built: first.built, lasting })
}

/// Whether a "no" may be a "yes" a moment later.
fn passes(verdict: &Verdict) -> bool {
    let passing = ["device.session_limit", "device.busy", "device.out_of_memory", "device.lost", "device.no_driver"];
    matches!(verdict, Verdict::No { code, .. } if passing.contains(&code.as_str()))
}

fn judged(context: &Context<'_>, trial: &Trial, failure: Option<&TrialFailure>, lines: &[String]) -> Verdict {
    failure.map_or(Verdict::Works, |failure| verdict::of_failure(context, trial, failure, lines))
}

fn died(trial: &Trial, exit: &Exit) -> Verdict {
    match exit {
        Exit::Hung | Exit::TimedOut => verdict::of_hang(trial, SILENCE_SECONDS),
        exit => {
            let how = exit.problem().map_or_else(|| "it ended without an answer".to_owned(), |problem| problem.message);
            verdict::of_death(trial, &clean(&how, TEXT_BYTES_MAX))
        }
    }
}

fn ability(kind: DeviceKind, trial: &Trial, verdict: Verdict) -> Ability {
    use crate::model::device::Operation::Encode;
    let cuda = kind == DeviceKind::Cuda && trial.operation == Encode;
    Ability {
        operation: trial.operation,
        codec: trial.codec.to_owned(),
        depth: trial.depth,
        verdict,
        size_min: if cuda { CUDA_ENCODE_MIN } else { SIZES.0 },
        size_max: if cuda && trial.codec == "h264" { CUDA_H264_MAX } else { SIZES.1 },
    }
}

/// What one child said: trial, failure, lines of its log meanwhile.
struct Said {
    answers: Vec<(usize, Option<TrialFailure>, Vec<String>)>,
    ffmpeg: String,
    built: Option<Built>,
    exit: Exit,
}

/// Runs a child for some of the trials.
async fn child(worker: &Path, device: &DeviceInfo, trials: &[Trial], which: &[usize]) -> Result<Said, Problem> {
    let scratch = Scratch::make()?;
    let trials = which.iter().map(|index| &trials[*index]).map(|trial| v1::Trial {
        operation: trial.operation.name().to_owned(),
        codec: trial.codec.to_owned(),
        depth: u32::from(trial.depth),
        ..v1::Trial::default()
    });
    let launch = started(worker, device, scratch.path(), accelerator(device)?, trials.collect())?;
    let (reports, mut told) = mpsc::channel(16);
    let _worker = supervise::start(launch, (), reports)?;
    let mut said = Said { answers: Vec::new(), ffmpeg: String::new(), built: None, exit: Exit::Hung };
    let mut lines = Vec::new();
    while let Some(((), report)) = told.recv().await {
        match report {
            Report::Message(Message::Doctor(doctor)) => {
                said.ffmpeg = clean(&doctor.ffmpeg, TEXT_BYTES_MAX);
                said.built = Some(built(&doctor));
            }
            Report::Message(Message::Tried(tried)) => {
                // Answers come in order; one that does not is none of ours.
                if let Some(index) =
                    which.get(said.answers.len()).filter(|_| tried.trial as usize == said.answers.len())
                {
                    said.answers.push((*index, tried.failure, std::mem::take(&mut lines)));
                }
            }
            Report::Message(Message::Log(line)) if lines.len() < LINES_MAX => lines.push(line.text),
            Report::Message(_) | Report::Kernel(_) => {}
            Report::Stderr(line) => tracing::debug!("worker: {line}"),
            Report::Exited(exit) => said.exit = exit,
        }
    }
    Ok(said)
}

/// What a worker told of its FFmpeg; names that were not asked for count for nothing.
fn built(doctor: &v1::Doctor) -> Built {
    let asked = FilterSet::names().filter(|name| doctor.has.iter().any(|has| has == name));
    let release = FilterSet::release_of((doctor.codec_major, doctor.codec_minor));
    Built { release, names: asked.map(str::to_owned).collect() }
}

/// A worker that carries out these trials.
pub(super) fn started(
    worker: &Path,
    device: &DeviceInfo,
    scratch: &Path,
    accelerator_json: Vec<u8>,
    trials: Vec<v1::Trial>,
) -> Result<Launch, Problem> {
    // Every worker is given a source. This one does not read it.
    let source = scratch.join("none");
    std::fs::write(&source, b".").map_err(|error| {
        Problem::sink("output.unwritable", format!("{} cannot be written: {error}; set TMPDIR", source.display()))
    })?;
    let source = Source::open_file(&source)?;
    let order = v1::DoctorOrder { accelerator_json, trials, names: FilterSet::names().map(str::to_owned).collect() };
    let mut launch = Launch::new(worker, scratch, &source, Transport::Descriptor, Work::Doctor(order));
    launch.device = Some(device.kind).filter(|kind| *kind != DeviceKind::Cpu);
    launch.silence = Duration::from_secs(SILENCE_SECONDS);
    launch.deadline = Some(Duration::from_secs(CHILD_SECONDS_MAX));
    Ok(launch)
}

/// What the worker opens; nothing for the CPU.
pub(super) fn accelerator(device: &DeviceInfo) -> Result<Vec<u8>, Problem> {
    if device.kind == DeviceKind::Cpu {
        return Ok(Vec::new());
    }
    let accelerator = Accelerator {
        id: device.id.clone(),
        kind: device.kind,
        address: device.address.clone(),
        simulated: device.simulated,
        decode: true,
        extra_frames: 4,
    };
    let json = serde_json::to_vec(&accelerator);
    json.map_err(|error| Problem::bug("internal.json", format!("this is not JSON: {error}; report it")))
}
