//! TLS 1.2 and 1.3 by rustls with aws-lc-rs, from files that may change.

mod files;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::files::{Contents, Seen};
use crate::socket::Socket;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the certificate and what belongs to it stand. PEM, all of them.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, followed by those between it and a certificate authority that clients know.
    pub certificate: PathBuf,
    /// The private key of the certificate: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// Certificate authorities. Where it is named, a client must show a certificate of one of them.
    pub client_authorities: Option<PathBuf>,
}

/// TLS as the files say, and as they said last while they make no sense. Cloning shares it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    current: ArcSwap<Current>,
    seen: Mutex<Seen>,
}

/// The files as rustls takes them, for listeners with HTTP/2 and without.
struct Current {
    both: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
}

/// The files do not make up a TLS server.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}", file.display())]
pub struct TlsError {
    what: &'static str,
    file: PathBuf,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TlsError {
    /// The file that is at fault.
    #[must_use]
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    fn new(what: &'static str, file: &std::path::Path) -> Self {
        Self {
            what,
            file: file.to_owned(),
            source: None,
        }
    }

    fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Tls {
    /// Reads the files. Blocks; call it before serving.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, holds nothing of its kind, or key and certificate are not of one pair. An
    /// unreadable or empty file of client authorities is an error too: it never means that any client will do.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let mut seen = Seen::default();
        seen.look(&files);
        let contents = Contents::read(&files)?;
        seen.note(&contents);
        let current = Current::build(&files, &contents)?;
        Ok(Self(Arc::new(Shared {
            files,
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(seen),
        })))
    }

    /// Reads the files again if they have changed. Connections that are open stay as they are; new ones get what
    /// the files say now. Whether there was anything new. Blocks.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); what was there before stays in use. The same contents are an error only once.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let shared = &self.0;
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.look(&shared.files) {
            return Ok(false);
        }
        let contents = match Contents::read(&shared.files) {
            Ok(contents) => contents,
            Err(error) if seen.note_failure(&error) => return Err(error),
            Err(_told_already) => return Ok(false),
        };
        if !seen.note(&contents) {
            return Ok(false);
        }
        let current = Current::build(&shared.files, &contents)?;
        shared.current.store(Arc::new(current));
        Ok(true)
    }

    /// Looks at the files each second, and [reloads](Self::reload) them. Never returns; to be polled beside what
    /// serves. What is wrong with new files is logged once, as a warning.
    pub async fn keep_up(&self) {
        let mut interval = interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let me = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || me.reload()).await;
            let certificate = self.0.files.certificate.display();
            match reloaded {
                Ok(Ok(true)) => {
                    tracing::info!(%certificate, "new connections get the certificate's new version");
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(
                        %certificate,
                        error = &error as &dyn std::error::Error,
                        "the files of TLS have changed and cannot be used; the last ones that could stay in use"
                    );
                }
                Err(error) => tracing::error!(%error, "the files of TLS cannot be looked at"),
            }
        }
    }

    /// Shakes hands. Waits for ever if the client does. The stream, and whether it speaks HTTP/2.
    pub(crate) async fn accept(
        &self,
        stream: Socket,
        with_http2: bool,
    ) -> io::Result<(Box<TlsStream<Socket>>, bool)> {
        let config = {
            let current = self.0.current.load();
            Arc::clone(match with_http2 {
                true => &current.both,
                false => &current.http1,
            })
        };
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((Box::new(stream), is_http2))
    }
}

/// The protocols' names for ALPN (RFC 7301, RFC 9113 §3.1).
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

impl Current {
    fn build(files: &TlsFiles, contents: &Contents) -> Result<Self, TlsError> {
        let unusable = |error: rustls::Error| {
            TlsError::new("cannot use the certificate in", &files.certificate).caused_by(error)
        };
        let chain = certificates(&contents.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| TlsError::new("no private key is in", &files.key).caused_by(error))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match (&contents.client_authorities, &files.client_authorities) {
            (Some(pem), Some(file)) => {
                let unusable = |what| move |error| TlsError::new(what, file).caused_by(error);
                let mut roots = RootCertStore::empty();
                for authority in certificates(pem, file)? {
                    roots
                        .add(authority)
                        .map_err(unusable("cannot use a certificate authority in"))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| {
                    TlsError::new("cannot verify clients by", file).caused_by(error)
                })?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let what = match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the certificate does not belong to the private key in"
                }
                _ => "cannot use the certificate or the private key in",
            };
            TlsError::new(what, &files.key).caused_by(error)
        })?;
        config.alpn_protocols = vec![HTTP1.to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, HTTP2.to_vec());
        Ok(Self {
            both: Arc::new(config),
            http1,
        })
    }
}

fn certificates(
    pem: &[u8],
    file: &std::path::Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::new("cannot read the certificates in", file).caused_by(error))?;
    if found.is_empty() {
        return Err(TlsError::new("no certificate is in", file));
    }
    Ok(found)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::TlsError;

        keyward_testing::assert_texts!("TlsError", [
            "a file that is away" => TlsError::new("cannot read", "tls.pem".as_ref()).caused_by("No such file"),
        ]);
    }
}
