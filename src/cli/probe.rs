//! `reelmill probe FILE`: by a worker of its own, or by a daemon.

use super::client::{ClientOptions, media};
use super::{Ended, print, print_json, signals, tables};
use crate::dispatch::probe;
use crate::input::{Source, Transport};
use crate::model::{MediaFacts, Problem};
use crate::supervise::find_program;
use std::path::{Path, PathBuf};

/// Options of `reelmill probe`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ProbeArgs {
    /// The file to look at; a daemon is asked about s3:// and http(s)://, or with --endpoint
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// All facts as JSON: `MediaFacts` of the API
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Prints what a file holds.
pub(super) async fn run(args: ProbeArgs) -> Result<Ended, Vec<Problem>> {
    let only = |problem| vec![problem];
    if let Some(uri) = media::remote(&args.input, &args.client).map_err(only)? {
        return media::probe(uri, args.json, &args.client).await;
    }
    let facts = facts_of(&args.input, Transport::Descriptor).await.map_err(only)?;
    if args.json {
        print_json(&media::written(&facts)).map_err(only)?;
    } else {
        print(&tables::facts(&facts));
    }
    Ok(Ended::Done)
}

/// The facts about a file, from a worker; Ctrl-C gives up.
pub(super) async fn facts_of(path: &Path, transport: Transport) -> Result<MediaFacts, Problem> {
    let source = Source::open_file(path)?;
    let program = find_program()?;
    probe(&program, &source, transport, signals::cancellation()?).await
}
