//! Progressive files from a stored output: what is in them, whose sound, and what is left when they cannot be made.

use super::super::testing::{JOB, LedgerStore, s3};
use super::*;
use crate::model::backoff::BackOff;
use crate::package::INIT;
use crate::package::fmp4;
use crate::package::progressive::tests::init as init_segment;
use crate::publish::sink::{MemoryObjects, ObjectErrorKind};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

const SEGMENTS: u32 = 3;

/// A stored track of three segments of a second, of two samples each: its id and the segment's number are the content.
fn store(objects: &MemoryObjects, id: &str, kind: serde_json::Value) -> TrackRecord {
    let handler = if kind["type"] == "video" { b"vide" } else { b"soun" };
    objects.insert(&format!("o/cmaf/{id}/{INIT}"), &init_segment(handler, 1000, 0));
    let segments = (0..SEGMENTS).map(|index| {
        let data = format!("<{id} {index}>");
        let sample = fmp4::Sample { data: data.as_bytes(), duration: 500, composition_offset: 0, key: true };
        let chunk = fmp4::chunk(index + 1, 1, u64::from(index) * 1000, &[sample, sample]);
        let (body, name) = ([&fmp4::styp()[..], &chunk.bytes].concat(), format!("{index}.m4s"));
        objects.insert(&format!("o/cmaf/{id}/{name}"), &body);
        let file = json!({"packaging": "cmaf", "name": name, "bytes": body.len(), "sha256": "", "key_frames": []});
        json!({"index": index, "start": index * 1000, "duration": 1000, "frames": 2, "files": [file]})
    });
    let record = json!({
        "id": id, "kind": kind, "timescale": 1000, "codec_string": "", "declared_peak": 0, "init_sha256": null,
        "encoder": "", "segments": segments.collect::<Vec<_>>(),
    });
    serde_json::from_value(record).unwrap()
}

fn video() -> serde_json::Value {
    json!({"type": "video", "codec": "h264", "width": 2, "height": 2, "frame_rate": {"num": 2, "den": 1}, "hdr": null})
}

fn audio(codec: &str, title: &str, default: bool) -> serde_json::Value {
    json!({"type": "audio", "codec": codec, "sample_rate": 1000, "channels": 2, "language": null, "title": title,
        "default": default, "descriptive": false})
}

fn ledger(tracks: Vec<TrackRecord>) -> Ledger {
    Ledger { segment_ms: 1000, tracks, complete: true }
}

fn context(objects: &Arc<MemoryObjects>, scratch: &Path) -> Context {
    let retry = BackOff { first_ms: 1, max_ms: 1, attempts_max: 2, ..BackOff::default() };
    Context {
        job: JOB,
        attempt: 1,
        output: 0,
        sink: s3(objects),
        store: LedgerStore::new(),
        scratch: scratch.to_owned(),
        spooled: Arc::default(),
        retry,
        uploaded: Arc::default(),
        told: mpsc::channel(1).0,
        cover: None,
        replaced: std::sync::Mutex::default(),
    }
}

