//! Every way in which a worker can die, with real processes.

use crate::fake::FakeWorker;
use reelmill::input::{Source, Transport};
use reelmill::model::{Fault, Problem};
use reelmill::supervise::{self, Exit, Launch, Report, Worker};
use reelmill::wire::v1::{Finished, ProbeOrder, from_worker::Message, order::Work};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

struct Watched {
    fake: FakeWorker,
    worker: Worker,
    told: mpsc::Receiver<((), Report)>,
}

fn start(script: &str, change: impl FnOnce(&mut Launch)) -> Watched {
    let fake = FakeWorker::new(script);
    let spool = fake.home.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let source = Source::open_file(&fake.source()).unwrap();
    let work = Work::Probe(ProbeOrder::default());
    let mut launch = Launch::new(&fake.program(), &spool, &source, Transport::Descriptor, work);
    change(&mut launch);
    let (reports, told) = mpsc::channel(4);
    let worker = supervise::start(launch, (), reports).unwrap();
    Watched { fake, worker, told }
}

impl Watched {
    /// The lines it logged or wrote to stderr, and how it ended. Nothing comes after the exit.
    async fn end(mut self) -> (Vec<String>, Exit) {
        let mut lines = Vec::new();
        while let Some(((), report)) = self.told.recv().await {
            match report {
                Report::Message(Message::Log(line)) => lines.push(line.text),
                Report::Message(_) | Report::Kernel(_) => {}
                Report::Stderr(line) => lines.push(line),
                Report::Exited(exit) => {
                    assert!(self.told.recv().await.is_none(), "something came after the exit");
                    return (lines, exit);
                }
            }
        }
        panic!("no exit was reported");
    }
}

async fn exit_of(script: &str) -> Exit {
    start(script, |_| {}).end().await.1
}

fn device_problem(exit: &Exit, code: &str) -> Problem {
    let problem = exit.problem().expect("an ending that is a problem");
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Device, code));
    problem
}

#[tokio::test]
async fn a_clean_finish() {
    assert_eq!(exit_of("finish").await, Exit::Finished(Finished { frames_decoded: 1, decode_errors: 0, cpu_ms: 0 }));
}

#[tokio::test]
async fn a_failure_that_is_told() {
    let exit = exit_of("fail").await;
    assert_eq!(exit, Exit::Failed(Problem::input("source.not_media", "this is not media")));
}

#[tokio::test]
async fn tracks_that_are_dropped_are_told() {
    let watched = start("drops", |_| {});
    watched.worker.drop_tracks(vec!["720p".to_owned(), "audio-1".to_owned()]);
    let (lines, exit) = watched.end().await;
    assert_eq!(lines, ["720p audio-1"]);
    assert!(matches!(exit, Exit::Finished(_)));
}

#[tokio::test]
async fn a_status_without_a_last_message() {
    let exit = exit_of("exit-3").await;
    assert_eq!(exit, Exit::Vanished { code: 3 });
    device_problem(&exit, "worker.crashed");
}

#[tokio::test]
async fn a_signal() {
    for (script, signal, name) in [("killed", libc::SIGSEGV, "SIGSEGV"), ("abort", libc::SIGABRT, "SIGABRT")] {
        let exit = exit_of(script).await;
        assert_eq!(exit, Exit::Signalled { signal });
        assert!(device_problem(&exit, "worker.crashed").message.contains(name));
    }
}

#[tokio::test]
async fn a_finish_that_is_followed_by_a_crash_is_no_success() {
    assert_eq!(exit_of("finish-then-abort").await, Exit::Signalled { signal: libc::SIGABRT });
    assert_eq!(exit_of("finish-status-1").await, Exit::Vanished { code: 1 });
}

#[tokio::test]
async fn a_finish_that_is_followed_by_nothing_is_no_success() {
    let exit = exit_of("finish-then-stay").await;
    assert_eq!(exit, Exit::Hung);
    device_problem(&exit, "worker.hung");
}

