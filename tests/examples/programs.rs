//! The example clients as programs: found where the build and `make setup` put them, run, and listened to.

use crate::daemon::Daemon;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// An example client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Example {
    Rust,
    Python,
}

impl Example {
    /// The program, about to be given the arguments IN, OUT and KEY. What it needs besides is made in `scratch`.
    pub(crate) fn command(self, endpoint: &str, scratch: &Path) -> Command {
        let mut command = match self {
            Self::Rust => Command::new(rust()),
            Self::Python => {
                let mut command = Command::new(interpreter());
                command.arg("-B").arg(root().join("examples/python/submit_and_watch.py"));
                command.env("PYTHONPATH", stubs(scratch));
                command
            }
        };
        command.env("REELMILL_ENDPOINT", endpoint).env_remove("REELMILL_TOKEN").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(self, daemon: &Daemon, arguments: &[&str]) -> Output {
        self.command(&daemon.endpoint(), daemon.media.path()).args(arguments).output().unwrap()
    }
}

/// A program that runs and is read line by line.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it printed so far, without the lines that tell how far it is.
    pub(crate) told: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, told: Vec::new() }
    }

    /// Reads until this line.
    pub(crate) fn until(&mut self, wanted: &str) {
        while self.next().unwrap_or_else(|| panic!("it ended before `{wanted}`: {:?}", self.told)) != wanted {}
    }

    /// Reads to the end; gives the exit status.
    pub(crate) fn end(&mut self) -> i32 {
        while self.next().is_some() {}
        self.child.wait().unwrap().code().unwrap()
    }

    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim_end();
            if !line.ends_with('%') {
                self.told.push(line.to_owned());
                return Some(line.to_owned());
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example as Cargo built it, which it does for `cargo test` and `cargo nextest run` unless one test is named.
fn rust() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/submit_and_watch");
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let source = changed(&root().join("examples/submit_and_watch.rs")).unwrap();
    let fresh = changed(&program).is_ok_and(|built| built >= source);
    assert!(fresh, "{} is not built, or not anew: cargo build --example submit_and_watch", program.display());
    program
}

/// The Python that `make setup` made, with what `examples/python/requirements.txt` names.
fn interpreter() -> PathBuf {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python/bin/python");
    assert!(python.exists(), "{} is not there: `make setup` makes it", python.display());
    python
}

/// The stubs, generated as the example's README says.
fn stubs(scratch: &Path) -> PathBuf {
    let directory = scratch.join("stubs");
    if !directory.exists() {
        let mut command = Command::new(root().join("examples/python/generate.sh"));
        let ran = command.arg(&directory).env("PYTHON", interpreter()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    directory
}
