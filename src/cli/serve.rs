//! `reelmill serve` and `reelmill config`.

use super::{Ended, print, print_json};
use crate::config::{Config, Given, Loaded, LogFormat, load, reference};
use crate::model::Problem;
use crate::report::text::table;
use crate::serve;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Settings of the daemon on the command line. `docs/CONFIGURATION.md` has all of them.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct SettingArgs {
    /// The configuration file, TOML [default: REELMILL_CONFIG, or none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where jobs are kept
    #[arg(long, value_name = "DIR")]
    state_dir: Option<OsString>,
    /// Devices beside the CPU: auto, cpu, sim:FILE, or a list of kinds and ids [default: auto]
    #[arg(long, value_name = "LIST")]
    devices: Option<OsString>,
    /// Where the API listens [default: 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<OsString>,
    /// Where metrics and health are answered [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<OsString>,
    /// What is logged [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<OsString>,
    /// How it is written: text, json [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<OsString>,
    /// Profiles beside those that are built in
    #[arg(long, value_name = "DIR")]
    profiles_dir: Option<OsString>,
    /// Any other setting; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<OsString>,
}

/// Options of `reelmill serve`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingArgs,
}

/// Options of `reelmill config`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    settings: SettingArgs,
    /// An array of objects with key, value and from
    #[arg(long)]
    pub(super) json: bool,
    /// Print the reference of all settings instead, as Markdown
    #[arg(long, conflicts_with = "json")]
    reference: bool,
}

impl SettingArgs {
    fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let short = [
            ("--state-dir", "state_dir", &self.state_dir),
            ("--devices", "devices", &self.devices),
            ("--grpc", "grpc.listen", &self.grpc),
            ("--http", "http.listen", &self.http),
            ("--log", "log", &self.log),
            ("--log-format", "log_format", &self.log_format),
            ("--profiles-dir", "profiles_dir", &self.profiles_dir),
        ];
        let short = short.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.clone()?)));
        let mut flags: Vec<_> = short.map(|(flag, key, value)| (flag.to_owned(), key.to_owned(), value)).collect();
        for pair in &self.set {
            let (key, value) = pair.to_str().and_then(|pair| pair.split_once('=')).ok_or_else(|| {
                let message = "--set takes KEY=VALUE, as in --set jobs.active_max=4";
                vec![Problem::input("config.value", message)]
            })?;
            flags.push((format!("--set {key}"), key.to_owned(), value.into()));
        }
        Ok(load(&Given { file: self.config.clone(), environment: std::env::vars_os().collect(), flags }))
    }
}

/// Runs the daemon.
pub(super) async fn run(args: ServeArgs) -> Result<Ended, Vec<Problem>> {
    let config = args.settings.load()?.config?;
    start_log(&config);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    serve::run(config).await.map(|()| Ended::Done)
}

/// Shows the settings in force.
pub(super) fn config(args: &ConfigArgs) -> Result<Ended, Vec<Problem>> {
    if args.reference {
        print(&reference());
        return Ok(Ended::Done);
    }
    let loaded = args.settings.load()?;
    if args.json {
        loaded.config?;
        print_json(&loaded.effective).map_err(|problem| vec![problem])?;
        return Ok(Ended::Done);
    }
    let row = |setting: &crate::config::Effective| {
        let value = if setting.value.is_empty() { "-" } else { &setting.value };
        vec![setting.key.clone(), value.to_owned(), setting.from.clone()]
    };
    print(&table(&loaded.effective.iter().map(row).collect::<Vec<_>>()));
    for warning in loaded.config?.warnings() {
        print(&format!("note: {warning}\n"));
    }
    Ok(Ended::Done)
}

/// Logs to standard error as the configuration says.
fn start_log(config: &Config) {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Colours are for terminals; a journal or a file gets text.
    let log = log.with_ansi(io::stderr().is_terminal());
    // Fails only when there is a log already.
    let _ = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
