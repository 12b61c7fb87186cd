//! docs/METRICS.md, from the declarations.

use super::families::DECLARED;
use super::kinds::{Declared, Values};
use std::fmt::Write;

const HEAD: &str = "# Metrics

What `/metrics` of the daemon (`http.listen`) tells Prometheus. This page is made from the declarations in
`src/report/metrics/families.rs`; a test fails when it is out of date.

Units are seconds, bytes, joules and ratios, as Prometheus has it; of capacity, the dimension's name says the unit.
Counters begin at 0 with the process. A series whose labels have fixed values is there from the start; the others come
with the first thing that they count. What is not known is absent, never 0. Every label has an end: values beyond its
limit are counted as `other`. Jobs are no label. Alerts on these are in `docker/prometheus/alerts.yml`, a dashboard is in
`docker/grafana/`.

| metric | kind | labels | what it tells |
|---|---|---|---|
";

/// The page as it should be.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for declared in DECLARED {
        let labels: Vec<String> = declared.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        let (kind, help) = (declared.kind.name(), declared.help);
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {kind} | {} | {help} |", declared.name, labels.join(", "));
    }
    page.push_str("\n## Labels\n\n| label | of | values |\n|---|---|---|\n");
    for (label, values, metrics) in labels() {
        let _ = writeln!(page, "| `{label}` | {} | {values} |", metrics.join(", "));
    }
    page.push_str("\n## Buckets\n\n| histogram | upper bounds |\n|---|---|\n");
    for declared in DECLARED.iter().filter(|declared| !declared.buckets.is_empty()) {
        let bounds: Vec<String> = declared.buckets.iter().map(f64::to_string).collect();
        let _ = writeln!(page, "| `{}` | {} |", declared.name, bounds.join(", "));
    }
    page
}

/// Each label with the same values once: its name, what it can be, and the metrics that have it.
fn labels() -> Vec<(&'static str, String, Vec<String>)> {
    let mut all: Vec<(&'static str, String, Vec<String>)> = Vec::new();
    for Declared { name: metric, labels, .. } in DECLARED {
        for label in *labels {
            let values = match label.values {
                Values::Of(values) => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
                Values::AtMost(max, what) => format!("at most {max}: {what}"),
                Values::Setting(setting, what) => format!("at most as many as `{setting}` says: {what}"),
            };
            match all.iter_mut().find(|(name, known, _)| *name == label.name && *known == values) {
                Some((.., metrics)) => metrics.push(format!("`{metric}`")),
                None => all.push((label.name, values, vec![format!("`{metric}`")])),
            }
        }
    }
    all
}
