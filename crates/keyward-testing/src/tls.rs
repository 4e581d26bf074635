//! A certificate authority for loopback.

use std::{
    fmt,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// A certificate authority made for one test, and a server certificate for `127.0.0.1` and `localhost`.
pub struct TestCa {
    ca: CertificateDer<'static>,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    server_config: Arc<ServerConfig>,
}

impl TestCa {
    /// Makes a new authority.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "every authority is a different one"
    )]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let ca = params
            .self_signed(&key)
            .expect("the authority signs itself");
        let issuer = Issuer::new(params, key);
        Self {
            ca: ca.der().clone(),
            ca_pem: ca.pem(),
            server_config: server_config(&issuer, &["127.0.0.1", "localhost"]),
            issuer,
        }
    }

    /// The authority's certificate as PEM text.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes the authority's certificate to `ca.pem` in `dir` and returns the path.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    #[must_use]
    pub fn write_ca_pem(&self, dir: &Path) -> PathBuf {
        let path = dir.join("ca.pem");
        fs::write(&path, &self.ca_pem).expect("ca.pem can be written");
        path
    }

    /// Writes a new certificate for `127.0.0.1` and `localhost` to `cert.pem` in `dir`, and its key to `key.pem`.
    ///
    /// # Panics
    ///
    /// When a file cannot be written.
    pub fn write_server_pair(&self, dir: &Path) {
        let (certificate, key) = issue(&self.issuer, &["127.0.0.1", "localhost"]);
        let file = dir.join("key.pem");
        fs::write(&file, key.serialize_pem()).expect("key.pem can be written");
        let private = Permissions::from_mode(0o600);
        fs::set_permissions(file, private).expect("key.pem can be made private");
        fs::write(dir.join("cert.pem"), certificate.pem()).expect("cert.pem can be written");
    }

    /// A server with the certificate for `127.0.0.1` and `localhost`, offering HTTP/1.1.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server_config)
    }

    /// The same server, offering HTTP/2 before HTTP/1.1.
    #[must_use]
    pub fn server_config_http2(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.server_config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A server with a certificate for `names` alone, such as one that the caller does not ask for.
    ///
    /// # Panics
    ///
    /// When a name can stand in no certificate.
    #[must_use]
    pub fn server_config_for(&self, names: &[&str]) -> Arc<ServerConfig> {
        server_config(&self.issuer, names)
    }

    /// A client that trusts this authority and nobody else, offering HTTP/1.1.
    ///
    /// # Panics
    ///
    /// Never: the authority's certificate is a valid root.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.ca.clone())
            .expect("the authority is a valid root");
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCa").finish_non_exhaustive()
    }
}

fn issue(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> (Certificate, KeyPair) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names can stand in a certificate");
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params
        .signed_by(&key, issuer)
        .expect("the authority signs the server");
    (certificate, key)
}

fn server_config(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> Arc<ServerConfig> {
    let (certificate, key) = issue(issuer, names);
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("the key belongs to the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::TestCa;

    #[test]
    fn the_authority_is_written_where_asked() {
        let dir = tempfile::tempdir().unwrap();
        let ca = TestCa::new();
        let path = ca.write_ca_pem(dir.path());
        assert_eq!(std::fs::read_to_string(path).unwrap(), ca.ca_pem());
        assert!(ca.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(ca.ca_pem(), TestCa::new().ca_pem());
    }
}
