//! A Prometheus of a test's own, and asking things by HTTP.

use crate::daemon::PATIENCE;
use crate::shipped;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a tool is; `None`, told, where it is not and may be missing.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories).map(|directory| directory.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("REELMILL_TELEMETRY").is_none(), "{name} is missing: run scripts/setup-telemetry.sh");
        eprintln!("no {name}: skipped");
    }
    found
}

/// The body of the answer to a GET. Status 200 is a must.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0, so that the answer comes whole and ends with the connection.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask.await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {answer}"))?;
    let is_ok = head.split_whitespace().nth(1) == Some("200");
    if is_ok { Ok(body.to_owned()) } else { Err(format!("{head}\n{body}")) }
}

/// A running Prometheus; ends with the value.
#[derive(Debug)]
pub(crate) struct Prometheus {
    /// Taken only to start anew.
    home: Option<TempDir>,
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts one on the shipped configuration, which asks this daemon every second; `None` where there is none.
    pub(crate) async fn start(target: SocketAddr) -> Option<Self> {
        let program = tool("prometheus")?;
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("prometheus.yml");
        let alerts = shipped::path("docker/prometheus/alerts.yml");
        let text = shipped::text("docker/prometheus/prometheus.yml");
        let text = text.replace("15s", "1s").replace("reelmill:7480", &target.to_string());
        fs::write(&config, text.replace("alerts.yml", alerts.to_str().unwrap())).unwrap();
        let mut started = Self::on_a_free_port(&program, &config, home);
        // The port is free for a moment at least; where somebody takes it meanwhile, another one is.
        for _ in 0..5 {
            if started.is_ready().await {
                return Some(started);
            }
            started = Self::on_a_free_port(&program, &config, started.home.take().unwrap());
        }
        panic!("Prometheus does not start: {}", started.log());
    }

    fn on_a_free_port(program: &Path, config: &Path, home: TempDir) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = spawn(program, config, home.path(), address);
        Self { home: Some(home), child, address }
    }

    /// Waits until it answers; false when it has ended instead.
    async fn is_ready(&mut self) -> bool {
        let began = Instant::now();
        while get(self.address, "/-/ready").await.is_err() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "Prometheus is not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }

    fn log(&self) -> String {
        let home = self.home.as_ref().map(TempDir::path).unwrap_or(Path::new(""));
        fs::read_to_string(home.join("log")).unwrap_or_default()
    }

    /// The data of an answer of its API.
    pub(crate) async fn api(&self, path: &str) -> Result<Value, String> {
        let body = get(self.address, &format!("/api/v1/{path}")).await?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(body) }
    }

    /// The series that an expression gives now.
    pub(crate) async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let data = self.api(&format!("query?query={query}")).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, config: &Path, home: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address={address}"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(home.join("log")).unwrap());
    command.spawn().unwrap()
}
