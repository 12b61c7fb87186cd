//! A daemon of a test's own: started on free ports with a state directory that goes with the test, killed, started again.
//!
//! Its clients are the generated ones. Its workers are found by the directory that all of them write to, so they are told
//! from those of other tests that run at the same time, and those of an earlier life from those of this one.

use reelmill::api::v1;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::media_service_client::MediaServiceClient;
use reelmill::api::v1::node_service_client::NodeServiceClient;
use serde_json::Value;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// How long anything may take before a test counts it as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at that nobody tells of.
const LOOK: Duration = Duration::from_millis(10);

/// What a daemon is started with.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    settings: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// A setting, as in `jobs.active_max=1`.
    pub(crate) fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// A variable of the daemon's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) async fn start(self) -> Daemon {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tmp")).unwrap();
        let mut daemon = Daemon { home, setup: self, child: None, lives: 0, grpc: None, http: None };
        daemon.restart().await;
        daemon
    }
}

/// A running daemon, or one that may be started again. Dropping it kills it; what it said is shown when the test failed.
#[derive(Debug)]
pub(crate) struct Daemon {
    home: TempDir,
    setup: Setup,
    child: Option<Child>,
    lives: u32,
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerProcess {
    pub(crate) pid: i32,
    /// Its spool directory, `…/spool/JOB/video-0-1`; that of a probe lies elsewhere.
    pub(crate) spool: PathBuf,
}

impl WorkerProcess {
    /// `video-0`, `audio`, `1-video-0` …; `None` for a probe.
    pub(crate) fn part(&self) -> Option<String> {
        let name = self.spool.file_name()?.to_str()?;
        let (part, _attempt) = name.rsplit_once('-').filter(|_| !name.starts_with("reelmill-probe"))?;
        Some(part.to_owned())
    }

    /// CPU time that it has used, in the system's ticks.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // After the name, which may hold anything, come state and 11 fields, then user and system time (proc(5)).
        let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
        after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    pub(crate) fn signal(&self, signal: i32) {
        send(self.pid, signal);
    }
}

impl Daemon {
    /// One with the settings that most tests want.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// Starts the process, again where it has ended, on the same state directory.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.lives += 1;
        let log = self.log_path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REELMILL_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json"]);
        command.arg("--state-dir").arg(self.state_dir());
        for setting in &self.setup.settings {
            command.args(["--set", setting]);
        }
        command.envs(self.setup.environment.iter().cloned()).env("TMPDIR", self.path("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        self.child = Some(command.spawn().unwrap());
        let began = Instant::now();
        let ready = loop {
            let said = fs::read_to_string(&log).unwrap();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(ready) = lines.into_iter().find(|line| line["message"] == "ready") {
                break ready;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the daemon did not start ({ended:?}): {said}");
            tokio::time::sleep(LOOK).await;
        };
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        (self.grpc, self.http) = (Some(address("grpc")), Some(address("http")));
    }

    /// Kills the process with no warning, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Writes a program that is run instead of the worker: a shell script in which `$part` is what the worker is to do, with
    /// the attempt (`video-0-1`), and `$DIR` a directory of the test's. After the script comes the worker, unless it ends
    /// before. To be given as `REELMILL_WORKER`.
    pub(crate) fn wrapper(directory: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.join("worker.sh");
        let worker = env!("CARGO_BIN_EXE_reelmill-worker");
        let directory = directory.display();
        let text = format!(
            "#!/bin/sh\nDIR='{directory}'\nWORKER='{worker}'\npart=${{2##*/}}\n{script}\nexec \"$WORKER\" \"$@\"\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        let mut child = self.child.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the daemon did not end: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: i32) {
        send(self.child.as_ref().unwrap().id() as i32, signal);
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.endpoint()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel().await)
    }

    pub(crate) async fn media(&self) -> MediaServiceClient<Channel> {
        MediaServiceClient::new(self.channel().await)
    }

    pub(crate) async fn node(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel().await)
    }

    /// The value of `--endpoint`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.grpc.unwrap())
    }

    /// Where metrics and health are answered.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http.unwrap()
    }

    /// Runs a client command against it and gives what it printed; `Err` with what it complained of.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
        let ran = command.args(arguments).args(["--endpoint", &self.endpoint()]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        if ran.status.success() { Ok(String::from_utf8(ran.stdout).unwrap()) } else { Err(said) }
    }

    /// A path in the test's own directory, in which the state directory lies too.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// What is in the spool, files and directories, without the spool itself.
    pub(crate) fn spooled(&self) -> Vec<PathBuf> {
        everything_below(&self.state_dir().join("spool"))
    }

    /// The workers of this daemon, of whichever life of it.
    pub(crate) fn workers(&self) -> Vec<WorkerProcess> {
        workers_below(self.home.path())
    }

    /// The workers of one job.
    pub(crate) fn workers_of(&self, id: &str) -> Vec<WorkerProcess> {
        let mut workers = self.workers();
        workers.retain(|worker| worker.spool.components().any(|part| part.as_os_str() == id));
        workers
    }

