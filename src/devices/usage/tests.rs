//! Meters over gauges that tests turn: a driver that vanishes, one that tells little, clocks; and simulated cards on whose
//! word the estimates are judged.

use super::estimate::OPERATIONS;
use super::*;
use crate::model::Speed;
use crate::model::device::DeviceKind;
use crate::model::usage::Method;
use std::time::Duration;

/// A card with so many engines.
pub(super) fn card(id: &str, encode_engines: u32, decode_engines: u32) -> DeviceInfo {
    DeviceInfo {
        id: DeviceId(format!("cuda:{id}")),
        kind: DeviceKind::Cuda,
        name: "Card".into(),
        driver: "550.54.14".into(),
        address: "0".into(),
        model: "Card".into(),
        memory_mib: 16_000,
        encode_engines,
        decode_engines,
        sessions_counted: true,
        threads: 0,
        simulated: false,
        abilities: Vec::new(),
        built: None,
    }
}

pub(super) fn key(operation: Operation, codec: &str) -> RateKey {
    let speed = (operation == Operation::Encode).then_some(Speed::Balanced);
    RateKey { operation, codec: codec.into(), depth: 8, speed }
}

/// A hundred pictures of it take a second of an engine.
fn encode(rendition: &str, measured: bool) -> Work {
    let key = key(Operation::Encode, "h264");
    Work { rendition: rendition.into(), key, pixels: 1_000_000, rate: Some(100_000_000), measured }
}

