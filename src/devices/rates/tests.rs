//! Rates follow what jobs take, within bounds, and outlive a restart.

use super::table::Table;
use super::*;
use crate::model::Speed;
use crate::model::device::{DeviceId, DeviceKind, Operation};

fn cpu() -> DeviceInfo {
    DeviceInfo {
        id: DeviceId("cpu".into()),
        kind: DeviceKind::Cpu,
        name: "CPU".into(),
        driver: String::new(),
        address: String::new(),
        model: String::new(),
        memory_mib: 0,
        encode_engines: 0,
        decode_engines: 0,
        sessions_counted: false,
        threads: 4,
        simulated: false,
        built: None,
        abilities: Vec::new(),
    }
}

fn encode(codec: &str, depth: u8, speed: Speed) -> RateKey {
    RateKey { operation: Operation::Encode, codec: codec.into(), depth, speed: Some(speed) }
}

fn decode() -> RateKey {
    RateKey { operation: Operation::Decode, codec: "h264".into(), depth: 8, speed: None }
}

#[test]
fn a_rate_is_never_outside_its_bounds_whatever_is_observed() {
    let mut random = fastrand::Rng::with_seed(4);
    let (device, key) = (cpu(), encode("h264", 8, Speed::Fast));
    for round in 0..50 {
        let mut table = Table::default();
        if round % 2 == 1 {
            table.measured(&device, "f", &[(key.clone(), random.u64(1..1 << 40)), (decode(), random.u64(0..9))]);
        }
        let base = table.base(&device, &key).unwrap();
        for _ in 0..200 {
            let work =
                [(key.clone(), random.u64(..) >> random.u32(0..64)), (decode(), random.u64(..) >> random.u32(0..64))];
            table.observe(&device, &work, random.u64(..) >> random.u32(0..64));
            for key in [&key, &decode()] {
                let (base, rate) = (table.base(&device, key).unwrap(), table.rate(&device, key).unwrap());
                assert!(rate >= (base / 4).max(1) && rate <= base.saturating_mul(4), "{base} {rate}");
            }
        }
        assert_eq!(table.base(&device, &key), Some(base), "what was measured stays");
    }
}

#[test]
fn longer_work_never_makes_a_rate_higher() {
    let mut random = fastrand::Rng::with_seed(5);
    let (device, key) = (cpu(), encode("hevc", 8, Speed::Balanced));
    let mut table = Table::default();
    for _ in 0..500 {
        let work = [(key.clone(), random.u64(1..1 << 36)), (decode(), random.u64(1..1 << 36))];
        let (short, long) = (random.u64(1..100_000), random.u64(100_000..10_000_000));
        let after = |ms| {
            let mut table = table.clone();
            table.observe(&device, &work, ms);
            (table.rate(&device, &key).unwrap(), table.rate(&device, &decode()).unwrap())
        };
        let ((fast, fast_decode), (slow, slow_decode)) = (after(short), after(long));
        assert!(fast >= slow && fast_decode >= slow_decode);
        table.observe(&device, &work, random.u64(1..10_000_000));
    }
}

#[test]
fn jobs_that_take_twice_as_long_halve_the_rate_in_the_end() {
    let (rates, device, key) = (Rates::default(), cpu(), encode("av1", 8, Speed::Fast));
    let before = rates.rate(&device, &key).unwrap();
    rates.observe(&device, &[(key.clone(), before * 10)], 20_000);
    let once = rates.rate(&device, &key).unwrap();
    assert!(once < before && once > before * 8 / 10, "one of them is worth little");
    for _ in 0..40 {
        rates.observe(&device, &[(key.clone(), before * 10)], 20_000);
    }
    let now = rates.rate(&device, &key).unwrap();
    assert!(now.abs_diff(before / 2) < before / 50, "{before} {now}");
    let short = Rates::default();
    short.observe(&device, &[(key.clone(), before / 10)], 20_000);
    assert_eq!(short.rate(&device, &key), Some(before), "what is short tells nothing");
}

