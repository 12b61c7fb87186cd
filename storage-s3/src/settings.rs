//! How a store is reached: endpoint, credentials, checksums, patience.

use std::fmt;
use std::time::Duration;

/// An S3-compatible store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `http://` or `https://` address of the store; none for AWS itself.
    pub endpoint: Option<String>,
    /// Region that requests are signed for. None: `AWS_REGION`, then `AWS_DEFAULT_REGION`, then `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket stands in the path (`host/bucket/key`) instead of in the host name (`bucket.host/key`).
    pub path_style: bool,
    /// Who asks.
    pub credentials: Credentials,
    /// Whether the SDK adds checksums of its own. None: [`Checksums::WhenRequired`] with an endpoint,
    /// [`Checksums::WhenSupported`] for AWS.
    pub checksums: Option<Checksums>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for the next byte, in either direction, and for an answer.
    pub read_timeout: Duration,
}

impl Settings {
    /// Settings for an endpoint, or for AWS: path style where there is an endpoint, which every store understands.
    pub fn new(endpoint: Option<String>, credentials: Credentials) -> Settings {
        Settings {
            path_style: endpoint.is_some(),
            endpoint,
            region: None,
            credentials,
            checksums: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn checksums(&self) -> Checksums {
        let default = if self.endpoint.is_some() { Checksums::WhenRequired } else { Checksums::WhenSupported };
        self.checksums.unwrap_or(default)
    }
}

/// Who asks. Its `Debug` form never shows a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Found where AWS tools find them: environment, shared profile files, web identity, container, instance metadata.
    #[default]
    Chain,
    /// As given.
    Static {
        /// Public half of the key.
        access_key_id: String,
        /// Secret half of the key.
        secret_access_key: String,
        /// Token of temporary credentials.
        session_token: Option<String>,
    },
    /// Requests are not signed: public buckets.
    Anonymous,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("Chain"),
            // Not even the public half: it names an account.
            Self::Static { session_token, .. } => f
                .debug_struct("Static")
                .field("access_key_id", &"…")
                .field("secret_access_key", &"…")
                .field("session_token", &session_token.as_ref().map(|_| "…"))
                .finish(),
            Self::Anonymous => f.write_str("Anonymous"),
        }
    }
}

/// Checksums that the SDK adds to requests and checks in answers, beside the signed hash of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Only where the operation demands one. Other stores than AWS often refuse the rest.
    WhenRequired,
    /// Wherever the operation allows one.
    WhenSupported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let credentials = Credentials::Static {
            access_key_id: "key-public".to_owned(),
            secret_access_key: "key-secret".to_owned(),
            session_token: Some("key-token".to_owned()),
        };
        let shown = format!("{:?}", Settings::new(Some("http://store".to_owned()), credentials));
        assert!(shown.contains("http://store") && !shown.contains("key-"), "{shown}");
    }

    #[test]
    fn checksums_follow_the_endpoint() {
        let mut settings = Settings::new(None, Credentials::Anonymous);
        assert_eq!(settings.checksums(), Checksums::WhenSupported);
        settings.endpoint = Some("http://store".to_owned());
        assert_eq!(settings.checksums(), Checksums::WhenRequired);
        settings.checksums = Some(Checksums::WhenSupported);
        assert_eq!(settings.checksums(), Checksums::WhenSupported);
    }
}
