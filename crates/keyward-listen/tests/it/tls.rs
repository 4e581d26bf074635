//! TLS: protocols by ALPN, files that change, certificates of clients.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use keyward_listen::{Config, Networks, Tls, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{
    DEADLINE, END_HEADERS, HEADERS, PREFACE, Running, SHORT, frame, frames_to_end, get, hello,
    impatient, patient, read_frame, read_to_end, read_until,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A certificate authority, and a directory with a server's certificate of it.
struct Files {
    directory: TempDir,
    authority: Authority,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// A certificate for `localhost`, and its key.
    fn issue(&self, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

impl Files {
    fn new() -> Self {
        let files = Self {
            directory: TempDir::new().unwrap(),
            authority: Authority::new(),
        };
        files.write_new_pair();
        files
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.directory.path().join(name);
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// Replaces both files, and returns the certificate.
    fn write_new_pair(&self) -> String {
        let (certificate, key) = self.authority.issue(ExtendedKeyUsagePurpose::ServerAuth);
        self.write("key.pem", &key);
        self.write("cert.pem", &certificate);
        certificate
    }

    fn names(&self, client_authorities: Option<&str>) -> TlsFiles {
        let file = |name: &str| self.directory.path().join(name);
        TlsFiles {
            certificate: file("cert.pem"),
            key: file("key.pem"),
            client_authorities: client_authorities.map(file),
        }
    }

    fn load(&self) -> Tls {
        Tls::load(self.names(None)).unwrap()
    }

    /// A client that trusts the authority and offers these protocols.
    fn client(&self, protocols: &[&str], own: Option<(String, String)>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        // So that each connection is a handshake of its own, with what the server has now.
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

async fn connect(running: &Running, client: &TlsConnector) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = client.connect(name, running.connect().await);
    timeout(DEADLINE, connecting).await.unwrap().unwrap()
}

fn certificate(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain.first().unwrap().clone().into_owned()
}

fn with(config: Config, tls: Tls) -> Config {
    Config {
        tls: Some(tls),
        ..config
    }
}

#[tokio::test]
async fn the_protocol_is_the_one_that_was_agreed_on() {
    let files = Files::new();
    let running = Running::start(with(patient(), files.load())).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&running, &files.client(protocols, None)).await;
        stream.write_all(GET).await.unwrap();
        read_until(&mut stream, "127.0.0.1").await;
    }
    let mut stream = connect(&running, &files.client(&["http/1.1", "h2"], None)).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/"));
    let bytes = [hello(&[]), request].concat();
    stream.write_all(&bytes).await.unwrap();
    read_until(&mut stream, "127.0.0.1").await;
    running.stop().await;
}

#[tokio::test]
async fn without_http2_it_is_not_agreed_on() {
    let files = Files::new();
    let config = Config {
        http2: None,
        ..with(patient(), files.load())
    };
    let running = Running::start(config).await;
    let stream = connect(&running, &files.client(&["h2", "http/1.1"], None)).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_is_closed() {
    let files = Files::new();
    let config = Config {
        handshake_timeout: SHORT,
        ..with(patient(), files.load())
    };
    let running = Running::start(config).await;
    // A record of a handshake, and the first bytes of what it announces.
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"] {
        let mut stream = running.connect_and_send(sent).await;
        assert_eq!(read_to_end(&mut stream).await, b"", "{sent:x?}");
    }
    // What is no TLS at all is told so at once.
    let mut stream = running.connect_and_send(GET).await;
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with(&[0x15]),
        "{answer:x?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_says_too_little_after_the_handshake_is_closed() {
    let files = Files::new();
    let running = Running::start(with(impatient(), files.load())).await;
    let h1 = files.client(&["http/1.1"], None);
    for sent in [&b""[..], b"P", b"GET / HTTP/1.1\r\nhost: local", GET] {
        let mut stream = connect(&running, &h1).await;
        stream.write_all(sent).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert_eq!(answer.is_empty(), sent != GET, "{answer:x?}");
    }
    let h2 = files.client(&["h2"], None);
    let request = frame(HEADERS, END_HEADERS | 1, 1, &get("/"));
    let half = frame(HEADERS, 0, 1, &get("/"));
    for sent in [
        Vec::new(),
        b"P".to_vec(),
        PREFACE.to_vec(),
        [hello(&[]), half].concat(),
        [hello(&[]), request].concat(),
    ] {
        let mut stream = connect(&running, &h2).await;
        stream.write_all(&sent).await.unwrap();
        frames_to_end(&mut stream).await;
    }
    running.stop().await;
}

/// Closing with an alert and lingering: the client reads its answer, and a clean end.
#[tokio::test]
async fn an_early_answer_is_read_after_the_upload() {
    let files = Files::new();
    let running = Running::start(with(patient(), files.load())).await;
    let mut stream = connect(&running, &files.client(&["http/1.1"], None)).await;
    let length = 16 * 1024 * 1024;
    let head =
        format!("POST /early HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let body = vec![b'x'; length];
    let sent = timeout(DEADLINE, stream.write_all(&body)).await;
    sent.expect("the upload is taken").unwrap();
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.unwrap().expect("a clean end");
    assert!(answer.starts_with(b"HTTP/1.1 401"));
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed() {
    let files = Files::new();
    let config = Config {
        write_timeout: SHORT,
        ..with(patient(), files.load())
    };
    let running = Running::start(config).await;
    let mut stream = connect(&running, &files.client(&["http/1.1"], None)).await;
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let seen = Arc::clone(&running.seen);
    crate::support::wait_until("the request is there", || {
        seen.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    crate::support::wait_until("the answer is dropped", || {
        seen.alive.load(Ordering::SeqCst) == 0
    })
    .await;
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_stay() {
    let files = Files::new();
    let tls = files.load();
    let running = Running::start(with(patient(), tls.clone())).await;
    let client = files.client(&["http/1.1"], None);
    let mut old = connect(&running, &client).await;
    assert!(
        !tls.reload().unwrap() || !tls.reload().unwrap(),
        "nothing has changed"
    );
    let new = files.write_new_pair();
    let new = CertificateDer::from_pem_slice(new.as_bytes()).unwrap();
    // The server looks by itself, each second.
    let seen = async { while certificate(&connect(&running, &client).await) != new {} };
    timeout(DEADLINE, seen).await.expect("the new certificate");
    old.write_all(GET).await.unwrap();
    read_until(&mut old, "127.0.0.1").await;
    running.stop().await;
}

/// As an editor, a copy over a slow line or two commands leave them for a while.
#[tokio::test]
async fn files_that_make_no_sense_leave_what_was_there_and_are_told_once() {
    let files = Files::new();
    let tls = files.load();
    let (certificate, key) = files.authority.issue(ExtendedKeyUsagePurpose::ServerAuth);
    let half = &certificate[..certificate.len() / 2];
    let path = |name: &str| files.directory.path().join(name);
    for (name, text, says) in [
        ("cert.pem", half, "certificate"),
        ("cert.pem", "", "no certificate is in"),
        ("cert.pem", certificate.as_str(), "does not belong"),
        ("key.pem", "nonsense", "no private key is in"),
    ] {
        fs::write(path(name), text).unwrap();
        let error = tls.reload().expect_err(says).to_string();
        assert!(
            error.contains(says) && error.contains(name) | (says == "does not belong"),
            "{error}"
        );
        for _ in 0..3 {
            assert!(!tls.reload().expect("told already"), "{says}");
        }
    }
    fs::remove_file(path("key.pem")).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("cannot read the key file"), "{error}");
    assert!(!tls.reload().unwrap() && !tls.reload().unwrap());
    // All the while the first pair serves.
    let running = Running::start(with(patient(), tls.clone())).await;
    connect(&running, &files.client(&[], None)).await;
    fs::write(path("key.pem"), key).unwrap();
    assert!(tls.reload().unwrap(), "now they are a pair");
    connect(&running, &files.client(&[], None)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_replaced_under_load_fails_no_request() {
    let files = Files::new();
    let tls = files.load();
    let running = Arc::new(Running::start(with(patient(), tls.clone())).await);
    let (served, is_over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (running, served, is_over) = (
            Arc::clone(&running),
            Arc::clone(&served),
            Arc::clone(&is_over),
        );
        let client = files.client(&["http/1.1"], None);
        clients.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                // Some keep their connection, some make a new one for each request.
                let mut stream = connect(&running, &client).await;
                for _ in 0..if number % 2 == 0 { 20 } else { 1 } {
                    stream.write_all(GET).await.unwrap();
                    read_until(&mut stream, "127.0.0.1").await;
                    served.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    for round in 1..=10 {
        files.write_new_pair();
        assert!(tls.reload().unwrap());
        let enough = 50 * round;
        crate::support::wait_until("requests with it", || {
            served.load(Ordering::Relaxed) > enough
        })
        .await;
    }
    is_over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("a request failed");
    }
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test]
async fn a_client_shows_a_certificate_of_the_authority_or_is_not_served() {
    let files = Files::new();
    let clients = Authority::new();
    let strangers = Authority::new();
    files.write("clients.pem", &clients.pem);
    let tls = Tls::load(files.names(Some("clients.pem"))).unwrap();
    let running = Running::start(with(patient(), tls)).await;
    let purpose = || ExtendedKeyUsagePurpose::ClientAuth;
    let good = files.client(&["http/1.1"], Some(clients.issue(purpose())));
    let mut stream = connect(&running, &good).await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "127.0.0.1").await;
    for own in [
        None,
        Some(strangers.issue(purpose())),
        Some(files.authority.issue(purpose())),
        Some(clients.issue(ExtendedKeyUsagePurpose::ServerAuth)),
    ] {
        let client = files.client(&["http/1.1"], own);
        let name = ServerName::try_from("localhost").unwrap();
        // In TLS 1.3 the client learns of the refusal when it reads.
        let Ok(mut stream) = client.connect(name, running.connect().await).await else {
            continue;
        };
        let _sent = stream.write_all(GET).await;
        assert_eq!(read_to_end(&mut stream).await, b"");
    }
    assert_eq!(running.seen.begun.load(Ordering::SeqCst), 1);
    running.stop().await;
}

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    #[track_caller]
    fn check(change: impl FnOnce(&Path), says: &str) {
        let files = Files::new();
        files.write("clients.pem", &Authority::new().pem);
        change(files.directory.path());
        let error = Tls::load(files.names(Some("clients.pem"))).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.file().starts_with(files.directory.path()));
    }
    let remove = |name: &'static str| move |at: &Path| fs::remove_file(at.join(name)).unwrap();
    let set = |name: &'static str, text: &'static str| {
        move |at: &Path| fs::write(at.join(name), text).unwrap()
    };
    check(remove("cert.pem"), "cannot read the certificate file");
    check(remove("key.pem"), "cannot read the key file");
    check(
        remove("clients.pem"),
        "cannot read the file of client authorities",
    );
    check(set("cert.pem", ""), "no certificate is in");
    check(set("key.pem", ""), "no private key is in");
    check(set("clients.pem", ""), "no certificate is in");
    check(set("clients.pem", "nonsense"), "no certificate is in");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(
        set("clients.pem", broken),
        "cannot use a certificate authority",
    );
    check(set("cert.pem", broken), "cannot use the certificate");
    let (other, _key) = Authority::new().issue(ExtendedKeyUsagePurpose::ServerAuth);
    check(
        |at| fs::write(at.join("cert.pem"), other).unwrap(),
        "does not belong",
    );
}

/// The PROXY header comes in clear, before the handshake.
#[tokio::test]
async fn a_proxy_names_the_source_before_the_handshake() {
    let files = Files::new();
    let config = Config {
        proxy_protocol_from: Networks::parse(["127.0.0.1"]).unwrap(),
        ..with(patient(), files.load())
    };
    let running = Running::start(config).await;
    let header = crate::proxies::header([192, 0, 2, 7]);
    let stream = running.connect_and_send(&header).await;
    let name = ServerName::try_from("localhost").unwrap();
    let client = files.client(&["http/1.1"], None);
    let mut stream = client.connect(name, stream).await.unwrap();
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "192.0.2.7").await;
    // Without the header there is no handshake.
    let mut stream = running
        .connect_and_send(b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03\0\0\0\0\0")
        .await;
    assert_eq!(read_to_end(&mut stream).await, b"");
    running.stop().await;
}

#[tokio::test]
async fn http2_over_tls_answers_several_at_once() {
    let files = Files::new();
    let running = Running::start(with(patient(), files.load())).await;
    let mut stream = connect(&running, &files.client(&["h2"], None)).await;
    let mut bytes = hello(&[]);
    for id in [1, 3, 5] {
        bytes.extend(frame(HEADERS, END_HEADERS | 1, id, &get("/")));
    }
    stream.write_all(&bytes).await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < 3 {
        let (kind, _flags, id, payload) = read_frame(&mut stream).await.expect("an answer");
        if kind == crate::support::DATA && !payload.is_empty() {
            assert_eq!(payload, b"127.0.0.1");
            answered.push(id);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5]);
    running.stop().await;
}