#[test]
fn what_is_measured_holds_for_its_device_driver_and_build() {
    let (rates, device) = (Rates::default(), cpu());
    let (eight, ten) = (encode("hevc", 8, Speed::Fast), encode("hevc", 10, Speed::Fast));
    let believed = (rates.rate(&device, &eight).unwrap(), rates.rate(&device, &ten).unwrap());
    rates.measured(&device, "7.1", &[(eight.clone(), believed.0 * 2)]);
    assert_eq!(rates.rate(&device, &eight), Some(believed.0 * 2));
    assert_eq!(rates.rate(&device, &ten), Some(believed.1 * 2), "the other depth is as much off");
    assert!(rates.is_measured(&device, "7.1") && !rates.is_measured(&device, "5.1"));
    let newer = DeviceInfo { driver: "2".into(), ..cpu() };
    assert_eq!(rates.rate(&newer, &eight), Some(believed.0));
}

#[test]
fn rates_outlive_a_restart_and_a_broken_file_is_none() {
    let directory = std::env::temp_dir().join(format!("reelmill-rates-{}", std::process::id()));
    let (device, key) = (cpu(), encode("h264", 8, Speed::Quality));
    let rates = Rates::load(&directory);
    rates.measured(&device, "7.1", &[(key.clone(), 1_000_000)]);
    rates.observe(&device, &[(key.clone(), 10_000_000)], 5_000);
    let simulated = DeviceInfo { id: DeviceId("cuda:s".into()), simulated: true, ..cpu() };
    rates.measured(&simulated, "", &[(key.clone(), 7)]);
    rates.keep_now();
    let again = Rates::load(&directory);
    assert_eq!(again.rate(&device, &key), rates.rate(&device, &key));
    assert!(again.rate(&device, &key) > Some(1_000_000), "twice as fast as measured");
    assert!(again.is_measured(&device, "7.1"));
    assert!(again.measurements(&simulated).is_empty(), "what is simulated says so itself");
    std::fs::write(directory.join("rates.json"), "{\"version\":99,\"devices\":[]}").unwrap();
    assert!(Rates::load(&directory).measurements(&device).is_empty());
    std::fs::write(directory.join("rates.json"), "rates").unwrap();
    assert!(Rates::load(&directory).measurements(&device).is_empty());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_lap_knows_whether_anything_ran_beside_it() {
    let (rates, device) = (Arc::new(Rates::default()), cpu());
    let first = rates.begin(&device);
    assert!(first.is_alone());
    let second = rates.begin(&device);
    assert!(!first.is_alone() && !second.is_alone());
    drop((first, second));
    assert!(rates.begin(&device).is_alone());
}

#[test]
fn ten_bits_are_measured_by_themselves_where_no_try_failed() {
    use crate::model::device::{Ability, Verdict};
    let ten = |device: &DeviceInfo| -> Vec<(Operation, String, Option<Speed>)> {
        let keys = worth_measuring(device).into_iter().filter(|key| key.depth == 10);
        keys.map(|key| (key.operation, key.codec, key.speed)).collect()
    };
    let all = ten(&cpu());
    for codec in ["hevc", "av1"] {
        assert!(all.contains(&(Operation::Decode, codec.into(), None)));
        for speed in [Speed::Fast, Speed::Balanced, Speed::Quality] {
            assert!(all.contains(&(Operation::Encode, codec.into(), Some(speed))), "{codec} {speed:?}");
        }
    }
    assert!(all.iter().all(|(_, codec, _)| codec != "h264"));
    let verdict = Verdict::No { code: "device.unsupported".into(), reason: "no".into(), remedy: String::new() };
    let (size_min, size_max) = ((16, 16), (4096, 4096));
    let refused = Ability { operation: Operation::Encode, codec: "av1".into(), depth: 10, verdict, size_min, size_max };
    let without = ten(&DeviceInfo { abilities: vec![refused], ..cpu() });
    assert!(!without.iter().any(|(operation, codec, _)| *operation == Operation::Encode && codec == "av1"));
    assert_eq!(without.len(), all.len() - 3);
}
