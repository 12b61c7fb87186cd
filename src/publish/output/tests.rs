//! What is stored, recorded and published, when, and what is left.

use super::testing::*;
use super::*;
use crate::model::plan::SpanRange;
use crate::model::spec::IfExists;
use crate::model::{Fault, Packaging};
use crate::publish::sink::{Claim, Durability, LocalSink, MemoryObjects, ObjectErrorKind};
use std::time::Instant;

const BOTH: [Packaging; 2] = [Packaging::Cmaf, Packaging::Ts];

async fn claimed(objects: &Arc<MemoryObjects>) -> Arc<dyn Sink> {
    let sink = s3(objects);
    assert_eq!(sink.claim(IfExists::Fail, false).await.unwrap(), Claim::Free);
    sink
}

fn video(indices: impl IntoIterator<Item = u32>) -> Vec<(String, u32)> {
    indices.into_iter().map(|index| ("360p".to_owned(), index)).collect()
}

fn puts(objects: &MemoryObjects) -> Vec<String> {
    objects.log().iter().filter_map(|line| line.strip_prefix("put o/").map(str::to_owned)).collect()
}

/// The continuity counters of the stored transport streams of the rung, in order.
fn counters(objects: &MemoryObjects) -> Vec<u8> {
    let keys = objects.keys().into_iter().filter(|key| key.starts_with("o/ts/360p/") && key.ends_with(".ts"));
    let bodies: Vec<_> = keys.map(|key| objects.body(&key).unwrap()).collect();
    bodies.iter().flat_map(|body| body.chunks(188).map(|packet| packet[3] & 15)).collect()
}

