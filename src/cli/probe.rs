//! `reelmill probe FILE`: by a worker of its own, or by a daemon.

use super::client::{ClientOptions, media};
use super::{Ended, print, print_json, signals, tables};
use crate::dispatch::{probe, probe_cover, probe_image};
use crate::input::{Source, Transport};
use crate::model::request::Looks;
use crate::model::{Locator, MediaFacts, Problem};
use crate::plan::Request;
use crate::supervise::find_program;
use std::collections::BTreeMap;
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
    let facts = facts_of(&args.input, Transport::Descriptor, Looks::default()).await.map_err(only)?;
    if args.json {
        print_json(&media::written(&facts)).map_err(only)?;
    } else {
        print(&tables::facts(&facts));
    }
    Ok(Ended::Done)
}

/// The facts about a file, from a worker, and what else it is to look for; Ctrl-C gives up.
pub(super) async fn facts_of(path: &Path, transport: Transport, looks: Looks) -> Result<MediaFacts, Problem> {
    let source = Source::open_file(path)?;
    let program = find_program()?;
    probe(&program, &source, transport, signals::cancellation()?, looks).await
}

/// What is known of the images of a request's watermarks.
pub(super) async fn images_of(
    request: &Request,
    transport: Transport,
) -> Result<BTreeMap<Locator, MediaFacts>, Problem> {
    let mut images = BTreeMap::new();
    for (place, mark) in request.watermarks.iter().enumerate() {
        let Some(image) = mark.image.as_ref().filter(|image| !images.contains_key(*image)) else { continue };
        let here = |problem: Problem| problem.at(format_args!("watermarks[{place}].image_uri"));
        let path = image.path().ok_or_else(|| {
            let message = "this program reads local images alone: have a daemon plan it, with --endpoint";
            here(Problem::input("request.source", message))
        })?;
        let source = Source::open_file(path).map_err(here)?;
        let facts = probe_image(&find_program()?, &source, transport, signals::cancellation()?).await;
        images.insert(image.clone(), facts.map_err(here)?);
    }
    Ok(images)
}

/// Checks the cover that a request asks for.
pub(super) async fn check_cover(request: &Request, transport: Transport) -> Result<(), Problem> {
    let Some(cover) = &request.file_metadata.cover else { return Ok(()) };
    let here = |problem: Problem| problem.at("file_metadata.cover_uri");
    let path = cover.path().ok_or_else(|| {
        let message = "this program reads local images alone: have a daemon plan it, with --endpoint";
        here(Problem::input("request.source", message))
    })?;
    let source = Source::open_file(path).map_err(here)?;
    let facts = probe_cover(&find_program()?, &source, transport, signals::cancellation()?).await;
    facts.map(drop).map_err(here)
}
