//! What a run came to, as a table, and whether it met its aims.

use crate::figures::{CLASS_NAMES, percentile};
use crate::world::Outcome;

/// The part of the bound that must be reached when more is offered than the fleet can do.
pub const UTILISATION_AIM: f64 = 0.92;
/// Placements that the scheduler must decide in a second of one core. A step is a decision too, that nothing can be started
/// among them; placements are the smaller figure, so they are held against the aim.
pub const DECISIONS_AIM: f64 = 100_000.0;
/// From this load on, percent of the bound, the fleet must be full.
const OVERLOAD: f64 = 100.0;

/// Where the table stands in docs/BENCHMARKS.md.
pub const BEGIN: &str = "<!-- sim: begin";
/// Its end.
pub const END: &str = "<!-- sim: end -->";

/// Aims that a run missed, a sentence each. Speed counts where `timed`: in an optimised build on a machine of its own.
pub fn missed(outcome: &Outcome, timed: bool) -> Vec<String> {
    let (figures, mut missed) = (&outcome.figures, Vec::new());
    let (some, count) = &outcome.violations;
    missed.extend(some.first().map(|first| format!("{count} answers were wrong, first: {first}")));
    if outcome.scenario.load > OVERLOAD && outcome.utilisation < UTILISATION_AIM {
        missed.push(format!(
            "{:.1}% of the bound, at least {:.0}%",
            outcome.utilisation * 100.0,
            UTILISATION_AIM * 100.0
        ));
    }
    if figures.longest_wait_ms() > figures.starved_after_ms() {
        let (longest, most) = (figures.longest_wait_ms(), figures.starved_after_ms());
        missed.push(format!("a job waited {}, starved is one that waits {}", time(longest), time(most)));
    }
    let decisions = figures.decisions_per_second();
    if timed && decisions < DECISIONS_AIM {
        missed.push(format!("{decisions:.0} placements a second, at least {DECISIONS_AIM:.0}"));
    }
    missed
}

/// A time, in the unit in which one would say it.
pub fn time(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 => format!("{:.1} min", ms as f64 / 60_000.0),
        _ => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}

/// Rows of the table: what it is, and what it came to.
fn rows(outcome: &Outcome) -> Vec<(String, String)> {
    let (figures, counts) = (&outcome.figures, &outcome.figures.counts);
    let window = (figures.window.1 - figures.window.0) as f64;
    let mut rows = vec![
        ("devices, hours of arrivals".to_owned(), format!("{}, {}", outcome.scenario.devices, outcome.scenario.hours)),
        ("offered load, of the bound".to_owned(), format!("{:.0}%", outcome.scenario.load)),
        (
            "jobs: done, cancelled, lost, refused".to_owned(),
            format!("{}: {}, {}, {}, {}", counts.arrived, counts.done, counts.stopped, counts.lost, counts.refused),
        ),
        (
            "spans: started, finished, failed (of these for a session), made again".to_owned(),
            format!(
                "{}, {}, {} ({}), {}",
                counts.starts, counts.finished, counts.failed, counts.sessions_refused, counts.redone
            ),
        ),
        ("**utilisation, of the fractional bound**".to_owned(), format!("**{:.1}%**", outcome.utilisation * 100.0)),
        ("held by spans, at the bound's prices".to_owned(), format!("{:.1}%", figures.held_in_window / window * 100.0)),
        ("wasted: held by spans that failed".to_owned(), format!("{:.2}%", figures.wasted / figures.held * 100.0)),
    ];
    for (class, name) in CLASS_NAMES.iter().enumerate() {
        let waits = &figures.waits[class];
        let shown: Vec<String> = [50, 90, 99, 100].map(|percent| time(percentile(waits, percent))).into();
        rows.push((format!("wait until the first span, {name}: p50, p90, p99, max"), shown.join(", ")));
        let (all, met) = figures.deadlines[class];
        rows.push((format!("deadlines met, {name}"), format!("{met} of {all}")));
        rows.push((format!("fairness between owners, {name} (Jain)"), format!("{:.3}", figures.fairness.index(class))));
    }
    let longest = format!("{} (starved: {})", time(figures.longest_wait_ms()), time(figures.starved_after_ms()));
    rows.push(("longest wait of any job".to_owned(), longest));
    rows.push(("all jobs ended after".to_owned(), time(figures.end_ms)));
    rows.push(("probes, waits said".to_owned(), format!("{}, {}", counts.probes, counts.waits)));
    let (decisions, events) = (figures.decisions_per_second(), figures.events_per_second());
    rows.push(("**placements, a second of one core**".to_owned(), format!("**{decisions:.0}**")));
    rows.push(("steps (events answered), a second of one core".to_owned(), format!("{events:.0}")));
    rows.push(("answers that were wrong".to_owned(), outcome.violations.1.to_string()));
    rows
}

/// The run as plain text.
pub fn text(outcome: &Outcome) -> String {
    let line = |(what, figure): (String, String)| format!("{:<72} {}\n", plain(&what), plain(&figure));
    let mut text: String = rows(outcome).into_iter().map(line).collect();
    text.push_str(&format!("{:<72} {:016x}\n", "digest of all events and answers", outcome.digest.0));
    outcome.violations.0.iter().for_each(|violation| text.push_str(&format!("  wrong: {violation}\n")));
    text
}

fn plain(text: &str) -> String {
    text.replace("**", "")
}

/// Runs side by side as a Markdown table.
pub fn table(runs: &[(&str, &Outcome)]) -> String {
    let names: Vec<&str> = runs.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(runs.len()));
    let columns: Vec<Vec<(String, String)>> = runs.iter().map(|(_, outcome)| rows(outcome)).collect();
    for (at, (what, _)) in columns.first().into_iter().flatten().enumerate() {
        let figures: Vec<&str> = columns.iter().map(|column| column[at].1.as_str()).collect();
        text.push_str(&format!("| {what} | {} |\n", figures.join(" | ")));
    }
    text
}

/// A document with what stands between the markers replaced; `None` where they are not there.
pub fn replaced(document: &str, table: &str) -> Option<String> {
    let begin = document.find(BEGIN)?;
    let begin = begin + document[begin..].find('\n')? + 1;
    let end = begin + document[begin..].find(END)?;
    Some(format!("{}\n{table}\n{}", &document[..begin], &document[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_markers_is_replaced_and_nothing_else() {
        let document = format!("before\n{BEGIN}; written -->\n\nold\n\n{END}\nafter\n");
        let new = replaced(&document, "| new |\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}; written -->\n\n| new |\n\n{END}\nafter\n"));
        assert_eq!(replaced(&new, "| new |\n").as_deref(), Some(new.as_str()));
        assert_eq!(replaced("nothing", "x"), None);
    }
}
