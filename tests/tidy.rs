//! What a machine can check about the code base: walls, sizes, names, promises. Each test names the file and the line.
#![cfg(test)]

#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use source::rust_sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tree::{root, texts};

/// What each module may use, from the map in `src/lib.rs`. A module that is not here must be added, with thought.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("sys", &["model"]),
    ("net", &["model"]),
    ("input", &["model", "net", "wire"]),
    ("plan", &["model"]),
    ("package", &["model"]),
    ("publish", &["model", "package", "store", "sys", "wire"]),
    ("report", &["devices", "model", "plan", "publish", "store", "usage", "wire"]),
    ("store", &["model"]),
    ("usage", &["model", "wire"]),
    ("outbox", &["model", "net", "report", "store"]),
    ("simulate", &["model", "wire"]),
    ("supervise", &["input", "model", "simulate", "sys", "wire"]),
    ("devices", &["input", "model", "plan", "simulate", "supervise", "wire"]),
    (
        "dispatch",
        &[
            "devices",
            "input",
            "model",
            "net",
            "package",
            "plan",
            "publish",
            "report",
            "simulate",
            "store",
            "supervise",
            "usage",
            "wire",
        ],
    ),
    ("profile", &["model", "plan"]),
    ("api", &["dispatch", "model", "plan", "profile", "report", "store", "usage"]),
    ("buckets", &["dispatch", "input", "model", "publish"]),
    ("play", &["model", "package"]),
    ("config", &["model"]),
    (
        "serve",
        &[
            "api",
            "buckets",
            "config",
            "devices",
            "dispatch",
            "input",
            "model",
            "net",
            "outbox",
            "profile",
            "publish",
            "report",
            "simulate",
            "store",
            "supervise",
            "usage",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "config",
            "devices",
            "dispatch",
            "input",
            "model",
            "package",
            "plan",
            "play",
            "publish",
            "report",
            "serve",
            "simulate",
            "store",
            "supervise",
        ],
    ),
    ("av", &["model", "sys"]),
    ("pipeline", &["av", "model", "package", "sys"]),
    ("worker", &["av", "model", "package", "pipeline", "sys", "wire"]),
];
/// Modules that only the worker's program may use: they stand on FFmpeg.
const WORKER_SIDE: [&str; 3] = ["av", "pipeline", "worker"];
/// Where `unsafe` may stand: FFmpeg, and the few system calls.
const UNSAFE_HOMES: [&str; 2] = ["src/av/", "src/sys/"];
/// Most lines in a source file.
const LINES_MAX: usize = 500;

#[test]
fn unsafe_code_stays_in_its_two_homes() {
    let mut found = Vec::new();
    for source in rust_sources().iter().filter(|s| !UNSAFE_HOMES.iter().any(|home| s.path.starts_with(home))) {
        found.extend(source.words("unsafe").map(|at| source.place(at)));
    }
    none("`unsafe` outside src/av and src/sys", &found);
}

#[test]
fn dependencies_point_one_way() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut found = Vec::new();
    for source in rust_sources() {
        let Some(module) = source.module() else { continue };
        let Some(allowed) = table.get(module) else {
            found.push(format!("{}: module `{module}` is not in the table of tests/tidy.rs", source.path));
            continue;
        };
        for (at, used) in source.used_modules("crate::") {
            if used != module && table.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                found.push(format!("{}: `{module}` must not use `{used}`", source.place(at)));
            }
        }
    }
    none("dependencies against the direction of the design", &found);
}

#[test]
fn programs_stay_on_their_side_of_the_wall() {
    let mut found = Vec::new();
    for source in rust_sources().iter().filter(|s| s.path == "src/bin/reelmill.rs") {
        for (at, used) in source.used_modules("reelmill::") {
            if WORKER_SIDE.contains(&used.as_str()) {
                found.push(format!("{}: the daemon's program must not use `{used}`", source.place(at)));
            }
        }
    }
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for (module, uses) in MAY_USE.iter().filter(|(module, _)| !WORKER_SIDE.contains(module)) {
        for used in uses.iter().filter(|used| WORKER_SIDE.contains(used) || !table.contains_key(**used)) {
            found.push(format!("tests/tidy.rs: the table lets `{module}` use `{used}`"));
        }
    }
    none("FFmpeg on the daemon's side", &found);
}

#[test]
fn code_outside_tests_does_not_unwrap() {
    let mut found = Vec::new();
    let homes = ["src/", "scheduler/src/", "sim/src/", "storage-s3/src/"];
    for source in rust_sources().iter().filter(|s| homes.iter().any(|home| s.path.starts_with(home))) {
        found.extend(source.find(".unwrap()").map(|at| source.place(at)));
    }
    none("unwrap() outside tests", &found);
}

