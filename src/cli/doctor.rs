//! `reelmill doctor`: what devices this box has and what each can really do, without a daemon.

use super::tables::plain;
use super::{Ended, paces, print, print_json};
use crate::devices::{self, Note, is_of_use, prove, trials};
use crate::model::choice::Wanted;
use crate::model::device::{Ability, DeviceInfo, DeviceKind, Verdict};
use crate::model::{DeviceChoice, Problem};
use crate::report::text::table;
use crate::supervise::find_program;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `reelmill doctor`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct DoctorArgs {
    /// Devices to try beside the CPU: auto, cpu, sim:FILE, or a list of kinds and ids
    #[arg(long, value_name = "LIST", default_value = "auto", value_parser = choice)]
    devices: DeviceChoice,
    /// One line a device
    #[arg(long, conflicts_with = "json")]
    brief: bool,
    /// Measure how fast each one is too: some seconds a device, on which nothing else should run
    #[arg(long, conflicts_with = "brief")]
    measure: bool,
    /// Where a daemon keeps its state: what is measured is kept there for it
    #[arg(long, value_name = "DIR", requires = "measure")]
    state_dir: Option<PathBuf>,
    /// Everything as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The setting on a command line.
pub(super) fn choice(text: &str) -> Result<DeviceChoice, String> {
    text.parse().map_err(|allowed| format!("write {allowed}"))
}

/// All that is found out, as `--json` prints it.
#[derive(Serialize)]
struct Findings {
    reelmill: &'static str,
    ffmpeg: String,
    /// Everything that was asked for works.
    works: bool,
    devices: Vec<Shown>,
    /// What was measured, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rates: Vec<paces::Pace>,
    notes: Vec<Note>,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    kind: &'static str,
    name: String,
    driver: String,
    address: String,
    model: String,
    memory_mib: u64,
    encode_engines: u32,
    decode_engines: u32,
    sessions_counted: bool,
    threads: u32,
    simulated: bool,
    works: bool,
    abilities: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    operation: &'static str,
    codec: String,
    depth: u8,
    verdict: &'static str,
    code: String,
    reason: String,
    remedy: String,
}

/// Tries everything and tells.
pub(super) async fn run(args: DoctorArgs) -> Result<Ended, Vec<Problem>> {
    let findings = examine(&args).await.map_err(|problem| vec![problem])?;
    if args.json {
        print_json(&findings).map_err(|problem| vec![problem])?;
    } else if args.brief {
        print(&brief(&findings));
    } else {
        print(&full(&findings));
    }
    if findings.works {
        return Ok(Ended::Done);
    }
    let message = "a device that is to be used does not work; the lines with `no` say why and what to do";
    Ok(Ended::With(Problem::device("device.not_working", message)))
}

async fn examine(args: &DoctorArgs) -> Result<Findings, Problem> {
    let choice = &args.devices;
    let worker = find_program()?;
    let mut found = devices::found(choice).await?;
    let mut ffmpeg = String::new();
    for device in found.devices.iter_mut().filter(|device| !device.simulated) {
        let proof = prove(&worker, device, &trials(device.kind)).await?;
        device.abilities = proof.abilities;
        if ffmpeg.is_empty() {
            ffmpeg = proof.ffmpeg;
        }
    }
    let rates = if args.measure {
        paces::of(&worker, choice, &found.devices, args.state_dir.as_deref()).await?
    } else {
        Vec::new()
    };
    let asked = |device: &&DeviceInfo| device.kind == DeviceKind::Cpu || is_asked_for(choice, device);
    let works = !found.is_missing() && found.devices.iter().filter(asked).all(is_of_use);
    let devices = found.devices.into_iter().map(shown).collect();
    Ok(Findings { reelmill: env!("CARGO_PKG_VERSION"), ffmpeg, works, devices, rates, notes: found.notes })
}

/// Whether somebody relies on it: what is only found may be as broken as it likes.
fn is_asked_for(choice: &DeviceChoice, device: &DeviceInfo) -> bool {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => false,
        DeviceChoice::Only(list) => list.iter().any(|wanted: &Wanted| wanted.means(device)),
        DeviceChoice::Simulated(_) => true,
    }
}

