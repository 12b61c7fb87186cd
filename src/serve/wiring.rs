//! From the configuration to the parts of the daemon.

use super::devices;
use super::measured::Measured;
use crate::api::{ApiSettings, Rules, Tls, Token};
use crate::buckets::{AllBuckets, BucketOptions};
use crate::config::{Checksums, Config, Roots, S3Credentials, S3Store};
use crate::dispatch::{Settings, Sinks, before_trials};
use crate::input::{Opener, OpenerOptions, Transport};
use crate::model::limits::WORKER_SILENCE_SECONDS_MAX;
use crate::model::{Fault, Problem};
use crate::net::{self, AddressRules};
use crate::outbox::{self, OutboxSettings, SigningKeys, UrlRules};
use crate::profile::Profiles;
use crate::publish::sink::Durability;
use crate::report::Telemetry;
use crate::report::metrics::Metrics;
use crate::report::traces::{TraceSettings, Traces};
use crate::store::{Sqlite, Store};
use crate::supervise::find_program;
use crate::usage::Prices;
use reelmill_s3::{Credentials, Multipart};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Transfers at a time for each output: enough to hide the round trips of a store in another region.
const UPLOADS: usize = 8;

/// What the API is told; everything that is wrong with it.
pub(super) fn api_settings(config: &Config, telemetry: &Telemetry) -> Result<ApiSettings, Vec<Problem>> {
    let profiles = Profiles::load(config.profiles_dir.as_deref())?;
    let one = |problem| vec![problem];
    let tls = config.tls.as_ref().map(|tls| -> Result<Tls, Problem> {
        let client_ca = tls.client_ca_file.as_deref().map(read).transpose()?;
        Ok(Tls { cert: read(&tls.cert_file)?, key: read(&tls.key_file)?, client_ca })
    });
    let webhooks = webhook_rules(config).map_err(one)?;
    let sources = address_rules(&config.sources.allow, &config.sources.hosts).map_err(one)?;
    Ok(ApiSettings {
        tls: tls.transpose().map_err(one)?,
        tokens: config.tokens.iter().map(|t| Token::of_secret(t.name.clone(), t.admin, t.secret.reveal())).collect(),
        rules: Rules {
            source_roots: some_roots(&config.sources.roots),
            output_roots: some_roots(&config.outputs.roots),
            secret_names: config.webhooks.secrets.keys().cloned().collect(),
            webhook_rule: Arc::new(move |url| outbox::url_objection(url.as_str(), &webhooks).map_or(Ok(()), Err)),
            source_rule: Arc::new(move |url| source_objection(url.as_str(), &sources)),
            retry: config.retry,
            expire_after_s: config.jobs.expire_after.as_secs(),
        },
        profiles: Arc::new(profiles),
        metrics: telemetry.metrics.clone(),
        traces: telemetry.traces.clone(),
        ..ApiSettings::default()
    })
}

/// What the node works with, and the buckets that it can reach.
pub(super) async fn node(config: &Config, telemetry: &Telemetry) -> Result<(Settings, Arc<AllBuckets>), Problem> {
    let state = config.state_dir.clone();
    let opened = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&state).map_err(|error| unusable(&state, &error))?;
        let state = state.canonicalize().map_err(|error| unusable(&state, &error))?;
        let store = Sqlite::open(&state).map_err(Problem::from)?;
        Ok::<_, Problem>((state, store))
    });
    let lost = |_| Problem::bug("internal.panic", "opening the state directory ended early; report this with the log");
    let (state, store) = opened.await.map_err(lost)??;
    let store: Arc<dyn Store> = Arc::new(Measured::new(Arc::new(store), telemetry.metrics.clone()));
    let buckets = Arc::new(buckets(config));
    let rules = address_rules(&config.sources.allow, &config.sources.hosts)?;
    let opener = Opener::new(OpenerOptions {
        roots: roots(&config.sources.roots),
        http: net::Client::new(rules, &net::Options::default())?,
        cache_dir: state.join("cache"),
        cache_bytes_max: config.cache.bytes_max,
        retry: Opener::RETRY,
        s3: Some(Arc::<AllBuckets>::clone(&buckets)),
    });
    let every = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
    let threads = if config.threads == 0 { every } else { config.threads };
    let (devices, simulated) = before_trials(&config.devices, threads).await?;
    let rates = devices::rates(&state, simulated.as_deref()).await?;
    let settings = Settings {
        store,
        effects: Arc::default(),
        opener: Arc::new(opener),
        sinks: Sinks {
            roots: roots(&config.outputs.roots),
            durability: Durability::Each,
            buckets: Some(Arc::<AllBuckets>::clone(&buckets)),
        },
        transport: Transport::Descriptor,
        worker: find_program()?,
        threads,
        devices,
        rates,
        simulated,
        silence: Duration::from_secs(WORKER_SILENCE_SECONDS_MAX),
        spool: Some(state.join("spool")),
        spool_bytes_max: config.spool.bytes_max,
        uploads: UPLOADS,
        upload_retry: config.upload.retry,
        active_max: config.jobs.active_max as usize,
        queue_max: config.jobs.queue_max,
        keep_failed: true,
        telemetry: telemetry.clone(),
    };
    Ok((settings, buckets))
}

