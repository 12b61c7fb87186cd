//! A worker that does what a test says. The test program runs itself again, and that process speaks the protocol.

use reelmill::model::facts::{AudioFacts, ColorTags, MediaFacts, Scan, StreamFacts, StreamKind, VideoFacts};
use reelmill::model::{Packaging, Plan, Ratio, VideoRendition};
use reelmill::wire::v1::{self, from_worker::Message, order::Work, to_worker};
use reelmill::wire::{read_blocking, write_blocking};
use sha2::{Digest, Sha256};
use std::io::{Read, Seek, SeekFrom};
use std::os::{fd::AsFd, unix::net::UnixStream};
use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, fs, time::Duration};

/// Length of the source that every fake probe finds, seconds.
pub(crate) const SOURCE_SECONDS: i64 = 24;

/// A directory with a worker program in it that follows `script`.
pub(crate) struct FakeWorker {
    pub(crate) home: tempfile::TempDir,
}

impl FakeWorker {
    pub(crate) fn new(script: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        fs::write(home.path().join("script"), format!("{}\n{script}\n", program.display())).unwrap();
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/worker.sh");
        std::os::unix::fs::symlink(real, home.path().join("worker")).unwrap();
        fs::write(home.path().join("source.mp4"), b"0123456789").unwrap();
        Self { home }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.home.path().join("worker")
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.home.path().join("source.mp4")
    }

    /// The fake workers that have begun and still exist.
    pub(crate) fn alive(&self) -> Vec<String> {
        let names = fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let pids = names.filter_map(|name| name.to_str().and_then(|name| name.strip_prefix("pid-")).map(str::to_owned));
        // A process that is dead, but that nobody has asked about yet (`Z`), runs nothing any more. After the daemon's
        // death that is up to process 1, which in a container may take its time.
        let state = |pid: &str| {
            let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
        };
        pids.filter(|pid| state(pid).is_some_and(|state| state != "Z" && state != "X")).collect()
    }

    /// What the fake workers wrote down, a line each, in the order in which they began.
    pub(crate) fn log(&self) -> Vec<String> {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// One fake worker process.
struct Fake {
    socket: UnixStream,
    home: PathBuf,
    spool: PathBuf,
    script: String,
}

/// Not a test: the entry of the fake worker's process.
#[test]
#[ignore = "runs as a process of its own, started by the other tests"]
fn worker_process() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |key: &str| arguments.iter().find_map(|argument| argument.strip_prefix(key)).map(str::to_owned);
    let Some(script) = value("script=") else { return };
    let spool = arguments.iter().skip_while(|argument| *argument != "--spool").nth(1).unwrap();
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let home = PathBuf::from(value("home=").unwrap());
    let mut fake = Fake { socket, home, spool: PathBuf::from(spool), script };
    let status = fake.run();
    std::process::exit(status);
}

impl Fake {
    /// Follows the script; the exit status.
    fn run(&mut self) -> i32 {
        let Some(to_worker::Message::Order(order)) = self.hear() else { return 70 };
        match self.script.clone().as_str() {
            "finish" => self.finish(0),
            "finish-status-1" => self.finish(1),
            "finish-then-abort" => {
                self.finish(0);
                std::process::abort()
            }
            "finish-then-stay" => {
                self.finish(0);
                sleep_forever()
            }
            "fail" => self.fail("input", "source.not_media", "this is\nnot media"),
            "abort" => std::process::abort(),
            "silent" | "stubborn" => sleep_forever(),
            "obedient" => {
                self.log("ready");
                match self.hear() {
                    Some(to_worker::Message::Cancel(_)) => self.fail("cancelled", "job.cancelled", "asked to stop"),
                    _ => 70,
                }
            }
            "drops" => match self.hear() {
                Some(to_worker::Message::DropTracks(dropped)) => {
                    self.log(&dropped.tracks.join(" "));
                    self.finish(0)
                }
                _ => 70,
            },
            "babble" => loop {
                self.log("still here");
                std::thread::sleep(Duration::from_millis(10));
            },
            "garbage" => {
                std::io::Write::write_all(&mut self.socket, &[0xff; 64]).unwrap();
                sleep_forever()
            }
            "empty-message" => {
                write_blocking(&mut self.socket, &v1::FromWorker { message: None }).unwrap();
                sleep_forever()
            }
            "greedy" => {
                self.say(Message::ReadRequest(v1::ReadRequest { offset: 0, length: u32::MAX, source: 0 }));
                sleep_forever()
            }
            "surroundings" => self.tell_surroundings(),
            "read" => self.read_source(&order),
            _ => self.work(order),
        }
    }

