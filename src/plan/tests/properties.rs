//! What must be true of every plan.

use super::cases;
use crate::model::facts::{HdrKind, MediaFacts};
use crate::model::{Plan, VideoCodec};
use crate::plan::testing::{hdr_video, movie, video};
use crate::plan::{Node, Request, plan};

/// Every case as it is, and a sweep of sizes against every kind of ladder and set of codecs.
fn many() -> Vec<(String, MediaFacts, Request)> {
    let mut all: Vec<_> = cases::all().into_iter().map(|(n, f, r)| (n.to_owned(), f, r)).collect();
    let sides = [1, 2, 3, 16, 63, 64, 65, 239, 240, 241, 360, 481, 719, 720, 800, 1080, 2161, 4000, 8192];
    let mut requests = vec![Request::default(), cases::asking("1080p,720p,360x360,641x359,2K,720p@2M,720p@3M,144p")];
    requests.push(Request { codecs: vec![VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1], ..Request::default() });
    for (i, width) in sides.into_iter().enumerate() {
        for height in sides {
            let source = if i % 3 == 0 && width > 63 {
                hdr_video(width, height, HdrKind::Pq)
            } else {
                video(width, height, 25, 1)
            };
            for (nth, request) in requests.iter().enumerate() {
                all.push((format!("{width}x{height} request {nth}"), movie(source.clone()), request.clone()));
            }
        }
    }
    all
}

/// Every plan that can be made, with how many could not.
fn planned() -> (Vec<(String, MediaFacts, Request, Plan)>, usize) {
    let (mut plans, mut refused) = (Vec::new(), 0);
    for (name, facts, request) in many() {
        match plan(&facts, &request, &Node { threads: 8 }) {
            Ok(plan) => plans.push((name, facts, request, plan)),
            Err(problems) => {
                assert!(problems.iter().all(|p| p.code.starts_with("rendition.too_")), "{name}: {problems:?}");
                refused += 1;
            }
        }
    }
    (plans, refused)
}

#[test]
fn rungs_are_even_and_never_above_the_source() {
    let (plans, refused) = planned();
    assert!(plans.len() > 700 && refused > 50, "{} planned, {refused} refused", plans.len());
    for (name, facts, request, plan) in &plans {
        let Some((_, source)) = facts.main_video() else { continue };
        for rung in &plan.video.as_ref().unwrap().renditions {
            assert_eq!((rung.width % 2, rung.height % 2), (0, 0), "{name} {}", rung.id);
            let fits = rung.width <= source.display_width.max(2) && rung.height <= source.display_height.max(2);
            assert!(request.allow_upscale || fits, "{name} {}: {}x{}", rung.id, rung.width, rung.height);
        }
    }
}

#[test]
fn parents_come_first_are_no_smaller_and_look_the_same() {
    for (name, facts, _, plan) in planned().0 {
        let rungs = plan.video.map_or(Vec::new(), |video| video.renditions);
        for (i, rung) in rungs.iter().enumerate() {
            let Some(parent) = rung.parent else { continue };
            assert!(parent < i, "{name} {}", rung.id);
            let parent = &rungs[parent];
            assert!(parent.width >= rung.width && parent.height >= rung.height, "{name} {}", rung.id);
            assert_eq!(
                (&parent.pixel_format, &parent.hdr, &parent.color, &parent.picture),
                (&rung.pixel_format, &rung.hdr, &rung.color, &rung.picture)
            );
            assert_eq!(
                rung.graph.is_empty(),
                (parent.width, parent.height) == (rung.width, rung.height),
                "{name} {}",
                rung.id
            );
        }
        // What is sharpened is made for its own size, each from the source.
        let joined = rungs.iter().filter(|rung| rung.picture.sharpen.is_none());
        let tone_maps = joined.filter(|rung| rung.graph.contains("tonemap")).count();
        let hdr = facts.main_video().is_some_and(|(_, v)| v.hdr.is_some());
        assert!(tone_maps <= usize::from(hdr), "{name}: tone mapping is done once");
    }
}

#[test]
fn shapes_are_kept_to_a_pixel() {
    for (name, facts, _, plan) in planned().0 {
        let Some((_, source)) = facts.main_video() else { continue };
        for rung in &plan.video.as_ref().unwrap().renditions {
            let (width, height) = (i64::from(rung.width), i64::from(rung.height));
            let (shown_width, shown_height) = (i64::from(source.display_width), i64::from(source.display_height));
            // One side is rounded by less than two pixels, which the other side's length scales; 2 is the least there is.
            let skew = (width * shown_height - height * shown_width).abs();
            let least = width == 2 || height == 2;
            assert!(
                least || skew <= 2 * shown_width.max(shown_height),
                "{name} {}: {width}x{height} of {shown_width}x{shown_height}",
                rung.id
            );
        }
    }
}

#[test]
fn names_are_unique_and_one_track_of_sound_is_the_default() {
    for (name, _, _, plan) in planned().0 {
        let video = plan.video.iter().flat_map(|v| v.renditions.iter().map(|r| r.id.clone()));
        let mut ids: Vec<String> = video.chain(plan.audio.iter().map(|a| a.id.clone())).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}");
        assert!(
            ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')),
            "{name}"
        );
        let defaults = plan.audio.iter().filter(|a| a.default).count();
        assert_eq!(defaults, usize::from(!plan.audio.is_empty()), "{name}");
    }
}

#[test]
fn spans_cover_the_grid_without_gap_or_overlap() {
    for (name, _, _, plan) in planned().0 {
        assert_eq!(plan.spans.first().map(|s| s.first), Some(0), "{name}");
        assert_eq!(plan.spans.last().map(|s| s.end), Some(None), "{name}");
        for pair in plan.spans.windows(2) {
            assert_eq!(pair[0].end, Some(pair[1].first), "{name}");
            assert!(pair[0].first < pair[1].first, "{name}");
        }
    }
}

#[test]
fn plans_are_pure_and_survive_json() {
    for (name, facts, request, plan) in planned().0 {
        assert_eq!(crate::plan::plan(&facts, &request, &Node { threads: 8 }).unwrap(), plan, "{name}");
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{name}");
    }
}
