//! Runs the program, and compares what it says with what is recorded.

use crate::fake::Fake;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program with nothing in its environment but the daemon.
pub(crate) fn command(fake: &Fake, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reelmill"));
    command.args(arguments).env_clear().env("REELMILL_ENDPOINT", &fake.endpoint).stdin(Stdio::null());
    command
}

pub(crate) fn finish(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

pub(crate) fn run(fake: &Fake, arguments: &[&str]) -> Ran {
    finish(command(fake, arguments))
}

/// Runs the program with a text on its standard input.
pub(crate) fn run_with(fake: &Fake, arguments: &[&str], text: &str) -> Ran {
    let mut command = command(fake, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the program and compares everything that it says with `tests/golden/cli/NAME.txt`.
pub(crate) fn golden(fake: &Fake, name: &str, arguments: &[&str]) -> Ran {
    let ran = run(fake, arguments);
    let said = format!(
        "$ reelmill {}\nexit status {}\n--- standard output\n{}--- standard error\n{}",
        arguments.join(" "),
        ran.status,
        ran.out,
        ran.err
    );
    let said = said.replace(&fake.endpoint, "ENDPOINT");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/cli/{name}.txt"));
    if std::env::var_os("REELMILL_BLESS").is_some() {
        fs::write(&path, &said).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    for (number, (recorded, said)) in recorded.lines().zip(said.lines()).enumerate() {
        assert_eq!(recorded, said, "tests/golden/cli/{name}.txt:{} (REELMILL_BLESS=1 records it again)", number + 1);
    }
    assert_eq!(recorded, said, "tests/golden/cli/{name}.txt (REELMILL_BLESS=1 records it again)");
    ran
}
