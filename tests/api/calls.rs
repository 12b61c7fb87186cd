//! Each call where it goes well.

use crate::fake::NOW_MS;
use crate::harness::{Server, job, made, output};
use prost_types::Duration;
use reelmill::api::v1::media_service_client::MediaServiceClient;
use reelmill::api::v1::node_service_client::NodeServiceClient;
use reelmill::api::v1::*;
use reelmill::api::{Placement as WhereAndWhy, Planned};
use reelmill::model::job::{FileRole, FileSummary};
use reelmill::model::labels::Tag;
use reelmill::model::plan::{Grid, JobPlan, Note, OutputPlan, Plan, TrackUse, Work};
use reelmill::model::request::ManifestOptions;
use reelmill::model::state::{InputEvent, JobEvent, OutputEvent};
use reelmill::model::{
    AudioCodec as Sound, AudioRendition, Fault as Whose, MediaFacts as Facts, Packaging as Wrapping, Problem as Wrong,
    Ratio,
};
use reelmill::report::JobProgress;
use reelmill::report::webhook::message_id;
use reelmill::store::{Effect, EffectAttempt, EffectState, StoredEffect};
use std::collections::BTreeMap;
use std::sync::Arc;

#[tokio::test]
async fn a_new_job_comes_back_with_its_defaults_and_without_credentials() {
    let server = Server::start().await;
    let mut asked = job();
    asked.sources[0].uri = "https://example.com/in.mp4?sig=hunter2".into();
    asked.webhooks = vec![WebhookSpec { url: "https://example.com/h?token=hunter2".into(), ..WebhookSpec::default() }];
    let response = server.jobs().await.create_job(crate::harness::request(asked)).await.unwrap().into_inner();
    let job = response.job.unwrap();
    assert_eq!((job.reference_id.as_str(), job.state(), job.revision), ("film 1", JobState::Queued, 1));
    assert_eq!((job.checks_total, job.outputs_total, job.attempt), (2, 1, 0));
    assert_eq!(job.create_time.unwrap().seconds, NOW_MS / 1000);
    assert!(!format!("{job:?}").contains("hunter2"));
    let spec = job.spec.unwrap();
    assert_eq!(spec.sources[0].uri, "https://example.com/in.mp4?sig=...");
    assert_eq!(spec.priority(), Priority::Normal);
    assert_eq!(spec.webhooks[0].events, [i32::from(webhook_spec::Event::JobEnded)]);
    assert_eq!(spec.expire_after, Some(Duration { seconds: 30 * 24 * 3600, nanos: 0 }));
    let output = &spec.outputs[0];
    assert_eq!((output.id.as_str(), output.source_id.as_str(), output.spans), ("output-1", "source-1", 1));
    assert_eq!((output.if_exists(), output.speed()), (IfExists::Fail, Speed::Balanced));
    assert_eq!(output.upload.as_ref().unwrap().manifest_cache_control, "no-cache");
}

#[tokio::test]
async fn keys_with_quotes_spaces_dots_and_any_script_are_taken_as_they_are() {
    let server = Server::start().await;
    let key = "s3://bkt/it's \"here\"/%2e%2e/a..b/фильм 映画.v1.2/#1?x";
    let mut asked = job();
    asked.sources[0].uri = key.into();
    asked.outputs = vec![output(key), output("s3://bkt/plain"), output("s3://bkt/plain.2"), output("/media/out 2/")];
    let made = server.jobs().await.create_job(crate::harness::request(asked)).await.unwrap().into_inner();
    let spec = made.job.unwrap().spec.unwrap();
    let places: Vec<_> = spec.outputs.iter().map(|output| output.destination.as_str()).collect();
    assert_eq!(places, [key, "s3://bkt/plain", "s3://bkt/plain.2", "/media/out 2"]);
    assert_eq!(spec.sources[0].uri, key);
}

