//! What must be true of every placed plan.

use super::made::{RELEASES, all_codecs, arc, encoded, ffmpeg, h200, l4, on, planned, radeon, sources};
use crate::model::Plan;
use crate::model::device::{DeviceInfo, Memory, Placement};
use crate::model::plan::VideoPlan;
use crate::model::request::{FieldOrder, FieldRate, PictureOptions};
use crate::plan::Request;
use crate::plan::place::{DEVICE_FILTERS, FilterSet, HOST_FILTERS, candidates, only, place};
use crate::plan::testing::{movie, video};
use crate::plan::tests::cases;
use std::collections::BTreeSet;

/// Every kind of source in every codec, on every device and release.
pub(super) fn each(mut visit: impl FnMut(&str, &Plan, &DeviceInfo, FilterSet)) {
    for (name, facts) in sources() {
        let (field_rate, field_order) = (FieldRate::Field, FieldOrder::BottomFirst);
        let picture = PictureOptions { field_rate, field_order, ..PictureOptions::default() };
        let fields = Request { picture, ..cases::asking("720p") };
        for request in [cases::asking("1080p,720p,240p"), all_codecs(cases::asking("1080p,480p")), fields] {
            let plan = planned(&facts, &request);
            for device in [l4(), h200(), arc(), radeon()] {
                for release in RELEASES {
                    let what = format!("{name} in {:?} on {} with {release:?}", request.codecs, device.id);
                    visit(&what, &plan, &device, ffmpeg(release));
                }
            }
        }
    }
}

/// Every placement of every one of them that can be made.
pub(super) fn each_placed(mut visit: impl FnMut(&str, &Placement, &Plan)) {
    each(|what, plan, device, ffmpeg| {
        let ids = encoded(plan);
        for mask in 0..1_u32 << ids.len() {
            let chosen: Vec<String> =
                ids.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, id)| id.clone()).collect();
            for decode in [true, false] {
                let placement = on(device, decode, &chosen);
                if let Ok(placed) = place(plan, &placement, Some(device), ffmpeg) {
                    visit(&format!("{what}, {placement:?}"), &placement, &placed);
                }
            }
        }
    });
}

/// The memory at each end of a graph's text that begins in `memory`, and how often it crosses.
fn follow(text: &str, mut memory: Memory) -> (Memory, usize) {
    let mut crossings = 0;
    for filter in text.split(',').filter(|f| !f.is_empty()) {
        let name = filter.split('=').next().unwrap();
        let (from, to) = match name {
            "hwupload" => (Memory::System, Memory::Device),
            "hwdownload" => (Memory::Device, Memory::System),
            _ if DEVICE_FILTERS.contains(&name) => (Memory::Device, Memory::Device),
            "setsar" | "setfield" => (memory, memory),
            "format" if memory == Memory::Device => panic!("`format` on the device in {text}"),
            _ if HOST_FILTERS.contains(&name) => (Memory::System, Memory::System),
            _ => panic!("`{name}` in {text} is not listed"),
        };
        assert_eq!(memory, from, "{name} in {text}");
        crossings += usize::from(from != to);
        memory = to;
    }
    (memory, crossings)
}

fn crossings(video: &VideoPlan, rung: usize) -> usize {
    let own = &video.renditions[rung];
    let (start, before) = match own.parent {
        Some(parent) => (video.renditions[parent].memory, crossings(video, parent)),
        None => {
            let decode = video.accelerator.as_ref().is_some_and(|accelerator| accelerator.decode);
            let decoded = if decode { Memory::Device } else { Memory::System };
            let (memory, crossings) = follow(&video.prepare, decoded);
            assert_eq!(memory, video.memory);
            (memory, crossings)
        }
    };
    let (memory, more) = follow(&own.graph, start);
    assert_eq!(memory, own.memory, "{}", own.graph);
    before + more
}

#[test]
fn frames_lie_where_the_plan_says_and_cross_once_at_most() {
    let mut count = 0;
    each_placed(|what, _, placed| {
        let video = placed.video.as_ref().unwrap();
        if video.accelerator.is_none() {
            return;
        }
        for (i, rung) in video.renditions.iter().enumerate() {
            assert!(rung.parent.is_none_or(|parent| parent < i), "{what} {}", rung.id);
            let tone_mapped = video.source.as_ref().unwrap().video.hdr.is_some() && rung.hdr.is_none();
            // Down to the tone mapper, up again, and down to an encoder on the CPU: each costs less than a second tone mapping.
            let most = if tone_mapped { 3 } else { 1 };
            let decode = video.accelerator.as_ref().is_some_and(|accelerator| accelerator.decode);
            let crossings = crossings(video, i);
            assert!(crossings <= most, "{what} {}: {crossings}", rung.id);
            // What the device decodes and encodes never leaves it.
            assert!(tone_mapped || !(decode && rung.on_device && crossings > 0), "{what} {}", rung.id);
            count += 1;
        }
    });
    assert!(count > 5_000, "{count}");
}

