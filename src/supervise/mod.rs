//! Worker processes: how they are born, spoken to, watched and ended. One process runs one span, or one probe.
//!
//! A worker gets an empty environment, no stdin or stdout, its end of a socket as descriptor 3, where the source is a
//! file that file as descriptor 4 (those of a joined source from 4 on), and one argument: its spool directory. One that may
//! open a device is also told which kind, and gets what the operator told drivers about their libraries. Its first message
//! is its order. Then one task a worker (`watch`) reads what it says, answers its reads, and learns how it died; each way
//! to die is a variant of
//! [`Exit`].

mod exit;
mod frames;
mod process;
mod scratch;
mod serve;
mod stderr;
mod watch;

pub use exit::{Exit, ability_of, said};
pub use process::KernelUsage;
pub use scratch::Scratch;

use crate::input::{Source, Transport};
use crate::model::Problem;
use crate::model::device::DeviceKind;
use crate::model::limits::WORKER_SILENCE_SECONDS_MAX;
use crate::simulate::{Attached, Host};
use crate::sys::spawn;
use crate::wire::v1;
use process::Process;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::mpsc;

/// What the operator told drivers: where their libraries lie. All of the environment that a worker with a device gets.
const DRIVER_VARIABLES: [&str; 3] = ["LD_LIBRARY_PATH", "LIBVA_DRIVERS_PATH", "LIBVA_DRIVER_NAME"];

/// What to start, and how long to trust it.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The worker's program.
    pub program: PathBuf,
    /// An existing directory that the worker may write to; absolute.
    pub spool: PathBuf,
    /// What it reads.
    pub source: Source,
    /// Of a joined source the inputs behind the first.
    pub more_sources: Vec<Source>,
    /// How it gets the bytes.
    pub transport: Transport,
    /// What it does.
    pub work: v1::order::Work,
    /// The kind of device that it may open; `None` for the CPU alone.
    pub device: Option<DeviceKind>,
    /// Without a message for so long it counts as hung.
    pub silence: Duration,
    /// After so long it is killed whatever it says.
    pub deadline: Option<Duration>,
    /// Bytes of finished segments that may wait in its spool; 0 for the worker's own limit.
    pub spool_bytes_max: u64,
    /// Simulated devices that it may call.
    pub simulated: Option<Arc<Host>>,
    /// It tells the steps that it takes.
    pub traced: bool,
}

impl Launch {
    /// A launch with the usual patience and no deadline.
    pub fn new(program: &Path, spool: &Path, source: &Source, transport: Transport, work: v1::order::Work) -> Self {
        Self {
            program: program.to_owned(),
            spool: spool.to_owned(),
            source: source.clone(),
            more_sources: Vec::new(),
            transport,
            work,
            device: None,
            silence: Duration::from_secs(WORKER_SILENCE_SECONDS_MAX),
            deadline: None,
            spool_bytes_max: 0,
            simulated: None,
            traced: false,
        }
    }
}

/// What a worker's task tells. `Exited` comes exactly once, last.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// A message that somebody else must act on: facts, init, segment, progress, log.
    Message(v1::from_worker::Message),
    /// A line that the process wrote to stderr by itself.
    Stderr(String),
    /// What the kernel says that the process has used, however it ended. Comes once, right before `Exited`, unless the
    /// kernel does not tell.
    Kernel(KernelUsage),
    /// The process is gone.
    Exited(Exit),
}

/// What a worker's task is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    /// So many bytes have left the spool.
    Released(u64),
    /// Nobody wants these tracks any more.
    DropTracks(Vec<String>),
    /// Ask, terminate, kill.
    Stop,
}

/// A running worker. Dropping it stops the process.
#[derive(Debug)]
pub struct Worker {
    // Unbounded, yet bounded: one `Released` for a segment that the worker reported, one `DropTracks` for an output that
    // is stopped, and one `Stop`.
    control: mpsc::UnboundedSender<Control>,
    pid: Option<u32>,
    simulated: Option<u64>,
}

impl Worker {
    /// Its process, as this host numbers it.
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its number among those that simulated devices know; see [`Attached::worker`].
    pub const fn simulated(&self) -> Option<u64> {
        self.simulated
    }

    /// Tells the worker that `bytes` have left its spool.
    pub fn released(&self, bytes: u64) {
        // Fails only when the process is gone; its exit is on its way.
        let _ = self.control.send(Control::Released(bytes));
    }

    /// What tells the worker that bytes have left its spool, once that is so; it outlives this handle and may come late.
    pub fn releaser(&self) -> Box<dyn FnOnce(u64) + Send + Sync> {
        // Weak, since the process ends when the last way to it is dropped.
        let control = self.control.downgrade();
        Box::new(move |bytes| {
            if let Some(control) = control.upgrade() {
                let _ = control.send(Control::Released(bytes));
            }
        })
    }

