//! How a connection is made.

use std::{fmt, sync::Arc};

use keyward_secret::SecretBytes;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::{RedisUrl, Settings, SettingsError, trouble::Trouble};

/// All that it takes to connect.
pub(crate) struct Door {
    url: RedisUrl,
    password: Option<SecretBytes>,
    tls: Option<Tls>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection, and the task that keeps it going; which ends with the connection, and with this.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) driver: AbortOnDropHandle<()>,
}

impl Door {
    /// Reads the system's roots where there is TLS, so it blocks.
    pub(crate) fn build(settings: Settings) -> Result<Self, SettingsError> {
        let password = settings.password.as_ref();
        if password.is_some_and(|password| text(password).is_none()) {
            return Err(SettingsError::Password);
        }
        let tls = match settings.url.has_tls() {
            true => Some(Tls::build(&settings.url, &settings.extra_ca_pem)?),
            false => None,
        };
        Ok(Self {
            url: settings.url,
            password: settings.password,
            tls,
        })
    }

    pub(crate) const fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// Connects and logs in. Takes as long as it takes: the caller bounds it.
    pub(crate) async fn open(&self, most_in_flight: usize) -> Result<Opened, Trouble> {
        let stream = TcpStream::connect((self.url.host(), self.url.port()));
        let stream = stream.await.map_err(|_io| Trouble::Unreachable)?;
        // A command must not wait for an acknowledgement.
        stream
            .set_nodelay(true)
            .map_err(|_io| Trouble::Unreachable)?;
        match &self.tls {
            None => self.log_in(stream, most_in_flight).await,
            Some(tls) => {
                let stream = tls.connector.connect(tls.name.clone(), stream);
                let stream = stream.await.map_err(|_tls| Trouble::Tls)?;
                self.log_in(stream, most_in_flight).await
            }
        }
    }

    async fn log_in<S>(&self, stream: S, most_in_flight: usize) -> Result<Opened, Trouble>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Every decision has a deadline of its own, and the caller lets no more in.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(most_in_flight);
        let login = self.login();
        let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (connection, driver) = opened?;
        Ok(Opened {
            connection,
            driver: AbortOnDropHandle::new(spawn(driver)),
        })
    }

    /// Made for each connection, as the library keeps the password in a text of its own.
    fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_db(self.url.database().into());
        if let Some(user) = self.url.user() {
            login = login.set_username(user);
        }
        if let Some(password) = self.password.as_ref().and_then(text) {
            login = login.set_password(password);
        }
        login
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Tls {
    fn build(url: &RedisUrl, extra_ca_pem: &[Vec<u8>]) -> Result<Self, SettingsError> {
        let failed = SettingsError::Tls;
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a part of the system's roots cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        for pem in extra_ca_pem {
            for authority in CertificateDer::pem_slice_iter(pem) {
                let authority =
                    authority.map_err(|_pem| failed("an extra authority cannot be parsed"))?;
                roots
                    .add(authority)
                    .map_err(|_der| failed("an extra authority cannot be used"))?;
            }
        }
        if roots.is_empty() {
            return Err(failed("no certificate authority is trusted"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_versions| failed("the TLS provider lacks a protocol version"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_name| failed("the host of the URL can stand in no certificate"))?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }
}

fn text(password: &SecretBytes) -> Option<&str> {
    str::from_utf8(password.expose()).ok()
}
