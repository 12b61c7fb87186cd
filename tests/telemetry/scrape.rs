//! A real job on a real daemon that a real Prometheus watches: everything that is shown and watched has data.

use crate::daemon::{Daemon, PATIENCE, end_of, job, submit};
use crate::media::clip;
use crate::prometheus::Prometheus;
use crate::shipped;
use reelmill::api::v1::JobState;
use std::time::{Duration, Instant};

/// How often it is looked again: Prometheus asks every second.
const LOOK: Duration = Duration::from_millis(250);

#[tokio::test]
async fn every_panel_and_every_alert_has_data_after_a_real_job() {
    let daemon = Daemon::start().await;
    let Some(prometheus) = Prometheus::start(daemon.http()).await else { return };
    let source = daemon.path("in.mp4");
    clip(&source, 3);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&source, &daemon.path("out"))).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);

    let made = "sum(reelmill_media_encoded_seconds_total{codec=\"h264\",device=\"cpu\"})";
    let sum = until_data(&prometheus, "media made", made).await;
    // Two rungs of three seconds.
    assert!((sum - 6.0).abs() < 0.1, "{sum}");
    for (name, query) in shipped::queries() {
        until_data(&prometheus, &name, &query).await;
    }
    let began = Instant::now();
    loop {
        let groups = prometheus.api("rules").await.unwrap();
        let rules = groups["groups"][0]["rules"].as_array().unwrap().clone();
        let alerts = shipped::text("docker/prometheus/alerts.yml").matches("- alert: ").count();
        assert_eq!(rules.len(), alerts);
        if rules.iter().all(|rule| rule["health"] == "ok") {
            let firing: Vec<_> = rules.iter().filter(|rule| rule["state"] == "firing").collect();
            assert!(firing.is_empty(), "{firing:?}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{rules:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until an expression gives something, and gives the first value.
async fn until_data(prometheus: &Prometheus, name: &str, query: &str) -> f64 {
    let began = Instant::now();
    loop {
        let found = prometheus.query(query).await.unwrap_or_else(|error| panic!("{name}: {query}: {error}"));
        if let Some(first) = found.first() {
            return first["value"][1].as_str().unwrap().parse().unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "{name}: nothing comes of {query}");
        tokio::time::sleep(LOOK).await;
    }
}
