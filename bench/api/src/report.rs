//! The tables, as Markdown, and the document that they stand in between two markers of their own.

use crate::campaign::{CLIENTS, Phase, RATE, Results, WATCHERS};
use crate::machine::root;
use crate::read::Read;
use crate::stats::{median, ms};
use crate::submit::Round;
use crate::watch::Watched;
use crate::{Outcome, Scale};
use std::path::PathBuf;
use std::time::Duration;

const BEGIN: &str = "<!-- bench-api: begin; `make bench-api` writes what follows, up to the end marker -->";
const END: &str = "<!-- bench-api: end -->";

/// What was promised.
const SUBMIT_P99_MAX: Duration = Duration::from_millis(50);
const WATCH_MAX: Duration = Duration::from_secs(1);
const PAGE_MAX: Duration = Duration::from_millis(20);
const MEMORY_MIB_MAX: f64 = 150.0;

/// Everything between the markers.
pub(crate) fn render(results: &Results, scale: Scale) -> String {
    let mut head: Vec<Vec<String>> =
        results.machine.0.iter().map(|(what, which)| row([what, which.as_str()])).collect();
    head.push(row(["taken by others", &results.quiet.told()]));
    let rounds =
        format!("Medians of {} rounds of {} s each; the range of the rounds in brackets.", scale.rounds, scale.round_s);
    let sections = [
        table(&["", ""], head),
        rounds,
        table(&["promise", "measured", "target", "met"], promises(results)),
        "### Submissions".to_owned(),
        table(&["how", "taken a second", "p50", "p90", "p99", "p99.9", "longest"], submissions(results)),
        "### Watchers of one job".to_owned(),
        table(
            &[
                "how",
                "changes",
                "after the change: p50",
                "p99",
                "longest",
                "after the first watcher: p99",
                "longest",
                "progress",
                "all watch after",
            ],
            watchers(results),
        ),
        "### Reads".to_owned(),
        table(&["what", "jobs", "p50", "p99", "longest"], results.reads.iter().map(read).collect()),
        "### What it costs the daemon".to_owned(),
        table(
            &[
                "phase",
                "took",
                "CPU time of the daemon",
                "of its workers",
                "of the load",
                "others",
                "peak memory",
                "at the end",
            ],
            results.phases.iter().map(phase).collect(),
        ),
        format!(
            "From its start to its first answer it takes {} with nothing stored and {} with everything; to its end after SIGTERM, {}.",
            ms(results.ready_empty),
            ms(results.ready_full),
            ms(results.ended_after)
        ),
    ];
    sections.join("\n\n")
}

/// Puts the text between the markers and leaves the rest of the document as it is.
pub(crate) fn write(text: &str) -> Outcome<PathBuf> {
    let path = root().join("docs/BENCHMARKS.md").canonicalize()?;
    let document = std::fs::read_to_string(&path)?;
    let (before, rest) = document.split_once(BEGIN).ok_or("docs/BENCHMARKS.md has lost its markers")?;
    let (_, after) = rest.split_once(END).ok_or("docs/BENCHMARKS.md has lost its end marker")?;
    std::fs::write(&path, format!("{before}{BEGIN}\n\n{text}\n\n{END}{after}"))?;
    Ok(path)
}

fn promises(results: &Results) -> Vec<Vec<String>> {
    let rate = RATE as u64;
    let stored = results.stored;
    let submit = |rounds: &[Round]| spread(rounds.iter().map(|round| round.times.p99()));
    let longest = |watched: &[Watched]| watched.iter().map(|one| one.after_change.longest()).max().unwrap_or_default();
    let page = results.reads.iter().filter(|read| read.promised).max_by_key(|read| read.times.p99());
    let (page, page_p99) = page.map_or(("", Duration::ZERO), |read| (read.what.as_str(), read.times.p99()));
    let most = results.phases.iter().max_by_key(|phase| phase.memory.peak);
    let (most, peak) = most.map_or(("", 0.0), |phase| (phase.name, mib(phase.memory.peak)));
    let submitted = format!("p99 of {rate} submissions a second from {CLIENTS} clients, {stored} jobs stored");
    let watched = format!("the longest that any of {WATCHERS} watchers of one job waits for a change");
    let listed = format!("p99 of a page of 50 of {stored} stored jobs, the slowest kind");
    let idle = submit(&results.at_a_rate);
    let busy = submit(&results.at_a_rate_busy);
    let watch = |how: &str, all: &[Watched]| {
        let time = longest(all);
        vec![
            format!("{watched}, {how}"),
            ms(time),
            "within 1 s".into(),
            met(time.as_secs_f64(), WATCH_MAX.as_secs_f64()),
        ]
    };
    let submit = |how: &str, (p99, text): (Duration, String)| {
        let met = met(p99.as_secs_f64(), SUBMIT_P99_MAX.as_secs_f64());
        vec![format!("{submitted}, {how}"), text, format!("under {} ms", SUBMIT_P99_MAX.as_millis()), met]
    };
    vec![
        submit("node idle", idle),
        submit("node encoding", busy),
        watch("a small one", &results.watched_idle),
        watch("one that encodes on all cores", &results.watched_busy),
        vec![
            listed,
            format!("{} ({page})", ms(page_p99)),
            format!("under {} ms", PAGE_MAX.as_millis()),
            met(page_p99.as_secs_f64(), PAGE_MAX.as_secs_f64()),
        ],
        vec![
            "peak memory of the daemon through all of it".into(),
            format!("{peak:.0} MiB ({most})"),
            format!("under {MEMORY_MIB_MAX} MiB"),
            met(peak, MEMORY_MIB_MAX),
        ],
    ]
}

