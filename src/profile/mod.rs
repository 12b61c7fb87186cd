//! Profiles: named, versioned templates of jobs (FEATURES A12). Read once, at start, with every mistake of every file told
//! by file and line; those of `profiles/` in the repository are in the program.

mod fields;
mod node;
mod read;
mod template;
#[cfg(test)]
mod tests;

pub use template::{OutputTemplate, UploadTemplate};

use crate::model::Problem;
use std::fs;
use std::path::{Path, PathBuf};

/// Most outputs of a profile: as many as a job may have.
pub const OUTPUTS_MAX: usize = 64;
/// Largest file, bytes: a profile of 64 full outputs has a tenth of it.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Most files in a directory: all of them are kept in memory and listed in one answer.
const FILES_MAX: usize = 500;
/// The profiles that every node has.
const SHIPPED: [(&str, &str); 5] = [
    ("profiles/archive.toml", include_str!("../../profiles/archive.toml")),
    ("profiles/audio-only.toml", include_str!("../../profiles/audio-only.toml")),
    ("profiles/mobile.toml", include_str!("../../profiles/mobile.toml")),
    ("profiles/social-portrait.toml", include_str!("../../profiles/social-portrait.toml")),
    ("profiles/web-vod.toml", include_str!("../../profiles/web-vod.toml")),
];

/// A template of jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// What it is for.
    pub description: String,
    /// Its outputs, at least one.
    pub outputs: Vec<OutputTemplate>,
}

/// The profiles of a node, by name, then version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Profiles(Vec<Profile>);

impl Profiles {
    /// The shipped profiles, and those in the `.toml` and `.json` files of `dir`.
    ///
    /// # Errors
    /// Every mistake in every file, each a sentence that begins with file and line: `profile.unreadable`,
    /// `profile.syntax`, `profile.unknown_key`, `profile.value`, `profile.duplicate`, and the planner's own codes.
    pub fn load(dir: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let mut profiles = Self::default();
        let mut problems = Vec::new();
        let mut take = |file: &str, text: &str, problems: &mut Vec<Problem>| match read::profile(file, text) {
            Ok(profile) => problems.extend(profiles.add(file, profile)),
            Err(mistakes) => problems.extend(mistakes),
        };
        for (file, text) in SHIPPED {
            take(file, text, &mut problems);
        }
        for path in dir.map(|dir| files(dir, &mut problems)).unwrap_or_default() {
            match text(&path) {
                Ok(text) => take(&path.display().to_string(), &text, &mut problems),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(profiles) } else { Err(problems) }
    }

    /// All of them, by name, then version.
    pub fn all(&self) -> &[Profile] {
        &self.0
    }

    /// The profile `name@version`, or the newest one called `name`.
    pub fn find(&self, wanted: &str) -> Option<&Profile> {
        match wanted.split_once('@') {
            Some((name, version)) => {
                let version: u32 = version.parse().ok()?;
                self.0.iter().find(|profile| profile.name == name && profile.version == version)
            }
            None => self.0.iter().rfind(|profile| profile.name == wanted),
        }
    }

    fn add(&mut self, file: &str, profile: Profile) -> Option<Problem> {
        let key = |profile: &Profile| (profile.name.clone(), profile.version);
        match self.0.binary_search_by_key(&key(&profile), key) {
            Ok(_) => {
                let message =
                    format!("{file}:1: there is a profile {} already: give it another version", profile.title());
                Some(Problem::input("profile.duplicate", message))
            }
            Err(at) => {
                self.0.insert(at, profile);
                None
            }
        }
    }
}

impl Profile {
    /// `name@version`.
    pub fn title(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The profiles' files of a directory, in the order of their names.
fn files(dir: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(unreadable(dir, &error.to_string()));
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let ours = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml" || ending == "json");
    let mut paths: Vec<PathBuf> = paths.filter(ours).take(FILES_MAX + 1).collect();
    if paths.len() > FILES_MAX {
        problems.push(unreadable(dir, &format!("it holds more than {FILES_MAX} files")));
    }
    paths.sort();
    paths
}

fn text(path: &Path) -> Result<String, Problem> {
    let size = fs::metadata(path).map_err(|error| unreadable(path, &error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(path, &format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &Path, why: &str) -> Problem {
    let message = format!("{}:1: the profile cannot be read: {why}; correct it or take it away", path.display());
    Problem::input("profile.unreadable", message)
}
