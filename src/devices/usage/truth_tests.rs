//! Estimates against what simulated cards really did: several spans of different ladders on two cards, on a clock that the
//! test turns, seen through whole percents of sixths of a second, with work reported twice a second and late.

use super::book::Book;
use super::simulated::{SimulatedGauge, reading};
use super::tests::key;
use super::*;
use crate::model::Speed;
use crate::model::simulated::{Call, Opening, Reply};
use crate::simulate::Attached;
use std::time::Duration;

const CARDS: &str = r#"
[[devices]]
kind = "cuda"
id = "a"
name = "A"
encode_engines = 1
decode_engines = 2
filter_mpix = 2000
watts = { idle = 25, decode = 5, filter = 40, encode = 12 }
[[devices.encode]]
codec = "h264"
mpix = 600
[[devices.encode]]
codec = "hevc"
mpix = 350
[[devices.decode]]
codec = "h264"
mpix = 900
[[devices]]
kind = "cuda"
id = "b"
name = "B"
encode_engines = 2
decode_engines = 1
[[devices.encode]]
codec = "h264"
mpix = 400
[[devices.decode]]
codec = "h264"
mpix = 700
"#;

/// Error that is allowed, percent.
const ERROR_MAX: u64 = 5;

/// A span: which card, its codec, the heights of its ladder, pictures a second at which its CPU lets it go, and its time.
struct Plan(usize, &'static str, &'static [u64], u64, (u64, u64));

const SPANS: [Plan; 5] = [
    Plan(0, "h264", &[1080, 720, 360], 90, (0, 60)),
    Plan(0, "hevc", &[720, 480], 60, (5, 48)),
    Plan(0, "h264", &[480], 200, (20, 70)),
    Plan(1, "h264", &[1080, 540], 100, (0, 45)),
    Plan(1, "h264", &[2160, 720, 360], 30, (10, 66)),
];

struct Session {
    id: u64,
    rendition: String,
    pixels: u64,
    next: Duration,
    frames: u64,
}

struct Span {
    attached: Attached,
    lap: u64,
    device: DeviceInfo,
    sessions: Vec<Session>,
    pace: Duration,
    until: Duration,
}

const fn pixels(height: u64) -> u64 {
    height * height * 16 / 9
}

impl Span {
    fn open(host: &Arc<Host>, book: &mut Book, plan: &Plan) -> Self {
        let Plan(card, codec, heights, rate, (from, until)) = plan;
        let device = host.devices().swap_remove(*card);
        let rates = Rates::default();
        rates.simulated(host);
        let attached = host.attach();
        let decode = (String::new(), key(Operation::Decode, "h264"), heights[0]);
        let rungs = heights.iter().map(|height| (format!("{height}p"), *height));
        let filters = rungs.clone().map(|(name, height)| (name, key(Operation::Filter, ""), height));
        let encodes = rungs.map(|(name, height)| (name, key(Operation::Encode, codec), height));
        let all: Vec<_> = std::iter::once(decode).chain(filters).chain(encodes).collect();
        let work = all.iter().map(|(name, key, height)| Work::on(&device, &rates, name, key.clone(), pixels(*height)));
        let lap = book.begin(&device, work.collect(), Vec::new());
        book.worker(lap, None, Some(attached.worker()));
        let session = |(rendition, key, height): (String, RateKey, u64)| {
            let opening = Opening {
                device: device.id.clone(),
                operation: key.operation,
                codec: key.codec,
                depth: 8,
                width: u32::try_from(height * 16 / 9).unwrap(),
                height: u32::try_from(height).unwrap(),
                speed: (key.operation == Operation::Encode).then_some(Speed::Balanced),
                track: rendition.clone(),
            };
            let Reply::Opened(opened) = attached.call(Call::Open(opening)) else { panic!("not opened") };
            let next = Duration::from_secs(*from);
            Session { id: opened.session, rendition, pixels: pixels(height), next, frames: 0 }
        };
        let sessions = all.into_iter().map(session).collect();
        let pace = Duration::from_secs(1) / u32::try_from(*rate).unwrap();
        Self { attached, lap, device, sessions, pace, until: Duration::from_secs(*until) }
    }

    /// Does what is due until `now`.
    fn work(&mut self, host: &Host, now: Duration) {
        let until = now.min(self.until);
        while let Some(session) = self.sessions.iter_mut().filter(|s| s.next < until).min_by_key(|s| s.next) {
            host.turn(session.next);
            let reply = self.attached.call(Call::Work { session: session.id, pixels: session.pixels });
            let Reply::Go { wait_us, .. } = reply else { panic!("{reply:?}") };
            session.frames += 1;
            session.next += Duration::from_micros(wait_us).max(self.pace);
        }
    }

    /// Reports what was made: encoders hold some pictures back until the end.
    fn report(&self, book: &mut Book, held: u64) {
        for session in &self.sessions {
            book.made(self.lap, &session.rendition, session.frames.saturating_sub(held));
        }
    }
}