    /// Tells the worker that nobody wants these tracks any more, by their ids: it stops making them, and what only they
    /// needed, without disturbing the others. Segments of them that are on their way still come. When no track is left
    /// the worker fails as cancelled, unless it is stopped sooner.
    pub fn drop_tracks(&self, tracks: Vec<String>) {
        let _ = self.control.send(Control::DropTracks(tracks));
    }

    /// Begins to end the process: asked, terminated, killed within `STOP_GRACE_MS`. The exit is reported as usual.
    pub fn stop(&self) {
        let _ = self.control.send(Control::Stop);
    }
}

/// Starts a worker. Its reports go to `reports`, each with `tag`. Must be called on a thread of the runtime, since the
/// process dies with the thread that spawned it.
///
/// # Errors
/// `worker.not_started` when the program cannot be run.
pub fn start<T>(launch: Launch, tag: T, reports: mpsc::Sender<(T, Report)>) -> Result<Worker, Problem>
where
    T: Copy + Send + Sync + 'static,
{
    let (process, socket) = spawn_process(&launch).map_err(|error| {
        let message = format!("{} cannot be started: {error}; reinstall it beside reelmill", launch.program.display());
        Problem::device("worker.not_started", message)
    })?;
    let (control, controls) = mpsc::unbounded_channel();
    let attached = launch.simulated.as_ref().map(Host::attach);
    let worker = Worker { control, pid: process.id(), simulated: attached.as_ref().map(Attached::worker) };
    tokio::spawn(watch::run(watch::Watched { process, socket, launch, controls, attached }, tag, reports));
    Ok(worker)
}

fn spawn_process(launch: &Launch) -> io::Result<(Process, UnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    let files: Vec<std::fs::File> = match launch.transport {
        Transport::Descriptor => {
            sources(launch).filter_map(|source| source.descriptor().transpose()).collect::<io::Result<_>>()
        }
        Transport::Socket => Ok(Vec::new()),
    }?;
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut command = StdCommand::new(std::path::absolute(&launch.program)?);
    command.arg("--spool").arg(&launch.spool).current_dir("/").env_clear();
    if let Some(kind) = launch.device.filter(|kind| *kind != DeviceKind::Cpu) {
        command.arg("--device").arg(kind.name());
        for name in DRIVER_VARIABLES {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        // By address, as NVML counts them; by itself CUDA puts the fastest first.
        command.env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let prepared = spawn::inherit(command, theirs.as_fd(), &files);
    let child = prepared.spawn(|command| {
        // A group of its own, so that Ctrl-C reaches the daemon alone, which then ends its workers in order.
        Command::from(command).process_group(0).kill_on_drop(true).spawn()
    })?;
    ours.set_nonblocking(true)?;
    Ok((Process::new(child), UnixStream::from_std(ours)?))
}

/// The order for a launch, as the first message says it.
fn order(launch: &Launch) -> v1::Order {
    let mut next = spawn::SOURCE_FD;
    let mut given = sources(launch).map(|source| {
        let handed_over = launch.transport == Transport::Descriptor && source.is_file();
        let descriptor = if handed_over { next } else { -1 };
        next += i32::from(handed_over);
        v1::Source { size_bytes: source.size_bytes(), descriptor }
    });
    let (source, more_sources) = (given.next(), given.collect());
    v1::Order {
        source,
        more_sources,
        work: Some(launch.work.clone()),
        spool_bytes_max: launch.spool_bytes_max,
        device_call_ms_max: u32::try_from(launch.silence.as_millis()).unwrap_or(u32::MAX),
        traced: launch.traced,
    }
}

/// Everything that a worker reads, in the order in which it counts.
fn sources(launch: &Launch) -> impl Iterator<Item = &Source> {
    std::iter::once(&launch.source).chain(&launch.more_sources)
}

/// The worker's program: `REELMILL_WORKER` where it is set, else `reelmill-worker` beside the running program.
///
/// # Errors
/// `worker.not_started` when there is no such file.
pub fn find_program() -> Result<PathBuf, Problem> {
    let program = match std::env::var_os("REELMILL_WORKER") {
        Some(program) => PathBuf::from(program),
        None => match std::env::current_exe() {
            Ok(ours) => ours.with_file_name("reelmill-worker"),
            Err(error) => return Err(Problem::device("worker.not_started", format!("/proc is needed: {error}"))),
        },
    };
    if program.is_file() {
        return Ok(program);
    }
    let message = format!("there is no {}; install it there or name it in REELMILL_WORKER", program.display());
    Err(Problem::device("worker.not_started", message))
}
