//! Shows a job that is followed: bars on a terminal, lines elsewhere, JSON for machines.

use super::follow::Show;
use super::json::{name_of, written};
use super::show::{ms, problem};
use crate::api::v1;
use crate::api::v1::change::Subject;
use crate::api::v1::watch_job_response::Event;
use crate::cli::print_line;
use crate::cli::tables::plain;
use crate::report::text::{clock, factor};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

/// Milliseconds between two lines of progress where there is no terminal.
const LINE_EVERY_MS: u64 = 5000;

/// The way that fits.
pub(super) fn shower(json: bool) -> Box<dyn Show + Send> {
    if json {
        Box::new(JsonLines)
    } else if io::stderr().is_terminal() {
        Box::new(Bars::default())
    } else {
        Box::new(Lines::default())
    }
}

/// Nothing is shown: only the end counts.
pub(super) struct Silent;

impl Show for Silent {
    fn show(&mut self, _: &v1::WatchJobResponse) {}
}

/// One JSON object a line, on standard output.
struct JsonLines;

impl Show for JsonLines {
    fn show(&mut self, message: &v1::WatchJobResponse) {
        print_line(&written("WatchJobResponse", message).to_string());
    }
}

/// A line for each change, and one of progress each few seconds, on standard error.
#[derive(Default)]
struct Lines {
    /// When progress was shown last, and of which attempt that was: a new one begins at 0.
    shown_ms: Option<u64>,
}

impl Show for Lines {
    fn show(&mut self, message: &v1::WatchJobResponse) {
        let line = match &message.event {
            // Sources are looked at: nothing is being made yet.
            Some(Event::Progress(progress)) if progress.outputs.is_empty() => None,
            Some(Event::Progress(progress)) => {
                let now = ms(progress.elapsed.as_ref());
                let due = self.shown_ms.is_none_or(|shown| now < shown || now >= shown + LINE_EVERY_MS);
                due.then(|| {
                    self.shown_ms = Some(now);
                    summary(progress)
                })
            }
            _ => line(message),
        };
        if let Some(line) = line {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// The line for a stored change.
fn line(message: &v1::WatchJobResponse) -> Option<String> {
    let Some(Event::Change(change)) = &message.event else { return None };
    let what = match change.subject.as_ref()? {
        Subject::Job(state) => format!("job {}", name_of("JobState", *state)),
        Subject::Input(input) => format!("{} {}", input.input_id, name_of("InputState", input.state)),
        Subject::Output(output) if output.playable => format!("{} can be played", output.output_id),
        Subject::Output(output) => format!("{} {}", output.output_id, name_of("OutputState", output.state)),
    };
    let why = change.problem.as_ref().map_or(String::new(), |why| format!(": {}", problem(why)));
    Some(plain(&what) + &why)
}

fn summary(progress: &v1::Progress) -> String {
    let outputs: Vec<_> =
        progress.outputs.iter().map(|output| format!("{} {}", plain(&output.output_id), far(output))).collect();
    format!("{} {}", clock(ms(progress.elapsed.as_ref())), outputs.join("; "))
}

fn far(output: &v1::OutputProgress) -> String {
    let (done, total) = (ms(output.media_done.as_ref()), ms(output.media_total.as_ref()));
    match (done * 100).checked_div(total) {
        Some(percent) => format!("{}%, {}", percent.min(100), pace(output)),
        None => format!("{}, {}", clock(done), pace(output)),
    }
}

fn pace(output: &v1::OutputProgress) -> String {
    let speed = factor(output.speed_percent.into());
    match &output.eta {
        Some(eta) => format!("{speed}, {} left", clock(ms(Some(eta)))),
        None => speed,
    }
}

/// A bar for each output, on the terminal behind standard error.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
}

impl Show for Bars {
    fn show(&mut self, message: &v1::WatchJobResponse) {
        if let Some(Event::Progress(progress)) = &message.event {
            for output in &progress.outputs {
                let (all, id) = (&self.all, &output.output_id);
                let bar = self.bars.entry(id.clone()).or_insert_with(|| new_bar(all, id));
                let total = ms(output.media_total.as_ref());
                let done = ms(output.media_done.as_ref());
                bar.set_length(total.max(done).max(1));
                bar.set_position(done);
                bar.set_message(pace(output));
            }
        }
        if let Some(line) = line(message) {
            let _ = self.all.println(line);
        }
    }

    fn end(&mut self) {
        for bar in self.bars.values() {
            bar.abandon();
        }
    }
}

fn new_bar(all: &MultiProgress, id: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:<12} {bar:32} {percent:>3}%  {msg}");
    let bar = ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(plain(id));
    all.add(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: Subject, problem: Option<v1::Problem>) -> v1::WatchJobResponse {
        let change = v1::Change { revision: 7, time: None, subject: Some(subject), problem };
        v1::WatchJobResponse { event: Some(Event::Change(change)), last: false }
    }

    #[test]
    fn each_change_is_a_line() {
        let failed = v1::Problem {
            fault: 1,
            code: "source.empty".into(),
            message: "it is empty\u{1b}[2J".into(),
            field: "sources[0]".into(),
        };
        let output = |playable| Subject::Output(v1::OutputChange { output_id: "output-1".into(), state: 3, playable });
        assert_eq!(line(&change(Subject::Job(3), None)).unwrap(), "job running");
        assert_eq!(line(&change(output(false), None)).unwrap(), "output-1 finishing");
        assert_eq!(line(&change(output(true), None)).unwrap(), "output-1 can be played");
        let input = Subject::Input(v1::InputChange { input_id: "a".into(), state: 4 });
        assert_eq!(line(&change(input, Some(failed))).unwrap(), "a failed: sources[0]: it is empty [2J [source.empty]");
        assert_eq!(line(&v1::WatchJobResponse::default()), None);
    }

    #[test]
    fn progress_says_how_far_how_fast_and_how_long_still() {
        let length = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let output = v1::OutputProgress {
            output_id: "output-1".into(),
            media_done: length(10),
            media_total: length(40),
            speed_percent: 200,
            eta: length(15),
            ..v1::OutputProgress::default()
        };
        let progress = v1::Progress { elapsed: length(5), outputs: vec![output.clone()], ..v1::Progress::default() };
        assert_eq!(summary(&progress), "0:05 output-1 25%, 2.00x, 0:15 left");
        assert_eq!(far(&v1::OutputProgress { media_total: None, eta: None, ..output }), "0:10, 2.00x");
    }
}
