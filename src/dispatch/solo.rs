//! One job by itself, as `reelmill transcode` runs it: the same engine, over a store in memory.

use super::appliance::Appliance;
use super::handle::Engine;
use super::settings::{Settings, cpu_alone};
use super::sinks::Sinks;
use crate::devices::Rates;
use crate::input::{Opener, OpenerOptions, Transport};
use crate::model::backoff::BackOff;
use crate::model::device::DeviceInfo;
use crate::model::limits::WORKER_SILENCE_SECONDS_MAX;
use crate::model::request::Request;
use crate::model::spec::{Fallback, IfExists, OutputSpec, SourceSpec, UploadOptions};
use crate::model::state::JobState;
use crate::model::{JobId, JobRecord, JobSpec, Locator, Problem};
use crate::net;
use crate::publish::sink::Durability;
use crate::report::{JobEvent, JobReport};
use crate::simulate::Host;
use crate::store::{Memory, Store, StoreError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Occurrences that may wait to be passed on.
const EVENTS_IN_FLIGHT: usize = 64;
/// A crashed worker is tried again almost at once: somebody waits, and nobody else wants the machine.
const RETRY: BackOff = BackOff { first_ms: 50, factor: 2, max_ms: 2_000, attempts_max: 5, jitter_percent: 0 };
/// Renames at a time: they hardly take any, and wait for nothing.
const UPLOADS: usize = 4;
/// Bytes of a remote source that are kept on the disk while it is read.
const CACHE_BYTES_MAX: u64 = 256 << 20;

/// A job as it is asked for at a shell.
#[derive(Clone, Debug)]
pub struct TranscodeRequest {
    /// Local files, and what is joined of them.
    pub sources: Vec<SourceSpec>,
    /// The one that is made something of.
    pub source: usize,
    /// Those whose sound is taken instead of its own.
    pub audio_sources: Vec<usize>,
    /// Sources of single rungs, by the rung's place in the request.
    pub rendition_sources: BTreeMap<usize, usize>,
    /// The output directory.
    pub output: PathBuf,
    /// What to make.
    pub options: Request,
    /// Whether an earlier output there may be replaced.
    pub overwrite: bool,
    /// How workers get the source's bytes.
    pub transport: Transport,
    /// The worker's program; see [`crate::supervise::find_program`].
    pub worker: PathBuf,
    /// Threads that the job may keep busy.
    pub threads: u32,
    /// Devices, the CPU among them; `None` for the CPU alone.
    pub devices: Option<Vec<DeviceInfo>>,
    /// What simulated ones of them share.
    pub simulated: Option<Arc<Host>>,
    /// Devices that may be used, by id or kind; empty for any.
    pub wish: Vec<String>,
    /// Who makes again what fails on its device.
    pub fallback: Fallback,
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
    mut cancel: watch::Receiver<bool>,
) -> Result<JobReport, Problem> {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let http = net::Client::new(net::AddressRules::default(), &net::Options::default())?;
    let opener = Opener::new(OpenerOptions {
        roots: Vec::new(),
        http,
        cache_dir: std::env::temp_dir(),
        cache_bytes_max: CACHE_BYTES_MAX,
        retry: Opener::RETRY,
        s3: None,
    });
    let rates = Rates::default();
    if let Some(host) = &request.simulated {
        rates.simulated(host);
    }
    let settings = Settings {
        store: Arc::clone(&store),
        effects: Arc::default(),
        opener: Arc::new(opener),
        sinks: Sinks { roots: Vec::new(), durability: Durability::AtEnd, buckets: None },
        transport: request.transport,
        worker: request.worker.clone(),
        threads: request.threads,
        devices: request.devices.clone().unwrap_or_else(|| cpu_alone(request.threads)),
        rates: Arc::new(rates),
        simulated: request.simulated.clone(),
        silence: Duration::from_secs(WORKER_SILENCE_SECONDS_MAX),
        spool: None,
        spool_bytes_max: u64::MAX,
        uploads: UPLOADS,
        upload_retry: RETRY,
        active_max: 1,
        queue_max: u64::MAX,
        keep_failed: false,
        telemetry: crate::report::Telemetry::default(),
    };
    let (listener, happened) = mpsc::channel(EVENTS_IN_FLIGHT);
    let told = tokio::spawn(pass_on(happened, events, cancel.clone()));
    let (engine, ended) = Engine::start(settings, Some(listener)).await?;
    let (stored, _) = engine.submit(spec_of(&request), None).await?;
    let id = stored.record.id;
    let record = tokio::select! {
        record = end_of(&store, id) => record?,
        () = super::cancelled(&mut cancel) => {
            engine.stop_job(id).await?;
            end_of(&store, id).await?
        }
    };
    engine.shut_down();
    drop(engine);
    // Fails only by a panic, which has been told as the job's end.
    let _ = ended.await;
    let report = told.await.ok().flatten();
    match (record.state(), report) {
        (JobState::Succeeded, Some(report)) => Ok(report),
        _ => Err(problem_of(&record)),
    }
}

/// Passes occurrences on to a watcher, and keeps the report. A watcher that is slow slows the job down; one that is
/// stuck does not keep it from being cancelled.
async fn pass_on(
    mut happened: mpsc::Receiver<JobEvent>,
    events: mpsc::Sender<JobEvent>,
    mut cancel: watch::Receiver<bool>,
) -> Option<JobReport> {
    let mut report = None;
    while let Some(event) = happened.recv().await {
        match event {
            JobEvent::Progress(_) => {
                let _ = events.try_send(event);
            }
            event => {
                if let JobEvent::Done(made) = &event {
                    report = Some(made.as_ref().clone());
                }
                tokio::select! {
                    biased;
                    _ = events.send(event) => {}
                    () = super::cancelled(&mut cancel) => {}
                }
            }
        }
    }
    report
}

/// Waits for a job's end.
async fn end_of(store: &Arc<dyn Store>, id: JobId) -> Result<JobRecord, Problem> {
    let mut changes = store.subscribe(id);
    loop {
        let stored = store.get(id).await?.ok_or(StoreError::NotFound)?;
        if stored.record.state().is_over() {
            return Ok(stored.record);
        }
        if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
            return Err(Problem::bug("internal.store", "the store ended before the job; report this with the log"));
        }
    }
}

fn problem_of(record: &JobRecord) -> Problem {
    let output = record.outputs.iter().find_map(|output| output.problem.clone());
    let mut problem = output.or_else(|| record.problem.clone()).unwrap_or_else(Problem::cancelled);
    // There is one source and one output, so a path says nothing; of several files it says which.
    if record.spec.sources.len() == 1 {
        problem.field = String::new();
    }
    problem
}

fn spec_of(request: &TranscodeRequest) -> JobSpec {
    let output = OutputSpec {
        id: "output-1".to_owned(),
        destination: Locator::File(request.output.clone()),
        if_exists: if request.overwrite { IfExists::Replace } else { IfExists::Fail },
        source: request.source,
        audio_sources: request.audio_sources.clone(),
        rendition_sources: request.rendition_sources.clone(),
        request: request.options.clone(),
        upload: UploadOptions::default(),
    };
    let mut spec = JobSpec::new(request.sources.clone(), vec![output]);
    (spec.retry, spec.fallback, spec.devices) = (RETRY, request.fallback, request.wish.clone());
    spec.add_images();
    spec
}
