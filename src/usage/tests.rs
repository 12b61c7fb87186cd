//! The rules, on a ladder that two outputs share; and that sums hold whatever happens.

use super::*;
use crate::model::bill::{JobUsage, OutputUsage};
use crate::model::device::Memory;
use crate::model::facts::ColorTags;
use crate::model::plan::VideoRendition;
use crate::model::usage::{Figure, Method, Stage};
use crate::model::{RateControl, Ratio, Speed, VideoCodec};
use crate::wire::v1;
use std::fmt::Write as _;

fn made(rendition: &str, parent: Option<&str>, weight: u64) -> Made {
    Made { rendition: rendition.into(), parent: parent.map(str::to_owned), weight }
}

fn ladder() -> Vec<Made> {
    vec![made("1080p", None, 600), made("720p", Some("1080p"), 300), made("360p", Some("720p"), 100)]
}

/// Output 0 has all, output 1 only 720p.
fn audience(wanted: &[usize]) -> Audience {
    Audience::of("source-1", &ladder(), |rendition| {
        let all: &[usize] = if rendition == "720p" { &[0, 1] } else { &[0] };
        all.iter().copied().filter(|output| wanted.contains(output)).collect()
    })
}

fn account(track: &str, stage: Stage, cpu_us: u64) -> v1::Account {
    v1::Account { track: track.into(), stage: stage.name().into(), cpu_us }
}

fn usage(accounts: Vec<v1::Account>, cpu_us: u64, read: u64) -> v1::Usage {
    let (cpu_us, memory_peak_bytes) = (Some(cpu_us), Some(1 << 20));
    v1::Usage { accounts, cpu_us, memory_peak_bytes, read_bytes: vec![read], ..v1::Usage::default() }
}

fn outputs() -> Vec<Told> {
    ["first", "second"].map(|id| Told { id: id.into(), stored_bytes: Some(0), ..Told::default() }).into()
}

fn text(bill: &JobUsage) -> String {
    let mut text = String::new();
    let value = |figure: Option<Figure>| figure.map_or("unknown".to_owned(), |figure| figure.value.to_string());
    for output in &bill.outputs {
        let stages = output.stages.iter().map(|one| format!(" {} {}", one.stage.name(), value(one.cpu_us)));
        let _ = writeln!(
            text,
            "{}:{} | read {} made {} wasted {}",
            output.output,
            stages.collect::<String>(),
            value(output.read_bytes),
            value(output.made_bytes),
            value(output.wasted_cpu_us)
        );
    }
    for one in &bill.shared {
        let shares: Vec<_> = one.shares.iter().map(|(output, ppm)| format!("{output} {ppm}")).collect();
        let _ = writeln!(text, "{} {}: {}", one.what, value(one.cpu_us), shares.join(", "));
    }
    let _ = writeln!(text, "all {} rest {}", value(bill.cpu_us), value(bill.cpu_remainder_us));
    text
}

#[test]
fn shared_work_is_shared_by_pixels_and_a_rendition_of_two_outputs_in_halves() {
    let (mut accounts, mut attempt) = (Accounts::default(), Attempt::default());
    let both = audience(&[0, 1]);
    let spent = vec![
        account("", Stage::Decode, 1000),
        account("1080p", Stage::Filter, 100),
        account("720p", Stage::Filter, 40),
        account("720p", Stage::Encode, 500),
        account("1080p", Stage::Encode, 2001),
    ];
    attempt.heard(&mut accounts, &both, &usage(spent, 3700, 999));
    accounts.made(&both, "720p", 11);
    accounts.published(1, 7, 20);
    attempt.ended(&mut accounts, &both, false);
    assert_eq!(
        text(&accounts.bill(&outputs(), None)),
        "first: decode 850 filter 110 encode 2251 | read 849 made 6 wasted 0\n\
         second: decode 150 filter 30 encode 250 package 7 publish 20 | read 150 made 5 wasted 0\n\
         decode of source-1 1000: first 850000, second 150000\n\
         filter of 1080p 100: first 850000, second 150000\n\
         filter of 720p 40: first 625000, second 375000\n\
         encode of 720p 500: first 500000, second 500000\n\
         all 3727 rest 59\n"
    );
}

#[test]
fn who_is_stopped_pays_up_to_then_and_the_others_from_there() {
    let (mut accounts, mut attempt) = (Accounts::default(), Attempt::default());
    attempt.heard(&mut accounts, &audience(&[0, 1]), &usage(vec![account("720p", Stage::Encode, 100)], 100, 0));
    let now = audience(&[1]);
    attempt.heard(&mut accounts, &now, &usage(vec![account("720p", Stage::Encode, 160)], 160, 0));
    // A total that falls is a worker's mistake.
    attempt.heard(&mut accounts, &now, &usage(vec![account("720p", Stage::Encode, 10)], 10, 0));
    let bill = accounts.bill(&outputs(), None);
    let encode = |output: &OutputUsage| output.cpu_us().map(|figure| figure.value);
    assert_eq!((encode(&bill.outputs[0]), encode(&bill.outputs[1])), (Some(50), Some(110)));
    assert_eq!(bill.cpu_us, Some(Figure::new(160, Method::Process)));
}

