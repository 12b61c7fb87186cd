//! Real workers on simulated devices: the calls go over their sockets, and one that never returns ends the worker.
#![cfg(test)]

use reelmill::dispatch::probe;
use reelmill::input::{Source, Transport};
use reelmill::model::Plan;
use reelmill::model::device::{Accelerator, DeviceKind, Memory, Operation};
use reelmill::model::request::Looks;
use reelmill::plan::{Node, Request, plan};
use reelmill::simulate::{Host, load};
use reelmill::supervise::{self, Exit, Launch, Report};
use reelmill::wire::v1::{VideoOrder, from_worker::Message, order::Work};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// Long enough for a worker to start on a busy machine.
const SILENCE: Duration = Duration::from_secs(4);

fn worker() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_reelmill-worker"))
}

fn host(scratch: &Path, faults: &str) -> Arc<Host> {
    let path = scratch.join("devices.toml");
    let text = format!(
        "[[devices]]\nkind = \"cuda\"\nname = \"A\"\nencode_engines = 1\ndecode_engines = 1\nsessions_counted = true\n\
         [[devices.encode]]\ncodec = \"h264\"\nmpix = 2000\n[[devices.decode]]\ncodec = \"h264\"\nmpix = 2000\n{faults}"
    );
    fs::write(&path, text).unwrap();
    Host::new(load(&path).unwrap())
}

fn place(plan: &mut Plan, host: &Host) {
    let device = host.devices().remove(0);
    let video = plan.video.as_mut().unwrap();
    video.accelerator = Some(Accelerator {
        id: device.id,
        kind: DeviceKind::Cuda,
        address: device.address,
        simulated: true,
        decode: true,
        extra_frames: 8,
    });
    video.prepare.clear();
    video.memory = Memory::Device;
    for rung in &mut video.renditions {
        rung.graph = format!("scale_cuda=w={}:h={}:interp_algo=bilinear:format=nv12,setsar=1", rung.width, rung.height);
        (rung.memory, rung.on_device, rung.parent) = (Memory::Device, true, None);
        (rung.encoder, rung.pixel_format) = ("h264_nvenc".to_owned(), "nv12".to_owned());
        let options = [("preset", "p2"), ("rc", "vbr"), ("b", "300000"), ("g", "50"), ("forced-idr", "1")];
        rung.options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    }
}

/// Segments that a worker makes of a clip of three seconds, and how it ends.
async fn run(scratch: &TempDir, host: &Arc<Host>) -> (usize, Exit) {
    let clip = scratch.path().join("clip.mp4");
    let input = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3", "-pix_fmt", "yuv420p"];
    let made = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(input).arg(&clip).status().unwrap();
    assert!(made.success());
    let source = Source::open_file(&clip).unwrap();
    let facts =
        probe(worker(), &source, Transport::Descriptor, watch::channel(false).1, Looks::default()).await.unwrap();
    let request = Request { renditions: vec!["144p".parse().unwrap()], segment_ms: 1000, ..Request::default() };
    let mut plan = plan(&facts, &request, &Node { threads: 1 }).unwrap();
    place(&mut plan, host);
    let order = VideoOrder { plan_json: serde_json::to_vec(&plan).unwrap(), first: 0, end: 0 };
    let spool = TempDir::new().unwrap();
    let mut launch = Launch::new(worker(), spool.path(), &source, Transport::Descriptor, Work::Video(order));
    (launch.simulated, launch.silence) = (Some(Arc::clone(host)), SILENCE);
    let (reports, mut told) = mpsc::channel(4);
    let _worker = supervise::start(launch, (), reports).unwrap();
    let mut segments = 0;
    loop {
        match told.recv().await.unwrap().1 {
            Report::Message(Message::Segment(_)) => segments += 1,
            Report::Exited(exit) => return (segments, exit),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_worker_works_on_a_device_that_the_daemon_simulates() {
    let scratch = tempfile::tempdir().unwrap();
    let host = host(scratch.path(), "");
    let (segments, exit) = run(&scratch, &host).await;
    assert!(matches!(exit, Exit::Finished(_)) && segments == 3, "{segments} {exit:?}");
    assert_eq!(host.open_sessions(), 0, "all is given back before anybody hears of the end");
    let encoded = host.used().into_iter().find(|((_, _, operation, _), _)| *operation == Operation::Encode).unwrap();
    assert_eq!((encoded.0.3.as_str(), encoded.1.frames), ("144p", 75));
}

#[tokio::test]
async fn a_call_that_never_returns_ends_the_worker_as_hung() {
    let scratch = tempfile::tempdir().unwrap();
    let fault = "[[devices.faults]]\nwhat = \"hang\"\noperation = \"encode\"\nframe = 30\n";
    let host = host(scratch.path(), fault);
    let (_, exit) = run(&scratch, &host).await;
    assert_eq!(exit, Exit::Hung);
    assert_eq!(host.open_sessions(), 0);
}
