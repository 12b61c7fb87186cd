//! Every way in which a worker process can end.

use crate::model::device::DeviceFault;
use crate::model::limits::LOG_LINE_BYTES_MAX;
use crate::model::{Fault, Problem};
use crate::wire::v1;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a worker ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Exit {
    /// It said that it finished, and left with status 0.
    Finished(v1::Finished),
    /// It said what went wrong.
    Failed(Problem),
    /// It said what went wrong, and that its device failed.
    DeviceFailed {
        /// What went wrong.
        problem: Problem,
        /// In which way the device failed.
        fault: DeviceFault,
        /// What it failed at: `decode.hevc`, `filter`; empty where that is not known.
        ability: String,
    },
    /// It left with a status and without a last message.
    Vanished {
        /// The exit status.
        code: i32,
    },
    /// A signal that we did not send killed it, whatever it had said before.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It said nothing for too long, or did not leave after its last message, and was ended.
    Hung,
    /// It took longer than its deadline, and was killed.
    TimedOut,
    /// It broke the protocol, and was ended.
    Protocol(String),
    /// It was ended on request.
    Stopped,
}

/// Why a worker's task stopped listening.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reason {
    /// The last message of a worker that finished.
    SaidFinished(v1::Finished),
    /// The last message of a worker that failed.
    SaidFailed(v1::Failed),
    /// Its end of the socket is closed.
    Closed,
    Silent,
    Deadline,
    Protocol(String),
    StopRequested,
}

impl Exit {
    /// The truth from what was said, how the process died, and whether we had to end it.
    pub(super) fn of(reason: Reason, status: ExitStatus, ended_by_us: bool) -> Self {
        match (reason, status.code(), status.signal()) {
            (Reason::StopRequested, ..) => Self::Stopped,
            (Reason::Silent, ..) => Self::Hung,
            (Reason::Deadline, ..) => Self::TimedOut,
            (Reason::Protocol(what), ..) => Self::Protocol(what),
            (Reason::SaidFailed(failed), ..) => match DeviceFault::from_name(&failed.device_fault) {
                Some(fault) => {
                    let ability = ability_of(&failed.ability);
                    Self::DeviceFailed { problem: problem_of(&failed), fault, ability }
                }
                None => Self::Failed(problem_of(&failed)),
            },
            _ if ended_by_us => Self::Hung,
            (_, _, Some(signal)) => Self::Signalled { signal },
            (Reason::SaidFinished(finished), Some(0), _) => Self::Finished(finished),
            (_, code, _) => Self::Vanished { code: code.unwrap_or(-1) },
        }
    }

    /// Its name, as metrics have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::Failed(_) => "failed",
            Self::DeviceFailed { .. } => "device_failed",
            Self::Vanished { .. } => "vanished",
            Self::Signalled { .. } => "signalled",
            Self::Hung => "hung",
            Self::TimedOut => "timed_out",
            Self::Protocol(_) => "protocol",
            Self::Stopped => "stopped",
        }
    }

    /// The problem that this is; `None` when it is none.
    pub fn problem(&self) -> Option<Problem> {
        let crashed = |how: String| Problem::device("worker.crashed", format!("a worker process {how}"));
        Some(match self {
            Self::Finished(_) => return None,
            Self::Failed(problem) | Self::DeviceFailed { problem, .. } => problem.clone(),
            Self::Vanished { code } => crashed(format!("ended with status {code} and without saying why; see its log")),
            Self::Signalled { signal } => {
                let name = signal_name(*signal);
                crashed(format!("was killed by signal {signal}{name}; if it happens again, report this source"))
            }
            Self::Hung => {
                Problem::device("worker.hung", "a worker process stopped answering and was ended; report this source")
            }
            Self::TimedOut => {
                Problem::device("worker.timed_out", "a worker process took longer than it may and was ended")
            }
            Self::Protocol(what) => {
                Problem::bug("worker.protocol", format!("a worker process broke the protocol: {what}; report this"))
            }
            Self::Stopped => Problem::cancelled(),
        })
    }
}

/// What a device failed at, where the worker said so plausibly.
pub fn ability_of(said: &str) -> String {
    let plausible = said.len() <= 64 && said.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
    if plausible { said.to_owned() } else { String::new() }
}

/// A worker parses hostile bytes, so what it says is cleaned before anybody shows it.
fn problem_of(failed: &v1::Failed) -> Problem {
    said(Fault::from_name(&failed.fault), &failed.code, &failed.message)
}

/// A problem that a worker tells of.
pub fn said(fault: Fault, code: &str, message: &str) -> Problem {
    let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_';
    let plausible = (1..=64).contains(&code.len()) && code.chars().all(is_code);
    let code = if plausible { code } else { "worker.protocol" };
    Problem::new(fault, code, cleaned(message))
}

/// Text with control characters replaced and its length bounded: nothing a worker says may steer a terminal.
pub(super) fn cleaned(text: &str) -> String {
    let mut end = text.len().min(LOG_LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGKILL => " (SIGKILL; was memory short?)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGSYS => " (SIGSYS: a forbidden system call)",
        libc::SIGXCPU => " (SIGXCPU)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> Reason {
        Reason::SaidFailed(v1::Failed {
            fault: "input".into(),
            code: code.into(),
            message: "a\x1b[31m\nb".into(),
            ..v1::Failed::default()
        })
    }

    #[test]
    fn a_finish_counts_only_with_status_zero() {
        let finished = v1::Finished::default();
        let exit = |raw: i32| Exit::of(Reason::SaidFinished(finished), ExitStatus::from_raw(raw), false);
        assert_eq!(exit(0), Exit::Finished(finished));
        assert_eq!(exit(1 << 8), Exit::Vanished { code: 1 });
        assert_eq!(exit(libc::SIGSEGV), Exit::Signalled { signal: libc::SIGSEGV });
        assert_eq!(Exit::of(Reason::SaidFinished(finished), ExitStatus::from_raw(libc::SIGKILL), true), Exit::Hung);
    }

    #[test]
    fn silence_without_a_last_message_is_never_success() {
        let exit = Exit::of(Reason::Closed, ExitStatus::from_raw(0), false);
        assert_eq!(exit, Exit::Vanished { code: 0 });
        assert_eq!(exit.problem().unwrap().code, "worker.crashed");
    }

    #[test]
    fn what_a_worker_says_is_cleaned() {
        let problem = Exit::of(said("source.not_media"), ExitStatus::from_raw(2 << 8), false).problem().unwrap();
        assert_eq!(problem, Problem::input("source.not_media", "a [31m b"));
        let problem = Exit::of(said("NOT a code\n"), ExitStatus::from_raw(2 << 8), false).problem().unwrap();
        assert_eq!(problem.code, "worker.protocol");
        assert_eq!(cleaned(&"é".repeat(LOG_LINE_BYTES_MAX)).len(), LOG_LINE_BYTES_MAX);
    }
}
