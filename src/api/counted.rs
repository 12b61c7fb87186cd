//! Calls as metrics tell of them: by method, as far as there is such a method, and by status.

use super::v1;
use crate::report::metrics::{Metrics, Refusal};
use axum::response::Response;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::collections::BTreeSet;
use std::time::Duration;
use tonic::Code;

/// Counts calls.
#[derive(Debug)]
pub(super) struct Counted {
    metrics: Metrics,
    /// `JobService/GetJob`, of every method that there is.
    methods: BTreeSet<String>,
}

impl Counted {
    pub(super) fn new(metrics: Metrics) -> Self {
        // What cannot be read has no methods: then all calls are others.
        let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap_or_default().file;
        let services = files.iter().flat_map(|file| &file.service);
        let of = |service: &prost_types::ServiceDescriptorProto| {
            let name = |method: &prost_types::MethodDescriptorProto| format!("{}/{}", service.name(), method.name());
            service.method.iter().map(name).collect::<Vec<_>>()
        };
        Self { metrics, methods: services.flat_map(of).collect() }
    }

    /// The label of a path `/reelmill.v1.JobService/GetJob`. Clients may ask for any path, so others have one name.
    fn method(&self, path: &str) -> &str {
        let name = path.strip_prefix("/reelmill.v1.").and_then(|name| self.methods.get(name));
        name.map_or("other", String::as_str)
    }

    /// A call was answered. Its status stands in front only when there is nothing behind it: else it went well, or is a
    /// stream that has begun.
    pub(super) fn answered(&self, path: &str, response: &Response, took: Duration) {
        let told = response.headers().get("grpc-status");
        let code = told.map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
        self.metrics.api_call(self.method(path), name(code), took);
    }

    /// A call was refused for want of room.
    pub(super) fn refused(&self) {
        self.metrics.refused("calls.in_flight", Refusal::Refused);
    }
}

const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_there_are_have_names() {
        let counted = Counted::new(Metrics::default());
        assert_eq!(counted.method("/reelmill.v1.JobService/GetJob"), "JobService/GetJob");
        assert!(counted.methods.len() > 10, "{:?}", counted.methods);
        for path in ["/reelmill.v1.JobService/Nothing", "/", "", "/a/b", "/reelmill.v1./"] {
            assert_eq!(counted.method(path), "other", "{path}");
        }
    }
}