#[tokio::test]
async fn the_sums_of_a_job_hold_and_its_files_are_named_whole() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let outputs = ["s3://bkt/a/", "/b", "/c", "/d", "/e"].map(output).to_vec();
    let id = made(&mut client, JobSpec { outputs, ..job() }).await;
    server.fake.change(&id, |job| {
        assert!(job.job(JobEvent::Begin, NOW_MS, None));
        assert!(job.input(0, InputEvent::Check, NOW_MS, None) && job.input(0, InputEvent::Accept, NOW_MS, None));
        job.inputs[0].read_bytes = 2;
        job.inputs[0].facts = Some(Facts { container: "matroska".into(), size_bytes: 9, ..Facts::default() });
        job.outputs[0].checked = true;
        job.outputs[0].files =
            vec![FileSummary { role: FileRole::HlsMaster, path: "cmaf/master.m3u8".into(), bytes: 7 }];
        assert!(job.output(1, OutputEvent::Skip, NOW_MS, None));
        let full = Wrong::new(Whose::Sink, "output.full", "there is no room: make some");
        assert!(job.output(2, OutputEvent::Fail, NOW_MS, Some(full)));
        assert!(job.output(3, OutputEvent::Stop, NOW_MS, None) && job.output(3, OutputEvent::EndStopped, NOW_MS, None));
    });
    let progress = JobProgress { read_bytes: vec![5], ..JobProgress::default() };
    let (sender, _) = tokio::sync::watch::channel(Arc::new(progress));
    server.fake.progress.lock().unwrap().insert(id.parse().unwrap(), sender);
    let job = client.get_job(GetJobRequest { id }).await.unwrap().into_inner().job.unwrap();
    let counted = [job.outputs_ready, job.outputs_skipped, job.outputs_failed, job.outputs_stopped];
    assert_eq!((counted, job.outputs_total), ([0, 1, 1, 1], 5));
    assert_eq!((job.checks_passed, job.checks_total), (2, 6));
    assert_eq!(job.outputs[0].files[0].uri, "s3://bkt/a/cmaf/master.m3u8");
    assert_eq!(job.outputs[0].files[0].packaging(), Packaging::Cmaf);
    assert_eq!(job.outputs[2].problem.as_ref().unwrap().fault(), Fault::Sink);
    assert_eq!((job.inputs[0].read_bytes, job.inputs[0].facts.as_ref().unwrap().size_bytes), (7, 9));
    assert_eq!(job.progress.unwrap().read_bytes, 5);
}

#[tokio::test]
async fn many_are_got_and_stopped_one_by_one() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let waiting = made(&mut client, job()).await;
    let over = made(&mut client, job()).await;
    server.fake.succeed(&over);
    let ids = vec![waiting.clone(), "nonsense".into(), over, waiting];
    let got = client.batch_get_jobs(BatchGetJobsRequest { ids: ids.clone() }).await.unwrap().into_inner().results;
    let there: Vec<_> = got
        .iter()
        .map(|one| match one.result.as_ref().unwrap() {
            batch_get_jobs_response::result::Result::Job(job) => job.id == one.id,
            batch_get_jobs_response::result::Result::Problem(problem) => problem.code != "job.not_found",
        })
        .collect();
    assert_eq!(there, [true, false, true, true]);
    let stopped = client.stop_jobs(StopJobsRequest { ids: ids[..3].to_vec() }).await.unwrap().into_inner().results;
    use stop_result::Outcome::{AlreadyEnded, NotFound, Stopping};
    assert_eq!(stopped.iter().map(StopResult::outcome).collect::<Vec<_>>(), [Stopping, NotFound, AlreadyEnded]);
    assert!(stopped[0].problem.is_none() && stopped[1].problem.as_ref().unwrap().code == "job.not_found");
}

