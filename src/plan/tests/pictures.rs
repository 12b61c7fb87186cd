//! Picture options in plans: what is shared, what is refused, and that no device is asked for what it cannot do.

use super::cases::{asking, grouped};
use super::jobs::{hd, job};
use crate::model::facts::{HdrKind, MediaFacts};
use crate::model::request::{Color, Crop, DynamicRange, Pad, PictureOptions, Strength, ToneMap};
use crate::model::{Plan, VideoCodec};
use crate::plan::testing::{hdr_video, movie, video};
use crate::plan::{Node, Request, plan};

fn with(picture: PictureOptions, renditions: &str) -> Request {
    Request { picture, ..asking(renditions) }
}

fn crop(x: u32, y: u32, width: u32, height: u32) -> PictureOptions {
    PictureOptions { crop: Some(Crop { x, y, width, height }), ..PictureOptions::default() }
}

fn planned(facts: &MediaFacts, request: &Request) -> Plan {
    plan(facts, request, &Node { threads: 4 }).unwrap()
}

fn graphs(plan: &Plan) -> Vec<(String, Option<usize>, String)> {
    let rungs = &plan.video.as_ref().unwrap().renditions;
    rungs.iter().map(|r| (format!("{}x{}", r.width, r.height), r.parent, r.graph.clone())).collect()
}

#[test]
fn the_ladder_follows_the_picture_and_never_goes_above_it() {
    let narrow = planned(&hd(), &with(crop(240, 0, 1440, 1080), "1080p,540p"));
    let whole = "scale=w=1920:h=1080:flags=bicubic";
    let scaled = "scale=w=720:h=540:flags=bicubic,setsar=1".to_owned();
    assert_eq!(
        graphs(&narrow),
        [
            ("1440x1080".into(), None, format!("{whole},crop=w=1440:h=1080:x=240:y=0")),
            ("720x540".to_owned(), Some(0), scaled)
        ]
    );
    let small = planned(&hd(), &with(crop(0, 0, 640, 360), "1080p"));
    assert_eq!(graphs(&small)[0].0, "640x360");
    assert_eq!(small.notes[0].code, "rendition.capped");
    assert!(small.video.unwrap().prepare.is_empty());
}

#[test]
fn filters_stand_in_their_order_and_noise_is_taken_away_once() {
    let all = PictureOptions {
        pad: Some(Pad { shape: "1:1".parse().unwrap(), color: Color::default() }),
        denoise: Some(Strength::Light),
        sharpen: Some(Strength::Medium),
        tone_map: ToneMap::Mobius,
        dynamic_range: DynamicRange::Sdr,
        ..crop(0, 0, 1080, 1080)
    };
    let hdr = movie(hdr_video(1920, 1080, HdrKind::Pq));
    let hevc = |picture| Request { codecs: vec![VideoCodec::Hevc], ..with(picture, "720p,360p") };
    let made = graphs(&planned(&hdr, &hevc(all)));
    let order = ["crop=w=1080", "scale=w=720", "format=yuv420p10le", "hqdn3d=", "tonemap=tonemap=mobius", "unsharp="];
    let places: Vec<usize> = order.iter().map(|filter| made[0].2.find(filter).unwrap()).collect();
    assert!(places.is_sorted(), "{}", made[0].2);
    assert_eq!((made[1].1, made[1].2.contains("unsharp")), (None, true), "each is sharpened at its own size");
    let soft = graphs(&planned(&hdr, &hevc(PictureOptions { sharpen: None, ..all })));
    assert_eq!((soft[1].1, soft[1].2.as_str()), (Some(0), "scale=w=360:h=360:flags=bicubic,setsar=1"));
}

#[test]
fn outputs_that_want_other_pictures_share_one_decode_and_nothing_more() {
    let clip = with(PictureOptions { tone_map: ToneMap::Clip, ..PictureOptions::default() }, "720p,360p");
    let requests = vec![asking("720p,360p"), with(crop(0, 0, 1280, 720), "720p,360p"), clip];
    let plan = job(vec![hd()], requests).planned().plan;
    assert_eq!(plan.works.len(), 1);
    let made = &plan.works[0].plan.video.as_ref().unwrap().renditions;
    assert_eq!(made.len(), 4, "a curve means nothing without high dynamic range");
    for rung in made {
        let parent = rung.parent.map(|parent| &made[parent]);
        assert!(parent.is_none_or(|parent| parent.picture == rung.picture), "{}", rung.id);
        assert_eq!(rung.parent.is_none() && !rung.picture.is_plain(), rung.graph.contains(",crop="), "{}", rung.id);
    }
    let used = |output: usize| -> Vec<String> {
        let tracks = &plan.outputs[output].as_ref().unwrap().tracks;
        tracks.iter().map(|track| track.rendition.clone()).collect()
    };
    assert_eq!(used(0), used(2));
    assert!(used(0).iter().take(2).all(|id| !used(1).contains(id)));

    let hevc = |dynamic_range| Request {
        codecs: vec![VideoCodec::Hevc],
        ..with(PictureOptions { dynamic_range, ..PictureOptions::default() }, "720p")
    };
    let hdr = movie(hdr_video(1280, 720, HdrKind::Hlg));
    let both = job(vec![hdr], vec![hevc(DynamicRange::Auto), hevc(DynamicRange::Sdr)]).planned().plan;
    let made = &both.works[0].plan.video.as_ref().unwrap().renditions;
    let mut formats: Vec<_> = made.iter().map(|r| (r.pixel_format.as_str(), r.hdr.is_some())).collect();
    formats.sort_unstable();
    assert_eq!(formats, [("yuv420p", false), ("yuv420p10le", true)]);
}

#[test]
fn what_is_changed_is_not_copied() {
    let copy = |picture| Request { copy: true, ..with(picture, "1080p") };
    let source = grouped(1920, 1080, 4_000_000);
    let plain = planned(&source, &copy(PictureOptions::default()));
    assert!(plain.video.unwrap().renditions[0].copy);
    let clean = PictureOptions { denoise: Some(Strength::Light), ..PictureOptions::default() };
    let plan = planned(&source, &copy(clean));
    assert!(!plan.video.unwrap().renditions[0].copy);
    assert!(plan.notes.iter().any(|note| note.code == "copy.not_possible"), "{:?}", plan.notes);
}

#[test]
fn what_cannot_be_is_refused_by_its_field() {
    let refused = |facts: &MediaFacts, picture| {
        let problems = plan(facts, &with(picture, "720p"), &Node { threads: 4 }).unwrap_err();
        problems.into_iter().map(|problem| (problem.code, problem.field)).collect::<Vec<_>>()
    };
    let field = |code: &str, field: &str| vec![(code.to_owned(), format!("outputs[0].{field}"))];
    assert_eq!(refused(&hd(), crop(0, 0, 1922, 1080)), field("request.crop", "picture.crop"));
    assert_eq!(refused(&hd(), crop(0, 0, 0, 0)), field("request.crop", "picture.crop"));
    let pad = Some(Pad { shape: "1:10".parse().unwrap(), color: Color::default() });
    let tall = PictureOptions { pad, ..PictureOptions::default() };
    assert_eq!(refused(&movie(video(3840, 2160, 25, 1)), tall), field("request.pad", "picture.pad"));
}
