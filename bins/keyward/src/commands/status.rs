//! `keyward status`: which server, who one is there, and what needs attention first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    args::Connect,
    attention::{self, Attention, Key, Token},
    client::{Client, Found, GATEWAYS, Health, Identity, keys_path, text},
    clock,
    commands::tokens,
    failure::Failure,
    output::{Output, print},
};

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn run(connect: &Connect) -> Result<(), Failure> {
    let found = Found::find(connect)?;
    let identity = found.identity().clone();
    let health = found.health().await?;
    let mut report = Report::new(&identity, &health);
    if let Some(reason) = &health.not_ready {
        report.print(connect.json)?;
        return Err(Failure::unreachable("the server does not serve")
            .because(reason.clone())
            .help("its log says more; `keyward doctor` on its machine checks what it needs"));
    }
    let asked = async {
        let client = found.connect().await?;
        report.token(&client).await?;
        report.keys(&client).await
    };
    let asked = asked.await;
    // What is known is told, also where the token is refused.
    report.print(connect.json)?;
    asked
}

/// What is told, as far as it is known.
struct Report {
    fields: Vec<(&'static str, String)>,
    json: serde_json::Map<String, Value>,
    /// Keys by gateway and status.
    counts: Option<BTreeMap<String, BTreeMap<String, usize>>>,
    attention: Vec<Attention>,
    token: Token,
}

impl Report {
    fn new(identity: &Identity, health: &Health) -> Self {
        let skew = health.version != OWN_VERSION;
        let version = match skew {
            false => health.version.clone(),
            true => format!("{}; this command is {OWN_VERSION}", health.version),
        };
        let sealed = match &health.not_ready {
            None => "no".to_owned(),
            Some(reason) => format!("does not serve: {reason}"),
        };
        let mut fields = vec![("server", identity.url.clone()), ("version", version)];
        if let Some(profile) = &identity.profile {
            fields.push(("profile", profile.to_string()));
        }
        fields.push(("sealed", sealed));
        fields.push(("token from", identity.token_from.to_string()));
        let json = json!({
            "server": { "url": identity.url, "version": health.version },
            "client_version": OWN_VERSION,
            "version_skew": skew,
            "ready": health.not_ready.is_none(),
            // A server that answers has opened its vault: one that could not does not start.
            "sealed": false,
            "not_ready_reason": health.not_ready,
            "profile": identity.profile.as_ref().map(ToString::to_string),
            "token": { "from": identity.token_from.to_string() },
        });
        let json = match json {
            Value::Object(json) => json,
            _ => serde_json::Map::new(),
        };
        Self {
            fields,
            json,
            counts: None,
            attention: Vec::new(),
            token: Token {
                id: String::new(),
                expires: None,
            },
        }
    }

    /// Who one is.
    async fn token(&mut self, client: &Client) -> Result<(), Failure> {
        let token = client.own_token().await?;
        let ends = text(&token, "expires_on");
        self.token = Token {
            id: text(&token, "id"),
            expires: ends.parse().ok(),
        };
        let name = format!("{} `{}`", text(&token, "id"), text(&token, "name"));
        let allows = tokens::allows(&token);
        self.fields.extend([
            ("token", name),
            ("account", client.account().to_owned()),
            ("may", allows.clone()),
            (
                "expires",
                if ends.is_empty() {
                    "never".to_owned()
                } else {
                    ends.clone()
                },
            ),
        ]);
        if let Some(gateway) = &client.identity().gateway {
            self.fields.push(("gateway", gateway.to_string()));
        }
        self.json
            .insert("account_id".to_owned(), client.account().into());
        self.json.insert(
            "token".to_owned(),
            json!({
                "from": client.identity().token_from.to_string(),
                "id": text(&token, "id"),
                "name": text(&token, "name"),
                "status": text(&token, "status"),
                "allows": allows,
                "expires_on": token.get("expires_on"),
            }),
        );
        Ok(())
    }

    /// Every key by its gateway and status; that a token may not see them is no failure.
    async fn keys(&mut self, client: &Client) -> Result<(), Failure> {
        let gateways = match client.list(GATEWAYS).await {
            Ok(gateways) => gateways,
            Err(failure) if failure.is_not_authorised() => {
                self.fields.push((
                    "keys",
                    "not shown: the token lacks AI Gateway Read".to_owned(),
                ));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        let mut keys = Vec::new();
        for gateway in gateways {
            let id = text(&gateway, "id");
            let Ok(parsed) = keyward_registry::GatewayId::parse(&id) else {
                continue;
            };
            let by_status = counts.entry(id).or_default();
            for key in client.list(&keys_path(&parsed)).await? {
                let key = read(&key);
                *by_status.entry(key.status.clone()).or_default() += 1;
                keys.push(key);
            }
        }
        let now = Timestamp::try_from(clock::now()).map_err(|error| {
            Failure::new("the clock of this machine is beyond all calendars")
                .caused_by(&error)
                .help("set the clock")
        })?;
        self.attention =
            attention::attention(&keys, &self.token, client.identity().profile.as_ref(), now);
        self.counts = Some(counts);
        Ok(())
    }

    fn print(mut self, json: bool) -> Result<(), Failure> {
        let output = Output::new(json);
        if output == Output::Json {
            self.json.insert("keys".to_owned(), json!(self.counts));
            let attention = self.attention.iter();
            let attention: Vec<_> = attention
                .map(|one| json!({ "what": one.what, "command": one.command }))
                .collect();
            self.json.insert("attention".to_owned(), attention.into());
            return print(Value::Object(self.json));
        }
        for (gateway, statuses) in self.counts.into_iter().flatten() {
            let told: Vec<_> = statuses
                .iter()
                .map(|(status, count)| format!("{count} {status}"))
                .collect();
            let told = if told.is_empty() {
                "none".to_owned()
            } else {
                told.join(", ")
            };
            self.fields.push(("keys", format!("{gateway}: {told}")));
        }
        let worst = self.attention.first().map(|one| one.command.clone());
        self.fields.extend(
            self.attention
                .into_iter()
                .map(|one| ("attention", one.what)),
        );
        self.fields.extend(worst.map(|command| ("next", command)));
        output.fields(&self.fields, &Value::Null)
    }
}

fn read(key: &Value) -> Key {
    let status = match key.get("enabled").and_then(Value::as_bool) {
        Some(false) => "disabled".to_owned(),
        _ => text(key, "status"),
    };
    Key {
        gateway: text(key, "gateway_id"),
        provider: text(key, "provider_slug"),
        alias: text(key, "alias"),
        status,
        reason: text(key, "status_reason"),
        expires: text(key, "expires_on").parse().ok(),
    }
}
