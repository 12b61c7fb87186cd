//! All strings that can be emitted, recorded for the test that has libavfilter parse them (`tests/stages/graphs.rs`).

use super::made::{RELEASES, all_codecs, arc, encoded, ffmpeg, l4, on, planned, sources};
use super::properties::each_placed;
use crate::model::{Speed, VideoRendition};
use crate::plan::place::{DEVICE_FILTERS, place};
use crate::plan::tests::{cases, check};
use crate::plan::{RateMode, Request};
use std::collections::BTreeSet;

#[test]
fn all_graphs_are_recorded_and_use_every_device_filter() {
    let mut graphs = BTreeSet::new();
    each_placed(|_, _, placed| {
        let video = placed.video.as_ref().unwrap();
        graphs.insert(video.prepare.clone());
        graphs.extend(video.renditions.iter().map(|rung| rung.graph.clone()));
    });
    graphs.remove("");
    for filter in DEVICE_FILTERS {
        assert!(graphs.iter().any(|graph| graph.contains(filter)), "no graph has {filter}");
    }
    let mut options = BTreeSet::new();
    for (_, facts) in sources() {
        for rate_mode in [RateMode::Vbv, RateMode::CappedCrf { crf: None }, RateMode::Crf { crf: Some(50) }] {
            for speed in [Speed::Fast, Speed::Balanced, Speed::Quality] {
                let request = all_codecs(Request { rate_mode, speed, ..cases::asking("720p") });
                let plan = planned(&facts, &request);
                for (device, release) in RELEASES.iter().flat_map(|release| [(l4(), release), (arc(), release)]) {
                    for id in encoded(&plan) {
                        let placement = on(&device, false, &[id]);
                        let placed = place(&plan, &placement, Some(&device), ffmpeg(*release));
                        let rungs = placed.into_iter().filter_map(|plan| plan.video).flat_map(|v| v.renditions);
                        options.extend(rungs.filter(|rung| rung.on_device).map(|rung| written(&rung)));
                    }
                }
            }
        }
    }
    let lines = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join("\n") + "\n";
    let texts = vec![("graphs.txt".to_owned(), lines(graphs)), ("options.txt".to_owned(), lines(options))];
    check("tests/golden/place/strings", texts);
}

fn written(rung: &VideoRendition) -> String {
    let options: Vec<String> = rung.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {}", rung.encoder, options.join(" "))
}