#[tokio::test]
async fn a_whole_output_is_recorded_in_order_and_declared_final_last() {
    let (bench, objects) = (Bench::new(&BOTH, true), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.all(&bench);
    let told = output.until(|told| matches!(told, Told::Ready(_) | Told::Failed(_))).await;
    let Some(Told::Ready(summary)) = told.last() else { panic!("{told:?}") };
    assert_eq!(told.iter().filter(|told| **told == Told::Playable).count(), 1);
    for track in ["360p", "audio-1"] {
        let recorded = bench.store.segments().into_iter().filter(|(of, _)| of == track).map(|(_, index)| index);
        assert_eq!(recorded.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }
    assert_eq!(counters(&objects), (0..12).collect::<Vec<_>>());
    for (segment, index) in summary.ledger.tracks[0].segments.iter().zip(0..) {
        let body = objects.body(&format!("o/ts/360p/{index:05}.ts")).unwrap();
        let file = segment.file(Packaging::Ts).unwrap();
        assert_eq!(file.sha256, crate::model::hash::sha256(&body), "the hash is that of the stored file");
    }
    let order = puts(&objects);
    let last = |name: &str| order.iter().rposition(|put| put.ends_with(name)).unwrap();
    assert_eq!(last("reelmill.json"), order.len() - 1);
    assert!(last("mp4/360p.mp4") < last("cmaf/360p/media.m3u8"), "{order:?}");
    assert!(last("cmaf/360p/media.m3u8") < last("cmaf/master.m3u8"));
    assert!(last("cmaf/audio-1/960000.m4s").max(last(".ts")) < last("cmaf/360p/media.m3u8"));
    let media = objects.body("o/ts/360p/media.m3u8").unwrap();
    assert!(String::from_utf8_lossy(&media).contains("#EXT-X-ENDLIST"));
    let mp4 = objects.body("o/mp4/360p.mp4").unwrap();
    assert!(mp4.ends_with(b"<360p 5 0><audio-1 5 0>"), "{}", String::from_utf8_lossy(&mp4));
    let files: Vec<_> = summary.files.iter().map(|file| file.path.as_str()).collect();
    let expected = ["cmaf/master.m3u8", "cmaf/manifest.mpd", "ts/master.m3u8", "mp4/360p.mp4", "reelmill.json"];
    assert_eq!(files, expected);
    for file in &summary.files {
        assert_eq!(objects.body(&format!("o/{}", file.path)).unwrap().len() as u64, file.bytes, "{}", file.path);
    }
    assert_eq!((summary.tracks[0].segments, summary.tracks[0].duration_us), (6, 24_000_000));
    let segments = summary.ledger.tracks.iter().flat_map(|track| &track.segments).flat_map(|segment| &segment.files);
    let segments: u64 = segments.map(|file| file.bytes).sum();
    assert_eq!(bench.released.load(Ordering::Relaxed), segments, "all room is given back");
    assert!(output.task.uploaded_bytes() > segments);
    let told = summary.tracks.iter().map(|track| track.bytes).chain(summary.files.iter().map(|file| file.bytes));
    let mine = objects.keys().into_iter().filter(|key| !key.ends_with(".reelmill-job"));
    let stored: usize = mine.map(|key| objects.body(&key).unwrap().len()).sum();
    assert_eq!(told.sum::<u64>(), stored as u64, "what is told of is what is stored");
    assert_eq!(output.end(Ending::Keep).await, [Told::Ended]);
    assert!(!objects.keys().contains(&"o/.reelmill-job".to_owned()));
    assert_eq!(bench.spooled_files(), 0);
    assert!(!bench.path().join("scratch-0").exists());
}

#[tokio::test]
async fn a_later_span_waits_for_the_earlier_one() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.inits();
    for (span, index) in [(1, 3), (1, 4), (0, 0)] {
        output.video(&bench, span, index);
    }
    assert_eq!(output.recorded(1).await, video([0]));
    output.video(&bench, 0, 1);
    assert_eq!(output.recorded(1).await, video([1]));
    let stored = objects.keys();
    assert!(stored.contains(&"o/cmaf/360p/16000.m4s".to_owned()), "what can go out has gone out");
    assert!(!stored.contains(&"o/ts/360p/00003.ts".to_owned()), "its counters are not known yet");
    output.video(&bench, 0, 2);
    assert_eq!(output.recorded(3).await, video([2, 3, 4]));
    output.end(Ending::Remove).await;
    assert!(objects.keys().is_empty() && bench.store.segments().is_empty());
}

#[tokio::test]
async fn a_span_without_a_picture_and_a_track_without_sound_are_no_gap() {
    let (bench, objects) = (Bench::new(&[Packaging::Cmaf], false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.inits();
    output.video(&bench, 1, 3);
    output.finish();
    let told = output.until(|told| matches!(told, Told::Ready(_))).await;
    let warnings = told.iter().filter_map(|told| if let Told::Warning(note) = told { Some(&note.code) } else { None });
    assert_eq!(warnings.collect::<Vec<_>>(), ["audio.left_out"]);
    let Some(Told::Ready(summary)) = told.last() else { unreachable!() };
    assert_eq!(summary.tracks.len(), 1);
    output.end(Ending::Keep).await;
}

#[tokio::test]
async fn a_gap_and_an_empty_source_are_named() {
    for (index, code) in [(Some(4), "ledger.gap"), (None, "source.undecodable")] {
        let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
        let mut output = bench.start(0, claimed(&objects).await);
        output.inits();
        output.audio(&bench, 0);
        if let Some(index) = index {
            output.video(&bench, 0, 0);
            output.video(&bench, 1, index);
        }
        output.finish();
        assert_eq!(output.failed().await.code, code);
        assert_eq!(bench.spooled_files(), 0, "a failed output holds nothing up");
        output.end(Ending::Fail).await;
    }
}

#[tokio::test]
async fn outputs_share_a_segment_and_a_slow_one_holds_up_none() {
    let bench = Bench::new(&BOTH, false);
    let (objects, slow) = (MemoryObjects::new(), MemoryObjects::new());
    let (mut first, mut second) = (bench.start(0, claimed(&objects).await), bench.start(1, claimed(&slow).await));
    slow.hold(Some("put o/cmaf"));
    first.inits();
    second.inits();
    let segment = bench.segment("360p", 0);
    for output in [&first, &second] {
        output.task.segment(0, Part::Video(0), Arc::clone(&segment));
    }
    drop(segment);
    assert_eq!(first.recorded(1).await, video([0]));
    slow.waiting(2).await;
    assert_eq!(bench.spooled_files(), 2, "the slow output still needs the files");
    assert_eq!(bench.released.load(Ordering::Relaxed), 0);
    slow.hold(None);
    assert_eq!(second.recorded(1).await, video([0]));
    assert_eq!(bench.spooled_files(), 0);
    assert_eq!(bench.store.segments(), video([0, 0]));
    first.end(Ending::Suspend).await;
    second.end(Ending::Suspend).await;
}

#[tokio::test]
async fn a_second_attempt_goes_on_where_the_first_was_suspended() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut first = bench.start(0, claimed(&objects).await);
    first.inits();
    for index in 0..3 {
        first.video(&bench, 0, index);
        first.audio(&bench, index);
    }
    first.recorded(6).await;
    assert!(first.end(Ending::Suspend).await.contains(&Told::Ended));
    let (rows, before) = (bench.store.rows.lock().unwrap().clone(), puts(&objects));
    let [whole, rest] = [SpanRange { first: 0, end: Some(3) }, SpanRange { first: 3, end: None }];
    assert_eq!(first_missing(&bench.plan, &rows, &[0], 0, whole), None);
    assert_eq!(first_missing(&bench.plan, &rows, &[0, 1], 0, whole), Some(0), "the other output has nothing");
    assert_eq!(first_missing(&bench.plan, &rows, &[0], 0, rest), Some(3));

    let sink = s3(&objects);
    assert_eq!(sink.claim(IfExists::Fail, true).await.unwrap(), Claim::Free);
    let mut second = bench.start(0, sink);
    assert!(second.task.uploaded_bytes() > 0, "what an earlier attempt stored counts");
    second.inits();
    for index in 3..6 {
        second.video(&bench, 1, index);
    }
    for index in 0..6 {
        second.audio(&bench, index);
    }
    second.finish();
    second.ready().await;
    second.end(Ending::Keep).await;
    assert_eq!(counters(&objects), (0..12).collect::<Vec<_>>());
    let media = |put: &&String| !put.ends_with(".m3u8") && !put.ends_with(".mpd") && !put.starts_with('.');
    let mut all: Vec<_> = puts(&objects).into_iter().filter(|put| media(&put)).collect();
    assert!(all.len() > before.iter().filter(media).count());
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "nothing is put twice");
    assert_eq!(bench.spooled_files(), 0);
}

#[tokio::test]
async fn what_is_made_again_must_be_the_same() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut first = bench.start(0, claimed(&objects).await);
    first.inits();
    for index in 0..2 {
        first.audio(&bench, index);
        first.video(&bench, 0, index);
    }
    first.recorded(4).await;
    // Within one attempt, and after a restart with the ledger alone.
    for restarted in [false, true] {
        let mut output = if restarted { bench.start(0, s3(&objects)) } else { first };
        output.inits();
        output.audio(&bench, 1);
        output.task.segment(0, Part::Video(0), bench.made("360p", 1, 9));
        output.task.segment(0, Part::Audio, bench.made("audio-1", 1, 9));
        let problem = output.failed().await;
        assert_eq!((problem.fault, problem.code.as_str()), (Fault::Bug, "encoder.not_reproducible"));
        output.end(Ending::Suspend).await;
        first = bench.start(0, s3(&objects));
    }
    first.init("360p", "x264 B");
    assert_eq!(first.failed().await.code, "encoder.identity_changed");
    first.end(Ending::Suspend).await;
}

