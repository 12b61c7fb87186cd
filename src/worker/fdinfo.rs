//! What the kernel accounts to an open render node: the text of `/proc/self/fdinfo/*`, as the kernel documents it under
//! "DRM client usage stats". Pure.
//!
//! Drivers differ: i915 and amdgpu count nanoseconds an engine class was busy (`drm-engine-*`), xe counts cycles of the
//! class and those that went by in the same time (`drm-cycles-*`, `drm-total-cycles-*`). A class may have several engines
//! (`drm-engine-capacity-*`); busy time is that of all of them together.

use std::collections::BTreeMap;

/// Classes of engines that are kept of one client: drivers have about half a dozen.
const CLASSES_MAX: usize = 32;

/// One client: one opening of the node, however many descriptors it has.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Client {
    pub(super) driver: String,
    /// Device and number: together they name the client.
    pub(super) id: (String, u64),
    pub(super) engines: BTreeMap<String, Engine>,
    /// Resident memory of the device's own, bytes; `None` where the driver does not say.
    pub(super) memory_bytes: Option<u64>,
}

/// One class of engines.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Engine {
    /// Busy time since the client was opened, ns.
    pub(super) busy_ns: Option<u64>,
    /// Busy cycles since then, and those that went by.
    pub(super) cycles: Option<u64>,
    pub(super) total_cycles: Option<u64>,
    /// Engines of the class.
    pub(super) capacity: Option<u64>,
}

/// What a text says; `None` where it is not about a render node, or names no client.
pub(super) fn parse(text: &str) -> Option<Client> {
    let mut client = Client::default();
    let mut known = false;
    let mut memory: BTreeMap<&str, u64> = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match key {
            "drm-driver" => value.clone_into(&mut client.driver),
            "drm-pdev" => value.clone_into(&mut client.id.0),
            "drm-client-id" => {
                client.id.1 = value.parse().ok()?;
                known = true;
            }
            _ => {
                // In this order: the later names are beginnings of the earlier ones.
                if let Some(class) = key.strip_prefix("drm-engine-capacity-") {
                    client.set(class, |engine| engine.capacity = value.parse().ok());
                } else if let Some(class) = key.strip_prefix("drm-engine-") {
                    let ns = value.strip_suffix("ns").and_then(|number| number.trim().parse().ok());
                    client.set(class, |engine| engine.busy_ns = ns);
                } else if let Some(class) = key.strip_prefix("drm-total-cycles-") {
                    client.set(class, |engine| engine.total_cycles = value.parse().ok());
                } else if let Some(class) = key.strip_prefix("drm-cycles-") {
                    client.set(class, |engine| engine.cycles = value.parse().ok());
                } else if let Some((region, bytes)) = region(key).zip(bytes(value)) {
                    memory.insert(region, bytes);
                }
            }
        }
    }
    client.memory_bytes = (!memory.is_empty()).then(|| memory.values().sum());
    (known && !client.driver.is_empty()).then_some(client)
}

impl Client {
    fn set(&mut self, class: &str, change: impl FnOnce(&mut Engine)) {
        if self.engines.len() < CLASSES_MAX || self.engines.contains_key(class) {
            change(self.engines.entry(class.to_owned()).or_default());
        }
    }
}

/// The region of the device's own memory that a line is about: amdgpu's older word, or what is resident there.
fn region(key: &str) -> Option<&str> {
    let region = key.strip_prefix("drm-resident-").or_else(|| key.strip_prefix("drm-memory-"))?;
    let own = region.starts_with("vram") || region.starts_with("local");
    own.then_some(region)
}

/// `12 KiB`; without a unit, bytes.
fn bytes(value: &str) -> Option<u64> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    const I915: &str = "pos:\t0\nflags:\t0100002\nmnt_id:\t21\nino:\t431\ndrm-driver:\ti915\ndrm-client-id:\t7\n\
        drm-pdev:\t0000:00:02.0\ndrm-total-system0:\t137 MiB\ndrm-resident-system0:\t137 MiB\n\
        drm-engine-render:\t25662044495 ns\ndrm-engine-copy:\t0 ns\ndrm-engine-video:\t4500 ns\n\
        drm-engine-capacity-video:\t2\ndrm-engine-video-enhance:\t700 ns\n";
    const XE: &str = "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-total-vram0:\t9 MiB\n\
        drm-resident-vram0:\t8 MiB\ndrm-resident-gtt:\t1 MiB\ndrm-cycles-rcs:\t28257900\n\
        drm-total-cycles-rcs:\t7655183225\ndrm-cycles-vcs:\t100\ndrm-total-cycles-vcs:\t400\n\
        drm-engine-capacity-vcs:\t2\n";
    const AMDGPU: &str = "drm-driver:\tamdgpu\ndrm-client-id:\t11\ndrm-pdev:\t0000:0c:00.0\npasid:\t32770\n\
        drm-memory-vram:\t2048 KiB\ndrm-memory-gtt: \t16 KiB\ndrm-engine-gfx:\t1000 ns\ndrm-engine-enc:\t77 ns\n";

    #[test]
    fn three_drivers_are_understood() {
        let client = parse(I915).unwrap();
        assert_eq!((client.driver.as_str(), client.id.1, client.memory_bytes), ("i915", 7, None));
        let video = client.engines["video"];
        assert_eq!((video.busy_ns, video.capacity, video.cycles), (Some(4500), Some(2), None));
        assert_eq!(client.engines["video-enhance"].busy_ns, Some(700));
        let client = parse(XE).unwrap();
        let video = client.engines["vcs"];
        assert_eq!((video.cycles, video.total_cycles, video.capacity), (Some(100), Some(400), Some(2)));
        assert_eq!(client.memory_bytes, Some(8 << 20));
        let client = parse(AMDGPU).unwrap();
        assert_eq!((client.engines["enc"].busy_ns, client.memory_bytes), (Some(77), Some(2048 << 10)));
        assert!(!client.engines.contains_key("dec"));
    }

    #[test]
    fn other_files_and_broken_lines_are_no_clients() {
        assert_eq!(parse("pos:\t0\nflags:\t02\n"), None);
        assert_eq!(parse("drm-driver:\ti915\n"), None);
        assert_eq!(parse("drm-driver:\ti915\ndrm-client-id:\tx\n"), None);
        let odd = parse("drm-driver:\txe\ndrm-client-id:\t1\ndrm-engine-video:\t12 cows\ndrm-resident-vram0:\t1 TiB\n");
        let odd = odd.unwrap();
        assert_eq!((odd.engines["video"].busy_ns, odd.memory_bytes), (None, None));
    }
}