fn met(figure: f64, most: f64) -> String {
    if figure < most { "yes".into() } else { format!("**no**, by {:.0}%", (figure / most - 1.0) * 100.0) }
}

fn submissions(results: &Results) -> Vec<Vec<String>> {
    let rate = RATE as u64;
    [
        (format!("at {rate} a second, node idle"), &results.at_a_rate),
        (format!("at {rate} a second, node encoding"), &results.at_a_rate_busy),
        (format!("as fast as they are taken, {CLIENTS} clients"), &results.at_most),
    ]
    .into_iter()
    .map(|(how, rounds)| {
        let mut cells = vec![how, format!("{:.0}", median(rounds.iter().map(Round::rate)))];
        let at = |permille| spread(rounds.iter().map(|round| round.times.at(permille))).1;
        cells.extend([500, 900, 990, 999, 1000].map(at));
        cells
    })
    .collect()
}

fn watchers(results: &Results) -> Vec<Vec<String>> {
    let row = |how: &str, all: &[Watched]| {
        let time = |of: fn(&Watched) -> Duration| spread(all.iter().map(of)).1;
        vec![
            how.to_owned(),
            median(all.iter().map(|one| one.changes)).to_string(),
            time(|one| one.after_change.p50()),
            time(|one| one.after_change.p99()),
            time(|one| one.after_change.longest()),
            time(|one| one.after_first.p99()),
            time(|one| one.after_first.longest()),
            median(all.iter().map(|one| one.progress)).to_string(),
            time(|one| one.connected_after),
        ]
    };
    vec![row("a small job", &results.watched_idle), row("one that encodes on all cores", &results.watched_busy)]
}

fn read(read: &Read) -> Vec<String> {
    let times = &read.times;
    vec![read.what.clone(), read.jobs.to_string(), ms(times.p50()), ms(times.p99()), ms(times.longest())]
}

fn phase(phase: &Phase) -> Vec<String> {
    let (cpu, memory) = (phase.cpu, phase.memory);
    vec![
        phase.name.to_owned(),
        format!("{:.1} s", phase.took.as_secs_f64()),
        format!("{:.1} s", cpu.daemon),
        format!("{:.1} s", cpu.workers),
        format!("{:.1} s", cpu.load),
        format!("{:.0}%", phase.others() * 100.0),
        format!("{:.0} MiB", mib(memory.peak)),
        format!("{:.0} MiB, {:.0} of it no file", mib(memory.resident), mib(memory.anonymous)),
    ]
}

/// The median, and it with the range behind it.
fn spread(times: impl Iterator<Item = Duration>) -> (Duration, String) {
    let times: Vec<Duration> = times.collect();
    let middle = median(times.iter().copied());
    let text = match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) if times.len() > 1 => format!("{} ({} to {})", ms(middle), ms(*least), ms(*most)),
        _ => ms(middle),
    };
    (middle, text)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> =
            cells.into_iter().map(|cell| if cell.is_empty() { " ".into() } else { format!(" {cell} ") }).collect();
        format!("|{}|", cells.join("|"))
    };
    let mut lines = vec![line(header.iter().map(|cell| (*cell).to_owned()).collect())];
    lines.push(format!("|{}", "---|".repeat(header.len())));
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}
