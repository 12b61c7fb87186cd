//! `reelmill plan FILE`.

use super::options::PlanOptions;
use super::{print, print_json, probe, tables, threads};
use crate::model::Problem;
use crate::plan;
use std::path::PathBuf;

/// Options of `reelmill plan`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct PlanArgs {
    /// The file to plan for
    #[arg(value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    options: PlanOptions,
    /// The whole plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints what would be made of a file.
pub(super) async fn run(args: PlanArgs) -> Result<(), Vec<Problem>> {
    let only = |problem| vec![problem];
    let request = args.options.request().map_err(only)?;
    let transport = args.options.transport().map_err(only)?;
    let facts = probe::facts_of(&args.input, transport).await.map_err(only)?;
    let plan = plan::plan(&facts, &request, &plan::Node { threads: threads() })?;
    if args.json {
        return print_json(&plan).map_err(only);
    }
    print(&tables::plan(&plan));
    Ok(())
}
