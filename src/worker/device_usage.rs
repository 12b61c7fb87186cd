//! What the worker can tell of its own use of a render node: busy time that the kernel accounts to it, and memory.
//!
//! One opening of the node decodes, scales and encodes for all renditions. Where the kernel's engines tell these apart and
//! one rendition alone was at it, the time is exact; else it is shared out by work, and says so. A `/proc` that is hidden
//! leaves everything unknown: then there are no accounts.

use super::fdinfo::{Client, Engine, parse};
use crate::model::Speed;
use crate::model::device::Operation;
use crate::model::plan::VideoPlan;
use crate::model::usage::Method;
use crate::wire::v1;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Descriptors that are looked at: more than a worker may hold.
const DESCRIPTORS_MAX: usize = 4096;
/// Clients that are remembered: a worker opens a node a few times.
const CLIENTS_MAX: usize = 64;

/// Reads what is accounted to this process, again and again.
#[derive(Debug)]
pub struct DeviceUsage {
    descriptors: PathBuf,
    clients: BTreeMap<(String, u64), Seen>,
    memory_peak: Option<u64>,
}

/// What was last seen of a client; one that is closed has used what it had used.
#[derive(Clone, Debug)]
struct Seen {
    client: Client,
    at: Duration,
    /// Busy time by class, ns; `None`: it was not told in a way that can be right.
    busy_ns: BTreeMap<String, Option<u64>>,
}

/// Something that the node did: for whom, what, and how much of it in proportion to the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Did {
    /// Rendition; empty: all of them.
    pub rendition: String,
    /// What was done.
    pub operation: Operation,
    /// How much, in a unit of its own.
    pub work: u128,
}

impl Default for DeviceUsage {
    fn default() -> Self {
        Self::of(Path::new("/proc/self/fdinfo"))
    }
}

impl DeviceUsage {
    /// Reads another directory like `/proc/self/fdinfo`.
    pub fn of(descriptors: &Path) -> Self {
        Self { descriptors: descriptors.to_owned(), clients: BTreeMap::new(), memory_peak: None }
    }

    /// Looks again, `at` so long since some moment. Counters begin when a node is opened, so the first look may come late.
    pub fn read(&mut self, at: Duration) {
        let entries = fs::read_dir(&self.descriptors).into_iter().flatten().flatten().take(DESCRIPTORS_MAX);
        let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let clients: BTreeMap<_, _> = texts.filter_map(|text| parse(&text)).map(|c| (c.id.clone(), c)).collect();
        let held: Option<u64> = clients.values().filter_map(|client| client.memory_bytes).reduce(u64::saturating_add);
        self.memory_peak = self.memory_peak.max(held);
        for (id, client) in clients {
            let has_room = self.clients.len() < CLIENTS_MAX;
            match self.clients.get_mut(&id) {
                Some(seen) => seen.take(client, at),
                None if has_room => {
                    let mut seen = Seen { client: Client::default(), at, busy_ns: BTreeMap::new() };
                    seen.take(client, at);
                    self.clients.insert(id, seen);
                }
                None => {}
            }
        }
    }

    /// Most memory of the device's own that was held at a time, bytes; `None`: not known.
    pub const fn memory_peak_bytes(&self) -> Option<u64> {
        self.memory_peak
    }

    /// Busy time by who it was spent for. Empty where nothing is known.
    pub fn accounts(&self, did: &[Did]) -> Vec<v1::DeviceAccount> {
        let mut sums: BTreeMap<Kind, Option<u64>> = BTreeMap::new();
        for (class, busy) in self.clients.values().flat_map(|seen| &seen.busy_ns) {
            if let Some(kind) = kind(class) {
                let sum = sums.entry(kind).or_insert(Some(0));
                *sum = sum.zip(*busy).map(|(sum, busy)| sum.saturating_add(busy));
            }
        }
        lump(&mut sums, did);
        let mut accounts = Vec::new();
        for (kind, busy) in sums {
            if let Some(busy_ns) = busy {
                accounts.extend(shared(busy_ns / 1000, did, kind));
            }
        }
        accounts
    }
}

/// What engines are for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Decode,
    Encode,
    /// Either: the kernel does not tell.
    Video,
    Filter,
}

impl Kind {
    const fn covers(self, operation: Operation) -> bool {
        match self {
            Self::Decode => matches!(operation, Operation::Decode),
            Self::Encode => matches!(operation, Operation::Encode),
            Self::Video => matches!(operation, Operation::Decode | Operation::Encode),
            Self::Filter => matches!(operation, Operation::Filter),
        }
    }
}

/// What a class of engines is for, by the names of i915, xe and amdgpu; `None` for copying and the like.
fn kind(class: &str) -> Option<Kind> {
    match class {
        "dec" | "jpeg" => Some(Kind::Decode),
        "enc" | "enc_1" => Some(Kind::Encode),
        "video" | "vcs" => Some(Kind::Video),
        "render" | "compute" | "rcs" | "ccs" | "gfx" | "video-enhance" | "vecs" | "vpe" => Some(Kind::Filter),
        _ => None,
    }
}