#[test]
fn what_a_failed_attempt_did_after_its_last_kept_segment_was_in_vain() {
    let (mut accounts, mut attempt) = (Accounts::default(), Attempt::default());
    let all = audience(&[0]);
    attempt.heard(&mut accounts, &all, &usage(vec![account("1080p", Stage::Encode, 100)], 110, 0));
    attempt.kept();
    attempt.heard(&mut accounts, &all, &usage(vec![account("1080p", Stage::Encode, 130)], 150, 0));
    attempt.ended(&mut accounts, &all, true);
    // It is stored, and a new life goes on with it.
    let json = serde_json::to_vec(&accounts).unwrap();
    let mut accounts: Accounts = serde_json::from_slice(&json).unwrap();
    let mut again = Attempt::default();
    again.heard(&mut accounts, &all, &usage(vec![account("1080p", Stage::Encode, 70)], 75, 0));
    again.ended(&mut accounts, &all, false);
    assert_eq!(
        text(&accounts.bill(&outputs(), None)),
        "first: encode 200 | read 0 made 0 wasted 30\nsecond: | read 0 made 0 wasted 0\nall 225 rest 25\n"
    );
}

#[test]
fn what_was_not_told_is_unknown_and_not_nothing() {
    let (mut accounts, attempt) = (Accounts::default(), Attempt::new(vec!["nvidia-l4".into(), "cuda".into()]));
    attempt.ended(&mut accounts, &audience(&[0]), false);
    let bill = accounts.bill(&outputs(), None);
    let first = &bill.outputs[0];
    assert_eq!((first.cpu_us(), first.device_us(), first.read_bytes), (None, None, None));
    assert_eq!((first.energy_mj, first.device_memory_bytes, first.memory_peak_bytes), (None, None, None));
    assert_eq!((bill.cpu_us, bill.cpu_remainder_us), (None, None));
    // The other one had no part in it.
    assert_eq!(bill.outputs[1].device_us(), Some(Figure::new(0, Method::Counted)));
}

#[test]
fn devices_are_priced_by_model_then_kind_and_estimates_make_an_estimate() {
    let mut accounts = Accounts::default();
    let mut attempt = Attempt::new(vec!["nvidia-l4".into(), "cuda".into()]);
    let told = v1::DeviceAccount {
        track: "1080p".into(),
        operation: "encode".into(),
        busy_us: 2_000_000,
        method: "device_engine".into(),
    };
    let all = audience(&[0]);
    let told = v1::Usage { device: vec![told], ..usage(vec![account("", Stage::Decode, 3_000_000)], 3_000_000, 0) };
    attempt.heard(&mut accounts, &all, &told);
    attempt.energy_used(&mut accounts, &all, Figure::new(3_600_000, Method::UtilisationShare));
    attempt.ended(&mut accounts, &all, false);
    let prices = Prices {
        currency: "EUR".into(),
        cpu_second: 10_000,
        device_second: [("cuda".to_owned(), 200_000), ("other".to_owned(), 1)].into(),
        ..Prices::default()
    };
    let cost = |prices: &Prices| accounts.bill(&outputs(), Some(prices)).outputs[0].cost.clone().unwrap();
    assert_eq!((cost(&prices).micros, cost(&prices).measured), (430, true));
    let priced = Prices { device_kwh: 300_000_000, ..prices.clone() };
    assert_eq!((cost(&priced).micros, cost(&priced).measured), (730, false));
    let bill = accounts.bill(&outputs(), Some(&prices));
    assert_eq!(bill.cost.unwrap().micros, 430);
}