    /// Waits for a worker on a part of a job, such as `video-0`.
    pub(crate) async fn worker_on(&self, id: &str, part: &str) -> WorkerProcess {
        let on_part = || self.workers_of(id).into_iter().find(|worker| worker.part().as_deref() == Some(part));
        until(&format!("a worker on {part}"), on_part).await
    }

    /// Waits until nothing is left of jobs that ended or were handed back: no worker, and nothing in the spool. Both may
    /// be there a little longer than it takes to be told of the end.
    pub(crate) async fn left_clean(&self) {
        let clean = || (self.workers().is_empty() && self.spooled().is_empty()).then_some(());
        until("workers and spooled files to be gone", clean).await;
    }

    /// What it has said, of all its lives.
    pub(crate) fn log(&self) -> String {
        let lives = (1..=self.lives).map(|life| self.path(format!("log-{life}")));
        lives.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
    }

    fn log_path(&self) -> PathBuf {
        self.path(format!("log-{}", self.lives))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", self.log());
        }
    }
}

/// Looks until something is there.
pub(crate) async fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The workers whose spools lie below a directory.
pub(crate) fn workers_below(home: &Path) -> Vec<WorkerProcess> {
    let home = home.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line);
        let mut arguments = line.split('\0').skip_while(|argument| *argument != "--spool").skip(1);
        if let Some(spool) = arguments.next().filter(|spool| spool.starts_with(home)) {
            found.push(WorkerProcess { pid, spool: spool.into() });
        }
    }
    found
}

/// Every file and directory below one, sorted.
pub(crate) fn everything_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A job of one local source and one output, small and fast.
pub(crate) fn job(source: &Path, destination: &Path) -> v1::JobSpec {
    job_of(source.to_str().unwrap(), destination)
}

/// A job of one source from anywhere and one output, small and fast.
pub(crate) fn job_of(source: &str, destination: &Path) -> v1::JobSpec {
    v1::JobSpec {
        sources: vec![v1::SourceSpec { uri: source.into(), ..v1::SourceSpec::default() }],
        outputs: vec![output(destination.to_str().unwrap(), &["180p", "90p"])],
        ..v1::JobSpec::default()
    }
}

/// An output with these rungs, made fast, in segments of a second, as CMAF and TS.
pub(crate) fn output(destination: &str, rungs: &[&str]) -> v1::OutputSpec {
    let rung = |size: &&str| v1::RenditionSpec { size: (*size).into(), ..v1::RenditionSpec::default() };
    v1::OutputSpec {
        destination: destination.into(),
        renditions: rungs.iter().map(rung).collect(),
        packagings: vec![v1::Packaging::Cmaf.into(), v1::Packaging::Ts.into()],
        speed: v1::Speed::Fast.into(),
        segment_duration: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..v1::OutputSpec::default()
    }
}

/// Submits a job and gives its id.
pub(crate) async fn submit(client: &mut JobServiceClient<Channel>, job: v1::JobSpec) -> String {
    let request = v1::CreateJobRequest { job: Some(job), idempotency_key: String::new() };
    client.create_job(request).await.unwrap().into_inner().job.unwrap().id
}

/// A job as it is now.
pub(crate) async fn get(client: &mut JobServiceClient<Channel>, id: &str) -> v1::Job {
    client.get_job(v1::GetJobRequest { id: id.into() }).await.unwrap().into_inner().job.unwrap()
}

/// Waits until a job is as it should be.
pub(crate) async fn job_that(
    client: &mut JobServiceClient<Channel>,
    id: &str,
    mut like_this: impl FnMut(&v1::Job) -> bool,
) -> v1::Job {
    let began = Instant::now();
    loop {
        let job = get(client, id).await;
        if like_this(&job) {
            return job;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain; it is {job:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for a job's end.
pub(crate) async fn end_of(client: &mut JobServiceClient<Channel>, id: &str) -> v1::Job {
    job_that(client, id, |job| is_over(job.state())).await
}

/// Asks for the stop of jobs, and gives what is said of each.
pub(crate) async fn stop(client: &mut JobServiceClient<Channel>, ids: &[&str]) -> Vec<v1::stop_result::Outcome> {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let results = client.stop_jobs(v1::StopJobsRequest { ids }).await.unwrap().into_inner().results;
    results.iter().map(v1::StopResult::outcome).collect()
}

/// Every change of a job so far.
pub(crate) async fn changes(client: &mut JobServiceClient<Channel>, id: &str) -> Vec<v1::Change> {
    let mut all: Vec<v1::Change> = Vec::new();
    loop {
        let after_revision = all.last().map_or(0, |change| change.revision);
        let request = v1::ListChangesRequest { id: id.into(), after_revision };
        let page = client.list_changes(request).await.unwrap().into_inner().changes;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Whether a job in this state is over.
pub(crate) fn is_over(state: v1::JobState) -> bool {
    use v1::JobState::{Failed, Partial, Stopped, Succeeded};
    matches!(state, Succeeded | Partial | Failed | Stopped)
}

fn send(pid: i32, signal: i32) {
    let sent = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).stderr(Stdio::null()).status();
    // One that has just ended cannot be signalled, which tests that kill at random instants must expect.
    sent.unwrap();
}
