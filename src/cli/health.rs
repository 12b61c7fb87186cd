//! `reelmill health`: whether the daemon on this machine is healthy, for whoever watches a container and has no curl there.

use super::{Ended, print_line};
use crate::model::{Fault, Problem};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a daemon answers unless it is told otherwise.
const ADDRESS_DEFAULT: &str = "127.0.0.1:7480";
/// How long the answer may take. It reads the store once; a container runtime gives 5 s.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);
/// Largest answer that is read, bytes: a status line, a few headers and a sentence.
const ANSWER_BYTES_MAX: u64 = 8 << 10;

/// Options of `reelmill health`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct HealthArgs {
    /// Where the daemon answers HTTP [default: REELMILL_HTTP__LISTEN, or 127.0.0.1:7480]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
}

/// Asks the daemon.
pub(super) async fn run(args: HealthArgs) -> Result<Ended, Problem> {
    let told = std::env::var("REELMILL_HTTP__LISTEN").ok().filter(|told| !told.is_empty());
    let text = args.http.or(told).unwrap_or_else(|| ADDRESS_DEFAULT.to_owned());
    let address = text.parse().map(reachable).map_err(|_| {
        Problem::input("config.value", format!("{text:?} is no address with a port: write one such as 127.0.0.1:7480"))
    })?;
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, ask(address)).await;
    let answer = answer
        .map_err(|_| unhealthy(address, "it does not answer in time"))
        .and_then(|answer| answer.map_err(|error| unhealthy(address, &error.to_string())))?;
    if answer.starts_with("HTTP/1.1 200 ") {
        print_line("healthy");
        return Ok(Ended::Done);
    }
    let said = answer.rsplit("\r\n").next().unwrap_or_default().trim();
    Err(unhealthy(address, said))
}

/// The address to connect to for one that is listened on: "anywhere" includes here.
const fn reachable(listened: SocketAddr) -> SocketAddr {
    let here = match listened.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(here, listened.port())
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn unhealthy(address: SocketAddr, why: &str) -> Problem {
    let message = format!("the daemon at {address} is not healthy: {why}; see its log");
    Problem::new(Fault::Sink, "client.unhealthy", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listened_on_everywhere_is_reached_here() {
        for (listened, reached) in
            [("0.0.0.0:7480", "127.0.0.1:7480"), ("[::]:1", "[::1]:1"), ("10.0.0.1:2", "10.0.0.1:2")]
        {
            assert_eq!(reachable(listened.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
