//! What real workers say that they have used: it adds up to what the kernel says, and each account is plausible.
#![cfg(test)]

use reelmill::dispatch::probe;
use reelmill::input::{Source, Transport};
use reelmill::model::request::Looks;
use reelmill::model::{Plan, Speed, VideoCodec};
use reelmill::plan::{Node, Request, plan};
use reelmill::supervise::{self, Exit, KernelUsage, Launch, Report};
use reelmill::wire::v1::{AudioOrder, Usage, VideoOrder, from_worker::Message, order::Work};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

fn worker() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_reelmill-worker"))
}

/// What a worker told until it was gone.
struct Told {
    usages: Vec<Usage>,
    kernel: Option<KernelUsage>,
    exit: Exit,
}

impl Told {
    fn last(&self) -> &Usage {
        self.usages.last().expect("a worker tells what it has used before its last message")
    }

    /// CPU time of an account, µs.
    fn account(&self, track: &str, stage: &str) -> u64 {
        let of = |account: &&reelmill::wire::v1::Account| account.track == track && account.stage == stage;
        self.last().accounts.iter().find(of).map_or(0, |account| account.cpu_us)
    }
}

/// A directory with a clip in it, `seconds` long.
fn clip(seconds: u32) -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size=480x270:rate=25:duration={seconds}"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=frequency=440:beep_factor=4:duration={seconds}"))
        .args(["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    (scratch, path)
}

async fn planned(source: &Source, codecs: &[VideoCodec]) -> Plan {
    planned_with(source, codecs, false).await
}

async fn planned_with(source: &Source, codecs: &[VideoCodec], copy: bool) -> Plan {
    let facts =
        probe(worker(), source, Transport::Descriptor, watch::channel(false).1, Looks::default()).await.unwrap();
    let request = Request {
        renditions: vec!["270p".parse().unwrap(), "144p".parse().unwrap()],
        codecs: codecs.to_vec(),
        speed: Speed::Fast,
        segment_ms: 1000,
        copy,
        ..Request::default()
    };
    plan(&facts, &request, &Node { threads: 2 }).unwrap()
}

/// Runs a worker; one that is to be stopped is stopped once it has told what it has used.
async fn run(source: &Source, transport: Transport, work: Work, stop: bool) -> Told {
    let spool = TempDir::new().unwrap();
    let launch = Launch::new(worker(), spool.path(), source, transport, work);
    let (reports, mut told) = mpsc::channel(4);
    let worker = supervise::start(launch, (), reports).unwrap();
    let (mut usages, mut kernel) = (Vec::new(), None);
    loop {
        match told.recv().await.unwrap().1 {
            Report::Message(Message::Usage(usage)) => {
                usages.push(usage);
                if stop {
                    worker.stop();
                }
            }
            Report::Message(Message::Segment(segment)) => {
                worker.released(segment.files.iter().map(|file| file.bytes).sum());
            }
            Report::Kernel(used) => kernel = Some(used),
            Report::Exited(exit) => return Told { usages, kernel, exit },
            _ => {}
        }
    }
}

fn video(plan: &Plan) -> Work {
    Work::Video(VideoOrder { plan_json: serde_json::to_vec(plan).unwrap(), first: 0, end: 0 })
}

/// CPU time of a worker that does nothing but start, µs.
async fn start_up(source: &Source) -> u64 {
    let order = VideoOrder { plan_json: b"{}".to_vec(), first: 0, end: 0 };
    let told = run(source, Transport::Descriptor, Work::Video(order), false).await;
    assert!(matches!(told.exit, Exit::Failed(_)), "{:?}", told.exit);
    assert!(told.last().accounts.iter().all(|account| account.cpu_us == 0));
    told.last().cpu_us.unwrap()
}

#[tokio::test]
async fn accounts_and_the_remainder_are_what_the_kernel_says() {
    let (_scratch, path) = clip(8);
    let source = Source::open_file(&path).unwrap();
    let plan = planned(&source, &[VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1]).await;
    let start_up = start_up(&source).await;
    let told = run(&source, Transport::Descriptor, video(&plan), false).await;
    assert!(matches!(told.exit, Exit::Finished(_)), "{:?}", told.exit);

    let accounts: u64 = told.last().accounts.iter().map(|account| account.cpu_us).sum();
    let (process, kernel) = (told.last().cpu_us.unwrap(), told.kernel.unwrap());
    let percent = kernel.cpu_us / 100;
    // The process tells its time just before it ends: that, and nothing else, is what it cannot tell itself.
    assert!(process.abs_diff(kernel.cpu_us) <= percent, "{process} of {}", kernel.cpu_us);
    assert!(accounts <= process, "{:?}", told.last());
    let remainder = process - accounts;
    assert!(remainder <= 2 * start_up + percent, "{remainder} is more than starting ({start_up}) and talking cost");

    assert!(told.account("", "decode") > 0);
    let rungs = &plan.video.as_ref().unwrap().renditions;
    assert_eq!(rungs.len(), 6);
    for rung in rungs {
        let [filter, encode, package] = ["filter", "encode", "package"].map(|stage| told.account(&rung.id, stage));
        assert!(filter > 0 && package > 0, "{}: {filter} {package}", rung.id);
        assert!(encode > package, "{}: {encode} {package}", rung.id);
        let smaller = rungs.iter().find(|other| other.codec == rung.codec && other.height < rung.height);
        if let Some(smaller) = smaller {
            assert!(encode > told.account(&smaller.id, "encode"), "{} cost less than {}", rung.id, smaller.id);
        }
    }
    for pair in told.usages.windows(2) {
        for (before, after) in pair[0].accounts.iter().zip(&pair[1].accounts) {
            assert_eq!((&before.track, &before.stage), (&after.track, &after.stage));
            assert!(before.cpu_us <= after.cpu_us, "{before:?} {after:?}");
        }
    }
    let peak = told.last().memory_peak_bytes.unwrap();
    assert!(peak > 10 << 20, "{peak}");
    assert!(kernel.memory_peak_bytes.is_none_or(|bytes| bytes >= peak / 10 * 9), "{peak} {kernel:?}");
}

#[tokio::test]
async fn sound_has_accounts_and_bytes_are_counted_by_whatever_way_they_come() {
    let (_scratch, path) = clip(4);
    let source = Source::open_file(&path).unwrap();
    let plan = planned(&source, &[VideoCodec::H264]).await;
    let size = std::fs::metadata(&path).unwrap().len();
    let track = &plan.audio[0].id;
    for transport in [Transport::Descriptor, Transport::Socket] {
        let order = Work::Audio(AudioOrder { plan_json: serde_json::to_vec(&plan).unwrap() });
        let told = run(&source, transport, order, false).await;
        assert!(matches!(told.exit, Exit::Finished(_)), "{:?}", told.exit);
        assert!(told.account("", "decode") > 0);
        for stage in ["filter", "encode", "package"] {
            assert!(told.account(track, stage) > 0, "{stage}: {:?}", told.last());
        }
        let [read] = told.last().read_bytes[..] else { panic!("one source: {:?}", told.last()) };
        assert!(read >= size / 2, "{transport:?}: {read} of {size}");
    }
}

#[tokio::test]
async fn the_kernel_knows_of_a_worker_that_was_stopped_at_least_what_it_told() {
    let (_scratch, path) = clip(20);
    let source = Source::open_file(&path).unwrap();
    let plan = planned(&source, &[VideoCodec::Av1, VideoCodec::Hevc]).await;
    let told = run(&source, Transport::Descriptor, video(&plan), true).await;
    assert_eq!(told.exit, Exit::Stopped);
    let said = told.last().cpu_us.unwrap();
    assert!(told.kernel.is_some_and(|kernel| kernel.cpu_us >= said), "{said} {:?}", told.kernel);
}

#[tokio::test]
async fn a_copied_rendition_costs_packaging_alone() {
    let (_scratch, path) = clip(4);
    let source = Source::open_file(&path).unwrap();
    let plan = planned_with(&source, &[VideoCodec::H264], true).await;
    let rungs = &plan.video.as_ref().unwrap().renditions;
    assert_eq!(rungs.iter().map(|rung| rung.copy).collect::<Vec<_>>(), [true, false]);
    let told = run(&source, Transport::Descriptor, video(&plan), false).await;
    assert!(matches!(told.exit, Exit::Finished(_)), "{:?}", told.exit);
    let costs = |id: &str| ["filter", "encode", "package"].map(|stage| told.account(id, stage) > 0);
    assert_eq!(costs(&rungs[0].id), [false, false, true]);
    assert_eq!(costs(&rungs[1].id), [true, true, true]);
}
