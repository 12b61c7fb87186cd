//! From settings to types, and what settings must be together.

use super::secret::Secret;
use super::settled::Settled;
use super::types::{
    Api, Cache, Checksums, Config, Http, Jobs, LogFormat, MetricsLabels, Outputs, Prices, Roots, S3, S3Bucket,
    S3Credentials, S3Store, Shutdown, Sources, Spool, Tls, Token, Traces, Upload, Usage, Webhooks,
};
use crate::model::backoff::BackOff;
use crate::model::{Locator, Problem};
use std::net::SocketAddr;
use std::path::PathBuf;

impl Config {
    /// From settings that passed [`check`].
    pub(super) fn new(settled: &Settled) -> Self {
        let listen: SocketAddr = settled.get("grpc.listen");
        let roots = |key| match settled.get::<Vec<PathBuf>>(key) {
            none if none.is_empty() && listen.ip().is_loopback() => Roots::Any,
            list => Roots::Under(list),
        };
        let json = settled.get::<String>("log_format") == "json";
        Self {
            state_dir: settled.get("state_dir"),
            grpc: Api { listen },
            http: Http { listen: settled.get("http.listen") },
            metrics: MetricsLabels { owners_max: settled.get("metrics.owners_max") },
            log: settled.get("log"),
            log_format: if json { LogFormat::Json } else { LogFormat::Text },
            traces: traces(settled),
            profiles_dir: settled.get("profiles_dir"),
            threads: settled.get("threads"),
            // The kind of the setting let nothing else through.
            devices: settled.get::<String>("devices").parse().unwrap_or_default(),
            measure: settled.get::<String>("measure") == "auto",
            shutdown: Shutdown { grace: settled.get("shutdown.grace") },
            tls: tls(settled),
            tokens: settled.names("tokens").into_iter().map(|name| token(settled, name)).collect(),
            sources: Sources {
                roots: roots("sources.roots"),
                allow: settled.get("sources.allow"),
                hosts: settled.get("sources.hosts"),
                ca_file: settled.get("sources.ca_file"),
            },
            outputs: Outputs { roots: roots("outputs.roots") },
            webhooks: webhooks(settled),
            cache: Cache { bytes_max: settled.get("cache.bytes_max") },
            spool: Spool { bytes_max: settled.get("spool.bytes_max") },
            jobs: Jobs {
                active_max: settled.get("jobs.active_max"),
                queue_max: settled.get("jobs.queue_max"),
                expire_after: settled.get("jobs.expire_after"),
            },
            usage: Usage { keep: settled.get("usage.keep"), prices: prices(settled) },
            retry: back_off(settled, "retry"),
            upload: Upload {
                part_bytes: settled.get("upload.part_bytes"),
                threshold_bytes: settled.get("upload.threshold_bytes"),
                concurrency: settled.get("upload.concurrency"),
                retry: back_off(settled, "upload.retry"),
            },
            s3: s3(settled),
        }
    }

    /// What is allowed, and deserves a second look: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let open = !self.grpc.listen.ip().is_loopback();
        let asks = !self.tokens.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        if open && !asks {
            warnings.push(format!(
                "everybody who reaches {} is an administrator: set tokens or tls.client_ca_file",
                self.grpc.listen
            ));
        }
        if open && self.tls.is_none() && !self.tokens.is_empty() {
            warnings.push(format!("tokens cross the network to {} in the clear: set tls.cert_file", self.grpc.listen));
        }
        warnings
    }
}

fn tls(settled: &Settled) -> Option<Tls> {
    let (cert_file, key_file) = (settled.get::<Option<_>>("tls.cert_file")?, settled.get::<Option<_>>("tls.key_file")?);
    Some(Tls { cert_file, key_file, client_ca_file: settled.get("tls.client_ca_file") })
}

fn traces(settled: &Settled) -> Option<Traces> {
    let otlp_endpoint = settled.get::<Option<String>>("traces.otlp_endpoint")?;
    let sample_percent = u8::try_from(settled.get::<u32>("traces.sample_percent")).unwrap_or(100);
    Some(Traces { otlp_endpoint, sample_percent, headers: settled.get("traces.headers") })
}