#[test]
fn every_candidate_can_be_placed_and_stands_once() {
    let mut count = 0;
    each(|what, plan, device, ffmpeg| {
        let candidates = candidates(plan, device, ffmpeg);
        assert!(candidates.len() <= 2 * encoded(plan).len() + 1, "{what}");
        for (i, candidate) in candidates.iter().enumerate() {
            assert!(candidate.decode || !candidate.encode.is_empty(), "{what}");
            assert!(!candidates[..i].contains(candidate), "{what}: {candidate:?} twice");
            place(plan, candidate, Some(device), ffmpeg).unwrap_or_else(|unmet| panic!("{what}: {unmet:?}"));
            count += 1;
        }
    });
    assert!(count > 500, "{count}");
}

#[test]
fn candidates_come_best_first_with_the_smallest_spilled_first() {
    let plan = planned(&movie(video(1920, 1080, 25, 1)), &cases::asking("1080p,720p,240p"));
    let said = |device: &DeviceInfo| -> Vec<String> {
        let text = |p: Placement| {
            let ids: Vec<String> = p.encode.into_iter().collect();
            format!("{}:{}", if p.decode { "device" } else { "cpu" }, ids.join("+"))
        };
        candidates(&plan, device, ffmpeg((5, 1))).into_iter().map(text).collect()
    };
    let all = ["device:1080p+240p+720p", "device:1080p+720p", "device:1080p", "device:", "cpu:1080p+240p+720p"];
    assert_eq!(said(&l4()), all);
    assert_eq!(said(&h200()), ["device:"]);
    let mut choosy = l4();
    for ability in &mut choosy.abilities {
        ability.size_min = (640, 360);
    }
    assert_eq!(said(&choosy), ["device:1080p+720p", "device:1080p", "device:", "cpu:1080p+720p"]);
    choosy.abilities.retain(|ability| ability.operation.name() == "encode");
    assert_eq!(said(&choosy), ["cpu:1080p+720p", "cpu:1080p"]);
}

#[test]
fn without_a_device_a_plan_stays_as_it_is() {
    each(|what, plan, device, ffmpeg| {
        let none = Placement::default();
        assert_eq!(place(plan, &none, Some(device), ffmpeg).as_ref(), Ok(plan), "{what}");
        assert_eq!(place(plan, &on(device, false, &[]), Some(device), ffmpeg).as_ref(), Ok(plan), "{what}");
        assert_eq!(place(plan, &on(device, true, &encoded(plan)), None, ffmpeg).as_ref(), Ok(plan), "{what}");
    });
}

#[test]
fn a_part_of_all_renditions_is_the_plan_itself() {
    for (name, facts, request) in cases::all() {
        let plan = planned(&facts, &request);
        let all: BTreeSet<String> = plan.rendition_ids().map(str::to_owned).collect();
        assert_eq!(only(&plan, &all), plan, "{name}");
    }
}

#[test]
fn a_part_has_what_was_asked_and_starts_from_what_is_left() {
    let mut placeable = 0;
    for (name, facts, request) in cases::all() {
        let plan = planned(&facts, &request);
        for id in plan.rendition_ids() {
            let part = only(&plan, &BTreeSet::from([id.to_owned()]));
            assert_eq!(part.rendition_ids().collect::<Vec<_>>(), [id], "{name}");
            let whole = plan.video.as_ref().and_then(|v| v.renditions.iter().find(|r| r.id == id));
            let Some((whole, made)) = whole.zip(part.video.as_ref().map(|v| &v.renditions[0])) else { continue };
            assert_eq!((made.parent, &made.options, &made.encoder), (None, &whole.options, &whole.encoder), "{name}");
            if whole.parent.is_some() && whole.graph.contains("scale") {
                assert!(made.graph.contains(&format!("scale=w={}:h={}:", made.width, made.height)), "{name} {id}");
            }
            placeable += candidates(&part, &l4(), ffmpeg((7, 1))).len();
        }
    }
    assert!(placeable > 50, "{placeable}");
}

#[test]
fn a_part_of_a_placed_plan_keeps_what_it_is_made_from() {
    let plan = planned(&movie(video(1920, 1080, 25, 1)), &Request::default());
    let (ids, device) = (encoded(&plan), l4());
    let placed = place(&plan, &on(&device, true, &ids), Some(&device), ffmpeg((5, 1))).unwrap();
    let part = only(&placed, &BTreeSet::from([ids[2].clone()]));
    let video = part.video.as_ref().unwrap();
    assert_eq!(video.renditions.iter().map(|r| &r.id).collect::<Vec<_>>(), [&ids[0], &ids[1], &ids[2]]);
    assert_eq!(video.renditions[2].parent, Some(1));
}
