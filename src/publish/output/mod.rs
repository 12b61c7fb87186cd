//! One output of a job: a task that takes segments, stores them, records them, and lets manifests follow.
//!
//! Receives: initialisation segments, finished segments and the ends of parts, from the dispatcher, which never waits;
//! orders are few, but for segments, of which there are as many as the workers' spools hold. Sends: [`Told`], the last of
//! which is always [`Told::Ended`]. Owns: the ledger of the output in memory; in the store and at the destination what is
//! this output's. Bound: [`Assignment::uploads`] transfers at a time.
//! Ends: when it is told to ([`OutputTask::end`]), in the middle of whatever it does; by itself only when another attempt
//! owns the job. After [`Told::Ready`] and [`Told::Failed`] it waits to be told how to end. Invariants:
//! - a segment is recorded only when all its files are durable at the destination and everything before it on its track
//!   is recorded; a manifest names only what is recorded;
//! - no two transfers of one name at a time;
//! - final manifests are put after everything else is stored and has passed `package::verify`; the report is the last.

mod finish;
mod flow;
mod ledger;
mod manifests;
mod pictures;
mod progressive;
mod resume;
mod single;
mod track;
mod transfers;

pub use resume::first_missing;

use super::disk::remove_directory;
use super::meter::{self, Meter};
use super::retry::{patiently, put_patiently};
use super::sink::{Leave, Sink};
use super::{Part, Pictured, Recorded, Spooled};
use crate::model::backoff::BackOff;
use crate::model::job::{FileSummary, TrackSummary};
use crate::model::labels::Cover;
use crate::model::ledger::ProgressiveFile;
use crate::model::plan::{JobPlan, Note};
use crate::model::stills::PictureSummary;
use crate::model::{JobId, Ledger, LoudnessFigures, Problem};
use crate::store::{LedgerRow, Store, StoreError};
use crate::wire::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Longest time that taking an output back may take. Transfers have stopped before; many objects take a while to delete.
const WIND_UP_MAX: Duration = Duration::from_secs(60);
/// Longest time that aborting uploads may take when the daemon ends. Those that are left are aborted by the next claim.
const SUSPEND_MAX: Duration = Duration::from_millis(1500);

/// Renditions that were begun again: work, id in its plan, and how often they were begun.
pub type Generations = BTreeMap<(usize, String), u32>;

/// What a task needs to know.
#[derive(Debug)]
pub struct Assignment {
    /// The job.
    pub job: JobId,
    /// The attempt that owns it, for the ledger.
    pub attempt: u32,
    /// Index of the output in the job.
    pub output: usize,
    /// What is made.
    pub plan: Arc<JobPlan>,
    /// Where it goes; claimed.
    pub sink: Arc<dyn Sink>,
    /// Where the ledger is kept.
    pub store: Arc<dyn Store>,
    /// What an earlier attempt stored: the rows of the ledger, of which those of this output count.
    pub rows: Vec<LedgerRow>,
    /// Renditions that were begun again, before this output was started.
    pub generations: Generations,
    /// A directory for files that are made here, of this output alone. Made when it is needed; gone at the end.
    pub scratch: PathBuf,
    /// Bytes that wait on the node's disk, which what lies in that directory counts among.
    pub spooled: Arc<AtomicU64>,
    /// When what may pass is tried again.
    pub retry: BackOff,
    /// When the job first began to publish, ms since 1970; the same in all attempts.
    pub started_unix_ms: i64,
    /// Transfers at a time, at least 1.
    pub uploads: usize,
    /// The cover of its progressive files.
    pub cover: Option<Arc<Cover>>,
}

/// What an output has become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Its tracks.
    pub tracks: Vec<TrackSummary>,
    /// What there is to play, and the report.
    pub files: Vec<FileSummary>,
    /// Everything that is stored.
    pub ledger: Ledger,
    /// Progressive MP4 files, where asked for.
    pub progressive: Vec<ProgressiveFile>,
    /// Stills and sprite sheets, where asked for.
    pub pictures: Vec<PictureSummary>,
    /// Since when it can be played; in this attempt, so later than at first where it was resumed.
    pub playable: Option<std::time::Instant>,
    /// What was done at its end, in order.
    pub steps: Vec<Step>,
}

/// Something that was done at the end of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// `verify`, `progressive`, `manifests`, `report`.
    pub name: &'static str,
    /// From when.
    pub began: std::time::Instant,
    /// Until when.
    pub ended: std::time::Instant,
}

impl Step {
    /// One that ends now.
    fn since(name: &'static str, began: std::time::Instant) -> Self {
        Self { name, began, ended: std::time::Instant::now() }
    }
}

/// What happens to an output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A segment is in the ledger.
    Recorded(Recorded),
    /// A still or a sheet is in the ledger.
    Pictured(PictureSummary),
    /// There are manifests, so it can be played from now on. Told once.
    Playable,
    /// The client may not expect this.
    Warning(Note),
    /// Everything is stored and final. What was replaced is still set aside: end with [`Ending::Keep`] once this is saved.
    Ready(Box<Summary>),
    /// It cannot be made; nothing more is done until [`OutputTask::end`].
    Failed(Problem),
    /// Nothing of it runs any more. Always the last.
    Ended,
}

