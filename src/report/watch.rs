//! Shows a job to whoever started it: bars on a terminal, lines elsewhere, JSON for machines.

use super::text::{Teller, clock, factor};
use super::{JobEvent, Progress, TrackProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Milliseconds between two lines of progress where there is no terminal.
const LINE_EVERY_MS: u64 = 5000;

/// Somebody who is shown what happens.
pub trait Watcher: Send {
    /// Shows one event. One that cannot be shown (a closed pipe) is no reason to end the job.
    fn show(&mut self, event: &JobEvent);

    /// The job is over: leaves the terminal as it was.
    fn end(&mut self) {}
}

/// One JSON object a line, on standard output.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Watcher for JsonLines {
    fn show(&mut self, event: &JobEvent) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let mut out = io::stdout().lock();
            let _ = out.write_all(&line).and_then(|()| out.flush());
        }
    }
}

/// A line each few seconds, on standard error.
#[derive(Debug, Default)]
pub struct PlainLines {
    teller: Teller,
    shown_ms: u64,
}

impl Watcher for PlainLines {
    fn show(&mut self, event: &JobEvent) {
        let line = match event {
            JobEvent::Progress(progress) if progress.elapsed_ms >= self.shown_ms + LINE_EVERY_MS => {
                self.shown_ms = progress.elapsed_ms;
                Some(summary(progress))
            }
            _ => self.teller.line(event),
        };
        if let Some(line) = line {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// How far, how fast, how long still; then each rendition.
fn summary(progress: &Progress) -> String {
    let tracks: Vec<_> = progress.tracks.iter().map(|track| track_line(track, progress.total_us)).collect();
    format!("{} {}: {}", clock(progress.elapsed_ms), pace(progress.speed_percent, progress.eta_ms), tracks.join(", "))
}

fn track_line(track: &TrackProgress, total_us: Option<i64>) -> String {
    match total_us {
        Some(total) if total > 0 => {
            let percent = i128::from(track.media_us) * 100 / i128::from(total);
            format!("{} {}%", track.track, percent.clamp(0, 100))
        }
        _ => format!("{} {}", track.track, clock(track.media_us.max(0) as u64 / 1000)),
    }
}

fn pace(speed_percent: u64, eta_ms: Option<u64>) -> String {
    match eta_ms {
        Some(eta) => format!("{}, {} left", factor(speed_percent), clock(eta)),
        None => factor(speed_percent),
    }
}

/// A bar for each rendition, on the terminal behind standard error.
#[derive(Debug, Default)]
pub struct Bars {
    teller: Teller,
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
}

impl Watcher for Bars {
    fn show(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Planned { plan } => {
                let rungs = plan.video.iter().flat_map(|video| video.renditions.iter().map(|rung| rung.id.as_str()));
                let text = plan.text.iter().map(|text| text.id.as_str());
                for track in rungs.chain(plan.audio.iter().map(|audio| audio.id.as_str())).chain(text) {
                    let bar = self.all.add(new_bar(plan.duration_us));
                    bar.set_prefix(track.to_owned());
                    self.bars.insert(track.to_owned(), bar);
                }
            }
            JobEvent::Progress(progress) => {
                for track in &progress.tracks {
                    if let Some(bar) = self.bars.get(&track.track) {
                        bar.set_position(track.media_us.max(0) as u64 / 1000);
                        bar.set_message(bar_message(track, progress));
                    }
                }
            }
            JobEvent::Done(_) => {
                for bar in self.bars.values() {
                    bar.set_position(bar.length().unwrap_or_else(|| bar.position()));
                }
            }
            _ => {}
        }
        if let Some(line) = self.teller.line(event) {
            let _ = self.all.println(line);
        }
    }

    fn end(&mut self) {
        for bar in self.bars.values() {
            bar.abandon();
        }
    }
}

fn bar_message(track: &TrackProgress, progress: &Progress) -> String {
    let elapsed_ms = progress.elapsed_ms.max(1);
    let behind_us = track.media_us.max(0) as u64;
    let rest_us = progress.total_us.map(|total| (total.max(0) as u64).saturating_sub(behind_us));
    let eta = rest_us.filter(|_| behind_us > 0).map(|rest| rest.saturating_mul(elapsed_ms) / behind_us);
    let speed = behind_us / (elapsed_ms * 10);
    format!("{} frames  {}", track.frames, pace(speed, eta))
}

fn new_bar(duration_us: Option<i64>) -> ProgressBar {
    match duration_us {
        Some(duration) if duration > 0 => {
            ProgressBar::new(duration as u64 / 1000).with_style(style("{prefix:<12} {bar:32} {percent:>3}%  {msg}"))
        }
        _ => ProgressBar::new_spinner().with_style(style("{prefix:<12} {spinner}  {msg}")),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let track = |name: &str, media_us| TrackProgress { track: name.into(), frames: 250, media_us };
        Progress {
            elapsed_ms: 5000,
            speed_percent: 200,
            eta_ms: Some(15_000),
            total_us: Some(40_000_000),
            decode_errors: 0,
            tracks: vec![track("720p", 10_000_000), track("audio-1", 40_000_000)],
        }
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        assert_eq!(summary(&progress()), "0:05 2.00x, 0:15 left: 720p 25%, audio-1 100%");
        let unknown = Progress { total_us: None, eta_ms: None, ..progress() };
        assert_eq!(summary(&unknown), "0:05 2.00x: 720p 0:10, audio-1 0:40");
    }

    #[test]
    fn each_bar_has_its_own_pace() {
        let progress = progress();
        assert_eq!(bar_message(&progress.tracks[0], &progress), "250 frames  2.00x, 0:15 left");
        assert_eq!(bar_message(&progress.tracks[1], &progress), "250 frames  8.00x, 0:00 left");
    }
}
