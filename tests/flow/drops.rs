//! A real worker that is told to drop tracks.

use crate::tools::clip_of;
use reelmill::input::{Source, Transport};
use reelmill::model::{Fault, Plan, Speed};
use reelmill::plan::{Node, Request, plan};
use reelmill::supervise::{self, Exit, Launch, Report, Worker};
use reelmill::wire::v1::{ProbeOrder, VideoOrder, from_worker::Message, order::Work};
use std::fs;
use std::path::Path;
use tokio::sync::mpsc;

const SECONDS: u32 = 120;

struct Bench {
    scratch: tempfile::TempDir,
    source: Source,
}

impl Bench {
    fn new() -> Self {
        let picture = format!("testsrc2=size=640x360:rate=25:duration={SECONDS}");
        let (scratch, clip) = clip_of(&picture, "sine=duration=1");
        Self { source: Source::open_file(&clip).unwrap(), scratch }
    }

    fn start(&self, work: Work) -> (Worker, mpsc::Receiver<((), Report)>) {
        let spool = self.scratch.path().join("spool");
        // A spool is one worker's.
        let _ = fs::remove_dir_all(&spool);
        fs::create_dir(&spool).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_reelmill-worker"));
        let launch = Launch::new(program, &spool, &self.source, Transport::Descriptor, work);
        let (reports, told) = mpsc::channel(4);
        (supervise::start(launch, (), reports).unwrap(), told)
    }

    async fn plan(&self) -> Plan {
        let (_worker, mut told) = self.start(Work::Probe(ProbeOrder::default()));
        let mut facts = None;
        while let Some(((), report)) = told.recv().await {
            if let Report::Message(Message::FactsJson(json)) = report {
                facts = Some(serde_json::from_slice(&json).unwrap());
            }
        }
        let renditions = ["360p", "240p"].map(|text| text.parse().unwrap()).to_vec();
        let request = Request { renditions, speed: Speed::Fast, segment_ms: 1000, ..Request::default() };
        plan(&facts.unwrap(), &request, &Node { threads: 2 }).unwrap()
    }

    /// Makes all of the source; drops these tracks when the first one has its second segment. The number of segments
    /// of each track, and how it ended.
    async fn dropping(&self, plan: &Plan, drops: &[&str]) -> ([usize; 2], Exit) {
        let order = VideoOrder { plan_json: serde_json::to_vec(plan).unwrap(), first: 0, end: 0 };
        let (worker, mut told) = self.start(Work::Video(order));
        let mut counts = [0; 2];
        while let Some(((), report)) = told.recv().await {
            match report {
                Report::Message(Message::Segment(segment)) => {
                    counts[usize::from(segment.track == "240p")] += 1;
                    worker.released(segment.files.iter().map(|file| file.bytes).sum());
                    if segment.track == drops[0] && segment.index == 1 {
                        worker.drop_tracks(drops.iter().map(|track| (*track).to_owned()).collect());
                    }
                }
                Report::Exited(exit) => return (counts, exit),
                _ => {}
            }
        }
        panic!("no exit was reported");
    }
}

#[tokio::test]
async fn a_worker_goes_on_without_tracks_that_are_dropped_and_ends_without_any() {
    let bench = Bench::new();
    let plan = bench.plan().await;
    let whole = SECONDS as usize;
    let (counts, exit) = bench.dropping(&plan, &["360p"]).await;
    assert!(matches!(exit, Exit::Finished(_)), "{exit:?}");
    assert!(counts[0] < whole / 2 && counts[1] == whole, "{counts:?}");

    let (counts, exit) = bench.dropping(&plan, &["240p", "360p"]).await;
    assert_eq!(exit.problem().map(|problem| problem.fault), Some(Fault::Cancelled), "{exit:?}");
    assert!(matches!(exit, Exit::Failed(_)), "it ended by itself: {exit:?}");
    assert!(counts.iter().all(|count| *count < whole / 2), "{counts:?}");
}
