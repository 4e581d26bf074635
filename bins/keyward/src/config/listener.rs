//! What the sections of both planes say about their listener.

use std::path::{Path, PathBuf};

use keyward_listen::{Networks, ParseNetworkError, Tls, TlsFiles};
use serde::Deserialize;

use super::Config;
use crate::{failure::Failure, private_file, server::Plane};

/// A network that was checked where it was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Network(String);

impl TryFrom<String> for Network {
    type Error = ParseNetworkError;

    fn try_from(text: String) -> Result<Self, ParseNetworkError> {
        Networks::parse([&text]).map(|_network| Self(text))
    }
}

impl AsRef<str> for Network {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The fields of one section.
struct Listener<'a> {
    section: &'static str,
    certificate: Option<&'a PathBuf>,
    key: Option<&'a PathBuf>,
    client_authorities: Option<&'a PathBuf>,
    proxies: &'a [Network],
    trusted: &'a [Network],
}

impl Config {
    /// Puts into `listen` what the section of `plane` says, and reads the files of TLS. One that cannot be used
    /// stops the start.
    pub(crate) fn set_listener(
        &self,
        plane: Plane,
        listen: &mut keyward_listen::Config,
    ) -> Result<(), Failure> {
        let listener = self.listener(plane);
        let networks = |networks: &[Network]| {
            Networks::parse(networks).map_err(|error| {
                Failure::new(error.to_string())
                    .at(format!("`[{}]`", listener.section))
                    .help("`proxy_protocol_from` and `trusted_proxies` take networks")
            })
        };
        listen.proxy_protocol_from = networks(listener.proxies)?;
        listen.trusted_proxies = networks(listener.trusted)?;
        listen.tls = listener.tls()?;
        Ok(())
    }

    /// Whether a plane has TLS, and whether its files of TLS are named together. Opens none.
    pub(crate) fn check_files(&self, plane: Plane) -> Result<bool, Failure> {
        self.listener(plane).pair().map(|pair| pair.is_some())
    }

    fn listener(&self, plane: Plane) -> Listener<'_> {
        match plane {
            Plane::Data => Listener {
                section: "gateway",
                certificate: self.gateway.tls_cert_file.as_ref(),
                key: self.gateway.tls_key_file.as_ref(),
                client_authorities: self.gateway.tls_client_ca_file.as_ref(),
                proxies: &self.gateway.proxy_protocol_from,
                trusted: &self.gateway.trusted_proxies,
            },
            Plane::Control => Listener {
                section: "control",
                certificate: self.control.tls_cert_file.as_ref(),
                key: self.control.tls_key_file.as_ref(),
                client_authorities: self.control.tls_client_ca_file.as_ref(),
                proxies: &self.control.proxy_protocol_from,
                trusted: &self.control.trusted_proxies,
            },
        }
    }
}

impl Listener<'_> {
    fn tls(&self) -> Result<Option<Tls>, Failure> {
        let pair = self.pair()?;
        pair.map(|(certificate, key)| self.load(certificate, key))
            .transpose()
    }

    /// The certificate and its key.
    fn pair(&self) -> Result<Option<(&Path, &Path)>, Failure> {
        let refuse = |given: &str, missing: &str| {
            Err(Failure::new(format!(
                "`[{0}] {given}` is set, and `[{0}] {missing}` is not",
                self.section
            ))
            .at(format!("`[{}] {missing}`", self.section))
            .help("TLS needs both `tls_cert_file` and `tls_key_file`"))
        };
        match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (Some(_), None) => refuse("tls_cert_file", "tls_key_file"),
            (None, Some(_)) => refuse("tls_key_file", "tls_cert_file"),
            // Without TLS nobody would be asked for a certificate.
            (None, None) if self.client_authorities.is_some() => {
                refuse("tls_client_ca_file", "tls_cert_file")
            }
            (None, None) => Ok(None),
        }
    }

    fn load(&self, certificate: &Path, key: &Path) -> Result<Tls, Failure> {
        if private_file::is_open_to_others(key) {
            tracing::warn!(
                tls_key_file = %key.display(),
                "others may read the private key of TLS; `chmod 600` shuts them out"
            );
        }
        let files = TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_authorities: self.client_authorities.cloned(),
        };
        Tls::load(files).map_err(|error| {
            Failure::new(error.to_string())
                .because_of_sources(&error)
                .in_file(error.file())
                .help(format!(
                    "the `tls_…` fields of `[{}]` name PEM files",
                    self.section
                ))
        })
    }
}