fn off(found: u64, truth: u64) -> u64 {
    found.abs_diff(truth) * 100 / truth.max(1)
}

#[test]
fn estimates_are_within_five_percent_of_what_simulated_cards_did() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cards.toml");
    std::fs::write(&file, CARDS).unwrap();
    let host = Host::new(crate::simulate::load(&file).unwrap());
    host.turn(Duration::ZERO);
    let (mut book, mut gauge) = (Book::default(), SimulatedGauge::default());
    book.devices(&host.devices());
    let mut spans: Vec<Span> = Vec::new();
    let mut waiting: Vec<&Plan> = SPANS.iter().collect();
    let (mut checked, mut ended) = (0, Vec::new());
    // Half seconds, from five before the first work.
    for half in 0..160_u64 {
        let now = Duration::from_millis(500 * half);
        let (due, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|plan| Duration::from_secs(plan.4.0) + Duration::from_secs(5) <= now);
        waiting = later;
        host.turn(now);
        for plan in due {
            let shifted = Plan(plan.0, plan.1, plan.2, plan.3, (plan.4.0 + 5, plan.4.1 + 5));
            spans.push(Span::open(&host, &mut book, &shifted));
        }
        // In small steps, so that the spans take turns.
        for step in 1..=50 {
            let to = now + Duration::from_millis(10 * step);
            spans.iter_mut().for_each(|span| span.work(&host, to));
        }
        let end = now + Duration::from_millis(500);
        host.turn(end);
        let (over, on): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.until <= end);
        spans = on;
        spans.iter().for_each(|span| span.report(&mut book, 3));
        over.iter().for_each(|span| span.report(&mut book, 0));
        for span in over {
            checked += compare(&book, &host, &span);
            book.end(span.lap);
            ended.push(span);
        }
        if half % 2 == 1 {
            for device in host.devices() {
                let told = gauge.of(&host).read(&device);
                book.read(&device.id, told, end);
            }
        }
    }
    assert_eq!((ended.len(), checked), (SPANS.len(), 11), "all renditions of all spans were compared");
    // What nobody was charged for is small beside the minutes that engines were busy.
    for load in book.loads(Duration::from_secs(80)) {
        assert!(load.unattributed_us.values().all(|us| *us < 3_000_000), "{load:?}");
    }
}

/// Compares a span's figures with the truth. How many renditions that were.
fn compare(book: &Book, host: &Arc<Host>, span: &Span) -> usize {
    let estimated = book.so_far(span.lap, None);
    let truth = host.used_by(span.attached.worker());
    let us = |operation: Operation, rendition: &str| {
        let account = (span.attached.worker(), span.device.id.clone(), operation, rendition.to_owned());
        u64::try_from(truth[&account].engine.as_micros()).unwrap()
    };
    let close = |what: &str, found: Option<Figure>, truth: u64| {
        let found = found.unwrap_or_else(|| panic!("{what} is not known"));
        assert!(off(found.value, truth) < ERROR_MAX, "{what}: {} for {truth}", found.value);
    };
    close("decode", estimated[""].decode_us, us(Operation::Decode, ""));
    for (rendition, used) in estimated.iter().filter(|(rendition, _)| !rendition.is_empty()) {
        let name = |operation: &str| format!("{} {operation} of {rendition}", span.device.id);
        close(&name("encode"), used.encode_us, us(Operation::Encode, rendition));
        close(&name("filter"), used.filter_us, us(Operation::Filter, rendition));
    }
    // Energy of the whole span: what each kind of work draws is learned on the way, so that it is further off.
    let found: u64 = estimated.values().map(|used| used.energy_mj.unwrap().value).sum();
    let drawn: u64 = truth.values().map(|used| used.energy_uj).sum::<u64>() / 1000;
    assert!(off(found, drawn) < 4 * ERROR_MAX, "energy: {found} for {drawn} mJ");
    estimated.len() - 1
}

#[test]
fn what_is_shown_is_what_a_driver_would_show() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cards.toml");
    std::fs::write(&file, CARDS).unwrap();
    let host = Host::new(crate::simulate::load(&file).unwrap());
    host.turn(Duration::from_secs(3));
    let device = host.devices().swap_remove(0);
    let shown = host.shown(&device.id, Duration::ZERO).unwrap();
    let told = reading(&shown);
    assert_eq!((told.encode_permille, told.power_mw), (Some(0), Some(25_000)));
    // Three seconds of an idle card, less the window that is not over.
    assert!((70_000..=75_000).contains(&told.energy_mj.unwrap()), "{told:?}");
    assert!(shown.windows.len() >= 16);
    assert!(host.shown(&device.id, shown.until).unwrap().windows.is_empty());
    assert!(host.shown(&DeviceId("cuda:none".into()), Duration::ZERO).is_none());
}