#[tokio::test]
async fn whoever_is_fenced_touches_nothing_any_more() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    bench.store.errors.lock().unwrap().push(StoreError::Fenced);
    output.inits();
    output.video(&bench, 0, 0);
    assert_eq!(output.next().await, Told::Ended);
    let log = objects.log();
    output.task.end(Ending::Remove);
    output.video(&bench, 0, 1);
    assert_eq!(bench.spooled_files(), 0);
    assert_eq!(objects.log(), log);
    assert!(!log.iter().any(|line| line.starts_with("delete") || line.starts_with("abort")));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_fails_at_once() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    bench.store.errors.lock().unwrap().push(StoreError::Broken("for a moment".into()));
    for name in ["00000.ts", "init.mp4", "master.m3u8"] {
        objects.fail(name, ObjectErrorKind::Unavailable, 2);
    }
    output.all(&bench);
    output.ready().await;
    output.end(Ending::Keep).await;
    for (kind, code, attempts) in
        [(ObjectErrorKind::Unavailable, "output.unavailable", 3), (ObjectErrorKind::Forbidden, "output.forbidden", 1)]
    {
        let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
        let mut output = bench.start(0, claimed(&objects).await);
        output.inits();
        output.video(&bench, 0, 0);
        output.audio(&bench, 0);
        output.recorded(2).await;
        objects.fail("00002.ts", kind, 9);
        output.all(&bench);
        assert_eq!(output.failed().await.code, code);
        let failed = objects.log().iter().filter(|line| line.ends_with("360p/00002.ts")).count();
        let failed = failed.max(objects.log().iter().filter(|line| line.ends_with("audio-1/00002.ts")).count());
        assert_eq!(failed, attempts);
        output.end(Ending::Fail).await;
        let left = objects.keys();
        assert!(left.iter().any(|key| key.ends_with(".m4s")), "segments stay for a retry");
        assert!(!left.iter().any(|key| key.ends_with(".m3u8") || key.ends_with(".mpd")), "{left:?}");
        assert!(!bench.store.segments().is_empty());
    }
}

