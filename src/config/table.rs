//! Every setting of the daemon: its key, what may be written, the default, and why that is the default.
//!
//! This table alone drives what files, environment and flags may say, what `reelmill config` shows, the hints about
//! misspelt names, and the reference in `docs/CONFIGURATION.md`. `config.rs` turns what was found into types.

use super::value::Kind::{
    self, Address, Bytes, Choice, Devices, Filter, Flag, Hosts, Money, Number, Path, Paths, Secret, Text, Time, Url,
};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Where it stands in a file, parts joined by dots. A part `*` is a name that the operator gives.
    pub(super) key: &'static str,
    /// What may be written.
    pub(super) kind: Kind,
    /// As it would be written on the command line; empty for none.
    pub(super) default: &'static str,
    /// What it does and why the default is what it is, in sentences.
    pub(super) help: &'static str,
}

const fn row(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { key, kind, default, help }
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Ways to add checksums to requests.
const CHECKSUMS: Kind = Choice(&["when_required", "when_supported"]);
/// Ways to find credentials.
const CREDENTIALS: Kind = Choice(&["chain", "static", "anonymous"]);

/// All settings, in the order of the reference.
pub(super) const SETTINGS: &[Setting] = &[
    row(
        "state_dir",
        Path,
        "",
        "Where jobs, the spool and the cache of inputs are kept; it is made when it is not there. It has no \
         default, because jobs that lie where nobody looks for them are lost.",
    ),
    row(
        "log",
        Filter,
        "info",
        "What is logged, in the form of `tracing`: a level, and levels of single modules \
         (`warn,reelmill::publish=debug`). `info` is some lines a job.",
    ),
    row(
        "log_format",
        Choice(&["text", "json"]),
        "text",
        "How a line of the log is written: for people, or one JSON object a line for collectors. In both, lines about a \
         job have its id as `job`, and `output`, `part` and `attempt` where they are about one.",
    ),
    row(
        "profiles_dir",
        Path,
        "",
        "A directory of profiles (`*.toml`, `*.json`) beside those that are built in; one of the same name and \
         version replaces a built-in one.",
    ),
    row(
        "threads",
        Number(0, 1024),
        "0",
        "CPU threads that encoders may use in all; 0 for all that the machine, or the container, has.",
    ),
    row(
        "devices",
        Devices,
        "auto",
        "Which devices encode, decode and filter beside the CPU, which always takes part: all that are found (`auto`), \
         none (`cpu`), those of a kind (`cuda`, `vaapi`) or with an id that `reelmill doctor` shows, or simulated ones \
         from a file. By default what is there is used: a device must prove itself before it is given work.",
    ),
    row(
        "measure",
        Choice(&["auto", "never"]),
        "auto",
        "Whether accelerators are measured: with `auto` each one that works, once for its driver and FFmpeg, for some \
         seconds while the node has no job. With `never`, and for the CPU, what is known from tables and from jobs has \
         to do; `reelmill doctor --measure --state-dir DIR` measures everything.",
    ),
    row(
        "grpc.listen",
        Address,
        "127.0.0.1:7443",
        "Where the API listens. Only this machine is let in by default, since without tokens and TLS everybody who \
         gets here may read and write what the daemon may.",
    ),
    row(
        "http.listen",
        Address,
        "127.0.0.1:7480",
        "Where `/metrics` and `/healthz` are answered. They have no tokens, so only this machine is let in by \
         default.",
    ),
    row(
        "traces.otlp_endpoint",
        Url,
        "",
        "A collector that takes traces over OTLP/gRPC, such as `http://127.0.0.1:4317`: one trace a job, with the job's \
         number for its id. Without it none are made. A collector that is slow or away costs spans, never a job.",
    ),
    row(
        "traces.sample_percent",
        Number(0, 100),
        "100",
        "Of so many jobs in a hundred a trace is sent. Jobs whose client names a trace (`traceparent`) do as that says. \
         All by default: a job has some tens of spans, which no collector minds.",
    ),
    row(
        "traces.headers",
        Secret(false),
        "",
        "Sent to the collector with each message, `name=value` and several of them separated by commas: mostly a token.",
    ),
    row(
        "metrics.owners_max",
        Number(0, 10_000),
        "0",
        "How many owners of jobs get series of their own in `/metrics`, the first that come; the others count \
         together as `other`. 0 for no series by owner: each costs memory here and in Prometheus for as long as it is \
         kept, and names of customers may be nobody else's business.",
    ),
    row(
        "shutdown.grace",
        Time(0, HOUR),
        "8s",
        "How long running work may go on after the daemon is asked to end. What is not done by then goes on after \
         the next start, from the first segment that is not stored. Container runtimes kill after 10 s.",
    ),
    row(
        "tls.cert_file",
        Path,
        "",
        "Certificate chain of the API, PEM, own certificate first. Without it the API speaks plain HTTP/2.",
    ),
    row("tls.key_file", Path, "", "Private key of the certificate, PEM."),
    row(
        "tls.client_ca_file",
        Path,
        "",
        "Authorities, PEM. When it is set, only clients with a certificate from one of them are let in.",
    ),
    row(
        "tokens.*.secret",
        Secret(false),
        "",
        "A bearer token that lets a client in. With no tokens, \
         everybody who reaches the API is let in and is an administrator.",
    ),
    row(
        "tokens.*.admin",
        Flag,
        "false",
        "The token reaches jobs of all owners and may drain the node. Others see their own jobs.",
    ),
    row(
        "tokens.*.owner",
        Text,
        "",
        "The owner of the jobs that are made with the token. Without it, the token's name. Two tokens of one owner let one \
         replace the other.",
    ),
    row(
        "sources.roots",
        Paths,
        "",
        "Directories under which local sources may lie. With none, every path may be read while `grpc.listen` is a \
         loopback address, as one person at a shell needs; otherwise none may.",
    ),
    row(
        "sources.allow",
        Hosts,
        "",
        "Addresses and hosts that sources may be fetched from although they are not public: a store in the same \
         network. Private, loopback and link-local addresses are refused otherwise, after redirects too.",
    ),
    row(
        "sources.hosts",
        Hosts,
        "",
        "When it is set, `http(s)://` sources are fetched from these and nowhere else. It opens nothing that is not \
         public; `sources.allow` does.",
    ),
    row(
        "sources.ca_file",
        Path,
        "",
        "Authorities, PEM, that are trusted for `https://` sources beside those of the system.",
    ),
    row(
        "outputs.roots",
        Paths,
        "",
        "Directories under which local outputs may be written. With none, the rule of `sources.roots` holds.",
    ),
    row("webhooks.allow", Hosts, "", "Addresses and hosts that webhooks may be sent to although they are not public."),
    row(
        "webhooks.allow_http",
        Flag,
        "false",
        "Webhooks may go to `http://` addresses. Their bodies tell of jobs, so they are encrypted by default.",
    ),
    row(
        "webhooks.give_up_after",
        Time(MINUTE, 30 * DAY),
        "1d",
        "How long a delivery is tried before it is given up. A day outlasts an outage that people have to mend.",
    ),
    row(
        "webhooks.timeout",
        Time(SECOND, 5 * MINUTE),
        "15s",
        "How long a receiver may take to answer. Receivers should store and answer; 15 s allows for a cold start.",
    ),
    row("webhooks.ca_file", Path, "", "Authorities, PEM, that are trusted for webhooks beside those of the system."),
    row(
        "webhooks.secrets.*.secret",
        Secret(false),
        "",
        "The key that deliveries are signed with (Standard Webhooks, `whsec_…`), by the name that jobs give; \
         `default` is used where a job names none.",
    ),
    row(
        "cache.bytes_max",
        Bytes(64 * MIB, 1 << 50),
        "8 GiB",
        "Disk for the ranges of remote sources that were fetched and may be needed again. A two-pass or \
         several-span job reads ranges twice; most sources fit.",
    ),
    row(
        "spool.bytes_max",
        Bytes(16 * MIB, 1 << 50),
        "32 GiB",
        "Disk for encoded segments that are not stored yet. When it is full, encoders wait for uploads. One worker \
         may hold a quarter of it, and no more than 1 GiB.",
    ),
    row(
        "jobs.active_max",
        Number(1, 1024),
        "2",
        "Jobs that are prepared or run at the same time. Encoders of one job fill the machine; a second one fills \
         the gaps while the first is probed, planned or uploaded.",
    ),
    row(
        "jobs.queue_max",
        Number(1, 10_000_000),
        "100000",
        "Jobs that may wait; more are refused with RESOURCE_EXHAUSTED. Some KiB of disk each.",
    ),
    row(
        "jobs.expire_after",
        Time(MINUTE, 3650 * DAY),
        "30d",
        "How long the record of a job is kept after its end, where the job does not say. Its outputs stay.",
    ),
    row(
        "usage.keep",
        Time(DAY, 3650 * DAY),
        "400d",
        "How long it is kept what outputs have cost, from the end of their job; the record of the job may be gone long \
         before. A year's bill can still be looked into when the next one is written.",
    ),
    row(
        "prices.currency",
        Text,
        "",
        "The currency of all prices, by its three letters (ISO 4217). Without it nothing is priced. Prices hold for jobs \
         that end from then on: what a job has cost is computed at its end and kept.",
    ),
    row("prices.cpu_second", Money, "", "Price of a second of CPU time. What is not priced is free."),
    row(
        "prices.device_second.*",
        Money,
        "",
        "Price of a second in which an engine of a device is busy: NAME is a model (`nvidia-l4`), else a kind (`cuda`, \
         `vaapi`), else `other`.",
    ),
    row("prices.device_kwh", Money, "", "Price of a kilowatt-hour that devices draw above what they draw when idle."),
    row("prices.read_gb", Money, "", "Price of 10^9 bytes that are read of sources."),
    row("prices.stored_gb", Money, "", "Price of 10^9 bytes that are stored, once."),
    row(
        "prices.normalised_minute",
        Money,
        "",
        "Price of a normalised minute: media time weighted by size, frame rate, codec and speed class (`docs/USAGE.md`).",
    ),
    row(
        "retry.first_ms",
        Number(1, HOUR),
        "500",
        "Wait before a job's second attempt after a fault that may pass, ms. A shed request is welcome again after \
         that.",
    ),
    row("retry.factor", Number(1, 10), "2", "What each further wait is multiplied by."),
    row(
        "retry.max_ms",
        Number(1, DAY),
        "30000",
        "Longest wait, ms. After an outage, work goes on within half a minute.",
    ),
    row(
        "retry.attempts_max",
        Number(1, 20),
        "6",
        "Attempts in all, the first one included, without anything having been achieved in between; 1 never tries \
         again.",
    ),
    row(
        "retry.jitter_percent",
        Number(0, 100),
        "50",
        "The part of each wait that is random, percent, so that many do not come back in the same moment.",
    ),
    row(
        "upload.part_bytes",
        Bytes(5 * MIB, 5 * GIB),
        "8 MiB",
        "Size of a part of a multipart upload. A part is what a lost connection costs; stores take no less than 5 \
         MiB. Files of more than 10,000 parts get larger ones.",
    ),
    row(
        "upload.threshold_bytes",
        Bytes(0, 5 * GIB),
        "16 MiB",
        "Files larger than this are uploaded in parts. Smaller ones are one request, and one request to pay for.",
    ),
    row(
        "upload.concurrency",
        Number(1, 64),
        "4",
        "Parts of one file that are uploaded at the same time. Four fill a link of 1 Gbit/s at usual distances.",
    ),
    row(
        "upload.retry.first_ms",
        Number(1, HOUR),
        "500",
        "As `retry.first_ms`, for each upload. `Retry-After` of a store is kept to where it is longer.",
    ),
    row("upload.retry.factor", Number(1, 10), "2", "As `retry.factor`."),
    row("upload.retry.max_ms", Number(1, DAY), "30000", "As `retry.max_ms`."),
    row(
        "upload.retry.attempts_max",
        Number(1, 20),
        "6",
        "As `retry.attempts_max`. Six attempts outlast the restart of a storage daemon.",
    ),
    row("upload.retry.jitter_percent", Number(0, 100), "50", "As `retry.jitter_percent`."),
    row("s3.endpoint", Url, "", "Address of an S3-compatible store. Without it, AWS."),
    row(
        "s3.region",
        Text,
        "",
        "Region that requests are signed for. Without it `AWS_REGION`, then `AWS_DEFAULT_REGION`, then `us-east-1`.",
    ),
    row(
        "s3.path_style",
        Flag,
        "",
        "The bucket stands in the path (`host/bucket/key`), not in the host name. Without it: true with an \
         endpoint, which every store understands, and false for AWS.",
    ),
    row(
        "s3.checksums",
        CHECKSUMS,
        "",
        "Whether requests carry checksums beside the signature. Without it: `when_required` with an endpoint, since \
         many stores refuse the rest, and `when_supported` for AWS.",
    ),
    row(
        "s3.credentials",
        CREDENTIALS,
        "",
        "Who asks: keys found as AWS tools find them (environment, profile files, web identity, container, \
         instance), the keys given here, or nobody. Without it: `static` where keys are given, else `chain`.",
    ),
    row("s3.access_key_id", Secret(true), "", "Public half of the static key."),
    row("s3.secret_access_key", Secret(false), "", "Secret half of the static key."),
    row(
        "s3.buckets.*.bucket",
        Text,
        "",
        "The bucket that this alias stands for: `s3://alias/key` is `key` in it. Without it, the alias itself.",
    ),
    row(
        "s3.buckets.*.endpoint",
        Url,
        "",
        "As `s3.endpoint`, for this bucket, as are the following. What is left out is that of `s3`.",
    ),
    row("s3.buckets.*.region", Text, "", "As `s3.region`."),
    row("s3.buckets.*.path_style", Flag, "", "As `s3.path_style`."),
    row("s3.buckets.*.checksums", CHECKSUMS, "", "As `s3.checksums`."),
    row(
        "s3.buckets.*.credentials",
        CREDENTIALS,
        "",
        "As `s3.credentials`. Keys of `s3` are not used for a bucket that has keys of its own.",
    ),
    row("s3.buckets.*.access_key_id", Secret(true), "", "As `s3.access_key_id`."),
    row("s3.buckets.*.secret_access_key", Secret(false), "", "As `s3.secret_access_key`."),
];
