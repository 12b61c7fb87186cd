//! The configuration as types.

use super::secret::Secret;
use crate::model::DeviceChoice;
use crate::model::backoff::BackOff;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that `reelmill serve` is told. Defaults, units and reasons: `docs/CONFIGURATION.md`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where jobs, the spool and the cache of inputs are kept.
    pub state_dir: PathBuf,
    /// The API.
    pub grpc: Api,
    /// Metrics and health.
    pub http: Http,
    /// What is logged, in the form of `tracing`; known to be one.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
    /// Where traces go; `None` for nowhere.
    pub traces: Option<Traces>,
    /// Profiles beside those that are built in.
    pub profiles_dir: Option<PathBuf>,
    /// CPU threads for encoders; 0 for all.
    pub threads: u32,
    /// Which devices are used beside the CPU.
    pub devices: DeviceChoice,
    /// Accelerators are measured while the node is idle.
    pub measure: bool,
    /// How the daemon ends.
    pub shutdown: Shutdown,
    /// Encryption of the API; `None` for plain HTTP/2.
    pub tls: Option<Tls>,
    /// Who is let in; empty for everybody.
    pub tokens: Vec<Token>,
    /// Where sources may lie.
    pub sources: Sources,
    /// Where outputs may go.
    pub outputs: Outputs,
    /// Who is told.
    pub webhooks: Webhooks,
    /// The cache of inputs.
    pub cache: Cache,
    /// Encoded segments that are not stored yet.
    pub spool: Spool,
    /// Jobs.
    pub jobs: Jobs,
    /// What outputs have cost.
    pub usage: Usage,
    /// Metrics.
    pub metrics: MetricsLabels,
    /// When a job is tried again.
    pub retry: BackOff,
    /// How outputs are stored.
    pub upload: Upload,
    /// Object stores.
    pub s3: S3,
}

/// The API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Metrics and health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Where traces of jobs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traces {
    /// The collector.
    pub otlp_endpoint: String,
    /// Of so many jobs in a hundred.
    pub sample_percent: u8,
    /// Sent with each message.
    pub headers: Option<Secret>,
}

/// How a line of the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the daemon ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shutdown {
    /// How long running work may go on.
    pub grace: Duration,
}

/// Encryption of the API. PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// Certificate chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Whose certificates clients must show; `None` lets in everybody.
    pub client_ca_file: Option<PathBuf>,
}

/// A client that is let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// The owner of the jobs that are made with it; several tokens may have the same.
    pub owner: String,
    /// The bearer token.
    pub secret: Secret,
    /// It reaches jobs of all owners.
    pub admin: bool,
}

/// Which local paths may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Roots {
    /// Every one: none were set, and only this machine can reach the API.
    Any,
    /// Those under one of these; none at all when it is empty.
    Under(Vec<PathBuf>),
}

/// Where sources may lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// Local paths.
    pub roots: Roots,
    /// Addresses and hosts that may be fetched from although they are not public; known to be well-formed.
    pub allow: Vec<String>,
    /// Where not empty, the only hosts that are fetched from; known to be well-formed.
    pub hosts: Vec<String>,
    /// Authorities that are trusted beside those of the system, PEM.
    pub ca_file: Option<PathBuf>,
}

/// Where outputs may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outputs {
    /// Local paths.
    pub roots: Roots,
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhooks {
    /// Addresses and hosts that may be told although they are not public; known to be well-formed.
    pub allow: Vec<String>,
    /// `http://` is allowed.
    pub allow_http: bool,
    /// How long a delivery is tried.
    pub give_up_after: Duration,
    /// How long a receiver may take.
    pub timeout: Duration,
    /// Authorities that are trusted beside those of the system, PEM.
    pub ca_file: Option<PathBuf>,
    /// Signing keys by the name that jobs give.
    pub secrets: BTreeMap<String, Secret>,
}

/// The cache of inputs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cache {
    /// Disk that it may use, bytes.
    pub bytes_max: u64,
}

/// What metrics tell apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricsLabels {
    /// Owners that get series of their own.
    pub owners_max: u32,
}

/// Encoded segments that are not stored yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spool {
    /// Disk that they may use, bytes.
    pub bytes_max: u64,
}

/// Jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jobs {
    /// Prepared or running at the same time.
    pub active_max: u32,
    /// Waiting.
    pub queue_max: u64,
    /// How long a record is kept after the job's end.
    pub expire_after: Duration,
}

/// What outputs have cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// How long it is kept.
    pub keep: Duration,
    /// What things cost; `None` where nothing is priced.
    pub prices: Option<Prices>,
}

/// What things cost, billionths of the currency's unit; 0 is free.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prices {
    /// ISO 4217.
    pub currency: String,
    /// A second of CPU time.
    pub cpu_second: u64,
    /// A second of an engine, by model or kind of the device, or `other`.
    pub device_second: BTreeMap<String, u64>,
    /// A kilowatt-hour of devices.
    pub device_kwh: u64,
    /// 10^9 bytes read.
    pub read_gb: u64,
    /// 10^9 bytes stored.
    pub stored_gb: u64,
    /// A normalised minute.
    pub normalised_minute: u64,
}

/// How outputs are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// Size of a part.
    pub part_bytes: u64,
    /// Larger files are sent in parts.
    pub threshold_bytes: u64,
    /// Parts of a file at the same time.
    pub concurrency: u32,
    /// When an upload is tried again.
    pub retry: BackOff,
}

/// Object stores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3 {
    /// The store of buckets that are no alias.
    pub store: S3Store,
    /// Buckets by alias.
    pub buckets: BTreeMap<String, S3Bucket>,
}

/// A bucket with an alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Bucket {
    /// Its name in its store.
    pub bucket: String,
    /// Its store.
    pub store: S3Store,
}

/// How a store is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Store {
    /// Scheme, host and port; `None` for AWS.
    pub endpoint: Option<String>,
    /// Region; `None` for that of the environment.
    pub region: Option<String>,
    /// The bucket stands in the path.
    pub path_style: bool,
    /// Checksums beside the signature.
    pub checksums: Checksums,
    /// Who asks.
    pub credentials: S3Credentials,
}

/// When requests carry checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksums {
    /// Where the operation demands one.
    WhenRequired,
    /// Wherever the operation allows one.
    WhenSupported,
}

/// Who asks a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum S3Credentials {
    /// Found as AWS tools find them.
    Chain,
    /// As given.
    Static {
        /// Public half.
        access_key_id: Secret,
        /// Secret half.
        secret_access_key: Secret,
    },
    /// Nobody.
    Anonymous,
}
