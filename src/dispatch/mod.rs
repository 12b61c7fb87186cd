//! Carries a job out: probe, plan, schedule, run, publish, report. Steps 1 to 9 of a job's life, in order.
//!
//! One loop (`job`) owns the truth about a job. Each worker has a task of its own that reports into the loop; the
//! scheduler decides what runs; the publisher does what blocks. The wiring is here.

mod job;
mod listener;
mod parts;
mod probe;
mod publishing;
mod shared;

pub use probe::probe;

use crate::input::{Source, Transport};
use crate::model::{MediaFacts, Plan, Problem};
use crate::plan;
use crate::publish::{Place, Publisher};
use crate::report::{JobEvent, JobReport, SourceReport, TrackReport};
use listener::Listener;
use shared::Shared;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// A job as it is asked for.
#[derive(Clone, Debug)]
pub struct TranscodeRequest {
    /// A local file.
    pub source: PathBuf,
    /// The output directory.
    pub output: PathBuf,
    /// What to make.
    pub options: plan::Request,
    /// Whether an earlier output there may be replaced.
    pub overwrite: bool,
    /// How workers get the source's bytes.
    pub transport: Transport,
    /// The worker's program; see [`crate::supervise::find_program`].
    pub worker: PathBuf,
    /// Threads that the job may keep busy.
    pub threads: u32,
}

/// Runs a job to its end. Must be called on a runtime with time and IO.
///
/// `events` gets what happens, except that progress is left out while the receiver lags. When `cancel` turns true, the
/// job's workers are gone within `STOP_GRACE_MS`, the output directory is as it was, and the result is `job.cancelled`.
///
/// # Errors
/// Every problem of the modules that it calls. The output directory is then as it was.
pub async fn transcode(
    request: TranscodeRequest,
    events: mpsc::Sender<JobEvent>,
    cancel: watch::Receiver<bool>,
) -> Result<JobReport, Problem> {
    let began = Instant::now();
    let listener = Listener::new(events, cancel.clone());
    let source = Source::open_file(&request.source)?;
    Place::check(&request.output, request.overwrite)?;
    let facts = probe(&request.worker, &source, request.transport, cancel.clone()).await?;
    listener.tell(JobEvent::Probed { facts: facts.clone() }).await;
    let plan = make_plan(&facts, &request, &listener).await?;

    let (output, overwrite, planned) = (request.output.clone(), request.overwrite, plan.clone());
    let publisher = shared::blocking(move || {
        let place = Place::claim(&output, overwrite)?;
        Publisher::new(place, &planned, now_unix_ms())
    });
    let publisher = Shared::new(publisher.await?);
    let job = job::Job::new(&request, &source, &plan, publisher.clone(), listener.clone(), began);
    let outcome = match job.run(cancel).await {
        Ok(_) if listener.is_cancelled() => Err(Problem::cancelled()),
        other => other,
    };
    // Dropping the publisher removes files, which blocks; so it happens over there, and before the result is told.
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(problem) => {
            publisher.put_back().await;
            return Err(problem);
        }
    };
    let report = |publisher: &Publisher| JobReport {
        reelmill: env!("CARGO_PKG_VERSION").to_owned(),
        source: SourceReport { name: source.name().to_owned(), bytes: source.size_bytes() },
        output: request.output.display().to_string(),
        request: request.options.clone(),
        elapsed_ms: began.elapsed().as_millis() as u64,
        playable_after_ms: outcome.playable_after_ms,
        retries: outcome.retries,
        decode_errors: outcome.decode_errors,
        warnings: outcome.warnings.clone(),
        manifests: masters(publisher.manifests()),
        progressive: publisher.progressive().to_vec(),
        tracks: TrackReport::of(publisher.ledger()),
        facts: facts.clone(),
        plan: plan.clone(),
    };
    let report = publisher.keep(report).await?;
    listener.tell(JobEvent::Done(Box::new(report.clone()))).await;
    Ok(report)
}

async fn make_plan(facts: &MediaFacts, request: &TranscodeRequest, listener: &Listener) -> Result<Plan, Problem> {
    let planned = plan::plan(facts, &request.options, &plan::Node { threads: request.threads });
    let plan = planned.map_err(first_of)?;
    listener.tell(JobEvent::Planned { plan: Box::new(plan.clone()) }).await;
    for note in &plan.notes {
        listener.tell(JobEvent::Warning(note.clone())).await;
    }
    Ok(plan)
}

/// One problem for many: the first, with the others' sentences after it.
fn first_of(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter();
    let Some(mut first) = problems.next() else {
        return Problem::bug("internal.plan", "the planner refused without a reason; report this source");
    };
    for other in problems {
        first.message = format!("{}; also: {}", first.message, other.message);
    }
    first
}

/// The manifests that a player is given: those that are not below a track's directory.
fn masters<'a>(manifests: impl Iterator<Item = &'a str>) -> Vec<String> {
    manifests.filter(|path| path.matches('/').count() <= 1).map(str::to_owned).collect()
}

fn now_unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
