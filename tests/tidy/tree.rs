//! The files of the repository, without what git ignores.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).expect("cargo runs tests with it")
}

/// All text files with one of these endings, or all text files when none is given: path from the root, and content.
pub(crate) fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let ignored: Vec<PathBuf> = fs::read_to_string(root().join(".gitignore"))
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| root().join(line.trim_matches('/')))
        .collect();
    let mut found = Vec::new();
    collect(&root(), &ignored, endings, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no file with {endings:?}");
    found
}

fn collect(directory: &Path, ignored: &[PathBuf], endings: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if ignored.contains(&path) || entry.file_name() == ".git" {
            continue;
        }
        if kind.is_dir() {
            collect(&path, ignored, endings, found);
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !kind.is_file() || !(endings.is_empty() || endings.contains(&ending)) {
            continue;
        }
        if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).unwrap();
            found.push((relative.to_str().unwrap().to_owned(), text));
        }
    }
}