#[tokio::test]
async fn every_rung_gets_a_file_with_the_default_sound_in_aac() {
    let (scratch, objects) = (tempfile::tempdir().unwrap(), MemoryObjects::new());
    let context = context(&objects, &scratch.path().join("new"));
    let mut tracks = vec![store(&objects, "big", video()), store(&objects, "small", video())];
    tracks.push(store(&objects, "other-aac", audio("aac", "Commentary", false)));
    tracks.push(store(&objects, "main-opus", audio("opus", "Main", true)));
    tracks.push(store(&objects, "main-aac", audio("aac", "Main", false)));
    let files = make(&context, &ledger(tracks.clone()), &FileLabels::default()).await.unwrap();
    let named: Vec<_> = files.iter().map(|f| (f.track.as_str(), f.audio.as_deref(), f.path.as_str())).collect();
    let sound = Some("main-aac");
    assert_eq!(named, [("big", sound, "mp4/big.mp4"), ("small", sound, "mp4/small.mp4")]);
    let body = objects.body("o/mp4/big.mp4").unwrap();
    assert_eq!(files[0].bytes, body.len() as u64);
    // Half a second of each in turn.
    let turns: Vec<_> = (0..SEGMENTS).flat_map(|n| [n, n].map(|n| format!("<big {n}><main-aac {n}>"))).collect();
    let media = turns.concat();
    assert!(body.ends_with(media.as_bytes()), "{}", String::from_utf8_lossy(&body[body.len() - media.len()..]));
    let reads = objects.log().iter().filter(|line| line.ends_with("big/0.m4s")).count();
    assert_eq!(reads, 2, "a segment is read once for its index and once for its samples");

    tracks.truncate(1);
    assert_eq!(make(&context, &ledger(tracks), &FileLabels::default()).await.unwrap()[0].audio, None);
    assert_eq!(make(&context, &ledger(Vec::new()), &FileLabels::default()).await, Ok(Vec::new()), "no rung, no file");
    assert_eq!(std::fs::read_dir(&context.scratch).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_counts_among_what_waits_on_disk_until_it_is_stored() {
    let (scratch, objects) = (tempfile::tempdir().unwrap(), MemoryObjects::new());
    let context = context(&objects, scratch.path());
    let ledger = ledger(vec![store(&objects, "rung", video())]);
    objects.hold(Some("put o/mp4"));
    let made = async { make(&context, &ledger, &FileLabels::default()).await.unwrap() };
    let looked = async {
        objects.waiting(1).await;
        let waits = std::fs::metadata(scratch.path().join("rung.mp4")).unwrap().len();
        assert_eq!(context.spooled.load(Ordering::Relaxed), waits);
        objects.hold(None);
    };
    let (files, ()) = tokio::join!(made, looked);
    assert_eq!((files.len(), context.spooled.load(Ordering::Relaxed)), (1, 0));
    objects.fail("put o/mp4", ObjectErrorKind::Forbidden, 1);
    assert!(make(&context, &ledger, &FileLabels::default()).await.is_err());
    assert_eq!(context.spooled.load(Ordering::Relaxed), 0, "a file that could not be stored is gone too");
}

#[tokio::test]
async fn without_pictures_every_track_of_sound_gets_a_file() {
    let (scratch, objects) = (tempfile::tempdir().unwrap(), MemoryObjects::new());
    let context = context(&objects, &scratch.path().join("new"));
    let tracks = vec![
        store(&objects, "audio-1-aac", audio("aac", "Main", true)),
        store(&objects, "audio-1-opus", audio("opus", "Main", false)),
    ];
    let files = make(&context, &ledger(tracks), &FileLabels::default()).await.unwrap();
    let named: Vec<_> = files.iter().map(|f| (f.track.as_str(), f.audio.as_deref(), f.path.as_str())).collect();
    let expected = [("audio-1-aac", None, "mp4/audio-1-aac.m4a"), ("audio-1-opus", None, "mp4/audio-1-opus.mp4")];
    assert_eq!(named, expected);
    let body = objects.body("o/mp4/audio-1-aac.m4a").unwrap();
    assert!(body.ends_with(b"<audio-1-aac 2><audio-1-aac 2>"));
}

/// Does something to the objects of a track.
type Spoil = dyn Fn(&MemoryObjects);

#[tokio::test]
async fn what_cannot_be_made_leaves_nothing() {
    let spoil: [(&str, &Spoil); 6] = [
        ("output.verify_failed", &|objects| objects.insert("o/cmaf/rung/init.mp4", b"\0\0\0\x08ftyp\0\0\0\x08moov")),
        ("output.verify_failed", &|objects| objects.insert("o/cmaf/rung/init.mp4", &[0xff; 900])),
        ("output.verify_failed", &|objects| objects.insert("o/cmaf/rung/1.m4s", &[0xff; 900])),
        ("output.lost", &|objects| objects.insert("o/cmaf/rung/2.m4s", b"\0\0\0\x10moof")),
        ("output.forbidden", &|objects| objects.fail("put o/mp4", ObjectErrorKind::Forbidden, 1)),
        ("output.unavailable", &|objects| objects.fail("get o/cmaf/rung/1", ObjectErrorKind::Unavailable, 2)),
    ];
    for (code, spoil) in spoil {
        let (scratch, objects) = (tempfile::tempdir().unwrap(), MemoryObjects::new());
        let context = context(&objects, scratch.path());
        let tracks = vec![store(&objects, "rung", video())];
        spoil(&objects);
        assert_eq!(make(&context, &ledger(tracks), &FileLabels::default()).await.unwrap_err().code, code);
        assert!(!objects.keys().iter().any(|key| key.starts_with("o/mp4")), "{code}");
    }
}
