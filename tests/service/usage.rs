//! What a job has cost: told while it runs and afterwards, added up, kept over the daemon's death and the job's end.

use crate::daemon::{Daemon, Setup, end_of, get, job, job_of, job_that, output, submit, until};
use crate::media::{HALF, clip, heavy_clip, identities};
use crate::slow::SlowFile;
use reelmill::api::v1::query_usage_request::GroupBy;
use reelmill::api::v1::usage_service_client::UsageServiceClient;
use reelmill::api::v1::{self, JobState, QueryUsageRequest};

fn value(figure: Option<v1::Figure>) -> u64 {
    figure.map_or(0, |figure| figure.value)
}

/// CPU time of an output over its stages, as far as it is known.
fn cpu(usage: &v1::OutputUsage) -> u64 {
    usage.stages.iter().map(|stage| value(stage.cpu_us)).sum()
}

async fn groups(daemon: &Daemon, group_by: GroupBy) -> Vec<v1::UsageGroup> {
    let mut client = UsageServiceClient::new(daemon.channel().await);
    let request = QueryUsageRequest { group_by: group_by.into(), ..QueryUsageRequest::default() };
    client.query_usage(request).await.unwrap().into_inner().groups
}

#[tokio::test]
async fn every_figure_is_there_or_unknown_and_all_adds_up() {
    let prices = ["prices.currency=EUR", "prices.cpu_second=0.01", "prices.normalised_minute=0.5"];
    let daemon = prices.into_iter().fold(Setup::default(), Setup::set).start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 6);
    let mut spec = job(&source, &daemon.path("both"));
    spec.outputs.push(output(daemon.path("small").to_str().unwrap(), &["90p"]));
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let usage = ended.usage.clone().unwrap();
    assert_eq!(usage.outputs.len(), 2);
    for (usage, output) in usage.outputs.iter().zip(&ended.outputs) {
        assert_eq!(usage.output_id, output.id);
        assert_eq!(value(usage.stored_bytes), output.stored_bytes);
        assert!(value(usage.made_bytes) > 0 && value(usage.normalised_milliminutes) > 0, "{usage:?}");
        let media: i64 = output.tracks.iter().map(|track| track.duration.unwrap().seconds).sum();
        assert!((usage.media.unwrap().seconds - media).abs() <= 1, "{usage:?}");
        assert!(usage.wall.is_some_and(|wall| (wall.seconds, wall.nanos) > (0, 0)));
        for stage in ["package", "publish"] {
            let stage = usage.stages.iter().find(|one| one.stage == stage).unwrap();
            assert!(stage.cpu_us.is_some_and(|figure| figure.value > 0 && figure.measured), "{usage:?}");
        }
        // No device took part, which is known.
        assert_eq!(usage.energy_mj.map(|figure| figure.value), Some(0));
        assert!(usage.stages.iter().all(|stage| stage.device_us.is_some_and(|figure| figure.value == 0)));
        assert!(usage.cost.as_ref().is_some_and(|cost| cost.micros > 0 && cost.currency == "EUR"), "{usage:?}");
    }
    if let (Some(all), Some(rest)) = (usage.cpu_us, usage.cpu_remainder_us) {
        assert_eq!(usage.outputs.iter().map(cpu).sum::<u64>() + rest.value, all.value);
    }
    let costs: i64 = usage.outputs.iter().map(|output| output.cost.as_ref().unwrap().micros).sum();
    assert_eq!(usage.cost.unwrap().micros, costs);

    // The bill outlives the record.
    let before = groups(&daemon, GroupBy::Output).await;
    assert_eq!(
        before.iter().map(|group| group.usage.clone().unwrap()).map(|one| cpu(&one)).sum::<u64>(),
        usage.outputs.iter().map(cpu).sum::<u64>()
    );
    client.delete_job(v1::DeleteJobRequest { id: id.clone() }).await.unwrap();
    assert_eq!(groups(&daemon, GroupBy::Output).await, before);
    let jobs = groups(&daemon, GroupBy::Job).await;
    assert_eq!((jobs.len(), jobs[0].job_id.as_str(), jobs[0].outputs), (1, id.as_str(), 2));
    assert_eq!(jobs[0].costs[0].micros, costs);
    let sheet = daemon.command(&["usage", "--by", "output", "--csv"]).unwrap();
    assert_eq!(sheet.lines().count(), 3, "{sheet}");
    let none = daemon.command(&["usage", "--to", "2020-01-01", "--json"]).unwrap();
    assert_eq!(none, "");
}

#[tokio::test]
async fn usage_goes_on_over_the_death_of_the_daemon() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let source = daemon.path("in.mp4");
    heavy_clip(&source);
    let slow = SlowFile::start(&source, HALF).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(&slow.uri(), &daemon.path("out"))).await;
    until("some segments", || (identities(&daemon.path("out")).len() >= 8).then_some(())).await;
    let made = |job: &v1::Job| job.usage.as_ref().map_or(0, |usage| value(usage.outputs[0].made_bytes));
    let running = job_that(&mut client, &id, |job| made(job) > 0).await;
    // What was told last may not be stored yet; the sound's end stores all that was there by then.
    let told = made(&running);
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let kept = {
        use reelmill::store::{Sqlite, Store};
        let store = Sqlite::open(&daemon.state_dir()).unwrap();
        let json = store.document(id.parse().unwrap(), reelmill::usage::DOCUMENT).await.unwrap();
        let kept = json.map(|json| serde_json::from_slice::<reelmill::usage::Kept>(&json).unwrap()).unwrap_or_default();
        kept.bill.outputs.first().and_then(|output| output.made_bytes).map_or(0, |figure| figure.value)
    };
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let again = get(&mut client, &id).await;
    assert!(made(&again) >= kept, "{} {kept} {told}", made(&again));
    slow.release();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let usage = &ended.usage.as_ref().unwrap().outputs[0];
    assert!(value(usage.made_bytes) >= kept.max(1));
    // Made at least once: all that is stored but for playlists and headers.
    let segments: u64 = ended.outputs[0].tracks.iter().map(|track| track.bytes).sum();
    assert!(value(usage.made_bytes) + kept.max(told) >= segments / 2, "{usage:?}");
    assert!(usage.wall.is_some());
}
