//! Addresses that must not be reached, by every way to name them.

use crate::server::{Answer, Reader, Server, content, whole};
use futures_util::future::BoxFuture;
use reelmill::input::BLOCK_BYTES;
use reelmill::model::Fault;
use reelmill::net::{AddressRules, Client, Failure, Lookup, Method, Options, Redirects, Target, header::HeaderMap};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A name service with answers of its own: one after another, the last one for ever.
#[derive(Debug, Default)]
struct Names {
    answers: BTreeMap<&'static str, Vec<&'static [&'static str]>>,
    asked: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Lookup for Names {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let before = self.count.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.get(host.as_str()).map(|answers| answers[before.min(answers.len() - 1)]);
        let answer = answer.map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect());
        self.asked.lock().unwrap().push(host);
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn named(answers: &[(&'static str, &[&'static [&'static str]])]) -> (Arc<Names>, Options) {
    let answers = answers.iter().map(|(name, answers)| (*name, answers.to_vec())).collect();
    let names = Arc::new(Names { answers, ..Names::default() });
    let options = Options { lookup: names.clone(), ..Options::default() };
    (names, options)
}

#[tokio::test]
async fn nothing_private_is_reached_by_default_however_it_is_spelled() {
    let server = Server::of(content(10)).await;
    let port = server.address.port();
    let reader = Reader::under(&[], &Options::default());
    for host in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "0", "[::ffff:127.0.0.1]"] {
        let problem = reader.open(&format!("http://{host}:{port}/in.mp4")).await.unwrap_err();
        assert_eq!(
            (problem.fault, problem.code.as_str()),
            (Fault::Input, "source.address_refused"),
            "{host}: {problem}"
        );
    }
    for host in ["169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "[::1]", "100.100.100.200", "[64:ff9b::a9fe:a9fe]"] {
        assert_eq!(
            reader.refusal(&format!("http://{host}/latest/meta-data/")).await,
            "source.address_refused",
            "{host}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_with_a_private_address_is_refused_and_can_be_allowed() {
    let server = Server::of(content(10)).await;
    let url = format!("http://films.example:{}/in.mp4", server.address.port());
    let (_, options) = named(&[("films.example", &[&["10.255.255.1", "127.0.0.1"]])]);
    assert_eq!(Reader::under(&[], &options).refusal(&url).await, "source.address_refused");
    assert!(server.seen().is_empty());
    // Of several answers those that are allowed are used.
    let some = Reader::under(&["127.0.0.1"], &options);
    assert!(some.open(&url).await.is_ok());
    let (_, options) = named(&[("films.example", &[&["127.0.0.1"]])]);
    assert!(Reader::under(&["films.example"], &options).open(&url).await.is_ok());
    assert_eq!(Reader::under(&["*.films.example"], &options).refusal(&url).await, "source.address_refused");
    let unknown = Reader::under(&[], &options).open("http://elsewhere.example/").await.unwrap_err();
    assert_eq!((unknown.fault, unknown.code.as_str()), (Fault::Sink, "source.unavailable"));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_at_each_connection() {
    let inner = Server::start_at("127.0.0.2:0", |seen, _| Answer::range(seen, &content(3 * BLOCK_BYTES))).await;
    let port = inner.address.port();
    let outer = Server::start_at(&format!("127.0.0.1:{port}"), |seen, _| {
        // The connection ends with each answer, so that the next request needs a new one.
        Answer::range(seen, &content(3 * BLOCK_BYTES)).with("Connection", "close")
    })
    .await;
    let (_, options) = named(&[("films.example", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let reader = Reader::under(&["127.0.0.1"], &options);
    let source = reader.open(&format!("http://films.example:{port}/")).await.unwrap();
    let problem = whole(&source).await.unwrap_err();
    assert_eq!(problem.code, "source.address_refused");
    assert_eq!((outer.seen().len(), inner.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let secret = Server::start_at("127.0.0.2:0", |seen, _| Answer::range(seen, &content(10))).await;
    let (_, options) = named(&[("inside.example", &[&["127.0.0.2"]])]);
    let port = secret.address.port();
    for to in [secret.url("/"), format!("http://0x7f.2:{port}/"), format!("http://inside.example:{port}/")] {
        let server = Server::start(move |_, _| Answer::status(302).with("Location", &to)).await;
        let reader = Reader::under(&["127.0.0.1"], &options);
        assert_eq!(reader.refusal(&server.url("/in.mp4")).await, "source.address_refused");
    }
    assert!(secret.seen().is_empty());
}

#[tokio::test]
async fn with_a_list_of_hosts_other_names_are_not_even_looked_up() {
    let (names, options) = named(&[("films.example", &[&["127.0.0.1"]])]);
    let rules = AddressRules { allow: Vec::new(), only: vec!["*.films.example".parse().unwrap()] };
    let client = Client::new(rules, &options).unwrap();
    let target = Target::parse("http://elsewhere.example/").unwrap();
    let sent = client.send(&Method::GET, &target, &HeaderMap::new(), bytes::Bytes::new()).await;
    assert!(matches!(sent, Err(Failure::Refused(_))), "{sent:?}");
    assert!(names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_webhook_goes_where_it_was_sent_and_nowhere_else() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/moved" => Answer::status(307).with("Location", "/hook"),
        _ => Answer { body: b"thanks".to_vec(), ..Answer::status(202) },
    })
    .await;
    let rules = AddressRules { allow: vec!["127.0.0.0/8".parse().unwrap()], only: Vec::new() };
    let client = Client::new(rules, &Options::default()).unwrap();
    let send = async |client: &Client, method: Method, path: &str| {
        let target = Target::parse(&server.url(path)).unwrap();
        client.send(&method, &target, &HeaderMap::new(), bytes::Bytes::from_static(b"{}")).await
    };
    let answer = send(&client, Method::POST, "/hook").await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    assert_eq!(answer.beginning(4).await.unwrap(), b"than");
    assert!(matches!(send(&client, Method::POST, "/moved").await, Err(Failure::Redirect(_))), "never with a body");
    let strict = client.with_redirects(Redirects::Refuse);
    assert!(matches!(send(&strict, Method::GET, "/moved").await, Err(Failure::Redirect(_))));
    assert_eq!(server.seen().iter().filter(|seen| seen.path == "/hook").count(), 1);
}