#[tokio::test]
async fn silence() {
    for script in ["silent", "stubborn"] {
        let began = Instant::now();
        let (_, exit) = start(script, |launch| launch.silence = Duration::from_millis(300)).end().await;
        assert_eq!(exit, Exit::Hung);
        assert!(began.elapsed() < Duration::from_secs(3), "{script} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn talk_without_an_end() {
    let began = Instant::now();
    let (lines, exit) = start("babble", |launch| launch.deadline = Some(Duration::from_millis(500))).end().await;
    assert_eq!(exit, Exit::TimedOut);
    assert!(!lines.is_empty() && began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_broken_protocol() {
    for script in ["garbage", "empty-message", "greedy"] {
        let exit = exit_of(script).await;
        assert!(matches!(exit, Exit::Protocol(_)), "{script}: {exit:?}");
        assert_eq!(exit.problem().map(|problem| problem.fault), Some(Fault::Bug));
    }
}

#[tokio::test]
async fn a_stop_on_request_is_asked_for_first_and_enforced_within_two_seconds() {
    for script in ["obedient", "silent", "stubborn", "babble"] {
        let watched = start(script, |_| {});
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        watched.worker.stop();
        assert_eq!(watched.end().await.1, Exit::Stopped);
        assert!(began.elapsed() < Duration::from_secs(2), "{script} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_dropped_worker_is_stopped() {
    let Watched { fake, worker, mut told } = start("silent", |_| {});
    drop(worker);
    let last = loop {
        match told.recv().await.unwrap().1 {
            Report::Kernel(_) => {}
            other => break other,
        }
    };
    assert_eq!(last, Report::Exited(Exit::Stopped));
    drop(fake);
}

#[tokio::test]
async fn the_kernel_tells_what_a_worker_has_used_however_it_ends() {
    for script in ["finish", "fail", "killed", "exit-3"] {
        let mut watched = start(script, |_| {});
        let mut used = None;
        while let Some(((), report)) = watched.told.recv().await {
            match report {
                Report::Kernel(told) => assert!(used.replace(told).is_none(), "{script}: told twice"),
                Report::Exited(_) => assert!(used.is_some_and(|used| used.cpu_us > 0), "{script}: {used:?}"),
                _ => assert!(used.is_none(), "{script}: something came between"),
            }
        }
        assert!(used.is_some(), "{script}");
    }
}

#[tokio::test]
async fn last_words_come_before_the_exit_and_cannot_steer_a_terminal() {
    let (lines, exit) = start("chatty-stderr", |_| {}).end().await;
    assert_eq!(lines, ["first words", "last  [31mwords"]);
    assert_eq!(exit, Exit::Vanished { code: 1 });
}

#[tokio::test]
async fn what_a_process_leaves_behind_does_not_hide_its_end() {
    let began = Instant::now();
    assert_eq!(exit_of("orphan").await, Exit::Vanished { code: 3 });
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_worker_is_born_with_nothing() {
    let (lines, exit) = start("surroundings", |_| {}).end().await;
    assert!(matches!(exit, Exit::Finished(_)));
    // The shell that stands in front of the fake sets PWD, and nothing else.
    assert_eq!(lines, [r#"environment ["PWD"]"#, "directory /", "stdout /dev/null"]);
}

#[tokio::test]
async fn the_source_arrives_by_descriptor_and_by_socket() {
    for transport in [Transport::Descriptor, Transport::Socket] {
        let (lines, exit) = start("read", |launch| launch.transport = transport).end().await;
        assert!(matches!(exit, Exit::Finished(_)), "{transport:?}: {exit:?}");
        assert_eq!(lines, ["10 bytes, from 2: 23456789"], "{transport:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let fake = FakeWorker::new("finish");
    let source = Source::open_file(&fake.source()).unwrap();
    let absent = fake.home.path().join("absent");
    let launch = Launch::new(&absent, fake.home.path(), &source, Transport::Socket, Work::Probe(ProbeOrder::default()));
    let problem = supervise::start(launch, (), mpsc::channel(1).0).unwrap_err();
    assert_eq!((problem.fault, problem.code.as_str()), (Fault::Device, "worker.not_started"));
    assert!(problem.message.contains("absent"));
}