/// How an output ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is ready, and that is saved: the claim goes, and what was set aside.
    Keep,
    /// The daemon ends: everything stays for the next attempt; transfers are aborted.
    Suspend,
    /// Manifests are removed and what was replaced comes back where the sink can; segments and ledger stay for a retry.
    Fail,
    /// Everything that was put is removed, what was replaced comes back where the sink can, the rows are forgotten.
    Remove,
}

/// Makes the report once everything else is known; `files` does not hold the report itself.
pub type MakeReport = Box<dyn FnOnce(&Summary) -> Result<Vec<u8>, Problem> + Send>;

/// The way to a task. Dropped, it is as [`Ending::Suspend`]. None of the methods waits or blocks.
#[derive(Debug)]
pub struct OutputTask {
    // Unbounded, yet bounded: segments by what the workers' spools may hold, and some few orders for each part.
    orders: mpsc::UnboundedSender<Order>,
    ending: watch::Sender<Option<Ending>>,
    uploaded: Arc<AtomicU64>,
    meter: Arc<Meter>,
}

pub(super) enum Order {
    Init { work: usize, init: Arc<v1::Init> },
    Segment { work: usize, part: Part, segment: Arc<Spooled> },
    Picture { work: usize, picture: Arc<Pictured> },
    PartDone { work: usize, part: Part, renditions: BTreeSet<String> },
    Restart { work: usize, rendition: String, generation: u32 },
    Loudness { work: usize, rendition: String, figures: LoudnessFigures },
    Finish(MakeReport),
}

/// What all of a task's futures share.
#[derive(Debug)]
pub(super) struct Context {
    job: JobId,
    attempt: u32,
    output: usize,
    sink: Arc<dyn Sink>,
    store: Arc<dyn Store>,
    scratch: PathBuf,
    spooled: Arc<AtomicU64>,
    retry: BackOff,
    uploaded: Arc<AtomicU64>,
    told: mpsc::Sender<(usize, Told)>,
    cover: Option<Arc<Cover>>,
    /// Paths of what nothing names any more, to be removed once it is saved that the output is ready.
    replaced: Mutex<Vec<String>>,
}

/// Why a task does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    Problem(Problem),
    /// Another attempt owns the job: nothing may be touched any more.
    Fenced,
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        if error == StoreError::Fenced { Self::Fenced } else { Self::Problem(error.into()) }
    }
}

/// Starts a task; it tells `told` what happens, with the index of the output. Must be called on a runtime.
pub fn start(assignment: Assignment, told: mpsc::Sender<(usize, Told)>) -> OutputTask {
    let (orders, received) = mpsc::unbounded_channel();
    let (ending, wanted) = watch::channel(None);
    let stored = assignment.rows.iter().filter(|row| row.output == assignment.output).map(resume::bytes);
    let uploaded = Arc::new(AtomicU64::new(stored.sum()));
    let context = Arc::new(Context {
        job: assignment.job,
        attempt: assignment.attempt,
        output: assignment.output,
        sink: Arc::clone(&assignment.sink),
        store: Arc::clone(&assignment.store),
        scratch: assignment.scratch.clone(),
        spooled: Arc::clone(&assignment.spooled),
        retry: assignment.retry,
        uploaded: Arc::clone(&uploaded),
        told,
        cover: assignment.cover.clone(),
        replaced: Mutex::default(),
    });
    let meter = Arc::new(Meter::default());
    let work = run(assignment, Arc::clone(&context), received, wanted.clone());
    let running = tokio::spawn(meter::all(Arc::clone(&meter), work));
    tokio::spawn(async move {
        if running.await.is_err() {
            context.tell(Told::Failed(Problem::bug("internal.panic", "publishing panicked; report this"))).await;
            wind_up(&context, asked(wanted, &AtomicBool::new(false)).await).await;
        }
        context.tell(Told::Ended).await;
    });
    OutputTask { orders, ending, uploaded, meter }
}

impl OutputTask {
    /// A worker has begun a rendition of a work. Renditions that the output does not have are ignored.
    pub fn init(&self, work: usize, init: Arc<v1::Init>) {
        self.order(Order::Init { work, init });
    }

    /// A worker has finished a segment.
    pub fn segment(&self, work: usize, part: Part, segment: Arc<Spooled>) {
        self.order(Order::Segment { work, part, segment });
    }

    /// A worker has finished a still or a sheet.
    pub fn picture(&self, work: usize, picture: Arc<Pictured>) {
        self.order(Order::Picture { work, picture });
    }

    /// A part has made all it has to of these renditions; also one of which nothing was missing.
    pub fn part_done(&self, work: usize, part: Part, renditions: BTreeSet<String>) {
        self.order(Order::PartDone { work, part, renditions });
    }

