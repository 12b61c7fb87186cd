//! `reelmill doctor` with the real worker, on a box whose CPU is all that is asked for; and `reelmill devices`.

use crate::fake::Fake;
use crate::sample::{BAD, ENDLESS, GOOD};
use crate::tools::{command, finish, golden, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The program with only what finds its worker in its environment.
fn doctor(arguments: &[&str]) -> crate::tools::Ran {
    let fake = Fake::start();
    let mut command = command(&fake, &[&["doctor"], arguments].concat());
    command.env("REELMILL_WORKER", env!("CARGO_BIN_EXE_reelmill-worker"));
    finish(command)
}

/// The same with what differs from box to box replaced by what it is.
fn masked(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked(value, key))).collect(),
        Value::Array(list) => list.iter().map(|value| masked(value, key)).collect(),
        Value::String(text) if matches!(key, "reelmill" | "ffmpeg" | "name") => {
            assert!(!text.is_empty(), "{key}");
            "TEXT".into()
        }
        Value::Number(_) if matches!(key, "memory_mib" | "threads") => "NUMBER".into(),
        other => other.clone(),
    }
}

#[test]
fn the_cpu_does_all_that_it_is_tried_for() {
    let ran = doctor(&["--devices", "cpu", "--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let text = serde_json::to_string_pretty(&masked(&ran.json(), "")).unwrap() + "\n";
    recorded("doctor.json", &text);
}

/// Compares with what is recorded.
fn recorded(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli").join(name);
    if std::env::var_os("REELMILL_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    for (number, (recorded, said)) in recorded.lines().zip(text.lines()).enumerate() {
        assert_eq!(recorded, said, "tests/golden/cli/{name}:{} (REELMILL_BLESS=1 records it again)", number + 1);
    }
    assert_eq!(recorded, text, "tests/golden/cli/{name} (REELMILL_BLESS=1 records it again)");
}

#[test]
fn every_trial_is_a_line_for_people() {
    let ran = doctor(&["--devices", "cpu"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
    let rows: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[3], ["device", "does", "codec", "bits", "verdict", "why", "what", "to", "do"]);
    for expected in [
        ["cpu", "decode", "h264", "8", "works"],
        ["cpu", "decode", "av1", "10", "works"],
        ["cpu", "decode", "vp9", "8", "works"],
        ["cpu", "filter", "scale", "10", "works"],
        ["cpu", "encode", "hevc", "10", "works"],
        ["cpu", "encode", "opus", "-", "works"],
        ["cpu", "encode", "mp3", "-", "works"],
        ["cpu", "encode", "webp", "8", "works"],
        ["cpu", "decode", "png", "8", "works"],
        ["cpu", "decode", "ac3", "-", "works"],
        ["cpu", "encode", "eac3", "-", "works"],
    ] {
        assert!(rows.iter().any(|row| *row == expected), "{expected:?} in {}", ran.out);
    }
    let brief = doctor(&["--devices", "cpu", "--brief"]);
    let start =
        "cpu works: encode h264 hevc hevc-10 av1 av1-10 vp9 vp9-10 mjpeg png webp aac opus mp3 ac3 eac3; decode h264";
    assert!(brief.status == 0 && brief.out.starts_with(start), "{brief:?}");
    assert_eq!(brief.out.lines().count(), 1);
}

#[test]
fn what_is_measured_is_told_and_kept() {
    let state = std::env::temp_dir().join(format!("reelmill-measured-{}", std::process::id()));
    let ran = doctor(&["--devices", "cpu", "--measure", "--state-dir", state.to_str().unwrap()]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
    let told: Vec<&str> = ran.out.lines().skip_while(|line| !line.contains("Mpx/s")).collect();
    // Numbers differ from box to box, and with them the widths of columns.
    let row = |line: &&str| {
        let mut cells: Vec<&str> = line.split_whitespace().collect();
        let at = cells.len() - 2;
        for cell in &mut cells[at..] {
            *cell = if cell.parse::<f64>().is_ok_and(|rate| rate > 0.0) { "NUMBER" } else { cell };
        }
        cells.join(" ") + "\n"
    };
    let text: String = told.iter().map(row).collect();
    recorded("doctor_measure.txt", &text);
    let kept: Value = serde_json::from_slice(&fs::read(state.join("rates.json")).unwrap()).unwrap();
    assert_eq!(kept["devices"][0]["rates"].as_array().unwrap().len(), told.len() - 1, "{kept}");
    fs::remove_dir_all(state).unwrap();
}

#[test]
fn what_is_asked_for_and_is_not_there_is_the_status() {
    let ran = doctor(&["--devices", "vaapi:0000:ff:1f.7", "--brief"]);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.out.contains("[device.not_found]") && ran.err.contains("[device.not_working]"), "{ran:?}");
    let ran = doctor(&["--devices", "fastest"]);
    assert!(ran.status == 2 && ran.err.contains("auto, cpu, sim:FILE"), "{ran:?}");
}

#[test]
fn a_job_is_explained() {
    let fake = Fake::start();
    golden(&fake, "get-explain", &["get", GOOD, "--explain"]);
    golden(&fake, "get-explain-begins", &["get", ENDLESS, "--explain"]);
    assert_eq!(run(&fake, &["get", BAD, "--explain"]).out, "nothing is placed yet\n");
    let json = run(&fake, &["get", GOOD, "--json"]).json();
    assert_eq!((&json["placements"][2]["actual_device"], &json["placements"][2]["faults"]), (&"cpu".into(), &1.into()));
}

#[test]
fn a_daemon_tells_of_its_devices() {
    let fake = Fake::start();
    golden(&fake, "devices", &["devices"]);
    let json = run(&fake, &["devices", "--json"]).json();
    assert_eq!((&json[0]["id"], &json[0]["memory_mib"]), (&"cpu".into(), &2048.into()));
    assert_eq!(json[0]["abilities"][1]["code"], "device.no_engine");
}
