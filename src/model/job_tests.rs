//! Records of jobs: ids, what the table lets happen, and what is told of it.

use super::testing::record;
use super::*;
use crate::model::Fault;

#[test]
fn ids_sort_by_creation_and_are_written_in_one_way() {
    let (first, second) = (JobId::new(), JobId::new());
    assert!(first.number() >> 80 <= second.number() >> 80);
    assert_eq!(first.to_string().parse(), Ok(first));
    for text in ["", "0", "ABCDEF00000000000000000000000000", "+0000000000000000000000000000000", "../etc/passwd"] {
        assert_eq!(text.parse::<JobId>().unwrap_err().code, "job.not_found", "{text}");
    }
}

#[test]
fn what_the_table_does_not_have_changes_nothing() {
    let mut job = record(1);
    let before = job.clone();
    assert!(!job.job(JobEvent::Succeed, 5, None) && !job.output(0, OutputEvent::Publish, 5, None));
    assert!(!job.output(7, OutputEvent::Begin, 5, None) && !job.input(7, InputEvent::Check, 5, None));
    assert_eq!(job, before);
}

#[test]
fn the_end_follows_from_the_outputs() {
    let problem = || Some(Problem::new(Fault::Sink, "output.full", "no room"));
    let end = |events: &[(usize, OutputEvent)]| {
        let mut job = record(2);
        for (output, event) in events {
            assert!(job.output(*output, *event, 1, problem()), "{event:?}");
        }
        job.ending()
    };
    use OutputEvent::{Begin, Encoded, EndStopped, Fail, Publish, Skip, Stop};
    let ready = [(0, Begin), (0, Encoded), (0, Publish)];
    assert_eq!(end(&[&ready[..], &[(1, Skip)]].concat()), JobEvent::Succeed);
    assert_eq!(end(&[&ready[..], &[(1, Fail)]].concat()), JobEvent::SucceedInPart);
    assert_eq!(end(&[&ready[..], &[(1, Stop), (1, EndStopped)]].concat()), JobEvent::Succeed);
    assert_eq!(end(&[(0, Fail), (1, Stop), (1, EndStopped)]), JobEvent::Fail);
    assert_eq!(end(&[(0, Stop), (0, EndStopped), (1, Stop), (1, EndStopped)]), JobEvent::EndStopped);
}

#[test]
fn changes_are_told_once_with_their_reasons_and_a_retry_clears_the_end() {
    let mut job = record(1);
    assert_eq!(job.take_changes().len(), 1);
    job.job(JobEvent::Begin, 10, None);
    let problem = Problem::input("source.empty", "empty");
    job.output(0, OutputEvent::Fail, 11, Some(problem.clone()));
    job.job(JobEvent::Fail, 12, Some(problem.clone()));
    let changes = job.take_changes();
    assert_eq!(
        changes.last().map(|change| (&change.subject, &change.problem)),
        Some((&Subject::Job(JobState::Failed), &Some(problem)))
    );
    assert!(job.pending().is_empty());
    assert_eq!(job.expires_unix_ms(), Some(60_012));
    assert!(job.job(JobEvent::Retry, 20, None) && job.output(0, OutputEvent::Retry, 20, None));
    assert_eq!((job.expires_unix_ms(), &job.problem, &job.outputs[0].problem), (None, &None, &None));
}
