//! Joined sources through the service: parts from here and there, kills in the middle, parts that change or are not there.

use crate::daemon::{Daemon, Setup, end_of, job, job_that, output, submit, until};
use crate::media::{HALF, HEAVY_SECONDS, RATE, check_whole, clip, ffprobe, frames, heavy_clip, identities, tone};
use crate::slow::SlowFile;
use reelmill::api::v1::{self, InputState, JobState, OutputState};
use std::fs;
use std::path::Path;

fn source(id: &str, uri: &str) -> v1::SourceSpec {
    v1::SourceSpec { id: id.into(), uri: uri.into(), ..v1::SourceSpec::default() }
}

fn cut(id: &str, path: &Path, from: i64, to: i64) -> v1::SourceSpec {
    let at = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    v1::SourceSpec { start: at(from), end: at(to), ..source(id, path.to_str().unwrap()) }
}

fn joined(ids: &[&str]) -> v1::SourceSpec {
    let concat_source_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    v1::SourceSpec { id: "programme".into(), concat_source_ids, ..v1::SourceSpec::default() }
}

/// A job of these sources, and one output of the joined one.
fn job_of(sources: Vec<v1::SourceSpec>, out: &Path) -> v1::JobSpec {
    let mut spec = v1::JobSpec { sources, ..job(out, out) };
    spec.outputs[0].source_id = "programme".into();
    spec
}

#[tokio::test]
async fn parts_from_a_file_and_a_server_survive_a_kill() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (opener, film) = (daemon.path("opener.mp4"), daemon.path("film.mp4"));
    clip(&opener, 4);
    heavy_clip(&film);
    let slow = SlowFile::start(&film, HALF).await;
    // Two seconds of the opener before and after the film.
    let sources =
        vec![joined(&["opener", "film", "opener"]), cut("opener", &opener, 1, 3), source("film", &slow.uri())];
    let out = daemon.path("out");
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(sources, &out)).await;
    let rung = out.join("cmaf/180p");
    until("segments behind the first joint", || (identities(&rung).len() >= 6).then_some(())).await;
    let ready = job_that(&mut client, &id, |job| job.state() == JobState::Running).await;
    let of = |job: &v1::Job| job.inputs.iter().map(v1::Input::state).collect::<Vec<_>>();
    assert_eq!(of(&ready), [InputState::Ready; 3]);
    let facts = ready.inputs[0].facts.as_ref().unwrap();
    assert_eq!(
        (facts.container.as_str(), facts.duration.as_ref().unwrap().seconds),
        ("concat", HEAVY_SECONDS as i64 + 4)
    );
    let sizes: Vec<u64> = ready.inputs.iter().map(|input| input.size_bytes).collect();
    assert_eq!(sizes[0], sizes[1] + sizes[2]);
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    let before = identities(&rung);
    slow.release();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    crate::states::check_sums(&ended);
    assert!(ended.attempt > 1);
    check_whole(&out, &["180p", "90p"], &["cmaf", "ts"], HEAVY_SECONDS + 4);
    let after = identities(&rung);
    let kept = before.iter().filter(|(path, identity)| after.get(*path) == Some(identity)).count();
    assert!(kept >= 4, "what was made stays: {kept} of {}", before.len());
}

#[tokio::test]
async fn a_part_that_was_changed_while_nobody_looked_is_told() {
    let mut daemon = Setup::default().set("sources.allow=127.0.0.1").start().await;
    let (jingle, film) = (daemon.path("jingle.mp4"), daemon.path("film.mp4"));
    clip(&jingle, 2);
    heavy_clip(&film);
    let slow = SlowFile::start(&film, HALF).await;
    let sources =
        vec![source("jingle", jingle.to_str().unwrap()), source("film", &slow.uri()), joined(&["film", "jingle"])];
    let out = daemon.path("out");
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job_of(sources, &out)).await;
    job_that(&mut client, &id, |job| job.outputs[0].playable_time.is_some()).await;
    daemon.kill();
    until("the workers to die with the daemon", || daemon.workers().is_empty().then_some(())).await;
    clip(&jingle, 3);
    slow.release();
    daemon.restart().await;
    let mut client = daemon.jobs().await;
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Failed, "{ended:?}");
    let problem = ended.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.field.as_str()), ("source.changed", "sources[0]"));
    let states: Vec<_> = ended.inputs.iter().map(v1::Input::state).collect();
    assert_eq!(states, [InputState::Failed, InputState::Ready, InputState::Failed]);
}

#[tokio::test]
async fn what_cannot_be_joined_fails_its_outputs_alone() {
    let daemon = Daemon::start().await;
    let (film, sound) = (daemon.path("film.mp4"), daemon.path("sound.m4a"));
    clip(&film, 2);
    tone(&sound, 2);
    let absent = daemon.path("absent.mp4");
    let cases =
        [(&sound, "concat.no_video", "sources[2].concat_source_ids[1]"), (&absent, "source.not_found", "sources[1]")];
    let mut client = daemon.jobs().await;
    for (number, (second, code, field)) in cases.into_iter().enumerate() {
        let paths = [film.to_str().unwrap(), second.to_str().unwrap()];
        let sources = vec![source("film", paths[0]), source("second", paths[1]), joined(&["film", "second"])];
        let mut spec = job_of(sources, &daemon.path(format!("bad-{number}")));
        let good = daemon.path(format!("good-{number}"));
        let alone = output(good.to_str().unwrap(), &["90p"]);
        spec.outputs.push(v1::OutputSpec { source_id: "film".into(), ..alone });
        let id = submit(&mut client, spec).await;
        let ended = end_of(&mut client, &id).await;
        assert_eq!(ended.state(), JobState::Partial, "{ended:?}");
        let states: Vec<_> = ended.outputs.iter().map(v1::Output::state).collect();
        assert_eq!(states, [OutputState::Failed, OutputState::Ready]);
        let problem = ended.outputs[0].problem.as_ref().unwrap();
        assert_eq!((problem.code.as_str(), problem.field.as_str()), (code, field), "{}", problem.message);
        assert_eq!(ended.inputs[2].state(), InputState::Failed);
        check_whole(&good, &["90p"], &["cmaf", "ts"], 2);
    }
}

#[tokio::test]
async fn the_command_joins_what_it_is_given() {
    let daemon = Daemon::start().await;
    let (film, jingle) = (daemon.path("film.mp4"), daemon.path("jingle.mp4"));
    clip(&film, 3);
    clip(&jingle, 1);
    let out = daemon.path("out");
    let [film, jingle, place] = [&film, &jingle, &out].map(|path| path.to_str().unwrap());
    let options = ["--renditions", "90p", "--segment", "1s", "--speed", "fast", "--mp4", "--wait", "--json"];
    let words = ["submit", jingle, place, "--append", film, "--append", jingle];
    let told = daemon.command(&[&words[..], &options].concat()).unwrap();
    assert!(told.contains(r#""state": "succeeded""#), "{told}");
    for packaging in ["cmaf", "ts"] {
        assert_eq!(frames(&out.join(packaging).join("90p/media.m3u8")), 5 * RATE);
    }
    let file = out.join("mp4/90p.mp4");
    assert_eq!(frames(&file), 5 * RATE);
    assert_eq!(ffprobe(&file, &["-show_entries", "stream=codec_type"]), ["video", "audio"]);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("reelmill.json")).unwrap()).unwrap();
    assert_eq!(report["source"]["name"], format!("{jingle} + {film} + {jingle}"));
    assert!(daemon.command(&["submit", film, place, "--append", "ftp://x/y"]).unwrap_err().contains("`ftp://`"));
}
