//! Which ways there are, in which order, and why there is none.

use super::*;
use crate::dispatch::fleet::tests::card;
use crate::model::device::{Ability as Known, Verdict};
use crate::plan::testing::{movie, video};
use crate::plan::{Node, Request, plan};
use reelmill_scheduler::{CPU_THREADS, ENCODE_SHARE, NVENC_SESSIONS};

/// A card that decodes and encodes H.264 from 146x50 on.
fn able(id: &str) -> DeviceInfo {
    let ability = |operation| Known {
        operation,
        codec: "h264".to_owned(),
        depth: 8,
        verdict: Verdict::Works,
        size_min: (146, 50),
        size_max: (4096, 4096),
    };
    let mut card = card(id, "Tesla T4");
    card.abilities = vec![ability(Operation::Decode), ability(Operation::Encode)];
    card
}

/// What is asked for, with what may be changed of it.
struct Case {
    plan: Plan,
    fleet: Fleet,
    wish: Wish,
    without: BTreeSet<Without>,
    again: bool,
}

impl Case {
    fn new(devices: Vec<DeviceInfo>) -> Self {
        let plan = plan(&movie(video(1280, 720, 25, 1)), &Request::default(), &Node { threads: 4 }).unwrap();
        let mut fleet = Fleet::default();
        fleet.found(devices.into_iter().chain(cpu_alone(4)).collect());
        Self { plan, fleet, wish: Wish::default(), without: BTreeSet::new(), again: false }
    }

    fn renditions(&self) -> BTreeSet<String> {
        self.plan.video.iter().flat_map(|video| &video.renditions).map(|rung| rung.id.clone()).collect()
    }

    fn ways(&self) -> Result<Vec<Way>, String> {
        self.ways_of(&self.renditions())
    }

    fn ways_of(&self, renditions: &BTreeSet<String>) -> Result<Vec<Way>, String> {
        let source = Decoded { codec: "h264".to_owned(), depth: 8, pixels: 1280 * 720 };
        ways(&Asked {
            plan: &self.plan,
            source: &source,
            renditions,
            fleet: &self.fleet,
            wish: &self.wish,
            without: &self.without,
            again: self.again,
            threads: 4,
            rates: &Rates::default(),
        })
    }
}

fn wish(devices: &[&str], fallback: Fallback) -> Wish {
    Wish { devices: devices.iter().map(|name| (*name).to_owned()).collect(), fallback }
}

#[test]
fn a_node_of_a_cpu_has_one_way() {
    let ways = Case::new(vec![]).ways().unwrap();
    assert_eq!(ways.len(), 1);
    assert_eq!((ways[0].choice.kind, ways[0].choice.host.get(&CPU_THREADS)), (None, 4));
    assert!(ways[0].makers.values().all(|maker| maker == CPU));
}

#[test]
fn what_moved_to_the_cpu_asks_for_its_part_of_the_threads() {
    let mut case = Case::new(vec![able("a")]);
    case.again = true;
    let cpu = |renditions: &BTreeSet<String>| case.ways_of(renditions).unwrap().pop().unwrap().choice;
    let all = case.renditions();
    let whole = cpu(&all);
    assert_eq!(whole.host.get(&CPU_THREADS), 4, "all of it has all threads");
    let smallest = BTreeSet::from(["360p".to_owned()]);
    assert!(all.len() > 1 && all.is_superset(&smallest), "{all:?}");
    let moved = cpu(&smallest);
    assert!((1..4).contains(&moved.host.get(&CPU_THREADS)), "{moved:?}");
    assert!(moved.run_ms > 0 && moved.run_ms <= 4 * whole.run_ms, "{moved:?} of {whole:?}");
    // What the device does meanwhile leaves it room.
    let rest: BTreeSet<String> = all.difference(&smallest).cloned().collect();
    let beside = case.ways_of(&rest).unwrap().remove(0).choice;
    assert!(beside.kind.is_some(), "{beside:?}");
    assert!(beside.host.get(&CPU_THREADS) + moved.host.get(&CPU_THREADS) <= 4, "{beside:?} beside {moved:?}");
}

