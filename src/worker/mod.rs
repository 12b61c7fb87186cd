//! The worker process: lock in, take one order over the socket, carry it out, say how it ended.
//!
//! It is told on its command line whether the order will use a device, since the walls go up before the order is read.

mod asf;
pub mod device_usage;
mod doctor;
mod fdinfo;
mod link;
pub mod probe;
mod shape;
mod source;
mod spool;
mod tags;
mod trace;
mod usage;

use crate::av;
use crate::av::input::Interrupt;
use crate::model::device::DeviceKind;
use crate::model::mark::Mark;
use crate::model::plan::SpanRange;
use crate::model::{Plan, Problem};
use crate::pipeline::marks::{self, Images};
use crate::pipeline::watched::{OpenCalls, Watched};
use crate::pipeline::{self, Control, bars, captions, cover, equipment, simulated};
use crate::sys::{clock, lockdown, threads};
use crate::wire::v1::{self, order::Work};
use link::Link;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use usage::Meter;

/// Descriptor of the control socket.
const CONTROL_FD: i32 = 3;

/// Runs the worker. `arguments` are those after the program's name: `--spool DIR [--device cuda|vaapi]`.
pub fn main(arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    // Before anything else: what comes first is spent for nobody, and told as the remainder.
    threads::begin();
    let status = usage::own_status();
    let (spool, warnings) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err(sentence) => return refuse(&sentence),
    };
    let socket = match lockdown::inherited_socket(CONTROL_FD) {
        Ok(socket) => socket,
        Err(error) => {
            return refuse(&format!(
                "no control socket at descriptor {CONTROL_FD} ({error}); this program is started by reelmill"
            ));
        }
    };
    let control = Arc::new(Control::default());
    let (link, order) = match Link::open(socket, Arc::clone(&control)) {
        Ok(opened) => opened,
        Err(error) => return refuse(&format!("no order came over the control socket ({error})")),
    };
    for warning in warnings {
        link.log("warning", "", &warning);
    }
    let sink = Arc::clone(&link);
    av::log::capture(Box::new(move |level, label, line| {
        if level < av::log::Level::Info && !is_noise(line) {
            sink.log(level.name(), label, line);
        }
    }));
    let traced = order.traced;
    let meter = Arc::new(Meter::new(status, Arc::clone(&link), Arc::clone(&control)));
    let result = carry_out(order, &spool, &link, &control, &meter);
    // All threads that worked for somebody have been joined.
    meter.tell();
    if traced {
        trace::tell(&control, &link);
    }
    link.close(result, &control)
}

/// Lines that FFmpeg writes as warnings about things that are as they should be (`docs/QUIRKS.md`).
fn is_noise(line: &str) -> bool {
    line == "frame size not set" || line.starts_with("deprecated pixel format used")
}

fn prepare(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<(PathBuf, Vec<String>), String> {
    const USAGE: &str = "usage: reelmill-worker --spool DIR [--device cuda|vaapi] (started by reelmill, not by hand)";
    let spool = match (arguments.next(), arguments.next()) {
        (Some(flag), Some(spool)) if flag == "--spool" => PathBuf::from(spool),
        _ => return Err(USAGE.to_owned()),
    };
    let device = match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => None,
        (Some(flag), Some(kind), None) if flag == "--device" && kind == "cuda" => Some(DeviceKind::Cuda),
        (Some(flag), Some(kind), None) if flag == "--device" && kind == "vaapi" => Some(DeviceKind::Vaapi),
        _ => return Err(USAGE.to_owned()),
    };
    let warnings = lockdown::lock_in(&spool, device).map_err(|error| format!("could not lock itself in ({error})"))?;
    Ok((spool, warnings))
}

fn refuse(sentence: &str) -> ExitCode {
    eprintln!("reelmill-worker: {sentence}");
    ExitCode::from(crate::model::Fault::Bug.exit_code())
}

