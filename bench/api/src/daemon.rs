//! The daemon under load: a real `reelmill serve` process on loopback, ended with this program.

use crate::process::{Cpu, Memory};
use crate::{Outcome, Times};
use reelmill::api::v1;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};
use v1::job_service_client::JobServiceClient;
use v1::node_service_client::NodeServiceClient;

/// A client of the service of jobs.
pub(crate) type Jobs = JobServiceClient<Channel>;

/// Cores that the daemon and its workers may use: the promise is about two.
const CORES: usize = 2;
/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A queue of 100,000 jobs and those that come while it is measured are more than one may have by default. One job is
/// active at a time, so that what is watched or encodes has the node for itself.
const SETTINGS: [&str; 4] = ["--set", "jobs.queue_max=1000000", "--set", "jobs.active_max=1"];

/// The process. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    pid: u32,
    endpoint: Endpoint,
    /// From its start to its first answer.
    pub(crate) ready_after: Duration,
}

impl Daemon {
    /// Starts it on free ports over a state directory below `work`, which may hold jobs, and waits for its first answer.
    pub(crate) async fn start(program: &Path, work: &Path) -> Outcome<Self> {
        let [grpc, http] = free_addresses()?;
        let log = File::options().create(true).append(true).open(work.join("daemon.log"))?;
        let mut command = on_two_cores(program);
        command.arg("serve").args(SETTINGS).arg("--state-dir").arg(work.join("state"));
        command.args(["--grpc", &grpc.to_string(), "--http", &http.to_string()]);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("REELMILL_")) {
                command.env_remove(name);
            }
        }
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
        let pid = child.id().ok_or("the daemon ended at once")?;
        let endpoint = Endpoint::from_shared(format!("http://{grpc}"))?.tcp_nodelay(true);
        let mut daemon = Self { child, pid, endpoint, ready_after: Duration::ZERO };
        loop {
            if daemon.jobs().await.is_ok() {
                daemon.ready_after = started.elapsed();
                return Ok(daemon);
            }
            if let Some(status) = daemon.child.try_wait()? {
                return Err(format!("the daemon ended ({status}): see {}", work.join("daemon.log").display()).into());
            }
            if started.elapsed() > PATIENCE {
                return Err("the daemon does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Outcome<Jobs> {
        Ok(JobServiceClient::new(self.endpoint.connect().await?).max_decoding_message_size(64 << 20))
    }

    /// So many connections.
    pub(crate) async fn connect_all(&self, count: usize) -> Outcome<Vec<Jobs>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.connect().await?);
        }
        Ok(clients)
    }

    /// Has no job started any more, or again.
    pub(crate) async fn drain(&self, drain: bool) -> Outcome<()> {
        let mut node = NodeServiceClient::new(self.endpoint.connect().await?);
        node.drain_node(v1::DrainNodeRequest { drain, ..v1::DrainNodeRequest::default() }).await?;
        Ok(())
    }

    /// Jobs that wait and jobs that are active.
    pub(crate) async fn jobs(&self) -> Outcome<(u64, u64)> {
        let mut node = NodeServiceClient::new(self.endpoint.connect().await?);
        let node = node.get_node(v1::GetNodeRequest {}).await?.into_inner();
        Ok((node.jobs_queued, node.jobs_active))
    }

    /// Waits until so many jobs are active.
    pub(crate) async fn active(&self, wanted: u64) -> Outcome<()> {
        let began = Instant::now();
        while self.jobs().await?.1 != wanted {
            if began.elapsed() > PATIENCE {
                return Err(format!("there are not {wanted} active jobs after {} s", PATIENCE.as_secs()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn cpu(&self) -> Cpu {
        Cpu::of(self.pid)
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.pid)
    }

    pub(crate) fn reset_peak(&self) {
        Memory::reset_peak(self.pid);
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn end(mut self) -> Outcome<Duration> {
        let began = Instant::now();
        let asked = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await?;
        if !asked.success() {
            return Err("the daemon cannot be asked to end".into());
        }
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(began.elapsed()) } else { Err(format!("the daemon ended with {status}").into()) }
    }
}

/// How long calls take that are made one after another.
pub(crate) async fn timed<T>(calls: usize, mut call: impl AsyncFnMut(usize) -> Outcome<T>) -> Outcome<(Times, T)> {
    let mut times = Vec::with_capacity(calls);
    let mut number = 0;
    loop {
        let began = Instant::now();
        let answer = call(number).await?;
        times.push(began.elapsed());
        number += 1;
        if number >= calls {
            return Ok((Times::new(times), answer));
        }
    }
}

/// The program, held to the first two cores where there are more.
fn on_two_cores(program: &Path) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores <= CORES {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0,1"]).arg(program);
    command
}

/// Addresses on loopback that nobody listens on just now.
fn free_addresses() -> Outcome<[SocketAddr; 2]> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let (one, other) = (TcpListener::bind(any)?, TcpListener::bind(any)?);
    Ok([one.local_addr()?, other.local_addr()?])
}

/// The program to measure: `BENCH_REELMILL`, or the one beside this one.
pub(crate) fn program() -> Outcome<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("reelmill");
    let program = std::env::var_os("BENCH_REELMILL").map_or(beside, PathBuf::from);
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("there is no {}: run `make build`", program.display()).into())
    }
}
