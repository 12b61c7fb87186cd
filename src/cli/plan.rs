//! `reelmill plan FILE`: by this program, or by a daemon.

use super::client::{ClientOptions, media};
use super::options::PlanOptions;
use super::{Ended, print, print_json, probe, tables, threads};
use crate::devices::Rates;
use crate::dispatch::estimate_by_cpu;
use crate::model::Problem;
use crate::plan;
use crate::report::text::seconds;
use std::path::PathBuf;

/// Options of `reelmill plan`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct PlanArgs {
    /// The file to plan for; a daemon is asked about s3:// and http(s)://, or with --endpoint
    #[arg(value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    options: PlanOptions,
    /// The whole plan as JSON: as workers get it; by a daemon, `PlanJobResponse` of the API
    #[arg(long)]
    pub(super) json: bool,
    /// Where a daemon keeps its state: the estimate goes by what was measured and learned there
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    client: ClientOptions,
}

/// Prints what would be made of a file.
pub(super) async fn run(args: PlanArgs) -> Result<Ended, Vec<Problem>> {
    let only = |problem| vec![problem];
    if let Some(uri) = media::remote(&args.input, &args.client).map_err(only)? {
        return media::plan(uri, &args.options, args.json, &args.client).await;
    }
    let request = args.options.request().map_err(only)?;
    if !request.text.sidecars.is_empty() {
        let message = "plans with files of subtitles are made by a daemon: name one with --endpoint";
        return Err(only(Problem::input("request.text_track", message).at("--subtitles")));
    }
    let transport = args.options.transport().map_err(only)?;
    let facts = probe::facts_of(&args.input, transport, request.looks()).await.map_err(only)?;
    let images = probe::images_of(&request, transport).await.map_err(only)?;
    probe::check_cover(&request, transport).await.map_err(only)?;
    let plan = plan::plan_with(&facts, &images, &request, &plan::Node { threads: threads() })?;
    if args.json {
        print_json(&plan).map_err(only)?;
    } else {
        print(&tables::plan(&plan));
        let rates = args.state_dir.as_deref().map_or_else(Rates::default, Rates::load);
        if let Some((time_ms, cpu_ms)) = estimate_by_cpu(&plan, &facts, threads(), &rates) {
            let (time, cpu) = (seconds(time_ms), seconds(cpu_ms));
            print(&format!("about {time} by the CPU with nothing beside it, {cpu} of CPU time\n"));
        }
    }
    Ok(Ended::Done)
}
