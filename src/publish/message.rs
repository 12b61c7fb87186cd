//! What a worker says about a segment, checked: a worker parses hostile bytes, so nothing it says is taken on trust.

use crate::model::ledger::KeyFrame;
use crate::model::{Packaging, Problem};
use crate::wire::v1;
use std::path::{Component, Path};

/// A finished segment in a worker's spool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finished {
    pub(super) track: String,
    pub(super) index: u32,
    pub(super) start: i64,
    pub(super) duration: i64,
    pub(super) frames: u32,
    pub(super) files: Vec<SpooledFile>,
}

/// One file of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SpooledFile {
    pub(super) packaging: Packaging,
    /// One plain name.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) key_frames: Vec<KeyFrame>,
}

impl Finished {
    /// A message as a segment that has exactly one file for each of `packagings`.
    pub(super) fn check(message: v1::Segment, packagings: &[Packaging]) -> Result<Self, Problem> {
        let mut files = Vec::with_capacity(message.files.len());
        for file in message.files {
            files.push(spooled(file)?);
        }
        files.sort_by_key(|file| file.packaging);
        let mut wanted = packagings.to_vec();
        wanted.sort();
        if !files.iter().map(|file| file.packaging).eq(wanted) {
            return Err(broken(&format!("segment {} of {} has the wrong files", message.index, message.track)));
        }
        if message.duration <= 0 || message.start.checked_add(message.duration).is_none() {
            return Err(broken(&format!("segment {} of {} has an impossible time", message.index, message.track)));
        }
        let v1::Segment { track, index, start, duration, frames, .. } = message;
        Ok(Self { track, index, start, duration, frames, files })
    }
}

fn spooled(file: v1::SpoolFile) -> Result<SpooledFile, Problem> {
    let packaging = Packaging::from_name(&file.packaging).ok_or_else(|| broken("it named an unknown packaging"))?;
    let mut parts = Path::new(&file.name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err(broken("it named a file outside its spool"));
    }
    if file.sha256.len() != 64 || !file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(broken("it sent a hash that is none"));
    }
    let inside = |key: &v1::KeyFrame| key.offset.checked_add(key.bytes).is_some_and(|end| end <= file.bytes);
    if !file.key_frames.iter().all(inside) {
        return Err(broken("it named a key frame outside its segment"));
    }
    let key_frame = |key: &v1::KeyFrame| KeyFrame { offset: key.offset, bytes: key.bytes, time: key.time };
    let key_frames = file.key_frames.iter().map(key_frame).collect();
    Ok(SpooledFile { packaging, name: file.name, bytes: file.bytes, sha256: file.sha256, key_frames })
}

/// A worker said what it never may.
pub(super) fn broken(what: &str) -> Problem {
    Problem::bug("worker.protocol", format!("a worker process broke the protocol: {what}; report this"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(packaging: &str, name: &str) -> v1::Segment {
        let file = v1::SpoolFile {
            packaging: packaging.into(),
            name: name.into(),
            bytes: 10,
            sha256: "0".repeat(64),
            key_frames: vec![v1::KeyFrame { offset: 0, bytes: 10, time: 0 }],
        };
        v1::Segment { track: "720p".into(), index: 0, start: 0, duration: 4, frames: 1, files: vec![file] }
    }

    #[test]
    fn only_what_can_be_true_passes() {
        let cmaf = [Packaging::Cmaf];
        assert_eq!(Finished::check(message("cmaf", "a.m4s"), &cmaf).unwrap().files[0].name, "a.m4s");
        for name in ["", ".", "..", "/etc/passwd", "../a", "a/b", "a/.."] {
            assert_eq!(Finished::check(message("cmaf", name), &cmaf).unwrap_err().code, "worker.protocol", "{name}");
        }
        assert!(Finished::check(message("ts", "a"), &cmaf).is_err());
        assert!(Finished::check(message("cmaf", "a"), &[Packaging::Cmaf, Packaging::Ts]).is_err());
        let mut outside = message("cmaf", "a");
        outside.files[0].key_frames[0].bytes = u64::MAX;
        assert!(Finished::check(outside, &cmaf).is_err());
        let mut endless = message("cmaf", "a");
        endless.start = i64::MAX;
        assert!(Finished::check(endless, &cmaf).is_err());
    }
}