#[tokio::test]
async fn outputs_are_stopped_and_jobs_tried_again_and_deleted() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let outputs = vec![output("/a"), output("/b")];
    let id = made(&mut client, JobSpec { outputs, ..job() }).await;
    let output_ids = ["output-2", "x", "output-2"].map(str::to_owned).to_vec();
    let stopped = client.stop_outputs(StopOutputsRequest { id: id.clone(), output_ids }).await.unwrap().into_inner();
    use stop_result::Outcome::{NotFound, Stopping};
    assert_eq!(stopped.results.iter().map(StopResult::outcome).collect::<Vec<_>>(), [Stopping, NotFound, Stopping]);
    assert_eq!(stopped.results[1].problem.as_ref().unwrap().code, "request.unknown_output");

    let over = made(&mut client, job()).await;
    server.fake.succeed(&over);
    let again = RetryJobRequest { id: over.clone(), output_ids: vec!["output-1".into()] };
    let again = client.retry_job(again).await.unwrap().into_inner().job.unwrap();
    assert_eq!((again.state(), again.end_time), (JobState::Queued, None));

    let gone = made(&mut client, job()).await;
    server.fake.succeed(&gone);
    client.delete_job(DeleteJobRequest { id: gone.clone() }).await.unwrap();
    assert_eq!(client.get_job(GetJobRequest { id: gone }).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn changes_and_deliveries_are_listed() {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let id = made(&mut client, job()).await;
    server.fake.succeed(&id);
    let list = ListChangesRequest { id: id.clone(), after_revision: 1 };
    let changes = client.list_changes(list).await.unwrap().into_inner().changes;
    assert_eq!(changes.iter().map(|change| change.revision).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
    assert_eq!(changes[5].subject, Some(change::Subject::Job(JobState::Succeeded.into())));

    let url = "https://example.com/?key=secret".to_owned();
    let event = "job.succeeded".to_owned();
    let effect = Effect::Webhook { webhook: 0, url, secret_name: "default".into(), event, body: "{}".into() };
    let attempt = EffectAttempt { unix_ms: NOW_MS, status: Some(503), error: "503".into(), elapsed_ms: 4 };
    let stored = |id, state, job, effect: &Effect| StoredEffect {
        id,
        job,
        created_unix_ms: NOW_MS,
        effect: effect.clone(),
        state,
        attempts: vec![attempt.clone()],
    };
    let number = id.parse().unwrap();
    server.fake.effect(stored(7, EffectState::Due(NOW_MS + 1000), number, &effect));
    let destination = "/b".parse().unwrap();
    let removal = Effect::Remove { output: 0, destination, paths: Vec::new() };
    server.fake.effect(stored(8, EffectState::Done, number, &removal));
    server.fake.effect(stored(9, EffectState::Dead, number, &effect));
    let deliveries = client.list_deliveries(ListDeliveriesRequest { id }).await.unwrap().into_inner().deliveries;
    let states: Vec<_> = deliveries.iter().map(|one| (one.id.as_str(), one.state())).collect();
    let (first, last) = (message_id(number, 7), message_id(number, 9));
    assert_eq!(states, [(first.as_str(), delivery::State::Pending), (last.as_str(), delivery::State::Dead)]);
    assert_eq!(deliveries[0].url, "https://example.com/?key=...");
    assert_eq!((deliveries[0].attempts[0].status, deliveries[0].next_time.unwrap().seconds), (503, NOW_MS / 1000 + 1));
}

#[tokio::test]
async fn media_is_probed_and_jobs_are_planned() {
    let server = Server::start().await;
    let mut client = MediaServiceClient::new(server.channel().await);
    let tags = [(Tag::Title, "The mill".to_owned()), (Tag::AlbumArtist, "A. Reed".to_owned())].into();
    let facts = Facts { container: "mov".into(), duration_us: Some(1_500_000), tags, ..Facts::default() };
    *server.fake.probed.lock().unwrap() = Ok(facts.clone());
    let probed = client.probe_media(ProbeMediaRequest { uri: "s3://bkt/in.mp4".into() }).await.unwrap().into_inner();
    let probed = probed.facts.unwrap();
    assert_eq!(probed.duration, Some(Duration { seconds: 1, nanos: 500_000_000 }));
    let said: BTreeMap<_, _> = probed.tags.iter().map(|(tag, said)| (tag.as_str(), said.as_str())).collect();
    assert_eq!(said, BTreeMap::from([("album_artist", "A. Reed"), ("title", "The mill")]));

    let note = Note { code: "copy.not_possible".into(), message: "it is encoded".into() };
    let output = OutputPlan {
        packagings: vec![Wrapping::Cmaf],
        grid: Grid { segment_ms: 2500 },
        tracks: Vec::new(),
        pictures: Vec::new(),
        duration_us: Some(1_500_000),
        progressive: false,
        labels: Default::default(),
        manifests: ManifestOptions::default(),
        chapters: Vec::new(),
        notes: vec![note],
    };
    let placement = WhereAndWhy {
        stage: "encode",
        work: 0,
        rendition: "720p".into(),
        device: "cpu".into(),
        reason: "the only one".into(),
    };
    *server.fake.planned.lock().unwrap() = Some(Planned {
        plan: JobPlan { works: Vec::new(), outputs: vec![Some(output)], notes: Vec::new() },
        sources: vec![Some((facts, 10))],
        placements: vec![placement],
        demand: vec![("cpu.threads".into(), 2)],
        estimated_ms: Some(2500),
        estimated_cpu_ms: Some(9100),
    });
    let plan = client.plan_job(PlanJobRequest { job: Some(job()) }).await.unwrap().into_inner();
    assert_eq!((plan.outputs[0].id.as_str(), plan.inputs[0].size_bytes), ("output-1", 10));
    assert_eq!(plan.outputs[0].segment_duration, Some(Duration { seconds: 2, nanos: 500_000_000 }));
    assert_eq!((plan.estimated_time.unwrap().seconds, plan.estimated_cpu_time.unwrap().seconds), (2, 9));
    assert_eq!((plan.placements[0].device.as_str(), plan.demand[0].amount), ("cpu", 2));
    assert_eq!(plan.warnings[0].output_id, "output-1");
    assert_eq!(server.fake.asked.lock().unwrap().as_ref().unwrap().outputs[0].id, "output-1");
}

#[tokio::test]
async fn a_track_that_outputs_share_is_planned_once_and_says_so() {
    let server = Server::start().await;
    let sound = AudioRendition {
        id: "audio-1".into(),
        stream: 1,
        time_base: Ratio::new(1, 48_000),
        origin: 0,
        in_point: false,
        end: None,
        codec: Sound::Aac,
        packagings: vec![Wrapping::Cmaf, Wrapping::Ts],
        copy: false,
        encoder: "aac".into(),
        options: Vec::new(),
        sample_rate: 48_000,
        channels: 2,
        layout: "stereo".into(),
        graph: String::new(),
        whole: String::new(),
        channel_inputs: Vec::new(),
        loudness: None,
        parts: Vec::new(),
        bit_rate: 128_000,
        language: Some("de".into()),
        title: String::new(),
        default: true,
        descriptive: false,
        role: None,
    };
    let grid = Grid { segment_ms: 4000 };
    let made = Plan {
        grid,
        packagings: vec![Wrapping::Cmaf],
        video: None,
        audio: vec![sound],
        stills: None,
        text: Vec::new(),
        duration_us: Some(10_000_000),
        side_by_side: None,
        spans: Vec::new(),
        notes: Vec::new(),
    };
    let track = |id: &str| TrackUse {
        work: 0,
        rendition: "audio-1".into(),
        id: id.into(),
        title: String::new(),
        default: true,
        language: None,
        descriptive: None,
        role: None,
        captions: Vec::new(),
    };
    let output_of = |id: &str, packagings: Vec<Wrapping>| OutputPlan {
        packagings,
        grid,
        tracks: vec![track(id), TrackUse { rendition: "never planned".into(), ..track("x") }],
        pictures: Vec::new(),
        duration_us: Some(10_000_000),
        progressive: false,
        labels: Default::default(),
        manifests: ManifestOptions::default(),
        chapters: Vec::new(),
        notes: Vec::new(),
    };
    let outputs = [output_of("a", vec![Wrapping::Cmaf, Wrapping::Ts]), output_of("b", vec![Wrapping::Cmaf])];
    let outputs = outputs.into_iter().map(Some).collect();
    *server.fake.planned.lock().unwrap() = Some(Planned {
        plan: JobPlan { works: vec![Work { source: 0, inputs: Vec::new(), plan: made }], outputs, notes: Vec::new() },
        sources: vec![None],
        placements: Vec::new(),
        demand: Vec::new(),
        estimated_ms: None,
        estimated_cpu_ms: Some(9100),
    });
    let asked = JobSpec { outputs: vec![output("/a"), output("/b")], ..job() };
    let mut client = MediaServiceClient::new(server.channel().await);
    let plan = client.plan_job(PlanJobRequest { job: Some(asked) }).await.unwrap().into_inner();
    let [first, second] = &plan.outputs[..] else { panic!("{:?}", plan.outputs) };
    assert_eq!((first.stored_bytes, second.stored_bytes), (320_000, 160_000));
    assert_eq!((first.tracks.len(), first.tracks[0].id.as_str()), (1, "a"));
    assert_eq!(
        (first.tracks[0].shared_with.as_slice(), first.tracks[0].source_id.as_str()),
        (&["output-2".to_owned()][..], "source-1")
    );
    assert_eq!((second.tracks[0].codec.as_str(), second.tracks[0].language.as_str()), ("aac", "de"));
    assert_eq!((plan.inputs[0].state(), plan.media_duration.unwrap().seconds), (InputState::Pending, 10));
}

#[tokio::test]
async fn the_node_tells_of_itself_and_drains() {
    let server = Server::start().await;
    let mut client = NodeServiceClient::new(server.channel().await);
    let node = client.get_node(GetNodeRequest {}).await.unwrap().into_inner();
    assert_eq!((node.version.as_str(), node.jobs_queued), (env!("CARGO_PKG_VERSION"), 3));
    assert_eq!((node.devices[0].capacity[0].total, node.devices[0].capacity[0].held), (2, 1));
    let device = &node.devices[0];
    assert_eq!((device.driver.as_str(), device.model.as_str(), device.memory_mib), ("a driver", "a model", 2048));
    assert_eq!((device.encode_engines, device.decode_engines, device.simulated), (1, 2, true));
    let told = device.abilities.iter().map(|ability| (ability.verdict().as_str_name(), ability.code.as_str()));
    let expected = [("VERDICT_WORKS", ""), ("VERDICT_NO", "device.no_engine"), ("VERDICT_UNTRIED", "")];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let no = &device.abilities[1];
    assert_eq!(
        (no.operation.as_str(), no.codec.as_str(), no.depth, no.remedy.as_str()),
        ("encode", "hevc", 10, "another")
    );
    let drained =
        client.drain_node(DrainNodeRequest { drain: true, ..DrainNodeRequest::default() }).await.unwrap().into_inner();
    assert!(drained.draining && client.get_node(GetNodeRequest {}).await.unwrap().into_inner().draining);
    let length = |seconds| Some(Duration { seconds, nanos: 0 });
    let request = DrainNodeRequest { drain: true, deadline: length(600), hand_back: true };
    client.drain_node(request).await.unwrap();
    let shown = client.get_node(GetNodeRequest {}).await.unwrap().into_inner().drain.unwrap();
    let (from, to) = (shown.start_time.unwrap().seconds, shown.deadline_time.unwrap().seconds);
    assert_eq!((to - from, shown.hand_back), (600, true));
    // None of these changes anything.
    for request in [
        DrainNodeRequest { drain: true, deadline: length(-1), hand_back: false },
        DrainNodeRequest { drain: true, deadline: length(7 * 86_400 + 1), hand_back: false },
        DrainNodeRequest { drain: false, deadline: length(1), hand_back: false },
        DrainNodeRequest { drain: false, deadline: None, hand_back: true },
    ] {
        let refused = client.drain_node(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
    assert_eq!(client.get_node(GetNodeRequest {}).await.unwrap().into_inner().drain, Some(shown));
}
