//! What must be true of every job's plan, and single decisions about what is shared.

use super::cases::asking;
use super::jobs::{self, Job, hd, job};
use crate::model::facts::{MediaFacts, VideoFacts};
use crate::model::limits::RENDITIONS_MAX;
use crate::model::plan::{JobPlan, OutputPlan};
use crate::model::{Packaging, Speed, VideoCodec};
use crate::plan::testing::{file, movie, sound_stream, video};
use crate::plan::{JobPlanning, RateMode, Request};
use std::collections::BTreeSet;

/// The recorded jobs, and every pair and triple of requests that differ in each way that matters.
fn many() -> Vec<(String, Job)> {
    let mut all: Vec<_> = jobs::all().into_iter().map(|(name, job)| (name.to_owned(), job)).collect();
    let three = vec![VideoCodec::Av1, VideoCodec::H264, VideoCodec::Hevc];
    let requests = [
        Request::default(),
        Request { codecs: three, ..asking("720p,480p,240p") },
        Request { packagings: vec![Packaging::Ts], spans: 3, ..asking("1080p,720p@2M,720p@4M") },
        Request { rate_mode: RateMode::Crf { crf: None }, ..asking("720p,360p") },
        Request { rate_mode: RateMode::CappedCrf { crf: Some(20) }, speed: Speed::Fast, ..asking("1280x720,720p@9M") },
        Request { segment_ms: 2000, copy: true, ..asking("1080p,144p") },
        asking("30x30,720p"),
    ];
    for (i, a) in requests.iter().enumerate() {
        for (j, b) in requests.iter().enumerate() {
            all.push((format!("{i} {j}"), job(vec![hd()], vec![a.clone(), b.clone()])));
            for (k, c) in requests.iter().enumerate().filter(|_| i < j) {
                let source = super::cases::grouped(1920, 1080, 4_000_000);
                all.push((format!("{i} {j} {k}"), job(vec![source], vec![a.clone(), b.clone(), c.clone()])));
            }
        }
    }
    all
}

/// Every rendition that is made, apart from ids: source, grid, and what it is.
fn encodes(plan: &JobPlan) -> Vec<String> {
    let mut all = Vec::new();
    for work in &plan.works {
        let place = format!("{} {}", work.source, work.plan.grid.segment_ms);
        for r in work.plan.video.iter().flat_map(|video| &video.renditions) {
            let how = (!r.copy).then_some((r.rate, r.speed, &r.color, r.declared_peak));
            all.push(format!("{place} {:?} {}x{} {how:?} {:?}", r.codec, r.width, r.height, r.packagings));
        }
        for a in &work.plan.audio {
            all.push(format!("{place} {} {:?} {} {} {:?}", a.stream, a.codec, a.layout, a.bit_rate, a.packagings));
        }
    }
    all.sort();
    all
}

#[test]
fn every_track_names_a_rendition_and_every_rendition_is_used() {
    for (name, job) in many() {
        let JobPlanning { plan, problems } = job.planned();
        let made: BTreeSet<(usize, String)> = plan
            .works
            .iter()
            .enumerate()
            .flat_map(|(work, made)| made.plan.rendition_ids().map(move |id| (work, id.to_owned())).collect::<Vec<_>>())
            .collect();
        let count: usize = plan.works.iter().map(|work| work.plan.rendition_ids().count()).sum();
        assert_eq!(made.len(), count, "{name}: ids in a work are unique");
        let tracks = plan.outputs.iter().flatten().flat_map(|output| &output.tracks);
        let used: BTreeSet<_> = tracks.map(|track| (track.work, track.rendition.clone())).collect();
        assert_eq!(made, used, "{name}");
        for (i, output) in plan.outputs.iter().enumerate() {
            let refused = problems.iter().any(|(output, problems)| *output == i && !problems.is_empty());
            let waits = job.facts.iter().any(Option::is_none);
            assert!(output.is_some() != refused || waits, "{name} {i}");
        }
    }
}

