//! Tests without a runtime start the store and the proxy like all others.
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails must fail the test")]

use reelmill_testkit::{Fault, FaultProxy, Rule, S3Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_proxy_stands_before_a_store() {
    let store = S3Server::start();
    store.create_bucket("bucket");
    let proxy = FaultProxy::start(&store.address().to_string());
    proxy.fail(Rule::new(Fault::Answer { status: 503, code: "SlowDown", retry_after: Some(7) }).target("/b").after(1));

    assert!(get(proxy.address(), "/bucket/a%20key").starts_with("HTTP/1.1 403"), "an unsigned request is refused");
    let busy = get(proxy.address(), "/bucket/other");
    assert!(busy.starts_with("HTTP/1.1 503") && busy.contains("retry-after: 7"), "{busy}");
    assert!(get(proxy.address(), "/bucket/other").starts_with("HTTP/1.1 403"), "the fault was for one request");

    assert_eq!(proxy.requests()[0].path(), "/bucket/a key");
    assert_eq!(proxy.count("GET", "/bucket/other"), 2);
    assert!(proxy.wait_until(|seen| seen.len() == 3, Duration::from_secs(20)));
    assert!(!proxy.wait_until(|seen| seen.len() == 4, Duration::from_millis(1)));
}
