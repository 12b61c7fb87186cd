//! What devices were found to do, kept in the state directory so that a start is quick.
//!
//! One file a device. It counts only for the same device, driver, FFmpeg, version of ours and list of trials; a file that
//! cannot be read is as good as none.

use super::Trial;
use crate::model::device::{Ability, Built, DeviceInfo};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that is read, bytes: a hundred abilities with reasons.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Where the files lie in the state directory.
const DIRECTORY: &str = "devices";

/// What an answer holds for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    device: String,
    name: String,
    driver: String,
    address: String,
    ffmpeg: String,
    reelmill: String,
}

impl Key {
    pub(super) fn of(device: &DeviceInfo, ffmpeg: &str) -> Self {
        Self {
            device: device.id.0.clone(),
            name: device.name.clone(),
            driver: device.driver.clone(),
            address: device.address.clone(),
            ffmpeg: ffmpeg.to_owned(),
            reelmill: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn path(&self, state: &Path) -> PathBuf {
        // By hash, since an id may hold what no file name may.
        let hash = Sha256::digest(self.device.as_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        state.join(DIRECTORY).join(format!("{name}.json"))
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: Key,
    // Without it the file is from before it was kept, and as good as none.
    built: Built,
    abilities: Vec<Ability>,
}

/// What is remembered of a device for these trials, if anything that still holds.
pub(super) fn read(state: &Path, key: &Key, asked: &[Trial]) -> Option<(Vec<Ability>, Built)> {
    let path = key.path(state);
    if fs::metadata(&path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let same = kept.abilities.len() == asked.len()
        && kept.abilities.iter().zip(asked).all(|(ability, trial)| {
            (ability.operation, ability.codec.as_str(), ability.depth) == (trial.operation, trial.codec, trial.depth)
        });
    (same && kept.key == *key).then_some((kept.abilities, kept.built))
}

/// Remembers what a device does, and what the FFmpeg that drives it is built with.
pub(super) fn write(state: &Path, key: &Key, abilities: &[Ability], built: &Built) -> io::Result<()> {
    let path = key.path(state);
    fs::create_dir_all(state.join(DIRECTORY))?;
    let kept = Kept { key: key.clone(), built: built.clone(), abilities: abilities.to_vec() };
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(&kept)?)?;
    fs::rename(&new, &path)
}
