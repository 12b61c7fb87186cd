//! Plans as JSON against `tests/golden/plan/`; re-recorded with `REELMILL_BLESS=1`.

use super::cases;
use crate::model::Plan;
use crate::plan::{Node, plan};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[test]
fn plans_are_as_recorded() {
    let recorded = |(name, facts, request): cases::Case| {
        let mut plan = plan(&facts, &request, &Node { threads: 8 }).unwrap();
        forget_source(&mut plan);
        (format!("{name}.json"), serde_json::to_string_pretty(&plan).unwrap() + "\n")
    };
    check("tests/golden/plan", cases::all().into_iter().map(recorded).collect());
}

/// Takes out what only repeats the facts; `tests/golden/place` has it.
pub(super) fn forget_source(plan: &mut Plan) {
    if let Some(video) = &mut plan.video {
        video.source = None;
    }
}

/// Compares texts with the files of a directory, which holds no others; with `REELMILL_BLESS` it writes them first.
pub(in crate::plan) fn check(directory: &str, texts: Vec<(String, String)>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let bless = std::env::var_os("REELMILL_BLESS").is_some();
    let mut failures = String::new();
    for (name, got) in &texts {
        let path = dir.join(name);
        if bless {
            fs::create_dir_all(&dir).unwrap();
            fs::write(&path, got).unwrap();
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        if want != *got {
            write!(failures, "{name}:\n{}", difference(&want, got)).unwrap();
        }
    }
    assert!(failures.is_empty(), "plans differ from {directory} (REELMILL_BLESS=1 records them)\n{failures}");
    for entry in fs::read_dir(dir).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(texts.iter().any(|(name, _)| *name == file), "{directory}/{file} belongs to no case");
    }
}

/// The lines between the common start and the common end.
pub(super) fn difference(want: &str, got: &str) -> String {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let start = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let end = want[start..].iter().rev().zip(got[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = format!("  from line {}\n", start + 1);
    for (sign, lines) in [('-', &want[start..want.len() - end]), ('+', &got[start..got.len() - end])] {
        for line in lines.iter().take(20) {
            writeln!(text, "  {sign}{line}").unwrap();
        }
    }
    text
}
