//! Sources and files that are large enough to be read and sent piece by piece.

use crate::bucket::{Place, job};
use crate::daemon::{Daemon, end_of, job_that, submit, until};
use crate::media::{RATE, check_whole, ffmpeg};
use reelmill::api::v1::{self, JobState, ProbeMediaRequest};
use reelmill_testkit::{Fault, Request, Rule};
use std::path::Path;

const MIB: u64 = 1 << 20;
/// Seconds of a noisy clip; 2 MB each.
const SECONDS: usize = 12;
/// Pictures a second of a clip of which a probe needs little.
pub(crate) const QUICK: usize = 200;

/// Makes a clip that does not compress, 320x180 at 16 Mb/s, a key frame each second, its index behind it. A probe looks at
/// the first 300 pictures, so of one with many pictures a second it needs little.
pub(crate) fn noisy(path: &Path, pictures: usize) {
    let picture = format!("testsrc2=size=320x180:rate={pictures}:duration={SECONDS},noise=alls=60:allf=t");
    let sound = format!("sine=frequency=440:duration={SECONDS}");
    let group = pictures.to_string();
    let rate = ["-b:v", "16M", "-minrate", "16M", "-maxrate", "16M", "-bufsize", "8M", "-g", &group];
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound];
    ffmpeg(&[&inputs[..], &codecs, &rate, &[path.to_str().unwrap()]].concat());
}

/// A job that takes the pictures over as they are, so that much is sent and nothing computed.
pub(crate) fn copied(source: &str, destination: &str) -> v1::JobSpec {
    let mut spec = job(source, destination);
    let rung = v1::RenditionSpec { size: "320x180".into(), bit_rate: 20_000_000, ..v1::RenditionSpec::default() };
    spec.outputs[0].renditions = vec![rung];
    spec.outputs[0].copy = Some(true);
    spec
}

/// Bytes that the daemon asked for of an object.
fn asked(requests: &[Request], name: &str) -> u64 {
    let ranges = requests.iter().filter(|request| request.method == "GET" && request.path().ends_with(name));
    let bytes = |request: &Request| {
        let (from, to) = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some(to.parse::<u64>().ok()? - from.parse::<u64>().ok()? + 1)
    };
    ranges.map(|request| bytes(request).expect("every read is of a range")).sum()
}

#[tokio::test]
async fn only_what_is_needed_of_an_object_is_fetched_and_how_much_is_told() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let source = daemon.path("in.mp4");
    noisy(&source, QUICK);
    let size = source.metadata().unwrap().len();
    assert!(size > 20 * MIB);
    place.upload("in.mp4", &source).await;
    let mut media = daemon.media().await;
    media.probe_media(ProbeMediaRequest { uri: place.uri("in.mp4") }).await.unwrap();
    let probed = asked(&place.proxy.requests(), "in.mp4");
    assert!(probed <= 16 * MIB, "the probe asked for {probed} of {size}");
    // Two seconds of it, for which the whole is not fetched either.
    let mut client = daemon.jobs().await;
    let mut spec = job(&place.uri("in.mp4"), &place.uri("cut"));
    spec.sources[0].end = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let id = submit(&mut client, spec).await;
    assert_eq!(end_of(&mut client, &id).await.state(), JobState::Succeeded);
    let cut = asked(&place.proxy.requests(), "in.mp4") - probed;
    assert!(cut < size * 3 / 4, "two seconds took {cut} of {size}");
    // The whole of it, slowly enough to be seen.
    place.proxy.fail(Rule::new(Fault::Slow(4 * MIB)).method("GET").target("in.mp4").always());
    let id = submit(&mut client, job(&place.uri("in.mp4"), &place.uri("out"))).await;
    let reading = job_that(&mut client, &id, |job| {
        let read = job.inputs[0].read_bytes;
        job.state() == JobState::Running && read > 0 && read < size
    });
    let reading = reading.await;
    assert_eq!(reading.inputs[0].size_bytes, size);
    assert!(reading.progress.unwrap().read_bytes >= reading.inputs[0].read_bytes);
    place.proxy.clear();
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(asked(&place.proxy.requests(), "in.mp4") <= probed + cut + size + 8 * MIB, "blocks were fetched twice");
    place.clear().await;
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_fails_the_job_with_that_reason() {
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().start().await;
    let (source, other) = (daemon.path("in.mp4"), daemon.path("other.mp4"));
    noisy(&source, QUICK);
    noisy(&other, RATE);
    place.upload("in.mp4", &source).await;
    place.proxy.fail(Rule::new(Fault::Slow(4 * MIB)).method("GET").target("in.mp4").always());
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, job(&place.uri("in.mp4"), &place.uri("out"))).await;
    let workers = [daemon.worker_on(&id, "video-0").await, daemon.worker_on(&id, "audio").await];
    workers.iter().for_each(|worker| worker.signal(libc::SIGSTOP));
    place.upload("in.mp4", &other).await;
    place.proxy.clear();
    workers.iter().for_each(|worker| worker.signal(libc::SIGCONT));
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Failed, "{ended:?}");
    assert_eq!(ended.problem.unwrap().code, "source.changed");
    place.clear().await;
}

