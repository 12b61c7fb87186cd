//! What happens to a job, as the API tells it.

use super::time::{micros, millis, timestamp};
use super::usage::job_usage;
use super::{Wire, problem};
use crate::api::v1;
use crate::model::JobRecord;
use crate::model::job::{Change, Subject};
use crate::report::{JobProgress, OutputProgress};

/// Ids of the sources and outputs of a job, by which changes name them.
#[derive(Clone, Debug)]
pub(in crate::api) struct Names {
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Names {
    /// Those of this job.
    pub(in crate::api) fn of(record: &JobRecord) -> Self {
        Self {
            inputs: record.spec.sources.iter().map(|source| source.id.clone()).collect(),
            outputs: record.spec.outputs.iter().map(|output| output.id.clone()).collect(),
        }
    }

    fn input(&self, index: usize) -> String {
        self.inputs.get(index).cloned().unwrap_or_default()
    }

    fn output(&self, index: usize) -> String {
        self.outputs.get(index).cloned().unwrap_or_default()
    }
}

/// A stored change.
pub(in crate::api) fn change(change: &Change, names: &Names) -> v1::Change {
    use v1::change::Subject as Told;
    let subject = match &change.subject {
        Subject::Job(state) => Told::Job(state.proto().into()),
        Subject::Input(index, state) => {
            Told::Input(v1::InputChange { input_id: names.input(*index), state: state.proto().into() })
        }
        Subject::Output(index, state) => Told::Output(v1::OutputChange {
            output_id: names.output(*index),
            state: state.proto().into(),
            playable: false,
        }),
        Subject::Playable(index, state) => Told::Output(v1::OutputChange {
            output_id: names.output(*index),
            state: state.proto().into(),
            playable: true,
        }),
    };
    v1::Change {
        revision: change.revision,
        time: Some(timestamp(change.unix_ms)),
        subject: Some(subject),
        problem: change.problem.as_ref().map(problem),
    }
}

/// How far a job is.
pub(in crate::api) fn progress(progress: &JobProgress, names: &Names) -> v1::Progress {
    v1::Progress {
        elapsed: Some(millis(progress.elapsed_ms)),
        read_bytes: progress.read_bytes.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes)),
        decode_errors: progress.decode_errors,
        outputs: progress.outputs.iter().map(|one| output(one, names)).collect(),
        usage: progress.usage.as_ref().map(job_usage),
    }
}

fn output(progress: &OutputProgress, names: &Names) -> v1::OutputProgress {
    v1::OutputProgress {
        output_id: names.output(progress.output),
        media_done: Some(micros(progress.media_done_us)),
        media_published: Some(micros(progress.media_published_us)),
        media_total: Some(micros(progress.total_us.unwrap_or_default())),
        speed_percent: u32::try_from(progress.speed_percent).unwrap_or(u32::MAX),
        eta: progress.eta_ms.map(millis),
        uploaded_bytes: progress.uploaded_bytes,
    }
}
