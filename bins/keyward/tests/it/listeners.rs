//! The listeners of `serve`: TLS on both planes, files that must be there, a stop that fails no request.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::OpenOptionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward_testing::{TestCa, client::Client};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};

use crate::support::{DEADLINE, Dev, Server, keyward, run, run_with, until};

pub(crate) const TLS: &str = "tls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n";

/// A directory with a vault, an API token, and the files of TLS.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    ca: TestCa,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let ca = TestCa::new();
        ca.write_server_pair(directory.path());
        assert!(ca.write_ca_pem(directory.path()).exists());
        let place = Self { directory, ca };
        place.configure("", "");
        let args = [
            "vault",
            "init",
            "--config",
            "keyward.toml",
            "--token-out",
            "token",
        ];
        run(place.directory.path(), &args).ok();
        place
    }

    /// Both planes listen on free ports; more fields for each of them.
    pub(crate) fn configure(&self, gateway: &str, control: &str) {
        let text = format!(
            "data_dir = \".keyward\"\n\
             [seal]\nkey_file = \"key\"\n\
             [log]\nformat = \"json\"\n\
             [gateway]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n{gateway}\n\
             [control]\nlisten = \"127.0.0.1:0\"\n{control}\n"
        );
        fs::write(self.directory.path().join("keyward.toml"), text).unwrap();
    }

    /// A running server, the data plane's address and the control plane's URL.
    pub(crate) fn serve(&self) -> (Server, SocketAddr, String) {
        let command = keyward(
            self.directory.path(),
            &["serve", "--config", "keyward.toml"],
        );
        let server = Server::spawn(command, self.directory.path().join("log"));
        until("serve says what runs", || {
            let logged = server.logged();
            assert!(!logged.contains("error: "), "{logged}");
            logged.ends_with('\n') && logged.contains("\"roots\"")
        });
        let url = |plane: &str| {
            let logged = server.logged();
            let line = logged.lines().find(|line| line.contains(plane)).unwrap();
            let line: Value = serde_json::from_str(line).unwrap();
            line["url"].as_str().unwrap().to_owned()
        };
        let gateway = url("data plane");
        let (_scheme, address) = gateway.split_once("://").unwrap();
        let (address, control) = (address.parse().unwrap(), url("control plane"));
        (server, address, control)
    }

    fn command(&self, control: &str, args: &[&str]) -> crate::support::Done {
        let mut command = keyward(self.directory.path(), args);
        command
            .env("KEYWARD_CONTROL_URL", control)
            .env("KEYWARD_API_TOKEN_FILE", "token");
        run_with(command, "")
    }
}

#[test]
fn both_planes_speak_tls_and_commands_use_it() {
    let place = Place::new();
    place.configure(TLS, TLS);
    let (server, gateway, control) = place.serve();
    assert!(control.starts_with("https://"), "{control}");
    let list = ["gateways", "list"];
    // The test's authority is none that the system knows.
    place
        .command(&control, &list)
        .failed(3, &["cannot reach", "certificate"]);
    let trusting = ["gateways", "list", "--ca-file", "ca.pem"];
    assert!(
        place
            .command(&control, &trusting)
            .ok()
            .out
            .contains("default")
    );
    let absent = ["gateways", "list", "--ca-file", "absent.pem"];
    place
        .command(&control, &absent)
        .failed(1, &["cannot read absent.pem"]);
    let in_clear = control.replace("https", "http");
    place.command(&in_clear, &list).failed(3, &["cannot reach"]);

    let runtime = Runtime::new().unwrap();
    let answer = runtime.block_on(async {
        let mut client = Client::connect_tls(gateway, "localhost", &place.ca)
            .await
            .unwrap();
        client.get("/v1/x", &[("host", "localhost")]).await.unwrap()
    });
    assert_eq!(answer.header("cf-aig-error-source"), Some("gateway"));
    server.stop();
}

#[test]
fn with_tls_a_listener_may_be_reached_from_elsewhere() {
    let place = Place::new();
    let everywhere =
        |text: &str| text.replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"");
    let file = place.directory.path().join("keyward.toml");
    place.configure(TLS, "");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, everywhere(&text)).unwrap();
    let serve = ["serve", "--config", "keyward.toml"];
    let done = run(place.directory.path(), &serve);
    done.failed(
        1,
        &[
            "the control plane would listen",
            "without TLS",
            "tls_cert_file",
        ],
    );
    place.configure(TLS, TLS);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, everywhere(&text)).unwrap();
    let (server, _gateway, _control) = place.serve();
    server.stop();
}