fn told(encode_percent: u32, energy_mj: Option<u64>) -> Reading {
    Reading {
        encode_permille: Some(encode_percent * 10),
        decode_permille: Some(0),
        filter_permille: Some(0),
        energy_mj,
        power_mw: energy_mj.map(|_| 20_000),
        ..Reading::default()
    }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A card on which a span makes a rendition, with a first reading of an idle card.
fn begun(measured: bool, first: Reading) -> (Book, DeviceInfo, u64) {
    let (mut book, info) = (Book::default(), card("a", 1, 1));
    let lap = book.begin(&info, vec![encode("720p", measured)], Vec::new());
    book.read(&info.id, Some(first), at(0));
    (book, info, lap)
}

fn encoded(book: &Book, lap: u64) -> Option<Figure> {
    book.so_far(lap, None)["720p"].encode_us
}

#[test]
fn use_is_charged_up_to_the_work_and_the_rest_is_nobodys() {
    let (mut book, info, lap) = begun(false, told(0, Some(1000)));
    for second in 1..=100 {
        book.made(lap, "720p", second * 40);
        // A tenth more than the work accounts for.
        book.read(&info.id, Some(told(44, Some(1000 + second * 24_000))), at(second));
    }
    let used = book.so_far(lap, None)["720p"];
    let encode = used.encode_us.unwrap();
    assert_eq!(encode.method, Method::UtilisationShare);
    assert!(encode.value.abs_diff(40_000_000) < 10_000, "{encode:?}");
    assert_eq!(used.decode_us, Some(Figure::new(0, Method::Counted)), "it decodes nothing");
    // 4 W above the 20 W of an idle card, of which 40 of 44 parts.
    assert!(used.energy_mj.unwrap().value.abs_diff(363_636) < 4_000, "{used:?}");
    let load = &book.loads(at(100))[0];
    assert_eq!(load.encode_permille, Some(440));
    let left = load.unattributed_us[&Operation::Encode];
    assert!((1_000_000..=4_000_000).contains(&left), "{left}: what may still be matched is not counted yet");
    assert_eq!(book.loads(at(160))[0].encode_permille, None, "it was not read for long");
}

#[test]
fn a_driver_that_vanishes_leaves_figures_unknown_and_no_panic() {
    for measured in [false, true] {
        let (mut book, info, lap) = begun(measured, told(0, Some(0)));
        book.made(lap, "720p", 50);
        book.read(&info.id, Some(told(50, Some(24_000))), at(1));
        assert!(encoded(&book, lap).is_some() && book.so_far(lap, None)["720p"].energy_mj.is_some());
        book.made(lap, "720p", 100);
        book.read(&info.id, None, at(2));
        assert_eq!(book.loads(at(2)).first().and_then(|load| load.encode_permille), None);
        // It is back, with another count of energy.
        book.read(&info.id, Some(told(50, Some(5))), at(3));
        book.made(lap, "720p", 150);
        book.read(&info.id, Some(told(50, Some(24_005))), at(4));
        let used = book.so_far(lap, None)["720p"];
        assert_eq!(used.energy_mj, None, "what was drawn in between nobody knows");
        match measured {
            // Only where the rate was measured here it stands for what could not be seen, and says so.
            true => assert_eq!(used.encode_us, Some(Figure::new(1_500_000, Method::RateModel))),
            false => assert_eq!(used.encode_us, None),
        }
    }
}

#[test]
fn a_card_that_tells_no_use_or_no_energy_leaves_that_unknown() {
    let (mut book, info, lap) = begun(false, told(0, None));
    book.made(lap, "720p", 50);
    book.read(&info.id, Some(told(50, None)), at(1));
    let used = book.so_far(lap, None)["720p"];
    assert_eq!((used.encode_us.unwrap().value, used.energy_mj), (500_000, None));
    // Partitioned cards tell neither.
    let silent = Reading { memory_used_bytes: Some(1), ..Reading::default() };
    let (mut book, info, lap) = begun(false, silent.clone());
    book.made(lap, "720p", 50);
    book.read(&info.id, Some(silent), at(1));
    let used = book.so_far(lap, None)["720p"];
    assert_eq!((used.encode_us, used.energy_mj, used.memory_bytes.map(|held| held.value)), (None, None, Some(0)));
}

#[test]
fn cards_without_a_counter_of_energy_are_told_by_their_power() {
    let power = |encode, mw| Reading { power_mw: Some(mw), ..told(encode, None) };
    let (mut book, info, lap) = begun(false, power(0, 20_000));
    for second in 1..=4 {
        book.made(lap, "720p", second * 50);
        book.read(&info.id, Some(power(50, 30_000)), at(second));
    }
    // Half of the first second counts as idle: 5 J, then 10 J a second.
    assert_eq!(book.so_far(lap, None)["720p"].energy_mj.map(|mj| mj.value), Some(35_000));
}

#[test]
fn a_clock_that_does_not_move_or_leaps_charges_nothing_wrong() {
    let (mut book, info, lap) = begun(false, told(0, Some(0)));
    book.made(lap, "720p", 50);
    // Time stands still, and then steps back.
    book.read(&info.id, Some(told(50, Some(10))), at(0));
    book.read(&info.id, Some(told(50, Some(20))), at(0));
    book.made(lap, "720p", 100);
    book.read(&info.id, Some(told(50, Some(30))), at(1));
    assert!(encoded(&book, lap).is_some_and(|us| us.value <= 500_000));
    // The box slept for an hour: nobody knows what happened meanwhile, and no hour is charged.
    book.read(&info.id, Some(told(50, Some(40))), at(3600));
    book.made(lap, "720p", 150);
    book.read(&info.id, Some(told(50, Some(50))), at(3601));
    assert!(encoded(&book, lap).is_some_and(|us| us.value <= 1_500_000));
}

#[test]
fn use_of_others_is_told_apart_where_processes_are() {
    let (mut book, info, lap) = begun(false, told(0, Some(0)));
    book.worker(lap, Some(7), None);
    for second in 1..=6 {
        book.made(lap, "720p", second * 30);
        let by = |pid, encode_permille| ProcessUse { pid, encode_permille, ..ProcessUse::default() };
        let reading = Reading { processes: Some(vec![by(7, 300), by(99, 500)]), ..told(80, None) };
        book.read(&info.id, Some(reading), at(second));
    }
    assert!(encoded(&book, lap).is_some_and(|us| us.value.abs_diff(1_800_000) < 10_000));
    let foreign = book.loads(at(6))[0].foreign_us.clone();
    assert!(foreign[&Operation::Encode].abs_diff(3_000_000) < 1_000, "{foreign:?}");
    assert_eq!(foreign.len(), OPERATIONS.len());
}

#[test]
fn what_a_wrong_rate_costs_is_learned() {
    let (mut book, info, lap) = begun(false, told(0, Some(0)));
    book.worker(lap, Some(7), None);
    let mut last = 0;
    for second in 1..=120 {
        // Pictures take half as long again as the tables say.
        book.made(lap, "720p", second * 40);
        let own = ProcessUse { pid: 7, encode_permille: 600, ..ProcessUse::default() };
        book.read(&info.id, Some(Reading { processes: Some(vec![own]), ..told(60, None) }), at(second));
        if second == 60 {
            last = encoded(&book, lap).unwrap().value;
        }
    }
    let later = encoded(&book, lap).unwrap().value - last;
    assert!(later.abs_diff(36_000_000) < 1_000_000, "{later} of 60 times 0.6 s");
}

#[test]
fn memory_is_that_of_the_process_shared_out_by_surfaces() {
    let (mut book, info) = (Book::default(), card("a", 1, 1));
    let held = |rendition: &str, bytes| Surfaces { rendition: rendition.into(), bytes };
    let work = vec![encode("720p", false), encode("360p", false)];
    let lap = book.begin(&info, work, vec![held("", 100), held("720p", 200), held("360p", 100)]);
    book.worker(lap, Some(7), None);
    for (second, bytes) in [(0, 0), (1, 4000), (2, 3000)] {
        let reading = Reading { memory_by_process: Some(vec![(7, bytes), (8, 9000)]), ..told(0, None) };
        book.read(&info.id, Some(reading), at(second));
    }
    let used = book.so_far(lap, None);
    let of = |rendition: &str| used[rendition].memory_bytes.unwrap().value;
    assert_eq!((of(""), of("720p"), of("360p")), (1000, 2000, 1000));
}
