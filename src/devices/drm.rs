//! Devices that are driven by VAAPI: the render nodes of the kernel, matched by who made the chip.

use super::cgroup::read;
use super::{Discovery, Roots, clean};
use crate::model::device::{DeviceId, DeviceInfo, DeviceKind};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Most nodes that are looked at: the kernel numbers them from 128 to 255.
const NODES_MAX: usize = 128;
/// Longest text that is kept, bytes.
const NAME_BYTES_MAX: usize = 64;
/// NVIDIA's number: its nodes are for display, and what drives it is CUDA.
const NVIDIA: u32 = 0x10de;

/// Adds what there is.
pub(super) fn describe(roots: &Roots, found: &mut Discovery) {
    let entries = fs::read_dir(roots.sys.join("class/drm")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| {
        name.strip_prefix("renderD").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    names.sort();
    for name in names.iter().take(NODES_MAX) {
        one(roots, name, found);
    }
}

fn one(roots: &Roots, node: &str, found: &mut Discovery) {
    let device = roots.sys.join("class/drm").join(node).join("device");
    let number = |name: &str| {
        let text = read(&device.join(name))?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    // What has no maker's number is no PCI device: a display of an embedded chip, or a virtual one.
    let Some(vendor) = number("vendor").filter(|vendor| *vendor != NVIDIA) else { return };
    let event = read(&device.join("uevent")).unwrap_or_default();
    let field = |key: &str| {
        let value = event.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.map(|value| clean(value, NAME_BYTES_MAX)).filter(|value| !value.is_empty())
    };
    let slot = field("PCI_SLOT_NAME").unwrap_or_else(|| node.to_owned());
    let module = field("DRIVER").unwrap_or_else(|| "unknown driver".to_owned());
    let kernel = read(&roots.proc.join("sys/kernel/osrelease")).unwrap_or_default();
    let model = format!("{} {:04x}:{:04x}", maker(vendor), vendor, number("device").unwrap_or(0));
    let bytes: Option<u64> = read(&device.join("mem_info_vram_total")).and_then(|text| text.trim().parse().ok());
    let path = roots.dev.join("dri").join(node);
    let info = DeviceInfo {
        id: DeviceId(format!("vaapi:{slot}")),
        kind: DeviceKind::Vaapi,
        name: format!("{model} at {slot}"),
        driver: clean(&format!("{module} {}", kernel.trim()), NAME_BYTES_MAX),
        address: path.to_string_lossy().into_owned(),
        model,
        memory_mib: bytes.unwrap_or(0) >> 20,
        encode_engines: 1,
        decode_engines: 1,
        sessions_counted: false,
        threads: 0,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    };
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(&path) {
        let group = fs::metadata(&path).ok().map(|about| group_name(about.gid(), Path::new("/etc/group")));
        let (code, message, remedy) = refused(&path, &error, group.as_deref());
        found.note(Some(&info.id), code, message, &remedy);
    }
    found.devices.push(info);
}

const fn maker(vendor: u32) -> &'static str {
    match vendor {
        0x8086 => "Intel",
        0x1002 | 0x1022 => "AMD",
        0x1ed5 => "Moore Threads",
        _ => "GPU",
    }
}

/// Why a node cannot be opened, and what to do.
fn refused(path: &Path, error: &io::Error, group: Option<&str>) -> (&'static str, String, String) {
    let node = path.display();
    match (error.kind(), group) {
        (io::ErrorKind::PermissionDenied, Some(group)) => (
            "device.no_permission",
            format!("this user may not open {node}, which belongs to the group {group}"),
            format!("add this user to the group {group} and log in again; in a container, add --group-add {group}"),
        ),
        (io::ErrorKind::NotFound, _) => (
            "device.no_node",
            format!("the kernel has this device, but there is no {node}"),
            format!("in a container, pass it in with --device {node}"),
        ),
        _ => (
            "device.no_permission",
            format!("{node} cannot be opened ({error})"),
            "check the permissions of the node and whether its driver is loaded".to_owned(),
        ),
    }
}

/// The group's name, or its number where it has none here.
fn group_name(gid: u32, groups: &Path) -> String {
    let text = read(groups).unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number.parse() == Ok(gid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_group_to_join() {
        let node = Path::new("/dev/dri/renderD128");
        let (code, message, remedy) = refused(node, &io::ErrorKind::PermissionDenied.into(), Some("render"));
        assert_eq!(code, "device.no_permission");
        assert_eq!(message, "this user may not open /dev/dri/renderD128, which belongs to the group render");
        assert!(remedy.contains("--group-add render"), "{remedy}");
        let (code, _, remedy) = refused(node, &io::ErrorKind::NotFound.into(), None);
        assert_eq!((code, remedy.contains("--device /dev/dri/renderD128")), ("device.no_node", true));
        assert_eq!(refused(node, &io::Error::from_raw_os_error(19), Some("render")).0, "device.no_permission");
    }

    #[test]
    fn groups_are_named_where_they_have_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("group");
        fs::write(&file, "root:x:0:\nrender:x:104:me\nbroken\n").unwrap();
        assert_eq!(group_name(104, &file), "render");
        assert_eq!(group_name(105, &file), "105");
        assert_eq!(group_name(104, &dir.path().join("none")), "104");
    }
}