/// The price table, as bills need it.
fn priced(prices: &crate::config::Prices) -> Prices {
    Prices {
        currency: prices.currency.clone(),
        cpu_second: prices.cpu_second,
        device_second: prices.device_second.clone(),
        device_kwh: prices.device_kwh,
        read_gb: prices.read_gb,
        stored_gb: prices.stored_gb,
        normalised_minute: prices.normalised_minute,
    }
}

/// Where the node tells of itself.
pub(super) fn telemetry(config: &Config) -> Result<Telemetry, Problem> {
    let traces = config.traces.as_ref().map(|traces| {
        Traces::start(TraceSettings {
            endpoint: traces.otlp_endpoint.clone(),
            sample_percent: traces.sample_percent,
            headers: traces.headers.as_ref().map(|headers| headers.reveal().to_owned()).unwrap_or_default(),
        })
    });
    let metrics = Metrics::new(config.metrics.owners_max as usize);
    let telemetry = Telemetry { metrics, traces: traces.transpose()?.unwrap_or_default(), ..Telemetry::default() };
    Ok(telemetry.priced(config.usage.prices.as_ref().map(priced)))
}

/// How the outbox delivers.
pub(super) fn outbox_settings(config: &Config, telemetry: &Telemetry) -> Result<OutboxSettings, Problem> {
    let mut secrets = std::collections::BTreeMap::new();
    for (name, secret) in &config.webhooks.secrets {
        let keys = SigningKeys::parse(secret.reveal()).map_err(|why| {
            Problem::new(Fault::Input, "config.secret", format!("the secret webhooks.secrets.{name} {why}"))
        })?;
        secrets.insert(name.clone(), keys);
    }
    Ok(OutboxSettings {
        rules: webhook_rules(config)?,
        secrets,
        timeout: config.webhooks.timeout,
        give_up_after: config.webhooks.give_up_after,
        metrics: telemetry.metrics.clone(),
        traces: telemetry.traces.clone(),
        ..OutboxSettings::default()
    })
}

fn webhook_rules(config: &Config) -> Result<UrlRules, Problem> {
    let addresses = address_rules(&config.webhooks.allow, &[])?;
    Ok(UrlRules { addresses, allow_http: config.webhooks.allow_http })
}

/// Whether a source may be fetched from there, as far as its address tells; names are judged at each connection.
fn source_objection(url: &str, rules: &AddressRules) -> Result<(), String> {
    let target = net::Target::parse(url).map_err(|failure| failure.to_string())?;
    let judged = match target.address() {
        Some(address) => rules.check(&target.host(), address),
        None => rules.check_name(&target.host()),
    };
    judged.map_err(|refusal| refusal.to_string())
}

fn buckets(config: &Config) -> AllBuckets {
    let alias = |(name, bucket): (&String, &crate::config::S3Bucket)| {
        (name.clone(), bucket.bucket.clone(), store_settings(&bucket.store))
    };
    AllBuckets::new(BucketOptions {
        store: store_settings(&config.s3.store),
        aliases: config.s3.buckets.iter().map(alias).collect(),
        multipart: Multipart {
            threshold_bytes: config.upload.threshold_bytes,
            part_bytes: config.upload.part_bytes,
            concurrency: config.upload.concurrency as usize,
        },
        retry: config.upload.retry,
    })
}

fn store_settings(store: &S3Store) -> reelmill_s3::Settings {
    let credentials = match &store.credentials {
        S3Credentials::Chain => Credentials::Chain,
        S3Credentials::Anonymous => Credentials::Anonymous,
        S3Credentials::Static { access_key_id, secret_access_key } => Credentials::Static {
            access_key_id: access_key_id.reveal().to_owned(),
            secret_access_key: secret_access_key.reveal().to_owned(),
            session_token: None,
        },
    };
    let checksums = match store.checksums {
        Checksums::WhenRequired => reelmill_s3::Checksums::WhenRequired,
        Checksums::WhenSupported => reelmill_s3::Checksums::WhenSupported,
    };
    reelmill_s3::Settings {
        region: store.region.clone(),
        path_style: store.path_style,
        checksums: Some(checksums),
        connect_timeout: Duration::from_secs(5),
        ..reelmill_s3::Settings::new(store.endpoint.clone(), credentials)
    }
}

fn address_rules(allow: &[String], only: &[String]) -> Result<AddressRules, Problem> {
    let parse = |texts: &[String]| {
        let parsed = texts.iter().map(|text| text.parse());
        parsed.collect::<Result<Vec<_>, net::BadAllowed>>().map_err(|error| {
            Problem::new(Fault::Input, "config.value", format!("an address rule cannot be read: {error}"))
        })
    };
    Ok(AddressRules { allow: parse(allow)?, only: parse(only)? })
}

/// Directories as lists that are empty for anywhere: where nothing is allowed, the list names what cannot exist.
fn roots(roots: &Roots) -> Vec<PathBuf> {
    match roots {
        Roots::Any => Vec::new(),
        Roots::Under(list) if list.is_empty() => vec![PathBuf::from("/dev/null/nowhere")],
        Roots::Under(list) => list.clone(),
    }
}

fn some_roots(roots: &Roots) -> Option<Vec<PathBuf>> {
    match roots {
        Roots::Any => None,
        Roots::Under(list) => Some(list.clone()),
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{} cannot be read: {error}; check path and permissions", path.display());
        Problem::new(Fault::Input, "config.value", message)
    })
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::sink("store.failed", format!("{} cannot be used: {error}; check state_dir", path.display()))
}
