//! TLS for the client: rustls over ring, with the certificate authorities that the system trusts.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// A configuration that speaks HTTP/1.1 only, which is all that byte ranges and webhooks need.
///
/// The authorities are those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), read when this is called, and
/// those in `more`, in PEM. A system without any is no error here: plain HTTP still works, and each certificate is refused.
pub(super) fn config(more: &[u8]) -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!("a certificate authority of the system cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "certificate authorities of the system");
    for certificate in CertificateDer::pem_slice_iter(more) {
        let certificate = certificate.map_err(|error| format!("a certificate authority is not in PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate authority is malformed: {error}"))?;
    }
    // Given explicitly: which provider is the process's default depends on what else is linked in.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
