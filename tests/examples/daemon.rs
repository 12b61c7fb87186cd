//! A real `reelmill serve` on loopback, with a state directory of its own and a clip to work on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Ports are chosen before the daemon binds them, so another program may come first; then another pair is tried.
const STARTS_MAX: usize = 5;

pub(crate) struct Daemon {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Holds `in.mp4` and has room for outputs.
    pub(crate) media: TempDir,
    _state: TempDir,
}

impl Daemon {
    /// Starts a daemon, and waits until it says that it is ready.
    pub(crate) fn start() -> Self {
        let media = tempfile::tempdir().unwrap();
        make_clip(&media.path().join("in.mp4"));
        let state = tempfile::tempdir().unwrap();
        let started = (0..STARTS_MAX).find_map(|_| start(state.path()));
        let (child, address) = started.expect("the daemon starts on one of five pairs of ports");
        Self { child, address, media, _state: state }
    }

    /// `http://127.0.0.1:…`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A path beside the clip.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.media.path().join(name)
    }

    /// Runs the command line against the daemon and expects success; gives what it printed.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
        let ran = command.args(arguments).args(["--endpoint", &self.endpoint()]).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already; its directories are removed either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing when a port was taken in between.
fn start(state: &Path) -> Option<(Child, SocketAddr)> {
    let [grpc, http] = free_addresses();
    let mut child = Command::new(env!("CARGO_BIN_EXE_reelmill"))
        .args(["serve", "--log-format", "json", "--state-dir", state.to_str().unwrap()])
        .args(["--grpc", &grpc.to_string(), "--http", &http.to_string()])
        // Variables that begin with REELMILL_ are its settings.
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("\"message\":\"ready\"") {
        if log.read_line(&mut said).unwrap() == 0 {
            child.wait().unwrap();
            assert!(said.contains("[serve.listen]"), "the daemon did not start: {said}");
            return None;
        }
    }
    // Read to its end, so that the daemon never waits for room in the pipe; shown with the test if it fails.
    std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
    Some((child, grpc))
}

fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// 4 s of moving pictures and a tone.
fn make_clip(path: &Path) {
    let inputs = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000"];
    let codecs = ["-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(inputs).args(codecs).arg(path);
    assert!(command.status().expect("`make setup` installs ffmpeg").success());
    assert!(fs::metadata(path).unwrap().len() > 0);
}