#[test]
fn each_file_of_tls_that_is_not_there_stops_the_start() {
    let place = Place::new();
    let clients = format!("{TLS}tls_client_ca_file = \"ca.pem\"\n");
    for (gateway, control) in [(clients.as_str(), ""), ("", clients.as_str())] {
        place.configure(gateway, control);
        for name in ["cert.pem", "key.pem", "ca.pem"] {
            let file = place.directory.path().join(name);
            let kept = fs::read_to_string(&file).unwrap();
            let write = |text: &str| {
                let mut options = fs::OpenOptions::new();
                let options = options.create(true).write(true).truncate(true).mode(0o600);
                options
                    .open(&file)
                    .unwrap()
                    .write_all(text.as_bytes())
                    .unwrap();
            };
            let serve = || {
                run(
                    place.directory.path(),
                    &["serve", "--config", "keyward.toml"],
                )
            };
            fs::remove_file(&file).unwrap();
            serve().failed(1, &["cannot read", name, "No such file"]);
            for text in ["", "nonsense"] {
                write(text);
                serve().failed(1, &["is in", name]);
            }
            write(&kept);
        }
        let (server, ..) = place.serve();
        server.stop();
    }
}

#[test]
fn half_of_what_tls_needs_stops_the_start() {
    let place = Place::new();
    for (lines, says) in [
        (
            "tls_cert_file = \"cert.pem\"",
            "`[gateway] tls_key_file` is not",
        ),
        (
            "tls_key_file = \"key.pem\"",
            "`[gateway] tls_cert_file` is not",
        ),
        (
            "tls_client_ca_file = \"ca.pem\"",
            "`[gateway] tls_cert_file` is not",
        ),
        (
            "trusted_proxies = [\"10.1.2.3/8\"]",
            "`10.1.2.3/8` is no network",
        ),
        (
            "tls_cert_fil = \"cert.pem\"",
            "did you mean `tls_cert_file`?",
        ),
    ] {
        place.configure(lines, "");
        let done = run(
            place.directory.path(),
            &["serve", "--config", "keyward.toml"],
        );
        done.failed(1, &[says]);
    }
}

/// What a client of the load has seen.
#[derive(Debug, Default)]
struct Seen {
    sent: AtomicUsize,
    answered: AtomicUsize,
    is_told: AtomicBool,
}

/// One client: a request each 32 ms, 16 of them together 500 each second. Ends when a new connection is refused.
async fn client(gateway: SocketAddr, request: Arc<[u8]>, seen: Arc<Seen>) {
    let mut pace = tokio::time::interval(Duration::from_millis(32));
    'connection: while let Ok(mut client) = Client::connect(gateway).await {
        loop {
            pace.tick().await;
            // Each request that is sent on a connection that was accepted has an answer.
            seen.sent.fetch_add(1, Ordering::SeqCst);
            let answer = client.exchange(&request).await.expect("a request failed");
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(!answer.truncated);
            seen.answered.fetch_add(1, Ordering::SeqCst);
            if answer.header("connection") == Some("close") {
                seen.is_told.store(true, Ordering::SeqCst);
                continue 'connection;
            }
        }
    }
}

#[test]
fn a_stop_under_load_fails_no_request() {
    let mut dev = Dev::start();
    let address: SocketAddr = {
        let url = dev.text("gateway_url");
        url.trim_start_matches("http://").parse().unwrap()
    };
    let body = r#"{"messages":[]}"#;
    let request: Arc<[u8]> = format!(
        "POST /v1/{}/default/echo/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         cf-aig-authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        dev.text("account_id"),
        dev.text("gateway_token"),
        body.len()
    )
    .into_bytes()
    .into();
    let runtime = Runtime::new().unwrap();
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let client = client(address, Arc::clone(&request), Arc::clone(&seen));
        clients.spawn_on(client, runtime.handle());
    }
    until("the load runs", || {
        seen.answered.load(Ordering::SeqCst) > 500
    });
    dev.server.signal(Signal::TERM);
    let status = dev.server.wait();
    assert!(status.success(), "{status}: {}", dev.server.logged());
    runtime.block_on(async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("a request failed");
        }
    });
    let sent = seen.sent.load(Ordering::SeqCst);
    assert_eq!(seen.answered.load(Ordering::SeqCst), sent);
    assert!(seen.is_told.load(Ordering::SeqCst), "nobody was told to go");
}

/// The second signal does not wait for anything.
#[test]
fn a_second_signal_ends_it_at_once() {
    let mut dev = Dev::start();
    let address = dev
        .text("gateway_url")
        .trim_start_matches("http://")
        .to_owned();
    // Half a request: in flight for as long as the drain lasts.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "POST /v1/{}/default/echo/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
         cf-aig-authorization: Bearer {}\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n",
        dev.text("account_id"),
        dev.text("gateway_token"),
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    dev.server.signal(Signal::TERM);
    let control = dev
        .text("control_url")
        .trim_start_matches("http://")
        .to_owned();
    until("it is being stopped", || {
        TcpStream::connect(&control).is_err()
    });
    dev.server.signal(Signal::TERM);
    let status = dev.server.wait();
    assert_eq!(status.code(), Some(1));
}
