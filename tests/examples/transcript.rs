//! `examples/grpcurl.md`, command by command against a real daemon. `REELMILL_BLESS=1` writes down what comes, best with
//! `REELMILL_GRPCURL` set to a real grpcurl.

use crate::daemon::Daemon;
use crate::grpcurl;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands for the daemon's address and for the directory with the clip.
const ADDRESS: &str = "127.0.0.1:7443";
const MEDIA: &str = "/media";
/// Members whose values differ from run to run, or from one version of FFmpeg to another.
const VARYING: [&str; 14] = [
    "revision",
    "time",
    "createTime",
    "beginTime",
    "endTime",
    "expireTime",
    "playableTime",
    "bitRate",
    "bytes",
    "sizeBytes",
    "readBytes",
    "storedBytes",
    "duration",
    "encoder",
];

/// A command of the document, and what it is recorded to print.
struct Entry {
    command: String,
    output: String,
}

/// A part of the document.
enum Part {
    Text(String),
    Block(Vec<Entry>),
}

#[test]
fn the_commands_of_the_document_print_what_it_says() {
    let daemon = Daemon::start();
    let path = document();
    let text = fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    // What is written in the document, and what it is in this run.
    let mut names = vec![
        (ADDRESS.to_owned(), daemon.address.to_string()),
        (MEDIA.to_owned(), daemon.media.path().to_str().unwrap().to_owned()),
    ];
    let mut commands = 0;
    for part in parts(&text) {
        let entries = match part {
            Part::Text(line) => {
                written += &line;
                continue;
            }
            Part::Block(entries) => entries,
        };
        for entry in entries {
            let came = run(&entry.command, &entry.output, &mut names);
            if std::env::var_os("REELMILL_BLESS").is_none() {
                compare(&entry, &came);
            }
            written += &format!("$ {}\n{came}", entry.command);
            commands += 1;
        }
    }
    assert!(commands > 12, "{commands} commands");
    if std::env::var_os("REELMILL_BLESS").is_some() {
        fs::write(path, written).unwrap();
    }
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grpcurl.md")
}

/// Takes the document apart. Commands stand in blocks marked `console`, begin with `$ ` and go on over lines while a
/// quote is open or a backslash ends the line.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
            parts.push(Part::Text(format!("{line}\n")));
            if inside {
                parts.push(Part::Block(Vec::new()));
            }
            continue;
        }
        let Some(Part::Block(entries)) = parts.last_mut().filter(|_| inside) else {
            parts.push(Part::Text(format!("{line}\n")));
            continue;
        };
        match (line.strip_prefix("$ "), entries.last_mut()) {
            (Some(command), _) => entries.push(Entry { command: command.to_owned(), output: String::new() }),
            (None, Some(entry)) if entry.output.is_empty() && words(&entry.command).is_none() => {
                entry.command += &format!("\n{line}");
            }
            (None, Some(entry)) => entry.output += &format!("{line}\n"),
            (None, None) => panic!("output before a command: {line}"),
        }
    }
    parts
}

/// The words of a command, by the shell's rules for single quotes and backslashes; none while it is not complete.
fn words(command: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        let word = words.last_mut()?;
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => match characters.next()? {
                '\n' => {}
                escaped => word.push(escaped),
            },
            ' ' | '\n' if !quoted => {
                if !word.is_empty() {
                    words.push(String::new());
                }
            }
            c => word.push(c),
        }
    }
    (!quoted).then(|| words.into_iter().filter(|word| !word.is_empty()).collect())
}

/// Runs a command of the document; gives what it printed in the words of the document.
fn run(command: &str, recorded: &str, names: &mut Vec<(String, String)>) -> String {
    let actual = names.iter().fold(command.to_owned(), |command, (ours, theirs)| command.replace(ours, theirs));
    let mut words = words(&actual).unwrap_or_else(|| panic!("it is not complete: {command}"));
    assert_eq!(words.remove(0), "grpcurl");
    if command.ends_with("/WatchJob") {
        // To the job's end; what is compared is how it looks afterwards.
        grpcurl::run(&words);
    }
    let came = grpcurl::run(&words);
    for (ours, theirs) in ids(recorded).into_iter().zip(ids(&came)) {
        if !names.iter().any(|(known, _)| *known == ours) {
            names.push((ours, theirs));
        }
    }
    names.iter().fold(came, |came, (ours, theirs)| came.replace(theirs, ours))
}

/// Ids of jobs in a text, in order.
fn ids(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    words.filter(is_id).map(str::to_owned).collect()
}

fn compare(entry: &Entry, came: &str) {
    let (recorded, came) = (canonical(&entry.output), canonical(came));
    for (recorded, came) in recorded.lines().zip(came.lines()) {
        assert_eq!(recorded, came, "after `{}` (REELMILL_BLESS=1 records it again)", entry.command);
    }
    assert_eq!(recorded, came, "after `{}` (REELMILL_BLESS=1 records it again)", entry.command);
}

/// An output without what may differ. When an output can be played first depends on how fast segments are stored, so
/// that change is moved to the end, without its state.
fn canonical(output: &str) -> String {
    let mut messages = vec![String::new()];
    // What a job has cost differs each time, down to which stages took a microsecond.
    let mut usage: Option<String> = None;
    for line in output.lines() {
        if let Some(end) = &usage {
            if line.trim_end_matches(',') != *end {
                continue;
            }
            usage = None;
        } else if let Some(before) = line.strip_suffix("\"usage\": {") {
            usage = Some(format!("{before}}}"));
        }
        let message = messages.last_mut().unwrap();
        *message += &format!("{}\n", masked(line));
        if line == "}" {
            messages.push(String::new());
        }
    }
    let (later, now): (Vec<String>, Vec<String>) =
        messages.into_iter().partition(|message| message.contains("\"playable\": true"));
    let later = later.iter().flat_map(|message| message.lines()).filter(|line| !line.contains("\"state\": "));
    now.concat() + &later.map(|line| format!("{line}\n")).collect::<String>()
}

fn masked(line: &str) -> String {
    // How much a span holds depends on the machine.
    if let Some((before, _)) = line.split_once("; holds ") {
        return format!("{before}; holds …");
    }
    let member = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\": "));
    let Some((_, value)) = member.filter(|(name, value)| VARYING.contains(name) && !value.starts_with(['{', '[']))
    else {
        return line.to_owned();
    };
    line.replace(value, if value.ends_with(',') { "…," } else { "…" })
}