#[test]
fn devices_come_first_and_ways_with_the_same_encoders_join() {
    let case = Case::new(vec![able("a"), able("b")]);
    let ways = case.ways().unwrap();
    let all = case.renditions();
    assert_eq!(ways[0].placement.encode, all, "{ways:#?}");
    assert!(
        ways[0].choice.host.get(&NVENC_SESSIONS) == all.len() as u64 && ways[0].choice.device.get(&ENCODE_SHARE) > 0
    );
    assert!(ways.last().unwrap().choice.kind.is_none(), "the CPU is the last resort");
    let whole: Vec<_> = ways.iter().filter(|way| way.placement.encode == all).collect();
    assert_eq!(whole.len(), 2, "with and without the decode");
    assert_eq!(whole[0].choice.identity, whole[1].choice.identity);
    let cpu = ways.iter().find(|way| way.choice.kind.is_none()).unwrap();
    let decode = ways.iter().find(|way| way.placement.decode && way.placement.encode.is_empty()).unwrap();
    assert_eq!(cpu.choice.identity, decode.choice.identity, "who decodes leaves no trace");
    assert_ne!(cpu.choice.identity, whole[0].choice.identity);
    let begun = whole[0].makers.clone();
    assert_eq!(joining(&ways, &begun).len(), 2);
}

#[test]
fn wishes_are_met_or_named() {
    let mut case = Case::new(vec![able("a")]);
    case.wish = wish(&["cpu"], Fallback::Any);
    assert!(case.ways().unwrap().iter().all(|way| way.choice.kind.is_none()));
    case.wish = wish(&["cuda"], Fallback::Any);
    let all = case.renditions();
    assert!(case.ways().unwrap().iter().all(|way| way.placement.encode == all), "the CPU is not wanted");
    case.wish = wish(&["cuda:b"], Fallback::Any);
    let why = case.ways().unwrap_err();
    assert!(why.contains("cuda:b") && why.contains("cuda:a"), "{why}");
    case.wish = wish(&["vaapi"], Fallback::Any);
    assert!(case.ways().unwrap_err().contains("h264 8-bit"));
}

#[test]
fn a_device_that_lacks_an_encoder_is_named_with_what_it_lacks() {
    let mut blind = able("a");
    blind.abilities.retain(|ability| ability.operation == Operation::Decode);
    (blind.encode_engines, blind.decode_engines) = (0, 7);
    let mut case = Case::new(vec![blind]);
    let ways = case.ways().unwrap();
    assert!(ways[0].placement.decode && ways[0].placement.encode.is_empty(), "it decodes, the CPU encodes: {ways:#?}");
    case.wish = wish(&["cuda"], Fallback::Any);
    let why = case.ways().unwrap_err();
    assert!(why.contains("H.264"), "{why}");
}

#[test]
fn one_card_of_two_alike_cannot_be_wished_for() {
    let mut case = Case::new(vec![able("a"), able("b")]);
    case.wish = wish(&["cuda:a"], Fallback::Any);
    assert!(case.ways().is_err());
    case.wish = wish(&["cuda:a", "cuda:b"], Fallback::Any);
    assert!(case.ways().is_ok());
}

#[test]
fn what_failed_is_left_out_and_the_fallback_decides() {
    let mut case = Case::new(vec![able("a")]);
    case.again = true;
    let kind = kind_of(&able("a"));
    let without = |ability: &str, rendition: &str| Without {
        kind: kind.clone(),
        ability: ability.to_owned(),
        rendition: rendition.to_owned(),
    };
    case.without.insert(without("decode.h264", ""));
    assert!(case.ways().unwrap().iter().all(|way| !way.placement.decode));
    case.without = BTreeSet::from([without("encode.h264", "720p")]);
    assert!(case.ways().unwrap().iter().all(|way| !way.placement.encode.contains("720p")));
    case.without = BTreeSet::from([without("", "")]);
    assert!(case.ways().unwrap().iter().all(|way| way.choice.kind.is_none()));
    case.wish = wish(&["cuda"], Fallback::Any);
    assert!(case.ways().is_ok(), "as a fallback the CPU serves even who did not name it");
    case.wish = wish(&[], Fallback::Never);
    assert!(case.ways().unwrap_err().contains("never"));
    case.without.clear();
    case.wish = wish(&[], Fallback::Cpu);
    assert!(case.ways().unwrap().iter().all(|way| way.choice.kind.is_none()));
}
