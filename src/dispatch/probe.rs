//! Media facts, from a worker in probe mode.

use super::{blocking, cancelled};
use crate::input::{Source, Transport};
use crate::model::labels::{Cover, CoverFormat};
use crate::model::limits::{BARS_SECONDS_MAX, CAPTIONS_SECONDS_MAX, PROBE_SECONDS_MAX, STREAMS_MAX};
use crate::model::mark::Mark;
use crate::model::request::Looks;
use crate::model::{MediaFacts, Problem};
use crate::supervise::{self, Exit, Launch, Report, Scratch};
use crate::wire::v1::{self, CoverOrder, ProbeOrder, TextsOrder, from_worker::Message, order::Work};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Looks at a source, and for what else is asked. A worker that crashes over it is not tried again: a client waits for this
/// answer.
///
/// # Errors
/// What the worker says about the source; `source.probe_timeout` after `PROBE_SECONDS_MAX`; `worker.*`, `job.cancelled`.
pub async fn probe(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
    looks: Looks,
) -> Result<MediaFacts, Problem> {
    let Looks { bars, captions } = looks;
    look(program, source, transport, cancel, ProbeOrder { bars, captions, ..ProbeOrder::default() }).await
}

/// Looks at an image of a watermark.
///
/// # Errors
/// As [`probe`]; `watermark.*`.
pub async fn probe_image(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
) -> Result<MediaFacts, Problem> {
    look(program, source, transport, cancel, ProbeOrder { image: true, ..ProbeOrder::default() }).await
}

/// Looks at an image that is to be a cover.
///
/// # Errors
/// As [`probe`]; `cover.*`.
pub async fn probe_cover(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
) -> Result<MediaFacts, Problem> {
    look(program, source, transport, cancel, ProbeOrder { cover: true, ..ProbeOrder::default() }).await
}

async fn look(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
    order: ProbeOrder,
) -> Result<MediaFacts, Problem> {
    let (exit, told) = looked(program, source, transport, cancel, Work::Probe(order)).await?;
    let facts = match told {
        Some(Message::FactsJson(json)) => Some(json),
        _ => None,
    };
    answer(&exit, facts.as_deref(), source)
}

/// Fetches the cover that a source is, or that is attached to it as `stream`.
///
/// # Errors
/// As [`probe_cover`].
pub(super) async fn cover(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
    stream: Option<u32>,
) -> Result<Cover, Problem> {
    let (exit, told) = looked(program, source, transport, cancel, Work::Cover(CoverOrder { stream })).await?;
    if let Some(problem) = exit.problem() {
        return Err(problem);
    }
    let cover = match told {
        Some(Message::Cover(v1::Cover { codec, data })) => {
            CoverFormat::of_codec(&codec).map(|format| Cover { format, bytes: data })
        }
        _ => None,
    };
    cover.ok_or_else(|| Problem::bug("worker.protocol", "a worker sent no cover; report this source"))
}

/// Checks that texts can be written over pictures with the fonts of this machine. The source is not read; a worker has one.
///
/// # Errors
/// `watermark.*`, `worker.*`, `job.cancelled`.
pub(super) async fn check_texts(
    program: &Path,
    source: &Source,
    transport: Transport,
    cancel: watch::Receiver<bool>,
    marks: &[Mark],
) -> Result<(), Problem> {
    let marks_json = serde_json::to_vec(marks).unwrap_or_default();
    let (exit, _) = looked(program, source, transport, cancel, Work::Texts(TextsOrder { marks_json })).await?;
    exit.problem().map_or(Ok(()), Err)
}

/// How a worker ended that was to look at something, and what it told last.
async fn looked(
    program: &Path,
    source: &Source,
    transport: Transport,
    mut cancel: watch::Receiver<bool>,
    work: Work,
) -> Result<(Exit, Option<Message>), Problem> {
    let scratch = blocking(Scratch::make).await?;
    let more = match &work {
        Work::Probe(order) => [(order.bars, BARS_SECONDS_MAX), (order.captions, CAPTIONS_SECONDS_MAX)]
            .iter()
            .fold(0, |sum, (asked, seconds)| if *asked { sum + seconds } else { sum }),
        _ => 0,
    };
    let mut launch = Launch::new(program, scratch.path(), source, transport, work);
    launch.deadline = Some(Duration::from_secs(PROBE_SECONDS_MAX + more));
    let (reports, mut told) = mpsc::channel(16);
    let worker = supervise::start(launch, (), reports)?;
    let mut last = None;
    loop {
        let report = tokio::select! {
            report = told.recv() => report,
            () = cancelled(&mut cancel) => {
                worker.stop();
                told.recv().await
            }
        };
        match report {
            Some(((), Report::Message(told @ (Message::FactsJson(_) | Message::Cover(_))))) => last = Some(told),
            Some(((), Report::Message(Message::Log(line)))) => tracing::debug!(level = line.level, "{}", line.text),
            Some(((), Report::Message(_) | Report::Kernel(_))) => {}
            Some(((), Report::Stderr(line))) => tracing::warn!("worker: {line}"),
            Some(((), Report::Exited(exit))) => return Ok((exit, last)),
            None => {
                return Err(Problem::bug("internal.panic", "the probe's task ended early; report this with the log"));
            }
        }
    }
}

fn answer(exit: &Exit, facts: Option<&[u8]>, source: &Source) -> Result<MediaFacts, Problem> {
    if *exit == Exit::TimedOut {
        let message = format!("{} was not understood within {PROBE_SECONDS_MAX} s; is it damaged?", source.name());
        return Err(Problem::input("source.probe_timeout", message));
    }
    if let Some(problem) = exit.problem() {
        return Err(problem);
    }
    let broken = |what: &str| Problem::bug("worker.protocol", format!("the probe sent {what}; report this source"));
    let facts = facts.ok_or_else(|| broken("no facts"))?;
    let facts: MediaFacts = serde_json::from_slice(facts).map_err(|error| broken(&error.to_string()))?;
    if facts.streams.len() > STREAMS_MAX { Err(broken("too many streams")) } else { Ok(facts) }
}
