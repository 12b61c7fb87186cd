//! Refusals of a daemon, turned back into the problems that it told.

use crate::api::v1;
use crate::model::{Fault, Problem};
use std::error::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Who speaks in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "reelmill";

/// Every problem that a status tells: each field that is wrong, or else the one reason. At least one.
pub(super) fn problems(status: &Status, endpoint: &str) -> Vec<Problem> {
    let details = status.get_error_details();
    let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) else {
        return vec![foreign(status, endpoint)];
    };
    let fault = info.metadata.get("fault").map_or_else(|| fault_of(status.code()), |name| Fault::from_name(name));
    let whole = Problem::new(fault, &info.reason, status.message());
    let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    let one = |violation: &tonic_types::FieldViolation| {
        let code = if violation.reason.is_empty() { &info.reason } else { &violation.reason };
        Problem::new(fault, code, violation.description.clone()).at(&violation.field)
    };
    if violations.is_empty() { vec![whole] } else { violations.iter().map(one).collect() }
}

/// What a status means that was not made by the daemon's own hand: by its library, a proxy, or the way to it.
fn foreign(status: &Status, endpoint: &str) -> Problem {
    if let Some(cause) = status.source() {
        return lost(endpoint, &root_cause(cause));
    }
    if status.code() == Code::Unavailable {
        return lost(endpoint, status.message());
    }
    let message = match status.code() {
        Code::Unauthenticated => {
            format!("the daemon at {endpoint} wants a valid token: give one with --token-file or REELMILL_TOKEN")
        }
        code => format!("the daemon at {endpoint} refuses: {} ({code:?})", status.message()),
    };
    Problem::new(fault_of(status.code()), "client.refused", message)
}

/// The innermost error, which is the one that says something.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The connection is gone.
pub(super) fn lost(endpoint: &str, what: &str) -> Problem {
    let message = format!("the connection to the daemon at {endpoint} broke ({what}): try again");
    Problem::sink("client.lost", message)
}

const fn fault_of(code: Code) -> Fault {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::Unimplemented => Fault::Input,
        Code::ResourceExhausted => Fault::Capacity,
        Code::Unavailable | Code::DeadlineExceeded => Fault::Sink,
        Code::Cancelled | Code::Aborted => Fault::Cancelled,
        _ => Fault::Bug,
    }
}

/// A problem of a message.
pub(super) fn of_message(problem: &v1::Problem) -> Problem {
    let fault = match problem.fault() {
        v1::Fault::Input => Fault::Input,
        v1::Fault::Capacity => Fault::Capacity,
        v1::Fault::Device => Fault::Device,
        v1::Fault::Sink => Fault::Sink,
        v1::Fault::Cancelled => Fault::Cancelled,
        v1::Fault::Bug | v1::Fault::Unspecified => Fault::Bug,
    };
    Problem { field: problem.field.clone(), ..Problem::new(fault, &problem.code, problem.message.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::{ErrorDetails, FieldViolation};

    #[test]
    fn every_field_is_told_with_its_own_code() {
        let mut details = ErrorDetails::new();
        details.set_error_info("request.output", DOMAIN, [("fault".to_owned(), "input".to_owned())]);
        details.add_bad_request_violation("outputs[0].spans", "too many");
        let mut violation = FieldViolation::new("sources[0].uri", "not a path");
        violation.reason = "request.locator".into();
        let mut bad = details.bad_request().cloned().unwrap();
        bad.field_violations.push(violation);
        details.set_bad_request(bad.field_violations);
        let status = Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details);
        let told: Vec<_> = problems(&status, "x").into_iter().map(|p| (p.fault, p.code, p.message, p.field)).collect();
        let row = |code: &str, message: &str, field: &str| (Fault::Input, code.into(), message.into(), field.into());
        let expected = [
            row("request.output", "too many", "outputs[0].spans"),
            row("request.locator", "not a path", "sources[0].uri"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_fault_of_the_daemon_counts_and_else_that_of_the_status() {
        let with = |code, metadata: &[(String, String)]| {
            let details =
                ErrorDetails::with_error_info("job.x", DOMAIN, metadata.iter().cloned().collect::<HashMap<_, _>>());
            problems(&Status::with_error_details(code, "m", details), "x").remove(0).fault
        };
        assert_eq!(with(Code::Internal, &[("fault".into(), "device".into())]), Fault::Device);
        assert_eq!(with(Code::ResourceExhausted, &[]), Fault::Capacity);
        let plain = |code| problems(&Status::new(code, "m"), "http://h").remove(0);
        assert_eq!((plain(Code::Unavailable).code, plain(Code::Unknown).fault), ("client.lost".into(), Fault::Bug));
        assert!(plain(Code::Unauthenticated).message.contains("--token-file"));
        assert_eq!(plain(Code::Unimplemented).code, "client.refused");
    }
}
