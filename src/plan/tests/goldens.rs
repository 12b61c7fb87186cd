//! Plans as JSON against `tests/golden/plan/`; re-recorded with `REELMILL_BLESS=1`.

use super::cases;
use crate::plan::{Node, plan};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[test]
fn plans_are_as_recorded() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan");
    let bless = std::env::var_os("REELMILL_BLESS").is_some();
    let mut failures = String::new();
    for (name, facts, request) in cases::all() {
        let plan = plan(&facts, &request, &Node { threads: 8 }).unwrap();
        let got = serde_json::to_string_pretty(&plan).unwrap() + "\n";
        let path = dir.join(format!("{name}.json"));
        if bless {
            fs::create_dir_all(&dir).unwrap();
            fs::write(&path, &got).unwrap();
        }
        let want = fs::read_to_string(&path).unwrap_or_default();
        if want != got {
            write!(failures, "{name}:\n{}", difference(&want, &got)).unwrap();
        }
    }
    assert!(failures.is_empty(), "plans differ from tests/golden/plan (REELMILL_BLESS=1 records them)\n{failures}");
}

#[test]
fn every_golden_has_its_case() {
    let names: Vec<String> = cases::all().iter().map(|(name, ..)| format!("{name}.json")).collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plan")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file), "{file} belongs to no case");
    }
}

/// The lines between the common start and the common end.
fn difference(want: &str, got: &str) -> String {
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
