//! `reelmill-sim`: runs the simulated day, prints what it came to, and says whether the aims were met.

use reelmill_sim::faults::{FAULT_NAMES, Faults};
use reelmill_sim::{Outcome, Scenario, World, log, report};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "\
reelmill-sim: a simulated day of the scheduler

  --scenario NAME   overload (135% of the bound) or normal (70%); without it both, one after the other
  --devices N       devices of the fleet (10000)
  --hours H         how long jobs arrive (24)
  --load PERCENT    offered load, of the bound, instead of the scenario's
  --seed N          what chance starts from (1)
  --faults LIST     all, none, or names with commas between
  --check           end with status 1 when an aim is missed
  --write           put the table into docs/BENCHMARKS.md
  --record FILE     write the log of decisions, of one scenario
  --quiet           do not tell each simulated hour on standard error
  --replay FILE     tell a log of decisions to a new scheduler and compare; nothing is simulated
";
const DOCUMENT: &str = "docs/BENCHMARKS.md";

/// What the command line asks for.
struct Options {
    scenarios: Vec<(&'static str, f64, f64)>,
    devices: usize,
    hours: f64,
    load: Option<f64>,
    seed: u64,
    faults: Faults,
    check: bool,
    write: bool,
    quiet: bool,
    record: Option<String>,
    replay: Option<String>,
}

/// Name, offered load in percent, swing over the day. Under overload the load stays above the bound at night too.
const SCENARIOS: [(&str, f64, f64); 2] = [("overload", 135.0, 0.2), ("normal", 70.0, 0.4)];

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return print(&format!("{USAGE}\nFaults: {}\n", FAULT_NAMES.join(", "))),
        Err(error) => return fail(&error),
    };
    match &options.replay {
        Some(path) => replay(path),
        None => simulate(&options),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        scenarios: SCENARIOS.to_vec(),
        devices: 10_000,
        hours: 24.0,
        load: None,
        seed: 1,
        faults: Faults::ALL,
        check: false,
        write: false,
        quiet: false,
        record: None,
        replay: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--scenario" => {
                let name = value()?;
                options.scenarios.retain(|(known, _, _)| *known == name);
                if options.scenarios.is_empty() {
                    return Err(format!("no scenario is called `{name}`"));
                }
            }
            "--devices" => options.devices = number(&value()?, 1.0, 1_000_000.0)? as usize,
            "--hours" => options.hours = number(&value()?, 0.1, 24.0 * 7.0)?,
            "--load" => options.load = Some(number(&value()?, 1.0, 1000.0)?),
            "--seed" => options.seed = number(&value()?, 0.0, 1e15)? as u64,
            "--faults" => options.faults = Faults::parse(&value()?)?,
            "--check" => options.check = true,
            "--write" => options.write = true,
            "--quiet" => options.quiet = true,
            "--record" => options.record = Some(value()?),
            "--replay" => options.replay = Some(value()?),
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("`{other}` is not known; --help lists what is")),
        }
    }
    if options.record.is_some() && options.scenarios.len() > 1 {
        return Err("--record is for one scenario: name it with --scenario".to_owned());
    }
    Ok(Some(options))
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("{text} is not between {least} and {most}")) }
}

fn simulate(options: &Options) -> ExitCode {
    let (mut outcomes, mut missed): (Vec<(&str, Outcome)>, bool) = (vec![], false);
    for (name, load, swing) in &options.scenarios {
        let began = Instant::now();
        let outcome = match run(options, name, options.load.unwrap_or(*load), *swing) {
            Ok(outcome) => outcome,
            Err(error) => return fail(&error.to_string()),
        };
        print(&format!("{name}, simulated in {:.0} s\n{}", began.elapsed().as_secs_f64(), report::text(&outcome)));
        for sentence in report::missed(&outcome, !cfg!(debug_assertions)) {
            missed = true;
            print(&format!("missed: {sentence}\n"));
        }
        print("\n");
        outcomes.push((name, outcome));
    }
    if options.write
        && let Err(error) = write(&outcomes)
    {
        return fail(&format!("{DOCUMENT}: {error}"));
    }
    if options.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(options: &Options, name: &'static str, load: f64, swing: f64) -> io::Result<Outcome> {
    let record = match &options.record {
        Some(path) => Some(Box::new(BufWriter::new(File::create(path)?)) as Box<dyn Write>),
        None => None,
    };
    let Options { seed, devices, hours, faults, .. } = *options;
    let mut world = World::new(Scenario { seed, devices, hours, load, swing, faults }, record)?;
    if !options.quiet {
        let began = Instant::now();
        world = world.telling(Box::new(move |hour, starts| {
            let passed = began.elapsed().as_secs();
            let _ = writeln!(io::stderr(), "{name}: hour {hour} of {hours}: {starts} spans started, after {passed} s");
        }));
    }
    world.run()
}

fn write(outcomes: &[(&str, Outcome)]) -> io::Result<()> {
    let runs: Vec<(&str, &Outcome)> = outcomes.iter().map(|(name, outcome)| (*name, outcome)).collect();
    let document = fs::read_to_string(DOCUMENT)?;
    let written = report::replaced(&document, &report::table(&runs));
    fs::write(DOCUMENT, written.ok_or_else(|| io::Error::other("the markers of the simulation are not there"))?)
}

fn replay(path: &str) -> ExitCode {
    let found = File::open(path).map_err(|error| error.to_string());
    match found.and_then(|file| log::replay(BufReader::new(file))) {
        Ok(found) => print(&format!("{} events, {} actions, all as recorded\n", found.events, found.actions)),
        Err(error) => fail(&format!("{path}: {error}")),
    }
}

/// Writes to standard output; one who no longer reads is no error.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "reelmill-sim: {text}");
    ExitCode::from(2)
}
