//! `reelmill submit`, `watch`, `list`, `get`, `deliveries`.

use super::connect::{ClientOptions, Daemon};
use super::follow::{follow, verdict};
use super::shown::{Silent, shower};
use super::{json, show, spec};
use crate::api::v1;
use crate::cli::options::{PlanOptions, SourceFlags};
use crate::cli::{Ended, print, print_json, print_line, signals};
use crate::model::Problem;
use crate::model::state::JobState;
use crate::report::text::table;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest job that is read, bytes: the API takes no message of more than 1 MiB, which as JSON is several times as long.
const JOB_BYTES_MAX: u64 = 8 << 20;
/// Jobs that `list` shows unless it is told otherwise: a screen.
const LIST_DEFAULT: u32 = 50;
/// Jobs on a page: as many as the daemon gives.
const PAGE_MAX: u32 = 500;

/// Options of `reelmill submit`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct SubmitArgs {
    /// What to read: a path, s3://bucket/key, http(s)://…
    #[arg(value_name = "IN", required_unless_present = "job")]
    input: Option<String>,
    /// Where to write: a directory, s3://bucket/prefix
    #[arg(value_name = "OUT", required_unless_present = "job")]
    output: Option<String>,
    /// A profile, `name` or `name@version`, that fills in what is left out
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// When it is started, against others: high, normal, batch [default: normal]
    #[arg(long, value_name = "CLASS", value_parser = ["high", "normal", "batch"], hide_possible_values = true)]
    priority: Option<String>,
    /// Your own name for the job
    #[arg(long, value_name = "ID")]
    reference: Option<String>,
    /// The same key with the same job makes it only once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// When something lies at OUT: fail, replace, skip [default: fail]
    #[arg(long, value_name = "WHAT", value_parser = ["fail", "replace", "skip"], hide_possible_values = true)]
    if_exists: Option<String>,
    /// A word of your own, key=value; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// When it should be done, such as 2026-12-01T06:00:00Z: among jobs of a class, one that would be late goes first
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Tell this address when the job ends; may be given again
    #[arg(long = "webhook", value_name = "URL")]
    webhooks: Vec<String>,
    /// The whole job as JSON, from a file or - for standard input, instead of IN, OUT and all of these
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "output", "profile", "priority", "reference",
          "if_exists", "labels", "webhooks", "deadline", "devices", "fallback"])]
    job: Option<PathBuf>,
    #[command(flatten)]
    options: PlanOptions,
    #[command(flatten)]
    sources: SourceFlags,
    /// Follow the job to its end; its fate is the exit status
    #[arg(long)]
    wait: bool,
    /// The job as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill watch`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct WatchArgs {
    /// The job
    id: String,
    /// Changes up to this revision are known
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    after: u64,
    /// One JSON object a line: the job, its changes, its progress
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill list`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct ListArgs {
    /// Only these states, such as queued,running
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    state: Vec<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: u32,
    /// Only this reference
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    reference: String,
    /// Only jobs with this label; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of commands that tell something of one job.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct JobArgs {
    /// The job
    id: String,
    /// As JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Options of `reelmill get`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct GetArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    /// Where each stage was planned and where it ran, and why
    #[arg(long)]
    explain: bool,
}

/// Hands in a job.
pub(in crate::cli) async fn submit(args: SubmitArgs) -> Result<Ended, Vec<Problem>> {
    let job = args.spec().map_err(|problem| vec![problem])?;
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let idempotency_key = args.idempotency_key.unwrap_or_default();
    let request = v1::CreateJobRequest { job: Some(job), idempotency_key };
    let reply = daemon.answer(daemon.jobs().create_job(request)).await?;
    let job = reply.job.unwrap_or_default();
    if !args.wait {
        if args.json {
            let mut object = json::written("Job", &job);
            object["existed"] = reply.existed.into();
            print_json(&object).map_err(|problem| vec![problem])?;
        } else {
            print_line(&crate::cli::tables::plain(&job.id));
        }
        return Ok(Ended::Done);
    }
    if !args.json {
        eprint_line(&format!("job {}", job.id));
    }
    let mut cancelled = signals::cancellation().map_err(|problem| vec![problem])?;
    if args.json {
        follow(&daemon, &job.id, 0, &mut Silent, &mut cancelled).await?;
    } else {
        follow(&daemon, &job.id, 0, shower(false).as_mut(), &mut cancelled).await?;
    }
    ended(&daemon, &job.id, args.json, true).await
}

/// Follows a job.
pub(in crate::cli) async fn watch(args: WatchArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let mut cancelled = signals::cancellation().map_err(|problem| vec![problem])?;
    follow(&daemon, &args.id, args.after, shower(args.json).as_mut(), &mut cancelled).await?;
    ended(&daemon, &args.id, args.json, !args.json).await
}

/// Shows a job that is over; its fate is that of the command.
async fn ended(daemon: &Daemon, id: &str, as_json: bool, shown: bool) -> Result<Ended, Vec<Problem>> {
    let job = get_job(daemon, id).await?;
    match (shown, as_json) {
        (true, true) => print_json(&json::written("Job", &job)).map_err(|problem| vec![problem])?,
        (true, false) => print(&show::job(&job)),
        (false, _) => {}
    }
    Ok(verdict(&job).map_or(Ended::Done, Ended::With))
}

async fn get_job(daemon: &Daemon, id: &str) -> Result<v1::Job, Vec<Problem>> {
    let reply = daemon.answer(daemon.jobs().get_job(v1::GetJobRequest { id: id.to_owned() })).await?;
    Ok(reply.job.unwrap_or_default())
}

/// Shows a job.
pub(in crate::cli) async fn get(GetArgs { job: args, explain }: GetArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let job = get_job(&daemon, &args.id).await?;
    if args.json {
        print_json(&json::written("Job", &job)).map_err(|problem| vec![problem])?;
    } else if explain {
        print(&show::placements(&job));
    } else {
        print(&show::job(&job));
    }
    Ok(Ended::Done)
}

/// Shows what webhooks were told of a job.
pub(in crate::cli) async fn deliveries(args: JobArgs) -> Result<Ended, Vec<Problem>> {
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let request = v1::ListDeliveriesRequest { id: args.id };
    let deliveries = daemon.answer(daemon.jobs().list_deliveries(request)).await?.deliveries;
    if args.json {
        deliveries.iter().for_each(|delivery| print_line(&json::written("Delivery", delivery).to_string()));
    } else {
        print(&show::deliveries(&deliveries));
    }
    Ok(Ended::Done)
}

/// Lists jobs.
pub(in crate::cli) async fn list(args: ListArgs) -> Result<Ended, Vec<Problem>> {
    let states: Vec<_> = args.state.iter().map(|name| state(name)).collect::<Result<_, _>>().map_err(|p| vec![p])?;
    let labels = spec::labels(&args.labels).map_err(|problem| vec![problem])?;
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let mut request =
        v1::ListJobsRequest { states, labels, reference_id: args.reference, ..v1::ListJobsRequest::default() };
    let mut left = args.limit;
    let mut rows = vec![show::row_head()];
    while left > 0 {
        request.page_size = left.min(PAGE_MAX);
        let page = daemon.answer(daemon.jobs().list_jobs(request.clone())).await?;
        for job in page.jobs.iter().take(left as usize) {
            if args.json {
                print_line(&json::written("Job", job).to_string());
            } else {
                rows.push(show::row(job));
            }
        }
        left = left.saturating_sub(u32::try_from(page.jobs.len()).unwrap_or(u32::MAX));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if !args.json {
        print(&table(&rows));
    }
    Ok(Ended::Done)
}

fn state(name: &str) -> Result<i32, Problem> {
    let at = JobState::ALL.iter().position(|state| state.as_str() == name.trim());
    let names: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
    at.and_then(|at| i32::try_from(at + 1).ok()).ok_or_else(|| {
        let message = format!("--state `{}` is none: write some of {}", name.escape_debug(), names.join(", "));
        Problem::input("client.job", message)
    })
}

impl SubmitArgs {
    /// The job that is meant.
    fn spec(&self) -> Result<v1::JobSpec, Problem> {
        let output = spec::output(&self.options)?;
        if let Some(path) = &self.job {
            if output != v1::OutputSpec::default() || !self.sources.is_empty() {
                let message = "with --job, what to make stands in the file: leave out the other options";
                return Err(Problem::input("client.job", message));
            }
            return json::job(&text_of(path)?);
        }
        let (input, destination) = (self.input.as_deref().unwrap_or(""), self.output.as_deref().unwrap_or(""));
        let if_exists = match self.if_exists.as_deref() {
            None => v1::IfExists::Unspecified,
            Some("replace") => v1::IfExists::Replace,
            Some("skip") => v1::IfExists::Skip,
            Some(_) => v1::IfExists::Fail,
        };
        let priority = match self.priority.as_deref() {
            None => v1::Priority::Unspecified,
            Some("high") => v1::Priority::High,
            Some("batch") => v1::Priority::Batch,
            Some(_) => v1::Priority::Normal,
        };
        let destination = spec::located(destination).map_err(|problem| problem.at("OUT"))?;
        let rungs = self.options.request()?.renditions;
        let listing = self.sources.listing(Path::new(input), &rungs)?;
        let mut sources = spec::sources(&listing)?;
        let output = spec::sourced(output, &listing);
        spec::add_subtitles(&mut sources, &self.options)?;
        let webhook = |url: &String| v1::WebhookSpec { url: url.clone(), ..v1::WebhookSpec::default() };
        Ok(v1::JobSpec {
            reference_id: self.reference.clone().unwrap_or_default(),
            profile: self.profile.clone().unwrap_or_default(),
            priority: priority as i32,
            sources,
            outputs: vec![v1::OutputSpec { destination, if_exists: if_exists as i32, ..output }],
            webhooks: self.webhooks.iter().map(webhook).collect(),
            labels: spec::labels(&self.labels)?,
            deadline: self.deadline.as_deref().map(spec::deadline).transpose()?,
            fallback: spec::fallback(&self.options)?,
            devices: self.options.devices.clone(),
            ..v1::JobSpec::default()
        })
    }
}

/// The text of a file, or of standard input for `-`.
fn text_of(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(JOB_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(JOB_BYTES_MAX).read_to_string(&mut text))
    };
    let failed = |error| Problem::input("client.job", format!("{} cannot be read: {error}", path.display()));
    read.map(|_| text).map_err(failed)
}

fn eprint_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{}", crate::cli::tables::plain(text));
}
