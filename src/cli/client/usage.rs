//! `reelmill usage`: what jobs have cost, added up; and the tables of usage of other commands.

use super::connect::ClientOptions;
use super::json;
use super::show::time;
use crate::api::v1;
use crate::cli::tables::plain;
use crate::cli::usage::{amount, money, seconds_of};
use crate::cli::{Ended, print, print_line};
use crate::model::Problem;
use crate::report::text::{bytes, table};
use v1::query_usage_request::GroupBy;

/// Groups on a page: as many as the daemon gives.
const PAGE_MAX: u32 = 500;
/// Columns of `--csv`, one for each figure, empty where it is not known.
const COLUMNS: [&str; 26] = [
    "owner",
    "job",
    "output",
    "reference",
    "ended",
    "jobs",
    "outputs",
    "wall_us",
    "decode_cpu_us",
    "filter_cpu_us",
    "encode_cpu_us",
    "package_cpu_us",
    "publish_cpu_us",
    "device_us",
    "memory_peak_bytes",
    "device_memory_bytes",
    "energy_mj",
    "read_bytes",
    "made_bytes",
    "stored_bytes",
    "media_us",
    "normalised_milliminutes",
    "wasted_cpu_us",
    "currency",
    "cost_micros",
    "cost_measured",
];

/// Options of `reelmill usage`.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct UsageArgs {
    /// Only of this owner's jobs
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    owner: String,
    /// Only of jobs that ended at or after this, such as 2026-12-01 or 2026-12-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only of jobs that ended before this
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// What is added up: owner, job, output
    #[arg(long, value_name = "WHAT", value_parser = ["owner", "job", "output"], hide_possible_values = true,
          default_value = "owner")]
    by: String,
    /// One line a group, with every figure in its smallest unit; empty is unknown
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// One JSON object a line
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Adds up what jobs have cost.
pub(in crate::cli) async fn usage(args: UsageArgs) -> Result<Ended, Vec<Problem>> {
    let mut request = args.request().map_err(|problem| vec![problem])?;
    let daemon = args.client.connect().await.map_err(|problem| vec![problem])?;
    let mut rows = vec![head()];
    if args.csv {
        print_line(&COLUMNS.join(","));
    }
    loop {
        let page = daemon.answer(daemon.usage().query_usage(request.clone())).await?;
        for group in &page.groups {
            if args.json {
                print_line(&json::written("UsageGroup", group).to_string());
            } else if args.csv {
                csv(group).iter().for_each(|line| print_line(line));
            } else {
                rows.push(row(group));
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if !args.csv && !args.json {
        print(&table(&rows));
    }
    Ok(Ended::Done)
}

impl UsageArgs {
    fn request(&self) -> Result<v1::QueryUsageRequest, Problem> {
        let group_by = match self.by.as_str() {
            "job" => GroupBy::Job,
            "output" => GroupBy::Output,
            _ => GroupBy::Owner,
        };
        let at = |text: &Option<String>| {
            let day = |text: &str| if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
            let wrong = |text: &str| {
                let message = format!("`{}` is no time; write one such as 2026-12-01", text.escape_debug());
                Problem::input("request.time", message)
            };
            text.as_deref().map(|text| day(text).parse().map_err(|_| wrong(text))).transpose()
        };
        Ok(v1::QueryUsageRequest {
            owner: self.owner.clone(),
            end_from: at(&self.from).map_err(|problem| problem.at("--from"))?,
            end_to: at(&self.to).map_err(|problem| problem.at("--to"))?,
            group_by: group_by.into(),
            page_size: PAGE_MAX,
            page_token: String::new(),
        })
    }
}

fn head() -> Vec<String> {
    ["owner", "job", "output", "outputs", "CPU", "device", "normalised min", "read", "stored", "cost"]
        .map(str::to_owned)
        .into()
}

fn row(group: &v1::UsageGroup) -> Vec<String> {
    let usage = group.usage.clone().unwrap_or_default();
    let costs: Vec<String> = group.costs.iter().map(cost).collect();
    let cells = [
        group.owner.clone(),
        group.job_id.clone(),
        usage.output_id.clone(),
        group.outputs.to_string(),
        seconds_of(cpu(&usage), true),
        seconds_of(device(&usage), true),
        value(usage.normalised_milliminutes.as_ref()).map_or_else(unknown, thousandths),
        value(usage.read_bytes.as_ref()).map_or_else(unknown, bytes),
        value(usage.stored_bytes.as_ref()).map_or_else(unknown, bytes),
        if costs.is_empty() { "-".to_owned() } else { costs.join(", ") },
    ];
    cells.map(|cell| plain(&cell)).into()
}

/// The usage table of a job: a row for each output.
pub(super) fn of_job(usage: &v1::JobUsage) -> String {
    if usage.outputs.is_empty() {
        return String::new();
    }
    let mut rows = vec![
        ["usage", "decode", "filter", "encode", "package", "publish", "device", "memory", "wasted", "cost"]
            .map(str::to_owned)
            .into(),
    ];
    for one in &usage.outputs {
        let stage = |name: &str| {
            let found = one.stages.iter().find(|stage| stage.stage == name);
            found.map_or_else(|| "-".to_owned(), |stage| seconds_of(value(stage.cpu_us.as_ref()), true))
        };
        let cells = [
            one.output_id.clone(),
            stage("decode"),
            stage("filter"),
            stage("encode"),
            stage("package"),
            stage("publish"),
            seconds_of(device(one), measured(one)),
            value(one.memory_peak_bytes.as_ref()).map_or_else(unknown, bytes),
            seconds_of(value(one.wasted_cpu_us.as_ref()), true),
            one.cost.as_ref().map_or_else(|| "-".to_owned(), cost),
        ];
        rows.push(cells.map(|cell| plain(&cell)).into());
    }
    let total = seconds_of(value(usage.cpu_us.as_ref()), true);
    let rest = seconds_of(value(usage.cpu_remainder_us.as_ref()), true);
    format!("{}CPU in all: {total}, of which {rest} for no output\n", table(&rows))
}

fn cost(cost: &v1::Cost) -> String {
    let about = if cost.measured { "" } else { "about " };
    format!("{about}{}", money(&cost.currency, cost.micros))
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn thousandths(value: u64) -> String {
    amount(value, 1000)
}

fn value(figure: Option<&v1::Figure>) -> Option<u64> {
    figure.map(|figure| figure.value)
}

fn cpu(usage: &v1::OutputUsage) -> Option<u64> {
    usage
        .stages
        .iter()
        .map(|stage| value(stage.cpu_us.as_ref()))
        .try_fold(0, |sum: u64, us| Some(sum.saturating_add(us?)))
}

fn device(usage: &v1::OutputUsage) -> Option<u64> {
    let stages = usage.stages.iter().map(|stage| value(stage.device_us.as_ref()));
    stages.into_iter().try_fold(0, |sum: u64, us| Some(sum.saturating_add(us?)))
}

fn measured(usage: &v1::OutputUsage) -> bool {
    usage.stages.iter().filter_map(|stage| stage.device_us.as_ref()).all(|figure| figure.measured)
}

/// Lines of `--csv` for a group: one for each currency, figures in the first.
fn csv(group: &v1::UsageGroup) -> Vec<String> {
    let usage = group.usage.clone().unwrap_or_default();
    let told = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let of = |figure: &Option<v1::Figure>| told(value(figure.as_ref()));
    let stage = |name: &str| match usage.stages.iter().find(|stage| stage.stage == name) {
        Some(stage) => of(&stage.cpu_us),
        None => "0".to_owned(),
    };
    let us = |length: Option<&prost_types::Duration>| {
        told(length.and_then(|length| u64::try_from(length.seconds * 1_000_000 + i64::from(length.nanos) / 1000).ok()))
    };
    let figures = vec![
        quoted(&group.owner),
        group.job_id.clone(),
        quoted(&usage.output_id),
        quoted(&group.reference_id),
        time(group.end_time.as_ref()),
        group.jobs.to_string(),
        group.outputs.to_string(),
        us(usage.wall.as_ref()),
        stage("decode"),
        stage("filter"),
        stage("encode"),
        stage("package"),
        stage("publish"),
        told(device(&usage)),
        of(&usage.memory_peak_bytes),
        of(&usage.device_memory_bytes),
        of(&usage.energy_mj),
        of(&usage.read_bytes),
        of(&usage.made_bytes),
        of(&usage.stored_bytes),
        us(usage.media.as_ref()),
        of(&usage.normalised_milliminutes),
        of(&usage.wasted_cpu_us),
    ];
    let line = |figures: &[String], cost: Option<&v1::Cost>| {
        let (currency, micros, measured) = cost.map_or_else(Default::default, |cost| {
            (cost.currency.clone(), cost.micros.to_string(), cost.measured.to_string())
        });
        let mut cells = figures.to_vec();
        cells.extend([quoted(&currency), micros, measured]);
        cells.join(",")
    };
    let mut lines = vec![line(&figures, group.costs.first())];
    // Figures stand in one line only, so that a sum over lines is right.
    let mut bare: Vec<String> = figures.iter().take(5).cloned().collect();
    bare.resize(figures.len(), String::new());
    lines.extend(group.costs.iter().skip(1).map(|cost| line(&bare, Some(cost))));
    lines
}

/// A text as a cell (RFC 4180 §2). What a spreadsheet would take for a formula is led by an apostrophe.
fn quoted(text: &str) -> String {
    let text = plain(text);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: u64) -> Option<v1::Figure> {
        Some(v1::Figure { value, method: 0, measured: true })
    }

    fn group() -> v1::UsageGroup {
        let stage = |name: &str, us| v1::StageUsage { stage: name.into(), cpu_us: figure(us), device_us: figure(0) };
        v1::UsageGroup {
            owner: "=a,b".into(),
            jobs: 2,
            outputs: 3,
            usage: Some(v1::OutputUsage {
                stages: vec![stage("decode", 1_500_000), stage("encode", 20_000_000)],
                stored_bytes: figure(2048),
                normalised_milliminutes: figure(12_345),
                ..v1::OutputUsage::default()
            }),
            costs: vec![
                v1::Cost { currency: "EUR".into(), micros: 1_234_567, measured: true },
                v1::Cost { currency: "USD".into(), micros: 5, measured: false },
            ],
            ..v1::UsageGroup::default()
        }
    }

    #[test]
    fn a_sheet_has_every_figure_once_and_no_formula() {
        let lines = csv(&group());
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("\"'=a,b\",,,,-,2,3,,1500000,0,20000000,0,0,0,"), "{}", lines[0]);
        assert!(lines[0].ends_with(",12345,,EUR,1234567,true"), "{}", lines[0]);
        assert!(lines[1].ends_with(",,,USD,5,false") && !lines[1].contains("1500000"), "{}", lines[1]);
        let cells = |line: &str| line.replace("\"'=a,b\"", "x").split(',').count();
        assert_eq!((cells(&lines[0]), cells(&lines[1])), (COLUMNS.len(), COLUMNS.len()));
    }

    #[test]
    fn what_is_not_known_is_told_so() {
        let cells = row(&group());
        assert_eq!(
            cells[3..],
            ["3", "21.5 s", "0.0 s", "12.345", "unknown", "2.0 KiB", "1.234567 EUR, about 0.000005 USD"]
        );
    }
}
