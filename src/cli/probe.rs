//! `reelmill probe FILE`.

use super::{print, print_json, signals, tables};
use crate::dispatch::probe;
use crate::input::{Source, Transport};
use crate::model::{MediaFacts, Problem};
use crate::supervise::find_program;
use std::path::{Path, PathBuf};

/// Options of `reelmill probe`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ProbeArgs {
    /// The file to look at
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// All facts as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints what a file holds.
pub(super) async fn run(args: ProbeArgs) -> Result<(), Problem> {
    let facts = facts_of(&args.input, Transport::Descriptor).await?;
    if args.json {
        return print_json(&facts);
    }
    print(&tables::facts(&facts));
    Ok(())
}

/// The facts about a file, from a worker; Ctrl-C gives up.
pub(super) async fn facts_of(path: &Path, transport: Transport) -> Result<MediaFacts, Problem> {
    let source = Source::open_file(path)?;
    let program = find_program()?;
    probe(&program, &source, transport, signals::cancellation()?).await
}
