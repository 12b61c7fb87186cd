//! Why a request brought no answer.

use super::address::Refusal;
use super::resolve::Unknown;
use std::error::Error;
use std::io;

/// What became of a request that has no answer, or whose answer broke off. Nothing in it shows an address's credentials.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The rules do not let it through. Final.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was given is no address. Final.
    #[error("{0}")]
    Url(String),
    /// A redirect that is not followed. Final.
    #[error("it redirects {0}")]
    Redirect(String),
    /// The certificate of the other side is not accepted. Final until somebody changes it.
    #[error("its certificate is not accepted ({0})")]
    Certificate(String),
    /// The name service has no address for the host.
    #[error("its host was not found ({0})")]
    Name(String),
    /// No connection came about.
    #[error("it cannot be connected to ({0})")]
    Connect(String),
    /// It took too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke ({0})")]
    Broken(String),
}

impl Failure {
    /// Whether the same request may well succeed later.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Connect(_) | Self::TimedOut | Self::Broken(_))
    }

    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(refusal) = find::<Refusal>(error) {
            return Self::Refused(refusal.clone());
        }
        if let Some(Unknown(why)) = find(error) {
            return Self::Name(why.clone());
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = find(error) {
            return Self::Certificate(why.to_string());
        }
        if error.is_timeout() {
            return Self::TimedOut;
        }
        let why = root(error);
        if error.is_connect() { Self::Connect(why) } else { Self::Broken(why) }
    }
}

/// The first error of a type in a chain. An `io::Error` hides what it wraps from `source`, so it is asked itself.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = inner(error);
    }
    None
}

/// What the last error of a chain says: those before it say where, with the address.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = inner(last) {
        last = next;
    }
    last.to_string()
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
}