#[tokio::test]
async fn encoders_wait_for_uploads_rather_than_fill_the_disk() {
    const QUOTA: u64 = 32 * MIB;
    let Some(place) = Place::open() else { return };
    let daemon = place.setup().set(format!("spool.bytes_max={QUOTA}")).start().await;
    let source = daemon.path("in.mp4");
    noisy(&source, RATE);
    place.proxy.fail(Rule::new(Fault::Slow(4 * MIB)).method("PUT").target("/320x180/").always());
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, copied(source.to_str().unwrap(), &place.uri("out"))).await;
    let mut most = 0;
    let ended = job_that(&mut client, &id, |job| {
        most = most.max(spooled_bytes(&daemon));
        crate::daemon::is_over(job.state())
    });
    let ended = ended.await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    assert!(ended.outputs[0].stored_bytes > QUOTA * 5 / 4, "there was too little to fill it");
    assert!(most > QUOTA / 8 && most <= QUOTA, "{most} of {QUOTA}");
    let copy = daemon.path("copy");
    place.download("out/", &copy).await;
    check_whole(&copy, &["320x180"], &["cmaf", "ts"], SECONDS);
    place.clear().await;
}

#[tokio::test]
async fn a_part_that_all_others_wait_for_is_begun_again_however_full_the_spool_is() {
    const QUOTA: u64 = 16 * MIB;
    let Some(place) = Place::open() else { return };
    // Two workers at a time: the spool fills with the short parts that the second one makes while the first one hangs.
    let daemon = place.setup().set(format!("spool.bytes_max={QUOTA}")).set("threads=2").start().await;
    let source = daemon.path("in.mp4");
    noisy(&source, RATE);
    let mut spec = copied(source.to_str().unwrap(), &place.uri("out"));
    spec.outputs[0].copy = Some(false);
    // Transport streams are numbered through, so they are stored in their order.
    spec.outputs[0].packagings = vec![v1::Packaging::Ts.into()];
    spec.outputs[0].spans = SECONDS as u32;
    spec.outputs[0].segment_duration = Some(prost_types::Duration { seconds: 0, nanos: 500_000_000 });
    let mut client = daemon.jobs().await;
    let id = submit(&mut client, spec).await;
    let first = daemon.worker_on(&id, "video-0").await;
    first.signal(libc::SIGSTOP);
    let mut most = 0;
    until("the spool to be full", || {
        most = most.max(spooled_bytes(&daemon));
        (most >= QUOTA).then_some(())
    })
    .await;
    first.signal(libc::SIGKILL);
    let ended = end_of(&mut client, &id).await;
    assert_eq!(ended.state(), JobState::Succeeded, "{ended:?}");
    place.clear().await;
}

/// Bytes of all files in the spool.
fn spooled_bytes(daemon: &Daemon) -> u64 {
    let files = daemon.spooled().into_iter().filter_map(|path| path.metadata().ok()).filter(|found| found.is_file());
    files.map(|file| file.len()).sum()
}
