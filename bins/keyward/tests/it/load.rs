//! Commands while requests come without pause: none fails in a rotation, none that starts after a revoking
//! command returned succeeds.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use keyward_testing::{Canary, FakeProvider, Placement, TestCa, client::Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinHandle};

use crate::support::{DEV, Dev, Server, keyward, send};

const CONNECTIONS: usize = 8;
const ROTATIONS: usize = 50;
const DEPLOYMENTS: usize = 40;
const ROUTED: &[u8] = br#"{"model":"dynamic/load","messages":[]}"#;
const CHAT: &[u8] = br#"{"messages":[]}"#;

/// A request that was made: its number, how many changes had returned when it started, and its status.
type Made = (usize, usize, u16);

/// `dev` in front of a fake provider, and clients that send without pause.
struct Load {
    runtime: Runtime,
    provider: FakeProvider,
    dev: Dev,
    /// How many changes have returned.
    returned: Arc<AtomicUsize>,
}

impl Load {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let ca = TestCa::new();
        let provider = runtime.block_on(FakeProvider::start_tls(
            Placement::bearer(),
            Vec::<String>::new(),
            &ca,
        ));
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), ca.ca_pem()).unwrap();
        let config = format!(
            "[tls]\nextra_ca_files = [\"ca.pem\"]\n[providers.openai]\nbase_url = \"{}\"\n",
            provider.origin()
        );
        fs::write(directory.path().join("keyward.toml"), config).unwrap();
        let mut command = keyward(directory.path(), DEV);
        command.args(["--json", "--config", "keyward.toml"]);
        let server = Server::spawn(command, directory.path().join("log"));
        Self {
            runtime,
            provider,
            dev: Dev::of(server, directory),
            returned: Arc::default(),
        }
    }

    /// Clients of OpenAI's own path, until `stop`.
    fn clients(&self, token: &str, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<Vec<Made>>> {
        self.clients_of("openai/chat/completions", CHAT, token, stop)
    }

    /// Clients on connections of their own, which send `body` to `path` below the gateway, until `stop`.
    fn clients_of(
        &self,
        path: &str,
        body: &'static [u8],
        token: &str,
        stop: &Arc<AtomicBool>,
    ) -> Vec<JoinHandle<Vec<Made>>> {
        let url = self.dev.text("gateway_url").trim_start_matches("http://");
        let address = url.parse().unwrap();
        let account = self.dev.text("account_id");
        let path = format!("/v1/{account}/default/{path}");
        let bearer = format!("Bearer {token}");
        let numbers = Arc::new(AtomicUsize::new(0));
        let client = |_index| {
            let (path, bearer, numbers) = (path.clone(), bearer.clone(), Arc::clone(&numbers));
            let (returned, stop) = (Arc::clone(&self.returned), Arc::clone(stop));
            self.runtime.spawn(async move {
                let mut client = Client::connect(address).await.unwrap();
                let mut made = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    let text = number.to_string();
                    let started = returned.load(Ordering::SeqCst);
                    let headers = [
                        ("authorization", bearer.as_str()),
                        ("x-number", text.as_str()),
                    ];
                    let answer = client.post(&path, &headers, body).await.unwrap();
                    made.push((number, started, answer.status));
                }
                made
            })
        };
        (0..CONNECTIONS).map(client).collect()
    }

    fn gather(&self, clients: Vec<JoinHandle<Vec<Made>>>) -> Vec<Made> {
        let made = clients
            .into_iter()
            .map(|client| self.runtime.block_on(client).unwrap());
        made.flatten().collect()
    }

    /// Waits until that many more requests came up.
    fn let_pass(&self, requests: usize) {
        let wanted = self.provider.count() + requests;
        self.runtime.block_on(
            self.provider
                .wait_for(wanted, std::time::Duration::from_secs(60)),
        );
    }
}

#[test]
fn fifty_rotations_fail_no_request_and_no_old_key_is_used_after_one_returned() {
    let load = Load::start();
    let keys: Vec<_> = (0..=ROTATIONS)
        .map(|number| Canary::new(&format!("rotation {number}")))
        .collect();
    // The provider takes old and new: what is counted is what Keyward sends.
    load.provider.accept_keys(keys.iter().map(Canary::text));
    load.dev
        .run_with(&["keys", "add", "openai"], keys[0].text())
        .ok();
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load.clients(load.dev.text("gateway_token"), &stop);
    for key in &keys[1..] {
        load.let_pass(CONNECTIONS);
        load.dev
            .run_with(&["keys", "rotate", "openai", "--overlap", "0s"], key.text())
            .ok();
        load.returned.fetch_add(1, Ordering::SeqCst);
    }
    load.let_pass(CONNECTIONS);
    stop.store(true, Ordering::SeqCst);
    let made = load.gather(clients);

    assert!(made.len() >= CONNECTIONS * ROTATIONS, "{}", made.len());
    let failed = made.iter().filter(|(_, _, status)| *status != 200).count();
    assert_eq!(failed, 0, "of {}", made.len());
    let versions: HashMap<String, usize> = keys
        .iter()
        .enumerate()
        .map(|(version, key)| (format!("Bearer {}", key.text()), version))
        .collect();
    let used: HashMap<usize, usize> = load
        .provider
        .recorded()
        .iter()
        .map(|request| {
            let number = request.header("x-number").unwrap().parse().unwrap();
            (number, versions[request.header("authorization").unwrap()])
        })
        .collect();
    for (number, started, _) in made {
        assert!(
            used[&number] >= started,
            "request {number} started after rotation {started}"
        );
    }
    load.dev.stop();
}

