//! `reelmill logs`: what was written about a job while it was made.

use super::connect::{ClientOptions, Daemon};
use super::json;
use super::show::time;
use crate::api::v1;
use crate::cli::tables::plain;
use crate::cli::{Ended, print_line, signals};
use crate::model::Problem;
use std::time::Duration;

/// How often a job that is followed is asked for new lines: the node keeps them twice a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Options of `reelmill logs`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct LogsArgs {
    /// The job
    id: String,
    /// Only lines about this output
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    output: String,
    /// Only lines that matter so much or more: error, warning, info [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warning", "info"], hide_possible_values = true)]
    level: Option<String>,
    /// Go on with new lines until the job is over
    #[arg(long)]
    follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Shows a job's log.
pub(in crate::cli) async fn run(args: LogsArgs) -> Result<Ended, Vec<Problem>> {
    use v1::log_line::Level;
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let level = match args.level.as_deref() {
        Some("error") => Level::Error,
        Some("warning") => Level::Warning,
        _ => Level::Unspecified,
    };
    let mut request = v1::ListLogsRequest {
        id: args.id,
        output_id: args.output,
        level: level.into(),
        ..v1::ListLogsRequest::default()
    };
    if !args.follow {
        pages(&daemon, &mut request, args.json).await?;
        return Ok(Ended::Done);
    }
    let mut cancelled = signals::cancellation().map_err(|problem| vec![problem])?;
    loop {
        // Asked first: what is written before the end is there once the job is over.
        let over = is_over(&daemon, &request.id).await?;
        pages(&daemon, &mut request, args.json).await?;
        if over {
            return Ok(Ended::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Ok(_) = cancelled.wait_for(|cancelled| *cancelled) => return Ok(Ended::Done),
        }
    }
}

/// Shows the lines that there are by now.
async fn pages(daemon: &Daemon, request: &mut v1::ListLogsRequest, as_json: bool) -> Result<(), Vec<Problem>> {
    loop {
        let page = daemon.answer(daemon.jobs().list_logs(request.clone())).await?;
        for line in &page.lines {
            let shown = if as_json { json::written("LogLine", line).to_string() } else { text(line) };
            print_line(&shown);
            request.after_number = request.after_number.max(line.number);
        }
        if !page.more || page.lines.is_empty() {
            return Ok(());
        }
    }
}

async fn is_over(daemon: &Daemon, id: &str) -> Result<bool, Vec<Problem>> {
    let reply = daemon.answer(daemon.jobs().get_job(v1::GetJobRequest { id: id.to_owned() })).await?;
    use v1::JobState::{Failed, Partial, Stopped, Succeeded};
    Ok(matches!(reply.job.unwrap_or_default().state(), Succeeded | Partial | Failed | Stopped))
}

/// A line for people: when, how much it matters, what it is about, what.
fn text(line: &v1::LogLine) -> String {
    let level = json::name_of("LogLine.Level", line.level);
    let mut about = vec![line.output_ids.join("+"), line.part.clone(), line.rendition.clone()];
    if line.attempt > 1 {
        about.insert(2, format!("attempt {}", line.attempt));
    }
    about.retain(|word| !word.is_empty());
    let about = if about.is_empty() { String::new() } else { format!("[{}] ", about.join(" ")) };
    plain(&format!("{} {level:<7} {about}{}", time(line.time.as_ref()), line.text))
}
