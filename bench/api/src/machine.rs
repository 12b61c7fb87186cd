//! What the figures were taken on, and how quiet it was there.

use crate::Outcome;
use crate::campaign::Phase;
use crate::stats::{Times, ms};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Flushes that are timed.
const FLUSHES: usize = 100;
/// From this share of the machine on, what others take is worth a warning.
const NOISY: f64 = 0.05;

/// What and which, for the head of the tables.
#[derive(Debug)]
pub(crate) struct Machine(pub(crate) Vec<(&'static str, String)>);

impl Machine {
    /// Looks at the machine, and at the disk that `work` lies on.
    pub(crate) fn look(work: &Path) -> Outcome<Self> {
        let flushes = flushes(work)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory_kib = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let memory_kib: f64 = memory_kib.trim_end_matches(" kB").parse().unwrap_or_default();
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let disk = output("stat", &["--file-system", "--format=%T", &work.to_string_lossy()]);
        let disk = format!("{disk}; a flush of 4 KiB takes {} (p99 {})", ms(flushes.p50()), ms(flushes.p99()));
        let mut all = vec![
            ("date", output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
            ("machine", format!("{cpu}, {cores} cores, {:.1} GiB", memory_kib / f64::from(1 << 20))),
            ("system", format!("{}, kernel {}", system.trim_matches('"'), kernel.trim())),
            ("disk of the state directory", disk),
            ("reelmill", commit()),
        ];
        match nice().as_str() {
            "0" | "" => {}
            nice => all.push(("priority", format!("of the daemon and the load: nice {nice}, others have 0"))),
        }
        Ok(Self(all))
    }
}

/// What others took of the machine meanwhile.
#[derive(Debug)]
pub(crate) struct Quiet {
    load_before: String,
    load_after: String,
    /// The largest share of the machine in a phase, and in which.
    most: (f64, &'static str),
}

impl Quiet {
    pub(crate) fn begin() -> Self {
        Self { load_before: load(), load_after: String::new(), most: (0.0, "") }
    }

    pub(crate) fn note(&mut self, phase: &Phase) {
        let share = phase.others();
        if share > self.most.0 {
            self.most = (share, phase.name);
        }
    }

    pub(crate) fn end(&mut self) {
        self.load_after = load();
    }

    pub(crate) fn told(&self) -> String {
        let (share, name) = self.most;
        let noisy = if share > NOISY { "; **the machine was not quiet**" } else { "" };
        format!(
            "at most {:.0}% of the machine ({name}){noisy}; load {} before, {} after",
            share * 100.0,
            self.load_before,
            self.load_after
        )
    }
}

/// The root of the repository that this was built from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Number of cores that CPU time is a share of.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// How long a small write takes to be durable: no group of submissions can be taken faster.
fn flushes(work: &Path) -> Outcome<Times> {
    let path = work.join("flush");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(FLUSHES);
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    for _ in 0..FLUSHES {
        let began = Instant::now();
        file.rewind()?;
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(path)?;
    Ok(Times::new(times))
}

/// The nice value of this process, which the daemon has from it (proc_pid_stat(5), field 19).
fn nice() -> String {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().nth(16).unwrap_or_default().to_owned()
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// The commit, and whether anything but the document of figures differs from it.
fn commit() -> String {
    let root = root();
    let root = root.to_string_lossy();
    let head = output("git", &["-C", &root, "rev-parse", "--short", "HEAD"]);
    let changed = output("git", &["-C", &root, "status", "--porcelain", "--", ".", ":!docs/BENCHMARKS.md"]);
    let other =
        if std::env::var_os("BENCH_REELMILL").is_some() { " (another build: `BENCH_REELMILL` was set)" } else { "" };
    format!("{head}{}{other}", if changed.is_empty() { "" } else { " with changes" })
}

/// The value of the first line of this name.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

/// The first line that a command prints; empty when it fails.
fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output();
    let text = done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