    fn hear(&mut self) -> Option<to_worker::Message> {
        read_blocking::<v1::ToWorker>(&mut self.socket).unwrap().and_then(|message| message.message)
    }

    fn say(&mut self, message: Message) {
        // The daemon may be gone, or have hung up on us.
        let _ = write_blocking(&mut self.socket, &v1::FromWorker { message: Some(message) });
    }

    fn log(&mut self, text: &str) {
        self.say(Message::Log(v1::LogLine { level: "info".into(), track: String::new(), text: text.into() }));
    }

    fn finish(&mut self, status: i32) -> i32 {
        self.say(Message::Finished(v1::Finished { frames_decoded: 1, decode_errors: 0, cpu_ms: 0 }));
        status
    }

    fn fail(&mut self, fault: &str, code: &str, message: &str) -> i32 {
        self.say(Message::Failed(v1::Failed {
            fault: fault.into(),
            code: code.into(),
            message: message.into(),
            ..v1::Failed::default()
        }));
        i32::from(reelmill::model::Fault::from_name(fault).exit_code())
    }

    /// What a worker was born with.
    fn tell_surroundings(&mut self) -> i32 {
        let environment: Vec<_> = std::env::vars_os().map(|(key, _)| key.into_string().unwrap()).collect();
        self.log(&format!("environment {environment:?}"));
        self.log(&format!("directory {}", std::env::current_dir().unwrap().display()));
        let stdout = fs::read_link("/proc/self/fd/1").unwrap();
        self.log(&format!("stdout {}", stdout.display()));
        self.finish(0)
    }

    /// Says the source's bytes as it got them.
    fn read_source(&mut self, order: &v1::Order) -> i32 {
        let source = order.source.unwrap();
        let mut text = String::new();
        if source.descriptor >= 0 {
            let mut file = fs::File::open(format!("/proc/self/fd/{}", source.descriptor)).unwrap();
            file.seek(SeekFrom::Start(2)).unwrap();
            file.read_to_string(&mut text).unwrap();
        } else {
            for offset in (2..source.size_bytes).step_by(3) {
                self.say(Message::ReadRequest(v1::ReadRequest { offset, length: 3, source: 0 }));
                let Some(to_worker::Message::ReadReply(reply)) = self.hear() else { return 70 };
                assert_eq!((reply.offset, reply.error.as_str()), (offset, ""));
                text.push_str(std::str::from_utf8(&reply.data).unwrap());
            }
        }
        self.log(&format!("{} bytes, from 2: {text}", source.size_bytes));
        self.finish(0)
    }

    /// Makes what a real worker would, out of thin air, with the one mishap that the script names.
    fn work(&mut self, order: v1::Order) -> i32 {
        match order.work {
            Some(Work::Probe(_)) => match self.script.as_str() {
                "probe-fails" => self.fail("input", "source.not_media", "this is not media"),
                "probe-hangs" => sleep_forever(),
                "probe-crashes" => std::process::abort(),
                _ => {
                    self.say(Message::FactsJson(serde_json::to_vec(&facts()).unwrap()));
                    0
                }
            },
            Some(Work::Video(video)) => self.video(&video),
            Some(Work::Audio(audio)) => self.audio(&audio),
            Some(Work::Doctor(order)) => self.doctor(&order),
            Some(Work::Texts(_) | Work::Stills(_) | Work::Cover(_)) | None => 70,
        }
    }