#[test]
fn ids_are_unique_in_an_output_and_one_track_of_sound_is_the_default() {
    for (name, job) in many() {
        let plan = job.planned().plan;
        for OutputPlan { tracks, packagings, grid, .. } in plan.outputs.iter().flatten() {
            let ids: BTreeSet<&str> = tracks.iter().map(|track| track.id.as_str()).collect();
            assert_eq!(ids.len(), tracks.len(), "{name}");
            let sound: Vec<_> = tracks.iter().filter(|track| track.id.starts_with("audio-")).collect();
            assert_eq!(sound.iter().filter(|track| track.default).count(), usize::from(!sound.is_empty()), "{name}");
            for track in tracks {
                let work = &plan.works[track.work].plan;
                assert_eq!(work.grid, *grid, "{name}");
                assert!(packagings.iter().all(|packaging| work.packagings.contains(packaging)), "{name}");
            }
        }
    }
}

#[test]
fn parents_come_first_and_renditions_are_within_their_limits() {
    for (name, job) in many() {
        for work in job.planned().plan.works {
            let rungs = work.plan.video.map_or(Vec::new(), |video| video.renditions);
            assert!(rungs.len() <= RENDITIONS_MAX, "{name}");
            for (i, rung) in rungs.iter().enumerate() {
                let Some(parent) = rung.parent else { continue };
                let from = &rungs[parent];
                assert!(parent < i && from.width >= rung.width && from.height >= rung.height, "{name} {}", rung.id);
                assert!(!from.copy && !rung.copy, "{name} {}", rung.id);
            }
        }
    }
}

#[test]
fn the_order_of_outputs_changes_nothing_that_is_made() {
    for (name, mut job) in many() {
        let before = job.planned().plan;
        job.spec.outputs.reverse();
        let after = job.planned().plan;
        assert_eq!(encodes(&before), encodes(&after), "{name}");
        let ids = |plan: &JobPlan| plan.without(&[]);
        let several = before.works.iter().all(|_| before.outputs.iter().flatten().count() > 1);
        assert!(!several || ids(&before) == ids(&after), "{name}: {:?} {:?}", ids(&before), ids(&after));
    }
}

#[test]
fn outputs_need_no_more_encodes_than_they_have_distinct_rungs() {
    let counts = |requests: Vec<Request>| {
        let plan = job(vec![hd()], requests).planned().plan;
        let rungs =
            |work: &crate::model::plan::Work| work.plan.video.as_ref().map_or(0, |video| video.renditions.len());
        (plan.works.len(), plan.works.iter().map(rungs).sum::<usize>())
    };
    assert_eq!(counts((0..50).map(|_| Request::default()).collect()), (1, 5));
    assert_eq!(counts(vec![asking("720p"), asking("720p@2800k"), asking("1280x720")]), (1, 1));
    assert_eq!(counts(vec![asking("720p,720p@2800k")]), (1, 1), "the usual rate, written out");
    let crf = |renditions| Request { rate_mode: RateMode::Crf { crf: None }, ..asking(renditions) };
    assert_eq!(counts(vec![crf("720p@2M"), crf("720p@3M")]), (1, 1), "quality alone counts");
    let all: Vec<Request> = (0..40).map(|i| asking(&format!("{}p", 100 + 4 * i))).collect();
    assert_eq!(counts(all.clone()), (2, 40));
    let plan = job(vec![hd()], all).planned().plan;
    let told: Vec<bool> =
        plan.outputs.iter().flatten().map(|o| o.notes.iter().any(|n| n.code == "work.full")).collect();
    assert_eq!(told.iter().filter(|told| **told).count(), 1, "who opens the second decode is told");
}

#[test]
fn what_is_wanted_without_some_outputs_is_what_the_others_use() {
    let plan = job(vec![hd()], vec![asking("1080p,720p"), asking("720p,360p"), asking("360p")]).planned().plan;
    assert_eq!(plan.without(&[]), [["1080p", "720p", "360p", "audio-1"]]);
    assert_eq!(plan.renditions_only_needed_by(0), [["1080p"]]);
    assert_eq!(plan.renditions_only_needed_by(1), [Vec::<String>::new()]);
    assert_eq!(plan.without(&[0, 1]), [["360p", "audio-1"]]);
    assert_eq!(plan.without(&[0, 1, 2]), [Vec::<String>::new()]);
    assert_eq!(plan.renditions_only_needed_by(9), [Vec::<String>::new()]);
}

/// Code and field of all problems of the first output.
fn refused(job: &Job) -> Vec<(String, String)> {
    let planning = job.planned();
    assert!(planning.plan.outputs[0].is_none() && planning.plan.works.is_empty());
    planning.problems[0].1.iter().map(|problem| (problem.code.clone(), problem.field.clone())).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(code, field)| ((*code).to_owned(), (*field).to_owned())).collect()
}

