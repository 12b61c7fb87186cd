//! Every documented state is reached, each change is told, and at every moment the parts of a job agree with each other.

use crate::daemon::{Daemon, changes, end_of, get, is_over, job, job_that, output, stop, submit};
use crate::media::clip;
use reelmill::api::v1;
use reelmill::api::v1::change::Subject;
use reelmill::api::v1::job_service_client::JobServiceClient;
use reelmill::api::v1::{InputState, JobState, OutputState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};
use tonic::transport::Channel;

/// What changes say: the states of a job, of its inputs and of its outputs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Standing {
    job: Option<JobState>,
    inputs: BTreeMap<String, InputState>,
    outputs: BTreeMap<String, OutputState>,
}

impl Standing {
    fn of_changes<'a>(changes: impl Iterator<Item = &'a v1::Change>) -> Self {
        let mut standing = Self::default();
        for change in changes {
            match change.subject.as_ref().unwrap() {
                Subject::Job(state) => standing.job = Some(JobState::try_from(*state).unwrap()),
                Subject::Input(input) => drop(standing.inputs.insert(input.input_id.clone(), input.state())),
                Subject::Output(output) => drop(standing.outputs.insert(output.output_id.clone(), output.state())),
            }
        }
        standing
    }

    /// What is still as it was at the start has had no change.
    fn of_job(job: &v1::Job, told: &Self) -> Self {
        let changed = |(_, state): &(String, InputState)| *state != InputState::Pending;
        let inputs = job.inputs.iter().map(|input| (input.id.clone(), input.state()));
        let outputs = job.outputs.iter().map(|output| (output.id.clone(), output.state()));
        Self {
            job: Some(job.state()),
            inputs: inputs.filter(|input| changed(input) || told.inputs.contains_key(&input.0)).collect(),
            outputs: outputs
                .filter(|(id, state)| *state != OutputState::Pending || told.outputs.contains_key(id))
                .collect(),
        }
    }
}

/// What must be true of a job at every revision.
pub(crate) fn check_sums(job: &v1::Job) {
    let count = |state: OutputState| job.outputs.iter().filter(|output| output.state() == state).count() as u32;
    let counts = [job.outputs_ready, job.outputs_skipped, job.outputs_failed, job.outputs_stopped];
    let states = [OutputState::Ready, OutputState::Skipped, OutputState::Failed, OutputState::Stopped];
    assert_eq!(counts, states.map(count), "{job:?}");
    assert_eq!(job.outputs_total as usize, job.outputs.len());
    assert!(job.checks_passed <= job.checks_total, "{job:?}");
    assert_eq!(job.checks_total as usize, job.inputs.len() + job.outputs.len());
    let over = counts.iter().sum::<u32>() == job.outputs_total;
    assert!(over || !is_over(job.state()), "the job is over before its outputs: {job:?}");
    let said =
        |problem: &Option<v1::Problem>| problem.as_ref().is_some_and(|p| !p.code.is_empty() && !p.message.is_empty());
    for output in &job.outputs {
        if matches!(output.state(), OutputState::Failed | OutputState::Stopped | OutputState::Stopping) {
            assert!(said(&output.problem), "{} is {:?} without a reason: {job:?}", output.id, output.state());
        }
        assert_eq!(output.end_time.is_some(), states.contains(&output.state()), "{output:?}");
    }
    if matches!(job.state(), JobState::Failed | JobState::Stopped | JobState::Partial) {
        assert!(said(&job.problem), "the job is {:?} without a reason: {job:?}", job.state());
    }
    for input in job.inputs.iter().filter(|input| input.state() == InputState::Failed) {
        assert!(said(&input.problem), "{job:?}");
    }
    assert_eq!(job.end_time.is_some(), is_over(job.state()));
}

/// Looks at a job again and again until it is over, and checks what it sees.
async fn follow(client: &mut JobServiceClient<Channel>, id: &str) -> v1::Job {
    let mut seen: Vec<v1::Job> = Vec::new();
    let ended = job_that(client, id, |job| {
        check_sums(job);
        if seen.last().is_none_or(|last| last.revision != job.revision) {
            seen.push(job.clone());
        }
        is_over(job.state())
    })
    .await;
    let changes = changes(client, id).await;
    for job in seen {
        let told = Standing::of_changes(changes.iter().filter(|change| change.revision <= job.revision));
        assert_eq!(Standing::of_job(&job, &told), told, "at revision {}", job.revision);
    }
    assert!(changes.windows(2).all(|pair| pair[0].revision < pair[1].revision), "{changes:?}");
    ended
}

