//! Revocation while a request is under way: what the commands say, and what `--now` does.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use keyward_testing::{Canary, append_output};
use tempfile::TempDir;

use crate::support::{DEV, Dev, Server, keyward};

const DEADLINE: Duration = Duration::from_secs(20);

/// `dev`, and a provider that takes requests and answers none.
struct Held {
    dev: Dev,
    provider: TcpListener,
}

impl Held {
    fn start() -> Self {
        let provider = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = TempDir::new().unwrap();
        let config = format!(
            "[providers.openai]\nbase_url = \"http://{}\"\n",
            provider.local_addr().unwrap()
        );
        fs::write(directory.path().join("keyward.toml"), config).unwrap();
        let mut command = keyward(directory.path(), DEV);
        command.args(["--json", "--config", "keyward.toml"]);
        let server = Server::spawn(command, directory.path().join("log"));
        let dev = Dev::of(server, directory);
        let key = Canary::new("held");
        dev.run_with(&["keys", "add", "openai"], key.text()).ok();
        Self { dev, provider }
    }

    /// A request that the provider has; the client's end and the provider's.
    fn request(&self, token: &str) -> (TcpStream, TcpStream) {
        let url = self.dev.text("gateway_url").trim_start_matches("http://");
        let account = self.dev.text("account_id");
        let mut client = TcpStream::connect(url).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!(
            "GET /v1/{account}/default/openai/v1/models HTTP/1.1\r\nHost: a\r\ncf-aig-authorization: {token}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).unwrap();
        let (mut held, _) = self.provider.accept().unwrap();
        held.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut came = Vec::new();
        let mut block = [0; 4096];
        while !came.ends_with(b"\r\n\r\n") {
            let read = held.read(&mut block).unwrap();
            assert!(read > 0);
            came.extend_from_slice(&block[..read]);
        }
        (client, held)
    }
}

/// The status of the answer that ends a request.
fn status(client: &mut TcpStream) -> String {
    let mut line = vec![0; 12];
    client.read_exact(&mut line).unwrap();
    append_output("client", &line);
    String::from_utf8(line).unwrap()
}

/// The other side is closed.
fn is_closed(held: &mut TcpStream) {
    let mut rest = Vec::new();
    let _reset_counts_too = held.read_to_end(&mut rest);
}

#[test]
fn commands_tell_how_many_requests_go_on_and_now_cuts_them() {
    let held = Held::start();
    let dev = &held.dev;
    let made = dev.run(&["tokens", "create", "app", "--json"]).ok().json();
    let (id, text) = (
        made["id"].as_str().unwrap(),
        made["value"].as_str().unwrap(),
    );
    let (mut client, mut provider) = held.request(text);
    let revoked = dev.run(&["tokens", "revoke", id, "--now", "--yes"]).ok();
    assert!(revoked.out.contains("cut 1 request"), "{}", revoked.out);
    assert_eq!(status(&mut client), "HTTP/1.1 401");
    is_closed(&mut provider);

    let token = dev.text("gateway_token");
    let (mut client, mut provider) = held.request(token);
    let disabled = dev
        .run(&["keys", "disable", "openai", "--json"])
        .ok()
        .json();
    assert_eq!(disabled["requests_open"], 1);
    let enabled = dev.run(&["keys", "enable", "openai"]).ok();
    assert!(!enabled.out.contains("request"), "{}", enabled.out);
    let disabled = dev.run(&["keys", "disable", "openai"]).ok();
    let told = "still under way with it: 1 request (--now cuts them)";
    assert!(disabled.out.contains(told), "{}", disabled.out);
    let deleted = dev
        .run(&["keys", "delete", "openai", "--now", "--yes"])
        .ok();
    assert!(deleted.out.contains("cut 1 request"), "{}", deleted.out);
    assert_eq!(status(&mut client), "HTTP/1.1 424");
    is_closed(&mut provider);
    held.dev.stop();
}