/// Newer AMD chips (VCN 4 on) have one queue for both and count decoding as encoding: where the node decoded and the
/// decoder was never busy, or encoded and the encoder never was, neither is believed by itself.
fn lump(sums: &mut BTreeMap<Kind, Option<u64>>, did: &[Did]) {
    let does = |operation| did.iter().any(|did| did.operation == operation && did.work > 0);
    let idle = |kind: &Kind| sums.get(kind).is_none_or(|busy| *busy == Some(0));
    let one_queue = does(Operation::Decode) && idle(&Kind::Decode) || does(Operation::Encode) && idle(&Kind::Encode);
    let known = sums.contains_key(&Kind::Decode) || sums.contains_key(&Kind::Encode);
    if one_queue && known {
        let parts = [sums.remove(&Kind::Decode), sums.remove(&Kind::Encode), sums.remove(&Kind::Video)];
        let sum = parts.into_iter().flatten().try_fold(0_u64, |sum, busy| Some(sum.saturating_add(busy?)));
        sums.insert(Kind::Video, sum);
    }
}

/// Shares busy time out by work.
fn shared(busy_us: u64, did: &[Did], kind: Kind) -> Vec<v1::DeviceAccount> {
    let users: Vec<&Did> = did.iter().filter(|did| kind.covers(did.operation) && did.work > 0).collect();
    let total: u128 = users.iter().map(|did| did.work).sum();
    let method = if users.len() == 1 { Method::DeviceEngine } else { Method::UtilisationShare };
    let each = |did: &&Did| v1::DeviceAccount {
        track: did.rendition.clone(),
        operation: did.operation.name().to_owned(),
        busy_us: u64::try_from(u128::from(busy_us) * did.work / total.max(1)).unwrap_or(u64::MAX),
        method: method.name().to_owned(),
    };
    users.iter().map(each).collect()
}

impl Seen {
    fn take(&mut self, client: Client, at: Duration) {
        let elapsed_ns = u64::try_from(at.saturating_sub(self.at).as_nanos()).unwrap_or(u64::MAX);
        for (class, engine) in &client.engines {
            let before = self.client.engines.get(class).copied().unwrap_or_default();
            let known = self.busy_ns.get(class).copied().unwrap_or(Some(0));
            let busy = busy_ns(engine, &before, known, elapsed_ns);
            self.busy_ns.insert(class.clone(), busy);
        }
        (self.client, self.at) = (client, at);
    }
}

/// Busy time of a class so far. Nanoseconds are told as they are; cycles are a part of those that went by since the look
/// before, and so of that time. What goes backwards is not known any more.
fn busy_ns(engine: &Engine, before: &Engine, known: Option<u64>, elapsed_ns: u64) -> Option<u64> {
    if let Some(ns) = engine.busy_ns {
        return known.filter(|_| ns >= before.busy_ns.unwrap_or(0)).map(|_| ns);
    }
    let (Some(cycles), Some(total)) = (engine.cycles, engine.total_cycles) else { return None };
    let (Some(cycles_before), Some(total_before)) = (before.cycles, before.total_cycles) else {
        // The first look: as long as nothing was done, nothing is lost.
        return known.filter(|_| cycles == 0);
    };
    let busy = u128::from(cycles.checked_sub(cycles_before)?);
    let passed = u128::from(total.checked_sub(total_before)?);
    if passed == 0 {
        return known.filter(|_| busy == 0);
    }
    // No more than all engines of the class can have been busy.
    let most = passed * u128::from(engine.capacity.unwrap_or(1).max(1));
    let ns = u128::from(elapsed_ns) * busy.min(most) / passed;
    known.map(|known| known.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX)))
}

/// What the node has done for a plan: `frames` of each rendition, and `decoded` pictures. Weighed by pixels, and by how
/// much longer such engines take for a class of encoding than for decoding.
pub fn did(plan: &VideoPlan, frames: &BTreeMap<String, u64>, decoded: u64) -> Vec<Did> {
    let Some(placed) = &plan.accelerator else { return Vec::new() };
    let largest = plan.renditions.iter().map(|rung| u128::from(rung.width) * u128::from(rung.height)).max();
    let mut all = Vec::new();
    if placed.decode {
        let work = largest.unwrap_or(0) * u128::from(decoded) * 2;
        all.push(Did { rendition: String::new(), operation: Operation::Decode, work });
    }
    let suffix = format!("_{}", placed.kind.name());
    for rung in plan.renditions.iter().filter(|rung| !rung.copy) {
        let made = u128::from(frames.get(&rung.id).copied().unwrap_or(0));
        let work = made * u128::from(rung.width) * u128::from(rung.height);
        let mut push = |operation, work| all.push(Did { rendition: rung.id.clone(), operation, work });
        if rung.graph.contains(&suffix) {
            push(Operation::Filter, work);
        }
        if rung.on_device {
            push(Operation::Encode, work * encode_weight(rung.speed));
        }
    }
    all
}

