//! Servers that fail for a while, or change what they have.

use crate::server::{Answer, End, Reader, Seen, Server, content, whole};
use reelmill::input::BLOCK_BYTES;
use reelmill::model::Fault;
use std::time::{Duration, Instant};

const B: u64 = BLOCK_BYTES as u64;

/// Reads a source of which the first answer for its second block ends so; gives the requests for that block.
async fn read_through(end: End) -> Vec<Seen> {
    let bytes = content(2 * BLOCK_BYTES);
    let served = bytes.clone();
    let server = Server::start(move |seen, before| {
        let end = if before == 1 { end } else { End::Whole };
        Answer::range(seen, &served).ending(end)
    })
    .await;
    let source = Reader::local().open(&server.url("/")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes, "{end:?}");
    server.seen().split_off(1)
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_was() {
    for end in [End::Closed(300_000), End::Reset(300_000), End::Stalled(300_000), End::Closed(0)] {
        let seen = read_through(end).await;
        assert_eq!(seen.len(), 2, "{end:?}");
        assert_eq!(seen[0].range(), (B, 2 * B - 1));
        let (from, to) = seen[1].range();
        // A reset may take with it what was not read yet.
        let expected = match end {
            End::Closed(sent) | End::Stalled(sent) => B + sent as u64..=B + sent as u64,
            _ => B..=B + 300_000,
        };
        assert!(expected.contains(&from) && to == 2 * B - 1, "{end:?}: {from}-{to}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_pause_gets_it() {
    let bytes = content(1000);
    let served = bytes.clone();
    let server = Server::start(move |seen, before| match before {
        0 => Answer::status(503).with("Retry-After", 1),
        1 => Answer::status(500),
        _ => Answer::range(seen, &served),
    })
    .await;
    let began = Instant::now();
    let source = Reader::local().open(&server.url("/")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_long_pause_is_left_to_whoever_runs_the_job() {
    let server = Server::start(|_, _| Answer::status(503).with("Retry-After", 3600)).await;
    let began = Instant::now();
    let problem = Reader::local().open(&server.url("/")).await.unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Sink, "source.unavailable"));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_never_answers_is_unavailable_within_seconds() {
    let reader = Reader::local();
    let gone = Server::of(content(1)).await.url("/");
    assert_eq!(reader.refusal(&gone).await, "source.unavailable");
    let mute = Server::start(|_, _| Answer { body: vec![0; 9], ..Answer::status(503).ending(End::Stalled(0)) }).await;
    assert_eq!(reader.refusal(&mute.url("/")).await, "source.unavailable");
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let began = Instant::now();
    assert_eq!(reader.refusal(&format!("http://{}/", deaf.local_addr().unwrap())).await, "source.unavailable");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_source_that_changes_while_it_is_read_is_named() {
    let old = content(3 * BLOCK_BYTES);
    let ranged = |content: &[u8], seen: &Seen| Answer::range(seen, content);
    type Later = Box<dyn Fn(&Seen, &[u8]) -> Answer + Send + Sync>;
    let laters: Vec<(&str, Later)> = vec![
        ("it minds If-Match", Box::new(|_, _| Answer::status(412))),
        ("it does not, but tells its tag", Box::new(move |seen, old| ranged(old, seen).with("ETag", "\"v2\""))),
        ("a weak tag", Box::new(move |seen, old| ranged(old, seen).with("ETag", "W/\"v1\""))),
        ("another date", Box::new(move |seen, old| ranged(old, seen).with("Last-Modified", "Tue"))),
        ("it grew", Box::new(move |seen, old| ranged(&[old, b"more"].concat(), seen).with("ETag", "\"v1\""))),
        ("it shrank", Box::new(|_, _| Answer::status(416).with("Content-Range", "bytes */10"))),
    ];
    for (what, later) in laters {
        let served = old.clone();
        let server = Server::start(move |seen, before| match before {
            0 => Answer::range(seen, &served).with("ETag", "\"v1\"").with("Last-Modified", "Mon"),
            _ => later(seen, &served),
        })
        .await;
        let source = Reader::local().open(&server.url("/")).await.unwrap();
        let problem = whole(&source).await.unwrap_err();
        assert_eq!((problem.fault, problem.code.as_str()), (Fault::Input, "source.changed"), "{what}");
    }
}

#[tokio::test]
async fn without_a_strong_tag_the_date_is_asked_about() {
    let bytes = content(2 * BLOCK_BYTES);
    let served = bytes.clone();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server =
        Server::start(move |seen, _| Answer::range(seen, &served).with("ETag", "W/\"v1\"").with("Last-Modified", date))
            .await;
    let source = Reader::local().open(&server.url("/")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
    let headers = &server.seen()[1].headers;
    assert_eq!(headers.get("if-unmodified-since").map(String::as_str), Some(date));
    assert!(!headers.contains_key("if-match"));
}

#[tokio::test]
async fn a_server_that_gives_smaller_ranges_than_asked_is_read_all_the_same() {
    let bytes = content(BLOCK_BYTES + 1000);
    let served = bytes.clone();
    let server = Server::start(move |seen, _| {
        let (from, to) = seen.range();
        let to = to.min(from + 399_999).min(served.len() as u64 - 1);
        let range = format!("bytes {from}-{to}/{}", served.len());
        let body = served[from as usize..=to as usize].to_vec();
        Answer { body, ..Answer::status(206).with("Content-Range", range) }
    })
    .await;
    let source = Reader::local().open(&server.url("/")).await.unwrap();
    assert!(whole(&source).await.unwrap() == *bytes);
}
