//! Rates over a restart: one JSON file in the state directory, replaced as a whole.

use super::table::{Kind, Known, Table};
use crate::model::device::RateKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The form that is written, and the only one that is read.
const VERSION: u32 = 1;
/// Largest file that is read, bytes: as many devices and kinds of work as are remembered.
const FILE_BYTES_MAX: u64 = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    devices: Vec<KeptDevice>,
}

#[derive(Serialize, Deserialize)]
struct KeptDevice {
    device: String,
    ffmpeg: String,
    reelmill: String,
    rates: Vec<KeptRate>,
}

#[derive(Serialize, Deserialize)]
struct KeptRate {
    of: RateKey,
    #[serde(flatten)]
    kind: Kind,
}

pub(super) fn path(state: &Path) -> PathBuf {
    state.join("rates.json")
}

/// What a file holds; nothing where there is none.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(path: &Path) -> Result<Table, String> {
    let size = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::default()),
        other => other.map_err(|error| error.to_string())?.len(),
    };
    if size > FILE_BYTES_MAX {
        return Err("it is too large".to_owned());
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if kept.version != VERSION {
        return Err(format!("it is of version {}, and {VERSION} is read", kept.version));
    }
    let device = |kept: KeptDevice| {
        let kinds = kept.rates.into_iter().map(|rate| (rate.of, rate.kind.bounded())).collect();
        (kept.device, Known { ffmpeg: kept.ffmpeg, reelmill: kept.reelmill, passing: false, kinds })
    };
    Ok(Table(kept.devices.into_iter().map(device).collect()))
}

pub(super) fn text(table: &Table) -> Vec<u8> {
    let device = |(name, known): (&String, &Known)| KeptDevice {
        device: name.clone(),
        ffmpeg: known.ffmpeg.clone(),
        reelmill: known.reelmill.clone(),
        rates: known.kinds.iter().map(|(of, kind)| KeptRate { of: of.clone(), kind: *kind }).collect(),
    };
    let devices = table.0.iter().filter(|(_, known)| !known.passing).map(device).collect();
    serde_json::to_vec_pretty(&Kept { version: VERSION, devices }).unwrap_or_default()
}

/// Replaces the file.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}