    /// Writes down that an attempt begins; how many began before this one with the same `what`.
    fn begin(&self, what: &str) -> usize {
        use std::io::Write;
        let path = self.home.join("log");
        let before = fs::read_to_string(&path).unwrap_or_default();
        let mut log = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        log.write_all(format!("{what}\n").as_bytes()).unwrap();
        fs::write(self.home.join(format!("pid-{}", std::process::id())), b"").unwrap();
        let part = what.split(' ').next().unwrap_or_default();
        before.lines().filter(|line| line.split(' ').next() == Some(part)).count()
    }

    fn video(&mut self, order: &v1::VideoOrder) -> i32 {
        let plan: Plan = serde_json::from_slice(&order.plan_json).unwrap();
        let grid = i64::from(plan.grid.segment_ms);
        let all = (SOURCE_SECONDS * 1000 / grid) as u32;
        let end = if order.end == 0 { all } else { order.end };
        let span = plan.spans.iter().position(|span| span.end.unwrap_or(all) == end).unwrap();
        let earlier = self.begin(&format!("video-{span} {}..{}", order.first, order.end));
        let video = plan.video.as_ref().unwrap();
        if self.script == "crash-always" && span == 0 {
            std::process::abort();
        }
        let device = video.accelerator.as_ref();
        self.begin_on(&format!("on-{span}"), device.map(|device| device.id.0.as_str()));
        let mut failed = BTreeSet::new();
        for rung in &video.renditions {
            let encoder = if rung.on_device {
                "fake nvenc"
            } else if self.script == "identity-changes" && span == 1 {
                "other"
            } else {
                "fake 1.0"
            };
            self.init(&plan, &rung.id, "avc1.64001e", encoder, rung.codec.traits().packagings);
        }
        for index in order.first..end {
            for (position, rung) in video.renditions.iter().enumerate() {
                let ticks = grid * i64::from(video.timescale) / 1000;
                if failed.contains(&rung.id) {
                    continue;
                }
                if device.is_some() && self.device_fails(span, index, position, rung) {
                    failed.insert(rung.id.clone());
                    continue;
                }
                self.segment(&plan, &rung.id, index, ticks, rung.codec.traits().packagings);
                // One rung is a segment ahead of the other when this happens.
                if position == 0 && index == order.first + 1 {
                    self.mishap(span, earlier);
                }
            }
        }
        self.say(crate::usage::told(&plan, false));
        self.finish(0)
    }

    /// A device that does everything, but for the mishap that the script names.
    fn doctor(&mut self, order: &v1::DoctorOrder) -> i32 {
        let trials: Vec<_> = order.trials.iter().map(|t| format!("{}.{}.{}", t.operation, t.codec, t.depth)).collect();
        let arguments: Vec<_> = std::env::args().skip_while(|argument| argument != "--spool").skip(2).collect();
        self.begin(&format!("doctor {} {}", arguments.join(" "), trials.join(" ")));
        if self.script == "doctor-dies-at-once" && !trials.is_empty() {
            std::process::abort();
        }
        self.say(Message::Doctor(v1::Doctor { ffmpeg: "fake 1.0".into(), ..v1::Doctor::default() }));
        for (index, trial) in trials.iter().enumerate() {
            if self.script == "doctor-crashes" && trial == "encode.hevc.10" {
                std::process::abort();
            }
            let refused = self.script == "doctor-crashes" && trial == "encode.av1.8";
            if refused {
                self.log("OpenEncodeSessionEx failed: incompatible client key (21): (no details)");
            }
            let failure = refused.then(|| v1::TrialFailure {
                what: "open the encoder".into(),
                error: -22,
                message: "Invalid argument".into(),
                ..v1::TrialFailure::default()
            });
            self.say(Message::Tried(v1::Tried { trial: index as u32, failure, busy_us: 0 }));
        }
        self.finish(0)
    }