#[test]
fn sources_are_small_and_introduce_themselves() {
    let mut found = Vec::new();
    for (path, text) in texts(&["rs", "ts", "mjs", "proto", "py", "sh", "css", "html"]) {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
        if path.ends_with(".rs") && !text.starts_with("//! ") {
            found.push(format!("{path}: does not start with a `//!` sentence"));
        }
    }
    none("sources that are too long or say nothing", &found);
}

#[test]
fn white_space_is_clean() {
    let mut found = Vec::new();
    for (path, text) in
        texts(&["rs", "ts", "mjs", "proto", "py", "sh", "css", "html", "md", "toml", "json", "yml", "yaml"])
    {
        for (number, line) in text.lines().enumerate() {
            if line.contains('\t') || line.ends_with([' ', '\r']) {
                found.push(format!("{path}:{}: tab or trailing space", number + 1));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            found.push(format!("{path}: must end with one newline"));
        }
    }
    none("untidy white space", &found);
}

#[test]
fn no_file_names_a_registry_host_or_a_directory_of_one_machine() {
    let hosts = [
        concat!("registry.", "npmjs.org"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("deb.", "debian.org"),
        concat!("pypi.", "org"),
    ];
    let directories = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tmp/", "wt")];
    let mut found = Vec::new();
    for (path, text) in texts(&[]) {
        for (number, line) in text.lines().enumerate() {
            let starts_word =
                |at: usize| !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "._-}*".contains(c));
            let host = hosts.iter().find(|host| line.contains(*host));
            let directory = directories.iter().find(|dir| line.match_indices(*dir).any(|(at, _)| starts_word(at)));
            found.extend(host.or(directory).map(|what| format!("{path}:{}: {what}", number + 1)));
        }
    }
    none("names that hold on one machine or network only", &found);
}

#[test]
fn every_problem_code_is_in_the_specification() {
    let specification = specification();
    let rows = specification.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<&str> = rows.map(|(code, _)| code).collect();
    assert!(documented.contains("source.empty"), "the table of codes was not found");
    let classes: BTreeSet<&str> = documented.iter().filter_map(|code| code.split_once('.')).map(|(c, _)| c).collect();
    let mut found = Vec::new();
    for source in rust_sources().iter().filter(|s| s.path.starts_with("src/")) {
        for (at, literal) in source.literals() {
            let Some((class, rest)) = literal.split_once('.') else { continue };
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let is_file = ["json", "mp4", "ts", "rs", "sock", "proto", "tmp"].contains(&rest);
            let is_code = plain(class) && plain(rest) && !is_file;
            if is_code && (classes.contains(class) || source.starts_problem(at)) && !documented.contains(literal) {
                found.push(format!("{}: `{literal}`", source.place(at)));
            }
        }
    }
    none("problem codes that docs/SPECIFICATION.md does not list", &found);
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let sources = rust_sources();
    let exists = |name: &str| sources.iter().any(|source| source.has_function(name));
    let specification = specification();
    let mut found = Vec::new();
    for (number, line) in specification.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        for token in line.split('`').skip(1).step_by(2) {
            let missing = match token.rsplit_once("::") {
                Some((_, function)) => !exists(function),
                None => token.starts_with("tests/") && !root().join(token).exists(),
            };
            if missing {
                found.push(format!("docs/SPECIFICATION.md:{}: there is no `{token}`", number + 1));
            }
        }
    }
    none("promises whose test is not there", &found);
}

#[test]
fn every_link_between_documents_resolves() {
    let mut found = Vec::new();
    for (path, text) in texts(&["md"]) {
        let beside = root().join(&path).parent().map(|dir| dir.to_path_buf()).unwrap_or_default();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if !target.contains("://") && !file.is_empty() && !beside.join(file).exists() {
                found.push(format!("{path}: {target}"));
            }
        }
    }
    for (path, text) in texts(&[]) {
        for (at, _) in text.match_indices("docs/") {
            let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && !"/_.-".contains(c));
            let mention = text[at..].get(..end.unwrap_or(text.len() - at)).unwrap_or_default().trim_end_matches('.');
            let inside_path = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if mention.ends_with(".md") && !inside_path && !root().join(mention).exists() {
                found.push(format!("{path}: {mention}"));
            }
        }
    }
    none("links to nowhere", &found);
}

fn specification() -> String {
    fs::read_to_string(root().join("docs/SPECIFICATION.md")).unwrap()
}

/// Fails with the list of findings, one a line.
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}\n", found.join("\n  "));
}