fn soon(seconds: u64) -> prost_types::Timestamp {
    (SystemTime::now() + Duration::from_secs(seconds)).into()
}

#[tokio::test]
async fn every_state_is_reached_with_sums_that_hold_and_reasons() {
    let daemon = Daemon::start().await;
    let source = daemon.path("in.mp4");
    clip(&source, 3);
    let path = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let mut client = daemon.jobs().await;

    let later = v1::JobSpec { start_time: Some(soon(3600)), ..job(&source, &daemon.path("later")) };
    let later = submit(&mut client, later).await;
    let waiting = get(&mut client, &later).await;
    assert_eq!((waiting.inputs[0].state(), waiting.outputs[0].state()), (InputState::Pending, OutputState::Pending));
    assert_eq!(waiting.state(), JobState::Queued);

    let first = submit(&mut client, job(&source, &daemon.path("first"))).await;
    assert_eq!(follow(&mut client, &first).await.state(), JobState::Succeeded);

    let mut good = job(&source, &daemon.path("good"));
    good.outputs.push(v1::OutputSpec { if_exists: v1::IfExists::Skip.into(), ..output(&path("first"), &["90p"]) });
    let good = submit(&mut client, good).await;

    let mut partial = job(&source, &daemon.path("partial"));
    // Below a file nothing can be made.
    partial.outputs.push(output(&path("in.mp4/out"), &["90p"]));
    partial.retry = Some(v1::RetryPolicy { attempts_max: 1, ..v1::RetryPolicy::default() });
    let partial = submit(&mut client, partial).await;

    let failed = submit(&mut client, job(&daemon.path("absent.mp4"), &daemon.path("failed"))).await;

    let good = follow(&mut client, &good).await;
    let states: Vec<_> = good.outputs.iter().map(v1::Output::state).collect();
    assert_eq!((good.state(), states), (JobState::Succeeded, vec![OutputState::Ready, OutputState::Skipped]));
    let partial = follow(&mut client, &partial).await;
    let states: Vec<_> = partial.outputs.iter().map(v1::Output::state).collect();
    assert_eq!((partial.state(), states), (JobState::Partial, vec![OutputState::Ready, OutputState::Failed]));
    let failed = follow(&mut client, &failed).await;
    assert_eq!((failed.state(), failed.inputs[0].state()), (JobState::Failed, InputState::Failed));

    let stopping = submit(&mut client, job(&source, &daemon.path("stopping"))).await;
    job_that(&mut client, &stopping, |job| job.outputs[0].state() == OutputState::Running).await;
    stop(&mut client, &[&stopping, &later]).await;
    assert_eq!(follow(&mut client, &stopping).await.state(), JobState::Stopped);
    let later = end_of(&mut client, &later).await;
    assert_eq!((later.state(), later.inputs[0].state()), (JobState::Stopped, InputState::Stopped));
    check_sums(&later);

    let mut reached: (BTreeSet<_>, BTreeSet<_>, BTreeSet<_>) = Default::default();
    reached.1.insert(InputState::Pending.as_str_name());
    reached.2.insert(OutputState::Pending.as_str_name());
    for id in [&good.id, &partial.id, &failed.id, &stopping, &later.id] {
        for change in changes(&mut client, id).await {
            match change.subject.unwrap() {
                Subject::Job(state) => reached.0.insert(JobState::try_from(state).unwrap().as_str_name()),
                Subject::Input(input) => reached.1.insert(input.state().as_str_name()),
                Subject::Output(output) => reached.2.insert(output.state().as_str_name()),
            };
        }
    }
    use reelmill::model::state;
    let missing = |prefix: &str, all: Vec<&str>, reached: &BTreeSet<&str>| {
        let name = |state: &str| format!("{prefix}_{}", state.to_uppercase());
        all.into_iter().map(name).filter(|name| !reached.contains(name.as_str())).collect::<Vec<_>>()
    };
    let jobs = state::JobState::ALL.iter().map(|state| state.as_str()).collect();
    let inputs = state::InputState::ALL.iter().map(|state| state.as_str()).collect();
    let outputs = state::OutputState::ALL.iter().map(|state| state.as_str()).collect();
    assert!(missing("JOB_STATE", jobs, &reached.0).is_empty(), "{reached:?}");
    assert!(missing("INPUT_STATE", inputs, &reached.1).is_empty(), "{reached:?}");
    assert!(missing("OUTPUT_STATE", outputs, &reached.2).is_empty(), "{reached:?}");
}
