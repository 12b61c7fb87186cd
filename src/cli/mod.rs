//! The command line: `reelmill transcode`, `probe`, `plan`, `play`, `doctor` on this machine; `serve`, the daemon; its clients.
//!
//! The exit status is that of the fault class ([`crate::model::Fault::exit_code`]), 0 for success. An error is one line
//! on standard error, `reelmill: <sentence> [code]`; with `--json` also an `error` object on standard output. A client
//! that did what it was asked and has to tell of a job that failed takes the job's class for its exit status.

mod client;
mod doctor;
mod health;
mod options;
mod paces;
mod plan;
mod probe;
mod serve;
mod signals;
mod tables;
mod transcode;
mod usage;

use crate::model::Problem;
use crate::play;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads of the runtime: the daemon moves messages and renames files; workers do the work.
const RUNTIME_THREADS: usize = 2;
/// How long the end may wait for a thread that is stuck in a write.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Turns a video into an adaptive ladder in HLS, CMAF and DASH.
#[derive(Parser, Debug)]
#[command(name = "reelmill", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a ladder of a file
    Transcode(Box<transcode::TranscodeArgs>),
    /// Take single pictures of a file
    Stills(Box<transcode::StillsArgs>),
    /// Say what a file holds
    Probe(probe::ProbeArgs),
    /// Say what would be made of a file
    Plan(Box<plan::PlanArgs>),
    /// Serve an output directory on this machine, with a page that plays it
    Play(play::PlayArgs),
    /// Try what the devices of this machine can do, with a reason and a remedy for each no
    Doctor(doctor::DoctorArgs),
    /// Run the daemon: take jobs over gRPC, keep them, publish what they make
    Serve(serve::ServeArgs),
    /// Say whether the daemon on this machine is healthy
    Health(health::HealthArgs),
    /// Show the daemon's settings as they are in force, and where each comes from
    Config(serve::ConfigArgs),
    /// Hand a job to a daemon
    Submit(Box<client::jobs::SubmitArgs>),
    /// Follow a job to its end
    Watch(client::jobs::WatchArgs),
    /// List jobs, newest first
    List(client::jobs::ListArgs),
    /// Show a job
    Get(client::jobs::GetArgs),
    /// Stop jobs, or outputs of one
    Stop(client::control::StopArgs),
    /// Try outputs of a job again that failed or were stopped
    Retry(client::control::RetryArgs),
    /// Delete the record of a job that is over
    Delete(client::control::DeleteArgs),
    /// Show what webhooks were told of a job
    Deliveries(client::jobs::JobArgs),
    /// Add up what jobs have cost, those included whose records are gone
    Usage(client::usage::UsageArgs),
    /// Show what was written about a job while it was made
    Logs(client::logs::LogsArgs),
    /// Show the daemon's node and its devices
    Node(client::control::NodeArgs),
    /// Show the daemon's devices and what they were found to do
    Devices(client::devices::DevicesArgs),
    /// Let the daemon take up no work any more, or again, and wait until nothing runs
    Drain(client::drain::DrainArgs),
}

/// How a command ends that did what it was asked.
#[derive(Debug)]
enum Ended {
    /// Well.
    Done,
    /// It has to tell of something that did not end well. What there is to say about it stands on standard output
    /// already.
    With(Problem),
}

impl Command {
    const fn json(&self) -> bool {
        match self {
            Self::Transcode(args) => args.json,
            Self::Stills(args) => args.json,
            Self::Probe(args) => args.json,
            Self::Plan(args) => args.json,
            Self::Play(_) | Self::Serve(_) | Self::Health(_) => false,
            Self::Config(args) => args.json,
            Self::Submit(args) => args.json,
            Self::Watch(args) => args.json,
            Self::List(args) => args.json,
            Self::Get(args) => args.job.json,
            Self::Deliveries(args) => args.json,
            Self::Usage(args) => args.json,
            Self::Logs(args) => args.json,
            Self::Stop(args) => args.json,
            Self::Retry(args) => args.json,
            Self::Delete(args) => args.json,
            Self::Node(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Devices(args) => args.json,
            Self::Drain(args) => args.json,
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // The daemon's log is as its configuration says.
    if !matches!(command, Command::Serve(_)) {
        start_log();
    }
    let runtime = match Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("the system gives no threads: {error}; raise its limits");
            return failed(&[Problem::new(crate::model::Fault::Capacity, "capacity.threads", message)], command.json());
        }
    };
    let json = command.json();
    let result = run(&runtime, command);
    runtime.shutdown_timeout(LAST_WORDS);
    match result {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::With(problem)) => failed(&[problem], false),
        Err(problems) => failed(&problems, json),
    }
}

