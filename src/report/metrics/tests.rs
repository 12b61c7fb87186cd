//! What is declared, documented and told.

use super::*;
use crate::model::Fault;
use crate::model::usage::Stage;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
    let wanted = page();
    if std::env::var_os("REELMILL_BLESS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    for (number, (old, new)) in found.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(old, new, "docs/METRICS.md:{}: run this with REELMILL_BLESS=1", number + 1);
    }
    assert_eq!(found.len(), wanted.len(), "docs/METRICS.md is out of date: run this with REELMILL_BLESS=1");
}

#[test]
fn every_metric_is_named_as_prometheus_has_it_and_explained() {
    let mut names = BTreeSet::new();
    for declared in DECLARED {
        let name = declared.name;
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("reelmill_") || name.starts_with("process_"), "{name}");
        assert_eq!(declared.kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(declared.help.ends_with('.') && declared.help.len() >= 10, "{name}: {}", declared.help);
        assert_eq!(declared.kind == Kind::Histogram, !declared.buckets.is_empty(), "{name}");
        let grows = declared.buckets.windows(2).all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] * 10.0);
        assert!(grows && declared.buckets.len() <= 16, "{name}: {:?}", declared.buckets);
        let labels: BTreeSet<_> = declared.labels.iter().map(|label| label.name).collect();
        assert_eq!(labels.len(), declared.labels.len(), "{name} has a label twice");
        assert!(!labels.contains("job") && !labels.contains("le"), "{name}");
    }
}

#[test]
fn label_values_are_those_of_the_model() {
    let of = |metric: &str, label: &str| {
        let declared = DECLARED.iter().find(|declared| declared.name == metric).unwrap();
        match declared.labels.iter().find(|known| known.name == label).unwrap().values {
            Values::Of(values) => values.to_vec(),
            other => panic!("{metric}: {other:?}"),
        }
    };
    let states: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
    assert_eq!(of("reelmill_jobs", "state"), states);
    let over: Vec<_> = JobState::ALL.iter().filter(|state| state.is_over()).map(|state| state.as_str()).collect();
    assert_eq!(of("reelmill_jobs_ended_total", "state"), over);
    assert_eq!(of("reelmill_jobs_queued", "class"), Priority::ALL.map(Priority::name));
    assert_eq!(of("reelmill_cpu_seconds_total", "stage"), Stage::ALL.map(Stage::name));
    for fault in of("reelmill_retries_total", "fault") {
        assert_eq!(Fault::from_name(fault).name(), fault);
    }
}

/// What a scrape of a node with one of everything gives.
fn busy() -> (Metrics, String) {
    let metrics = Metrics::new(1);
    metrics.job_accepted(Priority::High);
    metrics.job_begins(Priority::High, Duration::from_millis(1500));
    metrics.job_ended(Priority::High, JobState::Succeeded, "first");
    metrics.job_ended(Priority::Batch, JobState::Failed, "second");
    metrics.refused("cpu.threads", Refusal::Waits);
    metrics.used(Stage::Encode, 2_500_000);
    metrics.device_used("cuda:0", "encode", 500_000);
    metrics.device_energy("cuda:0", 1500);
    metrics.owner_used("first", 1_000_000);
    metrics.encoded("h264", "cuda:0", 8_000_000, Duration::from_secs(2));
    metrics.published(1000, Duration::from_millis(30));
    metrics.store_operation("save", Duration::from_millis(2), true);
    metrics.api_call("JobService/GetJob", "ok", Duration::from_millis(1));
    metrics.watch_spool(Arc::new(AtomicU64::new(77)), 1000);
    metrics.loads(vec![DeviceLoad { device: "cuda:0".into(), engine: "encode".into(), busy_permille: 250 }]);
    let breakers = vec![("cuda:0".into(), "encode.h264".into(), 2)];
    metrics.node(NodeFigures { queued: [0, 3, 0], active: [1, 0, 0], breakers });
    let capacity = vec![Capacity { device: "cpu".into(), dimension: "cpu.threads".into(), total: 4, held: 1 }];
    let text = metrics.text(&Scraped { capacity, draining: true, ..Scraped::default() }).unwrap();
    (metrics, text)
}

#[test]
fn what_was_counted_is_told() {
    let (_metrics, text) = busy();
    for line in [
        "reelmill_jobs{state=\"succeeded\"} 0",
        "reelmill_jobs_queued{class=\"normal\"} 3",
        "reelmill_jobs_active{class=\"high\"} 1",
        "reelmill_jobs_ended_total{class=\"batch\",state=\"failed\"} 1",
        "reelmill_queue_wait_seconds_bucket{class=\"high\",le=\"1\"} 0",
        "reelmill_queue_wait_seconds_bucket{class=\"high\",le=\"5\"} 1",
        "reelmill_admission_refusals_total{dimension=\"cpu.threads\",outcome=\"waits\"} 1",
        "reelmill_draining 1",
        "reelmill_capacity_headroom{device=\"cpu\",dimension=\"cpu.threads\"} 3",
        "reelmill_device_busy_ratio{device=\"cuda:0\",engine=\"encode\"} 0.25",
        "reelmill_breaker_state{ability=\"encode.h264\",device=\"cuda:0\"} 2",
        "reelmill_encode_speed_ratio_sum{codec=\"h264\",device=\"cuda:0\"} 4",
        "reelmill_published_bytes_total 1000",
        "reelmill_spool_bytes 77",
        "reelmill_spool_max_bytes 1000",
        "reelmill_store_errors_total 1",
        "reelmill_cpu_seconds_total{stage=\"encode\"} 2.5",
        "reelmill_device_seconds_total{device=\"cuda:0\",operation=\"encode\"} 0.5",
        "reelmill_device_energy_joules_total{device=\"cuda:0\"} 1.5",
        "reelmill_owner_jobs_ended_total{owner=\"first\",state=\"succeeded\"} 1",
        "reelmill_owner_jobs_ended_total{owner=\"other\",state=\"failed\"} 1",
        "reelmill_worker_exits_total{cause=\"signalled\"} 0",
        "reelmill_api_calls_total{code=\"ok\",method=\"JobService/GetJob\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"] {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= 0.0), "{name}: {value:?}");
    }
}

#[test]
fn what_is_gone_is_not_told_any_more() {
    let (metrics, _) = busy();
    metrics.node(NodeFigures::default());
    metrics.loads(Vec::new());
    let text = metrics.text(&Scraped::default()).unwrap();
    for name in ["reelmill_capacity", "reelmill_breaker_state", "reelmill_device_busy_ratio"] {
        assert!(!text.lines().any(|line| line.starts_with(&format!("{name}{{"))), "{name} in\n{text}");
    }
}

#[test]
fn a_part_counts_for_as_long_as_it_runs() {
    let metrics = Metrics::default();
    let run = metrics.part_runs("cpu");
    assert!(metrics.text(&Scraped::default()).unwrap().contains("reelmill_parts_running{device=\"cpu\"} 1"));
    drop(run);
    assert!(metrics.text(&Scraped::default()).unwrap().contains("reelmill_parts_running{device=\"cpu\"} 0"));
}

#[test]
fn owners_are_no_label_unless_asked_for() {
    let metrics = Metrics::default();
    metrics.job_ended(Priority::Normal, JobState::Failed, "somebody");
    metrics.owner_used("somebody", 1);
    assert!(!metrics.text(&Scraped::default()).unwrap().contains("somebody"));
}
