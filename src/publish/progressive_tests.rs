//! Progressive files from a stored output: what is in them, whose sound, and what is left when they cannot be made.

use super::*;
use crate::package::fmp4;
use crate::package::progressive::tests::init;
use serde_json::json;

const SEGMENTS: u32 = 3;

/// A stored track of three segments of a second, of two samples each: its id and the segment's number are the content.
fn store(root: &Path, id: &str, kind: serde_json::Value) -> TrackRecord {
    let directory = directory(root, Packaging::Cmaf, id);
    fs::create_dir_all(&directory).unwrap();
    let handler = if kind["type"] == "video" { b"vide" } else { b"soun" };
    fs::write(directory.join(INIT), init(handler, 1000, 0)).unwrap();
    let segments = (0..SEGMENTS).map(|index| {
        let data = format!("<{id} {index}>");
        let sample = fmp4::Sample { data: data.as_bytes(), duration: 500, composition_offset: 0, key: true };
        let chunk = fmp4::chunk(index + 1, 1, u64::from(index) * 1000, &[sample, sample]);
        let (body, name) = ([&fmp4::styp()[..], &chunk.bytes].concat(), format!("{index}.m4s"));
        fs::write(directory.join(&name), &body).unwrap();
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

#[test]
fn every_rung_gets_a_file_with_the_default_sound_in_aac() {
    let scratch = tempfile::tempdir().unwrap();
    let place = Place::claim(&scratch.path().join("out"), false).unwrap();
    let root = place.root().to_owned();
    let mut tracks = vec![store(&root, "big", video()), store(&root, "small", video())];
    tracks.push(store(&root, "other-aac", audio("aac", "Commentary", false)));
    tracks.push(store(&root, "main-opus", audio("opus", "Main", true)));
    tracks.push(store(&root, "main-aac", audio("aac", "Main", false)));
    let files = write_all(&place, &ledger(tracks.clone()), &|| false).unwrap();
    let named: Vec<_> = files.iter().map(|f| (f.track.as_str(), f.audio.as_deref(), f.path.as_str())).collect();
    let sound = Some("main-aac");
    assert_eq!(named, [("big", sound, "mp4/big.mp4"), ("small", sound, "mp4/small.mp4")]);
    let body = fs::read(root.join("mp4/big.mp4")).unwrap();
    assert_eq!(files[0].bytes, body.len() as u64);
    // Half a second of each in turn.
    let turns: Vec<_> = (0..SEGMENTS).flat_map(|n| [n, n].map(|n| format!("<big {n}><main-aac {n}>"))).collect();
    let media = turns.concat();
    assert!(body.ends_with(media.as_bytes()), "{}", String::from_utf8_lossy(&body[body.len() - media.len()..]));

    tracks.truncate(1);
    let alone = Place::claim(&scratch.path().join("alone"), false).unwrap();
    tracks[0] = store(alone.root(), "big", video());
    assert_eq!(write_all(&alone, &ledger(tracks.clone()), &|| false).unwrap()[0].audio, None);
    assert_eq!(write_all(&alone, &ledger(Vec::new()), &|| false), Ok(Vec::new()), "no rung, no file");
}

/// Does something to the directory of a track.
type Spoil = dyn Fn(&Path);

#[test]
fn what_cannot_be_made_or_is_no_longer_wanted_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    let spoil: [(&str, &Spoil); 5] = [
        ("job.cancelled", &|_| {}),
        ("output.verify_failed", &|track| fs::write(track.join(INIT), b"\0\0\0\x08moov").unwrap()),
        ("output.verify_failed", &|track| {
            let path = track.join("1.m4s");
            let length = fs::metadata(&path).unwrap().len() as usize;
            fs::write(path, vec![0xff; length]).unwrap();
        }),
        ("output.unwritable", &|track| fs::write(track.join("2.m4s"), b"\0\0\0\x10moof").unwrap()),
        ("output.unwritable", &|track| fs::remove_file(track.join("0.m4s")).unwrap()),
    ];
    for (code, spoil) in spoil {
        let place = Place::claim(&out, false).unwrap();
        let tracks = vec![store(place.root(), "rung", video())];
        spoil(&out.join("cmaf/rung"));
        let made = write_all(&place, &ledger(tracks), &|| code == "job.cancelled");
        assert_eq!(made.unwrap_err().code, code);
        assert!(!out.join("mp4/rung.mp4").exists(), "{code}");
        drop(place);
        assert!(!out.exists(), "{code}");
    }
}
