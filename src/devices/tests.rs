//! Discovery over trees of files and a library of NVML that were made for the purpose.

use super::*;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A box made of files.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn roots(&self) -> Roots {
        let at = |name: &str| self.0.path().join(name);
        let nvml = Some(at("no/libnvidia-ml.so.1"));
        Roots { proc: at("proc"), sys: at("sys"), dev: at("dev"), nvml, libraries: vec![at("lib")] }
    }

    fn discover(&self) -> Discovery {
        discover_at(&DeviceChoice::Auto, &self.roots())
    }

    fn cpu(&self) -> DeviceInfo {
        self.discover().devices.swap_remove(0)
    }
}

fn machine() -> Tree {
    Tree::new()
        .with("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast\u{7} Chip 9000\n")
        .with("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n")
        .with("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-5,8,10-11\n")
}

#[test]
fn a_box_of_which_nothing_is_known_has_a_cpu_all_the_same() {
    let found = Tree::new().discover();
    assert_eq!((found.devices.len(), found.notes.len()), (1, 0), "{found:?}");
    let cpu = &found.devices[0];
    assert_eq!((cpu.id.0.as_str(), cpu.name.as_str(), cpu.memory_mib), ("cpu", "unknown processor", 0));
    assert!(cpu.threads >= 1);
    let broken = Tree::new()
        .with("proc/self/status", "Cpus_allowed_list:\t5-1,x\n")
        .with("proc/self/cgroup", "0\n\n::/../../etc\n4:cpu:\n")
        .with("proc/meminfo", "MemTotal: lots\n")
        .with("proc/cpuinfo", "\u{0}\u{0}");
    assert!(broken.cpu().threads >= 1);
}

#[test]
fn threads_are_those_that_this_process_may_use() {
    let cpu = machine().cpu();
    assert_eq!((cpu.threads, cpu.memory_mib, cpu.name.as_str()), (9, 16_384, "Fast  Chip 9000"));
}

#[test]
fn the_tightest_group_of_version_2_holds() {
    let tree = machine()
        .with("proc/self/cgroup", "0::/pods/one/main\n")
        .with("sys/fs/cgroup/pods/one/main/cpu.max", "max 100000\n")
        .with("sys/fs/cgroup/pods/one/main/memory.max", "2147483648\n")
        .with("sys/fs/cgroup/pods/one/cpu.max", "350000 100000\n")
        .with("sys/fs/cgroup/pods/one/memory.max", "max\n");
    let cpu = tree.cpu();
    assert_eq!((cpu.threads, cpu.memory_mib), (3, 2048));
    // A container that sees its own group as the root, and the path of the host.
    let tree = machine()
        .with("proc/self/cgroup", "0::/../../kubepods/x\n")
        .with("sys/fs/cgroup/cpu.max", "50000 100000\n")
        .with("sys/fs/cgroup/memory.max", "1073741824\n");
    let cpu = tree.cpu();
    assert_eq!((cpu.threads, cpu.memory_mib), (1, 1024));
}