/// As of the cautious figures that nodes begin with: 400, 250 and 150 frames against 500 decoded, halves.
const fn encode_weight(speed: Speed) -> u128 {
    match speed {
        Speed::Fast => 3,
        Speed::Balanced => 4,
        Speed::Quality => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, driver: &str, lines: &str) {
        let text = format!("drm-driver:\t{driver}\ndrm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n{lines}");
        fs::write(dir.join(name), text).unwrap();
    }

    fn one(rendition: &str, operation: Operation, work: u128) -> Did {
        Did { rendition: rendition.into(), operation, work }
    }

    fn told(usage: &DeviceUsage, did: &[Did]) -> Vec<(String, String, u64, String)> {
        usage.accounts(did).into_iter().map(|a| (a.track, a.operation, a.busy_us, a.method)).collect()
    }

    fn account(track: &str, operation: &str, us: u64, method: Method) -> (String, String, u64, String) {
        (track.into(), operation.into(), us, method.name().into())
    }

    #[test]
    fn video_engines_are_shared_by_work_and_a_client_counts_once_also_when_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let mut usage = DeviceUsage::of(dir.path());
        let lines = "drm-engine-video:\t9000000 ns\ndrm-engine-video-enhance:\t500000 ns\n";
        write(dir.path(), "5", "i915", lines);
        write(dir.path(), "6", "i915", lines);
        usage.read(Duration::ZERO);
        fs::remove_file(dir.path().join("5")).unwrap();
        fs::remove_file(dir.path().join("6")).unwrap();
        usage.read(Duration::from_secs(1));
        let did = [
            one("", Operation::Decode, 100),
            one("720p", Operation::Encode, 150),
            one("360p", Operation::Encode, 50),
            one("720p", Operation::Filter, 1),
        ];
        let share = Method::UtilisationShare;
        let expected = [
            account("", "decode", 3000, share),
            account("720p", "encode", 4500, share),
            account("360p", "encode", 1500, share),
            account("720p", "filter", 500, Method::DeviceEngine),
        ];
        assert_eq!(told(&usage, &did), expected);
        assert_eq!(usage.memory_peak_bytes(), None);
    }

    #[test]
    fn cycles_are_a_part_of_the_time_that_went_by() {
        let dir = tempfile::tempdir().unwrap();
        let mut usage = DeviceUsage::of(dir.path());
        let cycles = |busy: u64, total: u64| {
            let lines =
                format!("drm-cycles-vcs:\t{busy}\ndrm-total-cycles-vcs:\t{total}\ndrm-resident-vram0:\t3 MiB\n");
            write(dir.path(), "5", "xe", &lines);
        };
        let did = [one("720p", Operation::Encode, 1)];
        cycles(0, 1000);
        usage.read(Duration::ZERO);
        cycles(250, 2000);
        usage.read(Duration::from_secs(1));
        assert_eq!(told(&usage, &did), [account("720p", "encode", 250_000, Method::DeviceEngine)]);
        assert_eq!(usage.memory_peak_bytes(), Some(3 << 20));
        // Counters that go backwards are not to be believed, from then on.
        cycles(10, 3000);
        usage.read(Duration::from_secs(2));
        cycles(20, 4000);
        usage.read(Duration::from_secs(3));
        assert_eq!(told(&usage, &did), []);
    }

    #[test]
    fn one_queue_that_counts_decoding_as_encoding_is_shared() {
        let dir = tempfile::tempdir().unwrap();
        let mut usage = DeviceUsage::of(dir.path());
        write(dir.path(), "5", "amdgpu", "drm-engine-enc:\t8000000 ns\n");
        usage.read(Duration::ZERO);
        let did = [one("", Operation::Decode, 1), one("720p", Operation::Encode, 3)];
        let share = Method::UtilisationShare;
        assert_eq!(told(&usage, &did), [account("", "decode", 2000, share), account("720p", "encode", 6000, share)]);
        // Told apart, they are exact.
        write(dir.path(), "5", "amdgpu", "drm-engine-dec:\t1000000 ns\ndrm-engine-enc:\t9000000 ns\n");
        usage.read(Duration::from_secs(1));
        let exact = Method::DeviceEngine;
        assert_eq!(told(&usage, &did), [account("", "decode", 1000, exact), account("720p", "encode", 9000, exact)]);
    }

    #[test]
    fn a_hidden_proc_leaves_everything_unknown() {
        let mut usage = DeviceUsage::of(Path::new("/nowhere/fdinfo"));
        usage.read(Duration::ZERO);
        assert_eq!(told(&usage, &[one("720p", Operation::Encode, 1)]), []);
        assert_eq!(usage.memory_peak_bytes(), None);
    }
}
