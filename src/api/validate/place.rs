//! Where outputs go: nothing may escape, and no two may meet.

use super::found::Found;
use super::path;
use crate::api::settings::Rules;
use crate::model::locator::KEY_BYTES_MAX;
use crate::model::{Locator, Problem};
use std::path::{Component, Path, PathBuf};

/// Bytes kept free for what is written below a destination: packaging, track, the longest name of a segment.
const BELOW_BYTES_MAX: usize = 192;
/// Longest path, bytes, by Linux's PATH_MAX, its end mark not counted.
const PATH_BYTES_MAX: usize = 4095;
/// Longest name in a path, bytes, by Linux's NAME_MAX.
const NAME_BYTES_MAX: usize = 255;

/// A local path: absolute, without steps up or in place, below a root.
pub(super) fn check_path(path: &Path, roots: Option<&[PathBuf]>, code: &str) -> Result<(), Problem> {
    let text = path.to_string_lossy();
    if !path.is_absolute() {
        return Err(Problem::input(code, "the path is relative, and a node has no working directory: give it from /"));
    }
    if text.split('/').any(|part| part == ".." || part == ".") {
        return Err(Problem::input(code, "the path has `.` or `..` in it: write it out"));
    }
    if text.len() > PATH_BYTES_MAX || text.split('/').any(|part| part.len() > NAME_BYTES_MAX) {
        let message = format!("the path is too long: at most {PATH_BYTES_MAX} bytes, and {NAME_BYTES_MAX} a name");
        return Err(Problem::input(code, message));
    }
    match roots {
        Some(roots) if !roots.iter().any(|root| path.starts_with(root)) => {
            let message = "the path is outside the directories that this node allows: see `roots` in its configuration";
            Err(Problem::input("request.root", message))
        }
        _ => Ok(()),
    }
}

/// An object key, or the beginning of keys.
pub(super) fn check_key(key: &str, code: &str) -> Result<(), Problem> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("a key of {} bytes is too long: S3 takes {KEY_BYTES_MAX}", key.len());
        return Err(Problem::input(code, message));
    }
    if key.split('/').any(|part| part == ".." || part == ".") {
        let message = "the key has `.` or `..` for a part, which leads elsewhere in some stores: write it out";
        return Err(Problem::input(code, message));
    }
    Ok(())
}

/// A destination: a directory or a prefix, without a slash at its end.
pub(super) fn destination(text: &str, rules: &Rules) -> Result<Locator, Problem> {
    let refuse = |message: &str| Err(Problem::input("request.destination", message));
    if text.trim().is_empty() {
        return refuse("the destination is missing: give a directory or s3://bucket/prefix");
    }
    match text.parse()? {
        Locator::Http(_) => refuse("nothing is written to web addresses: give a directory or s3://bucket/prefix"),
        Locator::File(path) => {
            check_path(&path, rules.output_roots.as_deref(), "request.destination")?;
            let plain: PathBuf = path.components().collect();
            if plain.components().all(|part| part == Component::RootDir) {
                return refuse("the root directory is no place for an output: give one of its own");
            }
            if plain.as_os_str().len() + BELOW_BYTES_MAX > PATH_BYTES_MAX {
                return refuse("the path is too long: nothing could be written below it");
            }
            Ok(Locator::File(plain))
        }
        Locator::S3 { bucket, key } => {
            check_key(&key, "request.destination")?;
            let key = key.trim_end_matches('/');
            if key.trim_matches(['/', ' ']).is_empty() {
                return refuse("the prefix is blank, and an output is not spread over a whole bucket: give one");
            }
            if key.len() + BELOW_BYTES_MAX > KEY_BYTES_MAX {
                let message = format!("the prefix is too long: at most {} bytes", KEY_BYTES_MAX - BELOW_BYTES_MAX);
                return refuse(&message);
            }
            Ok(Locator::S3 { bucket, key: key.to_owned() })
        }
    }
}

/// Notes outputs that lie at the place of another, or within it. Upper and lower case count as the same, because there
/// are file systems, and stores on them, for which they are. `None` stands for a destination that could not be read.
pub(super) fn check_apart(destinations: &[Option<Locator>], found: &mut Found) {
    let mut seen: Vec<(usize, Vec<String>)> = Vec::new();
    for (index, destination) in destinations.iter().enumerate() {
        let Some(parts) = destination.as_ref().map(parts) else { continue };
        let meets = seen.iter().find(|(_, other)| other.iter().zip(&parts).all(|(a, b)| a == b));
        if let Some((other, others)) = meets {
            let how =
                if others.len() == parts.len() { "the same place as" } else { "a place within or around that of" };
            let message = format!("{how} outputs[{other}]; give each output a place of its own");
            found.add(path(&format!("outputs[{index}].destination")), "request.same_place", message);
        }
        seen.push((index, parts));
    }
}

/// Kind, bucket, and parts of a path, for comparing.
fn parts(locator: &Locator) -> Vec<String> {
    let (head, rest) = match locator {
        Locator::File(path) => ("file".to_owned(), path.to_string_lossy().into_owned()),
        Locator::S3 { bucket, key } => (format!("s3://{bucket}"), key.clone()),
        Locator::Http(address) => ("http".to_owned(), address.clone()),
    };
    let rest = rest.to_lowercase();
    std::iter::once(head).chain(rest.split('/').filter(|part| !part.is_empty()).map(str::to_owned)).collect()
}