fn shown(device: DeviceInfo) -> Shown {
    Shown {
        works: is_of_use(&device),
        id: device.id.0,
        kind: device.kind.name(),
        name: device.name,
        driver: device.driver,
        address: device.address,
        model: device.model,
        memory_mib: device.memory_mib,
        encode_engines: device.encode_engines,
        decode_engines: device.decode_engines,
        sessions_counted: device.sessions_counted,
        threads: device.threads,
        simulated: device.simulated,
        abilities: device.abilities.into_iter().map(row).collect(),
    }
}

fn row(ability: Ability) -> Row {
    let (verdict, code, reason, remedy) = match ability.verdict {
        Verdict::Works => ("works", String::new(), String::new(), String::new()),
        Verdict::No { code, reason, remedy } => ("no", code, reason, remedy),
        Verdict::Untried => ("untried", String::new(), String::new(), String::new()),
    };
    Row {
        operation: ability.operation.name(),
        codec: ability.codec,
        depth: ability.depth,
        verdict,
        code,
        reason,
        remedy,
    }
}

/// A heading for each device and a line for each ability.
fn full(findings: &Findings) -> String {
    let mut text = format!("reelmill {}, {}\n", findings.reelmill, plain(&findings.ffmpeg));
    for device in &findings.devices {
        text += &format!("\n{}\n", heading(device));
        let mut rows =
            vec![["device", "does", "codec", "bits", "verdict", "why", "what to do"].map(str::to_owned).to_vec()];
        rows.extend(device.abilities.iter().map(|row| line(&device.id, row)));
        if device.abilities.is_empty() {
            text += "  nothing was tried\n";
        } else {
            text += &table(&rows);
        }
    }
    if !findings.rates.is_empty() {
        text += &format!("\n{}", paces::shown(&findings.rates));
    }
    text + &notes(&findings.notes)
}

fn heading(device: &Shown) -> String {
    let mut parts = vec![device.name.clone()];
    if device.threads > 0 {
        parts.push(format!("{} threads", device.threads));
    }
    if device.memory_mib > 0 {
        parts.push(format!("{} MiB", device.memory_mib));
    }
    if !device.driver.is_empty() {
        parts.push(format!("driver {}", device.driver));
    }
    if device.kind != "cpu" {
        parts.push(format!("engines: {} encode, {} decode", device.encode_engines, device.decode_engines));
    }
    if device.simulated {
        parts.push("simulated".to_owned());
    }
    plain(&format!("{}: {}", device.id, parts.join(", ")))
}

fn line(device: &str, row: &Row) -> Vec<String> {
    let depth = if row.depth == 0 { "-".to_owned() } else { row.depth.to_string() };
    let why = if row.code.is_empty() { String::new() } else { format!("{} [{}]", row.reason, row.code) };
    let cells = [device, row.operation, &row.codec, &depth, row.verdict, &why, &row.remedy];
    cells.map(plain).to_vec()
}

/// One line a device: what works, then how much does not.
fn brief(findings: &Findings) -> String {
    let mut text = String::new();
    for device in &findings.devices {
        let mut parts: Vec<String> = Vec::new();
        for operation in ["encode", "decode", "filter"] {
            let works = device.abilities.iter().filter(|row| row.operation == operation && row.verdict == "works");
            let names: Vec<_> = works
                .map(|row| if row.depth > 8 { format!("{}-{}", row.codec, row.depth) } else { row.codec.clone() })
                .collect();
            if !names.is_empty() {
                parts.push(format!("{operation} {}", names.join(" ")));
            }
        }
        let not = device.abilities.iter().filter(|row| row.verdict == "no").count();
        if not > 0 {
            parts.push(format!("no to {not}"));
        }
        let state = if device.works { "works" } else { "does not work" };
        text += &plain(&format!("{} {state}: {}", device.id, parts.join("; ")));
        text.push('\n');
    }
    text + &notes(&findings.notes)
}

fn notes(notes: &[Note]) -> String {
    let line = |note: &Note| {
        let about = note.device.as_ref().map_or(String::new(), |device| format!("{device}: "));
        plain(&format!("note: {about}{}; {} [{}]", note.message, note.remedy, note.code)) + "\n"
    };
    notes.iter().map(line).collect()
}
