//! A throw-away certificate for 127.0.0.1, for measurements with TLS to the upstream.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl TlsError {
    fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Makes a self-signed certificate for 127.0.0.1: what a server needs that agrees on one of `protocols` by ALPN, or on
/// none where that is empty; and the PEM text that clients must trust.
///
/// # Errors
///
/// When no key can be made.
pub fn server(protocols: &[&[u8]]) -> Result<(Arc<ServerConfig>, String), TlsError> {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).map_err(TlsError::new)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(TlsError::new)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(TlsError::new)?;
    config.alpn_protocols = protocols.iter().map(|&protocol| protocol.into()).collect();
    Ok((Arc::new(config), made.cert.pem()))
}

/// Makes what a client needs to trust the certificates in the PEM file at `path`. Reads the file.
///
/// # Errors
///
/// When the file cannot be read or holds no certificate.
pub fn client(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(TlsError::new)? {
        roots
            .add(certificate.map_err(TlsError::new)?)
            .map_err(TlsError::new)?;
    }
    Ok(Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}
