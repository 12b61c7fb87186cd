//! `reelmill stop`, `retry`, `delete`, `node`.

use super::connect::ClientOptions;
use super::{json, problem, show};
use crate::api::v1;
use crate::api::v1::stop_result::Outcome;
use crate::cli::tables::plain;
use crate::cli::{Ended, print, print_json, print_line};
use crate::model::Problem;

/// Options of `reelmill stop`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct StopArgs {
    /// The jobs
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Only these outputs of one job; the others go on
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    outputs: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill retry`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct RetryArgs {
    /// The job
    id: String,
    /// Only these outputs [default: all that failed or were stopped]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    outputs: Vec<String>,
    /// The job as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill delete`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct DeleteArgs {
    /// The job, which must be over; what it published stays
    id: String,
    /// An empty JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill node`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct NodeArgs {
    /// As JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Stops jobs, or outputs of one.
pub(in crate::cli) async fn stop(args: StopArgs) -> Result<Ended, Vec<Problem>> {
    if !args.outputs.is_empty() && args.ids.len() > 1 {
        return Err(vec![Problem::input("client.job", "--outputs are of one job: name one")]);
    }
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let results = if let (false, [id]) = (args.outputs.is_empty(), args.ids.as_slice()) {
        let request = v1::StopOutputsRequest { id: id.clone(), output_ids: args.outputs };
        daemon.answer(daemon.jobs().stop_outputs(request)).await?.results
    } else {
        daemon.answer(daemon.jobs().stop_jobs(v1::StopJobsRequest { ids: args.ids })).await?.results
    };
    let mut first = None;
    for result in &results {
        if args.json {
            print_line(&json::written("StopResult", result).to_string());
        } else {
            print_line(&plain(&format!("{} {}", result.id, outcome(result))));
        }
        if result.outcome() != Outcome::Stopping && result.outcome() != Outcome::AlreadyEnded && first.is_none() {
            first = Some(not_stopped(result));
        }
    }
    Ok(first.map_or(Ended::Done, Ended::With))
}

fn outcome(result: &v1::StopResult) -> &'static str {
    match result.outcome() {
        Outcome::Stopping => "is being stopped",
        Outcome::AlreadyEnded => "was over",
        Outcome::NotFound => "is not there",
        Outcome::Unspecified => "cannot be stopped",
    }
}

fn not_stopped(result: &v1::StopResult) -> Problem {
    let told = result.problem.as_ref().map(problem::of_message);
    told.unwrap_or_else(|| Problem::input("job.not_found", format!("{} {}", result.id, outcome(result))))
}

/// Tries outputs again.
pub(in crate::cli) async fn retry(args: RetryArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let request = v1::RetryJobRequest { id: args.id, output_ids: args.outputs };
    let job = daemon.answer(daemon.jobs().retry_job(request)).await?.job.unwrap_or_default();
    if args.json {
        print_json(&json::written("Job", &job)).map_err(|problem| vec![problem])?;
    } else {
        print_line(&plain(&format!("{} {}", job.id, show::job_state(&job))));
    }
    Ok(Ended::Done)
}

/// Deletes a record.
pub(in crate::cli) async fn delete(args: DeleteArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    daemon.answer(daemon.jobs().delete_job(v1::DeleteJobRequest { id: args.id.clone() })).await?;
    print_line(&if args.json { "{}".to_owned() } else { plain(&format!("{} deleted", args.id)) });
    Ok(Ended::Done)
}

/// Shows the node.
pub(in crate::cli) async fn node(args: NodeArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let node = daemon.answer(daemon.node().get_node(v1::GetNodeRequest {})).await?;
    if args.json {
        print_json(&json::written("GetNodeResponse", &node)).map_err(|problem| vec![problem])?;
    } else {
        print(&show::node(&node));
    }
    Ok(Ended::Done)
}