/// Random ladders, outputs, attempts, stops and restarts: outputs and the remainder are always the whole.
#[test]
fn outputs_and_the_remainder_are_the_whole() {
    let value = |figure: Option<Figure>| figure.unwrap().value;
    let vain = |output: &OutputUsage| value(output.wasted_cpu_us) <= value(output.cpu_us());
    for _ in 0..300 {
        let count = fastrand::usize(1..6);
        let rungs: Vec<Made> = (0..fastrand::usize(1..6))
            .map(|at| {
                let parent = (at > 0 && fastrand::bool()).then(|| format!("r{}", fastrand::usize(..at)));
                made(&format!("r{at}"), parent.as_deref(), fastrand::u64(1..1 << 40))
            })
            .collect();
        let told: Vec<Told> = (0..count).map(|at| Told { id: at.to_string(), ..Told::default() }).collect();
        let mut accounts = Accounts::default();
        let mut before = 0;
        for _ in 0..fastrand::usize(1..4) {
            let (mut attempt, mut total, mut process) = (Attempt::default(), vec![0_u64; rungs.len() * 5 + 5], 0_u64);
            let mut last = None;
            for _ in 0..fastrand::usize(1..5) {
                let mask: Vec<bool> = (0..count * rungs.len()).map(|_| fastrand::u8(..4) > 0).collect();
                let audience = Audience::of("s", &rungs, |id| {
                    let at = rungs.iter().position(|rung| rung.rendition == id).unwrap();
                    (0..count).filter(|output| mask[at * count + output]).collect()
                });
                // Somebody wants all that is worked on, or it stays with whoever wanted it last: as the daemon has it.
                if rungs.iter().any(|rung| audience.bearers(&rung.rendition, Stage::Encode).is_empty()) {
                    continue;
                }
                let mut told = Vec::new();
                for (at, total) in total.iter_mut().enumerate() {
                    *total += fastrand::u64(..1000);
                    let track = rungs.get(at / 5).map_or("", |rung| rung.rendition.as_str());
                    told.push(account(track, Stage::ALL[at % 5], *total));
                }
                process =
                    (process + fastrand::u64(..200)).max(total.iter().sum::<u64>() * fastrand::u64(90..120) / 100);
                attempt.heard(&mut accounts, &audience, &usage(told, process, fastrand::u64(..1 << 30)));
                last = Some(audience);
            }
            accounts.published(fastrand::usize(..count), fastrand::u64(..50), fastrand::u64(..50));
            if let Some(audience) = last {
                attempt.ended(&mut accounts, &audience, fastrand::bool());
            }
            let bill = accounts.bill(&told, None);
            let sum: u64 = bill.outputs.iter().map(|output| output.cpu_us().unwrap().value).sum();
            let all = bill.cpu_us.unwrap().value;
            assert_eq!(sum + bill.cpu_remainder_us.unwrap().value, all);
            assert!(all >= before && bill.outputs.iter().all(vain));
            before = all;
            assert!(bill.shared.iter().all(|one| one.shares.iter().map(|(_, ppm)| ppm).sum::<u32>() == 1_000_000));
        }
    }
}

fn rung() -> VideoRendition {
    VideoRendition {
        id: "rung".into(),
        codec: VideoCodec::H264,
        packagings: Vec::new(),
        copy: false,
        width: 1280,
        height: 720,
        pixel_format: "yuv420p".into(),
        parent: None,
        graph: String::new(),
        memory: Memory::System,
        on_device: false,
        rate: RateControl::Crf { crf: 23 },
        speed: Speed::Balanced,
        encoder: "libx264".into(),
        options: Vec::new(),
        frame_rate: Ratio::new(25, 1),
        color: ColorTags::default(),
        picture: crate::model::request::PictureOptions::default(),
        hdr: None,
        encoder_options: Vec::new(),
        marks: Vec::new(),
        mark_graphs: None,
        captions: false,
        declared_peak: 0,
    }
}

#[test]
fn a_normalised_minute_is_720p_in_h264() {
    let rung = rung();
    let like = |width, height, fps, codec, speed| VideoRendition {
        width,
        height,
        frame_rate: Ratio::new(fps, 1),
        codec,
        speed,
        copy: false,
        ..rung.clone()
    };
    let weight = |w, h, fps: i64, codec, speed| weights::of_rung(&like(w, h, fps, codec, speed));
    assert_eq!(weight(1280, 720, 25, VideoCodec::H264, Speed::Balanced), 1000);
    assert_eq!(weight(720, 1280, 60, VideoCodec::H264, Speed::Fast), 1225);
    assert_eq!(weight(3840, 2160, 50, VideoCodec::Av1, Speed::Quality), 75_600);
    assert_eq!(weight(640, 360, 30, VideoCodec::Hevc, Speed::Fast), 350);
    assert_eq!(weight(7680, 4320, 120, VideoCodec::Hevc, Speed::Balanced), 96_000);
    let copied = VideoRendition { copy: true, ..like(1920, 1080, 25, VideoCodec::H264, Speed::Balanced) };
    assert_eq!(weights::of_rung(&copied), 50);
    let minute = |weight| (60_000_000, weight);
    assert_eq!(weights::milliminutes([minute(1000), minute(100), (30_000_000, 1225)].into_iter()), 1712);
    assert_eq!(weights::milliminutes(std::iter::empty()), 0);
}