#[tokio::test]
async fn it_stops_in_the_middle_of_whatever_it_does() {
    for held in ["put o/cmaf/360p/init.mp4", "put o/ts/", "put o/cmaf/master", "get o/cmaf/", "put o/mp4", "put o/reel"]
    {
        let (bench, objects) = (Bench::new(&BOTH, true), MemoryObjects::new());
        let mut output = bench.start(0, claimed(&objects).await);
        objects.hold(Some(held));
        output.all(&bench);
        let told = async { while !matches!(output.next().await, Told::Ready(_) | Told::Failed(_)) {} };
        tokio::select! {
            () = told => panic!("{held}"),
            () = async { objects.waiting(1).await } => {}
            () = async { objects.waiting(2).await } => {}
        }
        let began = Instant::now();
        output.end(Ending::Remove).await;
        assert!(began.elapsed() < Duration::from_secs(2));
        assert!(objects.log().iter().any(|line| line.starts_with("abort o/cmaf/")), "{held}");
        assert!(objects.keys().is_empty(), "{held}: {:?}", objects.keys());
        assert_eq!(bench.spooled_files(), 0, "{held}");
        assert!(!bench.path().join("scratch-0").exists(), "{held}");
        assert!(bench.store.rows.lock().unwrap().is_empty(), "{held}");
    }
}

