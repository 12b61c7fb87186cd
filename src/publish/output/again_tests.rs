//! Tracks that are made again by another encoder: what players see at every moment, and what is left.

use super::testing::*;
use super::*;
use crate::model::Packaging;
use crate::model::spec::IfExists;
use crate::publish::Part;
use crate::publish::sink::{Claim, MemoryObjects};

const BOTH: [Packaging; 2] = [Packaging::Cmaf, Packaging::Ts];

async fn claimed(objects: &Arc<MemoryObjects>) -> Arc<dyn Sink> {
    let sink = s3(objects);
    assert_eq!(sink.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    sink
}

fn text(objects: &MemoryObjects, key: &str) -> Option<String> {
    objects.body(key).map(|body| String::from_utf8_lossy(&body).into_owned())
}

/// The addresses in a playlist: lines without `#`, and values of `URI=`.
fn addresses(playlist: &str) -> Vec<String> {
    let plain = playlist.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned);
    let quoted = playlist.lines().filter_map(|line| line.split_once("URI=\"")?.1.split_once('"').map(|(uri, _)| uri));
    plain.chain(quoted.map(str::to_owned)).collect()
}

/// Everything that a player could ask for by now is there, and no playlist mixes generations. Gives the generation that
/// the rung's CMAF playlist shows.
fn player_sees(objects: &MemoryObjects) -> Option<u32> {
    let mut seen = None;
    for packaging in ["cmaf", "ts"] {
        let Some(master) = text(objects, &format!("o/{packaging}/master.m3u8")) else { continue };
        for playlist in addresses(&master) {
            let path = format!("o/{packaging}/{playlist}");
            let body = text(objects, &path).unwrap_or_else(|| panic!("{path} is named and not there"));
            let directory = path.rsplit_once('/').unwrap().0;
            let names = addresses(&body);
            for name in &names {
                assert!(
                    objects.body(&format!("{directory}/{name}")).is_some(),
                    "{path} names {name}, which is not there"
                );
            }
            let second = names.iter().filter(|name| name.contains("-2.")).count();
            assert!(second == 0 || second == names.len(), "{path} mixes generations: {body}");
            if path == "o/cmaf/360p/media.m3u8" {
                seen = Some(if second == 0 { 1 } else { 2 });
            }
        }
    }
    if let Some(mpd) = text(objects, "o/cmaf/manifest.mpd") {
        assert_eq!(mpd.matches("init-2.mp4").count(), mpd.matches("$Time$-2.m4s").count(), "{mpd}");
    }
    seen
}

fn generation_two(bench: &Bench, output: &Running, index: u32) {
    output.task.segment(0, Part::Video(usize::from(index >= 3)), bench.made("360p", index, 2));
}

#[tokio::test]
async fn a_track_that_starts_over_is_replaced_at_one_stroke() {
    let (bench, objects) = (Bench::new(&BOTH, true), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.inits();
    for index in 0..2 {
        output.video(&bench, 0, index);
        output.audio(&bench, index);
    }
    output.until(|told| *told == Told::Playable).await;
    assert_eq!(player_sees(&objects), Some(1));
    output.task.restart(0, "360p".to_owned(), 2);
    output.init("360p", "x264 B");
    let mut before = Some(1);
    for index in 0..6 {
        generation_two(&bench, &output, index);
        if index == 2 {
            output.task.part_done(0, Part::Video(0), ["360p".to_owned()].into());
        }
        output.recorded_of("360p", index).await;
        let now = player_sees(&objects);
        assert!(now >= before, "what players see never goes back to the first generation");
        before = now;
    }
    for index in 2..6 {
        output.audio(&bench, index);
    }
    output.finish();
    let summary = output.ready().await;
    assert_eq!(player_sees(&objects), Some(2));
    assert_eq!(summary.tracks[0].encoder, "x264 B");
    let old = |key: &String| key.contains("/360p/") && !key.contains("-2.") && !key.ends_with(".m3u8");
    assert_eq!(
        objects.keys().into_iter().filter(old).collect::<Vec<_>>(),
        Vec::<String>::new(),
        "the old files are gone"
    );
    let mp4 = objects.body("o/mp4/360p.mp4").unwrap();
    assert!(mp4.ends_with(b"<360p 5 2><audio-1 5 0>"), "the file is of the second generation");
    output.end(Ending::Keep).await;
    assert_eq!(bench.spooled_files(), 0);
}

#[tokio::test]
async fn an_attempt_after_a_restart_goes_on_with_the_generation_that_it_is_told_of() {
    let (mut bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut first = bench.start(0, claimed(&objects).await);
    first.inits();
    for index in 0..3 {
        first.video(&bench, 0, index);
        first.audio(&bench, index);
    }
    first.recorded(6).await;
    first.task.restart(0, "360p".to_owned(), 2);
    first.init("360p", "x264 B");
    generation_two(&bench, &first, 0);
    first.recorded_of("360p", 0).await;
    first.end(Ending::Suspend).await;

    bench.generations = [((0, "360p".to_owned()), 2)].into();
    let sink = s3(&objects);
    assert_eq!(sink.claim(IfExists::Fail, true).await.unwrap(), Claim::Free);
    let mut second = bench.start(0, sink);
    second.init("360p", "x264 B");
    second.init("audio-1", "aac");
    for index in 1..6 {
        generation_two(&bench, &second, index);
    }
    for index in 0..6 {
        second.audio(&bench, index);
    }
    second.finish();
    let summary = second.ready().await;
    assert_eq!((summary.tracks[0].segments, summary.tracks[0].encoder.as_str()), (6, "x264 B"));
    assert_eq!(player_sees(&objects), Some(2));
    second.end(Ending::Keep).await;
}

#[tokio::test]
async fn what_still_comes_of_the_first_generation_is_of_no_account() {
    let (bench, objects) = (Bench::new(&[Packaging::Cmaf], false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.inits();
    objects.hold(Some("put o/cmaf/360p/0.m4s"));
    output.video(&bench, 0, 0);
    objects.waiting(1).await;
    output.task.restart(0, "360p".to_owned(), 2);
    output.init("360p", "x264 B");
    objects.hold(None);
    for index in 0..6 {
        generation_two(&bench, &output, index);
        output.audio(&bench, index);
    }
    output.finish();
    let summary = output.ready().await;
    assert_eq!((summary.tracks[0].segments, summary.tracks[0].encoder.as_str()), (6, "x264 B"));
    assert!(!objects.keys().contains(&"o/cmaf/360p/0.m4s".to_owned()));
    output.end(Ending::Keep).await;
}