fn token(settled: &Settled, name: String) -> Token {
    let secret = settled.named("tokens.*.secret", &name);
    let owner = settled.named::<Option<String>>("tokens.*.owner", &name).unwrap_or_else(|| name.clone());
    Token { secret, owner, admin: settled.named("tokens.*.admin", &name), name }
}

fn webhooks(settled: &Settled) -> Webhooks {
    let key = |name: String| (name.clone(), settled.named("webhooks.secrets.*.secret", &name));
    Webhooks {
        allow: settled.get("webhooks.allow"),
        allow_http: settled.get("webhooks.allow_http"),
        give_up_after: settled.get("webhooks.give_up_after"),
        timeout: settled.get("webhooks.timeout"),
        ca_file: settled.get("webhooks.ca_file"),
        secrets: settled.names("webhooks.secrets").into_iter().map(key).collect(),
    }
}

fn prices(settled: &Settled) -> Option<Prices> {
    let price = |what: &str| settled.get::<Option<u64>>(&format!("prices.{what}")).unwrap_or(0);
    let of_device = |name: String| {
        let price = settled.named::<Option<u64>>("prices.device_second.*", &name).unwrap_or(0);
        (name, price)
    };
    Some(Prices {
        currency: settled.get::<Option<String>>("prices.currency")?,
        cpu_second: price("cpu_second"),
        device_second: settled.names("prices.device_second").into_iter().map(of_device).collect(),
        device_kwh: price("device_kwh"),
        read_gb: price("read_gb"),
        stored_gb: price("stored_gb"),
        normalised_minute: price("normalised_minute"),
    })
}

fn back_off(settled: &Settled, of: &str) -> BackOff {
    let number = |what: &str| settled.get::<u32>(&format!("{of}.{what}"));
    BackOff {
        first_ms: number("first_ms").into(),
        factor: number("factor"),
        max_ms: number("max_ms").into(),
        attempts_max: number("attempts_max"),
        jitter_percent: u8::try_from(number("jitter_percent")).unwrap_or(100),
    }
}

/// Keys of a store and of a bucket, which only differ in their beginning.
struct Keys<'a> {
    settled: &'a Settled,
    prefix: &'static str,
    name: &'a str,
}

impl Keys<'_> {
    fn text(&self, what: &str) -> Option<String> {
        self.settled.named(&format!("{}.{what}", self.prefix), self.name)
    }

    fn secret(&self, what: &str) -> Option<Secret> {
        self.settled.named(&format!("{}.{what}", self.prefix), self.name)
    }

    fn credentials(&self) -> Option<S3Credentials> {
        match self.text("credentials").as_deref() {
            Some("chain") => return Some(S3Credentials::Chain),
            Some("anonymous") => return Some(S3Credentials::Anonymous),
            _ => {}
        }
        let (access_key_id, secret_access_key) = (self.secret("access_key_id")?, self.secret("secret_access_key")?);
        Some(S3Credentials::Static { access_key_id, secret_access_key })
    }

    /// What does not fit together.
    fn check(&self, mistakes: &mut Vec<Problem>) {
        let keys = [self.secret("access_key_id"), self.secret("secret_access_key")];
        let set = keys.iter().flatten().count();
        let place = self.prefix.replacen('*', self.name, 1);
        let message = match (self.text("credentials").as_deref(), set) {
            (Some("static"), 0 | 1) | (None, 1) => "access_key_id and secret_access_key are both needed",
            (Some("chain" | "anonymous"), 1..) => {
                "keys are given, and `credentials` says not to use them: leave one out"
            }
            _ => return,
        };
        mistakes.push(Problem::input("config.value", format!("{place}: {message}")).at(place));
    }
}

fn s3(settled: &Settled) -> S3 {
    let top = Keys { settled, prefix: "s3", name: "" };
    let store = store(&[&top]);
    let bucket = |alias: String| {
        let keys = Keys { settled, prefix: "s3.buckets.*", name: &alias };
        let bucket = keys.text("bucket").unwrap_or_else(|| alias.clone());
        let store = self::store(&[&keys, &top]);
        (alias, S3Bucket { bucket, store })
    };
    S3 { store, buckets: settled.names("s3.buckets").into_iter().map(bucket).collect() }
}