    /// What goes wrong on a device by the script; true when the rung is not made any more.
    fn device_fails(&mut self, span: usize, index: u32, position: usize, rung: &VideoRendition) -> bool {
        match self.script.as_str() {
            // The smaller rung of the second span, after one segment of it: it was begun by the device before.
            "device-loses-a-rung" if rung.on_device && position == 1 && span == 1 && index == 4 => {
                self.say(Message::TrackFailed(v1::TrackFailed {
                    track: rung.id.clone(),
                    device_fault: "unsupported".into(),
                    ability: "encode.h264".into(),
                    code: "device.encoder".into(),
                    message: "the encoder gave up".into(),
                }));
                true
            }
            "device-refuses-a-rung" if rung.on_device && position == 1 && span == 0 => {
                self.say(Message::TrackFailed(v1::TrackFailed {
                    track: rung.id.clone(),
                    device_fault: "session_limit".into(),
                    ability: "encode.h264".into(),
                    code: "device.sessions".into(),
                    message: "no more sessions".into(),
                }));
                true
            }
            "device-is-lost" if span == 1 && index == 4 => {
                self.say(Message::Failed(v1::Failed {
                    fault: "device".into(),
                    code: "device.lost".into(),
                    message: "the device is gone".into(),
                    device_fault: "lost".into(),
                    ability: "decode.h264".into(),
                }));
                std::process::exit(i32::from(reelmill::model::Fault::Device.exit_code()));
            }
            "device-kills" if index == 1 => std::process::abort(),
            _ => false,
        }
    }

    /// Writes down where an attempt runs.
    fn begin_on(&self, what: &str, device: Option<&str>) {
        use std::io::Write;
        let log = fs::OpenOptions::new().append(true).create(true).open(self.home.join("log"));
        log.unwrap().write_all(format!("{what} {}\n", device.unwrap_or("cpu")).as_bytes()).unwrap();
    }

    fn audio(&mut self, order: &v1::AudioOrder) -> i32 {
        let plan: Plan = serde_json::from_slice(&order.plan_json).unwrap();
        let earlier = self.begin("audio");
        for audio in &plan.audio {
            let packagings = audio.codec.traits().packagings;
            self.init(&plan, &audio.id, "mp4a.40.2", "fake 1.0", packagings);
            for index in 0..(SOURCE_SECONDS * 1000 / i64::from(plan.grid.segment_ms)) as u32 {
                let ticks = i64::from(plan.grid.segment_ms) * i64::from(audio.sample_rate) / 1000;
                self.segment(&plan, &audio.id, index, ticks, packagings);
                if self.script == "audio-crashes-once" && earlier == 0 && index == 2 {
                    std::process::abort();
                }
            }
        }
        self.say(crate::usage::told(&plan, true));
        self.finish(0)
    }

    fn mishap(&mut self, span: usize, earlier: usize) {
        match self.script.as_str() {
            "crash-once" if span == 0 && earlier == 0 => std::process::abort(),
            "input-fault" if span == 0 => {
                std::process::exit(self.fail("input", "source.truncated", "the file ends too early"));
            }
            "stays" => sleep_forever(),
            "outside" => {
                let file = v1::SpoolFile { name: "../../../../secret".into(), ..spool_file("cmaf", b"") };
                let files = vec![file];
                let track = "360p".into();
                self.say(Message::Segment(v1::Segment { track, index: 9, start: 0, duration: 1, frames: 1, files }));
            }
            _ => {}
        }
    }

    fn init(&mut self, plan: &Plan, track: &str, codec_string: &str, encoder: &str, packagings: &[Packaging]) {
        let cmaf = plan.packagings.contains(&Packaging::Cmaf) && packagings.contains(&Packaging::Cmaf);
        self.say(Message::Init(v1::Init {
            track: track.into(),
            init_segment: if cmaf { format!("init of {track}").into_bytes().into() } else { Vec::new().into() },
            codec_string: codec_string.into(),
            encoder: encoder.into(),
        }));
    }

