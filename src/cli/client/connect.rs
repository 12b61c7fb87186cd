//! The way to a daemon: endpoint, token, certificate authorities.

use super::problem::{lost, problems, root_cause};
use crate::api::v1::job_service_client::JobServiceClient;
use crate::api::v1::media_service_client::MediaServiceClient;
use crate::api::v1::node_service_client::NodeServiceClient;
use crate::api::v1::usage_service_client::UsageServiceClient;
use crate::model::Problem;
use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

/// Where a daemon listens unless it is told otherwise.
const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:7443";
/// How long a connection may take: across an ocean, with TLS and a lost packet, it is 3 s.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take: a probe of a remote source has 9 s, a job may have 16 of them.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(180);
/// How often a silent connection is asked whether it still is one.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long that may take.
const ALIVE_TIME_MAX: Duration = Duration::from_secs(10);
/// Largest answer, bytes: a page of 500 jobs with many outputs each.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which daemon, and who asks.
#[derive(clap::Args, Clone, Debug, Default)]
pub(in crate::cli) struct ClientOptions {
    /// The daemon [default: REELMILL_ENDPOINT, or http://127.0.0.1:7443]
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) endpoint: Option<String>,
    /// A file with the bearer token [default: REELMILL_TOKEN, or none]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authorities of the daemon's certificate, PEM [default: those of this machine]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Adds the token to each request.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

type Way = InterceptedService<Channel, Bearer>;

/// A connection to a daemon.
#[derive(Clone)]
pub(super) struct Daemon {
    pub(super) endpoint: String,
    channel: Channel,
    bearer: Bearer,
}

/// An address as `serve --grpc` takes it is one without TLS.
fn with_scheme(endpoint: String) -> String {
    if endpoint.contains(':') && !endpoint.contains("://") { format!("http://{endpoint}") } else { endpoint }
}

impl ClientOptions {
    /// Connects.
    ///
    /// # Errors
    /// `client.endpoint` for options that cannot be used, `client.unreachable` when nobody answers.
    pub(super) async fn connect(&self) -> Result<Daemon, Problem> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let endpoint = self.endpoint.clone().or_else(|| variable("REELMILL_ENDPOINT"));
        let endpoint = with_scheme(endpoint.unwrap_or_else(|| ENDPOINT_DEFAULT.to_owned()));
        let bearer = self.bearer(variable("REELMILL_TOKEN"))?;
        let channel = self.way(&endpoint)?.connect().await.map_err(|error| unreachable(&endpoint, &error))?;
        Ok(Daemon { endpoint, channel, bearer })
    }

    fn way(&self, endpoint: &str) -> Result<Endpoint, Problem> {
        let bad = || {
            let message = format!(
                "`{endpoint}` is no address of a daemon: write one such as {ENDPOINT_DEFAULT} or https://host:7443"
            );
            Problem::input("client.endpoint", message)
        };
        let url = url::Url::parse(endpoint).map_err(|_| bad())?;
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(bad()),
        };
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(bad());
        }
        let way = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| bad())?;
        let way = way.connect_timeout(CONNECT_TIME_MAX).http2_keep_alive_interval(ALIVE_EVERY);
        let way = way.keep_alive_timeout(ALIVE_TIME_MAX).keep_alive_while_idle(true);
        if !secure {
            return Ok(way);
        }
        let tls = match &self.ca_file {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        way.tls_config(tls).map_err(|error| {
            let message = format!("TLS cannot be set up: {}; check --ca-file", root_cause(&error));
            Problem::input("client.endpoint", message)
        })
    }

    fn bearer(&self, variable: Option<String>) -> Result<Bearer, Problem> {
        let token = match &self.token_file {
            Some(path) => Some(read(path)?),
            None => variable,
        };
        let Some(token) = token else { return Ok(Bearer(None)) };
        let token = token.trim();
        let visible = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        let value = MetadataValue::try_from(format!("Bearer {token}")).ok().filter(|_| visible);
        let mut value = value.ok_or_else(|| {
            let message = "the token must be one word of ASCII: check --token-file or REELMILL_TOKEN";
            Problem::input("client.endpoint", message)
        })?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }
}

impl Daemon {
    fn way(&self) -> Way {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// Its jobs.
    pub(super) fn jobs(&self) -> JobServiceClient<Way> {
        JobServiceClient::new(self.way()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Its eyes.
    pub(super) fn media(&self) -> MediaServiceClient<Way> {
        MediaServiceClient::new(self.way()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Its books.
    pub(super) fn usage(&self) -> UsageServiceClient<Way> {
        UsageServiceClient::new(self.way()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Itself.
    pub(super) fn node(&self) -> NodeServiceClient<Way> {
        NodeServiceClient::new(self.way())
    }

    /// Waits for an answer; a refusal comes back as the problems that the daemon told.
    pub(super) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Vec<Problem>> {
        match tokio::time::timeout(ANSWER_TIME_MAX, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(problems(&status, &self.endpoint)),
            Err(_) => Err(vec![lost(&self.endpoint, &format!("no answer within {} s", ANSWER_TIME_MAX.as_secs()))]),
        }
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path)
        .map_err(|error| Problem::input("client.endpoint", format!("{} cannot be read: {error}", path.display())))
}

fn unreachable(endpoint: &str, error: &dyn Error) -> Problem {
    let cause = root_cause(error);
    let message = if cause.contains("certificate") {
        format!(
            "the certificate of {endpoint} is not trusted ({cause}): give the authority that signed it with --ca-file"
        )
    } else {
        format!(
            "no daemon answers at {endpoint} ({cause}): start one with `reelmill serve --state-dir DIR`, or name another \
             with --endpoint or REELMILL_ENDPOINT"
        )
    };
    Problem::sink("client.unreachable", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: &str) -> ClientOptions {
        ClientOptions { endpoint: Some(endpoint.into()), ..ClientOptions::default() }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for bad in ["", "ftp://host", "http://", "http://user:word@host:1", "s3://bucket"] {
            let problem = options(bad).way(bad).err().unwrap();
            assert_eq!(problem.code, "client.endpoint", "{bad}");
        }
        for good in ["http://127.0.0.1:7443", "http://[::1]:7443/", "https://host:7443", "127.0.0.1:7443", "[::1]:7443"]
        {
            assert!(options(good).way(&with_scheme(good.into())).is_ok(), "{good}");
        }
        assert_eq!(with_scheme("box:7443".into()), "http://box:7443");
    }

    #[test]
    fn a_token_is_one_line_and_is_not_shown() {
        let options = ClientOptions::default();
        let Bearer(value) = options.bearer(Some("opensesame\n".into())).unwrap();
        assert_eq!(value.as_ref().unwrap().to_str().unwrap(), "Bearer opensesame");
        assert!(!format!("{value:?}").contains("opensesame"));
        assert!(options.bearer(None).unwrap().0.is_none());
        for bad in [" \n", "a\nb", "ü"] {
            assert_eq!(options.bearer(Some(bad.into())).err().unwrap().code, "client.endpoint", "{bad:?}");
        }
    }
}