/// A store by the first of these that says something.
fn store(keys: &[&Keys<'_>]) -> S3Store {
    let text = |what: &str| keys.iter().find_map(|keys| keys.text(what));
    let endpoint = text("endpoint");
    let flag = |keys: &&Keys<'_>| keys.settled.named::<Option<bool>>(&format!("{}.path_style", keys.prefix), keys.name);
    let supported = text("checksums").map_or(endpoint.is_none(), |word| word == "when_supported");
    S3Store {
        path_style: keys.iter().find_map(flag).unwrap_or(endpoint.is_some()),
        region: text("region"),
        checksums: if supported { Checksums::WhenSupported } else { Checksums::WhenRequired },
        credentials: keys.iter().find_map(|keys| keys.credentials()).unwrap_or(S3Credentials::Chain),
        endpoint,
    }
}

/// Whether anything has a price.
fn prices_given(settled: &Settled) -> bool {
    let plain = ["cpu_second", "device_kwh", "read_gb", "stored_gb", "normalised_minute"];
    let given = |what: &&str| settled.get::<Option<u64>>(&format!("prices.{what}")).is_some();
    plain.iter().any(given) || !settled.names("prices.device_second").is_empty()
}

/// What every setting alone cannot know.
pub(super) fn check(settled: &Settled, mistakes: &mut Vec<Problem>) {
    let mut wrong = |key: &str, message: String| mistakes.push(Problem::input("config.value", message).at(key));
    if settled.get::<Option<PathBuf>>("state_dir").is_none() {
        let message = "state_dir is not set: say where jobs are kept with --state-dir DIR, REELMILL_STATE_DIR, or \
                       state_dir in the file";
        wrong("state_dir", message.to_owned());
    }
    let path = |key| settled.get::<Option<PathBuf>>(key).is_some();
    if path("tls.cert_file") != path("tls.key_file") {
        wrong("tls", "tls.cert_file and tls.key_file are both needed".to_owned());
    } else if path("tls.client_ca_file") && !path("tls.cert_file") {
        wrong("tls.client_ca_file", "tls.client_ca_file needs tls.cert_file and tls.key_file".to_owned());
    }
    let is_code = |code: &String| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    match settled.get::<Option<String>>("prices.currency") {
        Some(code) if !is_code(&code) => {
            wrong(
                "prices.currency",
                format!("prices.currency `{code}` is no currency: write three capitals such as EUR"),
            );
        }
        None if prices_given(settled) => {
            wrong(
                "prices.currency",
                "there are prices and no prices.currency: write three capitals such as EUR".into(),
            );
        }
        _ => {}
    }
    for of in ["retry", "upload.retry"] {
        if let Some(flaw) = back_off(settled, of).flaw() {
            wrong(of, format!("{of}: {flaw}"));
        }
    }
    let secrets = [("tokens", "tokens.*.secret"), ("webhooks.secrets", "webhooks.secrets.*.secret")];
    for (group, key) in secrets {
        for name in settled.names(group) {
            let text: Option<Secret> = settled.named(key, &name);
            // One that could not be read has been told of.
            let told = settled.origin(key, &name) != "default";
            let key = key.replacen('*', &name, 1);
            if text.is_none() && !told {
                wrong(&key, format!("{key} is not set: write {key}_file = \"PATH\" or {key}_env = \"NAME\""));
            }
        }
    }
    Keys { settled, prefix: "s3", name: "" }.check(mistakes);
    for alias in settled.names("s3.buckets") {
        if let Err(problem) = format!("s3://{alias}/key").parse::<Locator>() {
            let message = format!("s3.buckets.{alias}: an alias must be a bucket name: {}", problem.message);
            mistakes.push(Problem::input("config.value", message).at(format!("s3.buckets.{alias}")));
        }
        Keys { settled, prefix: "s3.buckets.*", name: &alias }.check(mistakes);
    }
}