fn run(runtime: &Runtime, command: Command) -> Result<Ended, Vec<Problem>> {
    let done = |result: Result<(), Problem>| result.map(|()| Ended::Done).map_err(|problem| vec![problem]);
    match command {
        Command::Transcode(args) => done(runtime.block_on(transcode::run(*args))),
        Command::Stills(args) => done(runtime.block_on(transcode::stills(*args))),
        Command::Probe(args) => runtime.block_on(probe::run(args)),
        Command::Plan(args) => runtime.block_on(plan::run(*args)),
        Command::Play(args) => done(runtime.block_on(play::run(args))),
        Command::Serve(args) => runtime.block_on(serve::run(args)),
        Command::Health(args) => runtime.block_on(health::run(args)).map_err(|problem| vec![problem]),
        Command::Config(args) => serve::config(&args),
        Command::Doctor(args) => runtime.block_on(doctor::run(args)),
        Command::Submit(args) => runtime.block_on(client::jobs::submit(*args)),
        Command::Watch(args) => runtime.block_on(client::jobs::watch(args)),
        Command::List(args) => runtime.block_on(client::jobs::list(args)),
        Command::Get(args) => runtime.block_on(client::jobs::get(args)),
        Command::Deliveries(args) => runtime.block_on(client::jobs::deliveries(args)),
        Command::Usage(args) => runtime.block_on(client::usage::usage(args)),
        Command::Stop(args) => runtime.block_on(client::control::stop(args)),
        Command::Retry(args) => runtime.block_on(client::control::retry(args)),
        Command::Delete(args) => runtime.block_on(client::control::delete(args)),
        Command::Logs(args) => runtime.block_on(client::logs::run(args)),
        Command::Node(args) => runtime.block_on(client::control::node(args)),
        Command::Devices(args) => runtime.block_on(client::devices::run(args)),
        Command::Drain(args) => runtime.block_on(client::drain::run(args)),
    }
}

/// Tells each problem; the exit status is the first one's.
fn failed(problems: &[Problem], json: bool) -> ExitCode {
    for problem in problems {
        if json {
            print_line(&error_object(problem).to_string());
        }
        // Sentences about settings name them already.
        let told = problem.message.contains(&problem.field);
        let place = if told { String::new() } else { format!("{}: ", problem.field) };
        let _ = writeln!(io::stderr(), "reelmill: {}", tables::plain(&format!("{place}{problem}")));
    }
    ExitCode::from(problems.first().map_or(70, |problem| problem.fault.exit_code()))
}

fn error_object(problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "event": "error", "fault": problem.fault.name(), "code": problem.code, "message": problem.message,
        "field": problem.field,
    })
}

/// Writes to standard output. A reader that has gone away is not an error of ours.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn print_line(text: &str) {
    print(&format!("{text}\n"));
}

/// A value as indented JSON, on standard output.
fn print_json(value: &impl serde::Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| Problem::bug("internal.json", format!("this is not JSON: {error}; report it")))?;
    print_line(&text);
    Ok(())
}

/// Logs to standard error what `REELMILL_LOG` asks for (`debug`, `reelmill::supervise=trace`), by default errors.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REELMILL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    // Fails only when there is a log already, as in a test.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
}

/// Threads that run at the same time on this machine.
fn threads() -> u32 {
    std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn file_names_may_be_anything() {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"--json \xff");
        let arguments = ["reelmill", "transcode", "--json", "--"].map(std::ffi::OsStr::new);
        let cli = Cli::try_parse_from(arguments.into_iter().chain([odd, std::ffi::OsStr::new("-out")])).unwrap();
        let Command::Transcode(args) = cli.command else { panic!("another command") };
        assert_eq!((args.input.as_os_str(), args.output.to_str(), args.json), (odd, Some("-out"), true));
    }
}