fn carry_out(
    order: v1::Order,
    spool: &Path,
    link: &Arc<Link>,
    control: &Arc<Control>,
    meter: &Arc<Meter>,
) -> Result<(), Problem> {
    if let Some(Work::Doctor(order)) = &order.work {
        return doctor::run(order, link, control);
    }
    if let Some(Work::Texts(order)) = &order.work {
        let marks: Vec<Mark> =
            serde_json::from_slice(&order.marks_json).map_err(|error| bad_order(&error.to_string()))?;
        return marks::check_texts(&marks);
    }
    let source = order.source.ok_or_else(|| bad_order("no source"))?;
    let sources = source::Sources::of(std::iter::once(&source).chain(&order.more_sources), link)?;
    let open = |place| sources.open(place);
    match order.work.ok_or_else(|| bad_order("no work"))? {
        // Done above: it has no source.
        Work::Doctor(_) | Work::Texts(_) => Ok(()),
        Work::Probe(probe) => {
            let shared = control.accounts.share();
            let facts = match (probe.image, probe.cover) {
                (_, true) => cover::probe(open(0)?)?,
                (true, false) => marks::probe(open(0)?)?,
                (false, false) => {
                    let mut facts = probe::probe(open(0)?, source.size_bytes, control)?;
                    if probe.bars {
                        facts.set_area(bars::measure(open(0)?, &facts, control)?);
                    }
                    if probe.captions {
                        facts.captions = Some(captions::measure(open(0)?, &facts, control)?);
                    }
                    facts
                }
            };
            drop(shared);
            let json = serde_json::to_vec(&facts).map_err(|error| bad_order(&error.to_string()))?;
            // The facts are the last message that anybody heeds.
            meter.tell();
            link.send(v1::from_worker::Message::FactsJson(json));
            Ok(())
        }
        Work::Cover(order) => {
            let shared = control.accounts.share();
            let interrupt = Interrupt { stop: control.stop_flag(), deadline: None };
            let found = match order.stream {
                Some(stream) => cover::attached(open(0)?, stream, interrupt)?,
                None => cover::of_file(open(0)?)?,
            };
            drop(shared);
            let codec = found.format.codec().to_owned();
            link.send(v1::from_worker::Message::Cover(v1::Cover { codec, data: found.bytes }));
            Ok(())
        }
        Work::Video(video) => {
            let plan = parse_plan(&video.plan_json)?;
            let span = SpanRange { first: video.first, end: (video.end > 0).then_some(video.end) };
            plan.video.iter().for_each(|video| meter.watch_device(video));
            let calls = Arc::new(OpenCalls::default());
            let outlet = spool::SpoolOutlet::start(spool, Arc::clone(link), meter, Arc::clone(&calls));
            // What the input and the device cost is for all, and so is what no rendition claims of what follows.
            let shared = control.accounts.share();
            let images = Images::load(&open, &plan, span, control).map(|images| control.lend_images(images));
            let ready = images.and_then(|()| equip(&plan, link, control, &calls));
            let result = ready.and_then(|()| pipeline::two_pass::run(&open, &plan, span, spool, &outlet, control));
            drop(shared);
            outlet.stop();
            result
        }
        Work::Stills(stills) => {
            let plan = parse_plan(&stills.plan_json)?;
            let made = stills.made.into_iter().map(|made| (made.set, made.numbers.into_iter().collect())).collect();
            let outlet = spool::SpoolOutlet::start(spool, Arc::clone(link), meter, Arc::default());
            let shared = control.accounts.share();
            let result = pipeline::stills::run(&open, &plan, &made, &outlet, control);
            drop(shared);
            outlet.stop();
            result
        }
        Work::Audio(audio) => {
            let plan = parse_plan(&audio.plan_json)?;
            let outlet = spool::SpoolOutlet::start(spool, Arc::clone(link), meter, Arc::default());
            let shared = control.accounts.share();
            let result = pipeline::loudness::run(&open, &plan, &outlet, control);
            drop(shared);
            outlet.stop();
            result
        }
    }
}

/// Opens the device of a plan, the simulated one through the daemon. Its calls are timed: one that does not come back
/// ends the heartbeat, and so the worker.
fn equip(plan: &Plan, link: &Arc<Link>, control: &Control, calls: &Arc<OpenCalls>) -> Result<(), Problem> {
    let Some(placed) = plan.video.as_ref().and_then(|video| video.accelerator.as_ref()) else { return Ok(()) };
    let open = || match placed.simulated {
        true => equipment::opened(placed, simulated::open(placed, Arc::<Link>::clone(link))),
        false => equipment::open(placed),
    };
    match calls.timed(open) {
        Ok(device) => control.equip(placed.kind, Box::new(Watched::new(device, Arc::clone(calls)))),
        Err(trouble) => control.fail_on_device(trouble),
    }
    control.problem().map_or(Ok(()), Err)
}

fn parse_plan(json: &[u8]) -> Result<Plan, Problem> {
    serde_json::from_slice(json).map_err(|error| bad_order(&error.to_string()))
}

fn bad_order(what: &str) -> Problem {
    Problem::bug("worker.bad_order", format!("the order to the worker was malformed ({what}); please report this"))
}

/// What a finished worker counted.
fn finished(control: &Control) -> v1::Finished {
    v1::Finished {
        frames_decoded: control.frames_decoded.load(Ordering::Relaxed),
        decode_errors: control.decode_errors.load(Ordering::Relaxed),
        cpu_ms: u64::try_from(clock::cpu_time().as_millis()).unwrap_or(0),
    }
}
