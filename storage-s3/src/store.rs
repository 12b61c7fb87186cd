//! A store: the SDK's client, made of [`Settings`], and the uploads that are being aborted on it.

use crate::bucket::Bucket;
use crate::settings::{Checksums, Credentials, Settings};
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::{Builder, tls};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, watch};

/// A store. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// For everything that answers as soon as it has been asked.
    pub(crate) client: Client,
    /// For uploads: the SDK's timeout for an answer begins with the request, so it would end every long upload.
    pub(crate) uploads: Client,
    pub(crate) read_timeout: Duration,
    pub(crate) region: String,
    /// Tasks that begin or abort uploads.
    pub(crate) unsettled: watch::Sender<usize>,
}

impl Store {
    /// A store with these settings. Nothing is sent and no credentials are looked for before the first request.
    pub fn connect(settings: Settings) -> Store {
        let region = settings.region.clone().or_else(region_from_environment);
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let http = http_client(&settings);
        let timeouts = TimeoutConfig::builder().connect_timeout(settings.connect_timeout);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .force_path_style(settings.path_style)
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled())
            // Bodies are watched here, in both directions.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts.clone().read_timeout(settings.read_timeout).build());
        let (calculation, validation) = match settings.checksums() {
            Checksums::WhenRequired => {
                (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
            }
            Checksums::WhenSupported => {
                (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
            }
        };
        config = config.request_checksum_calculation(calculation).response_checksum_validation(validation);
        config.set_endpoint_url(settings.endpoint);
        match settings.credentials {
            Credentials::Chain => {
                config = config.credentials_provider(Chain { region: region.clone(), http, found: OnceCell::new() });
            }
            Credentials::Static { access_key_id, secret_access_key, session_token } => {
                config = config.credentials_provider(aws_credential_types::Credentials::new(
                    access_key_id,
                    secret_access_key,
                    session_token,
                    None,
                    "settings",
                ));
            }
            // Without a provider the SDK does not sign.
            Credentials::Anonymous => {}
        }
        let config = config.build();
        let uploads = config.to_builder().timeout_config(timeouts.disable_read_timeout().build()).build();
        Store {
            shared: Arc::new(Shared {
                client: Client::from_conf(config),
                uploads: Client::from_conf(uploads),
                read_timeout: settings.read_timeout,
                region,
                unsettled: watch::Sender::new(0),
            }),
        }
    }

    /// A bucket of the store, whether it is there or not: [`Bucket::check`] tells.
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket::new(self.clone(), name)
    }

    /// Waits until no upload is being aborted any more. A process that ends before leaves parts on the server.
    pub async fn settled(&self) {
        // An error would mean that the sender is gone, which `self` holds.
        drop(self.shared.unsettled.subscribe().wait_for(|count| *count == 0).await);
    }
}

fn region_from_environment() -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Plain HTTP where nothing else can be needed: loading the system's certificates takes a while.
fn http_client(settings: &Settings) -> SharedHttpClient {
    let plain = settings.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    if plain && settings.credentials != Credentials::Chain {
        return Builder::new().build_http();
    }
    Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
}

/// The chain of the AWS tools, put together when credentials are first needed.
#[derive(Debug)]
struct Chain {
    region: String,
    http: SharedHttpClient,
    found: OnceCell<DefaultCredentialsChain>,
}

impl Chain {
    async fn credentials(&self) -> provider::Result {
        let chain = self.found.get_or_init(|| {
            // With a region given, building the chain asks nobody for one.
            let config = ProviderConfig::without_region().with_http_client(self.http.clone());
            DefaultCredentialsChain::builder().configure(config).region(Region::new(self.region.clone())).build()
        });
        chain.await.provide_credentials().await
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
