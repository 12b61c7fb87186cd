//! The jobs that are asked for, and the files that they are made of.

use crate::Outcome;
use reelmill::api::v1;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::process::Command;

/// One job in so many has a given `batch` label.
const BATCHES: u64 = 100;
/// Outputs of the job that is watched: each of them changes four times.
const WATCHED_OUTPUTS: usize = 8;
/// Their rungs.
const SMALL: &[&str] = &["160x90"];
const LARGE: &[&str] = &["720p", "480p", "360p", "240p"];

/// Makes jobs, no two of which are the same.
#[derive(Debug)]
pub(crate) struct Makes {
    /// A few seconds of small pictures with sound.
    small: PathBuf,
    /// Ten seconds of large ones.
    short: PathBuf,
    /// Ten minutes of large ones.
    long: PathBuf,
    out: PathBuf,
    next: AtomicU64,
}

impl Makes {
    /// Has `ffmpeg` make the sources below `work`.
    pub(crate) async fn new(work: &Path) -> Outcome<Self> {
        let (small, short, long) = (work.join("small.mp4"), work.join("short.mp4"), work.join("long.mp4"));
        let encode = ["-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-c:a", "aac", "-shortest"];
        let pictures = |size: &str| format!("testsrc2=size={size}:rate=30");
        for (path, size, seconds) in [(&small, "320x180", "6"), (&short, "1920x1080", "10")] {
            let (pictures, sound) = (pictures(size), "sine=sample_rate=48000");
            let inputs = ["-f", "lavfi", "-t", seconds, "-i", &pictures, "-f", "lavfi", "-t", seconds, "-i", sound];
            ffmpeg(&[&inputs[..], &encode[..]].concat(), path).await?;
        }
        let from = short.to_string_lossy().into_owned();
        ffmpeg(&["-stream_loop", "59", "-i", &from, "-c", "copy"], &long).await?;
        Ok(Self { small, short, long, out: work.join("out"), next: AtomicU64::new(0) })
    }

    /// A job as a platform would send it: one file, a ladder of four rungs to one place, with its own words for all of it.
    pub(crate) fn usual(&self) -> v1::CreateJobRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let renditions = ["1080p", "720p", "480p", "360p"].map(rung).to_vec();
        let output = v1::OutputSpec { renditions, ..self.output("ladder", number) };
        let labels = [
            ("tenant", format!("tenant-{}", number % 20)),
            ("batch", format!("batch-{}", number % BATCHES)),
            ("kind", "upload".to_owned()),
        ];
        let spec = v1::JobSpec {
            reference_id: reference(number),
            labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ..spec(&self.long, vec![output])
        };
        request(spec, number)
    }

    /// A job that goes before all others and changes often: one of a second or two, or a `large` one that takes all the
    /// time that there is for a while.
    pub(crate) fn watched(&self, large: bool) -> v1::CreateJobRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (source, sizes) = if large { (&self.short, LARGE) } else { (&self.small, SMALL) };
        let output = |index: usize| v1::OutputSpec {
            renditions: vec![rung(sizes[index % sizes.len()])],
            segment_duration: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
            ..self.output(&format!("part-{index}"), number)
        };
        let spec = spec(source, (0..WATCHED_OUTPUTS).map(output).collect());
        request(v1::JobSpec { priority: v1::Priority::High.into(), ..spec }, number)
    }

    /// A job that goes before all others and takes all the time that there is.
    pub(crate) fn endless(&self) -> v1::CreateJobRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let renditions = ["1080p", "720p", "480p", "360p"].map(rung).to_vec();
        let output = v1::OutputSpec { renditions, ..self.output("ladder", number) };
        request(v1::JobSpec { priority: v1::Priority::High.into(), ..spec(&self.long, vec![output]) }, number)
    }

    fn output(&self, id: &str, number: u64) -> v1::OutputSpec {
        v1::OutputSpec {
            id: id.to_owned(),
            destination: self.out.join(format!("{number:06}/{id}")).to_string_lossy().into_owned(),
            packagings: vec![v1::Packaging::Cmaf.into()],
            ..v1::OutputSpec::default()
        }
    }
}

/// The reference of a job.
pub(crate) fn reference(number: u64) -> String {
    format!("asset-{number:08}")
}

fn rung(size: &str) -> v1::RenditionSpec {
    v1::RenditionSpec { size: size.to_owned(), ..v1::RenditionSpec::default() }
}

fn spec(source: &Path, outputs: Vec<v1::OutputSpec>) -> v1::JobSpec {
    let source = v1::SourceSpec { uri: source.to_string_lossy().into_owned(), ..v1::SourceSpec::default() };
    v1::JobSpec { sources: vec![source], outputs, labels: BTreeMap::new(), ..v1::JobSpec::default() }
}

fn request(spec: v1::JobSpec, number: u64) -> v1::CreateJobRequest {
    v1::CreateJobRequest { job: Some(spec), idempotency_key: format!("bench-{number}") }
}

async fn ffmpeg(arguments: &[&str], path: &Path) -> Outcome<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(path);
    let done =
        command.output().await.map_err(|error| format!("ffmpeg cannot be run ({error}): `make setup` installs it"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned().into()) }
}
