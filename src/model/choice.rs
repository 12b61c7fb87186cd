//! Which devices a node may use: the setting `devices`.

use super::device::{DeviceInfo, DeviceKind};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Most entries of a list: more than the devices of any one box.
const LISTED_MAX: usize = 64;

/// Which devices a node may use. The CPU always takes part: it reads, makes sound and packages, whatever encodes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum DeviceChoice {
    /// All that are found.
    #[default]
    Auto,
    /// The CPU alone.
    Cpu,
    /// The CPU, and of what is found these.
    Only(Vec<Wanted>),
    /// The CPU, and simulated devices as this file describes them.
    Simulated(PathBuf),
}

/// An entry of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// All of a kind.
    Kind(DeviceKind),
    /// One device by its id.
    Id(String),
}

impl Wanted {
    /// Whether it means this device.
    pub fn means(&self, device: &DeviceInfo) -> bool {
        match self {
            Self::Kind(kind) => device.kind == *kind,
            Self::Id(id) => device.id.0.eq_ignore_ascii_case(id),
        }
    }
}

impl DeviceChoice {
    /// Whether it lets a device of this kind be used, as far as the kind tells.
    pub fn allows(&self, kind: DeviceKind) -> bool {
        match self {
            Self::Auto => true,
            Self::Cpu | Self::Simulated(_) => kind == DeviceKind::Cpu,
            Self::Only(list) => {
                let same = |wanted: &Wanted| match wanted {
                    Wanted::Kind(listed) => *listed == kind,
                    Wanted::Id(id) => id.split(':').next() == Some(kind.name()),
                };
                kind == DeviceKind::Cpu || list.iter().any(same)
            }
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    /// Reads `auto`, `cpu`, `sim:FILE`, or a list of kinds and ids with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || DeviceChoice::allowed().to_owned();
        if let Some(file) = text.strip_prefix("sim:") {
            return if file.is_empty() { Err(wrong()) } else { Ok(Self::Simulated(PathBuf::from(file))) };
        }
        match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            _ => {}
        }
        let list: Vec<Wanted> =
            text.split(',').map(|entry| wanted(entry.trim())).collect::<Option<_>>().ok_or_else(wrong)?;
        if list.len() > LISTED_MAX { Err(wrong()) } else { Ok(Self::Only(list)) }
    }
}

impl DeviceChoice {
    /// What may be written, as the end of "write …".
    pub const fn allowed() -> &'static str {
        "auto, cpu, sim:FILE, or a list of kinds and ids such as cuda,vaapi:0000:03:00.0"
    }
}

fn wanted(entry: &str) -> Option<Wanted> {
    match entry {
        "cpu" => return Some(Wanted::Kind(DeviceKind::Cpu)),
        "cuda" => return Some(Wanted::Kind(DeviceKind::Cuda)),
        "vaapi" => return Some(Wanted::Kind(DeviceKind::Vaapi)),
        _ => {}
    }
    let (kind, rest) = entry.split_once(':')?;
    let clean = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    (matches!(kind, "cuda" | "vaapi") && clean && !rest.is_empty()).then(|| Wanted::Id(entry.to_owned()))
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::Id(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cpu".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("sim:a,b.toml".parse(), Ok(DeviceChoice::Simulated("a,b.toml".into())));
        let list: DeviceChoice = "cuda, vaapi:0000:03:00.0,cpu".parse().unwrap();
        let ids = [
            Wanted::Kind(DeviceKind::Cuda),
            Wanted::Id("vaapi:0000:03:00.0".to_owned()),
            Wanted::Kind(DeviceKind::Cpu),
        ];
        assert_eq!(list, DeviceChoice::Only(ids.to_vec()));
        for wrong in ["", "gpu", "cuda,", "cuda:", "sim:", "auto,cuda", "cuda:a b", "nvidia:0"] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
        assert!(vec!["cuda"; 65].join(",").parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn the_cpu_is_always_allowed() {
        for text in ["auto", "cpu", "cuda", "vaapi:x", "sim:f"] {
            assert!(text.parse::<DeviceChoice>().unwrap().allows(DeviceKind::Cpu), "{text}");
        }
        let vaapi: DeviceChoice = "vaapi:x".parse().unwrap();
        assert!(vaapi.allows(DeviceKind::Vaapi) && !vaapi.allows(DeviceKind::Cuda));
        assert!(!DeviceChoice::Cpu.allows(DeviceKind::Cuda));
    }
}
