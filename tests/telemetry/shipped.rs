//! The files that are shipped, as the tests read them; and what must hold of them without Prometheus.

use reelmill::report::metrics::DECLARED;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Title and query of everything that the dashboard asks, with its variables as they are at first.
pub(crate) fn queries() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(&text("docker/grafana/dashboards/reelmill.json")).unwrap();
    let mut queries = Vec::new();
    let mut add = |title: &Value, query: &Value| {
        queries.push((title.as_str().unwrap().to_owned(), settled(&board, query.as_str().unwrap())));
    };
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            add(&panel["title"], &target["expr"]);
        }
    }
    queries
}

/// A query with what stands for the board's variables.
fn settled(board: &Value, query: &str) -> String {
    let mut query = query.replace("$__rate_interval", "1m").replace("$instance", ".*");
    for variable in board["templating"]["list"].as_array().unwrap() {
        if let Some(value) = variable["current"]["value"].as_str() {
            query = query.replace(&format!("${}", variable["name"].as_str().unwrap()), value);
        }
    }
    assert!(!query.contains('$'), "{query}");
    query
}

/// What stands behind `key:` in each line of the alerts that begins with it.
fn lines(key: &str) -> Vec<String> {
    let file = text("docker/prometheus/alerts.yml");
    let value = |line: &str| line.trim_start().strip_prefix(key).map(|value| value.trim().to_owned());
    file.lines().filter_map(value).collect()
}

#[test]
fn every_alert_rests_on_a_promise_and_says_what_to_do() {
    let specification = text("docs/SPECIFICATION.md");
    let (alerts, promises) = (lines("- alert:"), lines("promise:"));
    assert!(alerts.len() >= 10, "{alerts:?}");
    for rest in [&promises, &lines("summary:"), &lines("description:"), &lines("severity:"), &lines("for:")] {
        assert_eq!(rest.len(), alerts.len());
    }
    for (alert, promise) in alerts.iter().zip(&promises) {
        assert!(specification.contains(&format!("| {promise} |")), "{alert} rests on {promise}, which is not promised");
        let tests = text("docker/prometheus/tests.yml");
        for kind in ["fires", "is quiet"] {
            assert!(tests.contains(&format!("name: {alert} {kind}\n")), "{alert}: nothing tests that it {kind}");
        }
    }
}

#[test]
fn boards_and_alerts_ask_for_metrics_that_there_are() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for declared in DECLARED {
        known.extend(["", "_bucket", "_sum", "_count"].map(|end| format!("{}{end}", declared.name)));
    }
    let mut asked: Vec<String> = queries().into_iter().map(|(_, query)| query).collect();
    asked.extend(lines("expr:"));
    asked.push(text("docker/prometheus/tests.yml"));
    for query in asked {
        for word in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_metric = word.starts_with("reelmill_") || word.starts_with("process_");
            assert!(!is_metric || known.contains(word), "{word} in {query}");
        }
    }
}
