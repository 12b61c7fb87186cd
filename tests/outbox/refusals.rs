//! What ends a delivery at once: the receiver's word, and the rules about addresses.

use crate::bench::{Bench, local, message, settings, signed_with};
use crate::receiver::{Answer, Receiver};
use futures_util::future::BoxFuture;
use reelmill::net::{AddressRules, Lookup, Options};
use reelmill::outbox::{OutboxSettings, UrlRules};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

#[tokio::test]
async fn a_receiver_that_refuses_is_not_asked_again() {
    for (status, code) in
        [(400, "webhook.rejected"), (401, "webhook.rejected"), (404, "webhook.rejected"), (410, "webhook.gone")]
    {
        let receiver = Receiver::script(&[Answer::saying(status, "no such\r\nhook")]).await;
        let bench = Bench::new(settings());
        let last = bench.store.until_dead(bench.add(1, message(receiver.url("/")))).await;
        assert_eq!(last.status, Some(status));
        assert!(
            last.error.contains("and said: no such hook") && last.error.ends_with(&format!("[{code}]")),
            "{last:?}"
        );
        bench.stop().await;
        assert_eq!(receiver.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::script(&[Answer::status(200)]).await;
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::script(&[Answer::with(status, "Location", &elsewhere.url("/"))]).await;
        let bench = Bench::new(settings());
        let last = bench.store.until_dead(bench.add(1, message(receiver.url("/")))).await;
        assert!(last.error.contains(&status.to_string()) && last.error.ends_with("[webhook.redirect]"), "{last:?}");
    }
    assert!(elsewhere.seen().is_empty());
}

/// A name service with one answer.
#[derive(Debug)]
struct Points(&'static str);

impl Lookup for Points {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let address = self.0.parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    }
}

fn pointing(at: &'static str, allow_loopback: bool) -> OutboxSettings {
    let http = Options { lookup: Arc::new(Points(at)), ..Options::default() };
    let addresses = if allow_loopback { local() } else { AddressRules::default() };
    OutboxSettings { rules: UrlRules { addresses, allow_http: true }, http, ..settings() }
}

#[tokio::test]
async fn no_private_address_is_told_anything_however_it_is_named() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let port = receiver.address.port();
    for (host, at) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("hooks.example", "127.0.0.1"),
        ("hooks.example", "::1"),
        ("hooks.example", "10.0.0.1"),
        ("hooks.example", "169.254.169.254"),
        ("169.254.169.254", "127.0.0.1"),
    ] {
        let bench = Bench::new(pointing(at, false));
        let last = bench.store.until_dead(bench.add(1, message(format!("http://{host}:{port}/")))).await;
        assert!(last.status.is_none() && last.error.ends_with("[webhook.address_refused]"), "{host}: {last:?}");
        assert!(host != "hooks.example" || !last.error.contains(at), "an address of the network was told: {last:?}");
    }
    // Loopback is allowed, and the metadata service is not.
    let bench = Bench::new(pointing("169.254.169.254", true));
    let last = bench.store.until_dead(bench.add(1, message("http://169.254.169.254/latest".into()))).await;
    assert!(last.error.ends_with("[webhook.address_refused]"), "{last:?}");
    assert!(receiver.seen().is_empty());
    let bench = Bench::new(pointing("127.0.0.1", true));
    bench.store.until_done(bench.add(1, message(format!("http://hooks.example:{port}/")))).await;
}

#[tokio::test]
async fn rules_that_changed_since_the_job_was_taken_hold() {
    let receiver = Receiver::script(&[Answer::status(200)]).await;
    let strict = OutboxSettings { rules: UrlRules { addresses: local(), allow_http: false }, ..settings() };
    let bench = Bench::new(strict);
    let last = bench.store.until_dead(bench.add(1, message(receiver.url("/")))).await;
    assert!(last.error.contains("https://") && last.error.ends_with("[webhook.url_refused]"), "{last:?}");
    let with_user = receiver.url("/").replace("//", "//me:s3cret@");
    let bench = Bench::new(settings());
    let last = bench.store.until_dead(bench.add(1, message(with_user))).await;
    assert!(last.error.ends_with("[webhook.url_refused]") && !last.error.contains("s3cret"), "{last:?}");
    let last = bench.store.until_dead(bench.add(1, signed_with(receiver.url("/"), "gone"))).await;
    assert!(last.error.contains("`gone`") && last.error.ends_with("[webhook.secret_missing]"), "{last:?}");
    assert!(receiver.seen().is_empty());
}
