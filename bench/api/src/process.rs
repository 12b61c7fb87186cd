//! What the kernel tells of processes: CPU time and memory, from `/proc` (proc_pid_stat(5), proc_pid_status(5)).

use std::fs;
use std::ops::Sub;

/// Ticks of `/proc/*/stat` in a second: USER_HZ, which is 100 wherever Rust's Linux targets run.
const TICKS_A_SECOND: f64 = 100.0;

/// CPU seconds since some beginning, told apart by who took them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// The daemon.
    pub(crate) daemon: f64,
    /// Its workers, those that have ended included.
    pub(crate) workers: f64,
    /// This program.
    pub(crate) load: f64,
    /// Everything else on the machine, other machines on the same host included (steal).
    pub(crate) others: f64,
}

impl Cpu {
    /// As of now, with the daemon's process id.
    pub(crate) fn of(daemon: u32) -> Self {
        let (own, ended) = ticks(&format!("/proc/{daemon}/stat"));
        let live: f64 = children(daemon).iter().map(|pid| ticks(&format!("/proc/{pid}/stat")).0).sum();
        let load = ticks("/proc/self/stat").0;
        let workers = live + ended;
        Self { daemon: own, workers, load, others: machine() - own - workers - load }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            daemon: self.daemon - before.daemon,
            workers: self.workers - before.workers,
            load: self.load - before.load,
            others: (self.others - before.others).max(0.0),
        }
    }
}

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Most that was resident since the peak was last reset.
    pub(crate) peak: u64,
    /// Resident now.
    pub(crate) resident: u64,
    /// Of that, what is no file.
    pub(crate) anonymous: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
        };
        Self { peak: bytes("VmHWM"), resident: bytes("VmRSS"), anonymous: bytes("RssAnon") }
    }

    /// Makes the peak what is resident now. Where that is not allowed, the peak stays that of the whole life.
    pub(crate) fn reset_peak(pid: u32) {
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// CPU seconds of a process, and of its children that have ended.
fn ticks(stat: &str) -> (f64, f64) {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    ((field(14) + field(15)) / TICKS_A_SECOND, (field(16) + field(17)) / TICKS_A_SECOND)
}

/// Processes that `parent` has started and that live.
fn children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// CPU seconds that the machine has spent on anything.
fn machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    [0, 1, 2, 5, 6, 7].iter().filter_map(|at| fields.get(*at)).sum::<f64>() / TICKS_A_SECOND
}