    /// A rendition is made again from its start, by another encoder. What was published of it is replaced as soon as there
    /// is as much of the new generation; what comes from now on belongs to that.
    pub fn restart(&self, work: usize, rendition: String, generation: u32) {
        self.order(Order::Restart { work, rendition, generation });
    }

    /// How loud a rendition was found to be, before and after its loudness was changed.
    pub fn loudness(&self, work: usize, rendition: String, figures: LoudnessFigures) {
        self.order(Order::Loudness { work, rendition, figures });
    }

    /// Every part of every work that the output uses is done: it is brought to its end.
    pub fn finish(&self, report: MakeReport) {
        self.order(Order::Finish(report));
    }

    /// Ends it, whatever it does. The first call counts.
    pub fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|wanted| {
            let first = wanted.is_none();
            wanted.get_or_insert(ending);
            first
        });
    }

    /// Bytes of media that have gone out, those of unfinished transfers and of earlier attempts included.
    pub fn uploaded_bytes(&self) -> u64 {
        self.uploaded.load(Ordering::Relaxed)
    }

    /// CPU time that the daemon has spent on it, in this attempt.
    pub const fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    fn order(&self, order: Order) {
        // Nobody listens any more when it has failed or ended, which has been told.
        let _ = self.orders.send(order);
    }
}

impl Context {
    /// Tells, and waits for room. Nobody listening is no reason to stop.
    pub(super) async fn tell(&self, told: Told) {
        let _ = self.told.send((self.output, told)).await;
    }
}

async fn run(
    assignment: Assignment,
    context: Arc<Context>,
    orders: mpsc::UnboundedReceiver<Order>,
    wanted: watch::Receiver<Option<Ending>>,
) {
    let ready = AtomicBool::new(false);
    let work = async {
        // When this answers, everything that it held is dropped: transfers, and segments, whose room is given back.
        match flow::run(assignment, Arc::clone(&context), orders).await {
            Ok(summary) => {
                ready.store(true, Ordering::Relaxed);
                context.tell(Told::Ready(Box::new(summary))).await;
            }
            Err(Halt::Fenced) => return,
            Err(Halt::Problem(problem)) => context.tell(Told::Failed(problem)).await,
        }
        std::future::pending().await
    };
    let ending = tokio::select! {
        biased;
        ending = asked(wanted, &ready) => ending,
        () = work => return,
    };
    wind_up(&context, ending).await;
}

/// How it is to end, once that is said. What is not whole cannot be kept: it stays for another attempt.
async fn asked(mut wanted: watch::Receiver<Option<Ending>>, ready: &AtomicBool) -> Ending {
    let asked = wanted.wait_for(Option::is_some).await.ok().and_then(|ending| *ending);
    match asked {
        Some(Ending::Keep) if !ready.load(Ordering::Relaxed) => Ending::Suspend,
        asked => asked.unwrap_or(Ending::Suspend),
    }
}

/// Everything has stopped: leaves at the destination what is to be left.
async fn wind_up(context: &Context, ending: Ending) {
    let scratch = context.scratch.clone();
    // What cannot be removed lies in the job's scratch directory, which goes too.
    let _ = tokio::task::spawn_blocking(move || remove_directory(&scratch)).await;
    let (sink, retry) = (&context.sink, context.retry);
    let left = async {
        match ending {
            Ending::Keep => keep(context).await,
            Ending::Suspend => sink.abandon(Leave::Everything).await.map_err(|error| error.problem),
            Ending::Fail => put_patiently(retry, || sink.abandon(Leave::Segments)).await,
            Ending::Remove => {
                let forget = || context.store.forget(context.job, context.attempt, context.output);
                match patiently(retry, forget).await {
                    Err(StoreError::Fenced) => Ok(()),
                    // What the store did not forget is found to be lost when the job is run again.
                    Ok(()) | Err(_) => put_patiently(retry, || sink.abandon(Leave::Nothing)).await,
                }
            }
        }
    };
    let patience = if ending == Ending::Suspend { SUSPEND_MAX } else { WIND_UP_MAX };
    let why = match tokio::time::timeout(patience, left).await {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem.message,
        Err(_) => "it takes too long".to_owned(),
    };
    let message = format!("not everything of this output could be cleared away at {}: {why}", context.sink.name());
    context.tell(Told::Warning(Note { code: "output.left_behind".to_owned(), message })).await;
}

/// The output is ready: what is no part of it goes.
async fn keep(context: &Context) -> Result<(), Problem> {
    let (sink, retry) = (&context.sink, context.retry);
    let replaced = std::mem::take(&mut *context.replaced.lock().unwrap_or_else(PoisonError::into_inner));
    if !replaced.is_empty() {
        put_patiently(retry, || sink.remove(replaced.clone())).await?;
    }
    put_patiently(retry, || sink.keep()).await
}

#[cfg(test)]
mod again_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