#[test]
fn limits_of_version_1_hold() {
    let tree = machine()
        .with("proc/self/cgroup", "9:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/x\n")
        .with("sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "200000\n")
        .with("sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us", "100000\n")
        .with("sys/fs/cgroup/memory/memory.limit_in_bytes", "4294967296\n");
    let cpu = tree.cpu();
    assert_eq!((cpu.threads, cpu.memory_mib), (2, 4096));
    let unlimited = machine()
        .with("proc/self/cgroup", "9:memory:/\n4:cpu,cpuacct:/\n")
        .with("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
        .with("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
        .with("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    let cpu = unlimited.cpu();
    assert_eq!((cpu.threads, cpu.memory_mib), (9, 16_384));
}

#[test]
fn render_nodes_are_matched_by_who_made_the_chip() {
    let tree = machine()
        .with("proc/sys/kernel/osrelease", "6.1.0\n")
        .with("sys/class/drm/renderD128/device/vendor", "0x8086\n")
        .with("sys/class/drm/renderD128/device/device", "0x46a6\n")
        .with("sys/class/drm/renderD128/device/uevent", "DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0\n")
        .with("sys/class/drm/renderD129/device/vendor", "0x10de\n")
        .with("sys/class/drm/renderD130/device/vendor", "0x1002\n")
        .with("sys/class/drm/renderD130/device/mem_info_vram_total", "17163091968\n")
        .with("sys/class/drm/renderD131/device/uevent", "DRIVER=virtio\n")
        .with("sys/class/drm/card0/device/vendor", "0x8086\n")
        .with("dev/dri/renderD128", "");
    let found = tree.discover();
    let ids: Vec<_> = found.devices.iter().map(|device| device.id.0.as_str()).collect();
    assert_eq!(ids, ["cpu", "vaapi:0000:00:02.0", "vaapi:renderD130"]);
    let (intel, amd) = (&found.devices[1], &found.devices[2]);
    assert_eq!((intel.name.as_str(), intel.driver.as_str()), ("Intel 8086:46a6 at 0000:00:02.0", "i915 6.1.0"));
    assert_eq!(intel.address, tree.roots().dev.join("dri/renderD128").to_string_lossy());
    assert_eq!((amd.memory_mib, amd.kind), (16_368, DeviceKind::Vaapi));
    // The second has no node.
    let notes: Vec<_> = found.notes.iter().map(|note| (note.code.as_str(), note.device.as_ref())).collect();
    assert_eq!(notes, [("device.no_node", Some(&amd.id))]);
}

#[test]
fn signs_of_cuda_without_nvml_are_described() {
    let tree = machine()
        .with(
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu\nGCC: 12.2.0\n",
        )
        .with("proc/driver/nvidia/gpus/0000:05:00.0/information", "Model: \t\t Tesla T4\nGPU UUID: \t GPU-b\n")
        .with("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA L4\nGPU UUID:\t GPU-????????\n");
    let found = tree.discover();
    let told: Vec<_> = found.devices[1..]
        .iter()
        .map(|device| (device.id.0.as_str(), device.name.as_str(), device.address.as_str(), device.encode_engines))
        .collect();
    assert_eq!(told, [("cuda:0", "NVIDIA L4", "0", 2), ("cuda:GPU-b", "Tesla T4", "1", 1)]);
    assert_eq!(found.devices[1].driver, "550.54.14");
    assert_eq!(found.notes[0].code, "device.no_nvml");
    for sign in ["dev/nvidia0", "lib/libcuda.so.1"] {
        let found = machine().with(sign, "").discover();
        assert_eq!((found.devices[1].id.0.as_str(), found.notes.len()), ("cuda:0", 1), "{sign}");
    }
    assert_eq!(machine().with("dev/nvidiactl", "").discover().devices.len(), 1);
}

#[test]
fn a_list_leaves_out_the_others_and_tells_what_is_missing() {
    let tree = machine()
        .with("dev/nvidia0", "")
        .with("sys/class/drm/renderD128/device/vendor", "0x8086\n")
        .with("dev/dri/renderD128", "");
    let ids = |choice: &str| {
        let found = discover_at(&choice.parse().unwrap(), &tree.roots());
        let ids: Vec<_> = found.devices.iter().map(|device| device.id.0.clone()).collect();
        (ids.join(" "), found.is_missing(), found.notes.len())
    };
    assert_eq!(ids("cpu"), ("cpu".into(), false, 0));
    assert_eq!(ids("sim:x"), ("cpu".into(), false, 0));
    assert_eq!(ids("vaapi"), ("cpu vaapi:renderD128".into(), false, 0));
    assert_eq!(ids("VAAPI:RENDERD128".to_lowercase().as_str()), ("cpu vaapi:renderD128".into(), false, 0));
    assert_eq!(ids("vaapi:x"), ("cpu".into(), true, 1));
    assert_eq!(ids("cuda:0,vaapi"), ("cpu cuda:0 vaapi:renderD128".into(), false, 1));
}

/// A library of NVML with two cards. `nvmlDeviceGetMemoryInfo_v2` is missing, as in old drivers.
const NVML: &str = r#"
typedef void *dev;
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { __builtin_strcpy(text, "550.54.14"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, dev *out) { *out = (dev)(long)(i + 1); return 0; }
int nvmlDeviceGetName(dev d, char *text, unsigned n) { __builtin_strcpy(text, (long)d == 1 ? "NVIDIA H200" : "NVIDIA L4"); return 0; }
int nvmlDeviceGetUUID(dev d, char *text, unsigned n) { __builtin_strcpy(text, (long)d == 1 ? "GPU-1" : "GPU-2"); return 0; }
int nvmlDeviceGetMigMode(dev d, unsigned *now, unsigned *next) { *now = *next = (long)d == 1; return 0; }
"#;
/// What the library above lacks.
const MEMORY: &str = r#"
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *d, struct memory *m) { m->total = 24ull << 30; return 0; }
"#;

fn library(tree: &Tree, name: &str, source: &str) -> PathBuf {
    let (c, so) = (tree.0.path().join(format!("{name}.c")), tree.0.path().join(format!("{name}.so")));
    fs::write(&c, source).unwrap();
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(cc).args(["-shared", "-fPIC", "-w", "-o"]).arg(&so).arg(&c).status().unwrap();
    assert!(status.success(), "a C compiler is needed, as for building");
    so
}

#[test]
fn cards_are_described_by_nvml() {
    let tree = machine();
    let roots = Roots { nvml: Some(library(&tree, "whole", &format!("{NVML}{MEMORY}"))), ..tree.roots() };
    let found = discover_at(&DeviceChoice::Auto, &roots);
    let [_, first, second] = found.devices.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.id.0.as_str(), first.name.as_str(), first.address.as_str()), ("cuda:GPU-1", "NVIDIA H200", "0"));
    assert_eq!((first.encode_engines, first.decode_engines, first.driver.as_str()), (0, 7, "550.54.14"));
    assert_eq!((second.id.0.as_str(), second.address.as_str(), second.memory_mib), ("cuda:GPU-2", "1", 24 << 10));
    assert_eq!((second.encode_engines, second.decode_engines, second.kind), (2, 4, DeviceKind::Cuda));
    let notes: Vec<_> = found.notes.iter().map(|note| (note.code.as_str(), note.device.as_ref())).collect();
    assert_eq!(notes, [("device.mig", Some(&first.id))]);
}

#[test]
fn a_driver_that_lacks_a_call_costs_only_what_the_call_tells() {
    let tree = machine();
    let roots = Roots { nvml: Some(library(&tree, "old", NVML)), ..tree.roots() };
    let found = discover_at(&DeviceChoice::Auto, &roots);
    assert_eq!((found.devices.len(), found.devices[1].memory_mib), (3, 0));
    let told: Vec<_> = found.notes.iter().filter(|note| note.code == "device.nvml").collect();
    assert_eq!((told.len(), told[0].message.as_str()), (2, "the driver does not tell its memory of NVIDIA H200"));
    let roots = Roots { nvml: Some(library(&tree, "none", "int unrelated;")), ..tree.roots() };
    assert_eq!(discover_at(&DeviceChoice::Auto, &roots).devices.len(), 1, "a library that is none is as good as none");
}

#[test]
fn what_was_proven_is_remembered_for_the_same_device_driver_and_build() {
    use crate::model::device::{Ability, Built, Verdict};
    let state = tempfile::tempdir().unwrap();
    let mut device = machine().cpu();
    let asked = trials(device.kind);
    let ability = |trial: &Trial| Ability {
        operation: trial.operation,
        codec: trial.codec.to_owned(),
        depth: trial.depth,
        verdict: Verdict::Works,
        size_min: (16, 16),
        size_max: (64, 64),
    };
    let abilities: Vec<_> = asked.iter().map(ability).collect();
    let key = cache::Key::of(&device, "FFmpeg 5.1");
    assert_eq!(cache::read(state.path(), &key, &asked), None);
    let built = Built { release: (5, 1), names: vec!["scale_cuda".to_owned()] };
    cache::write(state.path(), &key, &abilities, &built).unwrap();
    assert_eq!(cache::read(state.path(), &key, &asked), Some((abilities, built)));
    assert_eq!(cache::read(state.path(), &cache::Key::of(&device, "FFmpeg 7.1"), &asked), None);
    assert_eq!(cache::read(state.path(), &key, &asked[1..]), None, "other trials");
    device.driver = "550.54".into();
    assert_eq!(cache::read(state.path(), &cache::Key::of(&device, "FFmpeg 5.1"), &asked), None);
    for entry in fs::read_dir(state.path().join("devices")).unwrap() {
        fs::write(entry.unwrap().path(), b"{ not json").unwrap();
    }
    assert_eq!(cache::read(state.path(), &key, &asked), None, "damage is as good as nothing");
}

#[tokio::test]
async fn an_ability_that_no_trial_is_made_of_is_untried_and_one_that_cannot_be_tried_is_failing() {
    let cpu = machine().cpu();
    let nowhere = Path::new("/no/such/worker");
    assert_eq!(is_sound(nowhere, &cpu, "encode.prores").await, Soundness::Untried);
    assert_eq!(is_sound(nowhere, &cpu, "encode.h264").await, Soundness::Failing);
    assert!(Soundness::Untried.lets_go_on() && Soundness::Sound.lets_go_on() && !Soundness::Failing.lets_go_on());
}
