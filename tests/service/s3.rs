//! From a bucket to a bucket.

use crate::bucket::{Place, is_manifest, is_segment, job};
use crate::daemon::{end_of, get, job_that, output, submit};
use crate::media::{check_whole, clip, frames};
use reelmill::api::v1::{self, JobState};
use reelmill_testkit::Request;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const SECONDS: usize = 6;
const SIGCONT: i32 = libc::SIGCONT;
const SIGSTOP: i32 = libc::SIGSTOP;

#[tokio::test]
async fn an_object_becomes_an_output_that_is_whole_and_told_of() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().set("log=debug").start().await;
    let source = daemon.path("in.mp4");
    clip(&source, SECONDS);
    place.upload("in.mp4", &source).await;
    let (uri, out) = (place.uri("in.mp4"), place.uri("out"));
    let options =
        ["--renditions", "90p", "--segment", "1s", "--speed", "fast", "--packaging", "cmaf,ts", "--wait", "--json"];
    let said = daemon.command(&[&["submit", &uri, &out][..], &options].concat()).unwrap();
    let job: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(job["state"], "succeeded", "{job:#}");
    let stored = place.below("out/").await;
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], SECONDS);
    assert_eq!(frames(&copy.join("cmaf/manifest.mpd")), SECONDS * crate::media::RATE);
    // Nothing but the output is there, and everything of it is told of.
    let total: u64 = stored.iter().map(|(_, size)| size).sum();
    assert_eq!(job["outputs"][0]["stored_bytes"], total, "{stored:?} {:#}", job["outputs"][0]);
    for file in job["outputs"][0]["files"].as_array().unwrap() {
        let path = file["uri"].as_str().unwrap().strip_prefix(&format!("{out}/")).unwrap();
        let known = stored.iter().find(|(known, _)| known == path).unwrap_or_else(|| panic!("{path} is not there"));
        assert_eq!(file["size_bytes"], known.1, "{path}");
    }
    assert_eq!(job["outputs"][0]["destination"], out);
    assert_eq!(job["inputs"][0]["size_bytes"], source.metadata().unwrap().len());
    assert!(daemon.spooled().is_empty(), "{:?}", daemon.spooled());
    assert!(!daemon.log().contains(&place.target.secret_access_key), "a secret is in the log");
    assert!(!said.contains(&place.target.secret_access_key));
    place.clear().await;
}

#[tokio::test]
async fn objects_carry_what_was_asked_for_each_kind() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut spec = job(source.to_str().unwrap(), &place.uri("usual"));
    spec.outputs[0].progressive_mp4 = Some(true);
    let mut chosen = output(&place.uri("chosen"), &["90p"]);
    chosen.upload = Some(v1::UploadOptions {
        cache_control: "max-age=60".into(),
        manifest_cache_control: "max-age=1".into(),
        acl: "public-read".into(),
        metadata: BTreeMap::from([("title".into(), "a, \"b\" = c".into()), ("episode-1".into(), "x".into())]),
        create_bucket: None,
    });
    spec.outputs.push(chosen);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    for put in place.puts("usual/") {
        let path = put.path();
        let usual = if is_segment(&path) || path.ends_with(".mp4") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        assert_eq!(put.header("cache-control"), Some(usual), "{path}");
        assert_eq!(put.header("content-type"), Some(content_type(&path)), "{path}");
        assert_eq!(put.header("x-amz-acl"), None, "{path}");
    }
    let segments: Vec<Request> = place.puts("chosen/").into_iter().filter(|put| !put.path().ends_with("job")).collect();
    assert!(segments.len() > 10);
    for put in segments {
        let path = put.path();
        let asked = if is_segment(&path) || path.ends_with(".mp4") { "max-age=60" } else { "max-age=1" };
        assert_eq!(put.header("cache-control"), Some(asked), "{path}");
        assert_eq!(put.header("x-amz-acl"), Some("public-read"), "{path}");
        assert_eq!(put.header("x-amz-meta-title"), Some("a, \"b\" = c"), "{path}");
        assert_eq!(put.header("x-amz-meta-episode-1"), Some("x"), "{path}");
    }
    let stored = place.bucket.head(&place.key("chosen/cmaf/manifest.mpd")).await.unwrap().unwrap();
    assert_eq!(stored.content_type.as_deref(), Some("application/dash+xml"));
    assert_eq!(stored.metadata.get("title").map(String::as_str), Some("a, \"b\" = c"));
    place.clear().await;
}

/// What players and caches expect of a name.
fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|ending| ending.to_str()) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("m4s") => "video/iso.segment",
        Some("mp4") if path.contains("/audio-") => "audio/mp4",
        Some("mp4") => "video/mp4",
        Some("ts") => "video/mp2t",
        _ => "application/json",
    }
}

#[tokio::test]
async fn segments_go_out_while_the_rest_is_made_and_manifests_follow_them() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 20);
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(source.to_str().unwrap(), &place.uri("out"))).await;
    place.proxy.until(|seen| seen.iter().any(|r| r.method == "PUT" && r.path().ends_with("90p/00000.ts"))).await;
    // Nothing more is made until it is looked at: everything that is visible is visible long before the end.
    let worker = daemon.worker_on(&id, "video-0").await;
    worker.signal(SIGSTOP);
    let playable = job_that(&mut client, &id, |job| job.outputs[0].playable_time.is_some()).await;
    assert_eq!(playable.state(), JobState::Running);
    let so_far = place.below("out/").await;
    assert!(so_far.iter().any(|(path, _)| path == "cmaf/master.m3u8"), "{so_far:?}");
    let copy = daemon.path("growing");
    place.download("out/", &copy).await;
    crate::media::check_named(&copy.join("cmaf/master.m3u8"));
    let playlist = std::fs::read_to_string(copy.join("ts/90p/media.m3u8")).unwrap();
    assert!(playlist.contains("#EXT-X-PLAYLIST-TYPE:EVENT") && !playlist.contains("ENDLIST"), "{playlist}");
    let job = get(&mut client, &id).await;
    let progress = job.progress.unwrap();
    assert!(progress.outputs[0].uploaded_bytes > 0, "{progress:?}");
    worker.signal(SIGCONT);
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    in_order(&place.put_paths("out/"));
    place.clear().await;
}

/// The last time that each name was put: segments, then media playlists, then masters, then the report.
fn in_order(puts: &[String]) {
    let last = |like: &dyn Fn(&str) -> bool| puts.iter().rposition(|path| like(path)).unwrap();
    let first_final = |like: &dyn Fn(&str) -> bool| {
        let names: std::collections::BTreeSet<_> = puts.iter().filter(|path| like(path)).collect();
        names.into_iter().map(|name| last(&|path| path == name)).min().unwrap()
    };
    let is_master = |path: &str| path.ends_with("master.m3u8") || path.ends_with(".mpd");
    let is_media = |path: &str| is_manifest(path) && !is_master(path);
    assert!(last(&is_segment) < first_final(&is_manifest), "{puts:?}");
    for packaging in ["cmaf/", "ts/"] {
        let media = last(&|path| path.starts_with(packaging) && is_media(path));
        assert!(media < first_final(&|path| path.starts_with(packaging) && is_master(path)), "{puts:?}");
    }
    assert_eq!(last(&|path| path == "reelmill.json"), puts.len() - 1, "{puts:?}");
}