    fn segment(&mut self, plan: &Plan, track: &str, index: u32, ticks: i64, packagings: &[Packaging]) {
        let mut files = Vec::new();
        for packaging in plan.packagings.iter().filter(|packaging| packagings.contains(packaging)) {
            let body = match packaging {
                Packaging::Cmaf => format!("{track} {index}").repeat(100).into_bytes(),
                Packaging::Ts => transport_stream(index as u8),
            };
            let mut file = spool_file(packaging.name(), &body);
            file.name = format!("{track}-{index}.{}", packaging.extension());
            fs::write(self.spool.join(&file.name), &body).unwrap();
            if track != "audio-1" {
                file.key_frames.push(v1::KeyFrame { offset: 0, bytes: file.bytes, time: i64::from(index) * ticks });
            }
            files.push(file);
        }
        let start = i64::from(index) * ticks;
        let tracks = vec![v1::TrackProgress { track: track.into(), frames: 1, media_us: 1, first_pass_us: None }];
        self.say(Message::Progress(v1::Progress { tracks, decode_errors: 0, frames_decoded: 0 }));
        self.say(Message::Segment(v1::Segment {
            track: track.into(),
            index,
            start,
            duration: ticks,
            frames: 100,
            files,
        }));
    }
}

fn spool_file(packaging: &str, body: &[u8]) -> v1::SpoolFile {
    let sha256 = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = body.len() as u64;
    v1::SpoolFile { packaging: packaging.into(), name: String::new(), bytes, sha256, key_frames: Vec::new() }
}

/// Four packets of one PID with a payload; each encoder starts its counters at zero.
fn transport_stream(filler: u8) -> Vec<u8> {
    let packet = |counter: u8| {
        let mut packet = [filler; 188];
        packet[..4].copy_from_slice(&[0x47, 0x01, 0x00, 0x10 | counter]);
        packet
    };
    (0..4).flat_map(packet).collect()
}

fn sleep_forever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// 24 s of 640x360 with stereo sound.
fn facts() -> MediaFacts {
    let stream = |index, kind, codec: &str, den| StreamFacts {
        program: None,
        index,
        kind,
        codec: codec.into(),
        profile: None,
        time_base: Ratio::new(1, den),
        start: Some(0),
        duration: Some(SOURCE_SECONDS * den),
        bit_rate: Some(500_000),
        language: None,
        title: None,
        default: true,
        forced: false,
        descriptive: false,
        role: None,
        hearing_impaired: false,
        attached_picture: false,
        encrypted: false,
        decodable: true,
        video: None,
        audio: None,
    };
    let video = VideoFacts {
        width: 640,
        height: 360,
        sample_aspect: Ratio::new(1, 1),
        rotation: 0,
        mirrored: false,
        display_width: 640,
        display_height: 360,
        frame_rate: Ratio::new(25, 1),
        variable_rate: false,
        scan: Scan::Progressive,
        pixel_format: "yuv420p".into(),
        bit_depth: 8,
        rgb: false,
        color: ColorTags::default(),
        hdr: None,
        first_pts: Some(0),
        key_frames: Vec::new(),
        area: None,
    };
    let audio = AudioFacts { sample_rate: 48_000, channels: 2, layout: "stereo".into(), first_pts: Some(0) };
    MediaFacts {
        container: "mov,mp4,m4a,3gp,3g2,mj2".into(),
        size_bytes: 10,
        duration_us: Some(SOURCE_SECONDS * 1_000_000),
        media_end_us: Some(SOURCE_SECONDS * 1_000_000),
        start_us: Some(0),
        bit_rate: Some(600_000),
        seekable: true,
        streams: vec![
            StreamFacts { video: Some(video), ..stream(0, StreamKind::Video, "h264", 12_800) },
            StreamFacts { audio: Some(audio), ..stream(1, StreamKind::Audio, "aac", 48_000) },
        ],
        ..MediaFacts::default()
    }
}
