//! How loud sound was found to be is still known when the daemon was killed after the sound was made.

use crate::daemon::{Setup, end_of, job_of, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, heavy_clip, tone};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, JobState};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Whether a document of the only job has this word in it.
fn holds(database: &Path, document: &str, word: &str) -> bool {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let ask = "SELECT count(*) FROM documents WHERE name = ?1 AND instr(CAST(body AS TEXT), ?2) > 0";
    db.query_row(ask, [document, word], |row| row.get::<_, i64>(0)).unwrap() > 0
}

#[tokio::test]
async fn loudness_is_known_after_the_daemon_was_killed_and_the_sound_not_made_again() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (pictures, sound) = (daemon.path("in.mp4"), daemon.path("sound.m4a"));
    heavy_clip(&pictures);
    tone(&sound, HEAVY_SECONDS);
    let slow = SlowFile::start(&pictures, HALF).await;
    let mut spec = job_of(&slow.uri(), &daemon.path("out"));
    spec.sources[0].id = "pictures".to_owned();
    let uri = sound.to_str().unwrap().to_owned();
    spec.sources.push(v1::SourceSpec { id: "sound".to_owned(), uri, ..v1::SourceSpec::default() });
    spec.outputs[0].audio_source_ids = vec!["sound".to_owned()];
    let loudness = v1::LoudnessSpec { target: -2300, passes: 2, ..v1::LoudnessSpec::default() };
    spec.outputs[0].sound = Some(v1::SoundSpec { loudness: Some(loudness), ..v1::SoundSpec::default() });
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    // Its worker is gone, and it is stored that the sound is made: no later attempt makes it again.
    let database = daemon.state_dir().join("state.db");
    until("the sound to be stored as made", || holds(&database, "parts", "audio").then_some(())).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    assert!(holds(&database, "loudness", "integrated"));
    daemon.restart().await;
    slow.release();
    let ended = end_of(&mut daemon.jobs().await, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.attempt > 1, "{ended:?}");
    let track = ended.outputs[0].tracks.iter().find(|track| track.id == "audio-1").unwrap();
    let figures = track.loudness.as_ref().unwrap();
    let after = figures.after.as_ref().unwrap().integrated.unwrap();
    assert!((after + 2300).abs() <= 50, "{figures:?}");
    assert!(figures.before.as_ref().unwrap().integrated.unwrap() != after, "{figures:?}");
    let report = std::fs::read_to_string(daemon.path("out/reelmill.json")).unwrap();
    assert!(report.contains(&format!("\"integrated\": {after}")), "{report}");
    daemon.left_clean().await;
}
