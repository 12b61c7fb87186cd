//! Reading over HTTP as it should be, and what servers say that ends it.

use crate::server::{Answer, End, Reader, Server, content, whole};
use reelmill::input::BLOCK_BYTES;
use reelmill::model::Fault;

#[tokio::test]
async fn a_source_is_read_in_blocks_each_once() {
    let bytes = content(5 * BLOCK_BYTES + 17);
    let server = Server::of(bytes.clone()).await;
    let reader = Reader::local();
    let source = reader.open(&server.url("/a%20b.mp4?sig=s3cret")).await.unwrap();
    assert_eq!(source.size_bytes(), bytes.len() as u64);
    assert_eq!(source.name(), format!("http://{}/a%20b.mp4?…", server.address));
    let (one, two) = tokio::join!(whole(&source), whole(&source));
    assert!(one.unwrap() == *bytes && two.unwrap() == *bytes);
    assert_eq!(source.bytes_read(), source.size_bytes());

    let mut seen = server.seen();
    assert!(seen.iter().all(|request| request.path == "/a%20b.mp4?sig=s3cret"));
    seen.sort_by_key(|request| request.range());
    let starts: Vec<u64> = seen.iter().map(|request| request.range().0).collect();
    assert_eq!(starts, (0..6).map(|block| block * BLOCK_BYTES as u64).collect::<Vec<_>>());
    assert_eq!(seen[5].range().1, bytes.len() as u64 - 1);
    assert!(seen[1..].iter().all(|request| request.headers["if-match"] == "\"v1\""));
    let first = &seen[0].headers;
    assert_eq!(first["user-agent"], concat!("reelmill/", env!("CARGO_PKG_VERSION")));
    assert_eq!(first["accept-encoding"], "identity");
}

#[tokio::test]
async fn what_a_server_will_not_give_is_named() {
    let input = |code: &'static str| (Fault::Input, code);
    let ranged = |range: &str| Answer { body: vec![0; 4], ..Answer::status(206).with("Content-Range", range) };
    let whole = Answer { body: vec![0; 4], ..Answer::status(200) };
    for (answer, (fault, code)) in [
        (Answer::status(404), input("source.not_found")),
        (Answer::status(410), input("source.not_found")),
        (Answer::status(401), input("source.forbidden")),
        (Answer::status(403), input("source.forbidden")),
        (Answer::status(400), input("source.unreadable")),
        (Answer::status(302), input("source.unreadable")),
        (whole.clone(), input("source.no_ranges")),
        (whole.with("Accept-Ranges", "none"), input("source.no_ranges")),
        (ranged("bytes 0-3/*"), input("source.no_ranges")),
        (ranged("bytes 1-4/5"), input("source.no_ranges")),
        (ranged("bytes 0-3/3"), input("source.no_ranges")),
        (ranged("bytes 0-3/4").with("Content-Encoding", "gzip"), input("source.no_ranges")),
        (ranged("bytes 0-3/18446744073709551615"), input("source.unreadable")),
        (Answer { body: vec![0; 4], ..Answer::status(206) }, input("source.no_ranges")),
        (Answer::status(200), input("source.empty")),
        (Answer::status(416).with("Content-Range", "bytes */0"), input("source.empty")),
        (Answer::status(302).with("Location", "ftp://example.org/"), input("source.redirect")),
        (Answer::status(302).with("Location", "/again"), input("source.redirect")),
        (Answer::status(500), (Fault::Sink, "source.unavailable")),
        (Answer::status(429), (Fault::Sink, "source.unavailable")),
    ] {
        let reply = answer.clone();
        let server = Server::start(move |_, _| reply.clone()).await;
        let problem = Reader::local().open(&server.url("/in.mp4")).await.unwrap_err();
        assert_eq!((problem.fault, problem.code.as_str()), (fault, code), "{answer:?}: {problem}");
        assert!(problem.message.contains("/in.mp4"), "{problem}");
        let asked = server.seen().len();
        let expected = if fault == Fault::Sink {
            5
        } else if code == "source.redirect" {
            asked
        } else {
            1
        };
        assert_eq!(asked, expected, "{code}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_remembered() {
    let bytes = content(3 * BLOCK_BYTES);
    let served = bytes.clone();
    let server = Server::start(move |seen, _| match seen.path.as_str() {
        "/start" => Answer::status(302).with("Location", "sub/next"),
        "/sub/next" => Answer::status(307).with("Location", "/file?token=1"),
        _ => Answer::range(seen, &served),
    })
    .await;
    let source = Reader::local().open(&server.url("/start")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
    let ways = server.seen().iter().filter(|seen| seen.path == "/start").count();
    assert_eq!((ways, server.seen().len()), (1, 5));
    assert!(source.name().ends_with("/start"), "{}", source.name());
}

#[tokio::test]
async fn an_address_that_has_expired_is_asked_for_again() {
    let bytes = content(3 * BLOCK_BYTES);
    let served = bytes.clone();
    let server = Server::start(move |seen, before| match seen.path.as_str() {
        "/start" => Answer::status(302).with("Location", format!("/signed-{before}")),
        "/signed-0" if before > 2 => Answer::status(403),
        _ => Answer::range(seen, &served),
    })
    .await;
    let source = Reader::local().open(&server.url("/start")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
}

#[tokio::test]
async fn credentials_work_and_are_never_shown() {
    let bytes = content(BLOCK_BYTES + 5);
    let served = bytes.clone();
    let elsewhere = Server::of(bytes.clone()).await;
    let away = elsewhere.url("/in.mp4");
    let server = Server::start(move |seen, _| match (seen.headers.get("authorization"), seen.path.as_str()) {
        (None, _) => Answer::status(401),
        (Some(_), "/away") => Answer::status(302).with("Location", &away),
        (Some(_), "/gone") => Answer::status(404),
        (Some(_), "/near") => Answer::status(302).with("Location", "/in.mp4"),
        _ => Answer::range(seen, &served),
    })
    .await;
    let reader = Reader::local();
    let url = |path: &str| format!("http://me:s3cret@{}{path}", server.address);
    for path in ["/in.mp4", "/near", "/away"] {
        let source = reader.open(&url(path)).await.unwrap();
        assert!(whole(&source).await.unwrap() == *bytes, "{path}");
        let told = format!("{} {source:?} {:?}", source.name(), reader.opener);
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert_eq!(server.seen()[0].headers["authorization"], "Basic bWU6czNjcmV0");
    assert!(elsewhere.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
    let problem = reader.open(&url("/gone")).await.unwrap_err();
    assert!(!format!("{problem} {problem:?}").contains("s3cret"));
    let broken = reader.open("http://me:s3cret@:x/").await.unwrap_err();
    assert!(!format!("{broken}").contains("s3cret"), "{broken}");
}

#[tokio::test]
async fn a_bucket_without_an_endpoint_says_what_is_missing() {
    let problem = Reader::local().open("s3://bucket/key.mp4").await.unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "source.unsupported_scheme"));
}

#[tokio::test]
async fn the_rest_of_a_block_that_broke_off_while_opening_is_fetched_later() {
    let bytes = content(1000);
    let served = bytes.clone();
    let server = Server::start(move |seen, before| {
        let end = if before == 0 { End::Closed(10) } else { End::Whole };
        Answer::range(seen, &served).ending(end)
    })
    .await;
    let source = Reader::local().open(&server.url("/")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
    assert_eq!(server.seen().len(), 2);
}
