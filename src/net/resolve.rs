//! Names to addresses, through the rules: what connects sees no other addresses.

use super::address::{AddressRules, Refusal};
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Asks for the addresses of a name.
pub trait Lookup: Send + Sync + Debug {
    /// All addresses of the host, in the order in which they are to be tried.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's name service.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A name that has no address, as the name service says it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unknown(pub(super) String);

/// What the HTTP client asks in place of the name service. It connects to the addresses that it gets here and to no
/// others, so a name that changes its address between two requests is judged twice.
#[derive(Clone, Debug)]
pub(super) struct Filtered {
    pub(super) rules: Arc<AddressRules>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Filtered {
    async fn addresses(self, host: String) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        self.rules.check_name(&host)?;
        let found = self.lookup.lookup(host.clone()).await.map_err(|error| Unknown(error.to_string()))?;
        let mut refused: Option<Refusal> = None;
        let mut passed = Vec::new();
        for address in found {
            match self.rules.check(&host, address) {
                Ok(()) => passed.push(address),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            Some(refusal) if passed.is_empty() => Err(refusal.into()),
            None if passed.is_empty() => Err(Unknown("the name has no address".to_owned()).into()),
            _ => Ok(passed),
        }
    }
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let filtered = self.clone();
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let passed = filtered.addresses(host).await?;
            let addresses: Addrs = Box::new(passed.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