#[test]
fn problems_say_what_they_are_about() {
    let bad = Request {
        segment_ms: 1,
        spans: 0,
        packagings: vec![Packaging::Ts],
        codecs: vec![VideoCodec::Av1],
        ..asking("720p")
    };
    let unfit = "request.codec_packaging";
    let want = [
        ("request.segment", "outputs[0].segment_duration"),
        ("request.spans", "outputs[0].spans"),
        (unfit, "outputs[0].packagings"),
        (unfit, "outputs[0].video_codecs"),
    ];
    assert_eq!(refused(&job(vec![hd()], vec![bad])), pairs(&want));
    assert_eq!(
        refused(&job(vec![hd()], vec![Request { codecs: vec![VideoCodec::Hevc], ..asking("720p,30x30") }])),
        pairs(&[("rendition.too_small", "outputs[0].renditions[1]")])
    );
    assert_eq!(refused(&job(vec![file(vec![])], vec![asking("720p")])), pairs(&[("source.no_streams", "sources[0]")]));
}

#[test]
fn sources_that_do_not_fit_are_refused() {
    let with = |other: MediaFacts| {
        let mut job = job(vec![hd(), other], vec![asking("1080p,480p")]);
        job.spec.outputs[0].rendition_sources.insert(1, 1);
        job
    };
    let field = "outputs[0].renditions[1].source_id";
    let sound = file(vec![sound_stream(48_000, 2, "stereo")]);
    assert_eq!(refused(&with(sound.clone())), pairs(&[("request.source", field)]));
    assert_eq!(refused(&with(movie(video(1280, 720, 30, 1)))), pairs(&[("source.mismatch", field)]));
    let varying = VideoFacts { variable_rate: true, ..video(1280, 720, 25, 1) };
    assert_eq!(refused(&with(movie(varying))), pairs(&[("source.mismatch", field)]));

    let lasting = |ticks: i64| {
        let mut job = with(movie(video(1280, 720, 25, 1)));
        for (facts, ticks) in job.facts.iter_mut().zip([60 * 90_000, ticks]) {
            facts.as_mut().unwrap().streams[0].duration = Some(ticks);
        }
        job
    };
    assert!(lasting(60 * 90_000 + 1000).planned().problems.is_empty(), "less than half a frame");
    let longer = lasting(60 * 90_000 + 3600);
    assert_eq!(refused(&longer), pairs(&[("source.mismatch", field)]));
    let mut cut = longer;
    cut.spec.sources.iter_mut().for_each(|source| source.end_us = Some(50_000_000));
    assert!(cut.planned().problems.is_empty(), "cut to one length they fit");

    let mut silent = job(vec![hd(), file(vec![])], vec![asking("720p")]);
    silent.spec.outputs[0].audio_sources = vec![1];
    assert_eq!(refused(&silent), pairs(&[("request.source", "outputs[0].audio_source_ids[0]")]));
    silent.spec.outputs[0].audio_sources = vec![0, 7];
    silent.spec.outputs[0].rendition_sources.insert(3, 0);
    let want = [("request.source", "outputs[0].audio_source_ids[1]"), ("request.source", "outputs[0].renditions[3]")];
    assert_eq!(refused(&silent), pairs(&want));
}

#[test]
fn a_source_is_only_asked_for_what_is_taken_from_it() {
    // Pictures that nothing decodes do not matter where only the sound is used, nor do missing ones.
    let mut sealed = hd();
    sealed.streams[0].decodable = false;
    let mut job = job(vec![hd(), sealed], vec![asking("720p")]);
    job.spec.outputs[0].audio_sources = vec![1];
    let planned = job.planned();
    assert!(planned.problems.is_empty(), "{:?}", planned.problems);
    assert_eq!(planned.plan.works.iter().map(|w| (w.source, w.plan.audio.len())).collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    assert!(planned.plan.works[1].plan.video.is_none() && planned.plan.notes.is_empty());
    // A source of the output's own that is used for nothing may be missing.
    job.facts[0] = None;
    job.spec.outputs[0].rendition_sources.insert(0, 1);
    job.facts[1] = Some(hd());
    let planned = job.planned();
    assert!(planned.plan.outputs[0].is_some());
    assert_eq!(planned.plan.notes.iter().map(|n| n.code.as_str()).collect::<Vec<_>>(), ["source.unused"]);
}
