"""Submits a job with two outputs, follows it to its end, and prints what there is to play.

    submit_and_watch.py IN OUT KEY

REELMILL_ENDPOINT names the daemon (http://127.0.0.1:7443 when it is not set), REELMILL_TOKEN holds the token where one
is needed. KEY is the idempotency key: whoever repeats the command follows the same job.
"""

import os
import sys
import time
from urllib.parse import urlsplit

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from reelmill.v1 import job_pb2, job_service_pb2, media_pb2, spec_pb2
from reelmill.v1.job_service_pb2_grpc import JobServiceStub

# Failures in a row after which nothing is tried any more; with the pauses between them, this is about 50 s.
FAILURES_MAX = 8
# The first pause, seconds. Each further one is twice as long.
PAUSE_FIRST = 0.2
MAY_PASS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Details:
    """What an error of the API tells beside its code and its sentence; empty for errors that are not the daemon's."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.info = error_details_pb2.ErrorInfo()
        self.bad_request = error_details_pb2.BadRequest()
        status: status_pb2.Status | None = rpc_status.from_call(error)
        for detail in status.details if status else ():
            # Unpack leaves alone what is of another type.
            detail.Unpack(self.info)
            detail.Unpack(self.bad_request)


class Patience:
    """How long to wait after how many failures in a row."""

    def __init__(self) -> None:
        self.failures = 0

    def wait(self, error: grpc.RpcError) -> None:
        """Waits after a failure that may pass; raises every other one, and one too many."""
        too_large = Details(error).info.reason == "request.message_size"
        if error.code() not in MAY_PASS or too_large or self.failures == FAILURES_MAX:
            raise error
        print(f"{error.code().name}: {error.details()}; trying again", file=sys.stderr)
        time.sleep(PAUSE_FIRST * 2**self.failures)
        self.failures += 1


class Jobs:
    """The calls to a daemon that this program makes."""

    def __init__(self, endpoint: str, token: str | None) -> None:
        url = urlsplit(endpoint)
        options = [("grpc.keepalive_time_ms", 15_000)]
        if url.scheme == "https":
            channel = grpc.secure_channel(url.netloc, grpc.ssl_channel_credentials(), options)
        else:
            channel = grpc.insecure_channel(url.netloc, options)
        self.stub = JobServiceStub(channel)
        self.metadata = [("authorization", f"Bearer {token}")] if token else []

    def create(self, request: job_service_pb2.CreateJobRequest) -> job_service_pb2.CreateJobResponse:
        """Hands the job in. With its idempotency key this may be repeated without fear that two jobs are made."""
        patience = Patience()
        while True:
            try:
                return self.stub.CreateJob(request, metadata=self.metadata)
            except grpc.RpcError as error:
                patience.wait(error)

    def watch(self, job_id: str) -> None:
        """Follows a job to its end. A stream that breaks off is taken up again after the last change received."""
        patience = Patience()
        revision = 0
        while True:
            request = job_service_pb2.WatchJobRequest(id=job_id, after_revision=revision)
            try:
                for message in self.stub.WatchJob(request, metadata=self.metadata):
                    patience = Patience()
                    if message.HasField("change"):
                        revision = message.change.revision
                        print_change(message.change)
                    elif message.HasField("progress"):
                        print_progress(message.progress)
                    if message.last:
                        return
            except grpc.RpcError as error:
                patience.wait(error)

    def get(self, job_id: str) -> job_pb2.Job:
        """A job as it stands."""
        return self.stub.GetJob(job_service_pb2.GetJobRequest(id=job_id), metadata=self.metadata).job


def two_outputs(source: str, destination: str) -> spec_pb2.JobSpec:
    """A ladder with sound, and the sound alone. What is left out has the default that the .proto files tell."""
    web = spec_pb2.OutputSpec(
        id="web",
        destination=f"{destination}/web",
        packagings=[media_pb2.PACKAGING_CMAF, media_pb2.PACKAGING_TS],
    )
    sound = spec_pb2.OutputSpec(
        id="sound",
        destination=f"{destination}/sound",
        packagings=[media_pb2.PACKAGING_CMAF],
        omit_video=True,
    )
    return spec_pb2.JobSpec(sources=[spec_pb2.SourceSpec(uri=source)], outputs=[web, sound])


def print_change(change: job_pb2.Change) -> None:
    why = f": {change.problem.message} [{change.problem.code}]" if change.HasField("problem") else ""
    match change.WhichOneof("subject"):
        case "job":
            say(f"job {job_state(change.job)}{why}")
        case "input":
            state = job_pb2.InputState.Name(change.input.state)
            say(f"{change.input.input_id} {short(state, 'INPUT_STATE_')}{why}")
        case "output" if change.output.playable:
            say(f"{change.output.output_id} can be played")
        case "output":
            state = job_pb2.OutputState.Name(change.output.state)
            say(f"{change.output.output_id} {short(state, 'OUTPUT_STATE_')}{why}")


def print_progress(progress: job_pb2.Progress) -> None:
    for output in progress.outputs:
        total = output.media_total.ToMilliseconds()
        if total > 0:
            say(f"{output.output_id} {output.media_done.ToMilliseconds() * 100 // total} %")


def print_job(job: job_pb2.Job) -> None:
    """What there is to play; for each output that has nothing, why."""
    say(f"job {job.id} {job_state(job.state)}")
    for output in job.outputs:
        for file in output.files:
            role = job_pb2.OutputFile.Role.Name(file.role)
            say(f"{output.id} {short(role, 'ROLE_')} {file.uri}")
        if output.HasField("problem"):
            say(f"{output.id} {output.problem.message} [{output.problem.code}]")


def print_error(error: grpc.RpcError) -> None:
    """A refusal: its code, and every field that is wrong, from the google.rpc details."""
    print(f"{error.code().name}: {error.details()}", file=sys.stderr)
    details = Details(error)
    if details.info.reason:
        print(f"  reason {details.info.reason}, fault {details.info.metadata['fault']}", file=sys.stderr)
    for wrong in details.bad_request.field_violations:
        print(f"  {wrong.field}: {wrong.description} [{wrong.reason}]", file=sys.stderr)


def job_state(state: job_pb2.JobState) -> str:
    return short(job_pb2.JobState.Name(state), "JOB_STATE_")


def short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def say(line: str) -> None:
    # At once, also into a pipe.
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print("usage: submit_and_watch.py IN OUT KEY", file=sys.stderr)
        return 2
    source, destination, key = arguments
    endpoint = os.environ.get("REELMILL_ENDPOINT", "http://127.0.0.1:7443")
    jobs = Jobs(endpoint, os.environ.get("REELMILL_TOKEN"))
    request = job_service_pb2.CreateJobRequest(job=two_outputs(source, destination), idempotency_key=key)
    try:
        created = jobs.create(request)
        say(f"job {created.job.id} {'was there already' if created.existed else 'is accepted'}")
        jobs.watch(created.job.id)
        job = jobs.get(created.job.id)
    except grpc.RpcError as error:
        print_error(error)
        return 1
    print_job(job)
    return int(job.state != job_pb2.JOB_STATE_SUCCEEDED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
