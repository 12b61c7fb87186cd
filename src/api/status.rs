//! Problems as gRPC says them: one table from fault and code to status, details that programs read.

use crate::model::{Fault, Problem};
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "reelmill";
/// Most bytes of violations in one answer. They travel in a header, in base64, and common clients take 8 KiB of headers.
const VIOLATION_BYTES_MAX: usize = 4096;
/// Longest sentence, bytes; longer ones quote something long from the request.
const SENTENCE_BYTES_MAX: usize = 400;
/// Longest path of a field, bytes.
const FIELD_BYTES_MAX: usize = 200;

/// The status of a problem; codes first, then faults. SPECIFICATION, "gRPC status", shows this table.
pub(super) fn code(fault: Fault, code: &str) -> Code {
    match code {
        "job.not_found" | "source.not_found" => Code::NotFound,
        "job.not_over" | "job.nothing_to_retry" => Code::FailedPrecondition,
        "request.key_reused" => Code::AlreadyExists,
        "request.message_size" => Code::ResourceExhausted,
        "auth.missing" | "auth.unknown" => Code::Unauthenticated,
        "auth.not_allowed" => Code::PermissionDenied,
        "job.changed" => Code::Aborted,
        "node.closing" => Code::Unavailable,
        "node.deadline" => Code::DeadlineExceeded,
        _ => match fault {
            // The request is well-formed; what it names cannot be used.
            Fault::Input if code.starts_with("source.") => Code::FailedPrecondition,
            Fault::Input => Code::InvalidArgument,
            Fault::Capacity => Code::ResourceExhausted,
            Fault::Device | Fault::Bug => Code::Internal,
            Fault::Sink => Code::Unavailable,
            Fault::Cancelled => Code::Cancelled,
        },
    }
}

/// One problem as a status.
pub(super) fn status(problem: &Problem) -> Status {
    refused(std::slice::from_ref(problem))
}

/// Everything that is wrong with a request as one status. The first problem decides the status and is its sentence.
pub(super) fn refused(problems: &[Problem]) -> Status {
    let Some(first) = problems.first() else {
        return Status::internal("something failed and did not say what; this is an error of Reelmill");
    };
    let mut room = VIOLATION_BYTES_MAX;
    let mut violations = Vec::new();
    for problem in problems.iter().filter(|problem| !problem.field.is_empty()) {
        let violation = FieldViolation {
            field: shortened(&problem.field, FIELD_BYTES_MAX),
            description: shortened(&problem.message, SENTENCE_BYTES_MAX),
            reason: problem.code.clone(),
            localized_message: None,
        };
        // Eight bytes of tags and lengths.
        let size = violation.field.len() + violation.description.len() + violation.reason.len() + 8;
        let Some(rest) = room.checked_sub(size) else { break };
        room = rest;
        violations.push(violation);
    }
    let mut message = shortened(&first.message, SENTENCE_BYTES_MAX);
    if !first.field.is_empty() {
        message = format!("{}: {message}", shortened(&first.field, FIELD_BYTES_MAX));
    }
    let told = violations.len().max(1);
    match (problems.len() - 1, problems.len() - told) {
        (0, _) => {}
        (more, 0) => message.push_str(&format!(" (and {more} more, see the details)")),
        (more, untold) => message.push_str(&format!(" (and {more} more, {untold} of which did not fit in here)")),
    }
    let metadata = HashMap::from([("fault".to_owned(), first.fault.name().to_owned())]);
    let mut details = ErrorDetails::with_error_info(first.code.clone(), DOMAIN, metadata);
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    Status::with_error_details(code(first.fault, &first.code), message, details)
}

fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    // The end is kept, since it says what to do.
    let half = bytes_max / 2;
    let head = (0..=half).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tail = (text.len() - half..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("{}…{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_long_problems_stay_below_what_headers_take() {
        let problem = |i| Problem::input("request.id", "ü".repeat(9000)).at(format!("job.outputs[{i}].id"));
        let problems: Vec<_> = (0..1000).map(problem).collect();
        let status = refused(&problems);
        assert!(status.details().len() < 5200 && status.message().len() < 700, "{}", status.details().len());
        assert!(status.message().ends_with("(and 999 more, 991 of which did not fit in here)"), "{}", status.message());
        assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 9);
    }

    #[test]
    fn the_specification_shows_the_table() {
        let text = std::fs::read_to_string("docs/SPECIFICATION.md").unwrap();
        let section = text.split("\n## gRPC status\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let mut rows = 0;
        for row in section.lines().filter(|row| row.starts_with("| ") && !row.starts_with("| what")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let wanted = format!("{:?}", code_of_row(cells[1]));
            let shown: String =
                cells[2].split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase()).collect();
            assert_eq!(shown, wanted, "{row}");
            rows += 1;
        }
        assert!(rows > 15, "{rows} rows");
    }

    fn code_of_row(what: &str) -> Code {
        let quoted: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
        let fault = Fault::from_name(what.split([',', ' ']).next().unwrap());
        let codes: Vec<Code> = quoted.iter().map(|name| code(fault, &name.replace('*', "x"))).collect();
        assert!(codes.windows(2).all(|pair| pair[0] == pair[1]), "{what}");
        codes.first().copied().unwrap_or_else(|| code(fault, "any.other"))
    }
}