#[tokio::test]
async fn a_directory_is_given_back_as_it_was_when_a_job_fails() {
    let bench = Bench::new(&BOTH, true);
    let out = bench.path().join("out");
    let sink = |job: u128| Arc::new(LocalSink::new(&out, JobId::from_number(job), Durability::Each));
    let first = sink(1);
    first.claim(IfExists::Fail, false).await.unwrap();
    let mut output = bench.start(0, first);
    output.all(&bench);
    output.ready().await;
    output.end(Ending::Keep).await;
    let mp4 = std::fs::read(out.join("mp4/360p.mp4")).unwrap();
    bench.store.rows.lock().unwrap().clear();
    for ending in [Ending::Fail, Ending::Remove] {
        let second = sink(2);
        second.claim(IfExists::Replace, false).await.unwrap();
        let mut output = bench.start(0, second);
        output.inits();
        output.video(&bench, 0, 0);
        output.recorded(1).await;
        assert!(!out.join("mp4").exists());
        output.end(ending).await;
        assert_eq!(std::fs::read(out.join("mp4/360p.mp4")).unwrap(), mp4);
        assert!(!out.join(".reelmill").exists());
        bench.store.rows.lock().unwrap().clear();
    }
    let names: Vec<_> = std::fs::read_dir(bench.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn a_worker_cannot_publish_what_is_not_its_own() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    let sink = claimed(&objects).await;
    let orders: [&dyn Fn(&Running); 3] = [
        &|output| output.task.segment(0, Part::Audio, bench.segment("360p", 0)),
        &|output| output.task.segment(0, Part::Video(0), bench.segment("audio-1", 0)),
        &|output| output.task.init(0, Arc::new(v1::Init { track: "360p".into(), ..Default::default() })),
    ];
    for order in orders {
        let mut output = bench.start(0, Arc::clone(&sink));
        output.init("audio-1", "aac");
        order(&output);
        assert_eq!(output.failed().await.code, "worker.protocol");
        output.end(Ending::Suspend).await;
    }
    let mut early = bench.start(0, sink);
    early.video(&bench, 0, 0);
    assert_eq!(early.failed().await.code, "worker.protocol");
    drop(early.task);
    assert_eq!(early.events.recv().await.unwrap().1, Told::Ended, "a handle that is gone suspends");
}

#[tokio::test]
async fn manifests_appear_when_every_track_can_play_and_then_not_too_often() {
    let (bench, objects) = (Bench::new(&[Packaging::Cmaf], false), MemoryObjects::new());
    let mut output = bench.start(0, claimed(&objects).await);
    output.inits();
    output.video(&bench, 0, 0);
    assert_eq!(output.recorded(1).await, video([0]));
    assert!(!puts(&objects).iter().any(|put| put.ends_with(".m3u8")), "there is no sound yet");
    let began = Instant::now();
    output.audio(&bench, 0);
    output.until(|told| *told == Told::Playable).await;
    let renderings = || puts(&objects).iter().filter(|put| *put == "cmaf/360p/media.m3u8").count();
    for index in 1..20 {
        output.audio(&bench, index);
        output.video(&bench, 0, index);
        output.recorded(2).await;
    }
    let eager = 2 * 4;
    let most = eager + (began.elapsed().as_millis() / 500) as usize + 1;
    assert!(renderings() <= most, "{} in {:?}", renderings(), began.elapsed());
    let last = || String::from_utf8(objects.body("o/cmaf/360p/media.m3u8").unwrap().to_vec()).unwrap();
    while !last().contains("76000.m4s") {
        tokio::task::yield_now().await;
        assert!(began.elapsed() < Duration::from_secs(20), "what was put off comes by itself");
    }
    output.end(Ending::Remove).await;
}

#[tokio::test]
async fn what_is_not_ready_cannot_be_kept() {
    let (bench, objects) = (Bench::new(&BOTH, false), MemoryObjects::new());
    objects.fail("any", ObjectErrorKind::Unavailable, 2);
    let sink = s3(&objects);
    let retry = BackOff { first_ms: 1, max_ms: 1, ..BackOff::default() };
    let claim = crate::publish::claim(&*sink, IfExists::Fail, false, retry).await;
    assert_eq!(claim, Ok(Claim::Free), "claims are patient too");
    let mut output = bench.start(0, sink);
    output.inits();
    output.end(Ending::Keep).await;
    assert!(objects.keys().contains(&"o/.reelmill-job".to_owned()), "it is still the job's");
}
