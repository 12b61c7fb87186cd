//! Keys of every kind land exactly where they are named.

use crate::bucket::{Place, job};
use crate::daemon::{end_of, output, submit};
use crate::media::{check_whole, clip};
use reelmill::api::v1::{JobState, ProbeMediaRequest};

/// Names that something between a client and an object may take for something else.
const NAMES: [&str; 9] = [
    "a.b..c/v1.2",
    "with spaces / in it",
    "quo'te\"s",
    "ünïcödé/日本語",
    "no-extension",
    "per%20cent%",
    "plus+and&=",
    "question?hash#",
    "back\\slash;semi",
];

#[tokio::test]
async fn a_key_is_taken_as_it_is_written() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    let mut media = daemon.media().await;
    for name in NAMES {
        place.upload(&format!("in/{name}"), &source).await;
        let probed = media.probe_media(ProbeMediaRequest { uri: place.uri(&format!("in/{name}")) }).await;
        assert!(probed.is_ok(), "{name}: {probed:?}");
    }
    let mut spec = job(&place.uri(&format!("in/{}", NAMES[2])), &place.uri(&format!("out/{}", NAMES[0])));
    spec.outputs.extend(NAMES[1..].iter().map(|name| output(&place.uri(&format!("out/{name}")), &["90p"])));
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let copy = daemon.path("copy");
    place.download(&format!("out/{}/", NAMES[0]), &copy).await;
    check_whole(&copy, &["90p"], &["cmaf", "ts"], 2);
    let paths = async |name: &str| {
        let found = place.below(&format!("out/{name}/")).await;
        found.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    let whole = paths(NAMES[0]).await;
    for (name, output) in NAMES.iter().zip(&ended.outputs) {
        assert_eq!(paths(name).await, whole, "{name}");
        assert_eq!(output.destination, place.uri(&format!("out/{name}")));
    }
    let all = place.below("out/").await;
    let inside = |path: &str| NAMES.iter().any(|name| path.starts_with(&format!("{name}/")));
    assert!(all.iter().all(|(path, _)| inside(path)), "{all:?}");
    place.clear().await;
}

#[tokio::test]
async fn slashes_in_a_row_are_sent_as_they_are() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 2);
    place.upload("in//a.mp4", &source).await;
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&place.uri("in//a.mp4"), &place.uri("a//b"))).await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    let asked = place.proxy.requests();
    let root = format!("/{}/{}", place.target.bucket, place.prefix);
    for (method, path) in [("GET", "in//a.mp4"), ("PUT", "a//b/cmaf/master.m3u8"), ("PUT", "a//b/ts/90p/00000.ts")] {
        let exact = format!("{root}{path}");
        assert!(
            asked.iter().any(|request| request.method == method && request.target.split('?').next() == Some(&exact))
        );
    }
    // The embedded store keeps objects in directories, which know no empty names.
    if place.target.embedded.is_none() {
        let copy = daemon.path("copy");
        place.download("a//b/", &copy).await;
        check_whole(&copy, &["90p"], &["cmaf", "ts"], 2);
    }
    place.clear().await;
}
