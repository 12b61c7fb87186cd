//! Jobs that are refused: status, code, path and sentence of each.

use crate::harness::{Server, job, output, refusal, request, settings};
use prost_types::Duration;
use reelmill::api::v1::webhook_spec::Event;
use reelmill::api::v1::*;
use tonic::Code;

/// Changes a good job into a bad one.
type Spoil = fn(&mut JobSpec);

/// There must be one violation, with this path, this code, and this in its sentence.
struct Case(&'static str, &'static str, &'static str, Spoil);

async fn check(cases: &[Case]) {
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let mut wrong = Vec::new();
    for Case(field, code, part, spoil) in cases {
        let mut job = job();
        spoil(&mut job);
        let Err(status) = client.create_job(request(job)).await else {
            wrong.push(format!("{field} [{code}]: accepted"));
            continue;
        };
        let told = refusal(&status);
        assert_eq!((told.code, told.fault.as_str()), (Code::InvalidArgument, "input"), "{field}");
        let found: Vec<_> = told.violations.iter().map(|(f, c, d)| format!("{f} [{c}]: {d}")).collect();
        let fits = |(f, c, d): &(String, String, String)| f == field && c == code && d.contains(part);
        if told.violations.len() != 1 || !fits(&told.violations[0]) || told.reason != *code {
            wrong.push(format!("{field} [{code}] {part}: got {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn seconds(seconds: i64, nanos: i32) -> Option<Duration> {
    Some(Duration { seconds, nanos })
}

fn rung(size: &str) -> Vec<RenditionSpec> {
    vec![RenditionSpec { size: size.into(), ..RenditionSpec::default() }]
}

#[tokio::test]
async fn sources() {
    check(&[
        Case("job.sources", "request.count", "there are no sources", |j| j.sources.clear()),
        Case("job.sources", "request.count", "17 sources are too many", |j| {
            j.sources = vec![j.sources[0].clone(); 17];
        }),
        Case("job.sources[0].uri", "request.locator", "is missing", |j| j.sources[0].uri.clear()),
        Case("job.sources[0].uri", "request.locator", "control character", |j| j.sources[0].uri = "/a\0b".into()),
        Case("job.sources[0].uri", "request.locator", "control character", |j| {
            j.sources[0].uri = "s3://bkt/a\nb".into()
        }),
        Case("job.sources[0].uri", "request.locator", "`ftp://` is not read here", |j| {
            j.sources[0].uri = "ftp://host/a".into();
        }),
        Case("job.sources[0].uri", "request.source", "relative", |j| j.sources[0].uri = "in.mp4".into()),
        Case("job.sources[0].uri", "request.source", "`..`", |j| j.sources[0].uri = "/media/../etc/passwd".into()),
        Case("job.sources[0].uri", "request.source", "`..`", |j| j.sources[0].uri = "s3://bkt/a/../../b".into()),
        Case("job.sources[0].uri", "request.source", "too long: S3 takes 1024", |j| {
            j.sources[0].uri = format!("s3://bkt/{}", "k".repeat(1025));
        }),
        Case("job.sources[0].uri", "request.source", "name one object", |j| j.sources[0].uri = "s3://bkt".into()),
        Case("job.sources[0].uri", "request.source", "name one object", |j| j.sources[0].uri = "s3://bkt/dir/".into()),
        Case("job.sources[0].uri", "request.bucket", "`UPPER` is no bucket name", |j| {
            j.sources[0].uri = "s3://UPPER/a".into();
        }),
        Case("job.sources[0].uri", "request.url", "not a public address", |j| {
            j.sources[0].uri = "https://127.0.0.1/a.mp4".into();
        }),
        Case("job.sources[0].uri", "request.url", "https://", |j| j.sources[0].uri = "http://example.com/a".into()),
        Case("job.sources[0].id", "request.id", "is no id", |j| j.sources[0].id = "a b".into()),
        Case("job.sources[1].id", "request.id", "`source-1` is there twice", |j| {
            let other = SourceSpec { id: "source-1".into(), ..j.sources[0].clone() };
            j.sources.push(other);
        }),
        Case("job.sources[0].start", "request.duration", "negative", |j| j.sources[0].start = seconds(-1, 0)),
        Case("job.sources[0].start", "request.duration", "no duration", |j| j.sources[0].start = seconds(1, -1)),
        Case("job.sources[0].start", "request.duration", "no duration", |j| {
            j.sources[0].start = seconds(0, 1_000_000_000);
        }),
        Case("job.sources[0].end", "request.duration", "no duration", |j| j.sources[0].end = seconds(i64::MAX, 0)),
        Case("job.sources[0].end", "request.duration", "no duration", |j| {
            j.sources[0].end = seconds(i64::MIN, i32::MIN);
        }),
        Case("job.sources[0].end", "request.trim", "ends before it begins", |j| {
            (j.sources[0].start, j.sources[0].end) = (seconds(5, 0), seconds(5, 0));
        }),
        Case("job.sources[0].end", "request.trim", "ends before it begins", |j| j.sources[0].end = seconds(0, 0)),
    ])
    .await;
}

/// Two more sources, and a third that is these joined.
fn joined(job: &mut JobSpec, ids: &[&str]) {
    job.sources.push(SourceSpec { uri: "/media/b.mp4".into(), ..SourceSpec::default() });
    let concat_source_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    job.sources.push(SourceSpec { id: "all".into(), concat_source_ids, ..SourceSpec::default() });
    job.outputs[0].source_id = "all".into();
}

#[tokio::test]
async fn joined_sources() {
    check(&[
        Case("job.sources[2].concat_source_ids", "request.concat", "1 sources cannot be joined", |j| {
            joined(j, &["source-1"]);
        }),
        Case("job.sources[2].concat_source_ids", "request.concat", "name 2 to 64", |j| joined(j, &["source-1"; 65])),
        Case("job.sources[2].concat_source_ids[1]", "request.concat", "no source of this id", |j| {
            joined(j, &["source-1", "source-9"]);
        }),
        Case("job.sources[2].concat_source_ids[0]", "request.concat", "no source of this id", |j| {
            joined(j, &["", "source-1"]);
        }),
        Case("job.sources[2].concat_source_ids[1]", "request.concat", "joined of others itself", |j| {
            joined(j, &["source-2", "all"]);
        }),
        Case("job.sources[0].concat_source_ids[0]", "request.concat", "joined of others itself", |j| {
            joined(j, &["source-2", "source-2"]);
            let concat_source_ids = vec!["all".into(), "source-2".into()];
            j.sources[0] = SourceSpec { concat_source_ids, ..SourceSpec::default() };
        }),
        Case("job.sources[2].concat_like_source_id", "request.concat", "none of `concat_source_ids`", |j| {
            joined(j, &["source-1", "source-1"]);
            j.sources[2].concat_like_source_id = "source-2".into();
        }),
        Case("job.sources[0].concat_like_source_id", "request.concat", "not joined of others", |j| {
            j.sources[0].concat_like_source_id = "source-1".into();
        }),
        Case("job.sources[2].uri", "request.concat", "no uri of its own", |j| {
            joined(j, &["source-1", "source-2"]);
            j.sources[2].uri = "/media/c.mp4".into();
        }),
        Case("job.sources[2].start", "request.concat", "no start of its own", |j| {
            joined(j, &["source-1", "source-2"]);
            j.sources[2].start = seconds(1, 0);
        }),
        Case("job.sources[2].end", "request.concat", "no end of its own", |j| {
            joined(j, &["source-1", "source-2"]);
            j.sources[2].end = seconds(1, 0);
        }),
    ])
    .await;
    // Good ones come back as they were given, whichever stands first.
    let server = Server::start().await;
    let mut client = server.jobs().await;
    let mut spec = job();
    joined(&mut spec, &["source-3", "source-2", "source-3"]);
    spec.sources.swap(0, 2);
    spec.sources[2].id = "source-3".into();
    let made = client.create_job(request(spec)).await.unwrap().into_inner().job.unwrap();
    let source = &made.spec.unwrap().sources[0];
    assert_eq!((source.id.as_str(), source.uri.as_str()), ("all", ""));
    assert_eq!(source.concat_source_ids, ["source-3", "source-2", "source-3"]);
    assert_eq!((made.inputs.len(), made.inputs[0].uri.as_str()), (3, ""));
}

#[tokio::test]
async fn places() {
    check(&[
        Case("job.outputs", "request.count", "there are no outputs", |j| j.outputs.clear()),
        Case("job.outputs", "request.count", "10000 outputs are too many: give at most 64", |j| {
            j.outputs = (0..10_000).map(|i| output(&format!("/out/{i}"))).collect();
        }),
        Case("job.outputs[0].destination", "request.destination", "is missing", |j| j.outputs[0] = output(" ")),
        Case("job.outputs[0].destination", "request.destination", "relative", |j| j.outputs[0] = output("out")),
        Case("job.outputs[0].destination", "request.destination", "`..`", |j| j.outputs[0] = output("/a/../b")),
        Case("job.outputs[0].destination", "request.destination", "`..`", |j| j.outputs[0] = output("s3://bkt/../b")),
        Case("job.outputs[0].destination", "request.destination", "root directory", |j| j.outputs[0] = output("//")),
        Case("job.outputs[0].destination", "request.destination", "blank", |j| j.outputs[0] = output("s3://bkt")),
        Case("job.outputs[0].destination", "request.destination", "blank", |j| j.outputs[0] = output("s3://bkt/ /")),
        Case("job.outputs[0].destination", "request.destination", "too long", |j| {
            j.outputs[0] = output(&format!("s3://bkt/{}", "k".repeat(1000)));
        }),
        Case("job.outputs[0].destination", "request.destination", "255 a name", |j| {
            j.outputs[0] = output(&format!("/{}", "n".repeat(256)));
        }),
        Case("job.outputs[0].destination", "request.destination", "web addresses", |j| {
            j.outputs[0] = output("https://example.com/out");
        }),
        Case("job.outputs[0].destination", "request.bucket", "`a..b` is no bucket", |j| {
            j.outputs[0] = output("s3://a..b/x");
        }),
        Case("job.outputs[0].destination", "request.locator", "control", |j| j.outputs[0] = output("/out/a\nb")),
        Case("job.outputs[1].destination", "request.same_place", "the same place as outputs[0]", |j| {
            j.outputs.push(output("/media/out"));
        }),
        Case("job.outputs[1].destination", "request.same_place", "the same place", |j| {
            j.outputs.push(output("/media//OUT/"));
        }),
        Case("job.outputs[1].destination", "request.same_place", "within or around", |j| {
            j.outputs.push(output("/media/out/more"));
        }),
        Case("job.outputs[1].destination", "request.same_place", "within or around", |j| {
            j.outputs = vec![output("s3://bkt/a/b"), output("s3://bkt/a")];
        }),
        Case("job.outputs[1].id", "request.id", "twice", |j| {
            j.outputs.push(OutputSpec { id: "output-1".into(), ..output("/other") });
        }),
        Case("job.outputs[0].id", "request.id", "`\\u{7f}/` is no id", |j| j.outputs[0].id = "\u{7f}/".into()),
    ])
    .await;
}

#[tokio::test]
async fn what_is_made() {
    check(&[
        Case("job.outputs[0].renditions[0].size", "request.rendition", "`0x0` is not", |j| {
            j.outputs[0].renditions = rung("0x0");
        }),
        Case("job.outputs[0].renditions[1].size", "request.rendition", "641x363 has an odd side", |j| {
            j.outputs[0].renditions = [rung("720p"), rung("641x363")].concat();
        }),
        Case("job.outputs[0].renditions[0].size", "request.rendition", "`100000x100000` is not", |j| {
            j.outputs[0].renditions = rung("100000x100000");
        }),
        Case("job.outputs[0].renditions[0].size", "request.rendition", "`` is not", |j| {
            j.outputs[0].renditions = rung("");
        }),
        Case("job.outputs[0].renditions[0].size", "request.rendition", "bit_rate", |j| {
            j.outputs[0].renditions = rung("720p@2M");
        }),
        Case("job.outputs[0].renditions[0].bit_rate", "request.rendition", "1 bits a second cannot", |j| {
            j.outputs[0].renditions = rung("720p");
            j.outputs[0].renditions[0].bit_rate = 1;
        }),
        Case("job.outputs[0].renditions[0].source_id", "request.unknown_source", "no source `x`", |j| {
            j.outputs[0].renditions = rung("720p");
            j.outputs[0].renditions[0].source_id = "x".into();
        }),
        Case("job.outputs[0].renditions", "request.rendition", "20 renditions in 2 codecs are more than 32", |j| {
            j.outputs[0].renditions = (1..=20).flat_map(|i| rung(&format!("{}p", 100 + 2 * i))).collect();
            j.outputs[0].video_codecs = vec![1, 2];
        }),
        Case("job.outputs[0].renditions", "request.count", "1000 renditions are too many", |j| {
            j.outputs[0].renditions = vec![rung("720p")[0].clone(); 1000];
        }),
        Case("job.outputs[0].source_id", "request.unknown_source", "no source `x`", |j| {
            j.outputs[0].source_id = "x".into();
        }),
        Case("job.outputs[0].audio_source_ids[1]", "request.unknown_source", "no source `y`", |j| {
            j.outputs[0].audio_source_ids = vec!["source-1".into(), "y".into()];
        }),
        Case("job.outputs[0].video_codecs[1]", "request.value", "99 names nothing", |j| {
            j.outputs[0].video_codecs = vec![1, 99];
        }),
        Case("job.outputs[0].audio_codecs[0]", "request.value", "-5 names nothing", |j| {
            j.outputs[0].audio_codecs = vec![-5];
        }),
        Case("job.outputs[0].packagings[0]", "request.value", "0 names nothing", |j| {
            j.outputs[0].packagings = vec![0];
        }),
        Case("job.outputs[0].speed", "request.value", "9 names nothing", |j| j.outputs[0].speed = 9),
        Case("job.outputs[0].channels", "request.value", "9 names nothing", |j| j.outputs[0].channels = 9),
        Case("job.outputs[0].picture.denoise", "request.value", "9 names nothing", |j| {
            j.outputs[0].picture = Some(PictureSpec { denoise: 9, ..PictureSpec::default() });
        }),
        Case("job.outputs[0].picture.pad.shape", "request.pad", "as in 16:9", |j| {
            let pad = picture_spec::Pad { shape: "wide".into(), color: "#000000".into() };
            j.outputs[0].picture = Some(PictureSpec { pad: Some(pad), ..PictureSpec::default() });
        }),
        Case("job.outputs[0].picture.pad.color", "request.color", "as in #1a2b3c", |j| {
            let pad = picture_spec::Pad { shape: "1:1".into(), color: "red".into() };
            j.outputs[0].picture = Some(PictureSpec { pad: Some(pad), ..PictureSpec::default() });
        }),
        Case("job.outputs[0].picture.crop", "request.crop", "at least 2x2", |j| {
            j.outputs[0].picture = Some(PictureSpec { crop: Some(Default::default()), ..PictureSpec::default() });
        }),
        Case("job.outputs[0].if_exists", "request.value", "9 names nothing", |j| j.outputs[0].if_exists = 9),
        Case("job.outputs[0].rate_control.mode", "request.value", "7 names no mode", |j| {
            j.outputs[0].rate_control = Some(RateControl { mode: 7, crf: 0 });
        }),
        Case("job.outputs[0].rate_control.crf", "request.crf", "no constant rate factor 52", |j| {
            j.outputs[0].rate_control = Some(RateControl { mode: 3, crf: 52 });
        }),
        Case("job.outputs[0].rate_control.crf", "request.crf", "no constant rate factor 255", |j| {
            j.outputs[0].rate_control = Some(RateControl { mode: 2, crf: u32::MAX });
        }),
        Case("job.outputs[0].rate_control.crf", "request.crf", "CAPPED_CRF and CRF only", |j| {
            j.outputs[0].rate_control = Some(RateControl { mode: 0, crf: 20 });
        }),
        Case("job.outputs[0].segment_duration", "request.segment", "`31000ms` cannot", |j| {
            j.outputs[0].segment_duration = seconds(31, 0);
        }),
        Case("job.outputs[0].segment_duration", "request.segment", "`0ms` cannot", |j| {
            j.outputs[0].segment_duration = seconds(0, 0);
        }),
        Case("job.outputs[0].segment_duration", "request.segment", "`4000001us` cannot", |j| {
            j.outputs[0].segment_duration = seconds(4, 1000);
        }),
        Case("job.outputs[0].segment_duration", "request.duration", "negative", |j| {
            j.outputs[0].segment_duration = seconds(-4, 0);
        }),
        Case("job.outputs[0].spans", "request.spans", "257", |j| j.outputs[0].spans = 257),
        Case("job.outputs[0].progressive_mp4", "request.progressive", "add it to the packagings", |j| {
            j.outputs[0].packagings = vec![Packaging::Ts.into()];
            j.outputs[0].progressive_mp4 = Some(true);
        }),
        Case("job.outputs[0].audio_codecs", "request.codec_packaging", "opus does not fit in ts", |j| {
            j.outputs[0].packagings = vec![Packaging::Ts.into()];
            j.outputs[0].audio_codecs = vec![AudioCodec::Opus.into()];
        }),
    ])
    .await;
}

#[tokio::test]
async fn options_and_webhooks() {
    check(&[
        Case("job.reference_id", "request.text", "300 bytes are too long", |j| j.reference_id = "x".repeat(300)),
        Case("job.reference_id", "request.text", "control character", |j| j.reference_id = "a\u{85}".into()),
        Case("job.profile", "request.unknown_profile", "use one of archive, audio-only", |j| j.profile = "nope".into()),
        Case("job.profile", "request.unknown_profile", "no profile `web-vod@2`", |j| j.profile = "web-vod@2".into()),
        Case("job.priority", "request.value", "4 names nothing", |j| j.priority = 4),
        Case("job.on_output_failure", "request.value", "4 names nothing", |j| j.on_output_failure = 4),
        Case("job.start_time", "request.time", "no time from 1970", |j| {
            j.start_time = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
        }),
        Case("job.retry.attempts_max", "request.retry", "21 attempts are too many", |j| {
            j.retry = Some(RetryPolicy { attempts_max: 21, ..RetryPolicy::default() });
        }),
        Case("job.retry.first_delay", "request.retry", "longer than the longest", |j| {
            j.retry = Some(RetryPolicy { attempts_max: 2, first_delay: seconds(9, 0), max_delay: seconds(1, 0) });
        }),
        Case("job.retry.max_delay", "request.retry", "at most an hour", |j| {
            j.retry = Some(RetryPolicy { attempts_max: 2, first_delay: None, max_delay: seconds(3601, 0) });
        }),
        Case("job.expire_after", "request.duration", "1 minute to 10 years", |j| j.expire_after = seconds(59, 0)),
        Case("job.labels", "request.count", "33 labels are too many", |j| {
            j.labels = (0..33).map(|i| (i.to_string(), String::new())).collect();
        }),
        Case("job.labels[\"k\"]", "request.text", "257 bytes are too long", |j| {
            j.labels = [("k".to_owned(), "v".repeat(257))].into();
        }),
        Case("job.labels[\"a\\nb\"]", "request.text", "control character", |j| {
            j.labels = [("a\nb".to_owned(), String::new())].into();
        }),
        Case("job.outputs[0].upload.acl", "request.upload", "use one of private", |j| {
            j.outputs[0].upload = Some(UploadOptions { acl: "world".into(), ..UploadOptions::default() });
        }),
        Case("job.outputs[0].upload.cache_control", "request.upload", "printable", |j| {
            let cache_control = "no-cache\r\nX-Evil: 1".into();
            j.outputs[0].upload = Some(UploadOptions { cache_control, ..UploadOptions::default() });
        }),
        Case("job.outputs[0].upload.metadata", "request.upload", "2049 bytes of metadata", |j| {
            let metadata = [("k".to_owned(), "v".repeat(2048))].into();
            j.outputs[0].upload = Some(UploadOptions { metadata, ..UploadOptions::default() });
        }),
        Case("job.outputs[0].upload.metadata[\"a:b\"]", "request.upload", "a key has", |j| {
            let metadata = [("a:b".to_owned(), "v".to_owned())].into();
            j.outputs[0].upload = Some(UploadOptions { metadata, ..UploadOptions::default() });
        }),
        Case("job.webhooks[0].url", "request.url", "is not a public address", |j| {
            j.webhooks = vec![WebhookSpec { url: "https://169.254.169.254/latest".into(), ..WebhookSpec::default() }];
        }),
        Case("job.webhooks[0].url", "request.url", "user name or password", |j| {
            j.webhooks = vec![WebhookSpec { url: "https://u:p@example.com/".into(), ..WebhookSpec::default() }];
        }),
        Case("job.webhooks[0].url", "request.url", "https://", |j| {
            j.webhooks = vec![WebhookSpec { url: "file:///etc/passwd".into(), ..WebhookSpec::default() }];
        }),
        Case("job.webhooks[0].url", "request.url", "cannot be read", |j| {
            j.webhooks = vec![WebhookSpec::default()];
        }),
        Case("job.webhooks[0].url", "request.url", "control character or a space", |j| {
            j.webhooks = vec![WebhookSpec { url: "https://example.com/\r\n".into(), ..WebhookSpec::default() }];
        }),
        Case("job.webhooks[0].events[1]", "request.value", "8 names nothing", |j| {
            let events = vec![Event::JobEnded.into(), 8];
            j.webhooks = vec![WebhookSpec { url: "https://a.b/".into(), events, secret_name: String::new() }];
        }),
        Case("job.webhooks[0].secret_name", "request.unknown_secret", "no secret `mine`", |j| {
            let secret_name = "mine".into();
            j.webhooks = vec![WebhookSpec { url: "https://a.b/".into(), secret_name, ..WebhookSpec::default() }];
        }),
    ])
    .await;
}

#[tokio::test]
async fn roots_confine_sources_and_outputs() {
    let mut settings = settings();
    settings.rules.source_roots = Some(vec!["/media".into()]);
    settings.rules.output_roots = Some(vec!["/media".into()]);
    let server = Server::with(settings).await;
    let mut client = server.jobs().await;
    client.create_job(request(job())).await.unwrap();
    let mut bad = job();
    bad.sources[0].uri = "/mediaeval/in.mp4".into();
    bad.outputs[0] = output("/etc/out");
    let told = refusal(&client.create_job(request(bad)).await.unwrap_err());
    let fields: Vec<_> = told.violations.iter().map(|(field, code, _)| (field.as_str(), code.as_str())).collect();
    let root = "request.root";
    assert_eq!(fields, [("job.sources[0].uri", root), ("job.outputs[0].destination", root)]);
}

#[tokio::test]
async fn what_files_say_of_themselves() {
    fn asked(job: &mut JobSpec, name: &str, text: &str) {
        job.outputs[0].progressive_mp4 = Some(true);
        let tags = std::collections::BTreeMap::from([(name.to_owned(), text.to_owned())]);
        job.outputs[0].file_metadata = Some(FileMetadata { tags, ..FileMetadata::default() });
    }
    let code = "request.file_metadata";
    check(&[
        Case("job.outputs[0].file_metadata.tags", code, "there is no tag `encoder`", |j| asked(j, "encoder", "x")),
        Case("job.outputs[0].file_metadata.tags[disc]", code, "is a number", |j| asked(j, "disc", "one")),
        Case("job.outputs[0].file_metadata.tags[title]", code, "control characters", |j| asked(j, "title", "a\nb")),
        Case("job.outputs[0].file_metadata", code, "only progressive files", |j| {
            asked(j, "title", "x");
            j.outputs[0].progressive_mp4 = None;
        }),
        Case("job.outputs[0].file_metadata.cover_uri", "request.locator", "`ftp://`", |j| {
            asked(j, "title", "x");
            j.outputs[0].file_metadata.as_mut().unwrap().cover_uri = "ftp://host/a".into();
        }),
        Case("job.outputs[0].sound.join_mono", "request.sound", "leave one of them out", |j| {
            let tracks = vec![SoundTrack { stream: Some(1), ..Default::default() }];
            let join_mono = JoinMono::Auto.into();
            j.outputs[0].sound = Some(SoundSpec { tracks, join_mono, ..SoundSpec::default() });
        }),
    ])
    .await;
}

#[tokio::test]
async fn closed_captions() {
    fn asked(job: &mut JobSpec, captions: CaptionsSpec) {
        job.outputs[0].text = Some(TextSpec { captions: Some(captions), ..TextSpec::default() });
    }
    fn named(channels: &[&str]) -> CaptionsSpec {
        let track = |channel: &&str| CaptionTrack { channel: (*channel).into(), ..Default::default() };
        CaptionsSpec { channels: channels.iter().map(track).collect(), ..CaptionsSpec::default() }
    }
    let (at, code) = ("job.outputs[0].text.captions", "request.text");
    check(&[
        Case(at, code, "asked for, but none", |j| asked(j, CaptionsSpec::default())),
        Case("job.outputs[0].text.captions.channels[1].channel", code, "CC1 to CC4", |j| {
            asked(j, named(&["CC1", "CC5"]));
        }),
        Case("job.outputs[0].text.captions.channels[1]", code, "chosen twice", |j| asked(j, named(&["CC1", "cc1"]))),
        Case("job.outputs[0].text.captions.form", "request.value", "9", |j| {
            asked(j, CaptionsSpec { form: 9, ..named(&["CC1"]) });
        }),
        Case("job.outputs[0].text.captions.channels[0].language", code, "no code of a language", |j| {
            let mut captions = named(&["SERVICE1"]);
            captions.channels[0].language = "x y".into();
            asked(j, captions);
        }),
        Case("job.outputs[0].text.captions.channels", "request.count", "65 closed captions are too many", |j| {
            let all = (1..=4).map(|n| format!("CC{n}")).chain((1..=61).map(|n| format!("SERVICE{n}")));
            let all: Vec<String> = all.collect();
            asked(j, named(&all.iter().map(String::as_str).collect::<Vec<_>>()));
        }),
    ])
    .await;
}