#[test]
fn after_keys_delete_or_tokens_revoke_returned_no_request_that_starts_succeeds() {
    for revoke in [Revoke::Key, Revoke::Token] {
        let load = Load::start();
        let key = Canary::new("revoked");
        load.provider.accept_keys([key.text()]);
        load.dev
            .run_with(&["keys", "add", "openai"], key.text())
            .ok();
        let created = load
            .dev
            .run(&["tokens", "create", "load", "--json"])
            .ok()
            .json();
        let (id, token) = (
            created["id"].as_str().unwrap(),
            created["value"].as_str().unwrap(),
        );
        let stop = Arc::new(AtomicBool::new(false));
        let clients = load.clients(token, &stop);
        load.let_pass(CONNECTIONS * 10);
        match revoke {
            Revoke::Key => load.dev.run(&["keys", "delete", "openai", "--yes"]).ok(),
            Revoke::Token => load.dev.run(&["tokens", "revoke", id, "--yes"]).ok(),
        };
        load.returned.fetch_add(1, Ordering::SeqCst);
        // Long enough for each connection to have started several since.
        let refused = load.dev.run(&["keys", "list"]);
        assert_eq!(refused.code, Some(0));
        stop.store(true, Ordering::SeqCst);
        let made = load.gather(clients);
        let expected = match revoke {
            Revoke::Key => 400,
            Revoke::Token => 401,
        };
        let late: Vec<_> = made
            .iter()
            .filter(|(_, started, _)| *started == 1)
            .collect();
        assert!(late.len() >= CONNECTIONS, "{}", late.len());
        assert!(
            late.iter().all(|(_, _, status)| *status == expected),
            "{revoke:?}: {late:?}"
        );
        assert!(
            made.iter()
                .all(|(_, _, status)| [200, expected].contains(status))
        );
        load.dev.stop();
    }
}

/// A route whose one model is OpenAI's of this name.
fn elements(model: &str) -> Value {
    json!([
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "model"}}},
        {"id": "model", "type": "model", "properties": {"provider": "openai", "model": model},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end", "outputs": {}},
    ])
}

impl Load {
    /// A call to the REST API below the routes of the gateway `default`.
    fn rest(&self, path: &str, body: &Value) -> Value {
        let url = format!(
            "{}/client/v4/accounts/{}/ai-gateway/gateways/default/routes{path}",
            self.dev.text("control_url"),
            self.dev.text("account_id"),
        );
        let bearer = format!("Bearer {}", self.dev.text("api_token"));
        let headers = [("authorization", bearer.as_str())];
        let answer = send("POST", &url, &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["result"].clone()
    }
}

/// Every worker follows what is deployed from the moment on at which the answer came: forward, and back again.
#[test]
fn forty_deployments_fail_no_request_and_none_that_starts_later_takes_an_older_way() {
    let load = Load::start();
    let key = Canary::new("routed");
    load.provider.accept_keys([key.text()]);
    load.dev
        .run_with(&["keys", "add", "openai"], key.text())
        .ok();
    let made = load.rest(
        "",
        &json!({"name": "load", "elements": elements("model-0")}),
    );
    let path = format!("/{}", made["id"].as_str().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let token = load.dev.text("gateway_token");
    let clients = load.clients_of("compat/chat/completions", ROUTED, token, &stop);
    // Model and version of each deployment; every fourth goes back by two.
    let mut deployed = vec![("model-0".to_owned(), made["version"]["version_id"].clone())];
    for number in 1..=DEPLOYMENTS {
        // So many that some of them started since the last deployment.
        load.let_pass(CONNECTIONS * 2);
        let next = if number % 4 == 0 {
            deployed[number - 2].clone()
        } else {
            let model = format!("model-{number}");
            let saved = json!({"elements": elements(&model)});
            let saved = load.rest(&format!("{path}/versions"), &saved);
            (model, saved["version_id"].clone())
        };
        let version = json!({"version_id": next.1});
        load.rest(&format!("{path}/deployments"), &version);
        deployed.push(next);
        load.returned.fetch_add(1, Ordering::SeqCst);
    }
    load.let_pass(CONNECTIONS * 2);
    stop.store(true, Ordering::SeqCst);
    let requests = load.gather(clients);

    assert!(
        requests.len() >= CONNECTIONS * DEPLOYMENTS,
        "{}",
        requests.len()
    );
    let failed = requests.iter().filter(|(_, _, status)| *status != 200);
    assert_eq!(failed.count(), 0, "of {}", requests.len());
    let came: HashMap<usize, String> = load
        .provider
        .recorded()
        .iter()
        .map(|request| {
            let number = request.header("x-number").unwrap().parse().unwrap();
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            (number, body["model"].as_str().unwrap().to_owned())
        })
        .collect();
    for (number, started, _) in requests {
        let model = &came[&number];
        assert!(
            deployed[started..].iter().any(|(later, _)| later == model),
            "request {number} started after deployment {started} and came to {model}"
        );
    }
    // Each was in force, and had requests.
    for (model, _) in &deployed {
        assert!(came.values().any(|came| came == model), "{model}");
    }
    load.dev.stop();
}

#[derive(Clone, Copy, Debug)]
enum Revoke {
    Key,
    Token,
}
